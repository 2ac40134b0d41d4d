//! When the window of a schedule holds: from each time that a cron expression names, for a while; or between
//! two times of day, on some days.

use croner::Cron;
use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp};

use super::civil::Zone;

/// Minutes of a day.
pub(super) const DAY_MINUTES: i64 = 24 * 60;

/// The hours of a window in its time zone.
#[derive(Clone, Debug)]
pub(super) struct Hours {
    pub(super) zone: Zone,
    pub(super) controller: HoursRule,
}

#[derive(Clone, Debug)]
pub(super) enum HoursRule {
    /// For `lasts` from each time that `cron` names.
    Cron { cron: Box<Cron>, lasts: SignedDuration },
    /// From `from` until `to`, in minutes of the day as the clock on the wall shows them, beginning on some
    /// days.
    Daily { from: i64, to: i64, days: [bool; 7] },
}

/// Whether a window holds, and when to look again: it does not change before that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) holds: bool,
    pub(super) until: Option<Timestamp>,
}

impl Hours {
    /// Whether both are stretches of the day on some days of the week, in one zone: such are the same every
    /// week.
    pub(super) fn is_weekly_with(&self, other: &Self) -> bool {
        let is_daily = |hours: &Self| matches!(hours.controller, HoursRule::Daily { .. });
        is_daily(self) && is_daily(other) && self.zone == other.zone
    }

    /// The same hours on a clock that is never shifted.
    pub(super) fn in_utc(&self) -> Self {
        Self { zone: Zone::utc(), controller: self.controller.clone() }
    }

    /// Whether the window holds at a point in time.
    pub(super) fn at(&self, at: Timestamp) -> Held {
        match &self.controller {
            HoursRule::Cron { cron, lasts } => self.at_cron(at, cron, *lasts),
            HoursRule::Daily { from, to, days } => self.at_daily(at, *from, *to, *days),
        }
    }

    fn at_cron(&self, at: Timestamp, cron: &Cron, lasts: SignedDuration) -> Held {
        let zoned = at.to_zoned(self.zone.inner().clone());
        let end = cron
            .find_previous_occurrence(&zoned, true)
            .ok()
            .and_then(|last| last.timestamp().checked_add(lasts).ok());
        match end {
            Some(end) if at < end => Held { holds: true, until: Some(end) },
            _ => {
                let next = cron.find_next_occurrence(&zoned, false).ok();
                Held { holds: false, until: next.map(|next| next.timestamp()) }
            }
        }
    }

    /// Everything is read off the clock on the wall: where it is put forward, what it skips does not happen;
    /// where it is put back, what it shows twice happens twice.
    fn at_daily(&self, at: Timestamp, from: i64, to: i64, days: [bool; 7]) -> Held {
        let local = self.zone.local(at);
        let minute = minute_of_day(local);
        let today = local.weekday().to_monday_zero_offset() as usize;
        let holds = if from < to {
            days[today] && (from..to).contains(&minute)
        } else {
            (days[today] && minute >= from) || (days[(today + 6) % 7] && minute < to)
        };
        let midnight = local.date().to_datetime(jiff::civil::Time::midnight());
        let into_day = local.duration_since(midnight);
        let until = [from, to, from + DAY_MINUTES, to + DAY_MINUTES]
            .into_iter()
            .map(|edge| SignedDuration::from_mins(edge) - into_day)
            .filter(|wait| wait.is_positive())
            .min()
            .and_then(|wait| at.checked_add(wait).ok());
        let shift = self.zone.next_shift(at);
        Held { holds, until: until.map(|until| shift.map_or(until, |shift| until.min(shift))) }
    }
}

fn minute_of_day(local: DateTime) -> i64 {
    i64::from(local.hour()) * 60 + i64::from(local.minute())
}

#[cfg(test)]
mod tests {
    use super::super::Window;
    use super::*;

    fn hours(text: &str) -> Hours {
        let text = format!("{text}\ndepth = {{ kind = \"fixed\", ready = 1 }}");
        toml::from_str::<Window>(&text).unwrap().hours().unwrap()
    }

