//! Why a pool is empty, by comparison: the pool as it would be if nothing held its boots up, and what did
//! hold them up. The rule is in [`cause`](crate::protocol::cause).

use std::collections::VecDeque;

use crate::policy::depth::boot_prior;
use crate::protocol::Cause;
use crate::time::{Duration, Time};

/// What holds boots up, and for how long it has since the pool last had as many ready as without it.
#[derive(Debug, Default)]
struct HoldUps {
    now: Option<Cause>,
    since: Time,
    lasted: [Duration; Cause::ALL.len()],
    /// One has lasted, or lasts.
    any: bool,
}

impl HoldUps {
    fn set(&mut self, now: Time, cause: Option<Cause>) {
        if let Some(was) = self.now {
            let lasted = &mut self.lasted[was as usize];
            *lasted = *lasted + now.since(self.since);
        }
        (self.now, self.since) = (cause, now);
        self.any |= cause.is_some();
    }

    fn forget(&mut self, now: Time) {
        *self = Self { now: self.now, since: now, any: self.now.is_some(), ..Self::default() };
    }

    fn lasted(&self, now: Time, cause: Cause) -> Duration {
        let open = if self.now == Some(cause) { now.since(self.since) } else { Duration::ZERO };
        self.lasted[cause as usize] + open
    }

    fn is_met(&self, now: Time, cause: Cause) -> bool {
        self.now == Some(cause) || !self.lasted(now, cause).is_zero()
    }

    /// The one that has lasted longest.
    fn longest(&self, now: Time, among: impl Fn(Cause) -> bool) -> Option<Cause> {
        let met = Cause::ALL.into_iter().filter(|&cause| self.is_met(now, cause) && among(cause));
        met.max_by_key(|&cause| self.lasted(now, cause))
    }
}

/// A pool of the same depth that orders each taken Sprite at once. What it cannot serve is served elsewhere.
#[derive(Debug)]
struct Ideal {
    /// Boots that run at once.
    boots: usize,
    depth: usize,
    /// When the boots end that are ordered, in order. Those that have ended are removed when somebody looks.
    ends: VecDeque<Time>,
}

impl Ideal {
    fn new(boots: u32) -> Self {
        Self { boots: boots.max(1) as usize, depth: 0, ends: VecDeque::new() }
    }

    fn order(&mut self, now: Time, boot_time: Duration) {
        let before = self.ends.len().checked_sub(self.boots);
        let begins = before.map_or(now, |index| self.ends[index].max(now));
        let last = self.ends.back().copied().unwrap_or(Time::ZERO);
        self.ends.push_back((begins + boot_time).max(last));
    }

    fn ready(&mut self, now: Time) -> usize {
        while self.ends.front().is_some_and(|&end| end <= now) {
            self.ends.pop_front();
        }
        self.depth.saturating_sub(self.ends.len())
    }

    /// Somebody takes one, if one is ready.
    fn take(&mut self, now: Time, boot_time: Duration) {
        if self.ready(now) > 0 {
            self.order(now, boot_time);
        }
    }

    fn forget_first(&mut self) {
        self.ends.pop_front();
    }

    fn forget_last(&mut self) {
        self.ends.pop_back();
    }

    /// A deeper pool orders what it is short of; a shallower one gives up ready ones first.
    fn set_depth(&mut self, now: Time, boot_time: Duration, depth: usize) {
        self.ready(now);
        for _ in self.depth.max(self.ends.len())..depth {
            self.order(now, boot_time);
        }
        self.depth = depth;
    }
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Unhindered {
    /// As if boots never waited.
    unlimited: Ideal,
    /// As if only the boots of the worker limited it; nothing where they are unlimited.
    limited: Option<Ideal>,
    hold_ups: HoldUps,
    /// How long a boot takes: a moving average, in which each new one weighs an eighth.
    boot_time: Option<Duration>,
}

impl Unhindered {
    /// On a worker that runs so many boots at once.
    pub(super) fn new(boots: u32) -> Self {
        Self {
            unlimited: Ideal::new(u32::MAX),
            limited: (boots != u32::MAX).then(|| Ideal::new(boots)),
            hold_ups: HoldUps::default(),
            boot_time: None,
        }
    }

