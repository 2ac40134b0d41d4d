//! One scenario over several seeds: how far each figure spreads, and how often each gate holds.

use std::fmt::Write as _;

use anstyle::Style;
use serde::{Deserialize, Serialize};

use crate::figure::{COMPARED, Figure};
use crate::format;
use crate::no_value::NoValue;
use crate::stats::{estimate, median};
use crate::summary::Summary;
use crate::unit::Unit;
use crate::verdict::Verdict;

/// Figures of one scenario over several seeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Spread {
    /// The scenario's name.
    pub name: String,
    /// The seeds.
    pub seeds: Vec<u64>,
    /// `held` only where every gate holds for every seed.
    pub verdict: Verdict,
    /// How often each gate holds.
    pub gates: Vec<GateSpread>,
    /// A row for each figure that is not zero everywhere.
    pub figures: Vec<Row>,
    /// What a reader must know besides: figures that are left out.
    pub notes: Vec<String>,
}

/// One gate over several seeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct GateSpread {
    /// The gate as it was written.
    pub gate: String,
    /// For how many seeds it holds.
    pub holds: u64,
    /// The seeds for which it does not hold.
    pub broken_by: Vec<u64>,
}

/// One figure over several seeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Row {
    /// The figure's name.
    pub figure: Figure,
    /// What it is counted in.
    pub unit: Unit,
    /// The least.
    pub min: f64,
    /// The one in the middle.
    pub median: f64,
    /// The largest.
    pub max: f64,
    /// The mean.
    pub mean: f64,
    /// The ends of the mean's 95 % confidence interval; null for fewer than two values.
    pub interval: Option<(f64, f64)>,
    /// How many seeds have no value, such as runs that did not recover.
    pub without: u64,
}

impl Spread {
    /// The spread over these runs.
    pub fn new(runs: &[Summary]) -> Self {
        let common = |figure: &Figure| runs.iter().all(|run| figure.is_common_to(run));
        let rows = COMPARED.into_iter().filter(common).filter_map(|figure| row(figure, runs));
        let verdicts = || runs.iter().map(|run| run.verdict);
        let verdict = match () {
            () if verdicts().any(|verdict| verdict == Verdict::Failed) => Verdict::Failed,
            () if verdicts().any(|verdict| verdict == Verdict::Held) => Verdict::Held,
            () => Verdict::NoGates,
        };
        let mut notes = Vec::new();
        if runs.iter().any(|run| run.pool.per_tenant) {
            notes.push(format!("empty and recovery: {}", NoValue::PerTenant));
        }
        let gates = runs.first().map_or(&[][..], |run| &run.gates).iter().enumerate();
        Self {
            name: runs.first().map_or_else(String::new, |run| run.name.clone()),
            seeds: runs.iter().map(|run| run.seed).collect(),
            verdict,
            gates: gates.map(|(index, gate)| gate_spread(index, &gate.gate, runs)).collect(),
            figures: rows.filter(|row| row.max != 0.0 || row.figure == Figure::Misses).collect(),
            notes,
        }
    }

    /// The spread for a terminal, with colours as escape codes.
    pub fn render(&self) -> String {
        let bold = Style::new().bold();
        let seeds = format::counted(self.seeds.len() as u64, "seed", "seeds");
        let word = self.verdict.word();
        let mut text = format!("{bold}{word:11}{}{bold:#}: spread over {seeds}\n\n", self.name);
        for gate in &self.gates {
            let _ = write!(text, "           {:28} holds for {} of {seeds}", gate.gate, gate.holds);
            let broken: Vec<String> = gate.broken_by.iter().take(5).map(u64::to_string).collect();
            if !broken.is_empty() {
                let more = if gate.broken_by.len() > 5 { ", ..." } else { "" };
                let _ = write!(text, "; not for {}{more}", broken.join(", "));
            }
            text.push('\n');
        }
        let _ = writeln!(
            text,
            "{}{bold}{:15}{:>10}{:>10}{:>10}{:>10}  95 % of the mean{bold:#}",
            if self.gates.is_empty() { "" } else { "\n" },
            "figure",
            "min",
            "median",
            "mean",
            "max"
        );
        for row in &self.figures {
            let show = |value: f64| row.unit.show(value);
            let interval = row.interval.map_or_else(String::new, |(low, high)| {
                format!("  {} to {}", show(low.max(0.0)), show(high))
            });
            let without =
                if row.without > 0 { format!("  ({} without)", row.without) } else { String::new() };
            let values = [row.min, row.median, row.mean, row.max].map(|value| format!("{:>10}", show(value)));
            let _ = writeln!(text, "{:15}{}{interval}{without}", row.figure.to_string(), values.concat());
        }
        for note in &self.notes {
            let _ = writeln!(text, "\n           {note}");
        }
        text
    }
}

fn gate_spread(index: usize, gate: &str, runs: &[Summary]) -> GateSpread {
    let broken_by: Vec<u64> = runs
        .iter()
        .filter(|run| run.gates.get(index).is_some_and(|gate| !gate.holds))
        .map(|run| run.seed)
        .collect();
    GateSpread { gate: gate.to_owned(), holds: (runs.len() - broken_by.len()) as u64, broken_by }
}

/// Nothing where no run has a value.
fn row(figure: Figure, runs: &[Summary]) -> Option<Row> {
    let values: Vec<f64> = runs.iter().filter_map(|run| figure.comparable(run).ok()).collect();
    let estimate = estimate(&values)?;
    Some(Row {
        figure,
        unit: figure.comparable_unit(),
        min: values.iter().copied().fold(f64::INFINITY, f64::min),
        median: median(&values)?,
        max: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        mean: estimate.mean,
        interval: estimate.interval,
        without: (runs.len() - values.len()) as u64,
    })
}
