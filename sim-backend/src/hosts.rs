//! The simulated hosts: how long an operation takes and whether it succeeds. Every worker has its own stream for
//! every kind of operation, so its n-th boot takes as long under one policy as under another.

use actors::protocol::Operation;
use actors::random::Purpose;
use actors::{Duration, OperationKind, Rng, WorkerId};
use scenarios::{Distribution, Sampler, Scenario};

use crate::error::SimulationError;

/// How many kinds of operation draw how long they take.
const KINDS: usize = 6;

/// See the [module](self).
pub(crate) struct Hosts {
    latencies: [Sampler; KINDS],
    boot_failures: f64,
    start_failures: f64,
    hosts: Vec<HostState>,
}

struct HostState {
    streams: [Rng; KINDS],
    boot_failures: Rng,
    start_failures: Rng,
    faults: Rng,
    slow: f64,
    failing: f64,
}

impl Hosts {
    pub(crate) fn new(scenario: &Scenario) -> Result<Self, SimulationError> {
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
        let workers = 0..u64::from(scenario.fleet.workers);
        let hosts = workers.map(|worker| HostState::new(scenario.seed, worker)).collect();
        let (boot_failures, start_failures) = (latency.boot_failures, latency.start_failures);
        Ok(Self { latencies, boot_failures, start_failures, hosts })
    }

    /// How long this operation takes, and whether it succeeds.
    pub(crate) fn perform(&mut self, operation: &Operation) -> (Duration, bool) {
        let host = &mut self.hosts[operation.worker.index()];
        let index = match operation.kind {
            OperationKind::Boot => 0,
            OperationKind::Create => 1,
            OperationKind::Start => 2,
            OperationKind::Sleep => 3,
            OperationKind::Wake => 4,
            OperationKind::Stop => 5,
            OperationKind::Run => {
                return (operation.request.map_or(Duration::ZERO, |request| request.lifetime), true);
            }
            OperationKind::Detach => return (Duration::ZERO, true),
        };
        let took = self.latencies[index].sample(&mut host.streams[index]);
        match operation.kind {
            OperationKind::Boot | OperationKind::Create => {
                let took = if host.slow == 1.0 { took } else { took.scaled(host.slow) };
                let by_itself = fails(self.boot_failures, &mut host.boot_failures);
                let by_fault = fails(host.failing, &mut host.faults);
                (took, !(by_itself || by_fault))
            }
            OperationKind::Start => (took, !fails(self.start_failures, &mut host.start_failures)),
            _ => (took, true),
        }
    }

    /// From now on boots of this worker take so many times as long.
    pub(crate) fn set_slow(&mut self, worker: WorkerId, factor: f64) {
        self.hosts[worker.index()].slow = factor;
    }

    /// From now on this share of the worker's boots fails, besides those that fail by themselves.
    pub(crate) fn set_failing(&mut self, worker: WorkerId, ratio: f64) {
        self.hosts[worker.index()].failing = ratio;
    }
}

impl HostState {
    fn new(seed: u64, worker: u64) -> Self {
        let stream = |purpose| Rng::stream(seed, purpose, worker);
        Self {
            streams: [
                stream(Purpose::Boots),
                stream(Purpose::Creates),
                stream(Purpose::Starts),
                stream(Purpose::Sleeps),
                stream(Purpose::Wakes),
                stream(Purpose::Stops),
            ],
            boot_failures: stream(Purpose::BootFailures),
            start_failures: stream(Purpose::StartFailures),
            faults: stream(Purpose::Faults),
            slow: 1.0,
            failing: 0.0,
        }
    }
}

fn fails(ratio: f64, rng: &mut Rng) -> bool {
    ratio > 0.0 && rng.chance(ratio)
}
