//! A Refiller: decides how many boots one Pool is short of (its depth policy) and when they may be ordered
//! (its refill policy). It sees only the numbers that its Pool tells it, and orders from its Worker.

use std::collections::VecDeque;

use crate::backend::{Backend, Context};
use crate::policy::depth::{self, View};
use crate::policy::refill::{self, BackoffState};
use crate::policy::{AfterUse, Begin, PoolPolicy, SpritePolicy};
use crate::protocol::{
    ActorId, Cause, Found, Levels, Observation, Target, Timer, ToPool, ToRefiller, ToWorker, WorkerId,
};
use crate::time::{Duration, Time, WallClock};

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Refiller {
    worker_id: WorkerId,
    worker: ActorId,
    pool: ActorId,
    levels: Levels,
    target: Target,
    /// Boots ordered that have neither ended nor failed.
    on_order: u32,
    /// Failed boots that are not ordered again before the back-off ends.
    held: u32,
    measures_lead: bool,
    /// The last boot failed.
    failing: bool,
    backing_off: bool,
    cancelling: bool,
    /// The host is down.
    suspended: bool,
    /// What the Worker says that orders wait for.
    orders_wait: Option<Cause>,
    /// The refill policy allowed less than was missing.
    refill_holds: bool,
    /// What the Pool was told that holds boots up.
    told: Option<Cause>,
    /// Sprites come back after use: what is ready beyond the depth has its own greatest age and is not given
    /// up.
    returns: bool,
    /// Depth and waiting requests at the last decision: only when their sum falls can orders be too many.
    wanted: i64,
    depth: Box<dyn depth::Controller>,
    refill: Box<dyn refill::Controller>,
    lead: LeadTime,
    backoff: BackoffState,
    depth_at: Option<Time>,
    refill_at: Option<Time>,
}

impl Refiller {
    /// The Refiller of a pool on the worker whose actor is `worker`.
    pub(crate) fn new(
        worker_id: WorkerId,
        worker: ActorId,
        policy: &PoolPolicy,
        sprite: &SpritePolicy,
        epoch: WallClock,
    ) -> Self {
        let depth = policy.depth.controller(epoch);
        let measures_lead = depth.needs_lead_time();
        let refill = policy.refill.controller();
        let backoff = BackoffState::new(policy.backoff);
        Self {
            worker_id,
            worker,
            pool: ActorId::OUTSIDE,
            refill,
            depth,
            lead: LeadTime::default(),
            backoff,
            measures_lead,
            failing: false,
            returns: sprite.after_use == AfterUse::Return,
            levels: Levels::default(),
            target: Target::default(),
            on_order: 0,
            held: 0,
            backing_off: false,
            wanted: 0,
            cancelling: false,
            suspended: false,
            orders_wait: None,
            refill_holds: false,
            told: None,
            depth_at: None,
            refill_at: None,
        }
    }

    /// Ready and on their way, less what is promised to requests that wait.
    fn position(&self) -> i64 {
        let incoming = i64::from(self.on_order) + i64::from(self.held);
        i64::from(self.levels.ready) + incoming - i64::from(self.levels.waiting)
    }

    /// The host is back and empty: what was ordered or held back before is gone with it.
    fn resume(&mut self, cx: &mut Context<impl Backend>, levels: Levels) {
        (self.suspended, self.cancelling) = (false, false);
        (self.on_order, self.held, self.wanted) = (0, 0, 0);
        (self.orders_wait, self.refill_holds, self.told) = (None, false, None);
        self.levels = levels;
        self.lead.orders.clear();
        if std::mem::take(&mut self.backing_off) {
            cx.disarm(Timer::Backoff);
        }
        self.no_longer_failing(cx);
    }

    fn look_at_depth(&mut self, cx: &mut Context<impl Backend>) {
        let view =
            View { now: cx.now(), levels: self.levels, on_order: self.on_order, lead_time: self.lead.mean };
        let target = self.depth.target(&view);
        if target != self.target {
            cx.observe(Observation::Target { worker: self.worker_id, was: self.target, is: target });
            if target.depth != self.target.depth {
                cx.send(self.pool, ToPool::Aims { depth: target.depth });
            }
            self.target = target;
        }
        rearm(cx, Timer::Depth, &mut self.depth_at, self.depth.changes_at());
    }