    fn boot_time(&self) -> Duration {
        self.boot_time.unwrap_or_else(boot_prior)
    }

    fn ideals(&mut self) -> impl Iterator<Item = &mut Ideal> {
        std::iter::once(&mut self.unlimited).chain(&mut self.limited)
    }

    /// The depth policy aims for this from now on.
    pub(super) fn set_depth(&mut self, now: Time, depth: u32) {
        let boot_time = self.boot_time();
        self.ideals().for_each(|ideal| ideal.set_depth(now, boot_time, depth as usize));
    }

    /// Somebody asks the pool, and finds one or not.
    pub(super) fn asked(&mut self, now: Time) {
        let boot_time = self.boot_time();
        self.ideals().for_each(|ideal| ideal.take(now, boot_time));
    }

    /// A boot for the pool has ended. Those of a full beginning take no time.
    pub(super) fn booted(&mut self, took: Duration) {
        if took.is_zero() {
            return self.ideals().for_each(|ideal| ideal.forget_first());
        }
        self.boot_time = Some(match self.boot_time {
            None => took,
            Some(mean) => Duration::from_nanos(mean.as_nanos() - mean.as_nanos() / 8 + took.as_nanos() / 8),
        });
    }

    /// One comes back from use, so that one less has to be booted.
    pub(super) fn came_back(&mut self) {
        self.ideals().for_each(|ideal| ideal.forget_last());
    }

    /// This holds boots up from now on, or nothing does.
    pub(super) fn held_up(&mut self, now: Time, cause: Option<Cause>) {
        self.hold_ups.set(now, cause);
    }

    /// So many are ready. If that is as many as without what has held boots up, that is over.
    pub(super) fn compare(&mut self, now: Time, ready: usize) {
        if self.hold_ups.any && ready >= self.unlimited.ready(now) {
            self.hold_ups.forget(now);
        }
    }

