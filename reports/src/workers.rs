//! The books of one worker while a run goes on: its pools' level, target, emptiness and recovery.

use actors::protocol::Target;

use crate::integral::Integral;

/// No such time.
pub(crate) const NEVER: u64 = u64::MAX;

/// One worker. What most requests touch comes first and fills one cache line: a fleet of thousands does not
/// fit into the processor's nearest cache, so each line more would be waited for.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(crate) struct Worker {
    pub(crate) ready: Integral,
    /// The least level since the books were settled last.
    least: u32,
    pub(crate) boots: u32,
    /// Since when the pool has been on its way back to its target.
    pub(crate) recovering_since: u64,
    /// Requests that arrived here.
    pub(crate) requests: u64,
    /// Of which no misses: they are served at once, and therefore here.
    pub(crate) at_once: u64,
    pub(crate) target: Integral,
    /// Since when the pool is empty.
    empty_since: u64,
    pub(crate) empty_longest: u64,
    empty: Integral,
    booting: Integral,
    held: Integral,
    /// The slots that it has.
    slots: i64,
    /// Whether all of them are held.
    full: Integral,
    low: i64,
    /// The level that the pool usually has while demand goes on; zero where that is not known.
    usual: u32,
    /// The longest recovery that has ended.
    pub(crate) recovery: u64,
    pub(crate) counted: Stretch,
}

/// Whether a pool became empty, or is no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    Emptied,
    Filled,
}

/// A worker's levels over a stretch of time: integrals, in level times nanoseconds, and the least level.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stretch {
    pub(crate) ready: u64,
    pub(crate) target: u64,
    pub(crate) empty: u64,
    pub(crate) booting: u64,
    /// Slots held.
    pub(crate) held: u64,
    /// Time in which all slots were held.
    pub(crate) full: u64,
    /// Requests that arrived; counted by the strips alone.
    pub(crate) arrivals: u64,
    pub(crate) least: u32,
}

impl Default for Stretch {
    fn default() -> Self {
        Self { ready: 0, target: 0, empty: 0, booting: 0, held: 0, full: 0, arrivals: 0, least: u32::MAX }
    }
}

impl Stretch {
    pub(crate) fn add(&mut self, other: Self) {
        self.ready += other.ready;
        self.target += other.target;
        self.empty += other.empty;
        self.booting += other.booting;
        self.held += other.held;
        self.full += other.full;
        self.arrivals += other.arrivals;
        self.least = self.least.min(other.least);
    }
}

/// A level as a count.
fn clamped(level: i64) -> u32 {
    u32::try_from(level.max(0)).unwrap_or(u32::MAX)
}

impl Worker {
    /// A worker with nothing on it, and so many slots where that is known.
    pub(crate) fn new(slots: Option<u32>) -> Self {
        Self {
            ready: Integral::default(),
            target: Integral::default(),
            empty: Integral::default(),
            booting: Integral::default(),
            held: Integral::default(),
            slots: slots.map_or(i64::MAX, i64::from),
            full: Integral::default(),
            least: 0,
            low: 0,
            usual: 0,
            empty_since: 0,
            recovering_since: NEVER,
            recovery: 0,
            empty_longest: 0,
            requests: 0,
            at_once: 0,
            boots: 0,
            counted: Stretch::default(),
        }
    }

    /// A Sprite becomes ready.
    #[inline]
    pub(crate) fn gains(&mut self, t: u64) -> Option<Turn> {
        self.ready.rise(t);
        let turn = if self.ready.level() == 1 { self.turns(t) } else { None };
        if self.recovering_since != NEVER {
            self.recovers_if_met(t);
        }
        turn
    }

    /// A Sprite is no longer ready. `watch` asks for the time to the target to be taken when none is left.
    #[inline]
    pub(crate) fn loses(&mut self, t: u64, watch: bool) -> Option<Turn> {
        self.ready.fall(t);
        self.least = self.least.min(clamped(self.ready.level()));
        if self.ready.level() != 0 {
            return None;
        }
        if watch {
            self.recover_from(t);
        }
        self.turns(t)
    }

    /// It has so many more boots under way, and holds so many more slots.
    #[inline]
    pub(crate) fn holds(&mut self, t: u64, booting: i64, held: i64) {
        if booting != 0 {
            self.booting.change(t, booting);
        }
        if held != 0 {
            let was_full = self.held.level() >= self.slots;
            self.held.change(t, held);
            let is_full = self.held.level() >= self.slots;
            if was_full != is_full {
                self.full.change(t, i64::from(is_full) - i64::from(was_full));
            }
        }
    }

    /// The target of one of its pools changes.
    pub(crate) fn aims(&mut self, t: u64, was: Target, is: Target) -> Option<Turn> {
        self.target.change(t, i64::from(is.depth) - i64::from(was.depth));
        self.low += i64::from(is.reorder_at) - i64::from(was.reorder_at);
        if self.recovering_since != NEVER {
            self.recovers_if_met(t);
        }
        self.turns(t)
    }

