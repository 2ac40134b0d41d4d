//! The figures of a run by name: what gates judge, and what comparisons and spreads compare.

use std::fmt;

use actors::Outcome;

use crate::format;
use crate::outcomes::by_name;
use crate::summary::{LatencyFigures, Summary};

/// Why nothing is known of single pools.
pub(crate) const PER_TENANT: &str = "not known: pools are per tenant";

/// One number of a summary. Its `Display` is its name in `[gates]`: `latency p99`, `misses`, `ready least`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    /// A statistic of the latency, over served requests or over those of one outcome.
    Latency(Statistic, Option<Outcome>),
    /// Requests that were not warm.
    Misses,
    /// Requests with this outcome.
    Outcome(Outcome),
    /// Requests that ended.
    Requests,
    /// From the end of the spike until every pool met its goal.
    Recovery,
    /// Time that pools were empty, summed over workers.
    Empty,
    /// Mean number of ready Sprites.
    ReadyMean,
    /// The least number of ready Sprites.
    ReadyLeast,
    /// Boots and creates that began.
    Boots,
    /// Time integral of ready Sprites.
    Idle,
    /// The bill's total.
    Cost,
}

/// A statistic of a latency histogram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statistic {
    /// The shortest.
    Min,
    /// The mean.
    Mean,
    /// Half were no longer.
    P50,
    /// 90 % were no longer.
    P90,
    /// 99 % were no longer.
    P99,
    /// 99.9 % were no longer.
    P999,
    /// The longest.
    Max,
}

/// What a figure is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// A latency, in nanoseconds.
    Nanoseconds,
    /// A length of time, in seconds.
    Seconds,
    /// Things, counted.
    Count,
    /// A share of one.
    Share,
    /// VMs times seconds.
    VmSeconds,
    /// The currency of the prices.
    Money,
}

impl Unit {
    /// A value of this unit as people read it.
    pub fn show(self, value: f64) -> String {
        match self {
            Self::Nanoseconds => format::nanos(value),
            Self::Seconds => format::seconds(value),
            Self::Share => format::share(value),
            Self::Count | Self::VmSeconds | Self::Money => format::number(value),
        }
    }

    /// A difference of two values of this unit: with its sign, and shares in percentage points.
    pub fn show_difference(self, value: f64) -> String {
        let sign = if value < 0.0 { "-" } else { "+" };
        match self {
            Self::Share => format!("{sign}{} pp", format::significant(value.abs() * 100.0)),
            unit => format!("{sign}{}", unit.show(value.abs())),
        }
    }
}

impl Statistic {
    const ALL: [(Self, &'static str); 7] = [
        (Self::Min, "min"),
        (Self::Mean, "mean"),
        (Self::P50, "p50"),
        (Self::P90, "p90"),
        (Self::P99, "p99"),
        (Self::P999, "p99.9"),
        (Self::Max, "max"),
    ];

    /// Its name in `[gates]`.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(known, _)| *known == self).map_or("", |(_, name)| name)
    }

    /// The quantile, for percentiles.
    pub fn quantile(self) -> Option<f64> {
        match self {
            Self::P50 => Some(0.5),
            Self::P90 => Some(0.9),
            Self::P99 => Some(0.99),
            Self::P999 => Some(0.999),
            Self::Max => Some(1.0),
            Self::Min | Self::Mean => None,
        }
    }

    fn of(self, figures: &LatencyFigures) -> f64 {
        match self {
            Self::Min => figures.min as f64,
            Self::Mean => figures.mean,
            Self::P50 => figures.p50 as f64,
            Self::P90 => figures.p90 as f64,
            Self::P99 => figures.p99 as f64,
            Self::P999 => figures.p999 as f64,
            Self::Max => figures.max as f64,
        }
    }
}

/// The figures that comparisons and spreads show, in this order.
pub const COMPARED: [Figure; 14] = [
    Figure::Misses,
    Figure::Latency(Statistic::P50, None),
    Figure::Latency(Statistic::P99, None),
    Figure::Latency(Statistic::P999, None),
    Figure::Latency(Statistic::Max, None),
    Figure::Outcome(Outcome::Waited),
    Figure::Outcome(Outcome::Booted),
    Figure::Outcome(Outcome::Rejected),
    Figure::Outcome(Outcome::Failed),
    Figure::Empty,
    Figure::Recovery,
    Figure::Boots,
    Figure::Idle,
    Figure::Cost,
];

impl Figure {
    /// Every figure's name, for suggestions.
    pub fn names() -> Vec<String> {
        let mut all: Vec<Self> = Statistic::ALL.iter().map(|(stat, _)| Self::Latency(*stat, None)).collect();
        for outcome in Outcome::ALL {
            all.push(Self::Outcome(outcome));
            all.extend(Statistic::ALL.iter().map(|(stat, _)| Self::Latency(*stat, Some(outcome))));
        }
        all.extend([Self::Misses, Self::Requests, Self::Recovery, Self::Empty, Self::ReadyMean]);
        all.extend([Self::ReadyLeast, Self::Boots, Self::Idle, Self::Cost]);
        all.iter().map(Self::to_string).collect()
    }