    /// Why a pool without a ready Sprite has none at this time.
    pub(super) fn cause(&mut self, now: Time) -> Cause {
        let hold_ups = &self.hold_ups;
        if let Some(cause @ (Cause::WorkerDown | Cause::SlotsFull)) = hold_ups.now {
            return cause;
        }
        if !hold_ups.any || self.unlimited.ready(now) == 0 {
            return Cause::Depth;
        }
        let boots_suffice = self.limited.as_mut().is_none_or(|ideal| ideal.ready(now) > 0);
        if !boots_suffice && hold_ups.is_met(now, Cause::BootSlots) {
            return Cause::BootSlots;
        }
        let other = hold_ups.longest(now, |cause| cause != Cause::BootSlots);
        other.unwrap_or(Cause::BootSlots)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Time {
        Time::ZERO + Duration::from_millis(millis)
    }

    /// A pool of this depth that began full, and whose boots take a second.
    fn full(depth: u32, boots: u32) -> Unhindered {
        let mut pool = Unhindered::new(boots);
        pool.set_depth(at(0), depth);
        (0..depth).for_each(|_| pool.booted(Duration::ZERO));
        pool.booted(Duration::from_secs(1));
        pool
    }

    fn ask(pool: &mut Unhindered, millis: u64, times: u32) {
        (0..times).for_each(|_| pool.asked(at(millis)));
    }

    #[test]
    fn more_than_the_depth_within_a_boot_time_is_the_depth_whatever_holds_boots_up() {
        let mut pool = full(2, u32::MAX);
        pool.held_up(at(0), Some(Cause::RefillHolds));
        ask(&mut pool, 0, 1);
        ask(&mut pool, 900, 1);
        assert_eq!(pool.cause(at(999)), Cause::Depth);
        assert_eq!(pool.cause(at(1_000)), Cause::RefillHolds, "the first would be back");
    }

    #[test]
    fn a_hold_is_the_cause_until_the_boots_that_it_delayed_are_there() {
        let mut pool = full(3, u32::MAX);
        ask(&mut pool, 0, 3);
        pool.held_up(at(0), Some(Cause::RefillHolds));
        pool.held_up(at(900), None);
        assert_eq!(pool.cause(at(999)), Cause::Depth);
        assert_eq!(pool.cause(at(1_500)), Cause::RefillHolds, "nothing is held back, and boots are late");
        pool.compare(at(1_800), 2);
        assert_eq!(pool.cause(at(1_800)), Cause::RefillHolds, "one is still late");
        pool.compare(at(1_900), 3);
        assert_eq!(pool.cause(at(1_900)), Cause::Depth, "that is over");
    }

    #[test]
    fn boot_slots_are_the_cause_where_ordering_at_once_would_not_have_helped() {
        let mut pool = full(4, 1);
        ask(&mut pool, 0, 4);
        pool.held_up(at(0), Some(Cause::RefillHolds));
        pool.held_up(at(500), Some(Cause::BootSlots));
        ask(&mut pool, 1_100, 1);
        assert_eq!(pool.cause(at(1_200)), Cause::BootSlots, "one boot at a time is ready at 1, 2, 3 s");
        assert_eq!(pool.cause(at(2_000)), Cause::RefillHolds, "the second would be here");
    }

    #[test]
    fn of_several_the_one_that_lasted_longest_is_the_cause() {
        let mut pool = full(2, u32::MAX);
        pool.held_up(at(0), Some(Cause::RefillHolds));
        pool.held_up(at(100), Some(Cause::BootsFail));
        pool.held_up(at(2_000), None);
        assert_eq!(pool.cause(at(2_100)), Cause::BootsFail);
        pool.held_up(at(3_000), Some(Cause::SlotsFull));
        ask(&mut pool, 3_000, 2);
        assert_eq!(pool.cause(at(3_000)), Cause::SlotsFull, "a deeper pool would not fit");
    }

    #[test]
    fn a_lost_host_is_the_cause_until_its_pool_is_back() {
        let mut pool = full(2, 1);
        pool.held_up(at(5_000), Some(Cause::WorkerDown));
        assert_eq!(pool.cause(at(5_500)), Cause::WorkerDown);
        pool.held_up(at(6_000), Some(Cause::BootSlots));
        assert_eq!(pool.cause(at(6_500)), Cause::WorkerDown, "without the crash two would be ready");
        pool.compare(at(8_000), 2);
        assert_eq!(pool.cause(at(8_000)), Cause::BootSlots);
    }

    #[test]
    fn where_nothing_held_boots_up_it_is_the_depth() {
        let mut pool = full(2, u32::MAX);
        assert_eq!(pool.cause(at(0)), Cause::Depth);
        pool.set_depth(at(0), 0);
        pool.held_up(at(0), Some(Cause::BootSlots));
        assert_eq!(pool.cause(at(9_000)), Cause::Depth, "a depth of zero is empty by intent");
    }

    #[test]
    fn a_depth_that_changes_orders_only_what_it_is_short_of() {
        let mut pool = full(2, 1);
        pool.set_depth(at(0), 4);
        assert_eq!((pool.unlimited.ready(at(0)), pool.unlimited.ready(at(1_000))), (2, 4));
        let limited = pool.limited.as_mut().expect("boots are limited");
        assert_eq!((limited.ready(at(1_000)), limited.ready(at(2_000))), (3, 4));
        pool.set_depth(at(2_000), 1);
        assert_eq!(pool.unlimited.ready(at(2_000)), 1);
        ask(&mut pool, 2_000, 1);
        assert_eq!(pool.unlimited.ready(at(2_500)), 0);
        pool.came_back();
        assert_eq!(pool.unlimited.ready(at(2_500)), 1);
    }
}
