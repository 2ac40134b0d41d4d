//! The simulated backend as the actors see it: what they send, arm, perform and observe comes here.

use actors::policy::Begin;
use actors::protocol::{End, Operation, Timer, ToAny};
use actors::random::Purpose;
use actors::{
    ActorId, AnyActor, Backend, Duration, Key, Message, Observation, Observer, OperationKind, Rng, Time,
    WorkerId,
};
use scenarios::{Sampler, Scenario};

use crate::contention::Contention;
use crate::digest::Digest;
use crate::error::SimulationError;
use crate::hosts::Hosts;
use crate::queue::{Envelope, Event, Queue};
use crate::regions::Regions;
use crate::simulation::Delivery;
use crate::timers::{Timers, on_grid};

/// See the [module](self).
pub(crate) struct Core<O> {
    now: Time,
    pub(crate) queue: Queue,
    pub(crate) timers: Timers,
    pub(crate) hosts: Hosts,
    pub(crate) contention: Contention,
    pub(crate) digest: Digest,
    pub(crate) observer: O,
    /// The deliveries that were to be recorded.
    pub(crate) recorded: Vec<Delivery>,
    /// Actors that were hosted during the delivery under way.
    pub(crate) spawned: Vec<AnyActor>,
    /// Pools are being filled before t = 0: boots take no time.
    pub(crate) filling: bool,
    /// Requests that have arrived.
    pub(crate) requests: u64,
    ended: u64,
    seed: u64,
    grid_ns: u64,
    lag: Sampler,
    lag_rng: Rng,
    worker_of: Vec<WorkerId>,
    rngs: Vec<Option<Box<Rng>>>,
    regions: Regions,
    begins: Vec<Begin>,
}

impl<O: Observer> Core<O> {
    pub(crate) fn new(scenario: &Scenario, observer: O) -> Result<Self, SimulationError> {
        let seed = scenario.seed;
        let plans = scenario.workers();
        Ok(Self {
            now: Time::ZERO,
            queue: Queue::default(),
            timers: Timers::default(),
            hosts: Hosts::new(scenario)?,
            contention: Contention::new(&scenario.latency, scenario.fleet.workers),
            digest: Digest::default(),
            observer,
            recorded: Vec::new(),
            spawned: Vec::new(),
            filling: false,
            requests: 0,
            ended: 0,
            seed,
            grid_ns: scenario.timer.grid.as_nanos(),
            lag: scenario.timer.lag.sampler(scenario.base())?,
            lag_rng: Rng::stream(seed, Purpose::TimerLag, 0),
            worker_of: (0..plans.len() as u32).map(WorkerId).collect(),
            rngs: Vec::new(),
            regions: Regions::new(scenario),
            begins: plans.iter().map(|plan| plan.pool.start).collect(),
        })
    }

    pub(crate) fn workers(&self) -> u32 {
        self.begins.len() as u32
    }

    /// Whether the pools of this worker are full at t = 0.
    pub(crate) fn begins(&self, worker: u32) -> Begin {
        self.begins[worker as usize]
    }

    pub(crate) fn unfinished(&self) -> u64 {
        self.requests - self.ended
    }

    pub(crate) fn worker_of(&self, actor: ActorId) -> WorkerId {
        self.worker_of[actor.index()]
    }

    /// Delivers a message at this moment, after those that were sent before it. Messages are delivered in the
    /// order in which they come here, so this is where they fold into the digest.
    #[inline(always)]
    pub(crate) fn deliver(&mut self, envelope: Envelope) {
        let is_due = self.digest.fold(envelope.to, envelope.from, &envelope.message);
        self.queue.push_now(envelope);
        if is_due {
            self.due();
        }
    }

    /// More is to be done with the last delivery than to fold it in.
    fn due(&mut self) {
        if self.digest.due()
            && let Some(&Envelope { to, from, message }) = self.queue.last_now()
        {
            let index = self.digest.events() - 1;
            self.recorded.push(Delivery { index, at: self.now, from, to, message });
        }
    }

    /// From now on it is this time.
    pub(crate) fn turn_to(&mut self, at: Time) {
        self.now = at;
        self.digest.fold_time(at);
    }

    /// The worker for a request.
    pub(crate) fn place(&mut self, key: Key, region: u32) -> u32 {
        self.regions.place(key, region)
    }
}

impl<O: Observer> Backend for Core<O> {
    fn now(&self) -> Time {
        self.now
    }

    #[inline(always)]
    fn send(&mut self, me: ActorId, to: ActorId, message: Message) {
        self.deliver(Envelope { to, from: me, message });
    }

    fn send_after(&mut self, me: ActorId, to: ActorId, message: Message, after: Duration) {
        let envelope = Envelope { to, from: me, message };
        if after.is_zero() {
            self.deliver(envelope);
        } else {
            self.queue.push_message_at(self.now + after, envelope);
        }
    }

    fn arm(&mut self, me: ActorId, timer: Timer, after: Duration) {
        let due = on_grid(self.now + after, self.grid_ns) + self.lag.sample(&mut self.lag_rng);
        self.timers.arm(&mut self.queue, me, timer, due);
    }

    fn disarm(&mut self, me: ActorId, timer: Timer) {
        self.timers.disarm(me, timer);
    }

    #[inline(always)]
    fn perform(&mut self, me: ActorId, operation: Operation) {
        let Operation { kind, generation, worker, request } = operation;
        if kind == OperationKind::Detach {
            return;
        }
        let (after, end) = match kind {
            _ if self.filling => (Duration::ZERO, End::Done),
            OperationKind::Run => (request.map_or(Duration::ZERO, |request| request.lifetime), End::Done),
            _ => {
                let (takes, end) = self.hosts.perform(self.now, worker, kind);
                (self.contention.begins(self.now, me, worker, kind, takes), end)
            }
        };
        if after.is_zero() {
            let message = ToAny::Done { generation, kind, end }.into();
            self.deliver(Envelope { to: me, from: me, message });
        } else {
            self.queue.push_at(self.now + after, Event::Done { to: me, generation, kind, end });
        }
    }

    #[inline(always)]
    fn observe(&mut self, observation: Observation) {
        if let Observation::Ended { .. } = observation {
            self.ended += 1;
        }
        self.regions.observe(observation);
        self.observer.observe(self.now, observation);
    }

    fn spawn(&mut self, me: ActorId, actor: AnyActor) -> ActorId {
        let id = ActorId(self.worker_of.len() as u32);
        self.worker_of.push(self.worker_of(me));
        self.spawned.push(actor);
        id
    }

    fn rng(&mut self, me: ActorId) -> &mut Rng {
        if self.rngs.len() <= me.index() {
            self.rngs.resize_with(me.index() + 1, || None);
        }
        let seed = self.seed;
        self.rngs[me.index()]
            .get_or_insert_with(|| Box::new(Rng::stream(seed, Purpose::Actor, u64::from(me.0))))
    }
}