    /// Every stretch in which the window holds, from one point in time to another.
    fn stretches(hours: &Hours, from: &str, to: &str) -> Vec<String> {
        let (mut at, end): (Timestamp, Timestamp) = (from.parse().unwrap(), to.parse().unwrap());
        let mut found = Vec::new();
        let mut since = None;
        while at < end {
            let held = hours.at(at);
            match since {
                None if held.holds => since = Some(at),
                Some(began) if !held.holds => {
                    found.push(format!("{began} - {at}"));
                    since = None;
                }
                _ => {}
            }
            let until = held.until.unwrap_or(end);
            assert!(until > at, "it goes on");
            at = until;
        }
        found
    }

    #[test]
    fn office_hours_hold_on_their_days() {
        let office = hours("from = '09:00'\nto = '17:30'\ndays = ['mon', 'fri']\ntimezone = 'Europe/Berlin'");
        assert_eq!(
            stretches(&office, "2024-07-01T00:00:00Z", "2024-07-08T00:00:00Z"),
            ["2024-07-01T07:00:00Z - 2024-07-01T15:30:00Z", "2024-07-05T07:00:00Z - 2024-07-05T15:30:00Z"]
        );
    }

    #[test]
    fn a_night_passes_midnight_and_belongs_to_the_day_it_begins_on() {
        let night = hours("from = '22:00'\nto = '06:00'\ndays = ['sun']");
        assert_eq!(
            stretches(&night, "2024-07-01T00:00:00Z", "2024-07-15T00:00:00Z")[..2],
            ["2024-07-01T00:00:00Z - 2024-07-01T06:00:00Z", "2024-07-07T22:00:00Z - 2024-07-08T06:00:00Z"]
        );
    }

    #[test]
    fn whole_days_can_be_written() {
        let day = ["2024-07-02T00:00:00Z - 2024-07-03T00:00:00Z"];
        for to in ["00:00", "24:00"] {
            let tuesday = hours(&format!("from = '00:00'\nto = '{to}'\ndays = ['tue']"));
            assert_eq!(stretches(&tuesday, "2024-07-01T00:00:00Z", "2024-07-06T00:00:00Z"), day);
        }
    }

    #[test]
    fn the_clock_on_the_wall_decides_where_it_is_shifted() {
        let early = hours("from = '01:30'\nto = '02:30'\ntimezone = 'Europe/Berlin'");
        // Put forward from 02:00 to 03:00 at 01:00 UTC, and back from 03:00 to 02:00 at 01:00 UTC.
        assert_eq!(
            stretches(&early, "2024-03-30T23:00:00Z", "2024-03-31T23:00:00Z"),
            ["2024-03-31T00:30:00Z - 2024-03-31T01:00:00Z"]
        );
        assert_eq!(
            stretches(&early, "2024-10-26T22:00:00Z", "2024-10-27T22:00:00Z"),
            ["2024-10-26T23:30:00Z - 2024-10-27T00:30:00Z", "2024-10-27T01:00:00Z - 2024-10-27T01:30:00Z"]
        );
    }

    #[test]
    fn cron_begins_and_lasts() {
        let monthly = hours("cron = '0 8 1 * *'\nlasts = '36h'\ntimezone = 'America/New_York'");
        assert_eq!(
            stretches(&monthly, "2024-02-29T00:00:00Z", "2024-04-30T00:00:00Z"),
            ["2024-03-01T13:00:00Z - 2024-03-03T01:00:00Z", "2024-04-01T12:00:00Z - 2024-04-03T00:00:00Z"]
        );
    }

    #[test]
    fn cron_that_begins_again_before_it_ends_holds_on() {
        let always = hours("cron = '*/10 * * * *'\nlasts = '15m'");
        assert!(
            stretches(&always, "2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z").is_empty(),
            "it never ends"
        );
        assert!(always.at("2024-01-01T00:00:00.5Z".parse().unwrap()).holds);
    }

    #[test]
    fn an_edge_belongs_to_what_begins_there() {
        for text in ["cron = '0 8 * * *'\nlasts = '1h'", "from = '08:00'\nto = '09:00'"] {
            let hours = hours(text);
            let at = |text: &str| hours.at(text.parse().unwrap()).holds;
            assert!(!at("2024-01-01T07:59:59.999999999Z") && at("2024-01-01T08:00:00Z"));
            assert!(at("2024-01-01T08:59:59.999999999Z") && !at("2024-01-01T09:00:00Z"));
        }
    }
}
