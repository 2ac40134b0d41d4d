//! What the API asks of whatever holds the VMs, as a small trait; it is implemented once, over the actors,
//! for any machines.
//!
//! ```text
//!   API ── begin(key) ─▶ Host ── Request ─▶ actors ── Start ─▶ machines
//!       ◀── Began ──────      ◀─ Observation: ended, and by whom
//!       ── end_use ─────▶      ── the Run operation ends ─▶ Sprite is idle
//!       ◀── Change ─────      ◀─ Observation: idle, asleep, lost
//! ```

mod books;
mod contract;
#[cfg(all(target_os = "linux", target_arch = "x86_64", not(warmpool_no_kvm)))]
mod kvm;
mod launch;
mod level;
mod on_actors;
mod saved;
mod simulated;
mod watched;

pub use contract::{Began, Change, Changes, Guests, Host, Journal, Lease, Visit, VisitError};
pub use launch::launch;
pub use level::{Counts, Level};
pub use on_actors::{ActorHost, HostError};
pub use simulated::Simulated;
