//! Whether windows of a schedule ever hold at the same time: found by going through a whole cycle of the
//! calendar.

use jiff::{SignedDuration, Timestamp};

use super::hours::Hours;

/// Where the search begins: 2024-01-01T00:00:00Z, a Monday.
const BEGIN: Timestamp = Timestamp::constant(1_704_067_200, 0);
/// After 28 years every date has met every weekday and leap years begin again (until 2100). What follows the
/// clock on the wall of one time zone is the same after a week; the eighth day is for nights that pass its
/// end.
const CYCLE_DAYS: i64 = 28 * 365 + 7;
const WEEK_DAYS: i64 = 8;
/// How often windows may begin or end in one cycle.
const EDGES_MAX: u32 = 200_000;

/// What the search has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overlap {
    /// Never two at a time.
    Never,
    /// These two hold at this time.
    At {
        /// The earlier in the list.
        one: usize,
        /// The later in the list.
        other: usize,
        /// When.
        at: Timestamp,
    },
    /// Windows begin or end so often that a whole cycle would take too long to go through.
    Unknown,
}

/// Looks for the first time at which two of these windows hold.
pub(super) fn first_overlap(windows: &[Hours]) -> Overlap {
    let Some((first, others)) = windows.split_first() else {
        return Overlap::Never;
    };
    if others.iter().all(|other| first.is_weekly_with(other)) {
        let in_utc: Vec<Hours> = windows.iter().map(Hours::in_utc).collect();
        return sweep(&in_utc, WEEK_DAYS);
    }
    sweep(windows, CYCLE_DAYS)
}

/// Goes from edge to edge for so many days.
fn sweep(windows: &[Hours], days: i64) -> Overlap {
    let end = BEGIN + SignedDuration::from_hours(24 * days);
    let mut held: Vec<_> = windows.iter().map(|window| window.at(BEGIN)).collect();
    let mut at = BEGIN;
    let mut edges = 0;
    loop {
        let mut holding = held.iter().enumerate().filter(|(_, held)| held.holds).map(|(index, _)| index);
        if let (Some(one), Some(other)) = (holding.next(), holding.next()) {
            return Overlap::At { one, other, at };
        }
        match held.iter().filter_map(|held| held.until).min() {
            Some(next) if next < end => at = next,
            _ => return Overlap::Never,
        }
        for (window, held) in windows.iter().zip(&mut held).filter(|(_, held)| held.until == Some(at)) {
            *held = window.at(at);
            edges += 1;
        }
        if edges > EDGES_MAX {
            return Overlap::Unknown;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Window;
    use super::*;

    fn overlap(windows: &[&str]) -> Overlap {
        let read = |text: &&str| {
            let text = format!("{text}\ndepth = {{ kind = \"fixed\", ready = 1 }}");
            toml::from_str::<Window>(&text).unwrap().hours().unwrap()
        };
        first_overlap(&windows.iter().map(read).collect::<Vec<_>>())
    }

    fn at(one: usize, other: usize, at: &str) -> Overlap {
        Overlap::At { one, other, at: at.parse().unwrap() }
    }

    const DAY: &str = "from = '08:00'\nto = '20:00'";
    const NIGHT: &str = "from = '20:00'\nto = '08:00'";

    #[test]
    fn windows_that_meet_do_not_overlap() {
        assert_eq!(overlap(&[DAY, NIGHT]), Overlap::Never);
        assert_eq!(overlap(&[DAY]), Overlap::Never);
        assert_eq!(overlap(&[]), Overlap::Never);
    }

    #[test]
    fn the_shift_of_one_clock_makes_no_overlap() {
        let in_berlin = |from, to| format!("from = '{from}'\nto = '{to}'\ntimezone = 'Europe/Berlin'");
        assert_eq!(overlap(&[&in_berlin("01:00", "02:30"), &in_berlin("02:30", "04:00")]), Overlap::Never);
    }

    #[test]
    fn the_end_of_the_week_meets_its_beginning() {
        let late = "from = '22:00'\nto = '06:00'\ndays = ['sun']";
        let early = "from = '05:00'\nto = '07:00'\ndays = ['mon']";
        assert_eq!(overlap(&[early, late]), at(0, 1, "2024-01-01T05:00:00Z"));
    }

    #[test]
    fn zones_overlap_only_while_their_clocks_differ_so() {
        // New York's clocks are put forward three weeks before Berlin's: then 17:00 in Berlin is 12:00 there.
        let berlin = "from = '16:00'\nto = '17:00'\ntimezone = 'Europe/Berlin'";
        let new_york = "from = '11:00'\nto = '12:00'\ntimezone = 'America/New_York'";
        assert_eq!(overlap(&[berlin, new_york]), at(0, 1, "2024-03-10T15:00:00Z"));
    }

    #[test]
    fn rare_dates_are_found() {
        let leap_day = "cron = '0 12 29 2 *'\nlasts = '1h'";
        let wednesday = "from = '12:30'\nto = '12:45'\ndays = ['wed']";
        assert_eq!(overlap(&[wednesday, leap_day]), at(0, 1, "2040-02-29T12:30:00Z"));
        let first = "cron = '0 0 1 * *'\nlasts = '24h'";
        assert_eq!(overlap(&[first, "cron = '0 0 2 * *'\nlasts = '24h'"]), Overlap::Never);
    }

    #[test]
    fn what_takes_too_long_is_unknown() {
        let often = "cron = '*/5 * * 1-6 *'\nlasts = '1m'";
        assert_eq!(overlap(&[often, "cron = '*/5 * * 7-12 *'\nlasts = '1m'"]), Overlap::Unknown);
    }
}
