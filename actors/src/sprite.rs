//! A Sprite: one VM at a time, from its boot to its end. The actor outlives its VM and is used again for
//! another, with the next generation, so that a worker has a bounded number of actors.

use crate::backend::{Backend, Context};
use crate::policy::{AfterUse, Prefers, SpritePolicy};
use crate::protocol::{
    ActorId, Cause, End, For, Key, Making, Observation, Operation, OperationKind, Outcome, ReadyAfter,
    Released, Request, State, StepIndex, Timer, ToPool, ToSprite, ToWorker, WorkerId,
};
use crate::time::Time;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Sprite {
    /// Whom it serves, or is being made for; nobody's where there is no `outcome`.
    request: Request,
    worker_id: WorkerId,
    worker: ActorId,
    pool: ActorId,
    generation: u32,
    state: State,
    /// How the request will end that it serves. A VM that is made for the pool has none.
    outcome: Option<Outcome>,
    /// The step of the exhausted policy that had its VM made for a request.
    step: StepIndex,
    /// The `Sleep` operation is under way: it is too late to resume.
    falling_asleep: bool,
    /// Nobody will ask for it again: it ends as soon as it is asleep.
    leaving: bool,
    /// When the boot of its present VM began.
    boot_began: Time,
    /// Its VM has started for somebody.
    has_user: bool,
    /// Its Pool counts those that are in use.
    tells_end: bool,
    policy: SpritePolicy,
}

impl Sprite {
    /// A Sprite without a VM, on the worker whose actor is `worker`.
    pub(crate) fn new(worker_id: WorkerId, worker: ActorId, policy: SpritePolicy, tells_end: bool) -> Self {
        Self {
            request: Request::default(),
            worker_id,
            worker,
            pool: ActorId::OUTSIDE,
            generation: 0,
            state: State::Stopped,
            outcome: None,
            step: StepIndex::FIRST,
            falling_asleep: false,
            leaving: false,
            boot_began: Time::ZERO,
            has_user: false,
            tells_end,
            policy,
        }
    }

    /// Whom it serves and how that will end.
    fn serving(&self) -> Option<(Request, Outcome)> {
        self.outcome.map(|outcome| (self.request, outcome))
    }

    fn serve(&mut self, request: Request, outcome: Outcome) {
        (self.request, self.outcome) = (request, Some(outcome));
    }

    /// What the VM that is being made is for.
    fn purpose(&self) -> For {
        self.outcome.map_or(For::Pool, |_| For::Request(self.request, self.step))
    }

    /// How its VM is made. Creates are for requests only.
    fn making(&self) -> Making {
        if self.outcome == Some(Outcome::Created) { Making::Create } else { Making::Boot }
    }

    fn enter(&mut self, cx: &mut Context<impl Backend>, is: State) {
        let was = std::mem::replace(&mut self.state, is);
        let (worker, sprite, generation) = (self.worker_id, cx.me(), self.generation);
        cx.observe(Observation::Sprite { worker, sprite, generation, was, is });
    }

    fn perform(&self, cx: &mut Context<impl Backend>, kind: OperationKind) {
        let request = self.outcome.map(|_| self.request);
        cx.perform(Operation { kind, generation: self.generation, worker: self.worker_id, request });
    }

    /// The next VM begins, without a user.
    fn begin_vm(&mut self, pool: ActorId) {
        debug_assert!(matches!(self.state, State::Stopped | State::Failed), "a Sprite has one VM at a time");
        self.generation = self.generation.wrapping_add(1);
        self.pool = pool;
        (self.falling_asleep, self.leaving, self.has_user) = (false, false, false);
    }

    fn boot(&mut self, cx: &mut Context<impl Backend>, pool: ActorId, purpose: For, making: Making) {
        self.begin_vm(pool);
        self.boot_began = cx.now();
        self.outcome = None;
        if let For::Request(request, step) = purpose {
            self.step = step;
            let outcome = match making {
                Making::Boot => Outcome::Booted,
                Making::Create => Outcome::Created,
            };
            self.serve(request, outcome);
        }
        self.enter(cx, State::Booting);
        let kind = match making {
            Making::Boot => OperationKind::Boot,
            Making::Create => OperationKind::Create,
        };
        self.perform(cx, kind);
    }

    fn start(&mut self, cx: &mut Context<impl Backend>, request: Request, outcome: Outcome) {
        self.serve(request, outcome);
        self.enter(cx, State::Starting);
        self.perform(cx, OperationKind::Start);
    }

    /// For the request for which it was made or woken.
    fn start_its_own(&mut self, cx: &mut Context<impl Backend>) {
        if let Some((request, outcome)) = self.serving() {
            self.start(cx, request, outcome);
        }
    }

    fn made(&mut self, cx: &mut Context<impl Backend>) {
        let making = self.making();
        cx.send(self.worker, ToWorker::BootEnded(making));
        match self.serving() {
            None => {
                self.enter(cx, State::Ready);
                cx.send(self.pool, ToPool::Ready(ReadyAfter::Boot { took: cx.now().since(self.boot_began) }));
            }
            Some(_) => {
                cx.send(self.pool, ToPool::Made(making));
                self.start_its_own(cx);
            }
        }
    }

