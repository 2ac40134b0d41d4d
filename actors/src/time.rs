//! Time as the actors know it: whole nanoseconds, counted from the beginning of the run.
//!
//! Nothing here reads a clock. A backend says what time it is; arithmetic is exact and saturating, so that a
//! simulation gives the same result on every machine.

use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::invalid::invalid;

/// A point in time: nanoseconds since the run began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Time(u64);

/// A length of time in nanoseconds. In files it is a string with a unit: `"250us"`, `"2.5s"`, `"1m30s"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(u64);

impl Time {
    /// The beginning of the run.
    pub const ZERO: Self = Self(0);
    /// Later than everything that happens.
    pub const MAX: Self = Self(u64::MAX);

    /// The point `nanos` nanoseconds after the beginning of the run.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the beginning of the run.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Seconds since the beginning of the run, for people and for plots.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// How long ago `earlier` was; zero when it is not earlier.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Time {
    type Output = Self;
    fn add(self, after: Duration) -> Self {
        Self(self.0.saturating_add(after.0))
    }
}

impl Sub<Duration> for Time {
    type Output = Self;
    fn sub(self, before: Duration) -> Self {
        Self(self.0.saturating_sub(before.0))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Duration(self.0).fmt(f)
    }
}

/// A point in civil time: nanoseconds since 1970-01-01T00:00:00Z. Policies that follow the hour or the
/// weekday are told at which such point the run began; they never ask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct WallClock(i64);

impl WallClock {
    /// The point so many nanoseconds after (or, if negative, before) 1970-01-01T00:00:00Z.
    pub const fn from_unix_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since 1970-01-01T00:00:00Z.
    pub const fn as_unix_nanos(self) -> i64 {
        self.0
    }

    /// The civil time at a point of a run that began at this one.
    #[must_use]
    pub fn at(self, time: Time) -> Self {
        Self(self.0.saturating_add_unsigned(time.as_nanos()))
    }
}

/// The units a duration may be written in, largest first, with their length in nanoseconds.
const UNITS: [(&str, u64); 7] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

impl Duration {
    /// No time at all.
    pub const ZERO: Self = Self(0);
    /// Longer than everything that happens.
    pub const MAX: Self = Self(u64::MAX);

    /// A duration of so many nanoseconds.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// A duration of so many microseconds.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros.saturating_mul(1_000))
    }

    /// A duration of so many milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// A duration of so many seconds.
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1_000_000_000))
    }

    /// The nearest duration to so many seconds; zero for negative numbers and for what is not a number.
    pub fn from_secs_f64(secs: f64) -> Self {
        Self(nanos_from_f64(secs * 1e9))
    }

    /// Length in nanoseconds.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Length in seconds.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// Whether this is no time at all.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// This duration so many times over, saturating.
    pub const fn times(self, count: u64) -> Self {
        Self(self.0.saturating_mul(count))
    }

    /// This duration scaled by a factor, rounded to the nearest nanosecond.
    pub fn scaled(self, factor: f64) -> Self {
        Self(nanos_from_f64(self.0 as f64 * factor))
    }
}

/// Rounds half up; `as` saturates, and turns what is not a number into zero.
fn nanos_from_f64(nanos: f64) -> u64 {
    (nanos + 0.5) as u64
}

impl Add for Duration {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for Duration {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

/// Why a text is not a duration. [`DurationError::remedy`] says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// There is no number where one must stand.
    #[error("`{text}` is not a duration")]
    NoNumber {
        /// What was written.
        text: String,
    },
    /// A number stands without a unit.
    #[error("`{text}` has no unit")]
    NoUnit {
        /// What was written.
        text: String,
    },
    /// The unit is not one of ours.
    #[error("`{unit}` in `{text}` is not a unit of time")]
    UnknownUnit {
        /// What was written.
        text: String,
        /// The unit in it.
        unit: String,
    },
    /// Durations are never negative.
    #[error("`{text}` is negative")]
    Negative {
        /// What was written.
        text: String,
    },
    /// More than 584 years, or finer than a nanosecond.
    #[error("`{text}` is out of range: it is not a number of nanoseconds below 2^64")]
    Range {
        /// What was written.
        text: String,
    },
}

impl DurationError {
    /// What to do about it.
    pub fn remedy(&self) -> String {
        match self {
            Self::NoNumber { .. } => {
                "write a number and a unit, such as \"250us\", \"2.5s\" or \"1m30s\"".to_owned()
            }
            Self::NoUnit { text } => format!("add one of ns, us, ms, s, m, h, d, as in \"{text}s\""),
            Self::UnknownUnit { .. } => "use one of ns, us, ms, s, m, h, d".to_owned(),
            Self::Negative { .. } => "give a duration of zero or more".to_owned(),
            Self::Range { .. } => "give at most about 584 years, in steps of 1ns".to_owned(),
        }
    }
}

impl FromStr for Duration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        let whole = || text.to_owned();
        let mut rest = text.trim();
        if rest.starts_with('-') {
            return Err(DurationError::Negative { text: whole() });
        }
        if rest.is_empty() {
            return Err(DurationError::NoNumber { text: whole() });
        }
        let mut total: u64 = 0;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
            let (number, tail) = rest.split_at(digits);
            let tail = tail.trim_start();
            let letters = tail.find(|c: char| !c.is_alphabetic()).unwrap_or(tail.len());
            let (unit, after) = tail.split_at(letters);
            if number.is_empty() {
                return Err(DurationError::NoNumber { text: whole() });
            }
            if unit.is_empty() {
                return Err(DurationError::NoUnit { text: whole() });
            }
            let unit = if unit == "µs" || unit == "μs" { "us" } else { unit };
            let Some(&(_, length)) = UNITS.iter().find(|(name, _)| *name == unit) else {
                return Err(DurationError::UnknownUnit { text: whole(), unit: unit.to_owned() });
            };
            let part = decimal_times(number, length).map_err(|at_fault| match at_fault {
                NotDecimal::Malformed => DurationError::NoNumber { text: whole() },
                NotDecimal::Range => DurationError::Range { text: whole() },
            })?;
            total = total.checked_add(part).ok_or_else(|| DurationError::Range { text: whole() })?;
            rest = after.trim_start();
        }
        Ok(Self(total))
    }
}

