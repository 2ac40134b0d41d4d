//! A Pool: the Sprites of one worker that can be taken, and the requests that found none. It alone gives its
//! Sprites away, so none is given twice; it alone walks a request through the exhausted policy, so each ends
//! once.

mod dormant;
mod unhindered;
mod waiting;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::backend::{Backend, Context};
use crate::policy::{PoolKey, PoolPolicy, Prefers, Replace, SpritePolicy, Step, Take};
use crate::protocol::{
    ActorId, Cause, For, Found, Key, Levels, Making, Observation, Outcome, ReadyAfter, Request, Spill,
    StepIndex, TRIES_MAX, Timer, ToPool, ToRefiller, ToSprite, ToWorker, WorkerId,
};
use crate::time::{Duration, Time};

use dormant::Dormant;
use unhindered::Unhindered;
use waiting::Waiting;

/// A pool replaces its aged Sprites in so many rounds: in each one in eight leaves, and one at the least, and
/// the next begins when they are replaced, or after an eighth of the greatest age.
const REPLACEMENT_ROUNDS: usize = 8;

/// What distinguishes one pool of a worker from another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// The worker's place in the fleet.
    pub(crate) id: WorkerId,
    /// The worker's actor.
    pub(crate) worker: ActorId,
    /// Whose Sprites it has, where pools are kept per tenant.
    pub(crate) key: Key,
    /// Whether the depth policy looks at how many are in use; else nobody counts them.
    pub(crate) counts_in_use: bool,
    /// How many boots the worker runs at once.
    pub(crate) boots: u32,
}

/// How a request ends when no further step takes it.
#[derive(Clone, Copy, Debug)]
struct Ending {
    outcome: Outcome,
    cause: Cause,
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Pool {
    /// In the order in which they became ready.
    ready: VecDeque<(ActorId, Time)>,
    policy: Arc<PoolPolicy>,
    refiller: ActorId,
    in_use: u32,
    waiting: Waiting,
    place: Place,
    dormant: Dormant,
    prefers: Prefers,
    /// Requests that wait for their own Sprite, which is idle, to be asleep: then it is woken.
    falling_asleep: BTreeMap<ActorId, Request>,
    booting: u32,
    creating: u32,
    /// Aged Sprites that left and whose replacements are not ready yet.
    replacing: u32,
    age_armed: bool,
    is_down: bool,
    /// What would be ready if nothing held boots up.
    unhindered: Unhindered,
    /// Why it was last observed to be empty.
    observed_empty: Option<Cause>,
}

impl Pool {
    /// An empty pool of Sprites that live so once they are assigned.
    pub(crate) fn new(
        place: Place,
        refiller: ActorId,
        policy: Arc<PoolPolicy>,
        sprite: &SpritePolicy,
    ) -> Self {
        Self {
            ready: VecDeque::new(),
            refiller,
            in_use: 0,
            waiting: Waiting::new(policy.exhausted.len()),
            policy,
            place,
            dormant: Dormant::new(sprite.asleep),
            prefers: sprite.prefers,
            falling_asleep: BTreeMap::new(),
            booting: 0,
            creating: 0,
            replacing: 0,
            age_armed: false,
            is_down: false,
            unhindered: Unhindered::new(place.boots),
            observed_empty: None,
        }
    }

    fn levels(&self) -> Levels {
        Levels { ready: self.ready.len() as u32, waiting: self.waiting.len(), in_use: self.in_use }
    }

    /// While the host is down its Refiller decides nothing, and is not told.
    fn tell_refiller(&self, cx: &mut Context<impl Backend>, message: ToRefiller) {
        if !self.is_down {
            cx.send(self.refiller, message);
        }
    }

    fn changed(&mut self, cx: &mut Context<impl Backend>) {
        self.tell_refiller(cx, ToRefiller::Changed { levels: self.levels() });
    }

    /// The same where a ready Sprite was taken other than by a request of this pool's own.
    fn taken(&mut self, cx: &mut Context<impl Backend>) {
        self.tell_refiller(cx, ToRefiller::Taken { levels: self.levels() });
    }

    fn in_use_changed(&mut self, cx: &mut Context<impl Backend>) {
        if self.place.counts_in_use {
            self.changed(cx);
        }
    }

