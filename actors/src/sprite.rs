//! A Sprite: one VM at a time, from its boot to its end. The actor outlives its VM and is used again for another, with
//! the next generation, so that a worker has a bounded number of actors.

use crate::backend::{Backend, Context};
use crate::policy::{AfterUse, SpritePolicy};
use crate::protocol::{
    ActorId, For, Message, Observation, Operation, OperationKind, Outcome, Request, State, Timer, WorkerId,
};

/// See the [module](self). What every request touches comes first, in one cache line together with the mark of
/// [`AnyActor`](crate::backend::AnyActor): a fleet of thousands does not fit into the processor's nearest cache.
#[derive(Debug)]
#[repr(C)]
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
    step: u8,
    /// The `Sleep` operation is under way: it is too late to resume.
    falling_asleep: bool,
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
            step: 0,
            falling_asleep: false,
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

    /// Whether its VM is made the long way round, as only those for requests are.
    fn is_created(&self) -> bool {
        self.outcome == Some(Outcome::Created)
    }

    #[inline(always)]
    fn enter(&mut self, cx: &mut Context<impl Backend>, is: State) {
        let was = std::mem::replace(&mut self.state, is);
        let (worker, sprite, generation) = (self.worker_id, cx.me(), self.generation);
        cx.observe(Observation::Sprite { worker, sprite, generation, was, is });
    }

    #[inline(always)]
    fn perform(&self, cx: &mut Context<impl Backend>, kind: OperationKind) {
        let request = self.outcome.map(|_| self.request);
        cx.perform(Operation { kind, generation: self.generation, worker: self.worker_id, request });
    }

    fn boot(&mut self, cx: &mut Context<impl Backend>, pool: ActorId, purpose: For, create: bool) {
        debug_assert!(matches!(self.state, State::Stopped | State::Failed), "a Sprite has one VM at a time");
        self.generation = self.generation.wrapping_add(1);
        self.pool = pool;
        self.falling_asleep = false;
        self.outcome = None;
        if let For::Request(request, step) = purpose {
            self.step = step;
            self.serve(request, if create { Outcome::Created } else { Outcome::Booted });
        }
        self.enter(cx, State::Booting);
        self.perform(cx, if create { OperationKind::Create } else { OperationKind::Boot });
    }

    #[inline(always)]
    fn start(&mut self, cx: &mut Context<impl Backend>, request: Request, outcome: Outcome) {
        self.serve(request, outcome);
        self.enter(cx, State::Starting);
        self.perform(cx, OperationKind::Start);
    }

    /// For the request for which it was made or woken.
    #[inline(never)]
    fn start_its_own(&mut self, cx: &mut Context<impl Backend>) {
        if let Some((request, outcome)) = self.serving() {
            self.start(cx, request, outcome);
        }
    }

    fn made(&mut self, cx: &mut Context<impl Backend>) {
        let create = self.is_created();
        cx.send(self.worker, Message::BootEnded { create });
        match self.serving() {
            None => {
                self.enter(cx, State::Ready);
                cx.send(self.pool, Message::Ready { boot: true });
            }
            Some(_) => {
                cx.send(self.pool, Message::Made { create });
                self.start_its_own(cx);
            }
        }
    }

    /// The guest has acknowledged: the request has its Sprite.
    fn started(&mut self, cx: &mut Context<impl Backend>) {
        let Some((request, outcome)) = self.serving() else { return };
        cx.observe(Observation::Ended { worker: self.worker_id, request, outcome });
        if request.lifetime.is_zero() {
            self.perform(cx, OperationKind::Detach);
            self.enter(cx, State::Stopped);
            self.ended(cx);
            cx.send(self.worker, Message::Released { slot: true, retired: true });
        } else {
            self.enter(cx, State::Running);
            self.perform(cx, OperationKind::Run);
        }
    }

    /// It is no longer in use.
    fn ended(&self, cx: &mut Context<impl Backend>) {
        if self.tells_end {
            cx.send(self.pool, Message::Ended);
        }
    }

    /// The user has gone.
    fn used(&mut self, cx: &mut Context<impl Backend>) {
        let Some((request, _)) = self.serving() else { return };
        if self.policy.after_use == AfterUse::Return {
            self.outcome = None;
            self.enter(cx, State::Ready);
            cx.send(self.pool, Message::Ready { boot: false });
        } else if let Some(idle_after) = self.policy.idle_after {
            self.enter(cx, State::Idle);
            cx.arm(Timer::Idle, idle_after);
            cx.send(self.pool, Message::Idle { key: request.key });
        } else {
            self.ended(cx);
            self.stop(cx);
        }
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
        self.enter(cx, State::Asleep);
        cx.send(self.pool, Message::Slept { key: request.key });
        cx.send(self.worker, Message::Released { slot: true, retired: false });
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
                cx.send(self.worker, Message::Released { slot: false, retired: true });
            }
            // It is being lost or falls asleep; the Pool hears of it and may ask again.
            _ => {}
        }
    }

    /// The VM is gone, or never came to be. Whoever counts on it hears of it.
    #[inline(never)]
    fn lose(&mut self, cx: &mut Context<impl Backend>) {
        match self.state {
            State::Stopped | State::Failed => return,
            State::Booting => {
                let (purpose, create) = (self.purpose(), self.is_created());
                cx.send(self.worker, Message::BootEnded { create });
                cx.send(self.pool, Message::MakeFailed { purpose, create });
            }
            State::Ready | State::Asleep => cx.send(self.pool, Message::Withdrawn),
            State::Starting | State::Waking => {
                if let Some((mut request, _)) = self.serving() {
                    request.tries += 1;
                    cx.send(self.pool, Message::StartFailed(request));
                }
            }
            State::Running => self.ended(cx),
            State::Idle => {
                cx.disarm(Timer::Idle);
                cx.send(self.pool, Message::Withdrawn);
                self.ended(cx);
            }
            State::Stopping => {}
        }
        let slot = self.state.holds_slot();
        self.enter(cx, State::Failed);
        // Whatever the backend still does for this VM no longer concerns us.
        self.generation = self.generation.wrapping_add(1);
        self.falling_asleep = false;
        cx.send(self.worker, Message::Released { slot, retired: true });
    }

    fn done(&mut self, cx: &mut Context<impl Backend>, kind: OperationKind, ok: bool) {
        if !ok {
            return self.lose(cx);
        }
        match kind {
            OperationKind::Boot | OperationKind::Create => self.made(cx),
            OperationKind::Start => self.started(cx),
            OperationKind::Run => self.used(cx),
            OperationKind::Sleep => self.slept(cx),
            OperationKind::Wake => self.start_its_own(cx),
            OperationKind::Stop => {
                self.enter(cx, State::Stopped);
                cx.send(self.worker, Message::Released { slot: true, retired: true });
            }
            OperationKind::Detach => {}
        }
    }
}

