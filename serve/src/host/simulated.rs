//! Simulated VMs in real time: operations take as long as `[latency]` says, and each guest has a memory of
//! its own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use actors::protocol::{End, Operation};
use actors::{ActorId, Duration, Key, OperationKind, Time};
use runtime::{Machines, Script, Scripted};
use scenarios::{DistributionError, Scenario};

use super::contract::{Guests, Lease, Visit, VisitError};
use super::saved;
use crate::store::Seal;

/// Simulated VMs; see the module.
pub struct Simulated {
    scripted: Scripted,
    sleepers: PathBuf,
    guests: Mutex<Memory>,
}

#[derive(Default)]
struct Memory {
    /// Runs that were given out.
    generation: u64,
    guests: BTreeMap<Lease, Guest>,
    /// Memories from before this host began, which nobody has woken yet.
    adopted: BTreeMap<Key, Visit>,
}

/// The memory of a guest, and whether it is on disk.
#[derive(Clone, Copy)]
struct Guest {
    memory: Visit,
    is_saved: bool,
}

impl Simulated {
    /// Machines that answer as the scenario's host does, and save sleepers in a folder.
    ///
    /// # Errors
    /// A distribution whose file cannot be read.
    pub fn new(scenario: &Scenario, sleepers: &Path) -> Result<Self, DistributionError> {
        Ok(Self {
            scripted: Scripted::new(scenario)?,
            sleepers: sleepers.to_owned(),
            guests: Mutex::default(),
        })
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.guests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, lease: Lease, key: u32) {
        let mut memory = self.memory();
        if memory.guests.contains_key(&lease) {
            return;
        }
        // A Sprite has one VM at a time, and nobody tells of one that was lost.
        let (first, last) = (Lease { generation: 0, ..lease }, Lease { generation: u32::MAX, ..lease });
        let before: Vec<Lease> = memory.guests.range(first..=last).map(|(before, _)| *before).collect();
        for before in before {
            memory.guests.remove(&before);
        }
        let generation = memory.next_generation();
        let began_unix_ns = unix_ns();
        let identity = u64::from(key);
        let begun = Visit { generation, requests: 0, began_unix_ns, identity };
        memory.guests.insert(lease, Guest { memory: begun, is_saved: false });
    }

    fn wake(&self, lease: Lease, key: Key) {
        let mut memory = self.memory();
        let generation = memory.next_generation();
        if let Some(adopted) = memory.adopted.remove(&key) {
            memory.guests.insert(lease, Guest { memory: adopted, is_saved: false });
        }
        if let Some(guest) = memory.guests.get_mut(&lease) {
            guest.memory.generation = generation;
            guest.is_saved = false;
        }
    }
}

impl Memory {
    fn next_generation(&mut self) -> u64 {
        self.generation += 1;
        self.generation
    }
}

fn unix_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

impl Script for Simulated {
    fn answer(&self, now: Time, sprite: ActorId, operation: &Operation) -> (Duration, End) {
        let lease = Lease { sprite, generation: operation.generation };
        match (operation.kind, operation.request) {
            (OperationKind::Start, Some(request)) => self.begin(lease, request.key.0),
            (OperationKind::Wake, Some(request)) => self.wake(lease, request.key),
            (OperationKind::Stop | OperationKind::Detach, _) => {
                self.memory().guests.remove(&lease);
            }
            _ => {}
        }
        self.scripted.answer(now, sprite, operation)
    }
}

impl Machines for Simulated {
    fn perform(&self, sprite: ActorId, operation: &Operation) -> End {
        self.scripted.perform(sprite, operation)
    }

    fn script(&self) -> Option<&dyn Script> {
        Some(self)
    }
}

impl Guests for Simulated {
    fn visit(&self, lease: Lease) -> Result<Visit, VisitError> {
        let mut memory = self.memory();
        let guest = memory.guests.get_mut(&lease).ok_or(VisitError("the Sprite has no VM".to_owned()))?;
        guest.memory.requests += 1;
        Ok(guest.memory)
    }

    fn save(&self, lease: Lease, key: Key) -> Result<Seal, VisitError> {
        let guest = self.memory().guests.get(&lease).copied();
        let guest = guest.ok_or(VisitError("the Sprite has no VM".to_owned()))?;
        let Visit { generation, requests, began_unix_ns, identity } = guest.memory;
        let fields = [generation, requests, began_unix_ns, identity];
        let bytes: Vec<u8> = fields.iter().flat_map(|field| field.to_le_bytes()).collect();
        let path = saved::path(&self.sleepers, key);
        saved::write(&path, &bytes).map_err(|error| VisitError(format!("{}: {error}", path.display())))?;
        if let Some(guest) = self.memory().guests.get_mut(&lease) {
            guest.is_saved = true;
        }
        Ok(saved::seal(&bytes))
    }

    fn is_saved(&self, lease: Lease) -> bool {
        self.memory().guests.get(&lease).is_some_and(|guest| guest.is_saved)
    }

    fn adopt(&self, key: Key, seal: &Seal) -> Result<(), VisitError> {
        let path = saved::path(&self.sleepers, key);
        let bytes =
            std::fs::read(&path).map_err(|error| VisitError(format!("{}: {error}", path.display())))?;
        let (fields, rest) = bytes.as_chunks();
        let ([generation, requests, began_unix_ns, identity], [], true) =
            (fields, rest, saved::seal(&bytes) == *seal)
        else {
            return Err(VisitError(format!("{}: it is not what was saved", path.display())));
        };
        let [generation, requests, began_unix_ns, identity] =
            [generation, requests, began_unix_ns, identity].map(|field| u64::from_le_bytes(*field));
        let mut memory = self.memory();
        memory.generation = memory.generation.max(generation);
        memory.adopted.insert(key, Visit { generation, requests, began_unix_ns, identity });
        Ok(())
    }

    fn discard(&self, key: Key) {
        self.memory().adopted.remove(&key);
        saved::remove(&saved::path(&self.sleepers, key));
    }

    fn discard_others(&self, keys: &BTreeSet<Key>) {
        saved::remove_others(&self.sleepers, keys);
    }

    fn failures(&self) -> Vec<String> {
        Vec::new()
    }
}
