//! What figures are counted in, and how people read such a number.

use crate::format;

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
    /// Things, on average over time.
    Level,
    /// A share of one.
    Share,
    /// VMs times seconds.
    VmSeconds,
    /// The currency of the prices.
    Money,
}

impl Unit {
    /// What it is called in the reference.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nanoseconds | Self::Seconds => "duration",
            Self::Count => "count",
            Self::Level => "average",
            Self::Share => "share",
            Self::VmSeconds => "VM-seconds",
            Self::Money => "money",
        }
    }

    /// A value of this unit as people read it.
    pub fn show(self, value: f64) -> String {
        match self {
            Self::Nanoseconds => format::nanos(value),
            Self::Seconds => format::seconds(value),
            Self::Share => format::share(value),
            Self::Count | Self::Level | Self::VmSeconds | Self::Money => format::number(value),
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
