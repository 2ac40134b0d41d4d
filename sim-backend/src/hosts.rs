//! The simulated hosts: what a scenario says of their latencies and failures, and what faults do to it
//! meanwhile.

use actors::protocol::End;
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

/// One host.
struct HostState {
    slow: f64,
    failing: f64,
    streams: AnswerStreams,
    faults: Rng,
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

    /// How long this worker takes for an operation of this kind that begins now, and how it ends.
    pub(crate) fn perform(&mut self, now: Time, worker: WorkerId, kind: OperationKind) -> (Duration, End) {
        match self.answers.constant_start() {
            Some(takes) if kind == OperationKind::Start => (takes, End::Done),
            _ => self.draw(now, worker, kind),
        }
    }

    fn draw(&mut self, now: Time, worker: WorkerId, kind: OperationKind) -> (Duration, End) {
        let host = &mut self.hosts[worker.index()];
        let (took, end) = self.answers.answer(&mut host.streams, now, kind);
        if !matches!(kind, OperationKind::Boot | OperationKind::Create) {
            return (took, end);
        }
        let took = if host.slow == 1.0 { took } else { took.scaled(host.slow) };
        let by_fault = fails(host.failing, &mut host.faults);
        (took, if by_fault { End::Lost } else { end })
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
