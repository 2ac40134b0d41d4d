//! One request a line: reads the rows of every format but the counts per minute, whose lines it reads for
//! `minutes`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use actors::Duration;

use super::dates::date_time;
use super::fields::Fields;
use super::format::{Layout, Opening, name_it, open};
use super::intervals::ARRIVALS_MAX;
use super::json::Object;
use super::lines::Lines;
use super::sort::Record;
use crate::decimal::{attos, round_to_nanos};
use crate::demand::{DemandError, Progress};
use crate::distribution::Unit;
use crate::scenario::{Columns, Empty, Format, TimeUnit, Trace, Units};

/// The most different keys that are told apart.
const KEYS_MAX: usize = 4_000_000;

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
    /// The names of all columns, or of the fields of the first object.
    names: Vec<String>,
    format: Format,
    units: Units,
    empty: Empty,
    fields: Fields,
    keys: Keys,
    /// Whether the current line is a row that has not been read: the first line of JSON.
    fresh: bool,
}

/// The texts of a row that are asked for.
#[derive(Default)]
struct Texts<'r> {
    at: Cow<'r, str>,
    lifetime: Option<Cow<'r, str>>,
    end: Option<Cow<'r, str>>,
    count: Option<Cow<'r, str>>,
}

impl Rows {
    /// Reads the heading.
    pub(super) fn new(mut lines: Lines, trace: &Trace) -> Result<Self, DemandError> {
        if !lines.advance()? {
            return Err(DemandError::Empty { path: lines.path });
        }
        let Opening { format, layout, delimiter, names, is_row } = open(&lines, trace)?;
        let units = match format {
            Format::Journal => Units { at: TimeUnit::Ns, ..Units::default() },
            _ => trace.unit,
        };
        let (fields, keys) = (Fields::new(delimiter), Keys::default());
        Ok(Self { lines, layout, names, format, units, empty: trace.empty, fields, keys, fresh: is_row })
    }

    pub(super) fn format(&self) -> Format {
        self.format
    }

    /// The names of all columns, or of the fields of the first object.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// The names of those that are read, where `columns` may name them.
    pub(super) fn read_names(&self) -> Option<&Columns> {
        match &self.layout {
            Layout::Csv { names, .. } | Layout::Json(names) => Some(names),
            _ => None,
        }
    }

    /// Whether the rows read lifetimes, or ends.
    pub(super) fn has_lifetimes(&self) -> bool {
        match &self.layout {
            Layout::Csv { places, .. } => places.lifetime.is_some(),
            Layout::Json(columns) => columns.lifetime.as_ref().is_some_and(|name| self.names.contains(name)),
            _ => false,
        }
    }

    /// Whether times are civil ones.
    pub(super) fn is_civil(&self) -> bool {
        self.format == Format::AzureLlm
            || (self.units.at == TimeUnit::Rfc3339 && matches!(self.format, Format::Csv | Format::Jsonl))
    }

    /// Whether each row is a count of requests.
    pub(super) fn has_counts(&self) -> bool {
        self.read_names().is_some_and(|names| names.count.is_some())
    }

    pub(super) fn progress(&self) -> Progress {
        self.lines.progress()
    }

    /// The next row; `None` at the end. The time is in nanoseconds from wherever the trace counts.
    pub(super) fn next(&mut self) -> Result<Option<Record>, DemandError> {
        while self.advance()? {
            let result = match &self.layout {
                Layout::Json(_) => self.json_row(),
                _ => self.csv_row(),
            };
            match result {
                Ok(Some(record)) => return Ok(Some(record)),
                Ok(None) => {}
                Err(fault) => return Err(self.lines.fault(fault.message, fault.remedy)),
            }
        }
        Ok(None)
    }

    fn advance(&mut self) -> Result<bool, DemandError> {
        Ok(std::mem::take(&mut self.fresh) || self.lines.advance()?)
    }