    /// The guest has acknowledged: the request has its Sprite.
    fn started(&mut self, cx: &mut Context<impl Backend>) {
        let Some((request, outcome)) = self.serving() else { return };
        self.has_user = true;
        let cause = request.missed.filter(|_| !matches!(outcome, Outcome::Warm | Outcome::Woken));
        cx.observe(Observation::Ended { worker: self.worker_id, request, outcome, cause });
        if request.lifetime.is_zero() {
            self.perform(cx, OperationKind::Detach);
            self.enter(cx, State::Stopped);
            self.ended(cx);
            cx.send(self.worker, ToWorker::Released(Released::SlotAndActor));
        } else {
            self.enter(cx, State::Running);
            self.perform(cx, OperationKind::Run);
        }
    }

    /// It is no longer in use.
    fn ended(&self, cx: &mut Context<impl Backend>) {
        if self.tells_end {
            cx.send(self.pool, ToPool::Ended);
        }
    }

    /// The user has gone.
    fn used(&mut self, cx: &mut Context<impl Backend>) {
        let Some((request, _)) = self.serving() else { return };
        if self.policy.after_use == AfterUse::Return {
            self.outcome = None;
            self.enter(cx, State::Ready);
            cx.send(self.pool, ToPool::Ready(ReadyAfter::Use));
        } else if self.policy.idle_after.is_some() {
            self.enter(cx, State::Idle);
            self.is_idle(cx, request.key);
        } else {
            self.ended(cx);
            self.stop(cx);
        }
    }

    /// Its own user may have it at once; after a while it falls asleep.
    fn is_idle(&self, cx: &mut Context<impl Backend>, key: Key) {
        if let Some(idle_after) = self.policy.idle_after {
            cx.arm(Timer::Idle, idle_after);
        }
        cx.send(self.pool, ToPool::Idle { key });
    }

    fn fall_asleep(&mut self, cx: &mut Context<impl Backend>) {
        if self.state == State::Idle && !self.falling_asleep {
            self.falling_asleep = true;
            self.perform(cx, OperationKind::Sleep);
        }
    }

    fn slept(&mut self, cx: &mut Context<impl Backend>) {
        let Some((request, _)) = self.serving() else { return };
        self.falling_asleep = false;
        if self.leaving {
            self.ended(cx);
            return self.stop(cx);
        }
        self.enter(cx, State::Asleep);
        cx.send(self.pool, ToPool::Slept { key: request.key });
        cx.send(self.worker, ToWorker::Released(Released::Slot));
    }

    /// Gives up the VM; the slot is held until it is gone.
    fn stop(&mut self, cx: &mut Context<impl Backend>) {
        self.enter(cx, State::Stopping);
        self.perform(cx, OperationKind::Stop);
    }

    fn asked_to_stop(&mut self, cx: &mut Context<impl Backend>) {
        match self.state {
            State::Ready => self.stop(cx),
            State::Idle if !self.falling_asleep => {
                cx.disarm(Timer::Idle);
                self.ended(cx);
                self.stop(cx);
            }
            State::Asleep => {
                self.perform(cx, OperationKind::Detach);
                self.enter(cx, State::Stopped);
                cx.send(self.worker, ToWorker::Released(Released::Actor));
            }
            State::Idle => self.leaving = true,
            // It is being lost; the Pool hears of it.
            _ => {}
        }
    }

    /// The VM is gone, or never came to be. Whoever counts on it hears of it.
    fn lose(&mut self, cx: &mut Context<impl Backend>) {
        match self.state {
            State::Stopped | State::Failed => return,
            State::Booting => {
                cx.send(self.worker, ToWorker::BootEnded(self.making()));
                cx.send(self.pool, ToPool::MakeFailed(self.purpose()));
            }
            State::Ready | State::Asleep => cx.send(self.pool, ToPool::Withdrawn),
            State::Starting | State::Waking => {
                if let Some((mut request, _)) = self.serving() {
                    request.tries += 1;
                    cx.send(self.pool, ToPool::StartFailed(request));
                }
            }
            State::Running => self.ended(cx),
            State::Idle => {
                cx.disarm(Timer::Idle);
                cx.send(self.pool, ToPool::Withdrawn);
                self.ended(cx);
            }
            State::Stopping => {}
        }
        let released = if self.state.holds_slot() { Released::SlotAndActor } else { Released::Actor };
        self.enter(cx, State::Failed);
        // Whatever the backend still does for this VM no longer concerns us.
        self.generation = self.generation.wrapping_add(1);
        self.falling_asleep = false;
        cx.send(self.worker, ToWorker::Released(released));
    }

    /// The host could not do it now, and nothing has changed: the VM is what it was before.
    fn refused(&mut self, cx: &mut Context<impl Backend>, kind: OperationKind) {
        cx.observe(Observation::Refused { worker: self.worker_id, kind });
        match kind {
            OperationKind::Sleep => self.stay_awake(cx),
            OperationKind::Wake => self.sleep_on(cx),
            OperationKind::Start => self.start_refused(cx),
            // There was no VM before it, or nothing is wanted any more but its end.
            OperationKind::Boot
            | OperationKind::Create
            | OperationKind::Run
            | OperationKind::Stop
            | OperationKind::Detach => self.lose(cx),
        }
    }

