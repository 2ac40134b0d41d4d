//! `on-misses`: more Sprites after misses, fewer after idleness.
//!
//! Every `period` the depth rises by `floor(misses / threshold) * increment`, up to `max`; the rest of the
//! division is forgotten, so that rare misses do not add up.
//!
//! Sprites that were idle for longer than `ttl` leave, down to `min`. Which ones are idle must not depend on
//! the order in which ready Sprites are taken (the oldest first keeps all of them busy, the newest first only
//! a few), so idleness is counted instead: if during the last `ttl` never fewer than m Sprites were ready, m
//! of them were not needed, and the depth falls by m.

use serde::{Deserialize, Serialize};

use super::{Controller, GuaranteedDepth, PolicyConfig, View, check};
use crate::policy::Problem;
use crate::protocol::Target;
use crate::time::{Duration, Time, WallClock};

/// Into how many slices `ttl` is cut: idleness is found at the end of one.
const SLICES: usize = 16;

/// More Sprites after misses, fewer after idleness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OnMisses {
    /// Never fewer Sprites than this; the depth at the beginning.
    pub min: u32,
    /// Never more Sprites than this.
    pub max: u32,
    /// How long Sprites must have been idle before they leave.
    #[serde(default = "OnMisses::ttl")]
    pub ttl: Duration,
    /// How many misses in one period raise the depth by one increment.
    #[serde(default = "OnMisses::one")]
    pub threshold: u32,
    /// How many Sprites one increment is.
    #[serde(default = "OnMisses::one")]
    pub increment: u32,
    /// How often misses are counted.
    #[serde(default = "OnMisses::period")]
    pub period: Duration,
}

impl OnMisses {
    fn one() -> u32 {
        1
    }

    fn ttl() -> Duration {
        Duration::from_secs(600)
    }

    fn period() -> Duration {
        Duration::from_secs(10)
    }
}

impl PolicyConfig for OnMisses {
    fn validate(&self) -> Result<(), Problem> {
        check::bounds(self.min, self.max)?;
        check::window("ttl", self.ttl)?;
        check::some_time("period", self.period)?;
        check::positive("threshold", self.threshold, "misses that raise the depth")?;
        check::positive("increment", self.increment, "Sprites that misses add")
    }

    fn guaranteed_depth(&self) -> GuaranteedDepth {
        GuaranteedDepth::new("min", self.min)
    }

    fn controller(&self, _epoch: WallClock) -> Box<dyn Controller> {
        let slice = Duration::from_nanos((self.ttl.as_nanos() / SLICES as u64).max(1));
        Box::new(Counting {
            policy: *self,
            depth: self.min,
            misses: 0,
            period_ends: Time::ZERO + self.period,
            ready: 0,
            least: u32::MAX,
            slice,
            slice_ends: Time::ZERO + slice,
            // The first `ttl` has not passed before every one of these has been overwritten.
            leasts: [0; SLICES],
            oldest: 0,
        })
    }
}

/// The policy at work.
#[derive(Debug)]
struct Counting {
    policy: OnMisses,
    depth: u32,
    /// Misses of this period.
    misses: u32,
    period_ends: Time,
    /// How many were ready when last seen.
    ready: u32,
    /// The fewest that were ready in this slice; more than any while nothing was seen.
    least: u32,
    slice: Duration,
    slice_ends: Time,
    /// The fewest that were ready in each slice of the last `ttl`, in a ring.
    leasts: [u32; SLICES],
    oldest: usize,
}

impl Controller for Counting {
    fn demand(&mut self, now: Time, missed: bool) {
        self.pass(now);
        self.misses = self.misses.saturating_add(u32::from(missed));
    }

    fn target(&mut self, view: &View) -> Target {
        self.pass(view.now);
        self.ready = view.levels.ready;
        self.least = self.least.min(self.ready);
        Target::exactly(self.depth)
    }

    fn changes_at(&self) -> Option<Time> {
        let rises = self.misses >= self.policy.threshold && self.depth < self.policy.max;
        let may_fall = self.depth > self.policy.min;
        [rises.then_some(self.period_ends), may_fall.then_some(self.slice_ends)].into_iter().flatten().min()
    }
}

impl Counting {
    /// Lets time pass: ends periods and slices.
    fn pass(&mut self, now: Time) {
        if now >= self.period_ends {
            let periods = now.since(self.period_ends).as_nanos() / self.policy.period.as_nanos() + 1;
            self.period_ends = self.period_ends + self.policy.period.times(periods);
            let more = (self.misses / self.policy.threshold).saturating_mul(self.policy.increment);
            self.depth = self.depth.saturating_add(more).min(self.policy.max);
            self.misses = 0;
        }
        if now >= self.slice_ends {
            let slices = now.since(self.slice_ends).as_nanos() / self.slice.as_nanos() + 1;
            self.slice_ends = self.slice_ends + self.slice.times(slices);
            // Nothing was seen to change in the slices after the first of these.
            for _ in 0..slices.min(SLICES as u64 + 1) {
                self.end_slice();
            }
        }
    }