    fn csv_row(&mut self) -> Result<Option<Record>, RowFault> {
        let line = self.lines.line();
        if !self.fields.split(line) {
            return Err(open_quote());
        }
        if self.fields.count() > self.names.len() {
            return Err(other_count(self.fields.count(), self.names.len()));
        }
        let (record, key) = match &self.layout {
            Layout::AzureLlm { at } => {
                let text = text_of(&self.fields, line, *at, "TIMESTAMP")?;
                (record(time(text, TimeUnit::Rfc3339, "TIMESTAMP")?, None, 1)?, None)
            }
            Layout::AzureFunctions2021 { key, end, duration } => {
                let end = text_of(&self.fields, line, *end, "end_timestamp")?;
                let end = number(end, Unit::S, "end_timestamp")?;
                let duration = text_of(&self.fields, line, *duration, "duration")?;
                let duration = positive(number(duration, Unit::S, "duration")?, duration, "duration")?;
                let at = end.checked_sub(duration).ok_or_else(|| out_of_range("end_timestamp"))?;
                (record(at, Some(duration), 1)?, Some(*key))
            }
            Layout::Csv { places, names } => {
                let fields = &self.fields;
                let text = |place: usize, name: &str| text_of(fields, line, place, name).map(Cow::Borrowed);
                let optional = |place: Option<usize>, name: &Option<String>| {
                    place.map(|place| text(place, name.as_deref().unwrap_or_default())).transpose()
                };
                let texts = Texts {
                    at: text(places.at, &names.at)?,
                    lifetime: optional(places.lifetime, &names.lifetime)?,
                    end: optional(places.end, &names.end)?,
                    count: optional(places.count, &names.count)?,
                };
                match self.read(texts, names)? {
                    Some(record) => (record, places.key),
                    None => return Ok(None),
                }
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
        Ok(Some(Record { key, ..record }))
    }

    fn json_row(&mut self) -> Result<Option<Record>, RowFault> {
        let Layout::Json(columns) = &self.layout else {
            return Err(missing("at"));
        };
        let object = Object::parse(self.lines.line())
            .map_err(|message| RowFault::new(message, "mend the line, or remove it"))?;
        let not_there = |key: &str, name: &str| {
            let names = object.names();
            let remedy = name_it(name, Some(key), names.iter().map(String::as_str));
            RowFault::new(format!("this object has no field `{name}`"), remedy)
        };
        let optional = |name: &Option<String>| name.as_ref().and_then(|name| object.get(name));
        let at = match (object.get(&columns.at), self.empty) {
            (Some(at), _) => at,
            (None, Empty::Skip) => return Ok(None),
            (None, Empty::Error) => return Err(not_there("at", &columns.at)),
        };
        let count = match &columns.count {
            Some(name) => Some(object.get(name).ok_or_else(|| not_there("count", name))?),
            None => None,
        };
        let texts = Texts { at, lifetime: optional(&columns.lifetime), end: optional(&columns.end), count };
        let Some(record) = self.read(texts, columns)? else {
            return Ok(None);
        };
        let key = match optional(&columns.key) {
            Some(key) => Some(self.keys.number(key.as_bytes()).ok_or_else(too_many_keys)?),
            None => None,
        };
        Ok(Some(Record { key, ..record }))
    }

    /// What the texts of a row say; `None` for one that is left out.
    fn read(&self, texts: Texts<'_>, names: &Columns) -> Result<Option<Record>, RowFault> {
        if texts.at.is_empty() {
            return match self.empty {
                Empty::Skip => Ok(None),
                Empty::Error => Err(RowFault::new(
                    format!("`{}` is empty", names.at),
                    "complete the row, or leave out such rows with `empty = \"skip\"` in [demand]",
                )),
            };
        }
        let at = time(&texts.at, self.units.at, &names.at)?;
        let is_given = |text: &Cow<'_, str>| !text.is_empty();
        let lifetime = match (texts.lifetime.filter(is_given), texts.end.filter(is_given)) {
            (Some(text), _) => {
                let name = names.lifetime.as_deref().unwrap_or_default();
                Some(positive(number(&text, self.units.of_lifetime(), name)?, &text, name)?)
            }
            (None, Some(text)) => {
                let name = names.end.as_deref().unwrap_or_default();
                let end = time(&text, self.units.of_end(), name)?;
                let used = end.checked_sub(at).ok_or_else(|| out_of_range(name))?;
                if used < 0 {
                    let message = format!("`{name}` ({text}) is before `{}` ({})", names.at, texts.at);
                    return Err(RowFault::new(
                        message,
                        "mend the row, or check `columns` and `unit` in [demand]",
                    ));
                }
                Some(used)
            }
            (None, None) => None,
        };
        let count = match texts.count {
            Some(text) => count_of(&text, names.count.as_deref().unwrap_or_default())?,
            None => 1,
        };
        record(at, lifetime, count).map(Some)
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
        let Self { lines, fields, keys, names, .. } = self;
        let line = lines.line();
        let fault = |fault: RowFault| lines.fault(fault.message, fault.remedy);
        if !fields.split(line) {
            return Err(fault(open_quote()));
        }
        if fields.count() != names.len() {
            return Err(fault(other_count(fields.count(), names.len())));
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

fn not_a(text: &str, what: &str, name: &str, remedy: &str) -> RowFault {
    let text: String = text.chars().take(60).collect();
    RowFault::new(format!("`{text}` is not {what} (`{name}`)"), remedy)
}

const CHECK_UNIT: &str = "mend the row, or check `unit` in [demand]";

/// A number of units, in attoseconds.
fn number(text: &str, unit: Unit, name: &str) -> Result<i128, RowFault> {
    attos(text, unit.nanos()).ok_or_else(|| {
        let has_comma = text.contains(',') && attos(&text.replacen(',', ".", 1), unit.nanos()).is_some();
        let remedy = if date_time(text).is_some() {
            "dates are read with `unit = \"rfc3339\"` in [demand]"
        } else if has_comma {
            "write decimals with a point"
        } else {
            CHECK_UNIT
        };
        not_a(text, &format!("a number of {}", unit.name()), name, remedy)
    })
}

/// How many requests: a whole number, which may be written with decimals that are zero.
fn count_of(text: &str, name: &str) -> Result<u32, RowFault> {
    let whole = text
        .split_once('.')
        .map_or(text, |(whole, rest)| if rest.bytes().all(|byte| byte == b'0') { whole } else { text });
    whole.parse().ok().filter(|count| u64::from(*count) <= ARRIVALS_MAX).ok_or_else(|| {
        let remedy = format!("give whole numbers from 0 to {ARRIVALS_MAX}, of requests since the row before");
        not_a(text, "a count of requests", name, &remedy)
    })
}

fn positive(attos: i128, text: &str, name: &str) -> Result<i128, RowFault> {
    if attos < 0 {
        return Err(not_a(text, "a length of time, zero or more", name, CHECK_UNIT));
    }
    Ok(attos)
}

/// A time, in attoseconds from wherever the trace counts.
fn time(text: &str, unit: TimeUnit, name: &str) -> Result<i128, RowFault> {
    match unit.unit() {
        Some(unit) => number(text, unit, name),
        None => date_time(text).ok_or_else(|| {
            let remedy = if attos(text, 1).is_some() {
                "numbers are read with `unit = \"s\"`, or ms, us or ns, in [demand]"
            } else {
                "write the year first, as in \"2026-07-31 08:00:00\" or \"2026-07-31T08:00:00+02:00\""
            };
            not_a(text, "a date and time", name, remedy)
        }),
    }
}

/// A record whose key is still to be told.
fn record(at: i128, lifetime: Option<i128>, count: u32) -> Result<Record, RowFault> {
    let at = round_to_nanos(at);
    if at == i64::MIN || at == i64::MAX {
        return Err(out_of_range("at"));
    }
    let lifetime =
        lifetime.map(|attos| Duration::from_nanos(u64::try_from(round_to_nanos(attos)).unwrap_or(0)));
    Ok(Record { at, key: None, lifetime, count })
}
