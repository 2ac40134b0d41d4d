//! How a simulated host answers: how long an operation takes, and whether it succeeds. Every worker has its own stream for
//! every kind of operation, so its n-th boot takes as long under one policy as under another, and on one backend as on
//! the other.

use actors::random::Purpose;
use actors::{Duration, OperationKind, Rng};

use crate::distribution::{Distribution, DistributionError, Sampler};
use crate::scenario::Scenario;

/// How many kinds of operation draw how long they take.
const KINDS: usize = 6;

/// What `[latency]` says, ready to be drawn from by any number of workers.
#[derive(Clone, Debug)]
pub struct Answers {
    latencies: [Sampler; KINDS],
    boot_failures: f64,
    start_failures: f64,
}

/// The streams of one worker.
#[derive(Clone, Debug)]
pub struct AnswerStreams {
    latencies: [Rng; KINDS],
    boot_failures: Rng,
    start_failures: Rng,
}

impl Answers {
    /// The answers of this scenario's hosts.
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
        let (boot_failures, start_failures) = (latency.boot_failures, latency.start_failures);
        Ok(Self { latencies, boot_failures, start_failures })
    }

    /// How long the next operation of this kind takes, and whether it succeeds. What is no work of the host (`Run`,
    /// `Detach`) takes no time here.
    #[inline]
    pub fn answer(&self, streams: &mut AnswerStreams, kind: OperationKind) -> (Duration, bool) {
        let index = match kind {
            OperationKind::Boot => 0,
            OperationKind::Create => 1,
            OperationKind::Start => 2,
            OperationKind::Sleep => 3,
            OperationKind::Wake => 4,
            OperationKind::Stop => 5,
            OperationKind::Run | OperationKind::Detach => return (Duration::ZERO, true),
        };
        let took = self.latencies[index].sample(&mut streams.latencies[index]);
        let ok = match kind {
            OperationKind::Boot | OperationKind::Create => {
                !fails(self.boot_failures, &mut streams.boot_failures)
            }
            OperationKind::Start => !fails(self.start_failures, &mut streams.start_failures),
            _ => true,
        };
        (took, ok)
    }
}

impl AnswerStreams {
    /// The streams of this worker in the run with this seed.
    pub fn new(seed: u64, worker: u64) -> Self {
        let stream = |purpose| Rng::stream(seed, purpose, worker);
        Self {
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
        }
    }
}

/// Whether something that fails at this rate fails now. What never fails draws nothing.
pub fn fails(ratio: f64, rng: &mut Rng) -> bool {
    ratio > 0.0 && rng.chance(ratio)
}
