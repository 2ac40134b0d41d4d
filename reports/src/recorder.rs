//! Keeps the books of a run: an observer of the actors whose memory and time per observation do not grow with
//! the run.
//!
//! Per request there are about eight observations, and runs have 100 million requests: so an observation adds
//! to a few fixed tables and nothing else. Levels are integrated over time without a look back (see
//! `integral.rs`), and what has to happen at a certain time (a bin ends, the warm-up ends) waits for one
//! comparison per observation.

use actors::protocol::Target;
use actors::{Cause, Observation, Observer, OperationKind, Outcome, Request, State, Time};

use crate::causes::CauseBooks;
use crate::empty_periods::EmptyPeriods;
use crate::integral::Integral;
use crate::latency::LatencyRecorder;
use crate::mark::Mark;
use crate::outcomes::is_miss;
use crate::peak::Peak;
use crate::run_metadata::RunMetadata;
use crate::scope::{RequestEnd, Scopes};
use crate::series::{LevelSums, Series};
use crate::strip::Strips;
use crate::workers::{NEVER, Turn, Worker};

/// At most so many outages of hosts are marked in plots; all are counted.
const OUTAGES: usize = 40;

/// Keeps the books of a run. Call [`Observer::opened`] when the pools are filled, [`Self::finish`] when the
/// run is over.
pub struct Recorder {
    pub(crate) run: RunMetadata,
    /// Absolute time of t = 0; before the opening [`NEVER`], so that every time before it is t = 0.
    pub(crate) origin: u64,
    now: u64,
    /// When the books next need more than an addition.
    due: u64,
    pub(crate) counted_from: u64,
    pub(crate) fleet: Fleet,
    pub(crate) workers: Vec<Worker>,
    pub(crate) series: Series,
    pub(crate) strips: Strips,
    pub(crate) latency: LatencyRecorder,
    pub(crate) counts: Counts,
    pub(crate) totals: Totals,
    pub(crate) outages: Vec<Mark>,
    pub(crate) empty_periods: EmptyPeriods,
    pub(crate) peak: Peak,
    pub(crate) scopes: Scopes,
    pub(crate) causes: CauseBooks,
    /// When the last request arrived.
    pub(crate) arrived_last: u64,
    spike_begin: u64,
    spike_end: u64,
    watch_empty: bool,
    /// What happens to Sprites and hosts is no part of the run any more.
    is_closed: bool,
}

/// The fleet's levels.
pub(crate) struct Fleet {
    pub(crate) classes: [Integral; Class::COUNT],
    target: Integral,
    pub(crate) waiting: Integral,
}

/// Events since the end of the warm-up.
#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) arrived: u64,
    pub(crate) boots: u64,
    pub(crate) boots_failed: u64,
    pub(crate) wakes: u64,
    pub(crate) lost: u64,
    pub(crate) starts_refused: u64,
    pub(crate) sleeps_refused: u64,
    pub(crate) wakes_refused: u64,
    pub(crate) streak: u32,
    pub(crate) hosts_down: u64,
    pub(crate) ready_least: u64,
    pub(crate) in_use_most: u64,
    pub(crate) waiting_most: u64,
    /// Slots held now, and the most at once.
    pub(crate) held: i64,
    pub(crate) held_most: i64,
}

/// Integrals of the fleet's levels since the end of the warm-up, in level times nanoseconds.
#[derive(Default)]
pub(crate) struct Totals {
    pub(crate) ready: u128,
    pub(crate) target: u128,
    pub(crate) booting: u128,
    pub(crate) in_use: u128,
    pub(crate) asleep: u128,
    pub(crate) stopping: u128,
}

/// What the states of a Sprite's life are to the books.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Class {
    Gone,
    Booting,
    Ready,
    InUse,
    Asleep,
    Stopping,
}

impl Class {
    const COUNT: usize = 6;

