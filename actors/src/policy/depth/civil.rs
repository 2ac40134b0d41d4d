//! Civil time: where the run's clock meets time zones. The time zone database is the one compiled in, never
//! the system's, so that a run is the same on every machine.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{TimeZone, TimeZoneDatabase};

use crate::policy::Problem;
use crate::time::{Time, WallClock};

/// A time zone of the IANA database.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Zone(TimeZone);

impl Zone {
    /// The zone of this name, such as `"Europe/Berlin"`.
    pub(super) fn named(name: &str) -> Result<Self, Problem> {
        if name.eq_ignore_ascii_case("UTC") {
            return Ok(Self::utc());
        }
        TimeZoneDatabase::bundled().get(name).map(Self).map_err(|_| {
            Problem::new(
                "timezone",
                format!("is {name:?}, which is not a time zone"),
                "write a name such as \"Europe/Berlin\", or \"UTC\"",
            )
        })
    }

    /// The zone whose clocks are never shifted.
    pub(super) fn utc() -> Self {
        Self(TimeZone::UTC)
    }

    /// What clocks there show at a point in time.
    pub(super) fn local(&self, at: Timestamp) -> DateTime {
        self.0.to_datetime(at)
    }

    /// When clocks there are next put forward or back.
    pub(super) fn next_shift(&self, at: Timestamp) -> Option<Timestamp> {
        self.0.following(at).next().map(|transition| transition.timestamp())
    }

    /// The zone as the date-time library knows it.
    pub(super) fn inner(&self) -> &TimeZone {
        &self.0
    }
}

/// The point of civil time at which a run that began at `epoch` has come to `now`.
pub(super) fn timestamp(epoch: WallClock, now: Time) -> Timestamp {
    Timestamp::from_nanosecond(i128::from(epoch.at(now).as_unix_nanos()))
        .expect("64 bits of nanoseconds end in the year 2262, timestamps in 9999")
}

/// When a run that began at `epoch` comes to a point of civil time: t = 0 for what was before it.
pub(super) fn run_time(epoch: WallClock, at: Timestamp) -> Time {
    let nanos = at.as_nanosecond() - i128::from(epoch.as_unix_nanos());
    Time::from_nanos(nanos.clamp(0, i128::from(u64::MAX)) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_found_by_name_alone() {
        let summer: Timestamp = "2024-07-01T12:00:00Z".parse().unwrap();
        let local = |name| Zone::named(name).unwrap().local(summer).hour();
        assert_eq!([local("UTC"), local("Europe/Berlin"), local("Asia/Kolkata")], [12, 14, 17]);
        let problem = Zone::named("Europe/Pariss").expect_err("there is no such place");
        assert_eq!(problem.key, "timezone");
        assert!(problem.wrong.contains("Europe/Pariss"), "{}", problem.wrong);
    }

    #[test]
    fn clocks_shift_where_they_do() {
        let summer: Timestamp = "2024-07-01T12:00:00Z".parse().unwrap();
        let shift = |name| Zone::named(name).unwrap().next_shift(summer).map(|at| at.to_string());
        assert_eq!(shift("Europe/Berlin").as_deref(), Some("2024-10-27T01:00:00Z"));
        assert_eq!(shift("UTC"), None);
    }

    #[test]
    fn run_time_and_civil_time_agree() {
        let epoch = WallClock::from_unix_nanos(1_700_000_000_000_000_123);
        let now = Time::from_nanos(5_000_000_777);
        assert_eq!(timestamp(epoch, now).as_nanosecond(), 1_700_000_005_000_000_900);
        assert_eq!(run_time(epoch, timestamp(epoch, now)), now);
        assert_eq!(run_time(epoch, Timestamp::UNIX_EPOCH), Time::ZERO);
        assert_eq!(
            timestamp(WallClock::from_unix_nanos(i64::MAX), Time::MAX).as_nanosecond(),
            i64::MAX.into()
        );
    }
}
