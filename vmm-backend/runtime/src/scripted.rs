//! Machines without VMs: they take the time and fail at the rate that a scenario says, from the same streams
//! of random numbers as a simulation. For hosts without KVM, and to compare the runtime with the simulator.

use std::sync::Mutex;
use std::time::{Duration as Wait, Instant};

use actors::protocol::{End, Operation};
use actors::{ActorId, Duration, Time};
use scenarios::{AnswerStreams, Answers, DistributionError, Scenario};

use super::operations::{Machines, Script};
use super::shared::lock;

/// Machines without VMs: they take the time, and fail at the rate, that a scenario says.
pub struct Scripted {
    answers: Answers,
    streams: Mutex<AnswerStreams>,
    blocking: bool,
    /// What operations that block a thread count their time from.
    begun: Instant,
}

impl Scripted {
    /// Operations end by themselves when their time is over; no thread waits for them.
    ///
    /// # Errors
    /// A distribution whose file cannot be read.
    pub fn new(scenario: &Scenario) -> Result<Self, DistributionError> {
        let streams = Mutex::new(AnswerStreams::new(scenario.seed, 0));
        Ok(Self { answers: Answers::new(scenario)?, streams, blocking: false, begun: Instant::now() })
    }

    /// Every operation blocks a thread for its time, as those of real VMs do.
    ///
    /// # Errors
    /// A distribution whose file cannot be read.
    pub fn blocking(scenario: &Scenario) -> Result<Self, DistributionError> {
        Ok(Self { blocking: true, ..Self::new(scenario)? })
    }
}

impl Script for Scripted {
    fn answer(&self, now: Time, _sprite: ActorId, operation: &Operation) -> (Duration, End) {
        self.answers.answer(&mut lock(&self.streams), now, operation.kind)
    }
}

impl Machines for Scripted {
    fn perform(&self, sprite: ActorId, operation: &Operation) -> End {
        let now = Time::from_nanos(u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX));
        let (took, end) = self.answer(now, sprite, operation);
        if !took.is_zero() {
            std::thread::sleep(Wait::from_nanos(took.as_nanos()));
        }
        end
    }

    fn script(&self) -> Option<&dyn Script> {
        (!self.blocking).then_some(self)
    }
}