    /// Orders what is missing, or gives up what is too much.
    fn decide(&mut self, cx: &mut Context<impl Backend>) {
        if self.suspended {
            return;
        }
        self.look_at_depth(cx);
        let position = self.position();
        let depth = i64::from(self.target.depth);
        let deficit =
            if position <= i64::from(self.target.reorder_at) { (depth - position).max(0) as u32 } else { 0 };
        // Nobody waits without a boot on its way: such orders are not the refill policy's to hold back.
        let incoming = self.on_order + self.held;
        let urgent = self.levels.waiting.saturating_sub(incoming);
        let deficit = deficit.max(urgent);
        let mut spare = deficit - urgent;
        if spare > 0 {
            spare = self.refill.allow(cx.now(), spare, self.levels.ready);
        }
        self.refill_holds = urgent + spare < deficit;
        let again_at = if self.refill_holds { self.refill.again_at() } else { None };
        rearm(cx, Timer::Refill, &mut self.refill_at, again_at);
        if self.measures_lead && urgent + spare > 0 {
            self.lead.ordered(cx.now(), urgent + spare);
        }
        self.order(cx, urgent, spare);

        let wanted = depth + i64::from(self.levels.waiting);
        let fell = wanted < self.wanted;
        self.wanted = wanted;
        if position > depth {
            self.give_up(cx, (position - depth) as u32, fell);
        }
        self.tell_what_holds_up(cx);
    }

    fn tell_what_holds_up(&mut self, cx: &mut Context<impl Backend>) {
        let cause = if self.held > 0 {
            Some(Cause::BootsFail)
        } else if self.orders_wait.is_some() {
            self.orders_wait
        } else {
            self.refill_holds.then_some(Cause::RefillHolds)
        };
        if cause != self.told {
            self.told = cause;
            cx.send(self.pool, ToPool::HeldUp(cause));
        }
    }

    fn order(&mut self, cx: &mut Context<impl Backend>, urgent: u32, spare: u32) {
        let ordered = urgent + spare;
        if ordered == 0 {
            return;
        }
        self.on_order += ordered;
        let (worker, position, depth) = (self.worker_id, self.position(), self.target.depth);
        cx.observe(Observation::Position { worker, position, depth, ordered });
        cx.send(self.worker, ToWorker::Order { pool: self.pool, urgent, spare });
    }

    /// First withdraws orders that have not begun, then gives up ready Sprites.
    fn give_up(&mut self, cx: &mut Context<impl Backend>, surplus: u32, fell: bool) {
        if self.cancelling {
            return;
        }
        if fell && self.on_order > 0 {
            self.cancelling = true;
            cx.send(self.worker, ToWorker::Cancel { count: surplus.min(self.on_order) });
        } else if !self.returns && self.levels.ready > self.target.depth {
            let keep = (self.levels.ready - surplus.min(self.levels.ready)).max(self.target.depth);
            cx.send(self.pool, ToPool::Shrink { keep });
        }
    }

    /// A take comes while the refill policy's timer is late: what it allows by now is ordered as before the
    /// take, as on an exact clock.
    fn catch_up(&mut self, cx: &mut Context<impl Backend>) {
        if self.refill_at.is_some_and(|at| at <= cx.now()) {
            self.decide(cx);
        }
    }

    /// The run begins. Before the first request nothing competes with the boots of a full beginning, so no
    /// policy holds them back, and how long they take tells nothing of later ones.
    fn begin(&mut self, cx: &mut Context<impl Backend>, begin: Begin) {
        self.pool = cx.sender();
        match begin {
            Begin::Full => {
                self.look_at_depth(cx);
                self.wanted = i64::from(self.target.depth);
                self.order(cx, 0, self.target.depth);
            }
            Begin::Empty => self.decide(cx),
        }
    }

    fn cancelled(&mut self, count: u32) {
        self.cancelling = false;
        self.on_order = self.on_order.saturating_sub(count);
        if self.measures_lead {
            self.lead.cancelled(count);
        }
    }

    fn boot_succeeded(&mut self, cx: &mut Context<impl Backend>) {
        self.on_order = self.on_order.saturating_sub(1);
        if self.measures_lead {
            self.lead.ended(cx.now());
        }
        self.no_longer_failing(cx);
    }

