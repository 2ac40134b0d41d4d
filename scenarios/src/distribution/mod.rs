//! Distributions of durations, as they stand in a scenario and as they are drawn from.
//!
//! | in a file | draws |
//! | --- | --- |
//! | `"60us"` or `{ constant = "60us" }` | always the same |
//! | `{ exponential = "2s" }` | exponential with this mean |
//! | `{ p50 = "36ms", p99 = "120ms" }` | lognormal through these two percentiles |
//! | `{ histogram = "boot.hlog" }` | from a recorded HdrHistogram interval log, in nanoseconds |
//! | `{ samples = "boots.txt", unit = "ms" }` | one of the numbers in a file, all alike |

mod by_load;
mod files;
mod sampler;

use std::fmt;
use std::path::Path;

use actors::time::DurationError;
use actors::{Duration, invalid};
use serde::de::value::MapAccessDeserializer;
use serde::{Deserialize, Deserializer, Serialize, de};

pub use by_load::ByLoad;
pub use files::DistributionError;
pub use sampler::Sampler;

/// The unit of a bare number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Seconds.
    #[default]
    S,
    /// Milliseconds.
    Ms,
    /// Microseconds.
    Us,
    /// Nanoseconds.
    Ns,
}

impl Unit {
    /// Nanoseconds in one of this unit.
    pub const fn nanos(self) -> u64 {
        match self {
            Self::S => 1_000_000_000,
            Self::Ms => 1_000_000,
            Self::Us => 1_000,
            Self::Ns => 1,
        }
    }

    /// The name in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::S => "s",
            Self::Ms => "ms",
            Self::Us => "us",
            Self::Ns => "ns",
        }
    }
}

/// A distribution as it stands in a scenario.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Distribution {
    /// Always the same.
    Constant {
        /// The duration.
        constant: Duration,
    },
    /// Exponential.
    Exponential {
        /// The mean.
        exponential: Duration,
    },
    /// Lognormal through two percentiles.
    Lognormal {
        /// The median.
        p50: Duration,
        /// The 99th percentile.
        p99: Duration,
    },
    /// What an HdrHistogram interval log has recorded, all its intervals together.
    Histogram {
        /// The .hlog file, from the folder of the scenario.
        histogram: String,
    },
    /// What a file lists, one number a line.
    Samples {
        /// The file, from the folder of the scenario.
        samples: String,
        /// The unit of its numbers.
        unit: Unit,
    },
}

impl Distribution {
    /// No time at all.
    pub const ZERO: Self = Self::Constant { constant: Duration::ZERO };

    /// Always the same.
    pub const fn constant(constant: Duration) -> Self {
        Self::Constant { constant }
    }

    /// The lognormal distribution with this median and 99th percentile.
    pub const fn lognormal(p50: Duration, p99: Duration) -> Self {
        Self::Lognormal { p50, p99 }
    }

    /// Whether every draw is zero.
    pub fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }

    /// Makes it ready to be drawn from. Files are looked up from the folder `base`.
    ///
    /// # Errors
    /// A file that is missing, empty or cannot be read, or percentiles in the wrong order.
    pub fn sampler(&self, base: &Path) -> Result<Sampler, DistributionError> {
        match self {
            Self::Constant { constant } => Ok(Sampler::constant(*constant)),
            Self::Exponential { exponential } => Ok(Sampler::exponential(*exponential)),
            Self::Lognormal { p50, p99 } if p50.is_zero() || p99 < p50 => {
                Err(DistributionError::Percentiles { p50: *p50, p99: *p99 })
            }
            Self::Lognormal { p50, p99 } => Ok(Sampler::lognormal(*p50, *p99)),
            Self::Histogram { histogram } => files::histogram(&base.join(histogram)),
            Self::Samples { samples, unit } => files::samples(&base.join(samples), *unit),
        }
    }
}

/// The keys that a distribution's table may have; which of them belong together is checked afterwards.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    constant: Option<Duration>,
    exponential: Option<Duration>,
    p50: Option<Duration>,
    p99: Option<Duration>,
    histogram: Option<String>,
    samples: Option<String>,
    unit: Option<Unit>,
}

const SHAPES: &str = "give one of { constant = \"1ms\" }, { exponential = \"2s\" }, { p50 = \"36ms\", p99 = \
     \"120ms\" }, { histogram = \"boot.hlog\" } or { samples = \"boots.txt\", unit = \"ms\" }";

/// The keys do not belong together.
struct NoDistribution;

impl TryFrom<Keys> for Distribution {
    type Error = NoDistribution;

    fn try_from(keys: Keys) -> Result<Self, NoDistribution> {
        match keys {
            Keys {
                constant: Some(constant),
                exponential: None,
                p50: None,
                p99: None,
                histogram: None,
                samples: None,
                unit: None,
            } => Ok(Self::Constant { constant }),
            Keys {
                constant: None,
                exponential: Some(exponential),
                p50: None,
                p99: None,
                histogram: None,
                samples: None,
                unit: None,
            } => Ok(Self::Exponential { exponential }),
            Keys {
                constant: None,
                exponential: None,
                p50: Some(p50),
                p99: Some(p99),
                histogram: None,
                samples: None,
                unit: None,
            } => Ok(Self::Lognormal { p50, p99 }),
            Keys {
                constant: None,
                exponential: None,
                p50: None,
                p99: None,
                histogram: Some(histogram),
                samples: None,
                unit: None,
            } => Ok(Self::Histogram { histogram }),
            Keys {
                constant: None,
                exponential: None,
                p50: None,
                p99: None,
                histogram: None,
                samples: Some(samples),
                unit,
            } => Ok(Self::Samples { samples, unit: unit.unwrap_or_default() }),
            _ => Err(NoDistribution),
        }
    }
}

/// A duration in quotes, as a distribution.
fn constant<E: de::Error>(text: &str) -> Result<Distribution, E> {
    let duration = text.parse().map_err(|error: DurationError| invalid(&error, &error.remedy()))?;
    Ok(Distribution::constant(duration))
}

impl<'de> Deserialize<'de> for Distribution {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Distribution;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration in quotes, or a table such as { p50 = \"36ms\", p99 = \"120ms\" }")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Distribution, E> {
                constant(text)
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Distribution, A::Error> {
                let keys = Keys::deserialize(MapAccessDeserializer::new(map))?;
                Distribution::try_from(keys)
                    .map_err(|NoDistribution| invalid(&"is not a distribution", SHAPES))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}
