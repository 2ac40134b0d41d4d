//! Why an operation on a fleet did not succeed, and whether its VM survived it.

use crate::config::VmId;
use microvm::template::TemplateError;
use std::io;
use std::path::PathBuf;

/// An operation on the fleet did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum ShardsError {
    /// Numbers that make no fleet.
    #[error("{what} is {value}, must be from 1 to {max}")]
    Config {
        /// Which number.
        what: &'static str,
        /// Its value.
        value: usize,
        /// The greatest possible.
        max: usize,
    },
    /// The template cannot be handed to shards.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// `/dev/kvm` cannot be opened.
    #[error("cannot open /dev/kvm: {0}")]
    Device(#[source] io::Error),
    /// A shard process cannot be started.
    #[error("cannot start a shard process: {0}")]
    Spawn(#[source] io::Error),
    /// A shard process could not set itself up.
    #[error("shard {shard} could not be set up: {text}")]
    Setup {
        /// Which.
        shard: usize,
        /// What it said.
        text: String,
    },
    /// As many VMs live as may.
    #[error("no room: {vms_max} VMs may live at once in this fleet")]
    Full {
        /// The bound.
        vms_max: usize,
    },
    /// Stopped, lost, failed, or never there.
    #[error("{0} does not exist (any more)")]
    Unknown(VmId),
    /// The guest did not answer in time. The VM is gone.
    #[error("{vm}: {text}; it was dropped")]
    TimedOut {
        /// Which.
        vm: VmId,
        /// In words.
        text: String,
    },
    /// The guest refused the request; the VM goes on.
    #[error("{vm}: {text}")]
    Guest {
        /// Which.
        vm: VmId,
        /// In words.
        text: String,
    },
    /// Not possible for this VM now, or not for this key; the VM goes on.
    #[error("{vm}: {text}")]
    Refused {
        /// Which.
        vm: VmId,
        /// In words.
        text: String,
    },
    /// Something else failed. The VM is gone.
    #[error("{vm}: {text}; it was dropped")]
    Failed {
        /// Which.
        vm: VmId,
        /// In words, naming the ioctl or system call.
        text: String,
    },
    /// The shard did not come to it within the limit; the VM is as it was.
    #[error("{vm}: shard {shard} is held up, by other guests or by a disk; nothing was done")]
    Busy {
        /// Which VM.
        vm: VmId,
        /// Which shard.
        shard: usize,
    },
    /// The command, or the file that belongs to it, could not be handed over; the VM is as it was.
    #[error("{vm}: a command cannot be sent to shard {shard}: {source}; nothing was done")]
    NotSent {
        /// Which VM.
        vm: VmId,
        /// Which shard.
        shard: usize,
        /// What the system answered.
        source: io::Error,
    },
    /// The answer to a start or wake does not follow from the entropy that was sent. The VM is gone.
    #[error(
        "{vm}: its shard does not prove that the guest took the entropy that it was sent; it was dropped"
    )]
    Unproven {
        /// Which VM.
        vm: VmId,
    },
    /// The budget of what guests may write is spent or promised; nothing was done.
    #[error(
        "{vms} VMs have written {} MiB of a budget of {} MiB, so there is no room for another: raise the budget, \
         promise more of it (overcommit), or have fewer VMs",
        written >> 20,
        budget >> 20
    )]
    Memory {
        /// VMs that there are.
        vms: usize,
        /// Bytes that they have written.
        written: u64,
        /// Bytes that they may write.
        budget: u64,
    },
    /// The system has no random bytes to give; nothing was done.
    #[error("getrandom: {0}; nothing was done")]
    Entropy(#[source] io::Error),
    /// A saved sleeper could not be woken. Its file is kept, and it can be woken later.
    #[error("{vm} sleeps on: {source}")]
    SleepsOn {
        /// Which VM.
        vm: VmId,
        /// What went wrong with the copy that was to be woken.
        source: Box<ShardsError>,
    },
    /// The shard ended meanwhile, and its VMs with it.
    #[error("{vm}: shard {shard} ended, and its VMs with it")]
    ShardLost {
        /// Which VM.
        vm: VmId,
        /// Which shard.
        shard: usize,
    },
    /// The shard did not answer and was killed.
    #[error("{vm}: shard {shard} did not answer and was killed, and its VMs with it")]
    ShardStuck {
        /// Which VM.
        vm: VmId,
        /// Which shard.
        shard: usize,
    },
    /// The file for a saved sleeper cannot be made; the VM is as it was.
    #[error("cannot make a file for a sleeping VM in {directory}: {source}")]
    SleepFile {
        /// Where.
        directory: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
}

impl ShardsError {
    /// Whether the VM that was asked is gone.
    pub fn ends_vm(&self) -> bool {
        matches!(self, Self::Unknown(_) | Self::TimedOut { .. } | Self::Failed { .. } | Self::Unproven { .. })
            || self.ends_shard()
    }

    /// Whether its shard went with it.
    pub(crate) fn ends_shard(&self) -> bool {
        matches!(self, Self::ShardLost { .. } | Self::ShardStuck { .. })
    }
}
