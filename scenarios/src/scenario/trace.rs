//! `[demand] trace = "..."`: requests that were recorded, and how to read them.

use std::fmt;

use actors::{Duration, invalid};
use serde::de::value::MapAccessDeserializer;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::spread::Spread;
use crate::distribution::Unit;

/// `[demand] trace = "..."`: requests that were recorded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trace {
    /// The file, from the folder of the scenario; plain, gzip or zstd.
    pub trace: String,
    /// How to read it; told from its first line, if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// How many requests arrive for each one of the trace: 0.5 keeps every other one by lot, 2 sends twice as
    /// many.
    #[serde(default = "one")]
    pub scale: f64,
    /// How many times as fast it is replayed. Lifetimes stay as they are.
    #[serde(default = "one")]
    pub speed: f64,
    /// Of counts: how the arrivals of an interval lie in it.
    #[serde(default)]
    pub arrivals: Spread,
    /// Which columns or fields hold what: `csv` and `jsonl`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<Columns>,
    /// The units of times: `csv` and `jsonl`.
    #[serde(default)]
    pub unit: Units,
    /// `columns.count`: how long the interval of each count is; until the next row, if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Duration>,
    /// What separates the columns of `csv`; told from the heading, if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<Delimiter>,
    /// Lines that begin with this are left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// What to do about rows without a time.
    #[serde(default)]
    pub empty: Empty,
    /// How long requests use their Sprites.
    #[serde(default)]
    pub lifetimes: Lifetimes,
    /// What to do about rows that are not in the order of time.
    #[serde(default)]
    pub order: Order,
}

fn one() -> f64 {
    1.0
}

impl Trace {
    /// The requests of a file, read as it says itself.
    pub fn of(file: &str) -> Self {
        Self {
            trace: file.to_owned(),
            format: None,
            scale: 1.0,
            speed: 1.0,
            arrivals: Spread::default(),
            columns: None,
            unit: Units::default(),
            interval: None,
            delimiter: None,
            comment: None,
            empty: Empty::default(),
            lifetimes: Lifetimes::default(),
            order: Order::default(),
        }
    }

    /// The first key that says something which nobody asks of a trace in this format.
    pub(crate) fn unread_in(&self, format: Format) -> Option<&'static str> {
        let names_its_fields = matches!(format, Format::Csv | Format::Jsonl);
        let has_counts = format == Format::AzureFunctions2019
            || self.columns.as_ref().is_some_and(|columns| columns.count.is_some());
        if self.columns.is_some() && !names_its_fields {
            Some("columns")
        } else if self.unit != Units::default() && !names_its_fields {
            Some("unit")
        } else if self.empty != Empty::default() && !names_its_fields {
            Some("empty")
        } else if self.delimiter.is_some() && format != Format::Csv {
            Some("delimiter")
        } else if self.interval.is_some() && (!has_counts || format == Format::AzureFunctions2019) {
            Some("interval")
        } else if self.arrivals != Spread::default() && !has_counts {
            Some("arrivals")
        } else {
            None
        }
    }
}

/// The formats of traces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// TIMESTAMP,ContextTokens,GeneratedTokens.
    AzureLlm,
    /// app,func,end_timestamp,duration.
    #[serde(rename = "azure-functions-2021")]
    AzureFunctions2021,
    /// HashOwner,HashApp,HashFunction,Trigger,1..1440.
    #[serde(rename = "azure-functions-2019")]
    AzureFunctions2019,
    /// Columns named by `columns`.
    Csv,
    /// One JSON object a line, fields named by `columns`.
    Jsonl,
    /// The project's own: JSON lines with `at`, `key` and `lifetime` in nanoseconds.
    Journal,
}

impl Format {
    /// The name in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AzureLlm => "azure-llm",
            Self::AzureFunctions2021 => "azure-functions-2021",
            Self::AzureFunctions2019 => "azure-functions-2019",
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
            Self::Journal => "journal",
        }
    }
}

