//! Reads from observations how long operations took, as a simulation would have to draw it: each as an
//! interval, and for each how many others were under way when it began, and for how long none had been.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::ops::AddAssign;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actors::{ActorId, Duration, Observation, Observer, OperationKind, Outcome, State, Time};

/// What is measured. `Timer` is how late a timer was, `Overhead` what the runtime adds to a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// How long starts that are asked for at one instant come after each other.
    Spacing,
    /// From a request's time to its end, where it was served warm.
    Start,
    /// From its order to the ready Sprite.
    Boot,
    /// The same for a cold create.
    Create,
    /// Put to sleep.
    Sleep,
    /// Brought back.
    Wake,
    /// From its order to the free slot.
    Stop,
    /// How late the runtime's timers are.
    Timer,
    /// What the runtime adds to a start: from the request to the start, and from its end to the observation.
    Overhead,
}

impl Operation {
    /// The name in files and tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Spacing => "spacing",
            Self::Start => "start",
            Self::Boot => "boot",
            Self::Create => "create",
            Self::Sleep => "sleep",
            Self::Wake => "wake",
            Self::Stop => "stop",
            Self::Timer => "timer",
            Self::Overhead => "overhead",
        }
    }

    /// Whether it is done in the background: such operations are slowed down by each other.
    const fn in_background(self) -> bool {
        matches!(self, Self::Stop | Self::Sleep)
    }

    /// Whether it is work of the host, as a simulation knows it.
    const fn is_work(self) -> bool {
        !matches!(self, Self::Spacing | Self::Timer | Self::Overhead)
    }

    /// Whether it counts as under way for others, as in a simulation.
    const fn counts(self) -> bool {
        matches!(self, Self::Boot | Self::Create) || self.in_background()
    }
}

/// One operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Interval {
    /// What.
    pub(super) operation: Operation,
    /// When it began.
    pub(super) began: Time,
    /// When it was over.
    pub(super) ended: Time,
    /// Of a start, its place among all starts.
    pub(super) place: Option<usize>,
}

/// What else the host did when an operation began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Beside {
    /// Operations under way that count for it.
    pub(super) under_way: usize,
    /// For how long nothing had been.
    pub(super) idle: Duration,
}

/// See the [module](self). Lifetimes of the scenario must all be the same, for timers to be judged.
#[derive(Debug, Default)]
pub(super) struct Stopwatch {
    lifetime: Option<Duration>,
    creates: bool,
    opened: bool,
    /// When each Sprite entered its state.
    entered: BTreeMap<u32, Time>,
    intervals: Vec<Interval>,
    /// When starts and wakes were asked for, in this order.
    starts: Vec<Time>,
    /// The place of each Sprite's last start.
    places: BTreeMap<u32, usize>,
    /// Boots that ended, and those of them that failed.
    boots: (u64, u64),
    /// Requests by how they ended.
    outcomes: BTreeMap<Outcome, u64>,
    /// The request that has just ended: when it came, if it was served warm.
    served: Option<Time>,
    log: Arc<Log>,
}

/// Requests that came at one instant.
#[derive(Clone, Copy, Debug)]
pub(super) struct Crowd {
    /// When.
    began: Time,
    /// Until when the host was busy with their starts.
    ended: Time,
    /// From one start to the next.
    pub(super) spacing: Duration,
}

/// When starts kept the host busy, as a simulation reckons it: one after the other, each for a while.
#[derive(Debug, Default)]
pub(super) struct Busy {
    /// From when, until when, and for how long before that; by time.
    spans: Vec<(Time, Time, Duration)>,
    /// How long each start waited for those before it.
    waits: Vec<Duration>,
}

impl Busy {
    fn starts(&mut self, at: Time, spacing: Duration) {
        match self.spans.last_mut() {
            Some((_, until, _)) if *until >= at => {
                self.waits.push(until.since(at));
                *until = *until + spacing;
            }
            _ => {
                self.waits.push(Duration::ZERO);
                self.spans.push((at, at + spacing, self.by(at)));
            }
        }
    }

    /// For how long it was busy by this time.
    fn by(&self, time: Time) -> Duration {
        let after = self.spans.partition_point(|(from, ..)| *from <= time);
        let Some(&(from, until, before)) = after.checked_sub(1).and_then(|last| self.spans.get(last)) else {
            return Duration::ZERO;
        };
        before + time.min(until).since(from)
    }

