//! One request a line: reads the rows of every format but the counts per minute, whose lines it reads for `minutes`.

use std::collections::BTreeMap;

use actors::Duration;

use super::fields::Fields;
use super::format::{Layout, layout};
use super::json::Object;
use super::lines::Lines;
use super::sort::Record;
use crate::decimal::{attos, round_to_nanos};
use crate::demand::{DemandError, Progress};
use crate::distribution::Unit;
use crate::scenario::{Format, TimeUnit, Trace};

/// The most different keys that are told apart.
const KEYS_MAX: usize = 4_000_000;
/// The most arrivals in one minute of counts: a minute is held in memory.
pub(super) const ARRIVALS_MAX: u64 = 5_000_000;

/// Keys in the order of their first appearance in the file.
#[derive(Debug, Default)]
struct Keys(BTreeMap<Box<[u8]>, u32>);

impl Keys {
    /// The number of a key; `None` when there are too many.
    fn number(&mut self, key: &[u8]) -> Option<u32> {
        if let Some(number) = self.0.get(key) {
            return Some(*number);
        }
        if self.0.len() >= KEYS_MAX {
            return None;
        }
        let number = self.0.len() as u32;
        self.0.insert(key.into(), number);
        Some(number)
    }
}

/// The rows of a trace, in the order of the file.
#[derive(Debug)]
pub(super) struct Rows {
    pub(super) lines: Lines,
    layout: Layout,
    /// How many columns the heading has.
    columns: usize,
    format: Format,
    unit: TimeUnit,
    fields: Fields,
    keys: Keys,
    /// Whether the current line is a row that has not been read: the first line of JSON.
    fresh: bool,
}

impl Rows {
    /// Reads the heading.
    pub(super) fn new(mut lines: Lines, trace: &Trace) -> Result<Self, DemandError> {
        if !lines.advance()? {
            return Err(DemandError::Empty { path: lines.path });
        }
        let (format, layout, columns) = layout(&lines, trace)?;
        let fresh = matches!(layout, Layout::Json(_));
        let unit = if format == Format::Journal { TimeUnit::Ns } else { trace.unit };
        let (fields, keys) = (Fields::default(), Keys::default());
        Ok(Self { lines, layout, columns, format, unit, fields, keys, fresh })
    }

    pub(super) fn format(&self) -> Format {
        self.format
    }

    pub(super) fn progress(&self) -> Progress {
        self.lines.progress()
    }

    /// The next row; `None` at the end. The time is in nanoseconds from wherever the trace counts.
    pub(super) fn next(&mut self) -> Result<Option<Record>, DemandError> {
        if !self.advance()? {
            return Ok(None);
        }
        let result = match &self.layout {
            Layout::Json(_) => self.json_row(),
            _ => self.csv_row(),
        };
        result.map(Some).map_err(|fault| self.lines.fault(fault.message, fault.remedy))
    }

    fn advance(&mut self) -> Result<bool, DemandError> {
        Ok(std::mem::take(&mut self.fresh) || self.lines.advance()?)
    }

