//! `buffer`: a share of what is in use, between bounds, in bounded steps.
//!
//! The wanted depth is `clamp(max(least, ceil(percent / 100 * in_use)), min, max)`: the larger of an absolute
//! number and a percentage, as game-server fleets size their buffers (Agones' `FleetAutoscaler`). How far and
//! how soon the depth follows it is bounded as in Kubernetes' `HorizontalPodAutoscaler`: at most `step_up` or
//! `step_down` Sprites in one `every`, and downwards only when the wanted depth has stayed below for
//! `cooldown`.

use serde::{Deserialize, Serialize};

use super::{Controller, GuaranteedDepth, PolicyConfig, View, check};
use crate::policy::Problem;
use crate::protocol::Target;
use crate::time::{Duration, Time, WallClock};

/// The largest percentage: beyond it a mistake is likelier than a wish.
const PERCENT_MAX: f64 = 1e6;
/// Percentages are kept in millionths of a percent: this many are the whole.
const WHOLE: u128 = 100 * 1_000_000;

/// A share of what is in use, between bounds, in bounded steps.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Buffer {
    /// Never fewer Sprites than this.
    #[serde(default)]
    pub min: u32,
    /// Never more Sprites than this.
    pub max: u32,
    /// The absolute part of "the larger of an absolute number and a percentage", in Sprites.
    #[serde(default)]
    pub least: u32,
    /// Ready Sprites per hundred in use, rounded up; kept to six decimals.
    pub percent: f64,
    /// At most so many Sprites more in one `every`; without it, all at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_up: Option<u32>,
    /// At most so many Sprites fewer in one `every`; without it, all at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_down: Option<u32>,
    /// The time in which one step may be taken; it matters only where a step is given.
    #[serde(default = "Buffer::every")]
    pub every: Duration,
    /// How long the wanted depth must have stayed below the present one before it falls. Zero: it falls at
    /// once.
    #[serde(default = "Buffer::cooldown")]
    pub cooldown: Duration,
}

impl Buffer {
    fn every() -> Duration {
        Duration::from_secs(15)
    }

    fn cooldown() -> Duration {
        Duration::from_secs(300)
    }

    fn wanted(&self, in_use: u32) -> u32 {
        // Rounded half up, so that a decimal such as 12.3 is exactly what was written.
        let millionths = (self.percent * 1e6 + 0.5) as u64;
        let share = (u128::from(millionths) * u128::from(in_use)).div_ceil(WHOLE);
        u32::try_from(share).unwrap_or(u32::MAX).max(self.least).max(self.min).min(self.max)
    }
}

impl PolicyConfig for Buffer {
    fn validate(&self) -> Result<(), Problem> {
        check::bounds(self.min, self.max)?;
        if !(0.0..=PERCENT_MAX).contains(&self.percent) {
            let remedy = format!("give a percentage from 0 to {PERCENT_MAX}");
            return Err(Problem::new("percent", format!("is {}", self.percent), remedy));
        }
        for (key, step) in [("step_up", self.step_up), ("step_down", self.step_down)] {
            if step == Some(0) {
                let wrong = "is 0, so the depth could never follow";
                return Err(Problem::new(key, wrong, "leave it out, or allow one or more"));
            }
        }
        check::some_time("every", self.every)
    }

    fn guaranteed_depth(&self) -> GuaranteedDepth {
        // With nobody in use there is no share of them. Above `max` neither of the two counts.
        let floor = GuaranteedDepth::new("min", self.min).or(GuaranteedDepth::new("least", self.least));
        if floor.ready > self.max { GuaranteedDepth::new("max", self.max) } else { floor }
    }

    fn controller(&self, _epoch: WallClock) -> Box<dyn Controller> {
        let step = |count: Option<u32>| Step { bound: count.unwrap_or(u32::MAX), since: Time::ZERO, used: 0 };
        Box::new(Buffering {
            policy: *self,
            in_use: 0,
            wanted: self.wanted(0),
            depth: None,
            below_since: None,
            up: step(self.step_up),
            down: step(self.step_down),
            next: None,
        })
    }
}

