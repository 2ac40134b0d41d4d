//! Machines without VMs: they take the time and fail at the rate that a scenario says, from the same streams of random
//! numbers as a simulation. For hosts without KVM, and to compare the runtime with the simulator.

use std::sync::Mutex;
use std::time::Duration as Wait;

use actors::protocol::Operation;
use actors::random::Purpose;
use actors::{ActorId, Duration, OperationKind, Rng};
use scenarios::{Distribution, DistributionError, Sampler, Scenario};

use super::operations::{Machines, Script};
use super::shared::lock;

const KINDS: usize = 6;

/// Machines without VMs: they take the time, and fail at the rate, that a scenario says.
pub struct Scripted {
    latencies: [Sampler; KINDS],
    boot_failures: f64,
    start_failures: f64,
    streams: Mutex<Streams>,
    blocking: bool,
}

struct Streams {
    latencies: [Rng; KINDS],
    boot_failures: Rng,
    start_failures: Rng,
}

impl Scripted {
    /// Operations end by themselves when their time is over; no thread waits for them.
    ///
    /// # Errors
    /// A distribution whose file cannot be read.
    pub fn new(scenario: &Scenario) -> Result<Self, DistributionError> {
        let latency = &scenario.latency;
        let sampler = |distribution: &Distribution| distribution.sampler(scenario.base());
        let latencies = [
            sampler(&latency.boot)?,
            sampler(&latency.create)?,
            sampler(&latency.start)?,
            sampler(&latency.sleep)?,
            sampler(&latency.wake)?,
            sampler(&latency.stop)?,
        ];
        let stream = |purpose| Rng::stream(scenario.seed, purpose, 0);
        let streams = Streams {
            latencies: [
                Purpose::Boots,
                Purpose::Creates,
                Purpose::Starts,
                Purpose::Sleeps,
                Purpose::Wakes,
                Purpose::Stops,
            ]
            .map(stream),
            boot_failures: stream(Purpose::BootFailures),
            start_failures: stream(Purpose::StartFailures),
        };
        let (boot_failures, start_failures) = (latency.boot_failures, latency.start_failures);
        Ok(Self { latencies, boot_failures, start_failures, streams: Mutex::new(streams), blocking: false })
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
    fn answer(&self, _sprite: ActorId, operation: &Operation) -> (Duration, bool) {
        let index = match operation.kind {
            OperationKind::Boot => 0,
            OperationKind::Create => 1,
            OperationKind::Start => 2,
            OperationKind::Sleep => 3,
            OperationKind::Wake => 4,
            OperationKind::Stop => 5,
            OperationKind::Run | OperationKind::Detach => return (Duration::ZERO, true),
        };
        let mut streams = lock(&self.streams);
        let took = self.latencies[index].sample(&mut streams.latencies[index]);
        let fails = |ratio: f64, rng: &mut Rng| ratio > 0.0 && rng.chance(ratio);
        let ok = match operation.kind {
            OperationKind::Boot | OperationKind::Create => {
                !fails(self.boot_failures, &mut streams.boot_failures)
            }
            OperationKind::Start => !fails(self.start_failures, &mut streams.start_failures),
            _ => true,
        };
        (took, ok)
    }
}

impl Machines for Scripted {
    fn perform(&self, sprite: ActorId, operation: &Operation) -> bool {
        let (took, ok) = self.answer(sprite, operation);
        if !took.is_zero() {
            std::thread::sleep(Wait::from_nanos(took.as_nanos()));
        }
        ok
    }

    fn script(&self) -> Option<&dyn Script> {
        (!self.blocking).then_some(self)
    }
}
