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
use crate::terminal::{INDENT, below, entry, laid_out_in};
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

    /// The spread for a terminal of so many columns, with colours as escape codes.
    pub fn render(&self, columns: usize) -> String {
        let columns = laid_out_in(columns);
        let gates = &self.gates;
        let word = gates.verdict.word();
        let says = format!("{}: {}; {}", self.name, gates.says(), gates.needed_says());
        let mut text = String::new();
        let entry =
            |text: &mut String, left: &str, says: &str| entry(text, left, Style::new(), says, columns);
        entry(&mut text, word, &says);
        text.push('\n');
        for gate in &gates.gates {
            let broken: Vec<String> = gate.broken_by.iter().take(5).map(u64::to_string).collect();
            let more = if gate.broken_by.len() > 5 { ", ..." } else { "" };
            let broken = match broken.is_empty() {
                true => String::new(),
                false => format!("; not for {}{more}", broken.join(", ")),
            };
            let line = format!("{:28} {}{broken}", gate.gate, gate.says());
            match INDENT + line.chars().count() <= columns {
                true => {
                    let _ = writeln!(text, "{:INDENT$}{line}", "");
                }
                false => entry(&mut text, "", &format!("{}: {}{broken}", gate.gate, gate.says())),
            }
        }
        if !gates.gates.is_empty() {
            text.push('\n');
        }
        match columns >= TABLE {
            true => self.table(&mut text, columns),
            false => self.told(&mut text, columns),
        }
        for note in &self.notes {
            text.push('\n');
            entry(&mut text, "", note);
        }
        text
    }

    /// A line for each figure; its interval stands below it where it has no room.
    fn table(&self, text: &mut String, columns: usize) {
        let bold = Style::new().bold();
        let [min, median, mean, max] = ["min", "median", "mean", "max"].map(|head| format!("{head:>10}"));
        let _ = writeln!(text, "{bold}{:19}{min}{median}{mean}{max}  95 % of the mean{bold:#}", "figure");
        for row in &self.figures {
            let values = row.values().map(|value| format!("{value:>10}")).concat();
            let line = format!("{:19}{values}", row.figure.to_string());
            let besides = row.besides();
            let below = line.chars().count() + 2 + besides.chars().count() > columns;
            let between = if below { "\n      " } else { "  " };
            let _ = writeln!(text, "{line}{between}{besides}");
        }
    }

    /// The same in words.
    fn told(&self, text: &mut String, columns: usize) {
        let bold = Style::new().bold();
        for row in &self.figures {
            let [min, median, mean, max] = row.values();
            let mut says = format!("{min} to {max}, median {median}, mean {mean}");
            match row.besides() {
                besides if besides.is_empty() => {}
                besides => says += &format!("; 95 % of the mean {besides}"),
            }
            *text += &below(format_args!("{bold}{}{bold:#}", row.figure), &says, columns);
        }
    }
}

impl Row {
    /// The least, the median, the mean and the largest value.
    fn values(&self) -> [String; 4] {
        [self.min, self.median, self.mean, self.max].map(|value| self.unit.show(value))
    }

    /// The interval of the mean, and how many runs have no value.
    fn besides(&self) -> String {
        let show = |value: f64| self.unit.show(value);
        let interval = self
            .interval
            .map_or_else(String::new, |(low, high)| format!("{} to {}", show(low.max(0.0)), show(high)));
        match self.without {
            0 => interval,
            without => format!("{interval}  ({without} without)").trim_start().to_owned(),
        }
    }
}

/// From so many columns on the table has room.
const TABLE: usize = 78;

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
