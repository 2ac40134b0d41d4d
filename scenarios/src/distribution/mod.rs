//! Distributions of durations, as they stand in a scenario and as they are drawn from.
//!
//! | in a file | draws |
//! | --- | --- |
//! | `"60us"` or `{ constant = "60us" }` | always the same |
//! | `{ exponential = "2s" }` | exponential with this mean |
//! | `{ p50 = "36ms", p99 = "120ms" }` | lognormal through these two percentiles; any two or more may be given |
//! | `{ mean = "2s", deviation = "500ms" }` | lognormal with this mean and standard deviation |
//! | `{ uniform = ["1s", "3s"] }` | anything between, all alike |
//! | `{ histogram = "boot.hlog" }` | from a recorded HdrHistogram interval log, or a percentile distribution (.hgrm) |
//! | `{ samples = "boots.txt", unit = "ms" }` | one of the numbers in a file, all alike |

mod by_load;
mod fault;
mod files;
mod hgrm;
mod hlog;
mod keys;
mod percentiles;
mod sampler;

use std::fmt;
use std::path::Path;

use actors::time::DurationError;
use actors::{Duration, invalid};
use serde::{Deserialize, Deserializer, Serialize, de};

pub use by_load::ByLoad;
pub use files::DistributionError;
use keys::Keys;
pub use percentiles::{Percentile, Percentiles};
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
    /// Lognormal with this mean and standard deviation.
    Moments {
        /// The mean.
        mean: Duration,
        /// The standard deviation.
        deviation: Duration,
    },
    /// Anything between two values, all alike.
    Uniform {
        /// The shortest and the longest.
        uniform: [Duration; 2],
    },
    /// Through any two or more percentiles.
    Percentiles(Percentiles),
    /// Lognormal through two percentiles.
    Lognormal {
        /// The median.
        p50: Duration,
        /// The 99th percentile.
        p99: Duration,
    },
    /// What an HdrHistogram interval log has recorded, all its intervals together, or a percentile
    /// distribution.
    Histogram {
        /// The .hlog or .hgrm file, from the folder of the scenario.
        histogram: String,
        /// The unit of its values; nanoseconds for a log, and as a distribution says itself, if not given.
        #[serde(skip_serializing_if = "Option::is_none")]
        unit: Option<Unit>,
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
            Self::Moments { mean, deviation } if mean.is_zero() && !deviation.is_zero() => {
                Err(DistributionError::Moments { deviation: *deviation })
            }
            Self::Moments { mean, deviation } => Ok(Sampler::moments(*mean, *deviation)),
            Self::Uniform { uniform: [shortest, longest] } if shortest > longest => {
                Err(DistributionError::Bounds { shortest: *shortest, longest: *longest })
            }
            Self::Uniform { uniform: [shortest, longest] } => Ok(Sampler::uniform(*shortest, *longest)),
            Self::Percentiles(percentiles) => match percentiles.fault() {
                Some([(low, low_value), (high, high_value)]) => {
                    Err(DistributionError::Percentiles { low, low_value, high, high_value })
                }
                None => Ok(Sampler::through(percentiles)),
            },
            Self::Lognormal { p50, p99 } if p50.is_zero() || p99 < p50 => {
                let named = |name| Percentile::named(name).expect("this names a percentile");
                let (low, high) = (named("p50"), named("p99"));
                Err(DistributionError::Percentiles { low, low_value: *p50, high, high_value: *p99 })
            }
            Self::Lognormal { p50, p99 } => Ok(Sampler::lognormal(*p50, *p99)),
            Self::Histogram { histogram, unit } => files::histogram(&base.join(histogram), *unit),
            Self::Samples { samples, unit } => files::samples(&base.join(samples), *unit),
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
                Keys::read(map)?.distribution()
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}
