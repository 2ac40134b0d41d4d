//! A Pool: who gets a ready Sprite, and what becomes of a request that finds none.

use super::*;
use crate::policy::exhausted::{AtOnce, Reject, SpillTo, Wait, Wake};
use crate::policy::{PoolKey, Step};
use crate::pool::{Place, Pool};
use crate::protocol::{
    Cause, Found, Key, Levels, Making, Outcome, ReadyAfter, StepIndex, ToPool, ToRefiller, ToSprite,
    ToWorker, WorkerId,
};

const PLACE: Place =
    Place { id: WorkerId(0), worker: WORKER, key: Key(0), counts_in_use: false, boots: u32::MAX };
const BOOTED: ToPool = ToPool::Ready(ReadyAfter::Boot { took: Duration::from_millis(40) });

fn pool(exhausted: Vec<Step>) -> Stage {
    Stage::new(Pool::new(PLACE, REFILLER, shared(PoolPolicy { exhausted, ..policy(2) }), &STOPS))
}

fn wait(deadline_ms: u64, queue: u32) -> Step {
    Step::Wait(Wait { deadline: Some(Duration::from_millis(deadline_ms)), queue })
}

fn boot() -> Step {
    Step::Boot(AtOnce::default())
}

fn levels(ready: u32, waiting: u32) -> Levels {
    Levels { ready, waiting, in_use: 0 }
}

/// How requests ended.
fn ends(effects: &Effects) -> Vec<(u64, Outcome, Option<Cause>)> {
    let ended = effects.observed.iter().filter_map(|observation| match *observation {
        Observation::Ended { request, outcome, cause, .. } => Some((request.id, outcome, cause)),
        _ => None,
    });
    ended.collect()
}

fn start_of(effects: &Effects) -> Option<(ActorId, u64, Outcome)> {
    effects.sent.iter().find_map(|(to, message)| match message {
        Message::Sprite(ToSprite::Start { request, outcome }) => Some((*to, request.id, *outcome)),
        _ => None,
    })
}

#[test]
fn a_take_gets_the_sprite_that_has_been_ready_longest() {
    let mut pool = pool(vec![]);
    pool.tell(SPRITE, BOOTED);
    pool.tell(OTHER_SPRITE, BOOTED);
    let effects = pool.tell(WORKER, ToPool::Take(request(7)));
    assert_eq!(
        effects.sent,
        sent([
            (SPRITE, ToSprite::Start { request: request(7), outcome: Outcome::Warm }.into()),
            (REFILLER, ToRefiller::Demand { found: Found::Ready, levels: levels(1, 0) }.into()),
        ])
    );
}

#[test]
fn a_sprite_is_given_once() {
    let mut pool = pool(vec![]);
    pool.tell(SPRITE, BOOTED);
    assert!(start_of(&pool.tell(WORKER, ToPool::Take(request(7)))).is_some());
    let effects = pool.tell(WORKER, ToPool::Take(request(8)));
    assert_eq!(start_of(&effects), None);
    assert_eq!(ends(&effects), [(8, Outcome::Rejected, Some(Cause::Depth))]);
}

#[test]
fn who_waits_is_served_first_come_first_served_before_the_pool() {
    let mut pool = pool(vec![wait(200, 9)]);
    pool.tell(WORKER, ToPool::Take(request(7)));
    pool.tell(WORKER, ToPool::Take(request(8)));
    for id in [7, 8] {
        let effects = pool.tell(SPRITE, BOOTED);
        assert_eq!(start_of(&effects), Some((SPRITE, id, Outcome::Waited)));
    }
    assert_eq!(start_of(&pool.tell(SPRITE, BOOTED)), None);
}

#[test]
fn a_full_queue_and_a_deadline_are_causes_of_their_own() {
    let mut pool = pool(vec![wait(200, 1)]);
    pool.tell(WORKER, ToPool::Take(request(7)));
    let full = pool.tell(WORKER, ToPool::Take(request(8)));
    assert_eq!(ends(&full), [(8, Outcome::Rejected, Some(Cause::QueueFull))]);
    pool.at(200);
    let late = pool.fire(Timer::Deadline(StepIndex::FIRST));
    assert_eq!(ends(&late), [(7, Outcome::Rejected, Some(Cause::Deadline))]);
}

