//! A Sprite: one VM at a time, from its boot to its end. The actor outlives its VM and is used again for another, with
//! the next generation, so that a worker has a bounded number of actors.

use crate::host::{Context, Host};
use crate::policy::{AfterUse, SpritePolicy};
use crate::protocol::{
    ActorId, For, Message, Observation, Operation, OperationKind, Outcome, Request, State, Timer, WorkerId,
};

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Sprite {
    worker: WorkerId,
    host: ActorId,
    policy: SpritePolicy,
    pool: ActorId,
    state: State,
    generation: u32,
    /// What the VM that is being made is for.
    purpose: For,
    /// Made the long way round.
    create: bool,
    /// The `Sleep` operation is under way: it is too late to resume.
    falling_asleep: bool,
    /// Whom it serves, from `Starting` on, and how that request will end.
    serving: Option<(Request, Outcome)>,
}

impl Sprite {
    /// A Sprite without a VM, on the worker whose actor is `host`.
    pub(crate) fn new(worker: WorkerId, host: ActorId, policy: SpritePolicy) -> Self {
        Self {
            worker,
            host,
            policy,
            pool: ActorId::OUTSIDE,
            state: State::Stopped,
            generation: 0,
            purpose: For::Pool,
            create: false,
            falling_asleep: false,
            serving: None,
        }
    }

    #[inline(always)]
    fn enter(&mut self, cx: &mut Context<impl Host>, is: State) {
        let was = std::mem::replace(&mut self.state, is);
        let (worker, sprite, generation) = (self.worker, cx.me(), self.generation);
        cx.observe(Observation::Sprite { worker, sprite, generation, was, is });
    }

    #[inline(always)]
    fn perform(&self, cx: &mut Context<impl Host>, kind: OperationKind) {
        let request = self.serving.map(|(request, _)| request);
        cx.perform(Operation { kind, generation: self.generation, worker: self.worker, request });
    }

    fn boot(&mut self, cx: &mut Context<impl Host>, pool: ActorId, purpose: For, create: bool) {
        debug_assert!(matches!(self.state, State::Stopped | State::Failed), "a Sprite has one VM at a time");
        self.generation = self.generation.wrapping_add(1);
        (self.pool, self.purpose, self.create) = (pool, purpose, create);
        self.falling_asleep = false;
        self.serving = None;
        self.enter(cx, State::Booting);
        self.perform(cx, if create { OperationKind::Create } else { OperationKind::Boot });
    }

    #[inline]
    fn start(&mut self, cx: &mut Context<impl Host>, request: Request, outcome: Outcome) {
        self.serving = Some((request, outcome));
        self.enter(cx, State::Starting);
        self.perform(cx, OperationKind::Start);
    }

    fn made(&mut self, cx: &mut Context<impl Host>) {
        cx.send(self.host, Message::BootEnded { create: self.create });
        match self.purpose {
            For::Pool => {
                self.enter(cx, State::Ready);
                cx.send(self.pool, Message::Ready { boot: true });
            }
            For::Request(request, _) => {
                cx.send(self.pool, Message::Made { create: self.create });
                let outcome = if self.create { Outcome::Created } else { Outcome::Booted };
                self.start(cx, request, outcome);
            }
        }
    }

    /// The guest has acknowledged: the request has its Sprite.
    fn started(&mut self, cx: &mut Context<impl Host>) {
        let Some((request, outcome)) = self.serving else { return };
        cx.observe(Observation::Ended { worker: self.worker, request, outcome });
        if request.lifetime.is_zero() {
            self.perform(cx, OperationKind::Detach);
            self.enter(cx, State::Stopped);
            cx.send(self.pool, Message::Ended);
            cx.send(self.host, Message::Released { slot: true, retired: true });
        } else {
            self.enter(cx, State::Running);
            self.perform(cx, OperationKind::Run);
        }
    }

    /// The user has gone.
    fn used(&mut self, cx: &mut Context<impl Host>) {
        let Some((request, _)) = self.serving else { return };
        if self.policy.after_use == AfterUse::Return {
            self.serving = None;
            self.enter(cx, State::Ready);
            cx.send(self.pool, Message::Ready { boot: false });
        } else if let Some(idle_after) = self.policy.idle_after {
            self.enter(cx, State::Idle);
            cx.arm(Timer::Idle, idle_after);
            cx.send(self.pool, Message::Idle { key: request.key });
        } else {
            cx.send(self.pool, Message::Ended);
            self.stop(cx);
        }
    }

    fn fall_asleep(&mut self, cx: &mut Context<impl Host>) {
        if self.state == State::Idle && !self.falling_asleep {
            self.falling_asleep = true;
            self.perform(cx, OperationKind::Sleep);
        }
    }

