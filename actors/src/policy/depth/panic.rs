//! `panic`: follow a sudden rise at once, and a fall slowly, with two windows as in Knative's autoscaler
//! (`pkg/autoscaler/scaling/autoscaler.go`, where they are 60 s and 6 s and the threshold is 200 %).
//!
//! The demand of a window in Sprites is what a boot time must be covered with: `ceil(a + margin * sqrt(a))`,
//! where `a` is the arrivals per second over the window times the boot time. The second term is the
//! square-root rule (Halfin and Whitt, "Heavy-Traffic Limits for Queues with Many Exponential Servers",
//! Operations Research 1981): the count of random arrivals in a boot time has the mean `a` and the standard
//! deviation `sqrt(a)`.
//!
//! When the demand of the short window is at least `threshold` times the Sprites that are ready, it is a
//! panic: the depth is the largest demand of either window since the panic began, and it does not fall until
//! `stable` has passed without another. Otherwise the depth is the demand of the long window.

use serde::{Deserialize, Serialize};

use super::arrivals::Arrivals;
use super::{Controller, GuaranteedDepth, PolicyConfig, View, check};
use crate::policy::Problem;
use crate::protocol::Target;
use crate::time::{Duration, Time, WallClock};

/// Follow a sudden rise at once, and a fall slowly.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Panic {
    /// The long window; also how long the depth does not fall after a panic.
    #[serde(default = "Panic::stable")]
    pub stable: Duration,
    /// The short window.
    #[serde(default = "Panic::panic")]
    pub panic: Duration,
    /// It is a panic when the short window asks for so many times what is ready; 1 or more.
    #[serde(default = "Panic::threshold")]
    pub threshold: f64,
    /// Never fewer Sprites than this.
    #[serde(default = "Panic::min")]
    pub min: u32,
    /// Never more Sprites than this.
    pub max: u32,
    /// What is added to the mean demand of a boot time, in standard deviations of a Poisson count.
    #[serde(default = "Panic::margin")]
    pub margin: f64,
    /// How long a boot is taken to last until the first one has been measured.
    #[serde(default = "super::boot_prior")]
    pub boot: Duration,
}

impl Panic {
    fn stable() -> Duration {
        Duration::from_secs(60)
    }

    fn panic() -> Duration {
        Duration::from_secs(6)
    }

    fn threshold() -> f64 {
        2.0
    }

    fn min() -> u32 {
        1
    }

    fn margin() -> f64 {
        2.0
    }
}

impl PolicyConfig for Panic {
    fn validate(&self) -> Result<(), Problem> {
        check::bounds(self.min, self.max)?;
        check::window("panic", self.panic)?;
        check::at_least("threshold", self.threshold, 1.0)?;
        check::at_least("margin", self.margin, 0.0)?;
        if self.panic >= self.stable {
            let wrong = format!("is {}, not shorter than `stable` ({})", self.panic, self.stable);
            return Err(Problem::new("panic", wrong, "shorten it"));
        }
        Ok(())
    }

    fn guaranteed_depth(&self) -> GuaranteedDepth {
        GuaranteedDepth::new("min", self.min)
    }

    fn controller(&self, _epoch: WallClock) -> Box<dyn Controller> {
        Box::new(Panicking {
            policy: *self,
            long: Arrivals::new(self.stable),
            short: Arrivals::new(self.panic),
            boot: self.boot,
            is_due: false,
            long_demand: 0,
            short_demand: 0,
            until: None,
            depth: self.min,
        })
    }
}

/// The policy at work.
#[derive(Debug)]
struct Panicking {
    policy: Panic,
    long: Arrivals,
    short: Arrivals,
    /// The boot time for which the demands were computed.
    boot: Duration,
    /// Whether the windows have changed since.
    is_due: bool,
    /// The demand of the long window, in Sprites.
    long_demand: u32,
    /// The demand of the short window, in Sprites.
    short_demand: u32,
    /// When the panic ends, if there is one.
    until: Option<Time>,
    depth: u32,
}

impl Controller for Panicking {
    fn demand(&mut self, now: Time, _missed: bool) {
        self.pass(now);
        self.long.add();
        self.short.add();
        self.is_due = true;
    }

    fn target(&mut self, view: &View) -> Target {
        let now = view.now;
        self.pass(now);
        let boot = view.lead_time.unwrap_or(self.policy.boot);
        if self.is_due || boot != self.boot {
            (self.is_due, self.boot) = (false, boot);
            self.long_demand = self.sprites(self.long.rate_with_present(now));
            self.short_demand = self.sprites(self.short.rate_with_present(now));
        }
        let alarm = self.policy.threshold * f64::from(view.levels.ready);
        if self.short_demand > 0 && f64::from(self.short_demand) >= alarm {
            self.until = Some(now + self.policy.stable);
        } else if self.until.is_some_and(|until| now >= until) {
            self.until = None;
        }
        let wanted = match self.until {
            Some(_) => self.depth.max(self.short_demand).max(self.long_demand),
            None => self.long_demand,
        };
        self.depth = wanted.clamp(self.policy.min, self.policy.max);
        Target::exactly(self.depth)
    }

