//! A Refiller: how many boots it orders, and when.

use super::*;
use crate::policy::refill::Never;
use crate::policy::{Begin, Refill};
use crate::protocol::{Cause, Found, Levels, ToPool, ToRefiller, ToWorker, WorkerId};
use crate::refiller::Refiller;
use crate::time::WallClock;

fn refiller(policy: &PoolPolicy) -> Stage {
    let mut refiller = Stage::new(Refiller::new(WorkerId(0), WORKER, policy, &STOPS, WallClock::default()));
    let begun = refiller.tell(POOL, ToRefiller::Begin(Begin::Full));
    let aims = ToPool::Aims { depth: 2 };
    assert_eq!(
        begun.sent,
        sent([(POOL, aims.into()), (WORKER, order(0, 2))]),
        "all of it, whatever the policy holds back"
    );
    refiller.tell(POOL, ToRefiller::Booted { levels: levels(1, 0) });
    refiller.tell(POOL, ToRefiller::Booted { levels: levels(2, 0) });
    refiller
}

fn order(urgent: u32, spare: u32) -> Message {
    ToWorker::Order { pool: POOL, urgent, spare }.into()
}

fn levels(ready: u32, waiting: u32) -> Levels {
    Levels { ready, waiting, in_use: 0 }
}

fn demand(found: Found, ready: u32, waiting: u32) -> ToRefiller {
    ToRefiller::Demand { found, levels: levels(ready, waiting) }
}

#[test]
fn what_is_taken_is_ordered_again_once() {
    let mut refiller = refiller(&policy(2));
    let taken = refiller.tell(POOL, demand(Found::Ready, 1, 0));
    assert_eq!(taken.sent, sent([(WORKER, order(0, 1))]));
    let changed = refiller.tell(POOL, ToRefiller::Changed { levels: levels(1, 0) });
    assert_eq!(changed.sent, [], "it is on its way");
}

#[test]
fn a_request_that_waits_is_an_urgent_order_that_no_refill_policy_holds_back() {
    let mut refiller = refiller(&PoolPolicy { refill: Refill::Never(Never {}), ..policy(2) });
    assert_eq!(
        refiller.tell(POOL, demand(Found::Ready, 1, 0)).sent[..],
        sent([(POOL, ToPool::HeldUp(Some(Cause::RefillHolds)).into())])
    );
    refiller.tell(POOL, demand(Found::Ready, 0, 0));
    let waits = refiller.tell(POOL, demand(Found::Nothing, 0, 1));
    assert_eq!(waits.sent, sent([(WORKER, order(1, 0))]));
}

#[test]
fn failed_boots_are_ordered_again_after_their_back_off_together() {
    let mut refiller = refiller(&policy(2));
    refiller.tell(POOL, demand(Found::Ready, 1, 0));
    refiller.tell(POOL, demand(Found::Ready, 0, 0));
    let failed = refiller.tell(POOL, ToRefiller::BootFailed);
    assert!(matches!(failed.armed[..], [(Timer::Backoff, _)]), "{failed:?}");
    assert_eq!(failed.sent, sent([(POOL, ToPool::HeldUp(Some(Cause::BootsFail)).into())]));
    let again = refiller.tell(POOL, ToRefiller::BootFailed);
    assert!(again.armed.is_empty(), "one back-off for the pool");
    let fired = refiller.fire(Timer::Backoff);
    assert_eq!(fired.sent, sent([(WORKER, order(0, 2)), (POOL, ToPool::HeldUp(None).into())]));
}

#[test]
fn orders_that_are_too_many_are_withdrawn_before_ready_sprites_are_given_up() {
    let mut refiller = refiller(&policy(2));
    refiller.tell(POOL, demand(Found::Nothing, 0, 2));
    let gave_up = refiller.tell(POOL, ToRefiller::Changed { levels: levels(0, 0) });
    assert_eq!(gave_up.sent, sent([(WORKER, ToWorker::Cancel { count: 2 }.into())]));
    refiller.tell(WORKER, ToRefiller::Cancelled { count: 1 });
    let too_many = refiller.tell(POOL, ToRefiller::Booted { levels: levels(3, 0) });
    assert_eq!(too_many.sent, sent([(POOL, ToPool::Shrink { keep: 2 }.into())]));
}

#[test]
fn a_crash_is_one_event_the_policies_decide_once_when_the_host_is_back() {
    let mut refiller = refiller(&policy(2));
    assert_eq!(refiller.tell(POOL, ToRefiller::Suspended).sent, []);
    assert_eq!(refiller.tell(POOL, demand(Found::Nothing, 0, 0)).sent, []);
    let back = refiller.tell(POOL, ToRefiller::Resumed { levels: levels(0, 0) });
    assert_eq!(back.sent, sent([(WORKER, order(0, 2))]));
}

#[test]
fn what_orders_wait_for_is_passed_on_to_the_pool_when_it_changes() {
    let mut refiller = refiller(&policy(2));
    let full = Some(Cause::SlotsFull);
    let told = refiller.tell(WORKER, ToRefiller::OrdersWait(full));
    assert_eq!(told.sent, sent([(POOL, ToPool::HeldUp(full).into())]));
    assert_eq!(refiller.tell(WORKER, ToRefiller::OrdersWait(full)).sent, []);
}