    /// How much of an operation's time is due to starts: what a start waited for those before it, and what a
    /// boot lost, of which this part is lost while the host is busy.
    pub(super) fn share(&self, interval: &Interval, lost: f64) -> Duration {
        match (interval.operation, interval.place) {
            (Operation::Start, Some(place)) => self.waits.get(place).copied().unwrap_or_default(),
            (Operation::Boot, _) => {
                let busy = self.by(interval.ended).as_nanos() - self.by(interval.began).as_nanos();
                Duration::from_nanos(busy).scaled(lost)
            }
            _ => Duration::ZERO,
        }
    }
}

/// A mean that values are added to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mean {
    sum: f64,
    count: u32,
}

impl Mean {
    /// Adds one value.
    pub(super) fn add(&mut self, value: f64) {
        self.sum += value;
        self.count += 1;
    }

    /// The mean of what was added; `None` where nothing was.
    pub(super) fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / f64::from(self.count))
    }
}

impl AddAssign for Mean {
    fn add_assign(&mut self, other: Self) {
        self.sum += other.sum;
        self.count += other.count;
    }
}

/// What the machines themselves took, without the runtime.
#[derive(Debug, Default)]
pub(super) struct Log {
    starts: Mutex<BTreeMap<u32, Duration>>,
    sleeps: Mutex<Vec<Duration>>,
}