    fn changes_at(&self) -> Option<Time> {
        // A panic begins with an arrival or a take, never by itself; while it lasts nothing falls.
        self.until.or_else(|| self.long.next_edge())
    }

    fn needs_lead_time(&self) -> bool {
        true
    }
}

impl Panicking {
    fn pass(&mut self, now: Time) {
        let (long, short) = (self.long.advance(now), self.short.advance(now));
        self.is_due |= long || short;
    }

    /// The demand in Sprites of so many arrivals per second.
    fn sprites(&self, rate: f64) -> u32 {
        let mean = rate * self.boot.as_secs_f64();
        // `as` saturates.
        (mean + self.policy.margin * mean.sqrt()).ceil() as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::depth::test_view;
    use crate::protocol::Levels;

    const POLICY: Panic = Panic {
        stable: Duration::from_secs(64),
        panic: Duration::from_millis(6_400),
        threshold: 2.0,
        min: 1,
        max: 100,
        margin: 0.0,
        boot: Duration::from_secs(2),
    };

    fn arrive(controller: &mut dyn Controller, millis: std::ops::Range<u64>, step: usize) {
        for at in millis.step_by(step) {
            controller.demand(Time::ZERO + Duration::from_millis(at), false);
        }
    }

    fn depth(controller: &mut dyn Controller, secs: f64, ready: u32) -> u32 {
        let view = View { levels: Levels { ready, ..Levels::default() }, ..test_view(secs) };
        let target = controller.target(&view);
        assert_eq!(controller.target(&view), target, "asked twice");
        target.depth
    }

    #[test]
    fn in_calm_the_long_window_decides() {
        let mut controller = POLICY.controller(WallClock::default());
        arrive(&mut *controller, 0..64_000, 500);
        assert_eq!(depth(&mut *controller, 64.0, 50), 4, "two per second, two seconds each");
        assert_eq!(controller.changes_at(), Some(Time::ZERO + Duration::from_secs(65)));
        let mut careful = Panic { margin: 2.0, ..POLICY }.controller(WallClock::default());
        arrive(&mut *careful, 0..64_000, 500);
        assert_eq!(depth(&mut *careful, 64.0, 50), 8, "and two standard deviations of two");
    }

    #[test]
    fn a_rise_is_followed_at_once_and_kept_for_a_long_window() {
        let mut controller = POLICY.controller(WallClock::default());
        arrive(&mut *controller, 0..64_000, 500);
        arrive(&mut *controller, 64_000..70_400, 50);
        assert_eq!(
            depth(&mut *controller, 70.4, 50),
            8,
            "much is ready: no panic, and the long window alone rises"
        );
        assert_eq!(depth(&mut *controller, 70.4, 20), 40, "20 per second ask for 40, which is twice 20");
        assert_eq!(controller.changes_at(), Some(Time::ZERO + Duration::from_millis(134_400)));
        assert_eq!(depth(&mut *controller, 134.3, 40), 40, "long after it has ended");
        assert_eq!(depth(&mut *controller, 134.4, 40), 1, "little is left in the long window");
        assert_eq!(depth(&mut *controller, 135.0, 40), 1);
        assert_eq!(controller.changes_at(), None, "and then nothing");
    }

    #[test]
    fn another_alarm_prolongs_the_panic() {
        let mut controller = POLICY.controller(WallClock::default());
        arrive(&mut *controller, 0..6_400, 50);
        assert_eq!(depth(&mut *controller, 6.4, 0), 40);
        arrive(&mut *controller, 50_000..50_001, 1);
        assert_eq!(depth(&mut *controller, 50.0, 0), 40);
        assert_eq!(controller.changes_at(), Some(Time::ZERO + Duration::from_secs(114)));
    }

    #[test]
    fn an_idle_pool_does_not_panic() {
        let mut controller = POLICY.controller(WallClock::default());
        assert_eq!(depth(&mut *controller, 0.0, 0), 1);
        assert_eq!(depth(&mut *controller, 1_000.0, 0), 1);
        assert_eq!(controller.changes_at(), None);
    }

    #[test]
    fn the_bounds_hold_in_a_panic() {
        let mut controller = Panic { max: 30, ..POLICY }.controller(WallClock::default());
        arrive(&mut *controller, 0..6_400, 1);
        assert_eq!(depth(&mut *controller, 6.4, 0), 30);
    }

    #[test]
    fn what_is_invalid_is_named() {
        let key = |policy: Panic| policy.validate().expect_err("invalid").key;
        assert_eq!(key(Panic { min: 101, ..POLICY }), "min");
        assert_eq!(key(Panic { panic: POLICY.stable, ..POLICY }), "panic");
        assert_eq!(key(Panic { panic: Duration::ZERO, ..POLICY }), "panic");
        assert_eq!(key(Panic { threshold: 0.5, ..POLICY }), "threshold");
        assert_eq!(key(Panic { threshold: f64::NAN, ..POLICY }), "threshold");
        assert_eq!(key(Panic { margin: f64::INFINITY, ..POLICY }), "margin");
        assert_eq!(POLICY.validate(), Ok(()));
    }
}
