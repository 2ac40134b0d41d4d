//! What the API asks of whatever holds the VMs, as a small trait; it is implemented once, over the actors,
//! for any machines.
//!
//! ```text
//!   API ── begin(key) ─▶ Host ── Request ─▶ actors ── Start ─▶ machines
//!       ◀── Began ──────      ◀─ Observation: ended, and by whom
//!       ── end(lease) ─▶      ── the Run operation ends ─▶ Sprite stops
//! ```

mod books;
mod contract;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod kvm;
mod launch;
mod level;
mod on_actors;
mod simulated;
mod watched;

pub use contract::{Began, Guests, Host, Lease, Losses, Visit, VisitError};
pub use launch::launch;
pub use level::{Counts, Level};
pub use on_actors::{ActorHost, HostError};
pub use simulated::Simulated;
