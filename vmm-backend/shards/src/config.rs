//! What a fleet is to be, and what its VMs are called. Plain data.

use crate::wire::VMS_PER_SHARD_MAX;
use microvm::saved::FileKey;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Names one VM of a fleet; never used again for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VmId(pub u64);

impl fmt::Display for VmId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "vm-{}", self.0)
    }
}

/// How deep a VM sleeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Everything is kept, nothing runs. Wakes in microseconds and keeps its place in its shard.
    Kept,
    /// What it wrote is in a file, the VM is gone. Wakes in milliseconds, in any shard.
    Saved,
}

/// What must be known of a sleeper's file to wake it under another parent. Whoever keeps it must keep it from
/// others: with it the file can be read, and a file that was made with it is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Under which the file is encrypted.
    pub key: FileKey,
    /// No generation from here on has been given.
    pub generation: u64,
}

impl Kept {
    /// As one word, secret as it is.
    pub fn to_text(&self) -> String {
        let key: String = self.key.bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{key}-{:x}", self.generation)
    }

    /// The reverse of [`Kept::to_text`]; `None` for any other text.
    pub fn from_text(text: &str) -> Option<Self> {
        let (key, generation) = text.split_once('-')?;
        let mut bytes = [0; FileKey::BYTES];
        if key.len() != 2 * bytes.len() || !key.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        for (byte, at) in bytes.iter_mut().zip((0..).step_by(2)) {
            *byte = u8::from_str_radix(&key[at..at + 2], 16).ok()?;
        }
        Some(Self { key: FileKey::from_bytes(bytes), generation: u64::from_str_radix(generation, 16).ok()? })
    }
}

/// What a fleet is to be.
#[derive(Clone, Debug)]
pub struct ShardsConfig {
    /// VMs that may be alive at once; saved sleepers do not count.
    pub vms_max: usize,
    /// VMs per shard process, 32 at most. With 1 no two guests share a process: for tenants who may attack
    /// each other through what a process has in common, at the cost that HAZARDS.md names.
    pub vms_per_shard: usize,
    /// Threads per shard that let guests run; so many hung guests at once it takes to stop a shard until
    /// their limits end.
    pub runners_per_shard: usize,
    /// How long a caller turns while it waits for a guest, before it sleeps. Covers a warm start; costs a
    /// processor meanwhile, so nobody turns where there is not one for each caller that waits and one for
    /// each runner.
    pub spin: Duration,
    /// Where the nameless files of saved sleepers are made. Memory file systems work, but save no memory.
    pub sleep_directory: PathBuf,
    /// What guests may write.
    pub memory: Memory,
    /// The program to start as shards: its `main` must call [`crate::main_if_shard`] first. None: this
    /// program.
    pub program: Option<PathBuf>,
}

/// What guests may write beyond the template, whose pages they share. A page that a guest has written stays
/// its own until it ends or is saved.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Memory {
    /// Bytes that one VM may write; one that has written more is ended. None: as much as it has. It is
    /// counted when a guest has run for two milliseconds in all since the last time, and after every slice
    /// of a long run.
    pub quota: Option<u64>,
    /// Bytes that all VMs may write together. Beyond it no VM is made or read from its file; those that there
    /// are go on. None: no bound but the host's.
    pub budget: Option<u64>,
    /// How many times the budget may be promised: as many VMs are made as have quotas of so much together.
    /// With 1 every guest can have all of its quota; more relies on most of them writing less.
    pub overcommit: f64,
}

impl Default for Memory {
    fn default() -> Self {
        Self { quota: None, budget: None, overcommit: f64::INFINITY }
    }
}

impl Memory {
    /// Whether one VM more may be made beside so many, which have written so much.
    pub(crate) fn admits(&self, vms: usize, written: u64) -> bool {
        let Some(budget) = self.budget else { return true };
        let promised = self.quota.map_or(0, |quota| quota.saturating_mul(vms as u64 + 1));
        written < budget && promised as f64 <= budget as f64 * self.overcommit
    }
}

impl ShardsConfig {
    /// Room for this many VMs, everything else as usual.
    pub fn new(vms_max: usize) -> Self {
        Self {
            vms_max,
            vms_per_shard: VMS_PER_SHARD_MAX,
            runners_per_shard: 4,
            spin: Duration::from_micros(200),
            sleep_directory: std::env::temp_dir(),
            memory: Memory::default(),
            program: None,
        }
    }

    pub(crate) fn shards(&self) -> usize {
        self.vms_max.div_ceil(self.vms_per_shard)
    }

    /// VMs in this shard: as evenly spread as possible, and `vms_max` in all.
    pub(crate) fn vms_of(&self, number: usize) -> usize {
        let shards = self.shards();
        self.vms_max / shards + usize::from(number < self.vms_max % shards)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vm_is_admitted_by_what_was_promised_and_by_what_was_written() {
        let memory = Memory { quota: Some(10), budget: Some(100), overcommit: 1.0 };
        assert!(memory.admits(9, 99) && !memory.admits(10, 0) && !memory.admits(0, 100));
        let twice = Memory { overcommit: 2.0, ..memory };
        assert!(twice.admits(19, 0) && !twice.admits(20, 0) && !twice.admits(0, 100));
        assert!(Memory { quota: None, ..memory }.admits(1000, 99));
        assert!(Memory::default().admits(1 << 20, u64::MAX));
    }

    #[test]
    fn what_wakes_a_kept_sleeper_survives_as_text_and_does_not_show_in_messages() {
        let kept = Kept { key: FileKey::from_bytes(std::array::from_fn(|at| at as u8)), generation: 0x12 };
        assert!(kept.to_text().starts_with("000102") && kept.to_text().ends_with("1e1f-12"));
        assert_eq!(Kept::from_text(&kept.to_text()), Some(kept.clone()));
        for wrong in ["", "-", "00-1", &kept.to_text()[2..], &kept.to_text().replace("01", "+1")] {
            assert_eq!(Kept::from_text(wrong), None, "{wrong}");
        }
        assert!(!format!("{kept:?}").contains("1e"));
    }

    #[test]
    fn shards_hold_exactly_as_many_vms_as_may_live() {
        for (vms_max, vms_per_shard) in [(1, 32), (32, 32), (33, 32), (1000, 32), (7, 2), (100, 1)] {
            let config = ShardsConfig { vms_per_shard, ..ShardsConfig::new(vms_max) };
            let shares: Vec<_> = (0..config.shards()).map(|number| config.vms_of(number)).collect();
            assert_eq!(shares.iter().sum::<usize>(), vms_max);
            assert!(shares.iter().all(|share| (1..=vms_per_shard).contains(share)), "{shares:?}");
        }
    }
}
