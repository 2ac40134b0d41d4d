//! Reads from observations how long operations took, as a simulation would have to draw it: each as an interval, and for each
//! how many others were under way when it began.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actors::{ActorId, Duration, Observation, Observer, OperationKind, Outcome, State, Time};

/// What is measured. `Timer` is how late a timer was, `Overhead` what the runtime adds to a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// To let one of many requests in that come at one instant.
    Intake,
    /// From a request's time, or from when the one before it was let in, to its end, where it was served warm.
    Start,
    /// From its order to the ready Sprite.
    Boot,
    /// As a boot, the long way round.
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
            Self::Intake => "intake",
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
    /// Of each request that was served warm, when it came and when its start began.
    let_in: Vec<(Time, Time)>,
    let_in_last: Time,
    /// Boots that ended, and those of them that failed.
    boots: (u64, u64),
    /// Requests by how they ended.
    outcomes: BTreeMap<Outcome, u64>,
    /// The request that has just ended: when it came, if it was served warm.
    served: Option<Time>,
    log: Arc<Log>,
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
    /// For a scenario whose Sprites are all used for so long, and where what is made is made the long way round; `log` tells
    /// what its machines took.
    pub(super) fn new(lifetime: Option<Duration>, creates: bool, log: Arc<Log>) -> Self {
        Self { lifetime, creates, log, ..Self::default() }
    }

    /// How many requests ended so.
    pub(super) fn ended(&self, outcome: Outcome) -> u64 {
        self.outcomes.get(&outcome).copied().unwrap_or(0)
    }

    fn add(&mut self, operation: Operation, began: Time, ended: Time) {
        self.intervals.push(Interval { operation, began, ended });
    }

    /// A start is over. Those that had to wait for their Sprite are no figure.
    fn started(&mut self, sprite: u32, began: Time, ended: Time) {
        let Some(arrived) = self.served.take() else { return };
        self.let_in.push((arrived, began));
        // What it waited for those before it is `intake`.
        let before = std::mem::replace(&mut self.let_in_last, began);
        self.add(Operation::Start, arrived.max(before.min(began)), ended);
        let took = lock(&self.log.starts).remove(&sprite);
        if let Some(took) = took {
            self.add(Operation::Overhead, (arrived + took).min(ended), ended);
        }
    }

    fn changed(&mut self, at: Time, ActorId(sprite): ActorId, was: State, is: State) {
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
            State::Starting => self.started(sprite, began, at),
            _ => {}
        }
    }

    /// Boots that ended, and those of them that failed.
    pub(super) fn boots(&self) -> (u64, u64) {
        self.boots
    }

    /// How long it took to let one request in, for each group of so many requests that came at one instant and were all
    /// served warm.
    pub(super) fn intakes(&self, size: u64) -> Vec<Duration> {
        let mut groups: BTreeMap<Time, (Time, Time, u64)> = BTreeMap::new();
        for &(arrived, began) in &self.let_in {
            let (first, last, count) = groups.entry(arrived).or_insert((began, began, 0));
            (*first, *last, *count) = ((*first).min(began), (*last).max(began), *count + 1);
        }
        let groups = groups.into_values().filter(|(_, _, count)| *count == size && size > 1);
        groups
            .map(|(first, last, count)| Duration::from_nanos(last.since(first).as_nanos() / (count - 1)))
            .collect()
    }

    /// How long it took to put Sprites to sleep, without the timer that led to it.
    pub(super) fn sleeps(&self) -> Vec<Duration> {
        lock(&self.log.sleeps).clone()
    }

    /// Every operation.
    pub(super) fn intervals(&self) -> &[Interval] {
        &self.intervals
    }

    /// Every operation, with the number of those under way when it began.
    pub(super) fn levels(&self) -> Vec<(Interval, usize)> {
        let mut intervals = self.intervals.clone();
        intervals.sort_by_key(|interval| interval.began);
        let mut ends: [BinaryHeap<Reverse<Time>>; 2] = Default::default();
        let mut levels = Vec::with_capacity(intervals.len());
        for interval in intervals {
            let ends = &mut ends[usize::from(interval.operation.in_background())];
            while ends.peek().is_some_and(|Reverse(end)| *end <= interval.began) {
                ends.pop();
            }
            levels.push((interval, ends.len()));
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
        let request = Request { id: 0, arrived: at(arrived_us), lifetime, key, tries: 0 };
        let (worker, outcome) = (WorkerId(0), Outcome::Warm);
        watch.observe(at(ended_us), Observation::Ended { worker, request, outcome });
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
            .map(|(interval, level)| {
                (interval.operation, interval.ended.since(interval.began).as_nanos() / 1_000, level)
            })
            .collect();
        let expected = [
            (Operation::Boot, 1_000, 0),
            (Operation::Start, 100, 1),
            (Operation::Overhead, 20, 1),
            (Operation::Boot, 500, 1),
            (Operation::Start, 60, 2),
            (Operation::Start, 50, 0),
        ];
        assert_eq!(levels, expected);
        assert_eq!(watch.ended(Outcome::Warm), 3);
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
