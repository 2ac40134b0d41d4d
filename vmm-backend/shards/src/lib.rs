//! The shard process: holds up to 32 VMs, isolated, and does what its parent posts. Alive only as long as its parent.

pub mod isolate;
mod seccomp;
mod serve;
pub mod spawn;
pub mod wire;

pub use serve::main_if_shard;
pub(crate) use serve::{Setup, encode_setup};
