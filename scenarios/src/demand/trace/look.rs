//! What a scenario must know of its trace before the run: when it begins in civil time, and what in it may
//! have been meant in another sense than it is read. Only the beginning is read, but where the trace has to
//! be sorted.

use std::path::Path;

use actors::WallClock;

use super::lines::Lines;
use super::rows::Rows;
use crate::demand::DemandError;
use crate::error::{Place, Warning};
use crate::scenario::{Columns, Format, Lifetimes, Order, TimeUnit, Trace};

/// How many rows are looked at.
const ROWS_MAX: usize = 200;
/// How many different times make a pattern.
const TIMES_MIN: usize = 3;
/// How far distances between samples may be from their median: 5 %.
const JITTER: u64 = 20;
/// Words in the names of columns that hold counts of requests.
const COUNTS: [&str; 8] =
    ["count", "counts", "requests", "invocations", "calls", "hits", "arrivals", "executions"];
/// Words in the names of columns that hold samples of a metric.
const SAMPLES: [&str; 12] =
    ["value", "val", "gauge", "rate", "rps", "qps", "usage", "avg", "average", "mean", "sum", "metric"];

/// What the beginning of a trace says.
#[derive(Debug, Default)]
pub(crate) struct Look {
    /// The civil time of its first row.
    pub(crate) begins: Option<WallClock>,
    /// What may have been meant in another sense.
    pub(crate) warnings: Vec<Warning>,
}

/// Looks at the beginning of a trace. What is wrong with it is said when it is replayed.
pub(crate) fn look(trace: &Trace, base: &Path) -> Look {
    read(trace, base).unwrap_or_default()
}

fn read(trace: &Trace, base: &Path) -> Result<Look, DemandError> {
    let lines = Lines::open(&base.join(&trace.trace), trace.comment.as_deref())?;
    let path = lines.path.clone();
    let mut rows = Rows::new(lines, trace)?;
    if rows.format() == Format::AzureFunctions2019 || trace.unread_in(rows.format()).is_some() {
        return Ok(Look::default());
    }
    let line = u32::try_from(rows.lines.number()).unwrap_or(u32::MAX);
    let must_sort = trace.order == Order::Sort && rows.is_civil();
    let mut times = Vec::new();
    let mut first: Option<i64> = None;
    // A row that is broken ends the look.
    while let Ok(Some(record)) = rows.next() {
        first = Some(first.map_or(record.at, |first| first.min(record.at)));
        if times.len() < ROWS_MAX {
            times.push(record.at);
        } else if !must_sort {
            break;
        }
    }
    let begins = first.filter(|_| rows.is_civil()).map(WallClock::from_unix_nanos);
    let place = Place::Line { file: path, line };
    let warnings = doubts(&rows, trace, &times);
    let warnings =
        warnings.into_iter().map(|(message, remedy)| Warning { place: place.clone(), message, remedy });
    Ok(Look { begins, warnings: warnings.collect() })
}

/// What may have been meant in another sense, each with what to do.
fn doubts(rows: &Rows, trace: &Trace, times: &[i64]) -> Vec<(String, String)> {
    let mut doubts = Vec::new();
    let Some(read) = rows.read_names() else {
        return doubts;
    };
    let unread = |words: &[&str]| {
        let is_read = |name: &String| {
            let Columns { at, key, lifetime, end, count } = read;
            name == at || [key, lifetime, end, count].into_iter().any(|read| read.as_ref() == Some(name))
        };
        rows.names().iter().find(|name| !is_read(name) && has_word(name, words))
    };
    let trace_lifetimes = trace.lifetimes == Lifetimes::Trace;
    if !rows.has_counts() {
        if let Some(name) = unread(&COUNTS) {
            doubts.push((
                format!("the column `{name}` is not read, and each row is one request"),
                format!(
                    "if it says how many requests arrived until the next row, name it with `columns = {{ count = \"{name}\" }}` in \
                     [demand]; a running total must be turned into differences first"
                ),
            ));
        } else if let Some(name) = unread(&SAMPLES).filter(|_| are_evenly_spaced(times)) {
            doubts.push((
                format!("the rows are evenly spaced and have a column `{name}`: they look like samples of a metric, and each row is read as one request"),
                "give one row for each request, or counts of requests per interval with `columns = { count = \"...\" }` in [demand]".to_owned(),
            ));
        }
    }
    let unit_is_open = trace.unit.at == TimeUnit::Rfc3339 && trace.unit.lifetime.is_none();
    if trace_lifetimes && unit_is_open && rows.has_lifetimes() {
        let name = read.lifetime.as_deref().unwrap_or("lifetime");
        doubts.push((
            format!("`{name}` is read in seconds, for `unit` only says that `{}` is a date", read.at),
            "say it with `unit = { at = \"rfc3339\", lifetime = \"s\" }` in [demand], or ms, us or ns"
                .to_owned(),
        ));
    }
    let named = trace.columns.as_ref().and_then(|columns| columns.lifetime.as_ref().or(columns.end.as_ref()));
    if let (Some(name), false) = (named, trace_lifetimes) {
        doubts.push((
            format!("`{name}` is named in `columns` and not used: `[sprite] lifetime` says how long Sprites are used"),
            "take it from the trace with `lifetimes = \"trace\"` in [demand], or leave the name out".to_owned(),
        ));
    }
    doubts
}

/// Whether one of the words is a part of the name: `request_count`, `numRequests` or `http.requests`.
fn has_word(name: &str, words: &[&str]) -> bool {
    let mut parts = vec![String::new()];
    let mut before_is_lower = false;
    for character in name.chars() {
        let begins = !character.is_alphanumeric() || (character.is_uppercase() && before_is_lower);
        before_is_lower = character.is_lowercase();
        if begins {
            parts.push(String::new());
        }
        if let Some(part) = parts.last_mut().filter(|_| character.is_alphanumeric()) {
            part.extend(character.to_lowercase());
        }
    }
    parts.iter().any(|part| words.contains(&part.as_str()))
}

/// Whether different times follow each other at about the same distance.
fn are_evenly_spaced(times: &[i64]) -> bool {
    let mut times = times.to_vec();
    times.sort_unstable();
    times.dedup();
    if times.len() < TIMES_MIN {
        return false;
    }
    let mut gaps: Vec<u64> = times.windows(2).map(|pair| pair[1].abs_diff(pair[0])).collect();
    gaps.sort_unstable();
    let median = gaps[gaps.len() / 2];
    // One scrape in twenty may be missing.
    let off = gaps.iter().filter(|gap| gap.abs_diff(median) > median / JITTER).count();
    off * 20 <= gaps.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_in_names() {
        for name in ["count", "Count", "request_count", "numRequests", "http.requests.2xx", "COUNT"] {
            assert!(has_word(name, &COUNTS), "{name}");
        }
        for name in ["country", "account", "discount", "requestor", "at", ""] {
            assert!(!has_word(name, &COUNTS), "{name}");
        }
    }

    #[test]
    fn scrapes_are_evenly_spaced_and_arrivals_are_not() {
        assert!(are_evenly_spaced(&[0, 15_000, 30_010, 44_990, 60_000]));
        assert!(are_evenly_spaced(&[0, 0, 0, 15, 15, 15, 30, 30, 30]), "several series");
        assert!(!are_evenly_spaced(&[0, 15, 45, 50, 90]));
        assert!(!are_evenly_spaced(&[0, 15]));
        assert!(!are_evenly_spaced(&[]));
    }
}
