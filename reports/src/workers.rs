//! The books of one worker while a run goes on: its pools' level, goal, emptiness and recovery.

use actors::protocol::Target;

use crate::integral::Integral;

/// No such time.
pub(crate) const NEVER: u64 = u64::MAX;

/// One worker. What most requests touch comes first and fills one cache line: a fleet of thousands does not fit into the
/// processor's nearest cache, so each line more would be waited for.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(crate) struct Worker {
    pub(crate) ready: Integral,
    pub(crate) ready_least: u32,
    pub(crate) boots: u32,
    /// Since when the pool has been on its way back to its goal.
    pub(crate) recovering_since: u64,
    /// Requests that arrived here.
    pub(crate) requests: u64,
    /// Of which served at once, and therefore here.
    pub(crate) warm: u64,
    /// Since when the pool is empty.
    empty_since: u64,
    pub(crate) empty_longest: u64,
    empty: Integral,
    pub(crate) target: Integral,
    low: i64,
    /// The level that the pool usually has while demand goes on; zero where that is not known.
    usual: u32,
    /// The longest recovery that has ended.
    pub(crate) recovery: u64,
    pub(crate) counted: Stretch,
}

/// Integrals of a worker's levels over a stretch of time, in level times nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stretch {
    pub(crate) ready: u64,
    pub(crate) target: u64,
    pub(crate) empty: u64,
}

impl Stretch {
    pub(crate) fn add(&mut self, other: Self) {
        self.ready += other.ready;
        self.target += other.target;
        self.empty += other.empty;
    }
}

/// A level as a count.
fn clamped(level: i64) -> u32 {
    u32::try_from(level.max(0)).unwrap_or(u32::MAX)
}

impl Worker {
    /// A worker with nothing on it.
    pub(crate) fn new() -> Self {
        let mut empty = Integral::default();
        empty.rise(0);
        Self {
            ready: Integral::default(),
            target: Integral::default(),
            empty,
            low: 0,
            usual: 0,
            empty_since: 0,
            recovering_since: NEVER,
            recovery: 0,
            empty_longest: 0,
            requests: 0,
            warm: 0,
            boots: 0,
            ready_least: 0,
            counted: Stretch::default(),
        }
    }

    /// A Sprite becomes ready.
    #[inline]
    pub(crate) fn gains(&mut self, t: u64) {
        self.ready.rise(t);
        if self.ready.level() == 1 {
            self.empty.fall(t);
            self.empty_longest = self.empty_longest.max(t - self.empty_since);
        }
        if self.recovering_since != NEVER {
            self.recovers_if_met(t);
        }
    }

    /// A Sprite is no longer ready. `watch` asks for the time to the goal to be taken when none is left.
    #[inline]
    pub(crate) fn loses(&mut self, t: u64, watch: bool) {
        self.ready.fall(t);
        self.ready_least = self.ready_least.min(clamped(self.ready.level()));
        if self.ready.level() == 0 {
            self.empty.rise(t);
            self.empty_since = t;
            if watch {
                self.recover_from(t);
            }
        }
    }

    /// The goal of one of its pools changes.
    pub(crate) fn aims(&mut self, t: u64, was: Target, is: Target) {
        self.target.change(t, i64::from(is.depth) - i64::from(was.depth));
        self.low += i64::from(is.reorder_at) - i64::from(was.reorder_at);
        if self.recovering_since != NEVER {
            self.recovers_if_met(t);
        }
    }

    /// Whether the pools' goals, added up, are met, or the level is the usual one again: while demand goes on, some of a
    /// pool's Sprites are always on their way, and its goal itself is never met.
    fn is_met(&self) -> bool {
        let ready = clamped(self.ready.level());
        let goal = Target { reorder_at: clamped(self.low), depth: clamped(self.target.level()) };
        goal.is_met_by(ready) || (self.usual > 0 && ready >= self.usual)
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
        self.ready.level() <= 0
    }

    /// What has gone by since this was asked last.
    pub(crate) fn settle(&mut self, t: u64) -> Stretch {
        Stretch { ready: self.ready.settle(t), target: self.target.settle(t), empty: self.empty.settle(t) }
    }

    /// Counting begins: what was before is forgotten.
    pub(crate) fn begin(&mut self, t: u64, watch: bool) {
        self.empty_longest = 0;
        self.empty_since = t;
        self.ready_least = clamped(self.ready.level());
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

    #[test]
    fn recovery_lasts_from_the_last_sprite_taken_to_the_goal_met() {
        let mut worker = Worker::new();
        worker.aims(0, Target::default(), Target::exactly(2));
        worker.gains(0);
        worker.gains(0);
        worker.begin(0, true);
        worker.loses(10, true);
        worker.loses(20, true);
        worker.gains(50);
        assert_eq!(worker.longest_recovery(60), None, "one of two is not the goal");
        worker.gains(70);
        assert_eq!(worker.longest_recovery(90), Some(50));
        assert_eq!((worker.empty_longest, worker.ready_least), (30, 0));
        let stretch = worker.settle(100);
        assert_eq!((stretch.ready, stretch.target, stretch.empty), (20 + 10 + 20 + 60, 200, 30));
    }

    #[test]
    fn a_pool_that_aims_for_nothing_has_nothing_to_recover() {
        let mut worker = Worker::new();
        worker.begin(0, true);
        assert_eq!(worker.longest_recovery(100), Some(0));
    }
}
