//! One message to one boxed actor, and what happens when its handler panics.
//!
//! | who panicked | what is lost | what follows |
//! | --- | --- | --- |
//! | a Sprite | its VM | it is told that it is [`ToSprite::Lost`], and goes through its own way of losing a VM: its slot comes back, its request tries again, the pool refills |
//! | a Sprite that does not come through that | the Worker's count of slots and boots | as for a Worker |
//! | a Worker, Pool or Refiller | what the Worker knows: slots, boots, who is ready, who waits | the Worker is made anew with everything under it and refills by its policy; its VMs are destroyed, and its requests have failed |
//! | an operation | its VM | it has failed: [`ToAny::Done`] says so |
//!
//! A handler may panic halfway, with some of its effects under way; they stay, since the state they stem from
//! stays too. A Worker that has to be made anew again and again is left down, and what arrives there fails.
//! Nothing else falls: other Sprites, other Workers and the process go on.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use actors::policy::Begin;
use actors::protocol::{Cause, End, ToAny, ToPool, ToSprite, ToWorker};
use actors::{ActorId, AnyActor, Context, Message, Observation, Outcome, Request};

use super::core::{Core, Effects, Hosting};
use super::executor::{Envelope, Guard};
use super::shared::{Shared, lock};
use super::shell::Boxed;

/// A handler panicked.
struct Panicked;

/// Delivers one message.
pub(crate) fn deliver(boxed: &mut Boxed, envelope: Envelope) {
    let shared = Arc::clone(&boxed.shared);
    let mut core = lock(&shared.core);
    let core = &mut *core;
    core.tick(&shared);
    if !still_holds(core, &shared, &envelope) {
        return;
    }
    core.delivered += 1;
    core.effects = Effects::default();
    come_to_life(boxed, core, &shared);
    destroy_if_unknown(core, &shared, boxed.id, &envelope.message);
    match &mut boxed.actor {
        Some(actor) => {
            let had_vm = core.ledger.vm(boxed.id).is_some();
            if handle(actor, core, &shared, &envelope).is_err() {
                panicked(boxed, core, &shared, &envelope, had_vm);
            }
        }
        None => fail(core, &shared, &envelope),
    }
}

/// Whether what the message was sent for still holds.
fn still_holds(core: &Core, shared: &Shared, envelope: &Envelope) -> bool {
    let holds = match envelope.guard {
        Guard::None => true,
        Guard::Armed(seq) => shared.timers.take(envelope.to, seq),
        Guard::Generation(generation) => core.ledger.vm(envelope.to) == Some(generation),
        Guard::Running(generation) => core.ledger.runs(envelope.to, generation),
    };
    // What was sent by an actor that has been given up means nothing to those that came after it.
    holds && (envelope.from == envelope.to || !core.ledger.is_given_up(envelope.from))
}

/// Takes part in what has happened to the root since: a root is made anew, an actor under it is given up.
fn come_to_life(boxed: &mut Boxed, core: &mut Core, shared: &Arc<Shared>) {
    let Some(root) = core.ledger.root(boxed.root) else { return };
    if root.life == boxed.life {
        return;
    }
    if boxed.id != boxed.root || root.dead {
        boxed.actor = None;
        return;
    }
    boxed.life = root.life;
    core.ledger.set_life(boxed.id, boxed.life);
    core.journals.hosted(boxed.id);
    let mut actor = boxed.maker.as_ref().map(|make| make());
    let message = Message::Worker(ToWorker::Begin(Begin::Empty));
    let begin = Envelope { to: boxed.id, from: ActorId::OUTSIDE, message, guard: Guard::None };
    if let Some(actor) = &mut actor
        && handle(actor, core, shared, &begin).is_err()
    {
        renew(core, shared, boxed.root);
    }
    boxed.actor = actor;
    core.effects = Effects::default();
}

/// An operation has ended on a VM that its Sprite has lost meanwhile: nobody else would destroy it.
fn destroy_if_unknown(core: &mut Core, shared: &Shared, sprite: ActorId, message: &Message) {
    if let Message::Any(ToAny::Done { generation, end: End::Done | End::Refused, .. }) = *message
        && (core.ledger.is_given_up(sprite) || core.ledger.vm(sprite) != Some(generation))
    {
        core.detach(shared, sprite, generation);
    }
}

