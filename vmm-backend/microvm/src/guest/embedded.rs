//! The embedded guest as the host sees it, and every other image that speaks its protocol: a flat piece of
//! ring-3 code that serves the mailbox. What its bytes do is `guest/image.rs`.

use std::mem::offset_of;

use kvm_bindings::{kvm_regs, kvm_sregs};

use super::mailbox::{KEY_BYTES_MAX, Mailbox, Order, Reply, URL_BYTES_MAX, kind, status};
use super::{Binding, Guest, Rang, generator, layout};
use crate::bind::{Ack, GuestError, Request};
use crate::machine::{self, MachineError};
use crate::sys::memory::Mapping;

const ORDER: u64 = layout::MAILBOX + offset_of!(Mailbox, order) as u64;
const REPLY: u64 = layout::MAILBOX + offset_of!(Mailbox, reply) as u64;

/// A guest that serves the mailbox, loaded and entered at [`layout::IMAGE`].
///
/// It must ring the doorbell with [`layout::RING_CHECKPOINT`] when it has booted, and from then on serve the
/// mailbox.
#[derive(Clone, Copy, Debug)]
pub struct Image {
    /// A name for manifests and messages.
    pub name: &'static str,
    /// Code, constants and variables.
    pub bytes: &'static [u8],
}

/// The embedded guest.
pub const EMBEDDED: Image =
    Image { name: "embedded", bytes: include_bytes!(concat!(env!("OUT_DIR"), "/guest.bin")) };

impl Guest for Image {
    fn name(&self) -> &'static str {
        self.name
    }

    fn protocol(&self) -> &'static str {
        "mailbox"
    }

    fn check_memory(&self, bytes: u64) -> Result<(), MachineError> {
        machine::check_memory(bytes)
    }

    fn load(&self, memory: &Mapping) -> Result<(), MachineError> {
        machine::load(memory, self.name, self.bytes)
    }

    fn registers(&self, fresh: &kvm_sregs, memory_bytes: u64) -> (kvm_sregs, kvm_regs) {
        (machine::special_registers(fresh), machine::general_registers(memory_bytes))
    }

    fn doorbell(&self) -> u64 {
        layout::DOORBELL
    }

    fn rang(&self, value: u32) -> Rang {
        match value {
            layout::RING_CHECKPOINT => Rang::Checkpoint,
            layout::RING_REPLY => Rang::Reply,
            layout::RING_PANIC => Rang::Panicked,
            _ => Rang::Unknown,
        }
    }

    fn warm(&self, memory: &Mapping) {
        post(memory, &Order::new(kind::WARM, [0; 2]));
    }

    fn bind(&self, memory: &Mapping, binding: &Binding<'_>) {
        let mut order = Order::new(kind::BIND, [0; 2]);
        order.generation = binding.generation.0;
        order.entropy = binding.entropy;
        order.wall_ns = binding.wall_ns;
        if let Some(user) = binding.user {
            let (url, key) = (user.url().as_bytes(), user.key().as_str().as_bytes());
            // Both lengths were checked when the user's data was taken.
            order.url[..url.len()].copy_from_slice(url);
            order.key[..key.len()].copy_from_slice(key);
            order.url_bytes = url.len() as u16;
            order.key_bytes = key.len() as u16;
        }
        post(memory, &order);
    }

    fn acknowledged(&self, memory: &Mapping, binding: &Binding<'_>) -> Result<Ack, GuestError> {
        // The guest cleared it; one that did not must not leave it for the next reader of this page either.
        memory.write(ORDER + offset_of!(Order, entropy) as u64, &[0; 32]);
        acknowledgement(&memory.load(REPLY), binding)
    }

    fn ask(&self, memory: &Mapping, request: Request) {
        let (kind, args) = request.encode();
        post(memory, &Order::new(kind, args));
    }

    fn answer(&self, memory: &Mapping) -> Result<[u64; 4], GuestError> {
        values(&memory.load(REPLY))
    }
}

fn post(memory: &Mapping, order: &Order) {
    memory.store(REPLY, &Reply::default());
    memory.store(ORDER, order);
}

/// A reply's values, where its status allows.
fn values(reply: &Reply) -> Result<[u64; 4], GuestError> {
    match reply.status {
        status::OK => Ok(reply.values),
        status::STALE => Err(GuestError::Stale),
        status::UNBOUND => Err(GuestError::Unbound),
        status::FULL => Err(GuestError::Full),
        status::UNKNOWN => Err(GuestError::Unknown),
        other => Err(GuestError::Status { status: other }),
    }
}

/// Check what a guest answered to a bind with this generation and entropy.
fn acknowledgement(reply: &Reply, binding: &Binding<'_>) -> Result<Ack, GuestError> {
    let [proof, ..] = values(reply)?;
    let generation = binding.generation;
    if reply.generation != generation.0 || proof != generator::proof(&binding.entropy, generation.0) {
        return Err(GuestError::Acknowledgement);
    }
    Ok(Ack { generation, proof })
}

const _: () = assert!(URL_BYTES_MAX <= u16::MAX as usize);
const _: () = assert!(KEY_BYTES_MAX <= u16::MAX as usize);

// SAFETY: integers and arrays of integers only.
unsafe impl vm_memory::ByteValued for Order {}
// SAFETY: integers and arrays of integers only.
unsafe impl vm_memory::ByteValued for Reply {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bind::Generation;

    #[test]
    fn an_acknowledgement_must_fit_generation_and_entropy() {
        let binding = |entropy| Binding { generation: Generation(4), entropy, wall_ns: 0, user: None };
        let right = Reply {
            status: status::OK,
            reserved: 0,
            generation: 4,
            values: [generator::proof(&[9; 32], 4), 0, 0, 0],
        };
        assert!(acknowledgement(&right, &binding([9; 32])).is_ok());
        let older = Reply { generation: 3, ..right };
        assert_eq!(acknowledgement(&older, &binding([9; 32])), Err(GuestError::Acknowledgement));
        assert_eq!(acknowledgement(&right, &binding([8; 32])), Err(GuestError::Acknowledgement));
        let refused = Reply { status: status::STALE, ..right };
        assert_eq!(acknowledgement(&refused, &binding([9; 32])), Err(GuestError::Stale));
    }
}
