//! What an actor is to its backend, and what a backend is to an actor. This is the whole boundary: an actor
//! gets a message and a [`Context`], changes its own state, and leaves effects. It never asks a clock, and
//! never waits.

use crate::pool::Pool;
use crate::protocol::{ActorId, Message, Observation, Operation, Timer, ToAny};
use crate::random::Rng;
use crate::refiller::Refiller;
use crate::sprite::Sprite;
use crate::time::{Duration, Time};
use crate::worker::Worker;

/// A state machine that a backend hosts. The project's own are the four of [`AnyActor`]; this is for others.
pub trait Actor: Send {
    /// Handles one message. All that it does to the world goes through the context.
    fn handle(&mut self, cx: &mut Context<&mut dyn Backend>, message: &Message);
}

/// What a backend hosts: one of the four, or an [`Actor`] of somebody else.
pub struct AnyActor(Hosted);

enum Hosted {
    Worker(Worker),
    Pool(Pool),
    Refiller(Refiller),
    Sprite(Sprite),
    Other(Box<dyn Actor>),
}

impl AnyActor {
    /// Handles one message. All that it does to the world goes through the context.
    pub fn handle(&mut self, cx: &mut Context<impl Backend>, message: &Message) {
        match (&mut self.0, *message) {
            (Hosted::Worker(worker), Message::Worker(message)) => worker.handle(cx, message),
            (Hosted::Pool(pool), Message::Pool(message)) => pool.handle(cx, message),
            (Hosted::Pool(pool), Message::Any(ToAny::Fired(timer))) => pool.fired(cx, timer),
            (Hosted::Refiller(refiller), Message::Refiller(message)) => refiller.handle(cx, message),
            (Hosted::Refiller(refiller), Message::Any(ToAny::Fired(timer))) => refiller.fired(cx, timer),
            (Hosted::Sprite(sprite), Message::Sprite(message)) => sprite.handle(cx, message),
            (Hosted::Sprite(sprite), Message::Any(ToAny::Fired(timer))) => sprite.fired(cx, timer),
            (Hosted::Sprite(sprite), Message::Any(ToAny::Done { generation, kind, end })) => {
                sprite.done(cx, generation, kind, end);
            }
            (Hosted::Other(actor), _) => {
                let Context { ref mut backend, me, sender } = *cx;
                actor.handle(&mut Context::new(backend, me, sender), message);
            }
            (_, message) => debug_assert!(false, "{message:?} went to an actor of another kind"),
        }
    }
}

impl<A: Actor + 'static> From<A> for AnyActor {
    fn from(actor: A) -> Self {
        Self(Hosted::Other(Box::new(actor)))
    }
}

impl From<Worker> for AnyActor {
    fn from(worker: Worker) -> Self {
        Self(Hosted::Worker(worker))
    }
}

impl From<Pool> for AnyActor {
    fn from(pool: Pool) -> Self {
        Self(Hosted::Pool(pool))
    }
}

impl From<Refiller> for AnyActor {
    fn from(refiller: Refiller) -> Self {
        Self(Hosted::Refiller(refiller))
    }
}

impl From<Sprite> for AnyActor {
    fn from(sprite: Sprite) -> Self {
        Self(Hosted::Sprite(sprite))
    }
}

/// Whoever keeps the books: it sees every observation, in order, and changes nothing.
pub trait Observer {
    /// Something happened at this time.
    fn observe(&mut self, at: Time, observation: Observation);

    /// Pools are filled and the first request may come: this is t = 0. What was observed before is no part of
    /// the run.
    fn opened(&mut self, at: Time);

    /// The time for requests to end is over: those that have not are about to fail. What else is observed
    /// from now on is no part of the run.
    fn closed(&mut self, at: Time);
}

impl<O: Observer + ?Sized> Observer for &mut O {
    fn opened(&mut self, at: Time) {
        (**self).opened(at);
    }

    fn closed(&mut self, at: Time) {
        (**self).closed(at);
    }

    #[inline(always)]
    fn observe(&mut self, at: Time, observation: Observation) {
        (**self).observe(at, observation);
    }
}

