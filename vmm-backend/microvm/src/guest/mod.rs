//! What differs between guests, as one trait. Template, fork, start, sleep and wake know a guest through it
//! only.

mod embedded;
pub mod generator;
pub mod layout;
pub mod mailbox;
pub mod service;

use kvm_bindings::{kvm_regs, kvm_sregs};

use crate::bind::{Ack, Bind, Generation, GuestError, Request};
use crate::machine::MachineError;
use crate::sys::memory::Mapping;

pub use embedded::{EMBEDDED, Image};

/// What the guest says by the value that it writes to its doorbell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rang {
    /// It has booted, and waits to be captured.
    Checkpoint,
    /// It has done what it was asked.
    Reply,
    /// It panicked: nothing in its memory is to be believed.
    Panicked,
    /// Nothing that this guest ever says.
    Unknown,
}

/// What makes one run of one VM different from every other.
#[derive(Clone, Copy, Debug)]
pub struct Binding<'a> {
    /// Names the run.
    pub generation: Generation,
    /// Fresh for this run.
    pub entropy: [u8; 32],
    /// Wall clock, nanoseconds since 1970.
    pub wall_ns: u64,
    /// The user's data; none where the VM has its user already.
    pub user: Option<&'a Bind>,
}

/// A kind of guest: its shape, how it is loaded, when it has reached its checkpoint, how a user is bound to
/// it, and how it acknowledges that.
///
/// A guest leaves by writing four bytes to its doorbell, an address without memory, and stands there until it
/// is run again. Between two runs the host reads and writes its memory. So every method here is about memory
/// and values; none runs anything.
pub trait Guest: std::fmt::Debug + Send + Sync {
    /// A name for manifests and messages.
    fn name(&self) -> &'static str;

    /// Names how the host talks to it. A template may be forked by whoever knows its protocol.
    fn protocol(&self) -> &'static str;

    /// Whether it can have this much memory.
    ///
    /// # Errors
    /// The limits.
    fn check_memory(&self, bytes: u64) -> Result<(), MachineError>;

    /// Put it into fresh memory, which is all zero.
    ///
    /// # Errors
    /// Where it does not fit.
    fn load(&self, memory: &Mapping) -> Result<(), MachineError>;

    /// The registers at its entry. `fresh` is what a new vCPU has.
    fn registers(&self, fresh: &kvm_sregs, memory_bytes: u64) -> (kvm_sregs, kvm_regs);

    /// The address of its doorbell.
    fn doorbell(&self) -> u64;

    /// What it says with this value.
    fn rang(&self, value: u32) -> Rang;

    /// Ask it to go once around without a user, touching what a start touches. It replies.
    fn warm(&self, memory: &Mapping);

    /// Ask it to take a new generation, fresh entropy, the wall clock and, the first time, its user. It
    /// replies.
    fn bind(&self, memory: &Mapping, binding: &Binding<'_>);

    /// Check its reply to this binding, and remove what of it must not stay in memory.
    ///
    /// # Errors
    /// Where it refused, or where the reply does not follow from generation and entropy.
    fn acknowledged(&self, memory: &Mapping, binding: &Binding<'_>) -> Result<Ack, GuestError>;

    /// Ask it to do something for its user. It replies.
    fn ask(&self, memory: &Mapping, request: Request);

    /// Its reply to a request.
    ///
    /// # Errors
    /// Where it refused.
    fn answer(&self, memory: &Mapping) -> Result<[u64; 4], GuestError>;
}
