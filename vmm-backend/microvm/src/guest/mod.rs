//! The embedded guest as the host sees it: the image's bytes, where they go, and what the mailbox holds.

pub mod generator;
pub mod layout;
pub mod mailbox;
pub mod service;

/// A guest that the template can boot: a flat piece of ring-3 code, loaded and entered at [`layout::IMAGE`].
///
/// It must ring the doorbell with [`layout::RING_CHECKPOINT`] when it has booted, and from then on serve the mailbox.
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

// SAFETY: integers and arrays of integers only.
unsafe impl vm_memory::ByteValued for mailbox::Order {}
// SAFETY: integers and arrays of integers only.
unsafe impl vm_memory::ByteValued for mailbox::Reply {}
