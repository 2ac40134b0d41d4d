//! A Sprite: one VM at a time, from its boot to its end.

use super::*;
use crate::protocol::{
    End, For, Making, Outcome, ReadyAfter, Released, State, StepIndex, ToPool, ToSprite, ToWorker, WorkerId,
};
use crate::sprite::Sprite;

fn sprite(policy: SpritePolicy) -> Stage {
    Stage::new(Sprite::new(WorkerId(0), WORKER, policy, false))
}

fn boot(purpose: For, making: Making) -> ToSprite {
    ToSprite::Boot { pool: POOL, purpose, making }
}

/// A Sprite that is ready in its pool.
fn ready(policy: SpritePolicy) -> Stage {
    let mut sprite = sprite(policy);
    sprite.tell(WORKER, boot(For::Pool, Making::Boot));
    sprite.done(OperationKind::Boot, End::Done);
    sprite
}

#[test]
fn a_boot_for_the_pool_ends_ready_and_says_how_long_it_took() {
    let mut sprite = sprite(STOPS);
    assert_eq!(sprite.tell(WORKER, boot(For::Pool, Making::Boot)).performed, [OperationKind::Boot]);
    sprite.at(40);
    let took = Duration::from_millis(40);
    assert_eq!(
        sprite.done(OperationKind::Boot, End::Done).sent,
        sent([
            (WORKER, ToWorker::BootEnded(Making::Boot).into()),
            (POOL, ToPool::Ready(ReadyAfter::Boot { took }).into()),
        ])
    );
}

#[test]
fn a_vm_made_for_a_request_starts_it_at_once() {
    let mut sprite = sprite(STOPS);
    let purpose = For::Request(request(7), StepIndex(1));
    assert_eq!(sprite.tell(WORKER, boot(purpose, Making::Create)).performed, [OperationKind::Create]);
    let effects = sprite.done(OperationKind::Create, End::Done);
    assert_eq!(
        effects.sent,
        sent([
            (WORKER, ToWorker::BootEnded(Making::Create).into()),
            (POOL, ToPool::Made(Making::Create).into()),
        ])
    );
    assert_eq!(effects.performed, [OperationKind::Start]);
}

#[test]
fn a_boot_that_fails_frees_its_slots_and_says_for_whom_it_was() {
    for purpose in [For::Pool, For::Request(request(7), StepIndex(1))] {
        let mut sprite = sprite(STOPS);
        sprite.tell(WORKER, boot(purpose, Making::Boot));
        assert_eq!(
            sprite.done(OperationKind::Boot, End::Lost).sent,
            sent([
                (WORKER, ToWorker::BootEnded(Making::Boot).into()),
                (POOL, ToPool::MakeFailed(purpose).into()),
                (WORKER, ToWorker::Released(Released::SlotAndActor).into()),
            ])
        );
    }
}

#[test]
fn a_sprite_that_is_lost_while_it_starts_gives_the_request_back_as_tried() {
    let mut sprite = ready(STOPS);
    sprite.tell(POOL, ToSprite::Start { request: request(7), outcome: Outcome::Warm });
    let effects = sprite.tell(WORKER, ToSprite::Lost);
    let tried = Request { tries: 1, ..request(7) };
    assert_eq!(
        effects.sent,
        sent([
            (POOL, ToPool::StartFailed(tried).into()),
            (WORKER, ToWorker::Released(Released::SlotAndActor).into()),
        ])
    );
}

#[test]
fn a_start_that_crosses_a_loss_is_not_held_against_the_request() {
    let mut sprite = ready(STOPS);
    sprite.tell(WORKER, ToSprite::Lost);
    let effects = sprite.tell(POOL, ToSprite::Start { request: request(7), outcome: Outcome::Warm });
    assert_eq!(effects.sent, sent([(POOL, ToPool::StartFailed(request(7)).into())]));
}

#[test]
fn the_end_of_an_operation_on_a_vm_that_is_gone_is_ignored() {
    let mut sprite = ready(STOPS);
    sprite.tell(POOL, ToSprite::Start { request: request(7), outcome: Outcome::Warm });
    sprite.tell(WORKER, ToSprite::Lost);
    let effects = sprite.done(OperationKind::Start, End::Done);
    assert!(effects.sent.is_empty() && effects.observed.is_empty(), "{effects:?}");
}

