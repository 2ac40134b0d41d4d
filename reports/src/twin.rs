//! A scenario simulated and for real, side by side: the gap of every figure, and whether the simulation has predicted what
//! counts. Real runs differ among themselves, so there may be several: what is predicted is their median, and their spread
//! tells how much of a gap is noise.

use actors::Outcome;
use serde::{Deserialize, Serialize};

use crate::format;
use crate::stats::median;
use crate::summary::{LatencyFigures, Summary};

/// The number of this layout of `twin.json`.
pub const SCHEMA: u32 = 2;
/// How far a latency may lie from the real one, as a share of it.
pub const LATENCY_BOUND: f64 = 0.15;
/// How far the share of misses may lie from the real one: one percentage point.
pub const MISSES_BOUND: f64 = 0.01;

/// A simulated run of a scenario and real ones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Twin {
    /// The number of this layout: 2.
    pub schema: u32,
    /// The scenario's name.
    pub scenario: String,
    /// The seed of all.
    pub seed: u64,
    /// Real runs.
    pub real_runs: u32,
    /// Whether every gap that has a bound is within it.
    pub within: bool,
    /// Every figure.
    pub rows: Vec<Row>,
}

/// What a figure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Requests, Sprites.
    Count,
    /// A share from 0 to 1; gaps are differences.
    Share,
    /// Nanoseconds; gaps are shares of the real figure.
    Nanoseconds,
}

/// One figure of all runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Which.
    pub figure: String,
    /// What it counts.
    pub unit: Unit,
    /// The simulated one.
    pub simulated: f64,
    /// The median of the real ones; of an even number, the mean of the two in the middle.
    pub real: f64,
    /// The lowest of the real ones.
    pub real_lowest: f64,
    /// The highest of the real ones.
    pub real_highest: f64,
    /// Simulated less real: for shares as it is, else as a share of the real figure; null where that is zero and the other not.
    pub gap: Option<f64>,
    /// How large the gap may be; null where it is only told.
    pub bound: Option<f64>,
    /// Whether it is within its bound; true where there is none.
    pub within: bool,
}

impl Row {
    fn new(figure: &str, unit: Unit, simulated: f64, reals: &[f64], bound: Option<f64>) -> Self {
        let real = median(reals).unwrap_or(0.0);
        let [real_lowest, real_highest] =
            [f64::min, f64::max].map(|of_two| reals.iter().copied().reduce(of_two).unwrap_or(0.0));
        let gap = match unit {
            Unit::Share => Some(simulated - real),
            _ if simulated == real => Some(0.0),
            _ if real == 0.0 => None,
            _ => Some(simulated / real - 1.0),
        };
        let within = bound.is_none_or(|bound| gap.is_some_and(|gap| gap.abs() <= bound));
        let figure = figure.to_owned();
        Self { figure, unit, simulated, real, real_lowest, real_highest, gap, bound, within }
    }

    fn shown(&self, value: f64) -> String {
        match self.unit {
            Unit::Count => format::number(value),
            Unit::Share => format::share(value),
            Unit::Nanoseconds => format::nanos(value),
        }
    }

    /// The simulated and the real figure as people read them.
    pub fn values(&self) -> [String; 2] {
        [self.simulated, self.real].map(|value| self.shown(value))
    }

    /// The lowest and the highest real figure as people read them; nothing where they are the same.
    pub fn spread_shown(&self) -> String {
        if self.real_lowest == self.real_highest {
            return String::new();
        }
        format!("{} to {}", self.shown(self.real_lowest), self.shown(self.real_highest))
    }

    /// The gap as people read it.
    pub fn gap_shown(&self) -> String {
        match (self.unit, self.gap) {
            (_, None) => "-".to_owned(),
            (Unit::Share, Some(gap)) => format!("{:+.2} pp", gap * 100.0),
            (_, Some(gap)) => format!("{:+.1} %", gap * 100.0),
        }
    }

    /// What is said of its bound.
    pub fn bound_shown(&self) -> String {
        match (self.bound, self.unit) {
            (None, _) => String::new(),
            (Some(bound), Unit::Share) => format!("{} pp", format::significant(bound * 100.0)),
            (Some(bound), _) => format!("{} %", format::significant(bound * 100.0)),
        }
    }
}