    /// Tells the Worker what another tenant's request may displace.
    fn tell_spare(&self, cx: &mut Context<impl Backend>) {
        if self.policy.key == PoolKey::Tenant {
            let (key, ready) = (self.place.key, self.ready.len() as u32);
            cx.send(self.place.worker, ToWorker::Spare { key, ready });
        }
    }

    fn end(&self, cx: &mut Context<impl Backend>, request: Request, ending: Ending) {
        let Ending { outcome, cause } = ending;
        cx.observe(Observation::Ended { worker: self.place.id, request, outcome, cause: Some(cause) });
    }

    // Why it is empty.

    fn observe_emptiness(&mut self, cx: &mut Context<impl Backend>) {
        let is = self.ready.is_empty().then(|| self.unhindered.cause(cx.now()));
        let was = std::mem::replace(&mut self.observed_empty, is);
        if was != is {
            cx.observe(Observation::Empty { worker: self.place.id, pool: cx.me(), was, is });
        }
    }

    // A ready Sprite, and who gets it.

    fn pop_ready(&mut self, cx: &mut Context<impl Backend>) -> Option<ActorId> {
        let (sprite, _) = match self.policy.take {
            Take::Oldest => self.ready.pop_front(),
            Take::Newest => self.ready.pop_back(),
        }?;
        self.tell_spare(cx);
        Some(sprite)
    }

    fn uses_one_more(&mut self) {
        self.in_use += u32::from(self.place.counts_in_use);
    }

    fn give(&mut self, cx: &mut Context<impl Backend>, sprite: ActorId, request: Request, outcome: Outcome) {
        self.uses_one_more();
        cx.send(sprite, ToSprite::Start { request, outcome });
    }

    fn take(&mut self, cx: &mut Context<impl Backend>, request: Request) {
        let found = if self.prefers == Prefers::Own && self.wake(cx, request, StepIndex::FIRST) {
            Found::Own
        } else if let Some(sprite) = self.pop_ready(cx) {
            self.give(cx, sprite, request, Outcome::Warm);
            Found::Ready
        } else {
            let cause = self.unhindered.cause(cx.now());
            let request = Request { missed: Some(cause), ..request };
            self.exhausted(cx, request, StepIndex::FIRST, Ending { outcome: Outcome::Rejected, cause })
        };
        if found != Found::Own {
            self.unhindered.asked(cx.now());
        }
        cx.send(self.refiller, ToRefiller::Demand { found, levels: self.levels() });
    }

    fn take_spilled(&mut self, cx: &mut Context<impl Backend>, spill: Spill) {
        let sprite = if self.is_down { None } else { self.pop_ready(cx) };
        match sprite {
            Some(sprite) => {
                self.give(cx, sprite, spill.request, Outcome::Spilled);
                self.unhindered.asked(cx.now());
                self.taken(cx);
            }
            None => cx.send(self.place.worker, ToWorker::Declined(spill)),
        }
    }

    fn is_ready(&mut self, cx: &mut Context<impl Backend>, after: ReadyAfter) {
        let sprite = cx.sender();
        match after {
            ReadyAfter::Boot { took } => {
                self.replaced();
                self.unhindered.booted(took);
            }
            ReadyAfter::Use => {
                self.in_use = self.in_use.saturating_sub(1);
                self.unhindered.came_back();
            }
            ReadyAfter::RefusedStart => self.unhindered.came_back(),
        }
        match self.waiting.pop_oldest() {
            Some(request) => {
                self.observe_waiting(cx, self.waiting.len() + 1);
                self.give(cx, sprite, request, Outcome::Waited);
            }
            None => {
                self.ready.push_back((sprite, cx.now()));
                self.unhindered.compare(cx.now(), self.ready.len());
                self.watch_age(cx);
                self.tell_spare(cx);
            }
        }
        match after {
            ReadyAfter::Boot { .. } => self.tell_refiller(cx, ToRefiller::Booted { levels: self.levels() }),
            ReadyAfter::Use | ReadyAfter::RefusedStart => self.changed(cx),
        }
    }

    // Who leaves the pool.

    fn give_up_oldest(&mut self, cx: &mut Context<impl Backend>) -> bool {
        let Some((sprite, _)) = self.ready.pop_front() else { return false };
        cx.send(sprite, ToSprite::Stop);
        true
    }

