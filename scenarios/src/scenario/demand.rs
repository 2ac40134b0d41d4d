//! `[[demand]]` stages, or `[demand] trace = "..."`: what is asked of the fleet.

use std::fmt;
use std::ops::Range;

use actors::{Duration, Time};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::{Deserialize, Deserializer, Serialize, de};

use crate::distribution::Unit;

/// The longest demand: a hundred years. Times are 64 bits of nanoseconds, which is 584 years; so no sum of a few of them
/// ever overflows.
pub(crate) const LENGTH_MAX: Duration = Duration::from_secs(36_525 * 86_400);

/// What is asked of the fleet.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Demand {
    /// One stage after the other.
    Stages(Vec<Stage>),
    /// What was recorded.
    Trace(Box<Trace>),
}

impl Default for Demand {
    fn default() -> Self {
        Self::Stages(Vec::new())
    }
}

/// `[[demand]]`: a while in which the rate of arrivals goes in a straight line from one value to another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// Arrivals per second over the fleet when it begins; what the stage before ended with, if not given.
    #[serde(default)]
    pub from: Option<f64>,
    /// Arrivals per second when it ends; the same as `from`, if not given.
    #[serde(default)]
    pub to: Option<f64>,
    /// How long it lasts.
    #[serde(rename = "for")]
    pub length: Duration,
    /// How arrivals lie in time; as in the stage before, if not given.
    #[serde(default)]
    pub arrivals: Option<Spread>,
}

/// How arrivals lie in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spread {
    /// Independent of each other.
    #[default]
    Poisson,
    /// As far from each other as the rate allows.
    Even,
    /// So many at the same instant; the instants are Poisson, and the rate of arrivals stays as given.
    BurstsOf(u32),
}

/// `[demand] trace = "..."`: requests that were recorded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trace {
    /// The file, from the folder of the scenario; gzip or plain.
    pub trace: String,
    /// How to read it; guessed from its first line, if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// How many requests arrive for each one of the trace: 0.5 keeps every other one by lot, 2 sends twice as many.
    #[serde(default = "one")]
    pub scale: f64,
    /// How many times as fast it is replayed. Lifetimes stay as they are.
    #[serde(default = "one")]
    pub speed: f64,
    /// `azure-functions-2019`: how the arrivals of a minute lie in it.
    #[serde(default)]
    pub arrivals: Spread,
    /// Which columns or fields hold what: `csv` and `jsonl`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<Columns>,
    /// The unit of times: `csv` and `jsonl`.
    #[serde(default)]
    pub unit: TimeUnit,
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
    /// The first key that says something which nobody asks of a trace in this format.
    pub(crate) fn unread_in(&self, format: Format) -> Option<&'static str> {
        let names_its_fields = matches!(format, Format::Csv | Format::Jsonl);
        if self.columns.is_some() && !names_its_fields {
            Some("columns")
        } else if self.unit != TimeUnit::default() && !names_its_fields {
            Some("unit")
        } else if self.arrivals != Spread::default() && format != Format::AzureFunctions2019 {
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

/// Which columns or fields of a trace hold what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Columns {
    /// When a request arrived.
    pub at: String,
    /// Whose it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// How long it used its Sprite, in the same unit; in seconds where `at` is a date and time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifetime: Option<String>,
}

/// The unit of the times in a trace.
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
    /// The unit of bare numbers.
    pub const fn unit(self) -> Unit {
        match self {
            Self::S | Self::Rfc3339 => Unit::S,
            Self::Ms => Unit::Ms,
            Self::Us => Unit::Us,
            Self::Ns => Unit::Ns,
        }
    }
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
    /// Refuse them. The formats of Azure Functions are always sorted, because they are not written in that order.
    #[default]
    Check,
    /// Sort the trace first, in a temporary file if it is large.
    Sort,
}

impl Demand {
    /// How long the stages last; `None` for a trace, which says so only by ending.
    pub fn planned_length(&self) -> Option<Duration> {
        match self {
            Self::Stages(stages) => {
                Some(stages.iter().fold(Duration::ZERO, |length, stage| length + stage.length))
            }
            Self::Trace(_) => None,
        }
    }

    /// How many requests the stages bring on average; `None` for a trace.
    pub fn expected_requests(&self) -> Option<f64> {
        match self {
            Self::Stages(stages) => Some(stages.iter().map(Stage::expected_requests).sum()),
            Self::Trace(_) => None,
        }
    }

    /// When the spike begins and ends: the last stage that reaches the highest rate. `None` where the rate never changes,
    /// and for a trace.
    pub fn spike(&self) -> Option<Range<Time>> {
        let Self::Stages(stages) = self else {
            return None;
        };
        let peak = stages.iter().map(Stage::peak).fold(0.0, f64::max);
        let lowest = stages.iter().map(Stage::lowest).fold(f64::INFINITY, f64::min);
        if stages.len() < 2 || lowest >= peak {
            return None;
        }
        let mut end = Time::ZERO;
        let mut before = f64::NEG_INFINITY;
        let mut spike = None;
        for stage in stages {
            // A stage that falls from where the one before ended is the way back, not the spike.
            let way_back = before >= peak && stage.to_rate() < before;
            if stage.peak() >= peak && !way_back {
                spike = Some(end..end + stage.length);
            }
            end = end + stage.length;
            before = stage.to_rate();
        }
        spike
    }
}

impl Stage {
    /// Arrivals per second when it begins.
    pub fn from_rate(&self) -> f64 {
        self.from.or(self.to).unwrap_or(0.0)
    }

    /// Arrivals per second when it ends.
    pub fn to_rate(&self) -> f64 {
        self.to.or(self.from).unwrap_or(0.0)
    }

    /// How many requests it brings on average.
    pub fn expected_requests(&self) -> f64 {
        (self.from_rate() + self.to_rate()) / 2.0 * self.length.as_secs_f64()
    }

    fn peak(&self) -> f64 {
        self.from_rate().max(self.to_rate())
    }

    fn lowest(&self) -> f64 {
        self.from_rate().min(self.to_rate())
    }
}

/// Puts in force what stages take over from the stage before.
pub(crate) fn fill_in(stages: &mut [Stage]) {
    let mut before: Option<f64> = None;
    let mut spread = Spread::default();
    for stage in stages {
        stage.from = stage.from.or(before).or(stage.to);
        stage.to = stage.to.or(stage.from);
        before = stage.to;
        spread = *stage.arrivals.get_or_insert(spread);
    }
}

impl<'de> Deserialize<'de> for Demand {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Demand;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("[[demand]] stages, or [demand] with a trace")
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, stages: A) -> Result<Demand, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(stages)).map(Demand::Stages)
            }

            fn visit_map<A: de::MapAccess<'de>>(self, trace: A) -> Result<Demand, A::Error> {
                Box::<Trace>::deserialize(MapAccessDeserializer::new(trace)).map(Demand::Trace)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}