fn handle(
    actor: &mut AnyActor,
    core: &mut Core,
    shared: &Arc<Shared>,
    envelope: &Envelope,
) -> Result<(), Panicked> {
    let Envelope { to, from, ref message, .. } = *envelope;
    let mut hosting = Hosting { me: to, core, shared };
    let mut cx = Context::new(&mut hosting, to, from);
    let handled = catch_unwind(AssertUnwindSafe(|| actor.handle(&mut cx, message)));
    if core.journals.wants_deliveries() {
        let effects = core.fold.take(handled.is_err());
        core.journals.delivery(core.now, envelope, effects);
    }
    handled.map_err(|_| Panicked)
}

/// Nobody is there to handle it.
fn fail(core: &mut Core, shared: &Shared, envelope: &Envelope) {
    if let Message::Worker(ToWorker::Request(request)) = envelope.message {
        turn_away(core, shared, envelope.to, request, Outcome::Failed, Cause::WorkerDown);
    }
}

/// A request that no Worker has seen arrives and ends.
pub(crate) fn turn_away(
    core: &mut Core,
    shared: &Shared,
    root: ActorId,
    request: Request,
    outcome: Outcome,
    cause: Cause,
) {
    let worker = core.ledger.root(root).map(|root| root.worker).unwrap_or_default();
    core.observe(shared, root, Observation::Arrived { worker, request });
    core.observe(shared, root, Observation::Ended { worker, request, outcome, cause: Some(cause) });
}

fn panicked(boxed: &mut Boxed, core: &mut Core, shared: &Arc<Shared>, envelope: &Envelope, had_vm: bool) {
    core.panics += 1;
    if let Message::Worker(ToWorker::Request(request)) = envelope.message
        && !core.effects.arrived
    {
        turn_away(core, shared, boxed.id, request, Outcome::Failed, Cause::WorkerDown);
    }
    let has_been_sprite = core.ledger.entry(boxed.id).is_some_and(|entry| entry.vm.is_some());
    let is_sprite = has_been_sprite || matches!(envelope.message, Message::Sprite(ToSprite::Boot { .. }));
    if !is_sprite || !lose(boxed, core, shared, envelope, had_vm) {
        renew(core, shared, boxed.root);
    }
}

/// Has a Sprite lose its VM. Whether the Worker can go on with what it knows.
fn lose(boxed: &mut Boxed, core: &mut Core, shared: &Arc<Shared>, envelope: &Envelope, had_vm: bool) -> bool {
    let Some(actor) = &mut boxed.actor else { return true };
    let lost = Envelope {
        from: boxed.id,
        message: Message::Sprite(ToSprite::Lost),
        guard: Guard::None,
        ..*envelope
    };
    if handle(actor, core, shared, &lost).is_err() {
        core.panics += 1;
        return false;
    }
    if let Message::Sprite(ToSprite::Start { mut request, .. }) = envelope.message
        && core.ledger.has_request(request.id)
        && core.effects.start_failed != Some(request.id)
    {
        request.tries += 1;
        let message = Message::Pool(ToPool::StartFailed(request));
        shared.executor.post(Envelope { to: envelope.from, from: boxed.id, message, guard: Guard::None });
    }
    let held = had_vm
        || matches!(
            envelope.message,
            Message::Sprite(ToSprite::Boot { .. }) | Message::Sprite(ToSprite::Wake { .. })
        );
    // A Sprite that was to be woken had given its slot back; whether it has it again, nobody knows.
    let unclear = matches!(envelope.message, Message::Sprite(ToSprite::Wake { .. }));
    !unclear && (core.effects.released || !held)
}

/// Gives up a Worker's state and everything under it; it is made anew with the next message.
fn renew(core: &mut Core, shared: &Arc<Shared>, root: ActorId) {
    core.renewals += 1;
    let now = core.now;
    for (by, observation) in core.ledger.give_up(root, now) {
        core.observe(shared, by, observation);
    }
    shared.timers.disarm_all(root);
    shared.tell(root, Message::Worker(ToWorker::Recover));
}
