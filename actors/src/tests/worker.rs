//! A Worker: nothing is booted or woken without its leave.

use super::*;
use crate::policy::{Begin, PoolKey};
use crate::protocol::{
    Cause, For, Making, Outcome, Released, Spill, StepIndex, ToPool, ToRefiller, ToSprite, ToWorker, WorkerId,
};
use crate::time::WallClock;
use crate::worker::{Worker, WorkerConfig};

/// A worker whose pool has the address 2, with the Refiller before it; its Sprites follow.
fn worker(slots: u32, boots: u32, neighbour: Option<ActorId>) -> Stage {
    let config = WorkerConfig {
        id: WorkerId(0),
        slots,
        boots,
        pool: shared(policy(2)),
        sprite: STOPS,
        tenants: vec![],
        neighbour,
        epoch: WallClock::default(),
    };
    let mut worker = Stage::new(Worker::new(config));
    let begun = worker.tell(ActorId::OUTSIDE, ToWorker::Begin(Begin::Empty));
    assert_eq!(begun.sent, sent([(MY_POOL, ToPool::Begin(Begin::Empty).into())]));
    worker
}

const MY_REFILLER: ActorId = ActorId(1);
const MY_POOL: ActorId = ActorId(2);
const FIRST: ActorId = ActorId(3);
const SECOND: ActorId = ActorId(4);

fn order(urgent: u32, spare: u32) -> ToWorker {
    ToWorker::Order { pool: MY_POOL, urgent, spare }
}

fn boot(purpose: For) -> Message {
    ToSprite::Boot { pool: MY_POOL, purpose, making: Making::Boot }.into()
}

fn make(id: u64, making: Making) -> ToWorker {
    ToWorker::Make { request: request(id), step: StepIndex::FIRST, making }
}

#[test]
fn it_boots_no_more_at_once_than_it_may_and_says_what_the_others_wait_for() {
    let mut worker = worker(9, 1, None);
    let ordered = worker.tell(MY_REFILLER, order(0, 2));
    let waits = |cause| (MY_REFILLER, ToRefiller::OrdersWait(cause).into());
    assert_eq!(ordered.sent, sent([(FIRST, boot(For::Pool)), waits(Some(Cause::BootSlots))]));
    let ended = worker.tell(FIRST, ToWorker::BootEnded(Making::Boot));
    assert_eq!(ended.sent, sent([(SECOND, boot(For::Pool)), waits(None)]));
}

#[test]
fn it_holds_no_more_vms_than_it_has_slots() {
    let mut worker = worker(1, 4, None);
    let ordered = worker.tell(MY_REFILLER, order(0, 2));
    let full = ToRefiller::OrdersWait(Some(Cause::SlotsFull));
    assert_eq!(ordered.sent, sent([(FIRST, boot(For::Pool)), (MY_REFILLER, full.into())]));
    let refused = worker.tell(MY_POOL, make(7, Making::Boot));
    let (request, step) = (request(7), StepIndex::FIRST);
    let message = ToPool::Refused { request, step, cause: Cause::SlotsFull, sprite: None };
    assert_eq!(refused.sent, sent([(MY_POOL, message.into())]));
    worker.tell(FIRST, ToWorker::BootEnded(Making::Boot));
    let released = worker.tell(FIRST, ToWorker::Released(Released::SlotAndActor));
    assert_eq!(released.sent[0], (FIRST, boot(For::Pool)), "the actor is used again");
}

#[test]
fn requests_boot_before_orders_for_the_pool_and_creates_take_no_boot() {
    let mut worker = worker(9, 1, None);
    worker.tell(MY_REFILLER, order(0, 2));
    assert_eq!(worker.tell(MY_POOL, make(7, Making::Boot)).sent, [], "the one boot is busy");
    let created = worker.tell(MY_POOL, make(8, Making::Create));
    assert!(matches!(
        created.sent[..],
        [(SECOND, Message::Sprite(ToSprite::Boot { making: Making::Create, .. }))]
    ));
    let next = worker.tell(FIRST, ToWorker::BootEnded(Making::Boot));
    let purpose = For::Request(request(7), StepIndex::FIRST);
    assert_eq!(next.sent[0].1, boot(purpose));
}

#[test]
fn without_a_neighbour_there_is_nothing_to_spill_to() {
    let spill = Spill { request: request(7), origin: ME, hop_us: 1, hops: 1, step: StepIndex::FIRST };
    let refused = worker(9, 1, None).tell(MY_POOL, ToWorker::SpillOut(spill));
    let (request, step) = (request(7), StepIndex::FIRST);
    let message = ToPool::Refused { request, step, cause: Cause::NothingToSpillTo, sprite: None };
    assert_eq!(refused.sent, sent([(MY_POOL, message.into())]));
    let asked = worker(9, 1, Some(WORKER)).tell(MY_POOL, ToWorker::SpillOut(spill));
    assert_eq!(asked.sent, sent([(WORKER, ToWorker::Ask(Spill { hops: 0, ..spill }).into())]));
}

#[test]
fn a_crash_loses_every_vm_and_what_arrives_then_fails() {
    let mut worker = worker(9, 4, None);
    worker.tell(MY_REFILLER, order(0, 1));
    let crashed = worker.tell(ActorId::OUTSIDE, ToWorker::Crash);
    assert_eq!(crashed.sent, sent([(MY_POOL, ToPool::WorkerDown.into()), (FIRST, ToSprite::Lost.into())]));
    let arrived = worker.tell(ActorId::OUTSIDE, ToWorker::Request(request(7)));
    assert_eq!(arrived.sent, []);
    assert!(matches!(
        arrived.observed[1],
        Observation::Ended { outcome: Outcome::Failed, cause: Some(Cause::WorkerDown), .. }
    ));
    assert_eq!(worker.tell(MY_REFILLER, order(0, 1)).sent, [], "an order that crosses a crash is forgotten");
    let back = worker.tell(ActorId::OUTSIDE, ToWorker::Recover);
    assert_eq!(back.sent, sent([(MY_POOL, ToPool::WorkerUp.into())]));
}

#[test]
fn a_tenant_that_was_not_known_before_gets_an_empty_pool() {
    let config = WorkerConfig {
        id: WorkerId(0),
        slots: 9,
        boots: 1,
        pool: shared(PoolPolicy { key: PoolKey::Tenant, ..policy(2) }),
        sprite: STOPS,
        tenants: vec![],
        neighbour: None,
        epoch: WallClock::default(),
    };
    let mut worker = Stage::new(Worker::new(config));
    assert_eq!(worker.tell(ActorId::OUTSIDE, ToWorker::Begin(Begin::Full)).sent, []);
    let taken = worker.tell(ActorId::OUTSIDE, ToWorker::Request(request(7)));
    assert_eq!(
        taken.sent,
        sent([(MY_POOL, ToPool::Begin(Begin::Empty).into()), (MY_POOL, ToPool::Take(request(7)).into()),])
    );
}