    fn csv_row(&mut self) -> Result<Record, RowFault> {
        let line = self.lines.line();
        if !self.fields.split(line) {
            return Err(open_quote());
        }
        if self.fields.count() > self.columns {
            return Err(other_count(self.fields.count(), self.columns));
        }
        let (at, key, lifetime) = match &self.layout {
            Layout::AzureLlm { at } => {
                let text = text_of(&self.fields, line, *at, "TIMESTAMP")?;
                (date_time(text, "TIMESTAMP")?, None, None)
            }
            Layout::AzureFunctions2021 { key, end, duration } => {
                let end = text_of(&self.fields, line, *end, "end_timestamp")?;
                let end = number(end, Unit::S, "end_timestamp")?;
                let duration = text_of(&self.fields, line, *duration, "duration")?;
                let duration = positive(number(duration, Unit::S, "duration")?, duration, "duration")?;
                let at = end.checked_sub(duration).ok_or_else(|| out_of_range("end_timestamp"))?;
                (at, Some(*key), Some(duration))
            }
            Layout::Csv { at, key, lifetime } => {
                let moment = time(text_of(&self.fields, line, *at, "at")?, self.unit, "at")?;
                let lifetime = match lifetime {
                    Some(lifetime) => {
                        let text = text_of(&self.fields, line, *lifetime, "lifetime")?;
                        optional_lifetime(text, self.unit)?
                    }
                    None => None,
                };
                (moment, *key, lifetime)
            }
            Layout::AzureFunctions2019 { .. } | Layout::Json(_) => return Err(out_of_range("at")),
        };
        let key = match key {
            Some(key) => {
                let key = self.fields.meaning(line, key).ok_or_else(|| missing("key"))?;
                Some(self.keys.number(&key).ok_or_else(too_many_keys)?)
            }
            None => None,
        };
        record(at, key, lifetime)
    }

    fn json_row(&mut self) -> Result<Record, RowFault> {
        let Layout::Json(columns) = &self.layout else {
            return Err(missing("at"));
        };
        let object = Object::parse(self.lines.line())
            .map_err(|message| RowFault::new(message, "mend the line, or remove it"))?;
        let text = object.get(&columns.at).ok_or_else(|| missing(&columns.at))?;
        let at = time(&text, self.unit, &columns.at)?;
        let lifetime = match columns.lifetime.as_ref().and_then(|name| object.get(name)) {
            Some(text) => optional_lifetime(&text, self.unit)?,
            None => None,
        };
        let key = match columns.key.as_ref().and_then(|name| object.get(name)) {
            Some(key) => Some(self.keys.number(key.as_bytes()).ok_or_else(too_many_keys)?),
            None => None,
        };
        record(at, key, lifetime)
    }

    /// The next line of counts per minute: calls `count(minute, key, count)` for each that is not zero.
    pub(super) fn next_counts(
        &mut self,
        count: &mut dyn FnMut(u32, u32, u32) -> Result<(), DemandError>,
    ) -> Result<bool, DemandError> {
        let Layout::AzureFunctions2019 { key, first } = self.layout else {
            return Ok(false);
        };
        if !self.advance()? {
            return Ok(false);
        }
        let Self { lines, fields, keys, columns, .. } = self;
        let line = lines.line();
        let fault = |fault: RowFault| lines.fault(fault.message, fault.remedy);
        if !fields.split(line) {
            return Err(fault(open_quote()));
        }
        if fields.count() != *columns {
            return Err(fault(other_count(fields.count(), *columns)));
        }
        let key = fields.meaning(line, key).ok_or_else(|| fault(missing("HashApp")))?;
        let key = keys.number(&key).ok_or_else(|| fault(too_many_keys()))?;
        for column in first..fields.count() {
            let field = fields.get(line, column).unwrap_or_default();
            let minute = (column - first) as u32;
            match parse_count(field, minute + 1).map_err(fault)? {
                0 => {}
                invocations => count(minute, key, invocations)?,
            }
        }
        Ok(true)
    }
}

/// The count of a minute; an empty field is zero.
fn parse_count(field: &[u8], minute: u32) -> Result<u32, RowFault> {
    if field.is_empty() {
        return Ok(0);
    }
    let text = String::from_utf8_lossy(field);
    let count = text.parse().ok().filter(|count| u64::from(*count) <= ARRIVALS_MAX);
    count.ok_or_else(|| {
        let text: String = text.chars().take(60).collect();
        let message = if text.bytes().all(|byte| byte.is_ascii_digit()) {
            format!("minute {minute} has `{text}` invocations, more than {ARRIVALS_MAX}")
        } else {
            format!("minute {minute} has `{text}`, which is not a count")
        };
        RowFault::new(message, format!("give whole numbers from 0 to {ARRIVALS_MAX}"))
    })
}

/// What is wrong with a row, and what to do.
struct RowFault {
    message: String,
    remedy: String,
}

