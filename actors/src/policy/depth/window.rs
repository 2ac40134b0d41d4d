//! A window of a schedule as it stands in a file, and how its hours are read.

use croner::parser::{CronParser, Seconds, Year};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::Depth;
use super::civil::Zone;
use super::hours::{DAY_MINUTES, Hours, HoursRule};
use crate::policy::Problem;
use crate::time::Duration;

/// The longest that a window may last from each time that its `cron` names.
const LASTS_MAX: Duration = Duration::from_secs(366 * 86_400);

/// A recurring stretch of time with a depth policy of its own: either `cron` and `lasts`, or `from` and `to`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where its hours are read: a name of the IANA time zone database.
    #[serde(default = "super::utc")]
    pub timezone: String,
    /// When it begins: minute, hour, day of the month, month, day of the week. Where a daily time is skipped
    /// because clocks are put forward it begins right after the gap; where it comes twice, it begins the
    /// first time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cron: Option<String>,
    /// How long it lasts from each time that `cron` names; at most 366 days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lasts: Option<Duration>,
    /// The time of day at which it begins, as `"HH:MM"` on the clock on the wall.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The time of day at which it ends, as `"HH:MM"`; when not after `from`, on the next day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The days on which it begins; without it, every day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days: Option<Vec<Day>>,
    /// The policy while it holds.
    pub depth: Depth,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Day {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}

impl Window {
    /// Reads its hours.
    pub(super) fn hours(&self) -> Result<Hours, Problem> {
        let zone = Zone::named(&self.timezone)?;
        let controller = match (&self.cron, &self.from) {
            (Some(_), Some(_)) => {
                return Err(Problem::new(
                    "cron",
                    "stands beside `from`",
                    "give `cron` and `lasts`, or `from` and `to`",
                ));
            }
            (Some(cron), None) => self.begins_by_cron(cron, &zone)?,
            (None, Some(from)) => self.begins_daily(from)?,
            (None, None) => {
                return Err(Problem::new(
                    "",
                    "has no hours",
                    "give it `cron` and `lasts`, or `from` and `to`",
                ));
            }
        };
        Ok(Hours { zone, controller })
    }

    fn begins_by_cron(&self, text: &str, zone: &Zone) -> Result<HoursRule, Problem> {
        if self.to.is_some() {
            return Err(Problem::new(
                "to",
                "stands beside `cron`",
                "how long such a window holds is said by `lasts`",
            ));
        }
        if self.days.is_some() {
            return Err(Problem::new("days", "stands beside `cron`", "write the days as its fifth field"));
        }
        let Some(lasts) = self.lasts else {
            return Err(Problem::new("lasts", "is missing", "say how long the window holds, such as \"2h\""));
        };
        if lasts.is_zero() || lasts > LASTS_MAX {
            return Err(Problem::new("lasts", format!("is {lasts}"), "give more than 0 and at most 366d"));
        }
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let cron = parser.parse(text).map_err(|error| {
            // The parser's own words come on lines of their own.
            let cause = error.to_string().split('\n').map(str::trim).collect::<Vec<_>>().join(": ");
            Problem::new(
                "cron",
                format!("is {text:?}, which is not a cron expression ({})", cause.trim_end_matches('.')),
                "write minute, hour, day of the month, month and day of the week, such as \"0 8 * * mon-fri\"",
            )
        })?;
        let from = Timestamp::UNIX_EPOCH.to_zoned(zone.inner().clone());
        if cron.find_next_occurrence(&from, true).is_err() {
            return Err(Problem::new(
                "cron",
                format!("`{text}` names a time that never comes"),
                "mend its day or month",
            ));
        }
        // At most a year of nanoseconds, which fits.
        let lasts = SignedDuration::from_nanos(lasts.as_nanos() as i64);
        Ok(HoursRule::Cron { cron: Box::new(cron), lasts })
    }

    fn begins_daily(&self, from: &str) -> Result<HoursRule, Problem> {
        if self.lasts.is_some() {
            return Err(Problem::new(
                "lasts",
                "stands beside `from`",
                "when such a window ends is said by `to`",
            ));
        }
        let Some(to) = &self.to else {
            return Err(Problem::new("to", "is missing", "say when the window ends, such as \"18:00\""));
        };
        let mut days = [self.days.is_none(); 7];
        for &day in self.days.iter().flatten() {
            days[day as usize] = true;
        }
        if !days.contains(&true) {
            return Err(Problem::new(
                "days",
                "is empty",
                "name one or more days, or leave it out for every day",
            ));
        }
        Ok(HoursRule::Daily { from: minutes("from", from)?, to: minutes("to", to)?, days })
    }
}

/// Minutes since midnight of `"HH:MM"`.
fn minutes(key: &str, text: &str) -> Result<i64, Problem> {
    let number = |digits: &str| {
        let is_number = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| digits.parse::<i64>().ok()).flatten()
    };
    let parts = text.split_once(':').and_then(|(hour, minute)| Some((number(hour)?, number(minute)?)));
    match parts {
        Some((hour, minute)) if hour < 24 && minute < 60 => Ok(hour * 60 + minute),
        Some((24, 0)) if key == "to" => Ok(DAY_MINUTES),
        _ => Err(Problem::new(
            key,
            format!("`{text}` is not a time of day"),
            "write \"HH:MM\", such as \"08:30\"",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> String {
        let text = format!("{text}\ndepth = {{ kind = \"fixed\", ready = 1 }}");
        toml::from_str::<Window>(&text).unwrap().hours().expect_err("invalid").key
    }

    #[test]
    fn what_is_invalid_is_named() {
        for (text, key) in [
            ("", ""),
            ("from = '08:00'", "to"),
            ("cron = '0 8 * * *'", "lasts"),
            ("cron = '0 8 * * *'\nlasts = '0s'", "lasts"),
            ("cron = '0 8 * * *'\nlasts = '1h'\nfrom = '08:00'", "cron"),
            ("cron = '0 8 * * *'\nlasts = '1h'\nto = '08:00'", "to"),
            ("cron = '0 8 * * *'\nlasts = '1h'\ndays = ['mon']", "days"),
            ("cron = '0 0 8 * * *'\nlasts = '1h'", "cron"),
            ("cron = '0 25 * * *'\nlasts = '1h'", "cron"),
            ("cron = '0 0 30 2 *'\nlasts = '1h'", "cron"),
            ("from = '08:00'\nto = '09:00'\nlasts = '1h'", "lasts"),
            ("from = '08:00'\nto = '09:00'\ndays = []", "days"),
            ("from = '8:00'\nto = '09:00'", "from"),
            ("from = '24:00'\nto = '09:00'", "from"),
            ("from = '08:00'\nto = '09:60'", "to"),
            ("from = '08:00'\nto = '+9:00'", "to"),
            ("from = '08:00'\nto = '09:00'\ntimezone = 'Mars/Olympus'", "timezone"),
        ] {
            assert_eq!(problem(text), key, "{text}");
        }
    }
}
