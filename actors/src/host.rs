//! What an actor is to its backend, and what a backend is to an actor. This is the whole boundary: an actor gets a
//! message and a [`Context`], changes its own state, and leaves effects. It never asks a clock, and never waits.

use crate::protocol::{ActorId, Message, Observation, Operation, Timer};
use crate::random::Rng;
use crate::time::{Duration, Time};

/// A state machine that a backend hosts.
pub trait Actor: Send {
    /// Handles one message. All that it does to the world goes through the context.
    fn handle(&mut self, cx: &mut Context<'_>, message: Message);
}

/// Whoever keeps the books: it sees every observation, in order, and changes nothing.
pub trait Observer {
    /// Something happened at this time.
    fn observe(&mut self, at: Time, observation: Observation);

    /// Pools are filled and the first request may come: this is t = 0. What was observed before is no part of the run.
    fn opened(&mut self, _at: Time) {}
}

impl<O: Observer + ?Sized> Observer for &mut O {
    fn opened(&mut self, at: Time) {
        (**self).opened(at);
    }

    fn observe(&mut self, at: Time, observation: Observation) {
        (**self).observe(at, observation);
    }
}

/// What a backend provides to the actors that it hosts. Every method says for which actor (`me`) it is called.
pub trait Host {
    /// Delivers a message at once, after those that were sent before it.
    fn send(&mut self, me: ActorId, to: ActorId, message: Message);
    /// Delivers a message after a while, as over a network.
    fn send_after(&mut self, me: ActorId, to: ActorId, message: Message, after: Duration);
    /// Arms a named timer of this actor; arming it again replaces it.
    fn arm(&mut self, me: ActorId, timer: Timer, after: Duration);
    /// Disarms a named timer of this actor, if it is armed.
    fn disarm(&mut self, me: ActorId, timer: Timer);
    /// Begins an operation, whose end comes back to this actor as [`Message::Done`].
    fn perform(&mut self, me: ActorId, operation: Operation);
    /// Tells whoever keeps the books.
    fn observe(&mut self, observation: Observation);
    /// Hosts another actor, on the same worker as this one, and gives its address.
    fn spawn(&mut self, me: ActorId, actor: Box<dyn Actor>) -> ActorId;
    /// This actor's own stream of random numbers.
    fn rng(&mut self, me: ActorId) -> &mut Rng;
}

/// One delivery of one message to one actor: who and when, and the way to leave effects.
pub struct Context<'a> {
    host: &'a mut dyn Host,
    now: Time,
    me: ActorId,
    sender: ActorId,
}

impl<'a> Context<'a> {
    /// For backends: the delivery at `now` of a message from `sender` to `me`.
    pub fn new(host: &'a mut dyn Host, now: Time, me: ActorId, sender: ActorId) -> Self {
        Self { host, now, me, sender }
    }

    /// The time of this delivery.
    pub fn now(&self) -> Time {
        self.now
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
        self.host.rng(self.me)
    }

    /// Sends a message.
    pub fn send(&mut self, to: ActorId, message: Message) {
        self.host.send(self.me, to, message);
    }

    /// Sends a message that arrives after a while, as over a network.
    pub fn send_after(&mut self, to: ActorId, message: Message, after: Duration) {
        self.host.send_after(self.me, to, message, after);
    }

    /// Arms a named timer; arming it again replaces it.
    pub fn arm(&mut self, timer: Timer, after: Duration) {
        self.host.arm(self.me, timer, after);
    }

    /// Disarms a named timer.
    pub fn disarm(&mut self, timer: Timer) {
        self.host.disarm(self.me, timer);
    }

    /// Begins an operation; its end comes back as [`Message::Done`].
    pub fn perform(&mut self, operation: Operation) {
        self.host.perform(self.me, operation);
    }

    /// Tells whoever keeps the books.
    pub fn observe(&mut self, observation: Observation) {
        self.host.observe(observation);
    }

    /// Hosts another actor on this worker and gives its address.
    pub fn spawn(&mut self, actor: Box<dyn Actor>) -> ActorId {
        self.host.spawn(self.me, actor)
    }
}