#[test]
fn a_sleeper_gives_its_slot_back_and_keeps_its_actor() {
    let idle_after = Some(Duration::from_secs(30));
    let mut sprite = ready(SpritePolicy { idle_after, asleep: 1, ..STOPS });
    sprite.tell(POOL, ToSprite::Start { request: request(7), outcome: Outcome::Warm });
    sprite.done(OperationKind::Start, End::Done);
    let idle = sprite.done(OperationKind::Run, End::Done);
    assert_eq!(idle.armed, [(Timer::Idle, Duration::from_secs(30))]);
    assert_eq!(sprite.fire(Timer::Idle).performed, [OperationKind::Sleep]);
    let asleep = sprite.done(OperationKind::Sleep, End::Done);
    assert!(asleep.sent.contains(&(WORKER, ToWorker::Released(Released::Slot).into())), "{asleep:?}");
    let woken = sprite.tell(WORKER, ToSprite::Wake { request: request(8) });
    assert_eq!(woken.performed, [OperationKind::Wake]);
    assert!(matches!(woken.observed[..], [Observation::Sprite { is: State::Waking, .. }]));
}

/// The usual one.
fn falling_asleep() -> Stage {
    let idle_after = Some(Duration::from_secs(30));
    asleep_soon(SpritePolicy { idle_after, asleep: 1, ..STOPS }, request(7))
}

/// A Sprite whose user has gone, and which is about to sleep.
pub(super) fn asleep_soon(policy: SpritePolicy, request: Request) -> Stage {
    let mut sprite = ready(policy);
    sprite.tell(POOL, ToSprite::Start { request, outcome: Outcome::Warm });
    sprite.done(OperationKind::Start, End::Done);
    sprite.done(OperationKind::Run, End::Done);
    assert_eq!(sprite.fire(Timer::Idle).performed, [OperationKind::Sleep]);
    sprite
}

#[test]
fn a_refused_sleep_leaves_it_awake_and_is_tried_again() {
    let mut sprite = falling_asleep();
    let refused = sprite.done(OperationKind::Sleep, End::Refused);
    assert_eq!(refused.armed, [(Timer::Idle, Duration::from_secs(30))]);
    assert_eq!(refused.sent, sent([(POOL, ToPool::Idle { key: request(7).key }.into())]));
    let seen = Observation::Refused { worker: WorkerId(0), kind: OperationKind::Sleep };
    assert_eq!(refused.observed, [seen]);
    assert_eq!(sprite.fire(Timer::Idle).performed, [OperationKind::Sleep]);
    sprite.done(OperationKind::Sleep, End::Refused);
    let start = sprite.tell(POOL, ToSprite::Start { request: request(8), outcome: Outcome::Warm });
    assert_eq!(start.performed, [OperationKind::Start]);
}

#[test]
fn a_refused_wake_leaves_it_asleep_and_gives_the_slot_and_the_request_back() {
    let mut sprite = falling_asleep();
    sprite.done(OperationKind::Sleep, End::Done);
    sprite.tell(WORKER, ToSprite::Wake { request: request(8) });
    let refused = sprite.done(OperationKind::Wake, End::Refused);
    let expected = sent([
        (WORKER, ToWorker::Released(Released::Slot).into()),
        (POOL, ToPool::WakeRefused(request(8)).into()),
    ]);
    assert_eq!(refused.sent, expected);
    let again = sprite.tell(WORKER, ToSprite::Wake { request: request(9) });
    assert_eq!(again.performed, [OperationKind::Wake]);
}

#[test]
fn a_refused_start_leaves_a_fresh_sprite_to_anybody_and_a_used_one_to_its_user() {
    let missed = Some(crate::protocol::Cause::HostRefuses);
    let tried = |id| Request { tries: 1, missed, ..request(id) };
    let mut fresh = ready(STOPS);
    fresh.tell(POOL, ToSprite::Start { request: request(7), outcome: Outcome::Warm });
    let expected = sent([
        (POOL, ToPool::StartFailed(tried(7)).into()),
        (POOL, ToPool::Ready(ReadyAfter::RefusedStart).into()),
    ]);
    assert_eq!(fresh.done(OperationKind::Start, End::Refused).sent, expected);
    let mut used = falling_asleep();
    used.done(OperationKind::Sleep, End::Done);
    used.tell(WORKER, ToSprite::Wake { request: request(8) });
    used.done(OperationKind::Wake, End::Done);
    let expected = sent([
        (POOL, ToPool::Idle { key: request(8).key }.into()),
        (POOL, ToPool::StartRefused(tried(8)).into()),
    ]);
    assert_eq!(used.done(OperationKind::Start, End::Refused).sent, expected);
}

#[test]
fn a_request_ends_when_its_start_is_acknowledged_and_a_miss_says_why() {
    let cause = crate::protocol::Cause::Depth;
    for (missed, outcome) in [(None, Outcome::Warm), (Some(cause), Outcome::Waited)] {
        let mut sprite = ready(STOPS);
        let request = Request { missed, ..request(7) };
        sprite.tell(POOL, ToSprite::Start { request, outcome });
        let ended = sprite.done(OperationKind::Start, End::Done).observed;
        let expected = Observation::Ended { worker: WorkerId(0), request, outcome, cause: missed };
        assert_eq!(ended[0], expected);
    }
}
