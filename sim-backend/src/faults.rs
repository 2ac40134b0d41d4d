//! The faults of a scenario: slow boots, failing boots, stalls and crashes, of one worker, of a region or of all.

use actors::{Message, Time, WorkerId};
use scenarios::{Effect, Fault, Scenario};

use crate::hosts::Hosts;
use crate::queue::Event;

/// See the [module](self).
pub(crate) struct Faults {
    faults: Vec<Fault>,
    /// Until when each worker answers nothing; empty where no fault stalls.
    stalled: Vec<Time>,
}

impl Faults {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        let faults = scenario.faults();
        let stalls = faults.iter().any(|fault| fault.effect == Effect::Stall);
        let stalled = if stalls { vec![Time::ZERO; scenario.fleet.workers as usize] } else { Vec::new() };
        Self { faults, stalled }
    }

    /// When faults begin and end.
    pub(crate) fn events(&self) -> Vec<(Time, Event)> {
        let each = self.faults.iter().zip(0..);
        each.flat_map(|(fault, index)| {
            [
                (fault.at, Event::Fault { index, begins: true }),
                (fault.until, Event::Fault { index, begins: false }),
            ]
        })
        .collect()
    }

    /// A fault begins or ends: changes the hosts, and gives what their Workers are to be told.
    pub(crate) fn happens(
        &mut self,
        index: u32,
        begins: bool,
        hosts: &mut Hosts,
    ) -> Vec<(WorkerId, Message)> {
        let Fault { workers, effect, until, .. } = self.faults[index as usize].clone();
        let mut messages = Vec::new();
        for worker in workers.map(WorkerId) {
            match effect {
                Effect::SlowBoots(factor) => hosts.set_slow(worker, if begins { factor } else { 1.0 }),
                Effect::FailedBoots(ratio) => hosts.set_failing(worker, if begins { ratio } else { 0.0 }),
                Effect::Stall if begins => self.stalled[worker.index()] = until,
                Effect::Stall => {}
                Effect::Crash if begins => messages.push((worker, Message::Crash)),
                Effect::Crash => messages.push((worker, Message::Recover)),
            }
        }
        messages
    }

    /// Whether any fault stalls a worker.
    pub(crate) fn any_stall(&self) -> bool {
        !self.stalled.is_empty()
    }

    /// Until when this worker answers nothing, if it is stalled now.
    pub(crate) fn stalled_until(&self, worker: WorkerId, now: Time) -> Option<Time> {
        self.stalled.get(worker.index()).copied().filter(|&until| until > now)
    }
}
