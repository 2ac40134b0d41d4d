//! The runtime's operations, done on real VMs: every boot, create, start, sleep, wake and stop that the
//! actors ask for goes to a `shards::Shards` on KVM. This is where the two halves of this crate meet; neither
//! knows the other.
//!
//! | operation | what is done |
//! | --- | --- |
//! | `Boot` | fork the template in a shard, with all state restored and the write set copied ahead |
//! | `Create` | a cold create, as far as one host has it: the image is loaded into fresh memory, booted from its first instruction, captured, sealed and trained; then a VM is forked as by a boot. There is one image and it is part of this program, so nothing is pulled and no filesystem is built |
//! | `Start` | bind the tenant's key and the URL of its objects with a new generation, fresh entropy and the wall clock; over when the guest has acknowledged. A VM that has this tenant already keeps its memory and is given all but the key anew |
//! | `Sleep` | the first stage while fewer than [`MachinesConfig::kept_max`] sleep in it, else the second: what it wrote goes to a nameless file and the VM's place is free |
//! | `Wake` | from either stage, with a new generation that the guest must acknowledge. The start that follows finds it acknowledged |
//! | `Stop`, `Detach` | end the VM and wait until its memory is back. A VM that is not there has nothing to end |
//!
//! It fails closed: whatever is not acknowledged in time has failed, its VM is never handed out again and is
//! ended by the `Detach` that follows.

#[cfg(not(all(target_os = "linux", target_arch = "x86_64", not(warmpool_no_kvm))))]
mod absent;
#[cfg(all(target_os = "linux", target_arch = "x86_64", not(warmpool_no_kvm)))]
mod directory;
mod failures;
mod fit;
#[cfg(all(target_os = "linux", target_arch = "x86_64", not(warmpool_no_kvm)))]
mod kvm;

#[cfg(not(all(target_os = "linux", target_arch = "x86_64", not(warmpool_no_kvm))))]
pub use absent::{KvmMachines, MachinesError};
pub use failures::Failed;
pub use fit::{Fit, MEMORY_BYTES};
#[cfg(all(target_os = "linux", target_arch = "x86_64", not(warmpool_no_kvm)))]
pub use kvm::{KvmMachines, MachinesError};
#[cfg(all(target_os = "linux", target_arch = "x86_64", not(warmpool_no_kvm)))]
pub use shards::Kept;

use std::path::PathBuf;

/// What a guest says about itself when it is visited. Count and beginning lie in its own memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visit {
    /// The run of its VM that it was given last.
    pub generation: u64,
    /// Visits so far, this one among them.
    pub requests: u64,
    /// The wall clock when it was first visited after its memory began, as its last bind told it; nanoseconds
    /// since 1970.
    pub began_unix_ns: u64,
    /// The hash of its tenant's key.
    pub identity: u64,
}

/// What the start of an idle VM does, for the tenant that has it already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    /// It is given a new generation, fresh entropy and the wall clock, as by a wake.
    Renewed,
    /// Nothing: it has run on meanwhile, and only its user is back.
    AsItIs,
}

/// Few enough that the mapping changes of one cost the others little, see HAZARDS.md.
const VMS_PER_SHARD: usize = 32;

/// What is to be held, and where.
#[derive(Clone, Debug)]
pub struct MachinesConfig {
    /// VMs that may be alive at once: those that hold slots, those that are being destroyed, and sleepers of
    /// the first stage.
    pub vms_max: usize,
    /// Sleepers in the first stage at most; beyond them a Sprite sleeps in the second.
    pub kept_max: usize,
    /// Memory of each guest in bytes.
    pub memory_bytes: u64,
    /// Where the nameless files of sleepers in the second stage are made.
    pub sleep_directory: PathBuf,
    /// A file that holds the template from one run to the next, so that what was saved in one can be woken in
    /// the other; it is written where it cannot be used. None: every run boots its own.
    pub template_file: Option<PathBuf>,
    /// What the start of an idle Sprite does for its own tenant.
    pub resume: Resume,
    /// Where tenants have their objects: a start binds `{object_store}/tenant-{key}`.
    pub object_store: String,
    /// VMs in one process at most; see `shards::ShardsConfig::vms_per_shard`.
    pub vms_per_shard: usize,
    /// Bytes that one guest may write beyond the template; one that has written more is ended. None: as much
    /// as it has.
    pub memory_quota: Option<u64>,
    /// Bytes that all guests may write together; beyond them none is made. None: nine tenths of what is
    /// available when this begins, or of what its control groups permit where that is less.
    pub memory_budget: Option<u64>,
    /// How many times the budget may be promised, where there is a quota.
    pub overcommit: f64,
    /// The program to start as shards; none: this program. See `shards::ShardsConfig::program`.
    pub program: Option<PathBuf>,
}

impl MachinesConfig {
    /// Room for this many VMs of the usual size, none of them asleep in the first stage.
    pub fn new(vms_max: usize) -> Self {
        Self {
            vms_max,
            kept_max: 0,
            memory_bytes: MEMORY_BYTES,
            sleep_directory: std::env::temp_dir(),
            template_file: None,
            resume: Resume::Renewed,
            object_store: "s3://warmpool".to_owned(),
            vms_per_shard: VMS_PER_SHARD,
            memory_quota: None,
            memory_budget: None,
            overcommit: f64::INFINITY,
            program: None,
        }
    }
}