impl Log {
    /// An operation has taken so long.
    pub(super) fn note(&self, sprite: ActorId, kind: OperationKind, took: Duration) {
        match kind {
            OperationKind::Start => drop(lock(&self.starts).insert(sprite.0, took)),
            OperationKind::Sleep => lock(&self.sleeps).push(took),
            _ => {}
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A figure is noted whole or not at all.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Stopwatch {
    /// For a scenario whose Sprites are all used for so long, and where what is made is a boot or a cold
    /// create; `log` tells what its machines took.
    pub(super) fn new(lifetime: Option<Duration>, creates: bool, log: Arc<Log>) -> Self {
        Self { lifetime, creates, log, ..Self::default() }
    }

    /// How many requests ended so.
    pub(super) fn ended(&self, outcome: Outcome) -> u64 {
        self.outcomes.get(&outcome).copied().unwrap_or(0)
    }

    fn add(&mut self, operation: Operation, began: Time, ended: Time) {
        self.intervals.push(Interval { operation, began, ended, place: None });
    }

    /// A start is over. Those that had to wait for their Sprite are no figure.
    fn started(&mut self, sprite: u32, ended: Time) {
        let Some(arrived) = self.served.take() else { return };
        let place = self.places.get(&sprite).copied();
        self.intervals.push(Interval { operation: Operation::Start, began: arrived, ended, place });
        let took = lock(&self.log.starts).remove(&sprite);
        if let Some(took) = took {
            self.add(Operation::Overhead, (arrived + took).min(ended), ended);
        }
    }

    fn changed(&mut self, at: Time, ActorId(sprite): ActorId, was: State, is: State) {
        if matches!(is, State::Starting | State::Waking) && self.opened {
            self.places.insert(sprite, self.starts.len());
            self.starts.push(at);
        }
        let Some(began) = self.entered.insert(sprite, at) else { return };
        if was == State::Booting {
            self.boots = (self.boots.0 + 1, self.boots.1 + u64::from(is == State::Failed));
        }
        if is == State::Failed || !self.opened {
            return;
        }
        match was {
            State::Booting => {
                let operation = if self.creates { Operation::Create } else { Operation::Boot };
                self.add(operation, began, at);
            }
            State::Waking => self.add(Operation::Wake, began, at),
            State::Stopping => self.add(Operation::Stop, began, at),
            State::Running => {
                if let Some(lifetime) = self.lifetime {
                    self.add(Operation::Timer, began + lifetime, at);
                }
            }
            State::Starting => self.started(sprite, at),
            _ => {}
        }
    }

    /// Boots that ended, and those of them that failed.
    pub(super) fn boots(&self) -> (u64, u64) {
        self.boots
    }

    /// Groups of so many requests that came at one instant and were all served warm, by time. If a start
    /// takes `alone` by itself and the k-th of them begins `k - 1` spacings after the first, their mean
    /// latency gives the spacing.
    pub(super) fn crowds(&self, size: u32, alone: Duration) -> Vec<Crowd> {
        let mut groups: BTreeMap<Time, Mean> = BTreeMap::new();
        for start in self.intervals.iter().filter(|interval| interval.operation == Operation::Start) {
            groups.entry(start.began).or_default().add(start.ended.since(start.began).as_nanos() as f64);
        }
        let whole = groups.into_iter().filter(|(_, latencies)| latencies.count == size && size > 1);
        whole
            .filter_map(|(began, latencies)| {
                let waited = (latencies.mean()? - alone.as_nanos() as f64).max(0.0);
                let spacing = Duration::from_nanos((2.0 * waited / f64::from(size - 1)) as u64);
                Some(Crowd { began, ended: began + spacing.scaled(f64::from(size)), spacing })
            })
            .collect()
    }

    /// The speed of boots while crowds were served, as a part of what it was at other times, from 0 to 1. At
    /// speed `s` a boot that takes `t` by itself and overlaps with a crowd for `o` takes `t + (1 - s) o`; `t`
    /// is the mean of boots that begin beside no crowd, and the sum over all that begin beside one gives `s`.
    /// `None` where either is missing.
    pub(super) fn boot_speed(&self, crowds: &[Crowd]) -> Option<f64> {
        let boots = self.intervals.iter().filter(|interval| interval.operation == Operation::Boot);
        let (mut alone, mut beside, mut overlap) = (Mean::default(), Mean::default(), 0.0);
        for boot in boots {
            let took = boot.ended.since(boot.began).as_secs_f64();
            match crowds.iter().find(|crowd| (crowd.began..crowd.ended).contains(&boot.began)) {
                None => alone.add(took),
                Some(crowd) => {
                    beside.add(took);
                    overlap += boot.ended.min(crowd.ended).since(boot.began).as_secs_f64();
                }
            }
        }
        let lost = (beside.mean()? - alone.mean()?) * f64::from(beside.count);
        (overlap > 0.0).then(|| (1.0 - lost / overlap).clamp(0.0, 1.0))
    }

    /// When starts kept the host busy, if each begins at least so long after the one before it.
    pub(super) fn busy(&self, spacing: Duration) -> Busy {
        let mut busy = Busy::default();
        for &start in &self.starts {
            busy.starts(start, spacing);
        }
        busy
    }

    /// How long it took to put Sprites to sleep, without the timer that led to it.
    pub(super) fn sleeps(&self) -> Vec<Duration> {
        lock(&self.log.sleeps).clone()
    }

    /// Every operation.
    pub(super) fn intervals(&self) -> &[Interval] {
        &self.intervals
    }

    /// Every operation, with what else the host did when it began.
    pub(super) fn levels(&self) -> Vec<(Interval, Beside)> {
        let mut intervals = self.intervals.clone();
        intervals.sort_by_key(|interval| interval.began);
        let mut ends: [BinaryHeap<Reverse<Time>>; 2] = Default::default();
        let mut levels = Vec::with_capacity(intervals.len());
        let mut busy_until = Time::ZERO;
        for interval in intervals {
            let ends = &mut ends[usize::from(interval.operation.in_background())];
            while ends.peek().is_some_and(|Reverse(end)| *end <= interval.began) {
                ends.pop();
            }
            levels.push((interval, Beside { under_way: ends.len(), idle: interval.began.since(busy_until) }));
            if interval.operation.is_work() {
                busy_until = busy_until.max(interval.ended);
            }
            if interval.operation.counts() {
                ends.push(Reverse(interval.ended));
            }
        }
        levels
    }
}

impl Observer for Stopwatch {
    fn opened(&mut self, _at: Time) {
        self.opened = true;
    }

    fn observe(&mut self, at: Time, observation: Observation) {
        match observation {
            Observation::Ended { request, outcome, .. } => {
                *self.outcomes.entry(outcome).or_default() += 1;
                self.served = (outcome == Outcome::Warm).then_some(request.arrived);
            }
            Observation::Sprite { sprite, was, is, .. } => self.changed(at, sprite, was, is),
            _ => {}
        }
    }

    fn closed(&mut self, _at: Time) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use actors::{Key, Request, WorkerId};

    fn at(us: u64) -> Time {
        Time::from_nanos(us * 1_000)
    }

    fn sprite(watch: &mut Stopwatch, us: u64, sprite: u32, was: State, is: State) {
        let (worker, sprite, generation) = (WorkerId(0), ActorId(sprite), 1);
        watch.observe(at(us), Observation::Sprite { worker, sprite, generation, was, is });
    }

    fn warm(watch: &mut Stopwatch, by: u32, arrived_us: u64, ended_us: u64) {
        sprite(watch, arrived_us, by, State::Ready, State::Starting);
        let (lifetime, key) = (Duration::ZERO, Key(0));
        let request = Request { id: 0, arrived: at(arrived_us), lifetime, key, tries: 0, missed: None };
        let (worker, outcome) = (WorkerId(0), Outcome::Warm);
        watch.observe(at(ended_us), Observation::Ended { worker, request, outcome, cause: None });
        sprite(watch, ended_us, by, State::Starting, State::Stopped);
    }

    #[test]
    fn levels_count_what_was_under_way_from_the_request_s_time() {
        let mut watch = Stopwatch::new(None, false, Arc::default());
        watch.opened(Time::ZERO);
        sprite(&mut watch, 100, 1, State::Stopped, State::Booting);
        sprite(&mut watch, 350, 9, State::Stopped, State::Booting);
        // A second boot beside it, two starts beside one and two boots, and one after them.
        watch.log.note(ActorId(2), OperationKind::Start, Duration::from_micros(80));
        warm(&mut watch, 2, 200, 300);
        warm(&mut watch, 3, 390, 450);
        sprite(&mut watch, 850, 9, State::Booting, State::Ready);
        sprite(&mut watch, 1_100, 1, State::Booting, State::Ready);
        warm(&mut watch, 2, 2_000, 2_050);
        let levels: Vec<_> = watch
            .levels()
            .into_iter()
            .map(|(interval, Beside { under_way, idle })| {
                let us = |duration: Duration| duration.as_nanos() / 1_000;
                (interval.operation, us(interval.ended.since(interval.began)), under_way, us(idle))
            })
            .collect();
        let expected = [
            (Operation::Boot, 1_000, 0, 100),
            (Operation::Start, 100, 1, 0),
            (Operation::Overhead, 20, 1, 0),
            (Operation::Boot, 500, 1, 0),
            (Operation::Start, 60, 2, 0),
            (Operation::Start, 50, 0, 900),
        ];
        assert_eq!(levels, expected);
        assert_eq!(watch.ended(Outcome::Warm), 3);
    }

    #[test]
    fn a_crowd_tells_how_its_starts_come_after_each_other_and_slow_boots_down() {
        let mut watch = Stopwatch::new(None, false, Arc::default());
        watch.opened(Time::ZERO);
        let boot = |watch: &mut Stopwatch, by, from_us, to_us| {
            sprite(watch, from_us, by, State::Stopped, State::Booting);
            sprite(watch, to_us, by, State::Booting, State::Ready);
        };
        boot(&mut watch, 90, 0, 1_000);
        let alone = Duration::from_micros(200);
        assert!(watch.crowds(5, alone).is_empty() && watch.boot_speed(&[]).is_none());
        // Five at one instant, the starts 500 us after each other; beside them boots go on at a quarter of
        // their speed.
        for by in 0..5_u32 {
            warm(&mut watch, by, 10_000, 10_200 + 500 * u64::from(by));
        }
        let crowds = watch.crowds(5, alone);
        assert_eq!(crowds.len(), 1);
        assert_eq!(crowds[0].spacing, Duration::from_micros(500));
        boot(&mut watch, 91, 10_100, 10_100 + 2_400 + 400);
        boot(&mut watch, 92, 12_100, 12_100 + 400 + 900);
        boot(&mut watch, 93, 20_000, 21_000);
        let speed = watch.boot_speed(&crowds).expect("there are boots beside it and others");
        assert!((speed - 0.25).abs() < 1e-9, "{speed}");
        assert!(watch.crowds(4, alone).is_empty(), "it was another size");
        // What each waited for the others, and what a boot lost to them, is none of theirs.
        let busy = watch.busy(crowds[0].spacing);
        let shares: Vec<u64> = watch
            .intervals()
            .iter()
            .filter(|interval| matches!(interval.operation, Operation::Start | Operation::Boot))
            .map(|interval| busy.share(interval, 0.75).as_nanos() / 1_000)
            .collect();
        assert_eq!(shares, [0, 0, 500, 1_000, 1_500, 2_000, 1_800, 300, 0]);
    }

    #[test]
    fn timers_are_judged_by_the_lifetime_and_what_fails_or_fills_the_pool_is_no_figure() {
        let mut watch = Stopwatch::new(Some(Duration::from_micros(500)), false, Arc::default());
        sprite(&mut watch, 0, 1, State::Stopped, State::Booting);
        sprite(&mut watch, 0, 1, State::Booting, State::Ready);
        watch.opened(Time::ZERO);
        sprite(&mut watch, 10, 1, State::Ready, State::Starting);
        sprite(&mut watch, 20, 1, State::Starting, State::Running);
        sprite(&mut watch, 590, 1, State::Running, State::Stopping);
        sprite(&mut watch, 600, 2, State::Stopped, State::Booting);
        sprite(&mut watch, 700, 2, State::Booting, State::Failed);
        let levels = watch.levels();
        assert_eq!(levels.len(), 1);
        let (interval, _) = levels[0];
        assert_eq!(
            (interval.operation, interval.began, interval.ended),
            (Operation::Timer, at(520), at(590))
        );
    }
}
