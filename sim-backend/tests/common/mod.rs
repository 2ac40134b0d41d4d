//! Observers for tests: one that counts, and one that knows every rule a run must keep.

#![allow(dead_code, reason = "each test file uses its own part")]

pub(crate) mod history;

use std::collections::BTreeMap;

use actors::policy::PoolKey;
use actors::protocol::{Cause, Target};
use actors::{ActorId, Observation, Observer, Outcome, State, Time};
use scenarios::Scenario;
use sim_backend::{Options, Run, simulate};

/// Reads a scenario that a test wrote.
pub(crate) fn scenario(text: &str) -> Scenario {
    Scenario::parse(text, "test.toml", &[]).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// Runs a scenario under an observer.
pub(crate) fn run<O: Observer>(scenario: &Scenario, observer: O) -> Run {
    simulate(scenario, &Options::default(), observer).expect("a demand of stages is always there")
}

/// Counts outcomes and integrates ready Sprites over time.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Counts {
    pub(crate) outcomes: BTreeMap<Outcome, u64>,
    pub(crate) longest_ns: u64,
    pub(crate) ready_seconds: f64,
    ready: i64,
    since: Time,
}

impl Counts {
    pub(crate) fn of(&self, outcome: Outcome) -> u64 {
        self.outcomes.get(&outcome).copied().unwrap_or(0)
    }

    pub(crate) fn requests(&self) -> u64 {
        self.outcomes.values().sum()
    }

    pub(crate) fn misses(&self) -> u64 {
        self.requests() - self.of(Outcome::Warm) - self.of(Outcome::Woken)
    }

    pub(crate) fn miss_ratio(&self) -> f64 {
        self.misses() as f64 / self.requests() as f64
    }
}

impl Observer for Counts {
    fn opened(&mut self, at: Time) {
        self.since = at;
        self.ready_seconds = 0.0;
    }

    fn observe(&mut self, at: Time, observation: Observation) {
        match observation {
            Observation::Ended { request, outcome, .. } => {
                *self.outcomes.entry(outcome).or_default() += 1;
                self.longest_ns = self.longest_ns.max(at.since(request.arrived).as_nanos());
            }
            Observation::Sprite { was, is, .. } => {
                self.ready_seconds += self.ready as f64 * at.since(self.since).as_secs_f64();
                self.since = at;
                self.ready += i64::from(is == State::Ready) - i64::from(was == State::Ready);
            }
            _ => {}
        }
    }

    fn closed(&mut self, _at: Time) {}
}

/// Checks every rule as the run goes; panics with what was broken and when.
#[derive(Debug)]
pub(crate) struct Rules {
    slots: Vec<u32>,
    boots: Vec<u32>,
    /// Creates take no boot slot and look like boots from outside.
    creates: bool,
    requests: BTreeMap<u64, Option<Outcome>>,
    sprites: BTreeMap<ActorId, (State, u32)>,
    held: Vec<u32>,
    booting: Vec<u32>,
    waiting: Vec<u32>,
    ready: Vec<u32>,
    /// Why each pool is empty, if it is.
    empty: BTreeMap<ActorId, Option<Cause>>,
    /// A boot for the pool has failed: its order may be in back-off from now on, which cannot be seen from
    /// outside.
    has_failed: Vec<bool>,
    /// Whether each worker has one pool, of which its numbers tell.
    uniform: Vec<bool>,
    served: u64,
    started: u64,
    begun: u64,
    last: Time,
}

impl Rules {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        let plans = scenario.workers();
        let creates = plans.iter().any(|plan| {
            plan.pool.exhausted.iter().any(|step| matches!(step, actors::policy::Step::Create(_)))
        });
        Self {
            slots: plans.iter().map(|plan| plan.slots).collect(),
            boots: plans.iter().map(|plan| plan.boots).collect(),
            creates,
            requests: BTreeMap::new(),
            sprites: BTreeMap::new(),
            held: vec![0; plans.len()],
            booting: vec![0; plans.len()],
            waiting: vec![0; plans.len()],
            ready: vec![0; plans.len()],
            empty: BTreeMap::new(),
            has_failed: vec![false; plans.len()],
            uniform: plans.iter().map(|plan| plan.pool.key == PoolKey::Uniform).collect(),
            served: 0,
            started: 0,
            begun: 0,
            last: Time::ZERO,
        }
    }

    /// What must hold when the run is over.
    pub(crate) fn finish(&self, run: &Run) {
        assert_eq!(self.requests.len() as u64, run.requests, "every request is observed");
        let open: Vec<_> =
            self.requests.iter().filter(|(_, outcome)| outcome.is_none()).map(|(id, _)| id).collect();
        assert!(open.is_empty(), "these requests have not ended: {open:?}");
        assert_eq!(self.served, self.started, "every start serves one request, and only starts do");
        assert!(self.waiting.iter().all(|&waiting| waiting == 0), "nobody waits: {:?}", self.waiting);
    }

    fn sprite(&mut self, at: Time, worker: usize, sprite: ActorId, generation: u32, was: State, is: State) {
        let known = self.sprites.entry(sprite).or_insert((State::Stopped, 0));
        assert_eq!(known.0, was, "{sprite:?} at {at} leaves the state that it is in");
        assert!(legal(was, is), "{sprite:?} at {at} goes from {was:?} to {is:?}");
        if is == State::Booting {
            assert!(generation > known.1 || generation == 0, "{sprite:?} at {at} has its VM twice");
            self.begun += 1;
        }
        *known = (is, generation);
        self.started += u64::from(was == State::Starting && matches!(is, State::Running | State::Stopped));
        self.held[worker] += u32::from(is.holds_slot());
        self.held[worker] -= u32::from(was.holds_slot());
        self.booting[worker] += u32::from(is == State::Booting);
        self.booting[worker] -= u32::from(was == State::Booting);
        self.ready[worker] += u32::from(is == State::Ready);
        self.ready[worker] -= u32::from(was == State::Ready);
        let (held, slots) = (self.held[worker], self.slots[worker]);
        assert!(held <= slots, "worker {worker} at {at} holds {held} VMs in {slots} slots");
        let (booting, boots) = (self.booting[worker], self.boots[worker]);
        assert!(
            self.creates || booting <= boots,
            "worker {worker} at {at} runs {booting} boots, not {boots}"
        );
    }
}

