//! `rate`: at most so many boots per second, with bursts: a token bucket (Turner, "New Directions in
//! Communications", IEEE Communications Magazine 1986) in exact integer arithmetic, so that it never drifts,
//! however long it runs and however often it is asked.

use serde::{Deserialize, Serialize};

use super::{Controller, PolicyConfig};
use crate::policy::Problem;
use crate::time::{Duration, Time};

/// The finest rate: a millionth of a token per second. Rates are kept in whole multiples of it.
const RATE_MIN: f64 = 1e-6;
/// The highest rate: a token per nanosecond.
const RATE_MAX: f64 = 1e9;
/// One token in the unit of account, a millionth of a token per second for a nanosecond.
const TOKEN: u128 = 1_000_000 * 1_000_000_000;

/// A token bucket: each boot costs a token.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Tokens that come into the bucket per second: from 0.000001 to 1,000,000,000, kept to six decimals.
    pub per_second: f64,
    /// How many tokens the bucket holds: so many boots may be ordered at once. It is full at the beginning.
    #[serde(default = "Rate::burst")]
    pub burst: u32,
}

impl Rate {
    fn burst() -> u32 {
        1
    }
}

impl PolicyConfig for Rate {
    fn validate(&self) -> Result<(), Problem> {
        if !(RATE_MIN..=RATE_MAX).contains(&self.per_second) {
            return Err(Problem::new(
                "per_second",
                format!("is {}", self.per_second),
                "give boots per second from 0.000001 to 1000000000, or use `never` or `immediate`",
            ));
        }
        if self.burst == 0 {
            return Err(Problem::new("burst", "is 0, so no boot could ever be ordered", "give 1 or more"));
        }
        Ok(())
    }

    fn controller(&self) -> Box<dyn Controller> {
        let full = u128::from(self.burst) * TOKEN;
        // Rounded half up; `as` saturates, and turns what is not a number into zero.
        let rate = ((self.per_second * 1e6 + 0.5) as u64).max(1);
        Box::new(Bucket { rate, full, level: full, at: Time::ZERO })
    }
}

/// A token bucket at work. `level` is what it held at `at`.
#[derive(Debug)]
struct Bucket {
    /// Millionths of a token per second.
    rate: u64,
    full: u128,
    level: u128,
    at: Time,
}

impl Controller for Bucket {
    fn allow(&mut self, now: Time, deficit: u32, _ready: u32) -> u32 {
        let come = u128::from(now.since(self.at).as_nanos()) * u128::from(self.rate);
        self.level = (self.level + come).min(self.full);
        self.at = now;
        let tokens = u32::try_from(self.level / TOKEN).unwrap_or(u32::MAX);
        let allowed = deficit.min(tokens);
        self.level -= u128::from(allowed) * TOKEN;
        allowed
    }

    fn again_at(&self) -> Option<Time> {
        let missing = TOKEN.saturating_sub(self.level);
        let wait = missing.div_ceil(u128::from(self.rate));
        Some(self.at + Duration::from_nanos(u64::try_from(wait).unwrap_or(u64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(per_second: f64, burst: u32) -> Box<dyn Controller> {
        Rate { per_second, burst }.controller()
    }

    #[test]
    fn gives_its_burst_and_then_a_token_at_a_time() {
        let mut controller = bucket(5.0, 3);
        assert_eq!(controller.allow(Time::ZERO, 2, 0), 2);
        assert_eq!(controller.allow(Time::ZERO, 4, 0), 1);
        assert_eq!(controller.again_at(), Some(Time::from_nanos(200_000_000)));
        assert_eq!(controller.allow(Time::from_nanos(199_999_999), 3, 0), 0);
        assert_eq!(controller.again_at(), Some(Time::from_nanos(200_000_000)), "asking early costs nothing");
        assert_eq!(controller.allow(Time::from_nanos(200_000_000), 3, 0), 1);
        assert_eq!(controller.again_at(), Some(Time::from_nanos(400_000_000)));
    }

    #[test]
    fn a_late_timer_loses_nothing() {
        let mut controller = bucket(5.0, 3);
        assert_eq!(controller.allow(Time::ZERO, 3, 0), 3);
        assert_eq!(controller.allow(Time::from_nanos(430_000_000), 9, 0), 2);
        assert_eq!(controller.again_at(), Some(Time::from_nanos(600_000_000)));
    }

    #[test]
    fn it_holds_no_more_than_its_burst() {
        let mut controller = bucket(1_000.0, 2);
        assert_eq!(controller.allow(Time::ZERO, 1, 0), 1);
        assert_eq!(controller.allow(Time::MAX, 9, 0), 2);
    }

    #[test]
    fn thirds_do_not_drift() {
        let mut controller = bucket(3.0, 2);
        assert_eq!(controller.allow(Time::ZERO, 2, 0), 2);
        for token in 1..=30_000_u64 {
            let at = controller.again_at().unwrap();
            assert_eq!(at.as_nanos(), (token * 1_000_000_000).div_ceil(3));
            assert_eq!(controller.allow(at - Duration::from_nanos(1), 1, 0), 0);
            assert_eq!(controller.allow(at, 1, 0), 1);
        }
    }

    #[test]
    fn slow_rates_wait_long() {
        let mut controller = bucket(0.000_001, 1);
        assert_eq!(controller.allow(Time::ZERO, 5, 0), 1);
        assert_eq!(controller.again_at(), Some(Time::ZERO + Duration::from_secs(1_000_000)));
    }

    #[test]
    fn what_is_invalid_is_named() {
        let key = |per_second, burst| Rate { per_second, burst }.validate().expect_err("invalid").key;
        for rate in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-7] {
            assert_eq!(key(rate, 1), "per_second");
        }
        assert_eq!(key(5.0, 0), "burst");
        assert_eq!(Rate { per_second: 5.0, burst: 1 }.validate(), Ok(()));
    }
}
