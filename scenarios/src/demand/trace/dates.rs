//! Dates and times as people and programs write them.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// Attoseconds in a nanosecond.
const ATTOS_PER_NANO: i128 = 1_000_000_000;

/// A date and time, in attoseconds since 1970; without an offset it is UTC. There may be a space before the
/// offset, and `UTC` or `GMT` in its place. `None` for what is none.
pub(super) fn date_time(text: &str) -> Option<i128> {
    let text = text.trim();
    let nanos = |timestamp: Timestamp| timestamp.as_nanosecond() * ATTOS_PER_NANO;
    // The offset comes after the date, whose own dashes are not one.
    let is_offset = |character: char| matches!(character, '+' | '-') || character.is_ascii_alphabetic();
    let offset = text.char_indices().skip(11).find(|(_, character)| is_offset(*character));
    let Some((at, _)) = offset else {
        let civil: DateTime = text.parse().ok()?;
        return civil.to_zoned(TimeZone::UTC).ok().map(|zoned: Zoned| nanos(zoned.timestamp()));
    };
    let (civil, offset) = (text[..at].trim_end(), &text[at..]);
    let offset =
        if ["UTC", "GMT"].iter().any(|zone| offset.eq_ignore_ascii_case(zone)) { "Z" } else { offset };
    format!("{civil}{offset}").parse().ok().map(nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_read_however_they_stand() {
        let expected = date_time("2026-01-05T08:00:00Z");
        assert_eq!(expected, Some(1_767_600_000 * 1_000_000_000 * ATTOS_PER_NANO));
        for text in [
            "2026-01-05T08:00:00",
            " 2026-01-05 08:00:00 ",
            "2026-01-05 08:00:00.000 UTC",
            "2026-01-05 08:00:00UTC",
            "2026-01-05 08:00:00 utc",
            "2026-01-05 08:00:00 GMT",
            "2026-01-05 08:00 Z",
            "2026-01-05T10:00:00+02:00",
            "2026-01-05 10:00:00 +02:00",
            "2026-01-05 10:00:00 +0200",
            "2026-01-05 10:00:00+02",
            "2026-01-05 02:00:00 -06:00",
        ] {
            assert_eq!(date_time(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in
            ["", "5", "07/31/2026 08:00:00", "2026-13-05T08:00:00Z", "2026-01-05 08:00:00 CET", "noon"]
        {
            assert_eq!(date_time(text), None, "{text}");
        }
    }
}