/// How far the depth has moved in one direction since `since`, within one `every`.
#[derive(Debug)]
struct Step {
    bound: u32,
    since: Time,
    used: u32,
}

impl Step {
    /// Moves so far, or as far as the bound still allows; says how far.
    fn take(&mut self, now: Time, every: Duration, distance: u32) -> u32 {
        if self.used == 0 || now >= self.since + every {
            (self.since, self.used) = (now, 0);
        }
        let taken = distance.min(self.bound - self.used);
        self.used += taken;
        taken
    }
}

/// The buffer at work.
#[derive(Debug)]
struct Buffering {
    policy: Buffer,
    /// The number in use for which `wanted` was computed.
    in_use: u32,
    wanted: u32,
    depth: Option<u32>,
    /// Since when the wanted depth has been below the present one.
    below_since: Option<Time>,
    up: Step,
    down: Step,
    next: Option<Time>,
}

impl Controller for Buffering {
    fn target(&mut self, view: &View) -> Target {
        let in_use = view.levels.in_use;
        if in_use != self.in_use {
            (self.in_use, self.wanted) = (in_use, self.policy.wanted(in_use));
        }
        let depth = self.depth.unwrap_or(self.wanted);
        self.depth = Some(if self.wanted == depth { depth } else { self.follow(view.now, depth) });
        if self.depth == Some(self.wanted) {
            (self.below_since, self.next) = (None, None);
        }
        Target::exactly(self.depth.unwrap_or(depth))
    }

    fn changes_at(&self) -> Option<Time> {
        self.next
    }

    fn needs_in_use(&self) -> bool {
        true
    }
}

