//! Verdicts: what is said first about a run, a comparison and a twin, and each gate that a run was judged by.

use serde::{Deserialize, Serialize};

use crate::figure::Figure;
use crate::no_value::NoValue;
use crate::unit::Unit;

/// The first thing that is said about a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// There are gates, and every one holds.
    Held,
    /// A gate does not hold.
    Failed,
    /// There are no gates to judge by.
    #[default]
    NoGates,
}

/// What a paired difference shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Shown {
    /// The interval lies on the good side of zero.
    Better,
    /// The interval lies on the bad side of zero.
    Worse,
    /// The interval does not hold zero, and neither side is better.
    Differs,
    /// The interval holds zero, or there is only one seed.
    NoDifference,
}

/// Whether a simulation has predicted real runs.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Prediction {
    /// Wherever the real figure lies within its interval, the gap is within its bound.
    Within,
    /// The interval allows both: the real runs themselves spread too wide for the bound, or there was only
    /// one.
    NotDecided,
    /// Wherever the real figure lies within its interval, the gap is beyond its bound.
    Beyond,
}

/// A gate, judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GateResult {
    /// The gate as it was written: `latency p99 < 250ms`.
    pub gate: String,
    /// The figure.
    pub figure: Figure,
    /// The bound, in `unit`.
    pub limit: f64,
    /// The figure, in `unit`; null where there is none.
    pub value: Option<f64>,
    /// What both are counted in.
    pub unit: Unit,
    /// Whether the gate holds. Without a value it does not; but a latency of requests that were not served is
    /// longer than any.
    pub holds: bool,
    /// Why there is no value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<NoValue>,
    /// Of regions or workers, the one that the value is of: the worst.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
}

impl Verdict {
    /// The verdict over these gates.
    pub fn over(gates: &[GateResult]) -> Self {
        match gates {
            [] => Self::NoGates,
            gates if gates.iter().all(|gate| gate.holds) => Self::Held,
            _ => Self::Failed,
        }
    }

    /// In a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Held => "HELD",
            Self::Failed => "FAILED",
            Self::NoGates => "NO GATES",
        }
    }
}

/// How many of these gates hold, in words.
pub fn gates_say(gates: &[GateResult]) -> String {
    let (all, broken) = (gates.len(), gates.iter().filter(|gate| !gate.holds).count());
    match (all, broken) {
        (0, _) => "there are no gates to judge by".to_owned(),
        (1, 0) => "its gate holds".to_owned(),
        (all, 0) => format!("all {all} gates hold"),
        (1, _) => "its gate does not hold".to_owned(),
        (all, 1) => format!("1 of {all} gates does not hold"),
        (all, broken) => format!("{broken} of {all} gates do not hold"),
    }
}

impl Shown {
    /// In words.
    pub fn text(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Worse => "worse",
            Self::Differs => "differs",
            Self::NoDifference => "no difference shown",
        }
    }
}

impl Prediction {
    /// In a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Within => "WITHIN",
            Self::NotDecided => "NOT DECIDED",
            Self::Beyond => "BEYOND",
        }
    }

    /// As a sign, and as a word beside a figure.
    pub fn sign_and_text(self) -> (&'static str, &'static str) {
        match self {
            Self::Within => ("\u{2713}", ""),
            Self::NotDecided => ("?", "not decided"),
            Self::Beyond => ("\u{2717}", "beyond"),
        }
    }
}

impl GateResult {
    /// The value as people read it, or why there is none.
    pub fn shown(&self) -> String {
        let value = match (self.value, self.why) {
            (Some(value), _) => self.unit.show(value),
            (None, Some(why)) => why.to_string(),
            (None, None) => "no value".to_owned(),
        };
        match &self.part {
            Some(part) => format!("{value} ({part})"),
            None => value,
        }
    }

    /// Whether it holds, as a sign and in a word.
    pub fn sign_and_word(&self) -> (&'static str, &'static str) {
        if self.holds { ("\u{2713}", "holds") } else { ("\u{2717}", "broken") }
    }
}
