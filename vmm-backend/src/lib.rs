//! A real host for the actors of a warm pool. Three crates know nothing of each other's concerns, and this
//! one joins them:
//!
//! | crate | what it does | what it does not know |
//! | --- | --- | --- |
//! | `microvm` | KVM and one VM's life | processes, actors |
//! | `shards` | the isolated processes that hold VMs, and what their parent calls | actors |
//! | `runtime` | hosts the actors on ractor, and has their operations done by whatever implements `Machines` | KVM |
//!
//! [`machines`] implements [`runtime::Machines`] with the shards of this host; [`doctor`] tells what this
//! host can do, and [`calibrate`] how fast it is. Which hazard is met by which policy and which test stands
//! in `HAZARDS.md`.
//!
//! VMs need KVM on x86-64 Linux. Elsewhere, and with `--cfg warmpool_no_kvm`, everything compiles, and
//! whoever asks for a VM is told why there is none.
//!
//! What can be done on the host at hand:
//!
//! ```
//! use vmm_backend::doctor::{Wanted, examine};
//!
//! let findings = examine(&Wanted::default());
//! assert!(!findings.is_empty());
//! for finding in findings {
//!     println!("{finding}");
//! }
//! ```

#![forbid(unsafe_code)]

pub mod calibrate;
pub mod doctor;
mod host;
pub mod machines;

pub use host::HostId;

/// Become a shard, and never return, where this process was started as one. Call it first in `main`, before
/// any other thread runs.
pub fn main_if_shard() {
    #[cfg(all(target_os = "linux", target_arch = "x86_64", not(warmpool_no_kvm)))]
    shards::main_if_shard();
}

/// Why this build has no VMs.
#[cfg(not(all(target_os = "linux", target_arch = "x86_64", not(warmpool_no_kvm))))]
pub fn why_not() -> String {
    if cfg!(warmpool_no_kvm) {
        return "this program was built without KVM: build it without `--cfg warmpool_no_kvm`".to_owned();
    }
    let (system, processor) = (std::env::consts::OS, std::env::consts::ARCH);
    format!("real microVMs need KVM on x86-64 Linux, and this is {system} on {processor}")
}