    fn shrink(&mut self, cx: &mut Context<impl Backend>, keep: u32) {
        let mut gave_up = false;
        while self.ready.len() > keep as usize {
            gave_up |= self.give_up_oldest(cx);
        }
        if gave_up {
            self.tell_spare(cx);
            self.changed(cx);
        }
    }

    fn make_room(&mut self, cx: &mut Context<impl Backend>) {
        if self.give_up_oldest(cx) {
            self.tell_spare(cx);
            self.changed(cx);
        } else {
            cx.send(self.place.worker, ToWorker::NothingToYield);
        }
    }

    /// Whether aged Sprites are replaced a few at a time. Those of a tenant that nobody asks for any more
    /// just leave, and so do those of a pool that orders nothing.
    fn replaces_by_turns(&self) -> bool {
        let policy = &self.policy;
        policy.replace == Replace::ByTurns
            && policy.key == PoolKey::Uniform
            && !policy.refill.orders_nothing()
    }

    /// A boot has ended, which may be that of a replacement. After the last of them the next aged Sprites may
    /// leave.
    fn replaced(&mut self) {
        if self.replacing > 0 {
            self.replacing -= 1;
            self.age_armed = self.replacing > 0;
        }
    }

    fn watch_age(&mut self, cx: &mut Context<impl Backend>) {
        if let Some(max_age) = self.policy.max_age
            && !self.age_armed
            && let Some((_, since)) = self.ready.front()
        {
            self.age_armed = true;
            cx.arm(Timer::Age, (*since + max_age).since(cx.now()));
        }
    }

    fn drop_aged(&mut self, cx: &mut Context<impl Backend>) {
        self.age_armed = false;
        let (max_age, now) = (self.policy.max_age.unwrap_or(Duration::MAX), cx.now());
        let mut aged = self.ready.iter().take_while(|(_, since)| *since + max_age <= now).count();
        if self.replaces_by_turns() {
            // A pool that was filled at once also ages at once, and must not be empty then.
            aged = aged.min((self.ready.len() / REPLACEMENT_ROUNDS).max(1));
            self.replacing = aged as u32;
        }
        self.shrink(cx, (self.ready.len() - aged) as u32);
        if self.replacing == 0 {
            self.watch_age(cx);
        } else {
            // The refill may wait until more are missing, and then so do the replacements.
            self.age_armed = true;
            cx.arm(Timer::Age, Duration::from_nanos(max_age.as_nanos() / REPLACEMENT_ROUNDS as u64));
        }
    }

    fn withdraw(&mut self, cx: &mut Context<impl Backend>) {
        let sprite = cx.sender();
        self.dormant.forget(sprite);
        let before = self.ready.len();
        self.ready.retain(|(ready, _)| *ready != sprite);
        if self.ready.len() < before {
            self.tell_spare(cx);
            self.changed(cx);
        }
        self.lost_while_falling_asleep(cx);
    }

    // The exhausted policy.

    /// Walks the steps from `step` on, until one takes the request. `otherwise` is its outcome when none
    /// does.
    fn exhausted(
        &mut self,
        cx: &mut Context<impl Backend>,
        request: Request,
        step: StepIndex,
        mut otherwise: Ending,
    ) -> Found {
        if self.is_down {
            self.end(cx, request, Ending { outcome: Outcome::Failed, cause: Cause::WorkerDown });
            return Found::Nothing;
        }
        let policy = Arc::clone(&self.policy);
        for (index, rule) in policy.exhausted.iter().enumerate().skip(step.index()) {
            if self.try_step(cx, request, StepIndex(index as u8), rule) {
                return if matches!(rule, Step::Wake(_)) { Found::Own } else { Found::Nothing };
            }
            if matches!(rule, Step::Wait(_)) {
                otherwise.cause = Cause::QueueFull;
            }
        }
        self.end(cx, request, otherwise);
        Found::Nothing
    }