    /// The figure of this name, if there is one.
    pub fn by_name(name: &str) -> Option<Self> {
        let words: Vec<String> = name.split_whitespace().map(str::to_lowercase).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let statistic = |word: &str| {
            let word = if word == "p999" { "p99.9" } else { word };
            Statistic::ALL.iter().find(|(_, known)| *known == word).map(|(statistic, _)| *statistic)
        };
        Some(match words[..] {
            ["latency", which] => Self::Latency(statistic(which)?, None),
            ["latency", which, outcome] => Self::Latency(statistic(which)?, Some(by_name(outcome)?)),
            ["misses"] => Self::Misses,
            ["requests"] => Self::Requests,
            ["recovery"] => Self::Recovery,
            ["empty"] => Self::Empty,
            ["ready", "mean"] => Self::ReadyMean,
            ["ready", "least"] => Self::ReadyLeast,
            ["boots"] => Self::Boots,
            ["idle"] => Self::Idle,
            ["cost"] => Self::Cost,
            [outcome] => Self::Outcome(by_name(outcome)?),
            _ => return None,
        })
    }

    /// What it is counted in.
    pub fn unit(self) -> Unit {
        match self {
            Self::Latency(..) => Unit::Nanoseconds,
            Self::Recovery | Self::Empty => Unit::Seconds,
            Self::Idle => Unit::VmSeconds,
            Self::Cost => Unit::Money,
            _ => Unit::Count,
        }
    }

    /// Its value, or why there is none.
    pub fn value(self, summary: &Summary) -> Result<f64, &'static str> {
        Ok(match self {
            Self::Latency(statistic, None) => match &summary.latency_ns.served {
                figures if figures.count == 0 => return Err("no request was served"),
                figures => statistic.of(figures),
            },
            Self::Latency(statistic, Some(outcome)) => statistic.of(summary
                .latency_ns
                .by_outcome
                .get(outcome)
                .as_ref()
                .ok_or("no request ended so")?),
            Self::Misses => summary.misses as f64,
            Self::Outcome(outcome) => *summary.outcomes.get(outcome) as f64,
            Self::Requests => summary.requests as f64,
            Self::Recovery => summary.recovery.as_ref().ok_or(PER_TENANT)?.seconds.ok_or("not recovered")?,
            Self::Empty => summary.pool.empty_seconds.ok_or(PER_TENANT)?,
            Self::ReadyMean => summary.pool.ready_mean,
            Self::ReadyLeast => summary.pool.ready_least as f64,
            Self::Boots => summary.boots.begun as f64,
            Self::Idle => summary.pool.idle_vm_seconds,
            Self::Cost => summary.cost.total,
        })
    }

    /// Whether it can be given as a share: of requests, or (for `empty`) of time.
    pub fn has_share(self) -> bool {
        matches!(self, Self::Misses | Self::Outcome(_) | Self::Empty)
    }

    /// Its value as a share, or why there is none.
    pub fn share(self, summary: &Summary) -> Result<f64, &'static str> {
        match self {
            Self::Empty if summary.duration_s == 0.0 => Err("nothing was counted"),
            Self::Empty => summary.pool.empty_share.ok_or(PER_TENANT),
            _ if summary.requests == 0 => Err("there was no request"),
            _ => Ok(self.value(summary)? / summary.requests as f64),
        }
    }

    /// The unit and value in which runs of different length can be compared.
    pub fn comparable(self, summary: &Summary) -> (Unit, Option<f64>) {
        match self {
            Self::Misses | Self::Outcome(_) => (Unit::Share, self.share(summary).ok()),
            _ => (self.unit(), self.value(summary).ok()),
        }
    }

    /// Whether runs like this one can be compared by it: without a spike, recoveries have no common beginning, and of pools
    /// per tenant neither recovery nor emptiness is known.
    pub fn is_common_to(self, summary: &Summary) -> bool {
        match self {
            Self::Recovery => summary.recovery.as_ref().is_some_and(|recovery| recovery.after_spike),
            Self::Empty => !summary.pool.per_tenant,
            _ => true,
        }
    }

    /// Whether less of it is better; nothing where neither is.
    pub fn less_is_better(self) -> Option<bool> {
        match self {
            Self::Requests => None,
            Self::ReadyMean | Self::ReadyLeast | Self::Outcome(Outcome::Warm) => Some(false),
            _ => Some(true),
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Latency(statistic, None) => return write!(f, "latency {}", statistic.name()),
            Self::Latency(statistic, Some(outcome)) => {
                return write!(f, "latency {} {}", statistic.name(), outcome.name());
            }
            Self::Outcome(outcome) => outcome.name(),
            Self::Misses => "misses",
            Self::Requests => "requests",
            Self::Recovery => "recovery",
            Self::Empty => "empty",
            Self::ReadyMean => "ready mean",
            Self::ReadyLeast => "ready least",
            Self::Boots => "boots",
            Self::Idle => "idle",
            Self::Cost => "cost",
        };
        f.write_str(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_understood() {
        for name in Figure::names() {
            assert_eq!(Figure::by_name(&name).map(|figure| figure.to_string()), Some(name));
        }
        assert_eq!(
            Figure::by_name(" Latency  P999 warm"),
            Some(Figure::Latency(Statistic::P999, Some(Outcome::Warm)))
        );
        assert_eq!(Figure::by_name("latency"), None);
    }
}
