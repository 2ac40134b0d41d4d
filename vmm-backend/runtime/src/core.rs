//! The runtime as its actors see it: what they send, arm, perform and observe comes here. Locked by whoever
//! drives, so that one delivery follows the other and observations have their order and their times.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use actors::protocol::{End, Operation, Timer, ToAny, ToPool, ToWorker};
use actors::random::Purpose;
use actors::{
    ActorId, AnyActor, Backend, Duration, Message, Observation, Observer, OperationKind, Rng, State, Time,
};

use super::UNTIL_TOLD;
use super::executor::{Envelope, Guard};
use super::journal::{Effect, Fold, Journals};
use super::ledger::Ledger;
use super::operations::Job;
use super::shared::Shared;
use super::shell::{self, Boxed};

/// See the [module](self).
pub(crate) struct Core {
    pub(crate) now: Time,
    pub(crate) ledger: Ledger,
    pub(crate) journals: Journals,
    pub(crate) observer: Box<dyn Observer + Send>,
    /// Messages delivered.
    pub(crate) delivered: u64,
    /// Handlers that panicked.
    pub(crate) panics: u64,
    /// Workers made anew.
    pub(crate) renewals: u64,
    /// What the delivery under way has sent or told, as far as it matters after a panic.
    pub(crate) effects: Effects,
    /// All that it has done, where it is written down.
    pub(crate) fold: Fold,
    jobs: Vec<Job>,
    /// An empty list that keeps its memory.
    spare: Vec<Job>,
    seed: u64,
    rngs: Vec<Option<Box<Rng>>>,
}

/// See [`Core::effects`].
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Effects {
    pub(crate) arrived: bool,
    pub(crate) released: bool,
    /// The request whose start was said to have failed.
    pub(crate) start_failed: Option<u64>,
}

impl Core {
    pub(crate) fn new(observer: Box<dyn Observer + Send>, journals: Journals, seed: u64) -> Self {
        Self {
            now: Time::ZERO,
            ledger: Ledger::default(),
            journals,
            observer,
            delivered: 0,
            panics: 0,
            renewals: 0,
            effects: Effects::default(),
            fold: Fold::default(),
            jobs: Vec::new(),
            spare: Vec::new(),
            seed,
            rngs: Vec::new(),
        }
    }

    /// Observations have the time of the delivery that makes them. It never goes back.
    pub(crate) fn tick(&mut self, shared: &Shared) {
        self.now = self.now.max(shared.clock.now());
    }

    /// What was performed since the last time.
    pub(crate) fn take_jobs(&mut self) -> Vec<Job> {
        std::mem::replace(&mut self.jobs, std::mem::take(&mut self.spare))
    }

    /// Takes an emptied list back.
    pub(crate) fn give_back(&mut self, jobs: Vec<Job>) {
        self.spare = jobs;
    }

    /// An observation of an actor, or on behalf of one.
    pub(crate) fn observe(&mut self, shared: &Shared, by: ActorId, observation: Observation) {
        if !self.ledger.observe(by, &observation) {
            return;
        }
        match observation {
            Observation::Arrived { request, .. } => {
                self.effects.arrived = true;
                self.journals.arrival(&request);
            }
            Observation::Ended { .. } => {
                shared.in_flight.fetch_sub(1, Ordering::AcqRel);
            }
            // The Sprite has nothing to do with this VM any more, but the host may still have it.
            Observation::Sprite { sprite, generation, is: State::Failed, .. } => {
                self.detach(shared, sprite, generation);
            }
            _ => {}
        }
        self.observer.observe(self.now, observation);
    }

    /// Has a VM destroyed that nobody knows any more.
    pub(crate) fn detach(&mut self, shared: &Shared, sprite: ActorId, generation: u32) {
        let root = self.ledger.entry(sprite).and_then(|entry| self.ledger.root(entry.root));
        let worker = root.map(|root| root.worker).unwrap_or_default();
        let operation = Operation { kind: OperationKind::Detach, generation, worker, request: None };
        self.perform(shared, sprite, operation);
    }