    /// Notes whether the pool is empty. One that aims for nothing is not.
    fn turns(&mut self, t: u64) -> Option<Turn> {
        let (was, is) = (self.is_empty(), self.ready.level() <= 0 && self.target.level() > 0);
        match (was, is) {
            (false, true) => {
                self.empty.rise(t);
                self.empty_since = t;
                Some(Turn::Emptied)
            }
            (true, false) => {
                self.empty.fall(t);
                self.empty_longest = self.empty_longest.max(t - self.empty_since);
                Some(Turn::Filled)
            }
            _ => None,
        }
    }

    /// Whether the pools' targets, added up, are met, or the level is the usual one again: while demand goes
    /// on, some of a pool's Sprites are always on their way, and its target itself is never met.
    fn is_met(&self) -> bool {
        let ready = clamped(self.ready.level());
        let target = Target { reorder_at: clamped(self.low), depth: clamped(self.target.level()) };
        target.is_met_by(ready) || (self.usual > 0 && ready >= self.usual)
    }

    /// From now on the mean level so far, over `counted_ns`, is the usual one.
    pub(crate) fn is_usual(&mut self, counted_ns: u64) {
        self.usual = self.counted.ready.checked_div(counted_ns).unwrap_or(0).min(u64::from(u32::MAX)) as u32;
    }

    /// Recovery is timed from here, unless it is already, or there is nothing to recover from.
    pub(crate) fn recover_from(&mut self, t: u64) {
        if self.recovering_since == NEVER && !self.is_met() {
            self.recovering_since = t;
        }
    }

    fn recovers_if_met(&mut self, t: u64) {
        if self.is_met() {
            self.recovery = self.recovery.max(t - self.recovering_since);
            self.recovering_since = NEVER;
        }
    }

    /// Whether its pool is empty.
    pub(crate) fn is_empty(&self) -> bool {
        self.empty.level() > 0
    }

    /// What has gone by since this was asked last.
    pub(crate) fn settle(&mut self, t: u64) -> Stretch {
        let level = clamped(self.ready.level());
        let least = std::mem::replace(&mut self.least, level).min(level);
        Stretch {
            ready: self.ready.settle(t),
            target: self.target.settle(t),
            empty: self.empty.settle(t),
            booting: self.booting.settle(t),
            held: self.held.settle(t),
            full: self.full.settle(t),
            arrivals: 0,
            least,
        }
    }

    /// Counting begins: what was before is forgotten.
    pub(crate) fn begin(&mut self, t: u64, watch: bool) {
        self.empty_longest = 0;
        self.empty_since = t;
        self.counted = Stretch { least: clamped(self.ready.level()), ..Stretch::default() };
        if watch && self.is_empty() {
            self.recover_from(t);
        }
    }

    /// The run ends: an emptiness that still goes on is counted up to here.
    pub(crate) fn end(&mut self, t: u64) {
        if self.is_empty() {
            self.empty_longest = self.empty_longest.max(t - self.empty_since);
        }
    }

    /// The longest recovery; nothing when one that still goes on is already longer.
    pub(crate) fn longest_recovery(&self, t: u64) -> Option<u64> {
        let open = if self.recovering_since == NEVER { None } else { Some(t - self.recovering_since) };
        match open {
            Some(open) if open >= self.recovery => None,
            _ => Some(self.recovery),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Target = Target { reorder_at: 0, depth: 0 };
    const TWO: Target = Target { reorder_at: 1, depth: 2 };

    #[test]
    fn recovery_lasts_from_the_last_sprite_taken_to_the_target_met() {
        let mut worker = Worker::new(None);
        worker.aims(0, NONE, TWO);
        worker.gains(0);
        worker.gains(0);
        worker.settle(0);
        worker.begin(0, true);
        worker.loses(10, true);
        assert_eq!(worker.loses(20, true), Some(Turn::Emptied));
        assert_eq!(worker.gains(50), Some(Turn::Filled));
        assert_eq!(worker.longest_recovery(60), None, "one of two is not the target");
        worker.gains(70);
        assert_eq!(worker.longest_recovery(90), Some(50));
        let stretch = worker.settle(100);
        assert_eq!((worker.empty_longest, stretch.least), (30, 0));
        assert_eq!((stretch.ready, stretch.target, stretch.empty), (20 + 10 + 20 + 60, 200, 30));
        assert_eq!(worker.settle(110).least, 2);
    }

    #[test]
    fn a_pool_is_empty_only_while_it_aims_for_something() {
        let mut worker = Worker::new(None);
        worker.begin(0, true);
        assert_eq!(worker.aims(10, NONE, TWO), Some(Turn::Emptied));
        assert_eq!(worker.aims(30, TWO, NONE), Some(Turn::Filled));
        assert_eq!((worker.settle(100).empty, worker.empty_longest, worker.is_empty()), (20, 20, false));
    }

    #[test]
    fn a_pool_that_aims_for_nothing_has_nothing_to_recover() {
        let mut worker = Worker::new(None);
        worker.begin(0, true);
        assert_eq!(worker.longest_recovery(100), Some(0));
    }
}