#[test]
fn a_refused_step_goes_on_with_the_next_and_ends_as_rejected_for_the_workers_cause() {
    let mut pool = pool(vec![boot(), Step::Create(AtOnce::default())]);
    let made = pool.tell(WORKER, ToPool::Take(request(7)));
    let missed = Request { missed: Some(Cause::Depth), ..request(7) };
    let make = ToWorker::Make { request: missed, step: StepIndex(0), making: Making::Boot };
    assert_eq!(made.sent[0], (WORKER, make.into()));
    let refused = |step| ToPool::Refused { request: missed, step, cause: Cause::SlotsFull, sprite: None };
    let next = pool.tell(WORKER, refused(StepIndex(0)));
    let make = ToWorker::Make { request: missed, step: StepIndex(1), making: Making::Create };
    assert_eq!(next.sent, sent([(WORKER, make.into())]));
    let last = pool.tell(WORKER, refused(StepIndex(1)));
    assert_eq!(ends(&last), [(7, Outcome::Rejected, Some(Cause::SlotsFull))]);
}

#[test]
fn a_wake_that_the_host_refuses_goes_on_with_the_next_step_and_can_be_asked_again() {
    let policy = PoolPolicy { exhausted: vec![Step::Wake(Wake::default()), boot()], ..policy(2) };
    let sleeps = SpritePolicy { asleep: 1, ..STOPS };
    let mut pool = Stage::new(Pool::new(PLACE, REFILLER, shared(policy), &sleeps));
    let key = request(7).key;
    pool.tell(SPRITE, ToPool::Slept { key });
    for id in [7, 8] {
        let missed = Request { missed: Some(Cause::Depth), ..request(id) };
        let woken = pool.tell(WORKER, ToPool::Take(request(id)));
        let wake = ToWorker::WakeFor { sprite: SPRITE, request: missed, step: StepIndex::FIRST };
        assert_eq!(woken.sent[0], (WORKER, wake.into()));
        let next = pool.tell(SPRITE, ToPool::WakeRefused(missed));
        let make = ToWorker::Make { request: missed, step: StepIndex(1), making: Making::Boot };
        assert_eq!(next.sent, sent([(WORKER, make.into())]));
        assert_eq!(ends(&next), []);
    }
}

#[test]
fn what_is_ready_serves_a_request_whose_step_was_refused() {
    let mut pool = pool(vec![Step::Spill(SpillTo::default()), wait(200, 9)]);
    pool.tell(WORKER, ToPool::Take(request(7)));
    pool.tell(SPRITE, BOOTED);
    let step = StepIndex::FIRST;
    let refused = ToPool::Refused { request: request(7), step, cause: Cause::NothingToSpillTo, sprite: None };
    assert_eq!(start_of(&pool.tell(WORKER, refused)), Some((SPRITE, 7, Outcome::Waited)));
}

#[test]
fn after_a_failed_boot_a_request_has_failed_whether_or_not_the_list_ends_with_reject() {
    for exhausted in [vec![boot()], vec![boot(), Step::Reject(Reject::default())]] {
        let mut pool = pool(exhausted);
        pool.tell(WORKER, ToPool::Take(request(7)));
        let purpose = crate::protocol::For::Request(request(7), StepIndex::FIRST);
        let effects = pool.tell(SPRITE, ToPool::MakeFailed(purpose));
        assert_eq!(ends(&effects), [(7, Outcome::Failed, Some(Cause::BootsFail))]);
    }
}

#[test]
fn a_request_whose_start_has_failed_too_often_has_failed() {
    let mut pool = pool(vec![wait(200, 9)]);
    let tried = |tries| ToPool::StartFailed(Request { tries, ..request(7) });
    assert_eq!(ends(&pool.tell(SPRITE, tried(crate::protocol::TRIES_MAX - 1))), []);
    let effects = pool.tell(SPRITE, tried(crate::protocol::TRIES_MAX));
    assert_eq!(ends(&effects), [(7, Outcome::Failed, Some(Cause::BootsFail))]);
}