    /// Whether this step takes care of the request.
    fn try_step(
        &mut self,
        cx: &mut Context<impl Backend>,
        request: Request,
        step: StepIndex,
        rule: &Step,
    ) -> bool {
        match rule {
            Step::Wait(wait) => {
                let deadline = wait.deadline.map_or(Time::MAX, |deadline| cx.now() + deadline);
                if !self.waiting.push(step, wait.queue, request, deadline) {
                    return false;
                }
                self.observe_waiting(cx, self.waiting.len() - 1);
                self.watch_deadline(cx, step);
                true
            }
            Step::Boot(limit) if self.booting < limit.at_once => {
                self.count_making(cx, Making::Boot, 1);
                cx.send(self.place.worker, ToWorker::Make { request, step, making: Making::Boot });
                true
            }
            Step::Create(limit) if self.creating < limit.at_once => {
                self.count_making(cx, Making::Create, 1);
                cx.send(self.place.worker, ToWorker::Make { request, step, making: Making::Create });
                true
            }
            Step::Boot(_) | Step::Create(_) => false,
            Step::Spill(spill) => {
                let (hops, hop_us) = (spill.hops, spill.hop_us());
                let spill = Spill { request, origin: self.place.worker, hop_us, hops, step };
                cx.send(self.place.worker, ToWorker::SpillOut(spill));
                true
            }
            Step::Wake(_) => self.wake(cx, request, step),
            // It is the last step: the request ends as it would without it.
            Step::Reject(_) => false,
        }
    }

    fn wake(&mut self, cx: &mut Context<impl Backend>, request: Request, step: StepIndex) -> bool {
        let Some((sprite, asleep)) = self.dormant.pop(request.key) else { return false };
        if asleep {
            self.uses_one_more();
            cx.send(self.place.worker, ToWorker::WakeFor { sprite, request, step });
        } else {
            // It is idle and still in use; only its user changes.
            cx.send(sprite, ToSprite::Start { request, outcome: Outcome::Warm });
        }
        true
    }

    fn refused(
        &mut self,
        cx: &mut Context<impl Backend>,
        request: Request,
        step: StepIndex,
        cause: Cause,
        sprite: Option<ActorId>,
    ) {
        if let Some(sprite) = sprite {
            self.in_use = self.in_use.saturating_sub(1);
            self.dormant.insert(request.key, sprite, true);
            if self.prefers == Prefers::Own {
                return self.end(cx, request, Ending { outcome: Outcome::Rejected, cause });
            }
        }
        self.undo_make(cx, step);
        self.go_on(cx, request, step.next(), Ending { outcome: Outcome::Rejected, cause });
    }

    /// A step could not serve a request. What has become ready meanwhile does; else the search goes on at
    /// `step`.
    fn go_on(
        &mut self,
        cx: &mut Context<impl Backend>,
        request: Request,
        step: StepIndex,
        otherwise: Ending,
    ) {
        if !self.is_down
            && let Some(sprite) = self.pop_ready(cx)
        {
            self.give(cx, sprite, request, Outcome::Waited);
            return self.taken(cx);
        }
        self.exhausted(cx, request, step, otherwise);
        // A request that waits is a refill order, so the Refiller must hear of one that came to wait other
        // than by `take`.
        if self.waiting.len() > 0 {
            self.changed(cx);
        }
    }

    fn undo_make(&mut self, cx: &mut Context<impl Backend>, step: StepIndex) {
        match self.policy.exhausted.get(step.index()) {
            Some(Step::Boot(_)) => self.count_making(cx, Making::Boot, -1),
            Some(Step::Create(_)) => self.count_making(cx, Making::Create, -1),
            Some(Step::Wait(_) | Step::Spill(_) | Step::Wake(_) | Step::Reject(_)) | None => {}
        }
    }

    /// One VM more, or less, is being made for a request.
    fn count_making(&mut self, cx: &mut Context<impl Backend>, making: Making, change: i32) {
        let was = self.booting + self.creating;
        let count = match making {
            Making::Boot => &mut self.booting,
            Making::Create => &mut self.creating,
        };
        *count = count.saturating_add_signed(change);
        let is = self.booting + self.creating;
        cx.observe(Observation::Making { worker: self.place.id, was, is });
    }

    fn made(&mut self, cx: &mut Context<impl Backend>, making: Making) {
        self.count_making(cx, making, -1);
        self.uses_one_more();
        self.in_use_changed(cx);
    }