/// What a backend provides to the actors that it hosts. Methods that do something say for which actor (`me`).
pub trait Backend {
    /// The time of the delivery under way.
    fn now(&self) -> Time;
    /// Delivers a message at once, after those that were sent before it.
    fn send(&mut self, me: ActorId, to: ActorId, message: Message);
    /// Delivers a message after a while, as over a network.
    fn send_after(&mut self, me: ActorId, to: ActorId, message: Message, after: Duration);
    /// Arms a named timer of this actor; arming it again replaces it.
    fn arm(&mut self, me: ActorId, timer: Timer, after: Duration);
    /// Disarms a named timer of this actor, if it is armed.
    fn disarm(&mut self, me: ActorId, timer: Timer);
    /// Begins an operation, whose end comes back to this actor as [`ToAny::Done`].
    fn perform(&mut self, me: ActorId, operation: Operation);
    /// Tells whoever keeps the books.
    fn observe(&mut self, observation: Observation);
    /// Hosts another actor, on the same worker as this one, and gives its address.
    fn spawn(&mut self, me: ActorId, actor: AnyActor) -> ActorId;
    /// This actor's own stream of random numbers.
    fn rng(&mut self, me: ActorId) -> &mut Rng;
}

impl<B: Backend + ?Sized> Backend for &mut B {
    #[inline(always)]
    fn now(&self) -> Time {
        (**self).now()
    }

    #[inline(always)]
    fn send(&mut self, me: ActorId, to: ActorId, message: Message) {
        (**self).send(me, to, message);
    }

    fn send_after(&mut self, me: ActorId, to: ActorId, message: Message, after: Duration) {
        (**self).send_after(me, to, message, after);
    }

    fn arm(&mut self, me: ActorId, timer: Timer, after: Duration) {
        (**self).arm(me, timer, after);
    }

    fn disarm(&mut self, me: ActorId, timer: Timer) {
        (**self).disarm(me, timer);
    }

    #[inline(always)]
    fn perform(&mut self, me: ActorId, operation: Operation) {
        (**self).perform(me, operation);
    }

    #[inline(always)]
    fn observe(&mut self, observation: Observation) {
        (**self).observe(observation);
    }

    fn spawn(&mut self, me: ActorId, actor: AnyActor) -> ActorId {
        (**self).spawn(me, actor)
    }

    fn rng(&mut self, me: ActorId) -> &mut Rng {
        (**self).rng(me)
    }
}

/// One delivery of one message to one actor: who and when, and the way to leave effects.
pub struct Context<B> {
    backend: B,
    me: ActorId,
    sender: ActorId,
}

impl<B: Backend> Context<B> {
    /// For backends: the delivery of a message from `sender` to `me`.
    pub fn new(backend: B, me: ActorId, sender: ActorId) -> Self {
        Self { backend, me, sender }
    }

    /// The time of this delivery.
    #[inline(always)]
    pub fn now(&self) -> Time {
        self.backend.now()
    }

    /// The actor that handles the message.
    pub fn me(&self) -> ActorId {
        self.me
    }

    /// The actor that sent the message; [`ActorId::OUTSIDE`] where no actor did.
    pub fn sender(&self) -> ActorId {
        self.sender
    }

    /// This actor's own stream of random numbers.
    pub fn rng(&mut self) -> &mut Rng {
        self.backend.rng(self.me)
    }

    /// Sends a message.
    #[inline(always)]
    pub fn send(&mut self, to: ActorId, message: impl Into<Message>) {
        self.backend.send(self.me, to, message.into());
    }

    /// Sends a message that arrives after a while, as over a network.
    pub fn send_after(&mut self, to: ActorId, message: impl Into<Message>, after: Duration) {
        self.backend.send_after(self.me, to, message.into(), after);
    }

    /// Arms a named timer; arming it again replaces it.
    pub fn arm(&mut self, timer: Timer, after: Duration) {
        self.backend.arm(self.me, timer, after);
    }

    /// Disarms a named timer.
    pub fn disarm(&mut self, timer: Timer) {
        self.backend.disarm(self.me, timer);
    }

    /// Begins an operation; its end comes back as [`ToAny::Done`].
    #[inline(always)]
    pub fn perform(&mut self, operation: Operation) {
        self.backend.perform(self.me, operation);
    }

    /// Tells whoever keeps the books.
    #[inline(always)]
    pub fn observe(&mut self, observation: Observation) {
        self.backend.observe(observation);
    }

    /// Hosts another actor on this worker and gives its address.
    pub fn spawn(&mut self, actor: impl Into<AnyActor>) -> ActorId {
        self.backend.spawn(self.me, actor.into())
    }
}
