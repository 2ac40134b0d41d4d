//! A key that has a Sprite of its own: where policy prefers it, no request of the key gets another.

use super::sprite::asleep_soon;
use super::*;
use crate::policy::Begin;
use crate::pool::{Place, Pool};
use crate::protocol::{
    Cause, End, Found, Key, Outcome, ReadyAfter, Released, State, StepIndex, ToPool, ToRefiller, ToSprite,
    ToWorker, WorkerId,
};
use crate::sprite::Sprite;
use crate::time::WallClock;
use crate::worker::{Worker, WorkerConfig};

const KEY: Key = Key(5);
const IDLE_AFTER: Option<Duration> = Some(Duration::from_secs(30));
const OWN: SpritePolicy = SpritePolicy { idle_after: IDLE_AFTER, asleep: 9, prefers: Prefers::Own, ..STOPS };
const BOOTED: ToPool = ToPool::Ready(ReadyAfter::Boot { took: Duration::from_millis(40) });

fn own(id: u64) -> Request {
    Request { key: KEY, ..request(id) }
}

/// A pool with one ready Sprite, and another one that is dormant for the key.
fn pool() -> Stage {
    let place = Place { id: WorkerId(0), worker: WORKER, key: Key(0), counts_in_use: false, boots: u32::MAX };
    let mut pool = Stage::new(Pool::new(place, REFILLER, shared(policy(2)), &OWN));
    pool.tell(OTHER_SPRITE, BOOTED);
    pool.tell(SPRITE, ToPool::Idle { key: KEY });
    pool
}

fn rejected(effects: &Effects) -> Option<Cause> {
    effects.observed.iter().find_map(|observation| match *observation {
        Observation::Ended { outcome: Outcome::Rejected, cause, .. } => cause,
        _ => None,
    })
}

#[test]
fn an_idle_sprite_serves_its_own_key_before_any_ready_one() {
    let mut pool = pool();
    let taken = pool.tell(WORKER, ToPool::Take(own(7))).sent;
    let start: Message = ToSprite::Start { request: own(7), outcome: Outcome::Warm }.into();
    assert_eq!(taken[0], (SPRITE, start));
    assert!(
        matches!(taken[1].1, Message::Refiller(ToRefiller::Demand { found: Found::Own, .. })),
        "{taken:?}"
    );
    let other = pool.tell(WORKER, ToPool::Take(request(8))).sent;
    assert_eq!(other[0].0, OTHER_SPRITE, "any other key gets a ready one");
}

#[test]
fn a_sleeper_is_woken_and_a_refused_wake_is_no_reason_to_take_another() {
    let mut pool = pool();
    pool.tell(SPRITE, ToPool::Slept { key: KEY });
    let wake = (WORKER, ToWorker::WakeFor { sprite: SPRITE, request: own(7), step: StepIndex::FIRST }.into());
    assert_eq!(pool.tell(WORKER, ToPool::Take(own(7))).sent[0], wake);
    let (request, step, cause) = (own(7), StepIndex::FIRST, Cause::SlotsFull);
    let refused = pool.tell(WORKER, ToPool::Refused { request, step, cause, sprite: Some(SPRITE) });
    assert_eq!(rejected(&refused), Some(Cause::SlotsFull));
    assert!(refused.sent.is_empty(), "the ready one is not for this key: {refused:?}");
    let again = ToWorker::WakeFor { sprite: SPRITE, request: own(8), step: StepIndex::FIRST };
    assert_eq!(pool.tell(WORKER, ToPool::Take(own(8))).sent[0], (WORKER, again.into()), "it sleeps on");
}