    /// By a table, for this is asked twice per observation.
    #[inline]
    const fn of(state: State) -> Self {
        const OF_STATE: [Class; State::COUNT] = {
            let mut classes = [Class::Gone; State::COUNT];
            let mut index = 0;
            while index < State::COUNT {
                classes[index] = Class::new(State::ALL[index]);
                index += 1;
            }
            classes
        };
        OF_STATE[state as usize]
    }

    const fn holds_slot(self) -> bool {
        matches!(self, Self::Booting | Self::Ready | Self::InUse | Self::Stopping)
    }

    const fn new(state: State) -> Self {
        match state {
            State::Stopped | State::Failed => Self::Gone,
            State::Booting => Self::Booting,
            State::Ready => Self::Ready,
            State::Starting | State::Running | State::Idle | State::Waking => Self::InUse,
            State::Asleep => Self::Asleep,
            State::Stopping => Self::Stopping,
        }
    }
}

impl Fleet {
    #[inline]
    pub(crate) fn class(&self, class: Class) -> &Integral {
        &self.classes[class as usize]
    }

    fn settle(&mut self, t: u64) -> LevelSums {
        let mut class = |class: Class| self.classes[class as usize].settle(t);
        LevelSums {
            ready: class(Class::Ready),
            booting: class(Class::Booting),
            in_use: class(Class::InUse),
            asleep: class(Class::Asleep),
            stopping: class(Class::Stopping),
            target: self.target.settle(t),
            waiting: self.waiting.settle(t),
        }
    }
}

impl Recorder {
    /// The books of a run that has not begun.
    pub fn new(run: RunMetadata) -> Self {
        let planned = run.planned.map(|planned| planned.as_nanos());
        let workers = run.workers.len();
        let strips = Strips::new(workers, planned);
        Self {
            origin: NEVER,
            now: 0,
            due: NEVER,
            counted_from: NEVER,
            fleet: Fleet {
                classes: [Integral::default(); Class::COUNT],
                target: Integral::default(),
                waiting: Integral::default(),
            },
            workers: (0..workers)
                .map(|worker| Worker::new(run.capacity.get(worker).map(|it| it.slots)))
                .collect(),
            series: Series::new(planned),
            causes: CauseBooks::new(workers, strips.width),
            strips,
            latency: LatencyRecorder::new(planned),
            counts: Counts::default(),
            totals: Totals::default(),
            outages: Vec::with_capacity(OUTAGES),
            empty_periods: EmptyPeriods::default(),
            peak: Peak::new(),
            scopes: Scopes::new(
                run.gates.iter().map(|gate| gate.scope()).filter(|scope| !scope.is_all()),
                &run.workers,
            ),
            arrived_last: 0,
            spike_begin: run.spike_begin.map_or(NEVER, Time::as_nanos),
            spike_end: run.spike_end.map_or(NEVER, Time::as_nanos),
            watch_empty: run.spike_end.is_none(),
            is_closed: false,
            run,
        }
    }

    /// The time since the opening. It never goes back, even where a host's threads report out of order.
    #[inline]
    pub(crate) fn tick(&mut self, at: Time) -> u64 {
        let t = at.as_nanos().saturating_sub(self.origin).max(self.now);
        if t >= self.due {
            self.turn(t);
        }
        self.now = t;
        t
    }

    /// Whether what happens at `t` is counted.
    #[inline]
    fn counts_at(&self, t: u64) -> bool {
        t >= self.counted_from
    }

    /// Does what has fallen due up to `t`, in order.
    #[cold]
    #[inline(never)]
    fn turn(&mut self, t: u64) {
        self.series.fit(t);
        self.strips.fit(t);
        self.causes.fit(self.strips.width);
        self.latency.fit(t);
        self.set_due();
        while self.due <= t {
            let due = self.due;
            self.settle_fleet(due);
            if due == self.strips.due() {
                self.settle_workers(due);
                self.strips.close();
            }
            if due == self.counted_from {
                self.settle_workers(due);
                self.begin_counting(due);
            }
            self.scopes.reach(due, self.counted_from);
            if due == self.spike_begin {
                self.settle_workers(due);
            }
            if due == self.spike_end {
                self.workers.iter_mut().for_each(|worker| worker.recover_from(due));
            }
            if due == self.series.due() {
                self.series.close(self.fleet.class(Class::Ready).count(), self.fleet.waiting.count());
            }
            if due == self.latency.due() {
                self.latency.close(due);
            }
            self.set_due_after(due);
        }
    }

