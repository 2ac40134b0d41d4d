//! Every name of a host with what it has now: its record, its VM, and who uses that. Plain data under one
//! lock; nothing here waits or asks anybody.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use actors::Key;
use tokio::sync::Notify;

use super::{SpriteError, now_ms};
use crate::host::Lease;
use crate::store::{Life, Record};

/// What a user sees of a Sprite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It is awake: in use, or idle for a short while.
    Running,
    /// It sleeps and keeps its memory; the next use wakes it at once.
    Warm,
    /// It holds nothing here: its memory is on disk, or it has none and begins anew.
    Cold,
}

/// Sprites by their status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// They are awake.
    pub running: usize,
    /// They sleep and keep their memory.
    pub warm: usize,
    /// They hold nothing.
    pub cold: usize,
}

impl Totals {
    fn of(&mut self, status: Status) -> &mut usize {
        match status {
            Status::Running => &mut self.running,
            Status::Warm => &mut self.warm,
            Status::Cold => &mut self.cold,
        }
    }
}

/// How far the VM of a name is between two uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Requests are open, or it is kept awake.
    InUse,
    /// The last use is over, and the actors have not said yet that it is idle.
    Ending,
    /// It is awake, and will sleep.
    Idle,
    /// It sleeps and keeps its memory.
    Warm,
    /// It sleeps on disk.
    Saved,
}

/// The VM of a name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Vm {
    pub(super) lease: Lease,
    pub(super) phase: Phase,
    /// Open requests.
    pub(super) users: u32,
    /// Until when it is kept awake without one.
    pub(super) awake_until: Option<Instant>,
    /// When it is to go from warm to cold.
    pub(super) cold_at: Option<Instant>,
}

impl Vm {
    pub(super) fn in_use(lease: Lease, users: u32) -> Self {
        Self { lease, phase: Phase::InUse, users, awake_until: None, cold_at: None }
    }

    /// Whether nobody needs it awake any more.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.phase == Phase::InUse && self.users == 0 && self.awake_until.is_none_or(|until| until <= now)
    }
}

/// One name.
pub(super) struct Entry {
    pub(super) record: Record,
    pub(super) vm: Option<Vm>,
    /// Held while the record is written or a use begins.
    pub(super) gate: Arc<tokio::sync::Mutex<()>>,
    /// Told when the phase changes.
    pub(super) changed: Arc<Notify>,
}

impl Entry {
    pub(super) fn new(record: Record) -> Self {
        Self { record, vm: None, gate: Arc::default(), changed: Arc::default() }
    }

    pub(super) fn status(&self) -> Status {
        match self.vm.map(|vm| vm.phase) {
            Some(Phase::InUse | Phase::Ending | Phase::Idle) => Status::Running,
            Some(Phase::Warm) => Status::Warm,
            Some(Phase::Saved) | None => Status::Cold,
        }
    }
}

/// See the [module](self).
#[derive(Default)]
pub(super) struct Names {
    /// `None`: its create is under way.
    pub(super) all: BTreeMap<String, Option<Entry>>,
    pub(super) by_lease: BTreeMap<Lease, String>,
    /// VMs that were lost before their record was known.
    pub(super) lost_early: BTreeSet<Lease>,
    /// VMs whose name is gone, with the key to forget as soon as they are idle.
    pub(super) leaving: BTreeMap<Lease, Key>,
    /// When somebody has to look at a name, the earliest first.
    pub(super) due: BTreeSet<(Instant, String)>,
    pub(super) totals: Totals,
}

impl Names {
    pub(super) fn entry(&self, name: &str) -> Result<&Entry, SpriteError> {
        self.all.get(name).and_then(Option::as_ref).ok_or(SpriteError::Unknown)
    }

    /// Changes an entry, and the totals with it.
    pub(super) fn change<T>(
        &mut self,
        name: &str,
        act: impl FnOnce(&mut Entry) -> T,
    ) -> Result<T, SpriteError> {
        let entry = self.all.get_mut(name).and_then(Option::as_mut).ok_or(SpriteError::Unknown)?;
        let (was, before) = (entry.status(), entry.vm.map(|vm| (vm.lease, vm.phase)));
        let done = act(entry);
        let (is, after) = (entry.status(), entry.vm.map(|vm| (vm.lease, vm.phase)));
        if before != after {
            entry.changed.notify_waiters();
        }
        *self.totals.of(was) -= 1;
        *self.totals.of(is) += 1;
        Ok(done)
    }

    /// Gives a name its VM, in place of the one it had.
    pub(super) fn set_vm(&mut self, name: &str, vm: Option<Vm>) -> Result<(), SpriteError> {
        let before = self.change(name, |entry| std::mem::replace(&mut entry.vm, vm))?;
        if let Some(before) = before {
            self.by_lease.remove(&before.lease);
        }
        if let Some(vm) = vm {
            self.by_lease.insert(vm.lease, name.to_owned());
        }
        Ok(())
    }

    /// Enters a name whose record is on disk.
    pub(super) fn insert(&mut self, record: Record) {
        let (name, entry) = (record.name.clone(), Entry::new(record));
        *self.totals.of(entry.status()) += 1;
        self.all.insert(name, Some(entry));
    }

    pub(super) fn remove(&mut self, name: &str) -> Option<Entry> {
        let entry = self.all.remove(name).flatten()?;
        *self.totals.of(entry.status()) -= 1;
        if let Some(vm) = entry.vm {
            self.by_lease.remove(&vm.lease);
        }
        Some(entry)
    }

    /// One more request uses a VM that is in use; nothing where it is not.
    pub(super) fn join(&mut self, name: &str) -> Result<Option<Lease>, SpriteError> {
        self.change(name, |entry| {
            let vm = entry.vm.as_mut().filter(|vm| vm.phase == Phase::InUse)?;
            vm.users += 1;
            Some(vm.lease)
        })
    }
}

/// A record whose memory is lost from now on.
pub(super) fn lose_memory(record: &mut Record) {
    record.life = Life::Cold;
    record.seal = None;
    record.memory_lost_ms = Some(now_ms(record.created_ms));
}
