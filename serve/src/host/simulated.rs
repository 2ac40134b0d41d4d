//! Simulated VMs in real time: operations take as long as `[latency]` says, and each guest has a memory of
//! its own.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use actors::protocol::{End, Operation};
use actors::{ActorId, Duration, OperationKind, Time};
use runtime::{Machines, Script, Scripted};
use scenarios::{DistributionError, Scenario};

use super::contract::{Guests, Lease, Visit, VisitError};

/// Simulated VMs; see the module.
pub struct Simulated {
    scripted: Scripted,
    guests: Mutex<Memory>,
}

#[derive(Default)]
struct Memory {
    /// Runs that were given out.
    generation: u64,
    guests: BTreeMap<Lease, Visit>,
}

impl Simulated {
    /// Machines that answer as the scenario's host does.
    ///
    /// # Errors
    /// A distribution whose file cannot be read.
    pub fn new(scenario: &Scenario) -> Result<Self, DistributionError> {
        Ok(Self { scripted: Scripted::new(scenario)?, guests: Mutex::default() })
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.guests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, lease: Lease, key: u32) {
        let mut memory = self.memory();
        // A Sprite has one VM at a time, and nobody tells of one that was lost.
        let (first, last) = (Lease { generation: 0, ..lease }, Lease { generation: u32::MAX, ..lease });
        let before: Vec<Lease> = memory.guests.range(first..=last).map(|(before, _)| *before).collect();
        for before in before {
            memory.guests.remove(&before);
        }
        memory.generation += 1;
        let generation = memory.generation;
        let began_unix_ns = unix_ns();
        let identity = u64::from(key);
        memory.guests.insert(lease, Visit { generation, requests: 0, began_unix_ns, identity });
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
        guest.requests += 1;
        Ok(*guest)
    }

    fn failures(&self) -> Vec<String> {
        Vec::new()
    }
}