    fn set_due(&mut self) {
        self.set_due_after(self.now);
        if self.spike_end == 0 && self.now == 0 {
            self.due = 0;
        }
    }

    fn set_due_after(&mut self, now: u64) {
        let fixed =
            [self.counted_from, self.spike_begin, self.spike_end].into_iter().filter(|time| *time > now);
        let moving = [self.series.due(), self.strips.due(), self.latency.due()];
        let edges = self.scopes.edges().filter(|time| *time > now);
        self.due = fixed.chain(moving).chain(edges).min().unwrap_or(NEVER);
    }

    fn begin_counting(&mut self, t: u64) {
        self.counts.ready_least = self.fleet.class(Class::Ready).count();
        self.counts.in_use_most = self.fleet.class(Class::InUse).count();
        self.counts.waiting_most = self.fleet.waiting.count();
        self.counts.held_most = self.counts.held;
        self.empty_periods.begin(t);
        self.causes.begin(t);
        let watch = self.watch_empty;
        for worker in &mut self.workers {
            worker.settle(t);
            worker.begin(t, watch);
        }
    }

    pub(crate) fn settle_fleet(&mut self, t: u64) {
        let sums = self.fleet.settle(t);
        self.series.open_bin().levels.add(&sums);
        if t > self.counted_from {
            self.totals.ready += u128::from(sums.ready);
            self.totals.target += u128::from(sums.target);
            self.totals.booting += u128::from(sums.booting);
            self.totals.in_use += u128::from(sums.in_use);
            self.totals.asleep += u128::from(sums.asleep);
            self.totals.stopping += u128::from(sums.stopping);
        }
    }

    pub(crate) fn settle_workers(&mut self, t: u64) {
        let counted = t > self.counted_from;
        self.causes.settle(t, counted);
        // Where there is no spike, whatever was before a pool ran empty is usual.
        let usual = if self.watch_empty { true } else { self.spike_begin != NEVER && t <= self.spike_begin };
        for (index, worker) in self.workers.iter_mut().enumerate() {
            let stretch = worker.settle(t);
            self.strips.add(index, stretch);
            if counted {
                worker.counted.add(stretch);
                if usual {
                    worker.is_usual(t - self.counted_from);
                }
            }
        }
    }

    #[inline]
    fn arrived(&mut self, worker: usize, at: Time) {
        if self.origin == NEVER {
            return;
        }
        let arrived = at.as_nanos().saturating_sub(self.origin);
        self.series.arrived(arrived);
        self.arrived_last = self.arrived_last.max(arrived);
        if self.counts_at(arrived) {
            self.counts.arrived += 1;
            self.peak.arrived(arrived);
            self.strips.arrived(worker, arrived);
            if let Some(worker) = self.workers.get_mut(worker) {
                worker.requests += 1;
            }
        }
    }

    #[inline]
    fn ended(&mut self, t: u64, worker: u32, request: Request, (outcome, cause): (Outcome, Option<Cause>)) {
        if self.origin == NEVER {
            return;
        }
        let arrived = request.arrived.as_nanos().saturating_sub(self.origin);
        let latency = t.saturating_sub(arrived);
        self.series.ended(arrived, outcome, latency);
        if self.counts_at(arrived) {
            self.latency.record(outcome, latency);
            if is_miss(outcome) {
                self.causes.missed(arrived, worker as usize, outcome, request.missed, cause);
            }
            if !self.scopes.is_empty() {
                let end = RequestEnd { id: request.id, outcome, causes: [request.missed, cause] };
                self.scopes.ended(worker, arrived, latency, &end);
            }
            // A miss may end with a neighbour, so misses are what is left of the arrivals. All else ends
            // where it arrived.
            if !is_miss(outcome)
                && let Some(worker) = self.workers.get_mut(worker as usize)
            {
                worker.at_once += 1;
            }
        }
    }