    /// Sleep is tried again after another while, unless a request comes before.
    fn stay_awake(&mut self, cx: &mut Context<impl Backend>) {
        self.falling_asleep = false;
        let Some((request, _)) = self.serving() else { return };
        if self.leaving {
            self.ended(cx);
            return self.stop(cx);
        }
        // The Pool may have looked for this Sprite meanwhile, and have forgotten it.
        self.is_idle(cx, request.key);
    }

    fn sleep_on(&mut self, cx: &mut Context<impl Backend>) {
        let Some((request, _)) = self.serving() else { return };
        self.enter(cx, State::Asleep);
        cx.send(self.worker, ToWorker::Released(Released::Slot));
        cx.send(self.pool, ToPool::WakeRefused(request));
    }

    /// The request is tried elsewhere. A VM that has no user yet can be taken by anybody, any other by its
    /// own user.
    fn start_refused(&mut self, cx: &mut Context<impl Backend>) {
        let Some((mut request, _)) = self.serving() else { return };
        request.tries += 1;
        request.missed = request.missed.or(Some(Cause::HostRefuses));
        if self.has_user && self.policy.after_use == AfterUse::Stop {
            self.enter(cx, State::Idle);
            self.is_idle(cx, request.key);
            cx.send(self.pool, ToPool::StartRefused(request));
        } else {
            self.outcome = None;
            self.enter(cx, State::Ready);
            cx.send(self.pool, ToPool::StartFailed(request));
            cx.send(self.pool, ToPool::Ready(ReadyAfter::RefusedStart));
        }
    }

    fn begin_start(&mut self, cx: &mut Context<impl Backend>, request: Request, outcome: Outcome) {
        match self.state {
            State::Ready => {}
            State::Idle if !self.falling_asleep => cx.disarm(Timer::Idle),
            State::Idle | State::Asleep if self.policy.prefers == Prefers::Own => {
                return cx.send(self.pool, ToPool::FallsAsleep(request));
            }
            // It was lost, or falls asleep, while the message was on its way. That is not the request's
            // fault.
            _ => return cx.send(cx.sender(), ToPool::StartFailed(request)),
        }
        self.start(cx, request, outcome);
    }

    /// It is asleep, without ever having had a VM here.
    fn adopt(&mut self, cx: &mut Context<impl Backend>, pool: ActorId, key: Key) {
        self.begin_vm(pool);
        self.has_user = true;
        self.serve(Request { key, ..Request::default() }, Outcome::Woken);
        self.enter(cx, State::Asleep);
        cx.send(self.pool, ToPool::Slept { key });
    }

    fn wake(&mut self, cx: &mut Context<impl Backend>, request: Request) {
        if self.state == State::Asleep {
            self.serve(request, Outcome::Woken);
            self.enter(cx, State::Waking);
            self.perform(cx, OperationKind::Wake);
        } else {
            cx.send(self.pool, ToPool::StartFailed(request));
            cx.send(self.worker, ToWorker::Released(Released::Slot));
        }
    }
}

impl Sprite {
    /// Handles one message.
    pub(crate) fn handle(&mut self, cx: &mut Context<impl Backend>, message: ToSprite) {
        match message {
            ToSprite::Boot { pool, purpose, making } => self.boot(cx, pool, purpose, making),
            ToSprite::Start { request, outcome } => self.begin_start(cx, request, outcome),
            ToSprite::Wake { request } => self.wake(cx, request),
            ToSprite::Stop => self.asked_to_stop(cx),
            ToSprite::Lost => self.lose(cx),
            ToSprite::Adopt { pool, key } => self.adopt(cx, pool, key),
        }
    }

    /// An operation has ended.
    pub(crate) fn done(
        &mut self,
        cx: &mut Context<impl Backend>,
        generation: u32,
        kind: OperationKind,
        end: End,
    ) {
        if generation != self.generation {
            // It was on a VM that is gone.
            return;
        }
        match end {
            End::Done => {}
            End::Refused => return self.refused(cx, kind),
            End::Lost => return self.lose(cx),
        }
        match kind {
            OperationKind::Boot | OperationKind::Create => self.made(cx),
            OperationKind::Start => self.started(cx),
            OperationKind::Run => self.used(cx),
            OperationKind::Sleep => self.slept(cx),
            OperationKind::Wake => self.start_its_own(cx),
            OperationKind::Stop => {
                self.enter(cx, State::Stopped);
                cx.send(self.worker, ToWorker::Released(Released::SlotAndActor));
            }
            OperationKind::Detach => {}
        }
    }

    /// A timer has fired.
    pub(crate) fn fired(&mut self, cx: &mut Context<impl Backend>, timer: Timer) {
        match timer {
            Timer::Idle => self.fall_asleep(cx),
            Timer::Deadline(_) | Timer::Age | Timer::Depth | Timer::Refill | Timer::Backoff => {}
        }
    }
}
