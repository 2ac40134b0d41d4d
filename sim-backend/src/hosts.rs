//! The simulated hosts: what a scenario says of their latencies and failures, and what faults do to it meanwhile.

use actors::protocol::Operation;
use actors::random::Purpose;
use actors::{Duration, OperationKind, Rng, Time, WorkerId};
use scenarios::answers::fails;
use scenarios::{AnswerStreams, Answers, Scenario};

use crate::error::SimulationError;

/// See the [module](self).
pub(crate) struct Hosts {
    answers: Answers,
    hosts: Vec<HostState>,
}

struct HostState {
    streams: AnswerStreams,
    faults: Rng,
    slow: f64,
    failing: f64,
}

impl Hosts {
    pub(crate) fn new(scenario: &Scenario) -> Result<Self, SimulationError> {
        let seed = scenario.seed;
        let host = |worker| HostState {
            streams: AnswerStreams::new(seed, worker),
            faults: Rng::stream(seed, Purpose::Faults, worker),
            slow: 1.0,
            failing: 0.0,
        };
        let hosts = (0..u64::from(scenario.fleet.workers)).map(host).collect();
        Ok(Self { answers: Answers::new(scenario)?, hosts })
    }

    /// How long this operation takes that begins now, and whether it succeeds.
    pub(crate) fn perform(&mut self, now: Time, operation: &Operation) -> (Duration, bool) {
        if operation.kind == OperationKind::Run {
            return (operation.request.map_or(Duration::ZERO, |request| request.lifetime), true);
        }
        let host = &mut self.hosts[operation.worker.index()];
        let (took, ok) = self.answers.answer(&mut host.streams, now, operation.kind);
        if !matches!(operation.kind, OperationKind::Boot | OperationKind::Create) {
            return (took, ok);
        }
        let took = if host.slow == 1.0 { took } else { took.scaled(host.slow) };
        let by_fault = fails(host.failing, &mut host.faults);
        (took, ok && !by_fault)
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