enum NotDecimal {
    Malformed,
    Range,
}

/// `number` times `unit`, exactly: no float comes near it.
fn decimal_times(number: &str, unit: u64) -> Result<u64, NotDecimal> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return Err(NotDecimal::Malformed);
    }
    let fraction = fraction.trim_end_matches('0');
    let parse = |digits: &str| match digits {
        "" => Ok(0),
        _ => digits.parse::<u128>().map_err(|_| NotDecimal::Range),
    };
    if fraction.len() > 18 {
        return Err(NotDecimal::Range);
    }
    let scale = 10u128.pow(fraction.len() as u32);
    let numerator = parse(whole)?
        .checked_mul(scale)
        .and_then(|n| n.checked_add(parse(fraction).ok()?))
        .and_then(|n| n.checked_mul(u128::from(unit)))
        .ok_or(NotDecimal::Range)?;
    if numerator % scale != 0 {
        return Err(NotDecimal::Range);
    }
    u64::try_from(numerator / scale).map_err(|_| NotDecimal::Range)
}

impl fmt::Display for Duration {
    /// The shortest exact form: whole days, hours or minutes where they fit, else a decimal of s, ms, us or
    /// ns.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        if let Some((name, length)) = UNITS[..3].iter().find(|(_, length)| self.0.is_multiple_of(*length)) {
            return write!(f, "{}{name}", self.0 / length);
        }
        let (name, length) = UNITS[3..]
            .iter()
            .find(|(_, length)| self.0 >= *length)
            .expect("the smallest unit is one nanosecond, and this is at least one");
        let (whole, rest) = (self.0 / length, self.0 % length);
        if rest == 0 {
            return write!(f, "{whole}{name}");
        }
        let width = length.ilog10() as usize;
        let fraction = format!("{rest:0width$}");
        write!(f, "{whole}.{}{name}", fraction.trim_end_matches('0'))
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // People read and write a duration with its unit; programs take nanoseconds.
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_u64(self.as_nanos())
        }
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        fn no_unit<E: de::Error>(number: &dyn fmt::Display) -> Result<Duration, E> {
            let error = DurationError::NoUnit { text: number.to_string() };
            Err(invalid(&error, &error.remedy()))
        }
        impl de::Visitor<'_> for Visitor {
            type Value = Duration;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration with its unit, such as \"250us\" or \"2.5s\"")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Duration, E> {
                text.parse().map_err(|error: DurationError| invalid(&error, &error.remedy()))
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Duration, E> {
                no_unit(&number)
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Duration, E> {
                no_unit(&number)
            }
            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Duration, E> {
                no_unit(&number)
            }
        }
        if deserializer.is_human_readable() {
            deserializer.deserialize_any(Visitor)
        } else {
            u64::deserialize(deserializer).map(Duration::from_nanos)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_are_read_exactly() {
        for (text, nanos) in [
            ("250us", 250_000),
            ("2.5s", 2_500_000_000),
            ("1m30s", 90_000_000_000),
            ("0s", 0),
            ("1.000000001s", 1_000_000_001),
            ("7d", 604_800_000_000_000),
            (" 3 ms ", 3_000_000),
            ("5µs", 5_000),
        ] {
            assert_eq!(text.parse(), Ok(Duration(nanos)), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_duration_says_why() {
        use DurationError::*;
        for (text, error) in [
            ("", NoNumber { text: "".into() }),
            ("s", NoNumber { text: "s".into() }),
            ("1.2.3s", NoNumber { text: "1.2.3s".into() }),
            ("250", NoUnit { text: "250".into() }),
            ("1m30", NoUnit { text: "1m30".into() }),
            ("3 parsecs", UnknownUnit { text: "3 parsecs".into(), unit: "parsecs".into() }),
            ("-1s", Negative { text: "-1s".into() }),
            ("0.1ns", Range { text: "0.1ns".into() }),
            ("999999999d", Range { text: "999999999d".into() }),
        ] {
            assert_eq!(text.parse::<Duration>(), Err(error), "{text}");
        }
    }

    proptest! {
        #[test]
        fn display_reads_back_to_the_same_duration(nanos: u64) {
            let duration = Duration(nanos);
            prop_assert_eq!(duration.to_string().parse(), Ok(duration));
        }
    }
}