#[test]
fn a_request_waits_for_its_own_sprite_that_falls_asleep_and_begins_anew_when_it_is_lost() {
    for survives in [true, false] {
        let mut pool = pool();
        pool.tell(WORKER, ToPool::Take(own(7)));
        assert!(pool.tell(SPRITE, ToPool::FallsAsleep(own(7))).sent.is_empty());
        let sent = if survives {
            pool.tell(SPRITE, ToPool::Slept { key: KEY }).sent
        } else {
            pool.tell(SPRITE, ToPool::Withdrawn).sent
        };
        match sent[0] {
            (WORKER, Message::Worker(ToWorker::WakeFor { sprite: SPRITE, .. })) => assert!(survives),
            (OTHER_SPRITE, Message::Sprite(ToSprite::Start { outcome: Outcome::Waited, .. })) => {
                assert!(!survives);
            }
            ref other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_request_that_comes_just_as_its_own_sprite_is_asleep_wakes_it() {
    let mut sprite = Stage::new(Sprite::new(WorkerId(0), WORKER, OWN, false));
    sprite.tell(WORKER, ToSprite::Adopt { pool: POOL, key: KEY });
    let start = sprite.tell(POOL, ToSprite::Start { request: own(7), outcome: Outcome::Warm });
    assert_eq!(start.sent, sent([(POOL, ToPool::FallsAsleep(own(7)).into())]));

    let mut pool = pool();
    pool.tell(WORKER, ToPool::Take(own(7)));
    pool.tell(SPRITE, ToPool::Slept { key: KEY });
    let wake = ToWorker::WakeFor { sprite: SPRITE, request: own(7), step: StepIndex::FIRST };
    assert_eq!(pool.tell(SPRITE, ToPool::FallsAsleep(own(7))).sent, sent([(WORKER, wake.into())]));
}

#[test]
fn a_key_that_is_forgotten_ends_its_sprite_also_while_that_falls_asleep() {
    let stopped = pool().tell(WORKER, ToPool::Forget { key: KEY }).sent;
    assert_eq!(stopped, sent([(SPRITE, ToSprite::Stop.into())]));

    let mut sprite = asleep_soon(OWN, own(7));
    let start = sprite.tell(POOL, ToSprite::Start { request: own(8), outcome: Outcome::Warm });
    assert_eq!(start.sent, sent([(POOL, ToPool::FallsAsleep(own(8)).into())]));
    assert!(sprite.tell(POOL, ToSprite::Stop).performed.is_empty());
    assert_eq!(sprite.done(OperationKind::Sleep, End::Done).performed, [OperationKind::Stop]);
    let over = sprite.done(OperationKind::Stop, End::Done);
    assert_eq!(over.sent, sent([(WORKER, ToWorker::Released(Released::SlotAndActor).into())]));
}

/// A worker whose one slot is held; its pool has the address 2, with the Refiller before it.
fn full_worker() -> Stage {
    let mut worker = Stage::new(Worker::new(WorkerConfig {
        id: WorkerId(0),
        slots: 1,
        boots: 1,
        pool: shared(policy(2)),
        sprite: OWN,
        tenants: vec![],
        neighbour: None,
        epoch: WallClock::default(),
    }));
    worker.tell(ActorId::OUTSIDE, ToWorker::Begin(Begin::Empty));
    worker.tell(ActorId(1), ToWorker::Order { pool: MY_POOL, urgent: 0, spare: 1 });
    worker
}

const MY_POOL: ActorId = ActorId(2);

#[test]
fn a_ready_sprite_makes_room_for_a_sleeper_that_wakes() {
    let wake = ToWorker::WakeFor { sprite: SPRITE, request: own(7), step: StepIndex::FIRST };
    let mut worker = full_worker();
    assert_eq!(worker.tell(MY_POOL, wake).sent, sent([(MY_POOL, ToPool::Yield.into())]));
    let room = worker.tell(ActorId(3), ToWorker::Released(Released::SlotAndActor));
    assert_eq!(room.sent, sent([(SPRITE, ToSprite::Wake { request: own(7) }.into())]));

    let mut worker = full_worker();
    worker.tell(MY_POOL, wake);
    let hopes = worker.tell(MY_POOL, ToWorker::NothingToYield).sent;
    assert!(hopes.is_empty(), "what boots may make room: {hopes:?}");
    let asks = worker.tell(ActorId(3), ToWorker::BootEnded(crate::protocol::Making::Boot)).sent;
    assert_eq!(asks, sent([(MY_POOL, ToPool::Yield.into())]));
    let refused = worker.tell(MY_POOL, ToWorker::NothingToYield).sent;
    let (request, step, cause) = (own(7), StepIndex::FIRST, Cause::SlotsFull);
    let expected = ToPool::Refused { request, step, cause, sprite: Some(SPRITE) };
    assert_eq!(refused, sent([(MY_POOL, expected.into())]));
}

#[test]
fn a_sleeper_from_before_the_host_began_wakes_like_any_other() {
    let mut worker = full_worker();
    let adopt = worker.tell(ActorId::OUTSIDE, ToWorker::Adopt { key: KEY }).sent;
    let (actor, Message::Sprite(adopt)) = adopt[0] else { panic!("{adopt:?}") };
    assert_eq!(adopt, ToSprite::Adopt { pool: MY_POOL, key: KEY });

    let mut sprite = Stage::new(Sprite::new(WorkerId(0), WORKER, OWN, false));
    let adopted = sprite.tell(WORKER, ToSprite::Adopt { pool: POOL, key: KEY });
    assert_eq!(adopted.sent, sent([(POOL, ToPool::Slept { key: KEY }.into())]));
    assert!(matches!(adopted.observed[..], [Observation::Sprite { is: State::Asleep, generation: 1, .. }]));
    let woken = sprite.tell(WORKER, ToSprite::Wake { request: own(7) });
    assert_eq!(woken.performed, [OperationKind::Wake], "actor {actor:?}");
}

#[test]
fn what_the_host_refuses_is_no_reason_to_take_another() {
    // Its own fell asleep, and stays awake because the host refused: the request that waited gets it.
    let mut pool = pool();
    pool.tell(WORKER, ToPool::Take(own(7)));
    pool.tell(SPRITE, ToPool::FallsAsleep(own(7)));
    let awake = pool.tell(SPRITE, ToPool::Idle { key: KEY }).sent;
    assert!(
        matches!(awake[0], (SPRITE, Message::Sprite(ToSprite::Start { outcome: Outcome::Warm, .. }))),
        "{awake:?}"
    );

    for refused in [ToPool::WakeRefused(own(8)), ToPool::StartRefused(own(8))] {
        let mut pool = self::pool();
        pool.tell(WORKER, ToPool::Take(own(8)));
        pool.tell(SPRITE, ToPool::Idle { key: KEY });
        let effects = pool.tell(SPRITE, refused);
        assert_eq!(rejected(&effects), Some(Cause::HostRefuses), "{effects:?}");
        assert!(effects.sent.is_empty(), "the ready one is not for this key: {effects:?}");
    }
}

#[test]
fn a_forgotten_sprite_whose_sleep_is_refused_ends() {
    let mut sprite = asleep_soon(OWN, own(7));
    sprite.tell(POOL, ToSprite::Stop);
    assert_eq!(sprite.done(OperationKind::Sleep, End::Refused).performed, [OperationKind::Stop]);
}