    fn no_longer_failing(&mut self, cx: &mut Context<impl Backend>) {
        if std::mem::take(&mut self.failing) {
            self.backoff.succeeded();
            cx.observe(Observation::BootsFailing { worker: self.worker_id, streak: 0 });
        }
    }

    fn boot_failed(&mut self, cx: &mut Context<impl Backend>) {
        self.on_order = self.on_order.saturating_sub(1);
        self.held += 1;
        if self.measures_lead {
            self.lead.forget_first();
        }
        self.failing = true;
        let wait = self.backoff.failed(cx.rng());
        cx.observe(Observation::BootsFailing { worker: self.worker_id, streak: self.backoff.streak() });
        if !self.backing_off {
            self.backing_off = true;
            cx.arm(Timer::Backoff, wait);
        }
        self.tell_what_holds_up(cx);
    }
}

impl Refiller {
    /// Handles one message.
    pub(crate) fn handle(&mut self, cx: &mut Context<impl Backend>, message: ToRefiller) {
        match message {
            ToRefiller::Begin(begin) => return self.begin(cx, begin),
            ToRefiller::Demand { found, levels } => {
                self.catch_up(cx);
                self.levels = levels;
                self.depth.demand(cx.now(), found == Found::Nothing);
                if found == Found::Ready {
                    self.refill.taken(cx.now());
                }
            }
            ToRefiller::Booted { levels } => {
                self.levels = levels;
                self.boot_succeeded(cx);
            }
            ToRefiller::BootFailed => return self.boot_failed(cx),
            ToRefiller::Taken { levels } => {
                self.catch_up(cx);
                self.levels = levels;
                self.refill.taken(cx.now());
            }
            ToRefiller::Changed { levels } => self.levels = levels,
            ToRefiller::OrdersWait(cause) => {
                self.orders_wait = cause;
                return self.tell_what_holds_up(cx);
            }
            ToRefiller::Suspended => {
                self.suspended = true;
                return;
            }
            ToRefiller::Resumed { levels } => self.resume(cx, levels),
            ToRefiller::Cancelled { count } => self.cancelled(count),
        }
        self.decide(cx);
    }

    /// A timer has fired.
    pub(crate) fn fired(&mut self, cx: &mut Context<impl Backend>, timer: Timer) {
        match timer {
            Timer::Depth => self.depth_at = None,
            Timer::Refill => self.refill_at = None,
            Timer::Backoff => {
                self.backing_off = false;
                self.held = 0;
            }
            Timer::Deadline(_) | Timer::Age | Timer::Idle => return,
        }
        self.decide(cx);
    }
}

/// Arms, moves or disarms a timer so that it fires at `wanted`.
fn rearm(cx: &mut Context<impl Backend>, timer: Timer, armed: &mut Option<Time>, wanted: Option<Time>) {
    if *armed == wanted {
        return;
    }
    match wanted {
        Some(at) => cx.arm(timer, at.since(cx.now())),
        None => cx.disarm(timer),
    }
    *armed = wanted;
}

/// From order to ready, as a moving average over recent boots (each new one weighs an eighth). Boots are
/// taken to end in the order in which they were ordered, which keeps the mean exact though not each pair.
#[derive(Debug, Default)]
struct LeadTime {
    orders: VecDeque<(Time, u32)>,
    mean: Option<Duration>,
}

impl LeadTime {
    fn ordered(&mut self, now: Time, count: u32) {
        self.orders.push_back((now, count));
    }

    fn ended(&mut self, now: Time) {
        let Some(ordered) = self.forget_first() else { return };
        let took = now.since(ordered);
        self.mean = Some(match self.mean {
            None => took,
            Some(mean) => Duration::from_nanos(mean.as_nanos() - mean.as_nanos() / 8 + took.as_nanos() / 8),
        });
    }

    fn forget_first(&mut self) -> Option<Time> {
        let (at, count) = self.orders.front_mut()?;
        let at = *at;
        *count -= 1;
        if *count == 0 {
            self.orders.pop_front();
        }
        Some(at)
    }

    fn cancelled(&mut self, mut count: u32) {
        while count > 0 {
            let Some((_, last)) = self.orders.back_mut() else { return };
            let gone = count.min(*last);
            *last -= gone;
            count -= gone;
            if *last == 0 {
                self.orders.pop_back();
            }
        }
    }
}