    fn perform(&mut self, shared: &Shared, sprite: ActorId, operation: Operation) {
        let Operation { kind, generation, request, .. } = operation;
        let (after, end) = match (kind, shared.operations.machines.script()) {
            (OperationKind::Run, _) => match request.map_or(Duration::ZERO, |request| request.lifetime) {
                UNTIL_TOLD => return,
                lifetime => (lifetime, End::Done),
            },
            (OperationKind::Detach, Some(_)) => return,
            // As in a simulation, pools are filled at no cost of time.
            (_, Some(_)) if !shared.clock.is_open() => (Duration::ZERO, End::Done),
            (_, Some(script)) => script.answer(self.now, sprite, &operation),
            (_, None) => {
                shared.operations.begun(kind);
                self.jobs.push(Job { sprite, operation });
                return;
            }
        };
        let message = Message::Any(ToAny::Done { generation, kind, end });
        let done = Envelope { to: sprite, from: sprite, message, guard: Guard::None };
        if after.is_zero() {
            shared.executor.post(done)
        } else {
            shared.timers.post_at(self.now + after, done)
        }
    }
}

/// One delivery's view of the runtime.
pub(crate) struct Hosting<'a> {
    /// Whose delivery it is.
    pub(crate) me: ActorId,
    pub(crate) core: &'a mut Core,
    pub(crate) shared: &'a Arc<Shared>,
}

impl Hosting<'_> {
    fn note(&mut self, effect: impl FnOnce() -> Effect) {
        if self.core.journals.wants_deliveries() {
            self.core.fold.add(&effect());
        }
    }
}

impl Backend for Hosting<'_> {
    fn now(&self) -> Time {
        self.core.now
    }

    fn send(&mut self, me: ActorId, to: ActorId, message: Message) {
        self.send_after(me, to, message, Duration::ZERO);
    }

    fn send_after(&mut self, me: ActorId, to: ActorId, message: Message, after: Duration) {
        self.note(|| Effect::send(to, message, after));
        match message {
            Message::Worker(ToWorker::Released(_)) => self.core.effects.released = true,
            Message::Pool(ToPool::StartFailed(request)) => self.core.effects.start_failed = Some(request.id),
            _ => {}
        }
        let envelope = Envelope { to, from: me, message, guard: Guard::None };
        if after.is_zero() {
            self.shared.executor.post(envelope);
        } else {
            self.shared.timers.post_at(self.core.now + after, envelope);
        }
    }

    fn arm(&mut self, me: ActorId, timer: Timer, after: Duration) {
        self.note(|| Effect::timer(timer, Some(after)));
        self.shared.timers.arm(me, timer, self.core.now + after);
    }

    fn disarm(&mut self, me: ActorId, timer: Timer) {
        self.note(|| Effect::timer(timer, None));
        self.shared.timers.disarm(me, timer);
    }

    fn perform(&mut self, me: ActorId, operation: Operation) {
        self.note(|| Effect::Perform(operation));
        self.core.perform(self.shared, me, operation);
    }

    fn observe(&mut self, observation: Observation) {
        self.note(|| Effect::Observe(observation));
        self.core.observe(self.shared, self.me, observation);
    }

    fn spawn(&mut self, me: ActorId, actor: AnyActor) -> ActorId {
        let ledger = &mut self.core.ledger;
        let (root, life) = ledger.entry(me).map_or((me, 0), |entry| (entry.root, entry.life));
        let id = ledger.next();
        ledger.enter(root, life);
        self.note(|| Effect::Spawn(id));
        shell::host(Boxed {
            id,
            root,
            life,
            actor: Some(actor),
            maker: None,
            shared: Arc::clone(self.shared),
        });
        id
    }

    fn rng(&mut self, me: ActorId) -> &mut Rng {
        let Core { rngs, seed, .. } = &mut *self.core;
        if rngs.len() <= me.index() {
            rngs.resize_with(me.index() + 1, || None);
        }
        rngs[me.index()].get_or_insert_with(|| Box::new(Rng::stream(*seed, Purpose::Actor, u64::from(me.0))))
    }
}