    fn make_failed(&mut self, cx: &mut Context<impl Backend>, purpose: For) {
        match purpose {
            For::Pool => self.tell_refiller(cx, ToRefiller::BootFailed),
            For::Request(request, step) => {
                self.undo_make(cx, step);
                let ending = Ending { outcome: Outcome::Failed, cause: Cause::BootsFail };
                self.go_on(cx, request, step.next(), ending);
            }
        }
    }

    /// The Sprite that was given is lost: the request tries again from the beginning, but not for ever.
    fn start_failed(&mut self, cx: &mut Context<impl Backend>, request: Request) {
        self.in_use = self.in_use.saturating_sub(1);
        let cause = match request.missed {
            _ if self.is_down => Cause::WorkerDown,
            Some(Cause::HostRefuses) => Cause::HostRefuses,
            _ => Cause::BootsFail,
        };
        self.start_again(cx, request, cause);
        self.in_use_changed(cx);
    }

    fn start_again(&mut self, cx: &mut Context<impl Backend>, request: Request, cause: Cause) {
        let request = Request { missed: request.missed.or(Some(cause)), ..request };
        let ending = Ending { outcome: Outcome::Failed, cause };
        if request.tries >= TRIES_MAX {
            self.end(cx, request, ending);
        } else {
            self.go_on(cx, request, StepIndex::FIRST, ending);
        }
    }

    /// The Sprite is dormant as before. A key that prefers its own gets no other.
    fn start_refused(&mut self, cx: &mut Context<impl Backend>, request: Request) {
        let cause = Cause::HostRefuses;
        if self.prefers == Prefers::Own {
            return self.end(cx, request, Ending { outcome: Outcome::Rejected, cause });
        }
        self.start_again(cx, request, cause);
    }

    fn wake_refused(&mut self, cx: &mut Context<impl Backend>, request: Request) {
        let wakes = |step: &Step| matches!(step, Step::Wake(_));
        let step = self.policy.exhausted.iter().position(wakes).unwrap_or(0);
        let request = Request { missed: request.missed.or(Some(Cause::HostRefuses)), ..request };
        self.refused(cx, request, StepIndex(step as u8), Cause::HostRefuses, Some(cx.sender()));
        self.in_use_changed(cx);
    }

    // Requests that wait.

    fn observe_waiting(&self, cx: &mut Context<impl Backend>, was: u32) {
        let is = self.waiting.len();
        cx.observe(Observation::Waiting { worker: self.place.id, was, is });
    }

    fn watch_deadline(&mut self, cx: &mut Context<impl Backend>, step: StepIndex) {
        if let Some(deadline) = self.waiting.deadline_to_watch(step) {
            cx.arm(Timer::Deadline(step), deadline.since(cx.now()));
        }
    }

    fn deadline(&mut self, cx: &mut Context<impl Backend>, step: StepIndex) {
        self.waiting.watch_over(step);
        let mut gave_up = false;
        while let Some(request) = self.waiting.pop_due(step, cx.now()) {
            self.observe_waiting(cx, self.waiting.len() + 1);
            let ending = Ending { outcome: Outcome::Rejected, cause: Cause::Deadline };
            self.exhausted(cx, request, step.next(), ending);
            gave_up = true;
        }
        self.watch_deadline(cx, step);
        if gave_up {
            self.changed(cx);
        }
    }

    // Sprites that sleep.

    fn dormant(&mut self, cx: &mut Context<impl Backend>, key: Key, asleep: bool) {
        self.dormant.insert(key, cx.sender(), asleep);
        if asleep {
            self.in_use = self.in_use.saturating_sub(1);
            self.in_use_changed(cx);
        }
        self.fell_asleep(cx);
        if let Some(sprite) = self.dormant.pop_excess() {
            cx.send(sprite, ToSprite::Stop);
        }
    }

    // A key's own Sprite.

    /// A request came too late for its own Sprite, and waits until that is asleep. It may have said so
    /// before.
    fn falls_asleep(&mut self, cx: &mut Context<impl Backend>, request: Request) {
        self.falling_asleep.insert(cx.sender(), request);
        if self.dormant.has(cx.sender()) {
            self.fell_asleep(cx);
        }
    }