    fn slept(&mut self, cx: &mut Context<impl Host>) {
        let Some((request, _)) = self.serving else { return };
        self.falling_asleep = false;
        self.enter(cx, State::Asleep);
        cx.send(self.pool, Message::Slept { key: request.key });
        cx.send(self.host, Message::Released { slot: true, retired: false });
    }

    /// Gives up the VM; the slot is held until it is gone.
    fn stop(&mut self, cx: &mut Context<impl Host>) {
        self.enter(cx, State::Stopping);
        self.perform(cx, OperationKind::Stop);
    }

    fn asked_to_stop(&mut self, cx: &mut Context<impl Host>) {
        match self.state {
            State::Ready => self.stop(cx),
            State::Idle if !self.falling_asleep => {
                cx.disarm(Timer::Idle);
                cx.send(self.pool, Message::Ended);
                self.stop(cx);
            }
            State::Asleep => {
                self.perform(cx, OperationKind::Detach);
                self.enter(cx, State::Stopped);
                cx.send(self.host, Message::Released { slot: false, retired: true });
            }
            // It is being lost or falls asleep; the Pool hears of it and may ask again.
            _ => {}
        }
    }

    /// The VM is gone, or never came to be. Whoever counts on it hears of it.
    fn lose(&mut self, cx: &mut Context<impl Host>) {
        match self.state {
            State::Stopped | State::Failed => return,
            State::Booting => {
                cx.send(self.host, Message::BootEnded { create: self.create });
                cx.send(self.pool, Message::MakeFailed { purpose: self.purpose, create: self.create });
            }
            State::Ready | State::Asleep => cx.send(self.pool, Message::Withdrawn),
            State::Starting | State::Waking => {
                if let Some((mut request, _)) = self.serving {
                    request.tries += 1;
                    cx.send(self.pool, Message::StartFailed(request));
                }
            }
            State::Running => cx.send(self.pool, Message::Ended),
            State::Idle => {
                cx.disarm(Timer::Idle);
                cx.send(self.pool, Message::Withdrawn);
                cx.send(self.pool, Message::Ended);
            }
            State::Stopping => {}
        }
        let slot = self.state.holds_slot();
        self.enter(cx, State::Failed);
        // Whatever the backend still does for this VM no longer concerns us.
        self.generation = self.generation.wrapping_add(1);
        self.falling_asleep = false;
        cx.send(self.host, Message::Released { slot, retired: true });
    }

    fn done(&mut self, cx: &mut Context<impl Host>, kind: OperationKind, ok: bool) {
        if !ok {
            return self.lose(cx);
        }
        match kind {
            OperationKind::Boot | OperationKind::Create => self.made(cx),
            OperationKind::Start => self.started(cx),
            OperationKind::Run => self.used(cx),
            OperationKind::Sleep => self.slept(cx),
            OperationKind::Wake => {
                if let Some((request, outcome)) = self.serving {
                    self.start(cx, request, outcome);
                }
            }
            OperationKind::Stop => {
                self.enter(cx, State::Stopped);
                cx.send(self.host, Message::Released { slot: true, retired: true });
            }
            OperationKind::Detach => {}
        }
    }
}

impl Sprite {
    /// Handles one message.
    pub(crate) fn handle(&mut self, cx: &mut Context<impl Host>, message: &Message) {
        match *message {
            Message::Boot { pool, purpose, create } => self.boot(cx, pool, purpose, create),
            Message::Start { request, outcome } => match self.state {
                State::Ready => self.start(cx, request, outcome),
                State::Idle if !self.falling_asleep => {
                    cx.disarm(Timer::Idle);
                    self.start(cx, request, outcome);
                }
                // It was lost, or falls asleep, while the message was on its way. That is not the request's fault.
                _ => cx.send(cx.sender(), Message::StartFailed(request)),
            },
            Message::Wake { request } => match self.state {
                State::Asleep => {
                    self.serving = Some((request, Outcome::Woken));
                    self.enter(cx, State::Waking);
                    self.perform(cx, OperationKind::Wake);
                }
                _ => {
                    cx.send(self.pool, Message::StartFailed(request));
                    cx.send(self.host, Message::Released { slot: true, retired: false });
                }
            },
            Message::Stop => self.asked_to_stop(cx),
            Message::Lost => self.lose(cx),
            Message::Fired(Timer::Idle) => self.fall_asleep(cx),
            Message::Done { generation, kind, ok } if generation == self.generation => {
                self.done(cx, kind, ok)
            }
            // The end of an operation on a VM that is gone, or a message that is not for a Sprite.
            _ => {}
        }
    }
}