impl Buffering {
    /// The depth after as much of the way to the wanted one as may be gone now; notes when the rest may be
    /// gone.
    fn follow(&mut self, now: Time, depth: u32) -> u32 {
        let every = self.policy.every;
        if self.wanted > depth {
            self.below_since = None;
            let depth = depth + self.up.take(now, every, self.wanted - depth);
            self.next = Some(self.up.since + every);
            return depth;
        }
        let due = *self.below_since.get_or_insert(now) + self.policy.cooldown;
        if now < due {
            self.next = Some(due);
            return depth;
        }
        let depth = depth - self.down.take(now, every, depth - self.wanted);
        self.next = Some(self.down.since + every);
        depth
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::depth::test_view;

    const PLAIN: Buffer = Buffer {
        min: 0,
        max: 100,
        least: 0,
        percent: 25.0,
        step_up: None,
        step_down: None,
        every: Duration::from_secs(15),
        cooldown: Duration::from_secs(300),
    };

    /// The depth at so many seconds with so many in use; asking twice gives the same answer.
    fn depth(controller: &mut dyn Controller, secs: f64, in_use: u32) -> u32 {
        let mut view = test_view(secs);
        view.levels.in_use = in_use;
        let target = controller.target(&view);
        let next = controller.changes_at();
        assert_eq!((controller.target(&view), controller.changes_at()), (target, next), "asked twice");
        target.depth
    }

    fn secs(at: Option<Time>) -> f64 {
        at.map_or(f64::INFINITY, Time::as_secs_f64)
    }

    #[test]
    fn the_wanted_depth_is_the_larger_part_between_the_bounds() {
        assert_eq!(PLAIN.wanted(0), 0);
        assert_eq!(PLAIN.wanted(1), 1, "a share is rounded up");
        assert_eq!(PLAIN.wanted(40), 10);
        assert_eq!(PLAIN.wanted(41), 11);
        assert_eq!(PLAIN.wanted(u32::MAX), 100);
        assert_eq!(Buffer { least: 5, ..PLAIN }.wanted(8), 5);
        assert_eq!(Buffer { min: 7, least: 5, ..PLAIN }.wanted(8), 7);
        assert_eq!(Buffer { max: 4, least: 5, ..PLAIN }.wanted(8), 4);
        // 7 % of 100 is 7, though 0.07 * 100 is 7.000000000000001 in floating point.
        assert_eq!(Buffer { percent: 7.0, ..PLAIN }.wanted(100), 7);
        assert_eq!(Buffer { percent: 12.3, max: 1_000, ..PLAIN }.wanted(1_000), 123);
    }

    #[test]
    fn rises_at_once_and_falls_after_the_cooldown() {
        let mut controller = PLAIN.controller(WallClock::default());
        assert_eq!(depth(&mut *controller, 0.0, 0), 0);
        assert_eq!(depth(&mut *controller, 1.0, 40), 10);
        assert_eq!(depth(&mut *controller, 2.0, 20), 10);
        assert_eq!(secs(controller.changes_at()), 302.0);
        assert_eq!(depth(&mut *controller, 301.9, 20), 10);
        assert_eq!(depth(&mut *controller, 302.0, 20), 5);
        assert_eq!(controller.changes_at(), None);
    }

    #[test]
    fn wanting_the_present_depth_again_starts_the_cooldown_over() {
        let mut controller = PLAIN.controller(WallClock::default());
        assert_eq!(depth(&mut *controller, 0.0, 40), 10);
        assert_eq!(depth(&mut *controller, 10.0, 36), 10);
        assert_eq!(depth(&mut *controller, 200.0, 40), 10);
        assert_eq!(depth(&mut *controller, 250.0, 36), 10);
        assert_eq!(secs(controller.changes_at()), 550.0);
        assert_eq!(depth(&mut *controller, 549.0, 36), 10);
        assert_eq!(depth(&mut *controller, 550.0, 36), 9);
    }

    #[test]
    fn steps_bound_each_period_in_both_directions() {
        let policy =
            Buffer { step_up: Some(4), step_down: Some(3), cooldown: Duration::from_secs(60), ..PLAIN };
        let mut controller = policy.controller(WallClock::default());
        assert_eq!(depth(&mut *controller, 0.0, 0), 0);
        assert_eq!(depth(&mut *controller, 1.0, 4), 1);
        assert_eq!(depth(&mut *controller, 2.0, 40), 4, "one of four was used already");
        assert_eq!(secs(controller.changes_at()), 16.0);
        assert_eq!(depth(&mut *controller, 16.0, 40), 8);
        assert_eq!(depth(&mut *controller, 31.5, 40), 10, "a late timer is no reason to take more");
        assert_eq!(controller.changes_at(), None);
        assert_eq!(depth(&mut *controller, 40.0, 16), 10);
        assert_eq!(depth(&mut *controller, 100.0, 16), 7);
        assert_eq!(secs(controller.changes_at()), 115.0);
        assert_eq!(
            depth(&mut *controller, 115.0, 16),
            4,
            "the cooldown has passed once for the whole way down"
        );
        assert_eq!(controller.changes_at(), None);
    }

    #[test]
    fn without_a_cooldown_it_falls_at_once() {
        let mut controller = Buffer { cooldown: Duration::ZERO, ..PLAIN }.controller(WallClock::default());
        assert_eq!(depth(&mut *controller, 0.0, 40), 10);
        assert_eq!(depth(&mut *controller, 0.0, 4), 1);
    }

    #[test]
    fn what_is_invalid_is_named() {
        let key = |policy: Buffer| policy.validate().expect_err("invalid").key;
        assert_eq!(key(Buffer { min: 101, ..PLAIN }), "min");
        assert_eq!(key(Buffer { percent: -1.0, ..PLAIN }), "percent");
        assert_eq!(key(Buffer { percent: f64::NAN, ..PLAIN }), "percent");
        assert_eq!(key(Buffer { step_up: Some(0), ..PLAIN }), "step_up");
        assert_eq!(key(Buffer { step_down: Some(0), ..PLAIN }), "step_down");
        assert_eq!(key(Buffer { every: Duration::ZERO, ..PLAIN }), "every");
        assert_eq!(PLAIN.validate(), Ok(()));
    }
}
