//! The faults of a scenario, done to the simulated hosts and told to their Workers.

use actors::protocol::ToWorker;
use actors::{Time, WorkerId};
use scenarios::faults::Moment;
use scenarios::{Effect, Scenario};

use crate::hosts::Hosts;

/// See the [module](self).
pub(crate) struct Faults {
    faults: scenarios::Faults,
    /// Until when each worker answers nothing; empty where no fault stalls.
    stalled: Vec<Time>,
}

impl Faults {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        let faults = scenarios::Faults::new(scenario.faults());
        let workers = if faults.any_stall() { scenario.fleet.workers as usize } else { 0 };
        Self { faults, stalled: vec![Time::ZERO; workers] }
    }

    /// When faults begin and end.
    pub(crate) fn moments(&self) -> Vec<Moment> {
        self.faults.moments()
    }

    /// A fault begins or ends: changes the hosts, and gives what their Workers are to be told.
    pub(crate) fn happens(&mut self, moment: Moment, hosts: &mut Hosts) -> Vec<(WorkerId, ToWorker)> {
        let fault = self.faults.turn(moment);
        let (workers, effect) = (fault.workers.clone(), fault.effect);
        let mut messages = Vec::new();
        for worker in workers.map(WorkerId) {
            let condition = self.faults.on(worker.0);
            match effect {
                Effect::SlowBoots(_) => hosts.set_slow(worker, condition.slow),
                Effect::FailedBoots(_) => hosts.set_failing(worker, condition.failing),
                Effect::Stall => self.stalled[worker.index()] = condition.stalled_until,
                // Told again what it knows, a Worker does nothing.
                Effect::Crash if condition.is_down => messages.push((worker, ToWorker::Crash)),
                Effect::Crash => messages.push((worker, ToWorker::Recover)),
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