impl Rules {
    /// What must hold whenever time goes on: all that follows from a moment has happened then.
    fn between(&self, at: Time) {
        for worker in
            (0..self.waiting.len()).filter(|&worker| self.uniform[worker] && self.waiting[worker] > 0)
        {
            let (waiting, ready) = (self.waiting[worker], self.ready[worker]);
            assert_eq!(ready, 0, "worker {worker} before {at}: {waiting} requests wait beside ready Sprites");
            assert!(
                self.booting[worker] > 0
                    || self.held[worker] >= self.slots[worker]
                    || self.has_failed[worker],
                "worker {worker} before {at}: {waiting} requests wait, and no boot is on its way"
            );
        }
    }
}

/// The transitions that the life of a Sprite has, and no others.
fn legal(was: State, is: State) -> bool {
    use State::*;
    match (was, is) {
        (Stopped | Failed, other) => other == Booting,
        (Booting, other) => matches!(other, Ready | Starting | Failed),
        (Ready, other) => matches!(other, Starting | Stopping | Failed),
        (Starting, other) => matches!(other, Running | Stopped | Failed | Ready | Idle),
        (Running, other) => matches!(other, Ready | Idle | Stopping | Failed),
        (Idle, other) => matches!(other, Starting | Asleep | Stopping | Failed),
        (Asleep, other) => matches!(other, Waking | Stopped | Failed),
        (Waking, other) => matches!(other, Starting | Asleep | Failed),
        (Stopping, other) => matches!(other, Stopped | Failed),
    }
}

impl Observer for Rules {
    fn observe(&mut self, at: Time, observation: Observation) {
        assert!(at >= self.last, "time goes back from {} to {at}", self.last);
        if at > self.last {
            self.between(at);
        }
        self.last = at;
        match observation {
            Observation::Arrived { request, .. } => {
                assert_eq!(
                    self.requests.insert(request.id, None),
                    None,
                    "request {} arrives twice",
                    request.id
                );
                assert!(request.arrived <= at);
            }
            Observation::Ended { request, outcome, cause, .. } => {
                let at_once = matches!(outcome, Outcome::Warm | Outcome::Woken);
                assert_eq!(
                    cause.is_none(),
                    at_once,
                    "request {} at {at}: {outcome:?}, {cause:?}",
                    request.id
                );
                let before = self.requests.insert(request.id, Some(outcome));
                assert_eq!(before, Some(None), "request {} ends at {at} as {outcome:?}", request.id);
                self.served += u64::from(outcome.is_served());
            }
            Observation::Sprite { worker, sprite, generation, was, is } => {
                self.sprite(at, worker.index(), sprite, generation, was, is);
            }
            Observation::Position { worker, position, depth, ordered } => {
                assert!(
                    ordered > 0 && position <= i64::from(depth),
                    "{worker:?} at {at}: {position} above {depth}"
                );
            }
            Observation::Target { was, is, .. } => {
                assert_ne!(was, is, "a target is told when it changes");
                assert!(is.reorder_at < is.depth || is == Target::default(), "{is:?} at {at}");
            }
            Observation::Waiting { worker, was, is } => {
                // A worker may have several pools, each of which tells its own number.
                let waiting = &mut self.waiting[worker.index()];
                *waiting = *waiting + is - was;
            }
            Observation::BootsFailing { worker, .. } => self.has_failed[worker.index()] = true,
            Observation::Host { .. } | Observation::Making { .. } | Observation::Refused { .. } => {}
            Observation::Empty { pool, was, is, .. } => {
                assert_ne!(was, is, "{pool:?} at {at} tells a cause when it changes");
                assert_eq!(self.empty.insert(pool, is).flatten(), was, "{pool:?} at {at}");
            }
        }
    }

    fn opened(&mut self, _at: Time) {}

    fn closed(&mut self, _at: Time) {}
}
