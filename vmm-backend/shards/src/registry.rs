//! Which VM is where: the shards, and the place of each VM. Asks no shard for anything.

use crate::config::{ShardsConfig, VmId};
use crate::error::ShardsError;
use crate::shard::Shard;
use microvm::saved::FileKey;
use std::collections::HashMap;
use std::fs::File;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Where a VM is. Locked while something is done with it.
pub(crate) enum Place {
    Live { shard: Arc<Shard>, slot: usize },
    Saved { file: File, key: FileKey },
    Gone,
}

pub(crate) struct Registry {
    pub(crate) config: ShardsConfig,
    pub(crate) shards: RwLock<Vec<Arc<Shard>>>,
    pub(crate) vms: Mutex<HashMap<VmId, Arc<Mutex<Place>>>>,
    pub(crate) next_vm: AtomicU64,
    pub(crate) next_generation: AtomicU64,
    pub(crate) closing: AtomicBool,
    /// Bytes that guests have written, as the supervisor saw it last.
    pub(crate) written: AtomicU64,
}

pub(crate) fn whole<T>(locked: Result<T, PoisonError<T>>) -> T {
    // Nothing here leaves a half-made change behind when it panics.
    locked.unwrap_or_else(PoisonError::into_inner)
}

impl Registry {
    pub(crate) fn shards(&self) -> RwLockReadGuard<'_, Vec<Arc<Shard>>> {
        whole(self.shards.read())
    }

    pub(crate) fn shards_mut(&self) -> RwLockWriteGuard<'_, Vec<Arc<Shard>>> {
        whole(self.shards.write())
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    pub(crate) fn forget(&self, vms: &[VmId]) {
        let mut known = whole(self.vms.lock());
        for vm in vms {
            known.remove(vm);
        }
    }

    fn admit(&self, shards: &[Arc<Shard>]) -> Result<(), ShardsError> {
        let memory = &self.config.memory;
        let Some(budget) = memory.budget else { return Ok(()) };
        let vms = shards.iter().map(|shard| shard.vms()).sum();
        let written = self.written.load(Ordering::Relaxed);
        if memory.admits(vms, written) { Ok(()) } else { Err(ShardsError::Memory { vms, written, budget }) }
    }

    /// A cell in the shard that has the least to do, and that runs.
    pub(crate) fn reserve(&self) -> Result<(Arc<Shard>, usize), ShardsError> {
        let shards = self.shards().clone();
        self.admit(&shards)?;
        loop {
            let best =
                shards.iter().filter_map(|shard| Some((shard.load()?, shard))).min_by_key(|(load, _)| *load);
            let Some((_, shard)) = best else {
                return Err(ShardsError::Full { vms_max: self.config.vms_max });
            };
            // Another thread may have taken the last cell since; then look again.
            if let Some(slot) = shard.reserve() {
                return Ok((shard.clone(), slot));
            }
        }
    }
}