    #[inline(always)]
    fn sprite(&mut self, t: u64, worker: usize, was: State, is: State) {
        let (from, to) = (Class::of(was), Class::of(is));
        if is == State::Waking || is == State::Failed {
            self.sprite_is_rare(t, was, is);
        }
        if from == to {
            return;
        }
        self.fleet.classes[from as usize].fall(t);
        self.fleet.classes[to as usize].rise(t);
        if !self.scopes.is_empty() {
            self.tell_scopes(t, worker as u32, from, to);
        }
        if let Some(books) = self.workers.get_mut(worker) {
            let is = |class: Class| (i64::from(class == Class::Booting), i64::from(class.holds_slot()));
            let ((booting, held), (booted, freed)) = (is(to), is(from));
            books.holds(t, booting - booted, held - freed);
            self.counts.held += held - freed;
            self.counts.held_most = self.counts.held_most.max(self.counts.held);
        }
        let counted = self.counts_at(t);
        match to {
            Class::Ready => {
                if let Some(books) = self.workers.get_mut(worker) {
                    let turn = books.gains(t);
                    self.turned(t, worker, turn);
                }
            }
            Class::Booting if counted => {
                self.counts.boots += 1;
                if let Some(worker) = self.workers.get_mut(worker) {
                    worker.boots += 1;
                }
            }
            Class::InUse => {
                self.counts.in_use_most = self.counts.in_use_most.max(self.fleet.class(Class::InUse).count());
            }
            _ => {}
        }
        if from == Class::Ready {
            self.ready_falls(t, worker, self.watch_empty && counted);
        }
    }

    /// What scopes hear of a Sprite.
    fn tell_scopes(&mut self, t: u64, worker: u32, from: Class, to: Class) {
        if to == Class::Ready {
            self.scopes.ready(t, worker, 1);
        } else if from == Class::Ready {
            self.scopes.ready(t, worker, -1);
        }
        if to == Class::Booting {
            self.scopes.boots(worker);
        }
    }

    /// A Sprite is woken or fails.
    fn sprite_is_rare(&mut self, t: u64, was: State, is: State) {
        if self.counts_at(t) {
            self.counts.wakes += u64::from(is == State::Waking);
            self.counts.boots_failed += u64::from(is == State::Failed && was == State::Booting);
            self.counts.lost += u64::from(is == State::Failed && Class::of(was) > Class::Booting);
        }
    }

    #[inline]
    fn ready_falls(&mut self, t: u64, worker: usize, watch: bool) {
        let ready = self.fleet.class(Class::Ready).count();
        let bin = self.series.open_bin();
        bin.ready_least = bin.ready_least.min(ready);
        self.counts.ready_least = self.counts.ready_least.min(ready);
        if let Some(books) = self.workers.get_mut(worker) {
            let turn = books.loses(t, watch);
            self.turned(t, worker, turn);
        }
    }

    /// A pool became empty, or is no longer.
    #[inline]
    fn turned(&mut self, t: u64, worker: usize, turn: Option<Turn>) {
        let by = match turn {
            None => return,
            Some(Turn::Emptied) => {
                self.empty_periods.rises(t);
                1
            }
            Some(Turn::Filled) => {
                self.empty_periods.falls(t);
                -1
            }
        };
        self.scopes.empty(t, worker as u32, by);
        self.causes.turns(t, worker, by > 0);
    }

    fn target(&mut self, t: u64, worker: usize, was: Target, is: Target) {
        self.fleet.target.change(t, i64::from(is.depth) - i64::from(was.depth));
        if let Some(books) = self.workers.get_mut(worker) {
            let turn = books.aims(t, was, is);
            self.turned(t, worker, turn);
        }
    }

