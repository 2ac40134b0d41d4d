//! What each actor does with each message, one sentence of the protocol at a time: a message goes in, effects
//! come out.

mod own;
mod pool;
mod refiller;
mod sprite;
mod worker;

use std::sync::Arc;

use crate::backend::{AnyActor, Backend, Context};
use crate::policy::depth::Fixed;
use crate::policy::{AfterUse, Depth, PoolPolicy, Prefers, SpritePolicy};
use crate::protocol::{ActorId, End, Message, Observation, Operation, OperationKind, Request, Timer, ToAny};
use crate::random::{Purpose, Rng};
use crate::time::{Duration, Time};

const ME: ActorId = ActorId(0);
const WORKER: ActorId = ActorId(100);
const POOL: ActorId = ActorId(101);
const REFILLER: ActorId = ActorId(102);
const SPRITE: ActorId = ActorId(103);
const OTHER_SPRITE: ActorId = ActorId(104);

/// What an actor did with one message.
#[derive(Debug, Default)]
struct Effects {
    sent: Vec<(ActorId, Message)>,
    performed: Vec<OperationKind>,
    armed: Vec<(Timer, Duration)>,
    disarmed: Vec<Timer>,
    observed: Vec<Observation>,
}

/// A backend that writes down what one actor does, and does nothing itself.
struct Recording {
    now: Time,
    rng: Rng,
    actors: u32,
    effects: Effects,
}

impl Backend for Recording {
    fn now(&self) -> Time {
        self.now
    }

    fn send(&mut self, _me: ActorId, to: ActorId, message: Message) {
        self.effects.sent.push((to, message));
    }

    fn send_after(&mut self, _me: ActorId, to: ActorId, message: Message, _after: Duration) {
        self.effects.sent.push((to, message));
    }

    fn arm(&mut self, _me: ActorId, timer: Timer, after: Duration) {
        self.effects.armed.push((timer, after));
    }

    fn disarm(&mut self, _me: ActorId, timer: Timer) {
        self.effects.disarmed.push(timer);
    }

    fn perform(&mut self, _me: ActorId, operation: Operation) {
        self.effects.performed.push(operation.kind);
    }

    fn observe(&mut self, observation: Observation) {
        self.effects.observed.push(observation);
    }

    fn spawn(&mut self, _me: ActorId, _actor: AnyActor) -> ActorId {
        self.actors += 1;
        ActorId(self.actors)
    }

    fn rng(&mut self, _me: ActorId) -> &mut Rng {
        &mut self.rng
    }
}

/// One actor and the backend that writes down what it does.
struct Stage {
    actor: AnyActor,
    backend: Recording,
}

impl Stage {
    fn new(actor: impl Into<AnyActor>) -> Self {
        let backend = Recording {
            now: Time::ZERO,
            rng: Rng::stream(1, Purpose::Actor, 0),
            actors: 0,
            effects: Effects::default(),
        };
        Self { actor: actor.into(), backend }
    }

    /// Delivers a message and gives what came of it.
    fn tell(&mut self, from: ActorId, message: impl Into<Message>) -> Effects {
        self.actor.handle(&mut Context::new(&mut self.backend, ME, from), &message.into());
        std::mem::take(&mut self.backend.effects)
    }

    fn fire(&mut self, timer: Timer) -> Effects {
        self.tell(ME, ToAny::Fired(timer))
    }

    /// The operation on the actor's first VM ends.
    fn done(&mut self, kind: OperationKind, end: End) -> Effects {
        self.tell(ME, ToAny::Done { generation: 1, kind, end })
    }

    fn at(&mut self, millis: u64) {
        self.backend.now = Time::ZERO + Duration::from_millis(millis);
    }
}

fn request(id: u64) -> Request {
    Request { id, lifetime: Duration::from_secs(1), ..Request::default() }
}

/// A fixed depth; the rest by default.
fn policy(ready: u32) -> PoolPolicy {
    PoolPolicy { depth: Depth::Fixed(Fixed { ready }), ..PoolPolicy::default() }
}

fn shared(policy: PoolPolicy) -> Arc<PoolPolicy> {
    Arc::new(policy)
}

const STOPS: SpritePolicy =
    SpritePolicy { after_use: AfterUse::Stop, idle_after: None, asleep: 0, prefers: Prefers::Ready };

/// The messages alone.
fn sent(messages: impl IntoIterator<Item = (ActorId, Message)>) -> Vec<(ActorId, Message)> {
    messages.into_iter().collect()
}
