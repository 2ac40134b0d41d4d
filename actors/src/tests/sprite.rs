//! A Sprite: one VM at a time, from its boot to its end.

use super::*;
use crate::protocol::{
    For, Making, Outcome, ReadyAfter, Released, State, StepIndex, ToPool, ToSprite, ToWorker, WorkerId,
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
    sprite.done(OperationKind::Boot, true);
    sprite
}

#[test]
fn a_boot_for_the_pool_ends_ready_and_says_how_long_it_took() {
    let mut sprite = sprite(STOPS);
    assert_eq!(sprite.tell(WORKER, boot(For::Pool, Making::Boot)).performed, [OperationKind::Boot]);
    sprite.at(40);
    let took = Duration::from_millis(40);
    assert_eq!(
        sprite.done(OperationKind::Boot, true).sent,
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
    let effects = sprite.done(OperationKind::Create, true);
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
            sprite.done(OperationKind::Boot, false).sent,
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
    let effects = sprite.done(OperationKind::Start, true);
    assert!(effects.sent.is_empty() && effects.observed.is_empty(), "{effects:?}");
}

#[test]
fn a_sleeper_gives_its_slot_back_and_keeps_its_actor() {
    let idle_after = Some(Duration::from_secs(30));
    let mut sprite = ready(SpritePolicy { idle_after, asleep: 1, ..STOPS });
    sprite.tell(POOL, ToSprite::Start { request: request(7), outcome: Outcome::Warm });
    sprite.done(OperationKind::Start, true);
    let idle = sprite.done(OperationKind::Run, true);
    assert_eq!(idle.armed, [(Timer::Idle, Duration::from_secs(30))]);
    assert_eq!(sprite.fire(Timer::Idle).performed, [OperationKind::Sleep]);
    let asleep = sprite.done(OperationKind::Sleep, true);
    assert!(asleep.sent.contains(&(WORKER, ToWorker::Released(Released::Slot).into())), "{asleep:?}");
    let woken = sprite.tell(WORKER, ToSprite::Wake { request: request(8) });
    assert_eq!(woken.performed, [OperationKind::Wake]);
    assert!(matches!(woken.observed[..], [Observation::Sprite { is: State::Waking, .. }]));
}

#[test]
fn a_request_ends_when_its_start_is_acknowledged_and_a_miss_says_why() {
    let cause = crate::protocol::Cause::Depth;
    for (missed, outcome) in [(None, Outcome::Warm), (Some(cause), Outcome::Waited)] {
        let mut sprite = ready(STOPS);
        let request = Request { missed, ..request(7) };
        sprite.tell(POOL, ToSprite::Start { request, outcome });
        let ended = sprite.done(OperationKind::Start, true).observed;
        let expected = Observation::Ended { worker: WorkerId(0), request, outcome, cause: missed };
        assert_eq!(ended[0], expected);
    }
}