    fn refused(&mut self, t: u64, kind: OperationKind) {
        let count = match kind {
            OperationKind::Start => &mut self.counts.starts_refused,
            OperationKind::Sleep => &mut self.counts.sleeps_refused,
            OperationKind::Wake => &mut self.counts.wakes_refused,
            // A refused boot has failed, and of a refused end nothing is left to count.
            OperationKind::Boot
            | OperationKind::Create
            | OperationKind::Run
            | OperationKind::Stop
            | OperationKind::Detach => return,
        };
        *count += u64::from(t >= self.counted_from);
    }

    fn waiting(&mut self, t: u64, was: u32, is: u32) {
        self.fleet.waiting.change(t, i64::from(is) - i64::from(was));
        let waiting = self.fleet.waiting.count();
        let bin = self.series.open_bin();
        bin.waiting_most = bin.waiting_most.max(waiting);
        self.counts.waiting_most = self.counts.waiting_most.max(waiting);
    }

    fn host(&mut self, t: u64, worker: u32, up: bool) {
        let label = format!("worker {worker} down");
        let seconds = t as f64 / 1e9;
        if up {
            let open = self.outages.iter_mut().rev().find(|mark| mark.to_s.is_none() && mark.label == label);
            if let Some(mark) = open {
                mark.to_s = Some(seconds);
            }
            return;
        }
        self.counts.hosts_down += u64::from(self.counts_at(t));
        if self.outages.len() < OUTAGES {
            self.outages.push(Mark { from_s: seconds, to_s: None, label });
        }
    }
}

impl Observer for Recorder {
    /// This moment is t = 0 of every report. Before it pools are filled, and only levels are followed.
    fn opened(&mut self, at: Time) {
        self.origin = at.as_nanos();
        self.counted_from = self.run.warmup.as_nanos();
        self.series.open(self.fleet.class(Class::Ready).count(), self.fleet.waiting.count());
        // How pools were filled is no part of what they held least.
        for worker in &mut self.workers {
            worker.settle(0);
        }
        if self.counted_from == 0 {
            self.begin_counting(0);
            self.scopes.reach(0, 0);
        }
        self.set_due();
    }

    fn closed(&mut self, _at: Time) {
        self.is_closed = true;
    }

    #[inline(always)]
    fn observe(&mut self, at: Time, observation: Observation) {
        let t = self.tick(at);
        match observation {
            Observation::Sprite { .. } | Observation::Host { .. } if self.is_closed => {}
            Observation::Sprite { worker, was, is, .. } => self.sprite(t, worker.index(), was, is),
            Observation::Arrived { worker, request } => {
                if !self.scopes.is_empty() {
                    self.scopes.arrived(worker.0, request.id);
                }
                self.arrived(worker.index(), request.arrived)
            }
            Observation::Ended { worker, request, outcome, cause } => {
                self.ended(t, worker.0, request, (outcome, cause))
            }
            Observation::Target { worker, was, is } => self.target(t, worker.index(), was, is),
            Observation::Waiting { was, is, .. } => self.waiting(t, was, is),
            Observation::BootsFailing { streak, .. } => {
                if self.counts_at(t) {
                    self.counts.streak = self.counts.streak.max(streak);
                }
            }
            Observation::Refused { kind, .. } => self.refused(t, kind),
            Observation::Host { worker, up } => self.host(t, worker.0, up),
            Observation::Empty { worker, is, .. } => {
                let is_empty = self.workers.get(worker.index()).is_some_and(Worker::is_empty);
                // Before any boot has been counted, no time is too long.
                let boots = u128::from(self.counts.boots);
                let boot_ns = self.totals.booting.checked_div(boots).filter(|ns| *ns > 0);
                let boot_ns = boot_ns.and_then(|ns| u64::try_from(ns).ok()).unwrap_or(u64::MAX);
                self.causes.says(t, worker.index(), (is, is_empty), boot_ns);
            }
            Observation::Position { .. } | Observation::Making { .. } => {}
        }
    }
}