impl RowFault {
    fn new(message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { message: message.into(), remedy: remedy.into() }
    }
}

fn missing(name: &str) -> RowFault {
    RowFault::new(format!("the row has no `{name}`"), "complete the row, or remove it")
}

fn open_quote() -> RowFault {
    RowFault::new("a quote is not closed", "close it, or remove the row")
}

fn other_count(count: usize, columns: usize) -> RowFault {
    RowFault::new(
        format!("the row has {count} fields, and the heading has {columns}"),
        "complete the row, or put quotes around a field that has a comma in it",
    )
}

fn out_of_range(name: &str) -> RowFault {
    RowFault::new(
        format!("`{name}` is out of range"),
        "times lie within 292 years of 0, and of 1970 where they are dates; check `unit`",
    )
}

fn too_many_keys() -> RowFault {
    let message = format!("this row has key number {}: more cannot be told apart", KEYS_MAX + 1);
    RowFault::new(message, "name a column with fewer different values, or leave `columns.key` out")
}

fn text_of<'l>(fields: &Fields, line: &'l [u8], index: usize, name: &str) -> Result<&'l str, RowFault> {
    let field = fields.get(line, index).ok_or_else(|| missing(name))?;
    std::str::from_utf8(field)
        .map_err(|_| RowFault::new(format!("`{name}` is not UTF-8 text"), "mend the row"))
}

fn not_a(text: &str, what: &str, name: &str) -> RowFault {
    let text: String = text.chars().take(60).collect();
    RowFault::new(format!("`{text}` is not {what} (`{name}`)"), "mend the row, or check `unit` in [demand]")
}

/// A number of units, in attoseconds.
fn number(text: &str, unit: Unit, name: &str) -> Result<i128, RowFault> {
    attos(text, unit.nanos()).ok_or_else(|| not_a(text, &format!("a number of {}", unit.name()), name))
}

fn positive(attos: i128, text: &str, name: &str) -> Result<i128, RowFault> {
    if attos < 0 {
        return Err(not_a(text, "a length of time, zero or more", name));
    }
    Ok(attos)
}

fn optional_lifetime(text: &str, unit: TimeUnit) -> Result<Option<i128>, RowFault> {
    if text.is_empty() {
        return Ok(None);
    }
    positive(number(text, unit.unit(), "lifetime")?, text, "lifetime").map(Some)
}

fn time(text: &str, unit: TimeUnit, name: &str) -> Result<i128, RowFault> {
    match unit {
        TimeUnit::Rfc3339 => date_time(text, name),
        _ => number(text, unit.unit(), name),
    }
}

/// A date and time, in attoseconds since 1970; without an offset it is taken as UTC.
fn date_time(text: &str, name: &str) -> Result<i128, RowFault> {
    // The offset comes after the date, whose own dashes are not one. Without it the civil time is taken as it is.
    let has_offset = text.bytes().skip(11).any(|byte| matches!(byte, b'Z' | b'z' | b'+' | b'-'));
    let timestamp = if has_offset {
        text.parse::<jiff::Timestamp>().ok()
    } else {
        let civil = text.parse::<jiff::civil::DateTime>().ok();
        civil.and_then(|civil| civil.to_zoned(jiff::tz::TimeZone::UTC).ok()).map(|zoned| zoned.timestamp())
    };
    match timestamp {
        Some(timestamp) => Ok(timestamp.as_nanosecond() * 1_000_000_000),
        None => Err(not_a(text, "a date and time", name)),
    }
}

fn record(at: i128, key: Option<u32>, lifetime: Option<i128>) -> Result<Record, RowFault> {
    let at = round_to_nanos(at);
    if at == i64::MIN || at == i64::MAX {
        return Err(out_of_range("at"));
    }
    let lifetime =
        lifetime.map(|attos| Duration::from_nanos(u64::try_from(round_to_nanos(attos)).unwrap_or(0)));
    Ok(Record { at, key, lifetime })
}
