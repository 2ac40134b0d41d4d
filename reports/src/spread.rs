//! One scenario over several seeds: how far each figure spreads, and how often each gate holds.

use std::fmt::Write as _;

use anstyle::Style;
use serde::{Deserialize, Serialize};

use crate::figure::{COMPARED, Figure};
use crate::identity::Identity;
use crate::no_value::NoValue;
use crate::seeds::OverSeeds;
use crate::stats::{ALPHA, Estimate, median};
use crate::summary::Summary;
use crate::unit::Unit;

/// Figures of one scenario over several seeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Spread {
    /// The scenario's name.
    pub name: String,
    /// The seeds.
    pub seeds: Vec<u64>,
    /// In how many seeds the gates hold, and whether that is enough.
    pub gates: OverSeeds,
    /// A row for each figure that is not zero everywhere.
    pub figures: Vec<Row>,
    /// What a reader must know besides: figures that are left out.
    pub notes: Vec<String>,
    /// Which runs these are, and which files belong to them.
    #[serde(default)]
    pub identity: Identity,
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
    /// The spread over these runs, of which at least the part `needed` must hold all gates.
    pub fn new(runs: &[Summary], needed: f64) -> Self {
        let common = |figure: &Figure| runs.iter().all(|run| figure.is_common_to(run));
        let rows = COMPARED.into_iter().filter(common).filter_map(|figure| row(figure, runs));
        let mut notes = Vec::new();
        if runs.iter().any(|run| run.pool.per_tenant) {
            notes.push(format!("empty and recovery: {}", NoValue::PerTenant));
        }
        Self {
            name: runs.first().map_or_else(String::new, |run| run.name.clone()),
            seeds: runs.iter().map(|run| run.seed).collect(),
            gates: OverSeeds::new(runs, needed),
            figures: rows.filter(|row| row.max != 0.0 || row.figure == Figure::Misses).collect(),
            notes,
            identity: Identity::default(),
        }
    }

    /// The spread for a terminal, with colours as escape codes.
    pub fn render(&self) -> String {
        let bold = Style::new().bold();
        let gates = &self.gates;
        let word = gates.verdict.word();
        let mut text =
            format!("{bold}{word:11}{}{bold:#}: {}; {}\n\n", self.name, gates.says(), gates.needed_says());
        for gate in &gates.gates {
            let _ = write!(text, "           {:28} {}", gate.gate, gate.says());
            let broken: Vec<String> = gate.broken_by.iter().take(5).map(u64::to_string).collect();
            if !broken.is_empty() {
                let more = if gate.broken_by.len() > 5 { ", ..." } else { "" };
                let _ = write!(text, "; not for {}{more}", broken.join(", "));
            }
            text.push('\n');
        }
        let _ = writeln!(
            text,
            "{}{bold}{:19}{:>10}{:>10}{:>10}{:>10}  95 % of the mean{bold:#}",
            if gates.gates.is_empty() { "" } else { "\n" },
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
            let _ = writeln!(text, "{:19}{}{interval}{without}", row.figure.to_string(), values.concat());
        }
        for note in &self.notes {
            let _ = writeln!(text, "\n           {note}");
        }
        text
    }
}

/// Nothing where no run has a value.
fn row(figure: Figure, runs: &[Summary]) -> Option<Row> {
    let values: Vec<f64> = runs.iter().filter_map(|run| figure.comparable(run).ok()).collect();
    let estimate = Estimate::of(&values)?;
    Some(Row {
        figure,
        unit: figure.comparable_unit(),
        min: values.iter().copied().fold(f64::INFINITY, f64::min),
        median: median(&values)?,
        max: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        mean: estimate.mean,
        interval: estimate.interval(ALPHA),
        without: (runs.len() - values.len()) as u64,
    })
}
