//! `delay`: hold after a take, so that boots do not compete with starts. Every take holds again; that alone
//! would let a steady stream of takes hold orders back for ever, so `longest` bounds the whole and `low` ends
//! it when the pool runs dry.

use serde::{Deserialize, Serialize};

use super::{Controller, PolicyConfig};
use crate::policy::Problem;
use crate::time::{Duration, Time};

/// Hold after a take. Only takes from the pool hold: a request that misses does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delay {
    /// How long after the last take nothing is ordered.
    pub hold: Duration,
    /// How long at most after the first take; without it, a steady stream of takes holds orders back for
    /// ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longest: Option<Duration>,
    /// When no more Sprites than this are ready, nothing is held back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low: Option<u32>,
}

impl PolicyConfig for Delay {
    fn validate(&self) -> Result<(), Problem> {
        if self.hold.is_zero() {
            return Err(Problem::new(
                "hold",
                "is 0, so nothing is held",
                "give it some time, or use `immediate`",
            ));
        }
        if self.longest.is_some_and(|longest| longest < self.hold) {
            let wrong = format!("is shorter than `hold` ({})", self.hold);
            return Err(Problem::new("longest", wrong, "make it at least as long"));
        }
        Ok(())
    }

    fn controller(&self) -> Box<dyn Controller> {
        Box::new(Holding { policy: *self, hold: None })
    }
}

/// A hold that has begun.
#[derive(Clone, Copy, Debug)]
struct Hold {
    first: Time,
    due: Time,
}

/// The delay at work.
#[derive(Debug)]
struct Holding {
    policy: Delay,
    hold: Option<Hold>,
}

impl Controller for Holding {
    fn taken(&mut self, now: Time) {
        let first = self.hold.filter(|hold| hold.due > now).map_or(now, |hold| hold.first);
        let end = self.policy.longest.map_or(Time::MAX, |longest| first + longest);
        self.hold = Some(Hold { first, due: end.min(now + self.policy.hold) });
    }

    fn allow(&mut self, now: Time, deficit: u32, ready: u32) -> u32 {
        let is_dry = self.policy.low.is_some_and(|low| ready <= low);
        if is_dry || self.hold.is_none_or(|hold| hold.due <= now) {
            self.hold = None;
            return deficit;
        }
        0
    }

    fn again_at(&self) -> Option<Time> {
        self.hold.map(|hold| hold.due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Time {
        Time::ZERO + Duration::from_millis(millis)
    }

    fn delay(longest: Option<u64>, low: Option<u32>) -> Box<dyn Controller> {
        Delay { hold: Duration::from_secs(1), longest: longest.map(Duration::from_millis), low }.controller()
    }

    /// A take that leaves this deficit, and what may be ordered right after it.
    fn take(controller: &mut dyn Controller, millis: u64, deficit: u32) -> u32 {
        controller.taken(at(millis));
        controller.allow(at(millis), deficit, 20)
    }

    #[test]
    fn every_take_holds_again() {
        let mut controller = delay(None, None);
        assert_eq!(take(&mut *controller, 0, 1), 0);
        assert_eq!(controller.again_at(), Some(at(1_000)));
        assert_eq!(take(&mut *controller, 900, 2), 0);
        assert_eq!(controller.again_at(), Some(at(1_900)));
        assert_eq!(controller.allow(at(1_899), 2, 20), 0);
        assert_eq!(controller.allow(at(1_900), 2, 20), 2);
        assert_eq!(controller.again_at(), None);
    }

    #[test]
    fn the_longest_hold_ends_it() {
        let mut controller = delay(Some(2_000), None);
        for step in 0..4 {
            assert_eq!(take(&mut *controller, step * 600, step as u32 + 1), 0);
        }
        assert_eq!(controller.again_at(), Some(at(2_000)));
        assert_eq!(controller.allow(at(2_000), 4, 20), 4);
        assert_eq!(take(&mut *controller, 2_100, 1), 0, "the next take begins another hold");
        assert_eq!(controller.again_at(), Some(at(3_100)));
    }

    #[test]
    fn a_pool_that_runs_dry_holds_nothing() {
        let mut controller = delay(None, Some(10));
        controller.taken(at(0));
        assert_eq!(controller.allow(at(0), 5, 11), 0);
        controller.taken(at(10));
        assert_eq!(controller.allow(at(10), 6, 10), 6);
        assert_eq!(controller.again_at(), None);
    }

    #[test]
    fn what_no_take_caused_is_not_held() {
        let mut controller = delay(None, None);
        assert_eq!(controller.allow(at(0), 7, 3), 7);
        assert_eq!(take(&mut *controller, 0, 1), 0);
        assert_eq!(controller.allow(at(1_000), 1, 3), 1);
        assert_eq!(controller.allow(at(1_001), 2, 3), 2);
    }

    #[test]
    fn a_take_after_the_hold_begins_another() {
        let mut controller = delay(Some(1_500), None);
        assert_eq!(take(&mut *controller, 0, 1), 0);
        assert_eq!(take(&mut *controller, 1_400, 1), 0);
        assert_eq!(
            controller.again_at(),
            Some(at(2_400)),
            "`longest` counts from the take that began this hold"
        );
    }

    #[test]
    fn what_is_invalid_is_named() {
        let key = |hold, longest: Option<u64>| {
            let longest = longest.map(Duration::from_millis);
            Delay { hold: Duration::from_millis(hold), longest, low: None }
                .validate()
                .expect_err("invalid")
                .key
        };
        assert_eq!(key(0, None), "hold");
        assert_eq!(key(1_000, Some(999)), "longest");
    }
}