/// Which columns or fields of a trace hold what. In JSON `a.b` is the field `b` of the object in the field
/// `a`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Columns {
    /// When a request arrived.
    #[serde(default = "Columns::default_at")]
    pub at: String,
    /// Whose it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// How long it used its Sprite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifetime: Option<String>,
    /// When it stopped using its Sprite, instead of how long it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<String>,
    /// How many requests arrived from `at` until the next row: each row is an interval, not a request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<String>,
}

impl Columns {
    fn default_at() -> String {
        "at".to_owned()
    }
}

/// What separates the columns of a line: one character of ASCII.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delimiter(pub u8);

impl Serialize for Delimiter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_char(char::from(self.0))
    }
}

impl<'de> Deserialize<'de> for Delimiter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.as_bytes() {
            b"tab" => Ok(Self(b'\t')),
            [byte] if byte.is_ascii() && !b"\"\r\n".contains(byte) => Ok(Self(*byte)),
            _ => Err(invalid(&format_args!("is {text:?}"), "give one character, such as \";\" or \"\\t\"")),
        }
    }
}

/// The unit of the times in a column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TimeUnit {
    /// Seconds.
    #[default]
    S,
    /// Milliseconds.
    Ms,
    /// Microseconds.
    Us,
    /// Nanoseconds.
    Ns,
    /// Date and time as RFC 3339 has them.
    Rfc3339,
}

impl TimeUnit {
    /// The unit of bare numbers; `None` for dates.
    pub const fn unit(self) -> Option<Unit> {
        match self {
            Self::S => Some(Unit::S),
            Self::Ms => Some(Unit::Ms),
            Self::Us => Some(Unit::Us),
            Self::Ns => Some(Unit::Ns),
            Self::Rfc3339 => None,
        }
    }
}

/// The units of a trace: one for all its columns, or one for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Units {
    /// Of `at`.
    pub at: TimeUnit,
    /// Of `lifetime`; that of `at`, if not given, and seconds where that is a date.
    pub lifetime: Option<Unit>,
    /// Of `end`; that of `at`, if not given.
    pub end: Option<TimeUnit>,
}

impl Units {
    /// The unit of lifetimes.
    pub fn of_lifetime(self) -> Unit {
        self.lifetime.or(self.at.unit()).unwrap_or(Unit::S)
    }

    /// The unit of ends.
    pub fn of_end(self) -> TimeUnit {
        self.end.unwrap_or(self.at)
    }
}

/// A table of units.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct UnitTable {
    #[serde(default)]
    at: TimeUnit,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lifetime: Option<Unit>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    end: Option<TimeUnit>,
}

impl Serialize for Units {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Self { at, lifetime: None, end: None } => at.serialize(serializer),
            Self { at, lifetime, end } => UnitTable { at, lifetime, end }.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Units {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Units;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("one of s, ms, us, ns and rfc3339 in quotes, or a table such as { at = \"rfc3339\", lifetime = \"ms\" }")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Units, E> {
                let at = TimeUnit::deserialize(de::value::StrDeserializer::new(text))?;
                Ok(Units { at, ..Units::default() })
            }

            fn visit_map<A: de::MapAccess<'de>>(self, units: A) -> Result<Units, A::Error> {
                let UnitTable { at, lifetime, end } =
                    UnitTable::deserialize(MapAccessDeserializer::new(units))?;
                Ok(Units { at, lifetime, end })
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// What to do about rows whose `at` is empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Empty {
    /// Refuse them.
    #[default]
    Error,
    /// Leave them out.
    Skip,
}

/// How long the requests of a trace use their Sprites.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lifetimes {
    /// As `[sprite] lifetime` says.
    #[default]
    Sprite,
    /// As the trace says.
    Trace,
}

/// What to do about rows that are not in the order of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// Refuse them. The formats of Azure Functions are always sorted, because they are not written in that
    /// order.
    #[default]
    Check,
    /// Sort the trace first, in a temporary file if it is large.
    Sort,
}