#[test]
fn nobody_waits_at_a_dead_host_and_its_refiller_is_not_told_of_losses() {
    let mut pool = pool(vec![wait(200, 9)]);
    pool.tell(WORKER, ToPool::Take(request(7)));
    let down = pool.tell(WORKER, ToPool::WorkerDown);
    assert_eq!(down.sent, sent([(REFILLER, ToRefiller::Suspended.into())]));
    assert_eq!(ends(&down), [(7, Outcome::Failed, Some(Cause::WorkerDown))]);
    assert_eq!(pool.tell(SPRITE, ToPool::Withdrawn).sent, []);
    let up = pool.tell(WORKER, ToPool::WorkerUp);
    assert_eq!(up.sent, sent([(REFILLER, ToRefiller::Resumed { levels: levels(0, 0) }.into())]));
}

#[test]
fn a_neighbours_request_is_served_at_once_or_declined() {
    let mut pool = pool(vec![wait(200, 9)]);
    let spill = crate::protocol::Spill {
        request: request(7),
        origin: ActorId(9),
        hop_us: 1,
        hops: 0,
        step: StepIndex::FIRST,
    };
    let declined = pool.tell(WORKER, ToPool::TakeSpilled(spill));
    assert_eq!(declined.sent, sent([(WORKER, ToWorker::Declined(spill).into())]));
    pool.tell(SPRITE, BOOTED);
    let served = pool.tell(WORKER, ToPool::TakeSpilled(spill));
    assert_eq!(start_of(&served), Some((SPRITE, 7, Outcome::Spilled)));
    assert_eq!(served.sent[1], (REFILLER, ToRefiller::Taken { levels: levels(0, 0) }.into()));
}

#[test]
fn a_tenants_pool_yields_its_oldest_or_says_that_it_has_none() {
    let policy = PoolPolicy { key: PoolKey::Tenant, ..policy(2) };
    let mut pool = Stage::new(Pool::new(PLACE, REFILLER, shared(policy), &STOPS));
    let nothing = pool.tell(WORKER, ToPool::Yield);
    assert_eq!(nothing.sent, sent([(WORKER, ToWorker::NothingToYield.into())]));
    pool.tell(SPRITE, BOOTED);
    let yielded = pool.tell(WORKER, ToPool::Yield);
    assert_eq!(yielded.sent[0], (SPRITE, ToSprite::Stop.into()));
}

#[test]
fn what_holds_boots_up_is_the_cause_of_emptiness_only_where_the_pool_would_not_be_empty_without() {
    let mut pool = pool(vec![]);
    let empties = |effects: Effects| -> Vec<(Option<Cause>, Option<Cause>)> {
        let changes = effects.observed.into_iter().filter_map(|observation| match observation {
            Observation::Empty { was, is, .. } => Some((was, is)),
            _ => None,
        });
        changes.collect()
    };
    pool.tell(SPRITE, BOOTED);
    pool.tell(REFILLER, ToPool::Aims { depth: 2 });
    pool.tell(REFILLER, ToPool::HeldUp(Some(Cause::BootSlots)));
    let depth = Some(Cause::Depth);
    assert_eq!(empties(pool.tell(WORKER, ToPool::Take(request(7)))), [(None, depth)]);
    pool.at(39);
    assert_eq!(empties(pool.tell(WORKER, ToPool::Take(request(8)))), []);
    pool.at(40);
    let slots = Some(Cause::BootSlots);
    assert_eq!(empties(pool.tell(WORKER, ToPool::Take(request(9)))), [(depth, slots)]);
    let full = Some(Cause::SlotsFull);
    let effects = pool.tell(REFILLER, ToPool::HeldUp(full));
    assert_eq!(empties(effects), [(slots, full)], "a deeper pool would not fit");
    assert_eq!(empties(pool.tell(SPRITE, BOOTED)), [(full, None)]);
}