impl Twin {
    /// Lays the figures of a simulated run and of real ones side by side.
    pub fn new(simulated: &Summary, reals: &[&Summary]) -> Self {
        let row = |figure: &str, unit, bound, value: &dyn Fn(&Summary) -> f64| {
            let reals: Vec<f64> = reals.iter().map(|real| value(real)).collect();
            Row::new(figure, unit, value(simulated), &reals, bound)
        };
        let mut rows = vec![
            row("requests", Unit::Count, None, &|summary| summary.requests as f64),
            row("misses", Unit::Share, Some(MISSES_BOUND), &|summary| summary.miss_ratio),
        ];
        let served: Vec<&LatencyFigures> = reals.iter().map(|real| &real.latency_ns.served).collect();
        rows.extend(latencies("latency", &simulated.latency_ns.served, &served, Some(LATENCY_BOUND)));
        for outcome in Outcome::ALL {
            let count = |summary: &Summary| *summary.outcomes.get(outcome) as f64;
            if count(simulated) == 0.0 && reals.iter().all(|real| count(real) == 0.0) {
                continue;
            }
            rows.push(row(outcome.name(), Unit::Count, None, &count));
            let others: Vec<&LatencyFigures> =
                reals.iter().filter_map(|real| real.latency_ns.by_outcome.get(outcome).as_ref()).collect();
            if let (Some(one), false) = (simulated.latency_ns.by_outcome.get(outcome), others.is_empty()) {
                rows.extend(latencies(&format!("{} latency", outcome.name()), one, &others, None));
            }
        }
        rows.extend([
            row("ready, mean", Unit::Count, None, &|summary| summary.pool.ready_mean),
            row("ready, least", Unit::Count, None, &|summary| summary.pool.ready_least as f64),
            row("booting, mean", Unit::Count, None, &|summary| summary.pool.booting_mean),
            row("waiting, most", Unit::Count, None, &|summary| summary.pool.waiting_most as f64),
        ]);
        if !simulated.pool.per_tenant {
            let share = |summary: &Summary| summary.pool.empty_share.unwrap_or(0.0);
            rows.push(row("pool empty", Unit::Share, None, &share));
        }
        Self {
            schema: SCHEMA,
            scenario: simulated.name.clone(),
            seed: simulated.seed,
            real_runs: reals.len() as u32,
            within: rows.iter().all(|row| row.within),
            rows,
        }
    }

    /// The verdict in a word, and what it says.
    pub fn verdict(&self) -> (&'static str, String) {
        if self.within {
            return (
                "WITHIN",
                format!("the simulation has predicted {} within every bound", self.predicted()),
            );
        }
        let beyond: Vec<String> = self
            .rows
            .iter()
            .filter(|row| !row.within)
            .map(|row| format!("{} ({})", row.figure, row.gap_shown()))
            .collect();
        ("BEYOND", format!("the simulation lies beyond the bounds in {}", beyond.join(", ")))
    }

    /// What is predicted.
    fn predicted(&self) -> String {
        match self.real_runs {
            1 => "the real run".to_owned(),
            runs => format!("the median of {runs} real runs"),
        }
    }

    /// The text for a terminal: the verdict first, then the table.
    pub fn render(&self) -> String {
        let (word, says) = self.verdict();
        let mut text = format!("{word}  {}: {says}\n\n", self.scenario);
        let spread = if self.real_runs > 1 { "real, all runs" } else { "" };
        let line = |figure: &str, [simulated, real, spread, gap, bound]: [&str; 5]| {
            let line = format!("{figure:<22}{simulated:>11}{real:>11}{spread:>22}{gap:>11}{bound:>7}");
            line.trim_end().to_owned()
        };
        text += &(line("", ["simulated", "real", spread, "gap", "bound"]) + "\n");
        for row in &self.rows {
            let [simulated, real] = row.values();
            let told = [simulated, real, row.spread_shown(), row.gap_shown(), row.bound_shown()];
            text += &line(&row.figure, told.each_ref().map(String::as_str));
            text += if row.within { "\n" } else { "  beyond\n" };
        }
        text
    }
}

/// The percentiles of a latency; of the first and the third the bound is told.
fn latencies(name: &str, one: &LatencyFigures, others: &[&LatencyFigures], bound: Option<f64>) -> [Row; 4] {
    let row = |percentile: &str, bound, value: &dyn Fn(&LatencyFigures) -> u64| {
        let reals: Vec<f64> = others.iter().map(|other| value(other) as f64).collect();
        Row::new(&format!("{name} {percentile}"), Unit::Nanoseconds, value(one) as f64, &reals, bound)
    };
    [
        row("p50", bound, &|latency| latency.p50),
        row("p90", None, &|latency| latency.p90),
        row("p99", bound, &|latency| latency.p99),
        row("p99.9", None, &|latency| latency.p999),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_of_shares_are_points_and_of_times_parts_of_the_real_one() {
        let row = |unit, simulated, real, bound| Row::new("x", unit, simulated, &[real], Some(bound));
        for (row, shown, within) in [
            (row(Unit::Share, 0.031, 0.022, 0.01), "+0.90 pp", true),
            (row(Unit::Share, 0.010, 0.022, 0.01), "-1.20 pp", false),
            (row(Unit::Nanoseconds, 230.0, 200.0, 0.15), "+15.0 %", true),
            (row(Unit::Nanoseconds, 160.0, 200.0, 0.15), "-20.0 %", false),
            (row(Unit::Nanoseconds, 0.0, 0.0, 0.15), "+0.0 %", true),
            (row(Unit::Nanoseconds, 7.0, 0.0, 0.15), "-", false),
        ] {
            assert_eq!((row.gap_shown().as_str(), row.within), (shown, within));
            assert_eq!(row.spread_shown(), "");
        }
    }

    #[test]
    fn of_several_real_runs_the_median_is_predicted() {
        let row = |reals: &[f64]| Row::new("x", Unit::Count, 10.0, reals, Some(0.15));
        let three = row(&[12.0, 40.0, 11.0]);
        assert_eq!((three.real, three.spread_shown().as_str(), three.within), (12.0, "11 to 40", false));
        let four = row(&[12.0, 40.0, 8.0, 10.0]);
        assert_eq!((four.real, four.within), (11.0, true));
    }
}
