//! A scenario simulated and for real, side by side: the gap of every figure, and whether the simulation has predicted what
//! counts.

use actors::Outcome;
use serde::{Deserialize, Serialize};

use crate::format;
use crate::summary::{LatencyFigures, Summary};

/// The number of this layout of `twin.json`.
pub const SCHEMA: u32 = 1;
/// How far a latency may lie from the real one, as a share of it.
pub const LATENCY_BOUND: f64 = 0.15;
/// How far the share of misses may lie from the real one: one percentage point.
pub const MISSES_BOUND: f64 = 0.01;

/// Two runs of one scenario.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Twin {
    /// The number of this layout: 1.
    pub schema: u32,
    /// The scenario's name.
    pub scenario: String,
    /// The seed of both.
    pub seed: u64,
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

/// One figure of both runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Which.
    pub figure: String,
    /// What it counts.
    pub unit: Unit,
    /// The simulated one.
    pub simulated: f64,
    /// The real one.
    pub real: f64,
    /// Simulated less real: for shares as it is, else as a share of the real figure; null where that is zero and the other not.
    pub gap: Option<f64>,
    /// How large the gap may be; null where it is only told.
    pub bound: Option<f64>,
    /// Whether it is within its bound; true where there is none.
    pub within: bool,
}

impl Row {
    fn new(figure: &str, unit: Unit, simulated: f64, real: f64, bound: Option<f64>) -> Self {
        let gap = match unit {
            Unit::Share => Some(simulated - real),
            _ if simulated == real => Some(0.0),
            _ if real == 0.0 => None,
            _ => Some(simulated / real - 1.0),
        };
        let within = bound.is_none_or(|bound| gap.is_some_and(|gap| gap.abs() <= bound));
        Self { figure: figure.to_owned(), unit, simulated, real, gap, bound, within }
    }

    /// The simulated and the real figure as people read them.
    pub fn values(&self) -> [String; 2] {
        [self.simulated, self.real].map(|value| match self.unit {
            Unit::Count => format::number(value),
            Unit::Share => format::share(value),
            Unit::Nanoseconds => format::nanos(value),
        })
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
    /// Lays the figures of two runs side by side.
    pub fn new(simulated: &Summary, real: &Summary) -> Self {
        let mut rows = vec![
            Row::new("requests", Unit::Count, simulated.requests as f64, real.requests as f64, None),
            Row::new("misses", Unit::Share, simulated.miss_ratio, real.miss_ratio, Some(MISSES_BOUND)),
        ];
        let (one, other) = (&simulated.latency_ns, &real.latency_ns);
        rows.extend(latencies("latency", &one.served, &other.served, Some(LATENCY_BOUND)));
        for outcome in Outcome::ALL {
            let counts = [simulated, real].map(|summary| *summary.outcomes.get(outcome) as f64);
            if counts == [0.0, 0.0] {
                continue;
            }
            rows.push(Row::new(outcome.name(), Unit::Count, counts[0], counts[1], None));
            if let (Some(one), Some(other)) = (one.by_outcome.get(outcome), other.by_outcome.get(outcome)) {
                rows.extend(latencies(&format!("{} latency", outcome.name()), one, other, None));
            }
        }
        let (one, other) = (&simulated.pool, &real.pool);
        for (figure, simulated, real) in [
            ("ready, mean", one.ready_mean, other.ready_mean),
            ("ready, least", one.ready_least as f64, other.ready_least as f64),
            ("booting, mean", one.booting_mean, other.booting_mean),
            ("waiting, most", one.waiting_most as f64, other.waiting_most as f64),
        ] {
            rows.push(Row::new(figure, Unit::Count, simulated, real, None));
        }
        rows.push(Row::new("pool empty", Unit::Share, one.empty_share, other.empty_share, None));
        Self {
            schema: SCHEMA,
            scenario: simulated.name.clone(),
            seed: simulated.seed,
            within: rows.iter().all(|row| row.within),
            rows,
        }
    }

    /// The verdict in a word, and what it says.
    pub fn verdict(&self) -> (&'static str, String) {
        if self.within {
            return ("WITHIN", "the simulation has predicted the real run within every bound".to_owned());
        }
        let beyond: Vec<String> = self
            .rows
            .iter()
            .filter(|row| !row.within)
            .map(|row| format!("{} ({})", row.figure, row.gap_shown()))
            .collect();
        ("BEYOND", format!("the simulation lies beyond the bounds in {}", beyond.join(", ")))
    }

    /// The text for a terminal: the verdict first, then the table.
    pub fn render(&self) -> String {
        let (word, says) = self.verdict();
        let mut text = format!("{word}  {}: {says}\n\n", self.scenario);
        text += &format!("{:<24}{:>14}{:>14}{:>12}{:>10}\n", "", "simulated", "real", "gap", "bound");
        for row in &self.rows {
            let [simulated, real] = row.values();
            let (gap, bound) = (row.gap_shown(), row.bound_shown());
            let mark = if row.within { "" } else { "  beyond" };
            text += &format!("{:<24}{simulated:>14}{real:>14}{gap:>12}{bound:>10}{mark}\n", row.figure);
        }
        text
    }
}

/// The percentiles of a latency; of the first and the third the bound is told.
fn latencies(name: &str, one: &LatencyFigures, other: &LatencyFigures, bound: Option<f64>) -> [Row; 4] {
    let row = |percentile: &str, simulated: u64, real: u64, bound| {
        let figure = format!("{name} {percentile}");
        Row::new(&figure, Unit::Nanoseconds, simulated as f64, real as f64, bound)
    };
    [
        row("p50", one.p50, other.p50, bound),
        row("p90", one.p90, other.p90, None),
        row("p99", one.p99, other.p99, bound),
        row("p99.9", one.p999, other.p999, None),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_of_shares_are_points_and_of_times_parts_of_the_real_one() {
        let row = |unit, simulated, real, bound| Row::new("x", unit, simulated, real, Some(bound));
        for (row, shown, within) in [
            (row(Unit::Share, 0.031, 0.022, 0.01), "+0.90 pp", true),
            (row(Unit::Share, 0.010, 0.022, 0.01), "-1.20 pp", false),
            (row(Unit::Nanoseconds, 230.0, 200.0, 0.15), "+15.0 %", true),
            (row(Unit::Nanoseconds, 160.0, 200.0, 0.15), "-20.0 %", false),
            (row(Unit::Nanoseconds, 0.0, 0.0, 0.15), "+0.0 %", true),
            (row(Unit::Nanoseconds, 7.0, 0.0, 0.15), "-", false),
        ] {
            assert_eq!((row.gap_shown().as_str(), row.within), (shown, within));
        }
    }
}
