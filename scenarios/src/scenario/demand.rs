//! `[[demand]]` stages, or `[demand] trace = "..."`: what is asked of the fleet.

use std::fmt;
use std::ops::Range;

use actors::{Duration, Time};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::{Deserialize, Deserializer, Serialize, de};

use super::spread::Spread;
use super::trace::Trace;

/// The longest demand: a hundred years. Times are 64 bits of nanoseconds, which is 584 years; so no sum of a
/// few of them ever overflows.
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

    /// When the spike begins and ends: the last stage that reaches the highest rate. `None` where the rate
    /// never changes, and for a trace.
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