    /// A Sprite is asleep: whoever waited for that wakes it.
    fn fell_asleep(&mut self, cx: &mut Context<impl Backend>) {
        if let Some(request) = self.falling_asleep.remove(&cx.sender()) {
            self.wake(cx, request, StepIndex::FIRST);
        }
    }

    /// A Sprite was lost while it fell asleep: whoever waited for it has none any more, and begins anew.
    fn lost_while_falling_asleep(&mut self, cx: &mut Context<impl Backend>) {
        if let Some(request) = self.falling_asleep.remove(&cx.sender()) {
            let cause = if self.is_down { Cause::WorkerDown } else { Cause::BootsFail };
            self.start_again(cx, request, cause);
        }
    }

    /// Ends every Sprite of a key that nobody uses.
    fn forget_key(&mut self, cx: &mut Context<impl Backend>, key: Key) {
        while let Some((sprite, _)) = self.dormant.pop(key) {
            cx.send(sprite, ToSprite::Stop);
        }
    }

    /// While the host is down the Refiller decides nothing: all VMs are lost at once, not one after the
    /// other.
    fn worker_down(&mut self, cx: &mut Context<impl Backend>) {
        self.is_down = true;
        self.unhindered.held_up(cx.now(), Some(Cause::WorkerDown));
        cx.send(self.refiller, ToRefiller::Suspended);
        while let Some(request) = self.waiting.pop_oldest() {
            self.observe_waiting(cx, self.waiting.len() + 1);
            self.end(cx, request, Ending { outcome: Outcome::Failed, cause: Cause::WorkerDown });
        }
    }

    fn worker_up(&mut self, cx: &mut Context<impl Backend>) {
        self.is_down = false;
        self.unhindered.held_up(cx.now(), None);
        cx.send(self.refiller, ToRefiller::Resumed { levels: self.levels() });
    }
}

impl Pool {
    /// Handles one message.
    pub(crate) fn handle(&mut self, cx: &mut Context<impl Backend>, message: ToPool) {
        match message {
            ToPool::Begin(begin) => cx.send(self.refiller, ToRefiller::Begin(begin)),
            ToPool::Take(request) => self.take(cx, request),
            ToPool::TakeSpilled(spill) => self.take_spilled(cx, spill),
            ToPool::Ready(after) => self.is_ready(cx, after),
            ToPool::Made(making) => self.made(cx, making),
            ToPool::MakeFailed(purpose) => self.make_failed(cx, purpose),
            ToPool::StartFailed(request) => self.start_failed(cx, request),
            ToPool::Ended => {
                self.in_use = self.in_use.saturating_sub(1);
                self.in_use_changed(cx);
            }
            ToPool::Idle { key } => self.dormant(cx, key, false),
            ToPool::Slept { key } => self.dormant(cx, key, true),
            ToPool::Withdrawn => self.withdraw(cx),
            ToPool::Refused { request, step, cause, sprite } => {
                self.refused(cx, request, step, cause, sprite);
            }
            ToPool::Aims { depth } => self.unhindered.set_depth(cx.now(), depth),
            // What holds up the boots of a host that is down no longer matters.
            ToPool::HeldUp(_) if self.is_down => {}
            ToPool::HeldUp(cause) => self.unhindered.held_up(cx.now(), cause),
            ToPool::Shrink { keep } => self.shrink(cx, keep),
            ToPool::Yield => self.make_room(cx),
            ToPool::WorkerDown => self.worker_down(cx),
            ToPool::WorkerUp => self.worker_up(cx),
            ToPool::FallsAsleep(request) => self.falls_asleep(cx, request),
            ToPool::Forget { key } => self.forget_key(cx, key),
            ToPool::WakeRefused(request) => self.wake_refused(cx, request),
            ToPool::StartRefused(request) => self.start_refused(cx, request),
        }
        self.observe_emptiness(cx);
    }

    /// A timer has fired.
    pub(crate) fn fired(&mut self, cx: &mut Context<impl Backend>, timer: Timer) {
        match timer {
            Timer::Deadline(step) => self.deadline(cx, step),
            Timer::Age => self.drop_aged(cx),
            Timer::Depth | Timer::Refill | Timer::Backoff | Timer::Idle => {}
        }
        self.observe_emptiness(cx);
    }
}