impl Sprite {
    /// Handles one message.
    #[inline(never)]
    pub(crate) fn handle(&mut self, cx: &mut Context<impl Backend>, message: &Message) {
        match *message {
            Message::Boot { pool, purpose, create } => self.boot(cx, pool, purpose, create),
            Message::Start { request, outcome } => {
                match self.state {
                    State::Ready => {}
                    State::Idle if !self.falling_asleep => cx.disarm(Timer::Idle),
                    // It was lost, or falls asleep, while the message was on its way. That is not the request's fault.
                    _ => return cx.send(cx.sender(), Message::StartFailed(request)),
                }
                self.start(cx, request, outcome);
            }
            Message::Done { generation, kind, ok } if generation == self.generation => {
                self.done(cx, kind, ok)
            }
            _ => self.handle_rare(cx, message),
        }
    }

    /// What does not come with every request. Apart, so that what does stays together in the processor's cache.
    #[inline(never)]
    fn handle_rare(&mut self, cx: &mut Context<impl Backend>, message: &Message) {
        match *message {
            Message::Wake { request } => match self.state {
                State::Asleep => {
                    self.serve(request, Outcome::Woken);
                    self.enter(cx, State::Waking);
                    self.perform(cx, OperationKind::Wake);
                }
                _ => {
                    cx.send(self.pool, Message::StartFailed(request));
                    cx.send(self.worker, Message::Released { slot: true, retired: false });
                }
            },
            Message::Stop => self.asked_to_stop(cx),
            Message::Lost => self.lose(cx),
            Message::Fired(Timer::Idle) => self.fall_asleep(cx),
            // The end of an operation on a VM that is gone, or a message that is not for a Sprite.
            _ => {}
        }
    }
}
