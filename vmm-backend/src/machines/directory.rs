//! Which Sprite has which VM, and how far that VM's life has come. Does nothing to VMs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actors::{ActorId, Key};

use shards::{Stage, VmId};

/// A Sprite and which of its VMs.
type Name = (ActorId, u32);

/// What was done with a VM so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// It has no tenant yet.
    Ready,
    /// It runs for this tenant.
    Used(Key),
    /// It runs for this tenant, and was put to sleep only to be woken at once with another generation.
    Renewed(Key),
    /// It sleeps.
    Asleep(Key, Stage),
    /// It was woken for a request that is to be started next, and has acknowledged.
    Woken(Key),
    /// It was ended.
    Over,
}

/// One VM of a Sprite.
#[derive(Debug)]
pub(super) struct Resident {
    pub(super) vm: VmId,
    life: Mutex<Life>,
}

impl Resident {
    /// Its life; held while something is done with the VM.
    pub(super) fn life(&self) -> MutexGuard<'_, Life> {
        // A life changes only when what was done has succeeded.
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Directory(Mutex<BTreeMap<Name, Arc<Resident>>>);

impl Directory {
    fn all(&self) -> MutexGuard<'_, BTreeMap<Name, Arc<Resident>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn enter(&self, name: Name, vm: VmId) {
        let before = self.all().insert(name, Arc::new(Resident { vm, life: Mutex::new(Life::Ready) }));
        debug_assert!(before.is_none(), "{name:?} had a VM already");
    }

    /// Enters a VM that sleeps in the second stage.
    pub(super) fn enter_asleep(&self, name: Name, vm: VmId, key: Key) {
        let life = Mutex::new(Life::Asleep(key, Stage::Saved));
        let before = self.all().insert(name, Arc::new(Resident { vm, life }));
        debug_assert!(before.is_none(), "{name:?} had a VM already");
    }

    pub(super) fn find(&self, name: Name) -> Option<Arc<Resident>> {
        self.all().get(&name).cloned()
    }

    pub(super) fn remove(&self, name: Name) -> Option<Arc<Resident>> {
        self.all().remove(&name)
    }

    pub(super) fn len(&self) -> usize {
        self.all().len()
    }

    /// Whose these VMs are; those that nobody has are left out.
    pub(super) fn owners(&self, vms: &[VmId]) -> Vec<Name> {
        let all = self.all();
        let lost = all.iter().filter(|(_, resident)| vms.contains(&resident.vm));
        lost.map(|(name, _)| *name).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_those_who_still_have_the_vm() {
        let directory = Directory::default();
        let names = [(ActorId(3), 1), (ActorId(4), 7), (ActorId(5), 1)];
        for (name, vm) in names.into_iter().zip(1..) {
            directory.enter(name, VmId(vm));
        }
        assert_eq!(directory.remove(names[1]).map(|resident| resident.vm), Some(VmId(2)));
        assert_eq!(directory.owners(&[VmId(3), VmId(2), VmId(9)]), [names[2]]);
        assert!(directory.find((ActorId(3), 2)).is_none(), "another generation is another VM");
        assert_eq!(directory.len(), 2);
    }
}