    /// Ends a slice, and gives up what was idle for a whole `ttl`.
    fn end_slice(&mut self) {
        self.leasts[self.oldest] = self.least.min(self.ready);
        self.oldest = (self.oldest + 1) % SLICES;
        self.least = self.ready;
        let idle = self.leasts.iter().copied().min().unwrap_or(0);
        let fewer = idle.min(self.depth - self.policy.min);
        if fewer > 0 {
            self.depth -= fewer;
            // Those that leave are not idle a second time.
            self.leasts.iter_mut().for_each(|least| *least -= fewer);
            self.ready -= fewer;
            self.least -= fewer;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::depth::test_view;
    use crate::protocol::Levels;

    const POLICY: OnMisses = OnMisses {
        min: 2,
        max: 20,
        ttl: Duration::from_secs(160),
        threshold: 3,
        increment: 4,
        period: Duration::from_secs(10),
    };

    fn miss(controller: &mut dyn Controller, secs: u64, count: usize) {
        for _ in 0..count {
            controller.demand(Time::ZERO + Duration::from_secs(secs), true);
        }
    }

    fn depth(controller: &mut dyn Controller, secs: f64, ready: u32) -> u32 {
        let view = View { levels: Levels { ready, ..Levels::default() }, ..test_view(secs) };
        let (target, next) = (controller.target(&view), controller.changes_at());
        assert_eq!((controller.target(&view), controller.changes_at()), (target, next), "asked twice");
        target.depth
    }

    fn changes_at(controller: &dyn Controller) -> Option<f64> {
        controller.changes_at().map(Time::as_secs_f64)
    }

    #[test]
    fn misses_raise_the_depth_at_the_end_of_their_period() {
        let mut controller = POLICY.controller(WallClock::default());
        assert_eq!((depth(&mut *controller, 0.0, 2), changes_at(&*controller)), (2, None));
        miss(&mut *controller, 1, 2);
        assert_eq!((depth(&mut *controller, 1.0, 0), changes_at(&*controller)), (2, None), "two are too few");
        miss(&mut *controller, 2, 6);
        assert_eq!((depth(&mut *controller, 9.9, 0), changes_at(&*controller)), (2, Some(10.0)));
        assert_eq!(depth(&mut *controller, 10.0, 0), 10, "eight misses are two increments");
        miss(&mut *controller, 11, 99);
        assert_eq!(depth(&mut *controller, 25.0, 0), 20, "up to the largest");
    }

    #[test]
    fn rare_misses_do_not_add_up() {
        let mut controller = POLICY.controller(WallClock::default());
        for period in 0..20 {
            miss(&mut *controller, period * 10, 2);
        }
        assert_eq!(depth(&mut *controller, 200.0, 0), 2);
    }

    #[test]
    fn hits_are_no_misses() {
        let mut controller = POLICY.controller(WallClock::default());
        for _ in 0..50 {
            controller.demand(Time::ZERO, false);
        }
        assert_eq!(depth(&mut *controller, 10.0, 2), 2);
    }

    /// The controller with depth 10, of which none was ready at 5 s and all from 19 s on.
    fn raised() -> Box<dyn Controller> {
        let mut controller = POLICY.controller(WallClock::default());
        miss(&mut *controller, 5, 6);
        assert_eq!(depth(&mut *controller, 5.0, 0), 2);
        assert_eq!(depth(&mut *controller, 19.0, 10), 10);
        controller
    }

    #[test]
    fn what_was_never_needed_for_a_ttl_leaves() {
        let mut controller = raised();
        assert_eq!(changes_at(&*controller), Some(20.0));
        assert_eq!(depth(&mut *controller, 100.0, 7), 10, "three were taken for a moment");
        assert_eq!(depth(&mut *controller, 100.1, 10), 10);
        assert_eq!(depth(&mut *controller, 179.9, 10), 10);
        assert_eq!(depth(&mut *controller, 180.0, 10), 3, "seven were idle all the time");
        assert_eq!(depth(&mut *controller, 180.1, 3), 3);
        assert_eq!(depth(&mut *controller, 269.0, 3), 3, "the three of a moment ago count from then");
        assert_eq!(depth(&mut *controller, 270.0, 3), 2, "down to the smallest");
        assert_eq!(changes_at(&*controller), None);
    }

    #[test]
    fn it_makes_no_difference_how_late_it_is_asked() {
        let mut controller = raised();
        assert_eq!(depth(&mut *controller, 5_000.0, 10), 2);
        let mut controller = raised();
        controller.demand(Time::ZERO + Duration::from_secs(5_000), false);
        assert_eq!(depth(&mut *controller, 5_000.0, 9), 2);
    }

    #[test]
    fn a_busy_pool_keeps_its_depth() {
        let mut controller = raised();
        for secs in (25..1_000).step_by(50) {
            assert_eq!(depth(&mut *controller, f64::from(secs), 0), 10);
            assert_eq!(depth(&mut *controller, f64::from(secs) + 1.0, 10), 10);
        }
    }

    #[test]
    fn what_is_invalid_is_named() {
        let key = |policy: OnMisses| policy.validate().expect_err("invalid").key;
        assert_eq!(key(OnMisses { min: 21, ..POLICY }), "min");
        assert_eq!(key(OnMisses { ttl: Duration::ZERO, ..POLICY }), "ttl");
        assert_eq!(key(OnMisses { threshold: 0, ..POLICY }), "threshold");
        assert_eq!(key(OnMisses { increment: 0, ..POLICY }), "increment");
        assert_eq!(key(OnMisses { period: Duration::ZERO, ..POLICY }), "period");
        assert_eq!(POLICY.validate(), Ok(()));
    }
}
