//! A scenario simulated and for real, side by side: the gap of every figure, and whether the simulation has
//! predicted what counts. Real runs differ among themselves, so there are several: their median is told, and
//! the interval in which the real figure lies decides. Where that interval is too wide for the bound, nothing
//! is decided.

use actors::Outcome;
use serde::{Deserialize, Serialize};

use crate::format;
use crate::identity::Identity;
use crate::stats::{ALPHA, Estimate, median};
use crate::summary::{LatencyFigures, Summary};
use crate::terminal::{below, laid_out_in, wrapped};
use crate::verdict::Prediction;

/// The number of this layout of `twin.json`.
pub const SCHEMA: u32 = 3;
/// How far a latency may lie from the real one, as a share of it.
pub const LATENCY_BOUND: f64 = 0.15;
/// How far the share of misses may lie from the real one: one percentage point.
pub const MISSES_BOUND: f64 = 0.01;

/// A simulated run of a scenario and real ones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Twin {
    /// The number of this layout: 3.
    pub schema: u32,
    /// The scenario's name.
    pub scenario: String,
    /// The seed of all.
    pub seed: u64,
    /// Real runs.
    pub real_runs: u32,
    /// The worst of all figures that have a bound.
    pub prediction: Prediction,
    /// Every figure.
    pub rows: Vec<Row>,
    /// Which runs these are, and which files belong to them.
    #[serde(default)]
    pub identity: Identity,
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
    /// The ends of the 95 % confidence interval of the real figure, by Student's t, of durations over their
    /// logarithms; null for a single run.
    pub real_interval: Option<(f64, f64)>,
    /// Simulated less real: for shares as it is, else as a share of the real figure; null where that is zero
    /// and the other not.
    pub gap: Option<f64>,
    /// How large the gap may be; null where it is only told.
    pub bound: Option<f64>,
    /// What that interval allows; null where there is no bound.
    pub prediction: Option<Prediction>,
}

impl Row {
    fn new(figure: &str, unit: Unit, simulated: f64, reals: &[f64], bound: Option<f64>) -> Self {
        let real = median(reals).unwrap_or(0.0);
        let [real_lowest, real_highest] =
            [f64::min, f64::max].map(|of_two| reals.iter().copied().reduce(of_two).unwrap_or(0.0));
        let gap = gap(unit, simulated, real);
        let real_interval = interval(unit, reals);
        let prediction = bound.map(|bound| predicts(unit, simulated, real_interval, bound));
        let figure = figure.to_owned();
        Self {
            figure,
            unit,
            simulated,
            real,
            real_lowest,
            real_highest,
            real_interval,
            gap,
            bound,
            prediction,
        }
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

/// Simulated less real: for shares as it is, else as a share of the real figure; nothing where that is zero
/// and the other not.
fn gap(unit: Unit, simulated: f64, real: f64) -> Option<f64> {
    match unit {
        Unit::Share => Some(simulated - real),
        _ if simulated == real => Some(0.0),
        _ if real == 0.0 => None,
        _ => Some(simulated / real - 1.0),
    }
}

/// In which interval the real figure lies. Durations are multiplied by what disturbs them, so theirs is over
/// logarithms.
fn interval(unit: Unit, reals: &[f64]) -> Option<(f64, f64)> {
    let logarithms = unit == Unit::Nanoseconds && reals.iter().all(|real| *real > 0.0);
    if !logarithms {
        return Estimate::of(reals)?.interval(ALPHA);
    }
    let logarithms: Vec<f64> = reals.iter().map(|real| real.ln()).collect();
    Estimate::of(&logarithms)?.interval(ALPHA).map(|(low, high)| (low.exp(), high.exp()))
}

/// Whether the gap is within its bound wherever the real figure lies in its interval.
fn predicts(unit: Unit, simulated: f64, interval: Option<(f64, f64)>, bound: f64) -> Prediction {
    let Some((low, high)) = interval else { return Prediction::NotDecided };
    // The real figures that the bound allows; a rounding must not decide.
    let within = |real: f64| gap(unit, simulated, real).is_some_and(|gap| gap.abs() <= bound * (1.0 + 1e-12));
    let (least, most) = match unit {
        Unit::Share => (simulated - bound, simulated + bound),
        _ => (simulated / (1.0 + bound), simulated / (1.0 - bound)),
    };
    match (within(low) && within(high), high < least || low > most) {
        (true, _) => Prediction::Within,
        (false, true) => Prediction::Beyond,
        (false, false) => Prediction::NotDecided,
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
        rows.extend(latencies("served latency", &simulated.latency_ns.served, &served, Some(LATENCY_BOUND)));
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
            row("ready mean", Unit::Count, None, &|summary| summary.pool.ready_mean),
            row("ready least", Unit::Count, None, &|summary| summary.pool.ready_least as f64),
            row("booting mean", Unit::Count, None, &|summary| summary.pool.booting_mean),
            row("waiting most", Unit::Count, None, &|summary| summary.pool.waiting_most as f64),
        ]);
        if !simulated.pool.per_tenant {
            let share = |summary: &Summary| summary.pool.empty_share.unwrap_or(0.0);
            rows.push(row("empty", Unit::Share, None, &share));
        }
        Self {
            identity: Identity::default(),
            schema: SCHEMA,
            scenario: simulated.name.clone(),
            seed: simulated.seed,
            real_runs: reals.len() as u32,
            prediction: rows.iter().filter_map(|row| row.prediction).max().unwrap_or(Prediction::Within),
            rows,
        }
    }

    /// The verdict in a word, and what it says.
    pub fn verdict(&self) -> (&'static str, String) {
        let those = |asked: Prediction| {
            let rows = self.rows.iter().filter(|row| row.prediction == Some(asked));
            rows.map(|row| format!("{} ({})", row.figure, row.gap_shown())).collect::<Vec<_>>().join(", ")
        };
        let says = match self.prediction {
            Prediction::Within => {
                format!("the simulation has predicted {} within every bound", self.predicted())
            }
            Prediction::Beyond => {
                format!("the simulation lies beyond the bounds in {}", those(Prediction::Beyond))
            }
            Prediction::NotDecided if self.real_runs == 1 => {
                "one real run does not tell how far real runs differ: make more of them".to_owned()
            }
            Prediction::NotDecided => format!(
                "the real runs spread too wide to tell in {}: make more of them, or on a quieter machine",
                those(Prediction::NotDecided)
            ),
        };
        (self.prediction.word(), says)
    }

    /// What is predicted.
    fn predicted(&self) -> String {
        match self.real_runs {
            1 => "the real run".to_owned(),
            runs => format!("{runs} real runs"),
        }
    }

    /// The text for a terminal of so many columns: the verdict first, then the table.
    pub fn render(&self, columns: usize) -> String {
        let columns = laid_out_in(columns);
        let (word, says) = self.verdict();
        let says = wrapped(&format!("{word}  {}: {says}", self.scenario), columns);
        let mut text = says.join("\n") + "\n\n";
        if columns < TABLE {
            return text + &self.told(columns);
        }
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
            let note = row.prediction.map_or("", |prediction| prediction.sign_and_text().1);
            text += &(if note.is_empty() { String::new() } else { format!("  {note}") } + "\n");
        }
        text
    }

    /// The rows in words.
    fn told(&self, columns: usize) -> String {
        let mut text = String::new();
        for row in &self.rows {
            let [simulated, real] = row.values();
            let mut says = format!("{simulated} simulated, {real} real");
            for (name, value) in
                [("all runs", row.spread_shown()), ("gap", row.gap_shown()), ("bound", row.bound_shown())]
            {
                if !value.is_empty() {
                    says += &format!(", {name} {value}");
                }
            }
            if let Some(prediction) = row.prediction {
                says += &format!(": {}", prediction.sign_and_text().1);
            }
            text += &below(&row.figure, &says, columns);
        }
        text
    }
}

/// From so many columns on the table has room.
const TABLE: usize = 100;

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
        let row = |unit, simulated, real| Row::new("x", unit, simulated, &[real, real], Some(0.15));
        for (row, shown) in [
            (row(Unit::Share, 0.031, 0.022), "+0.90 pp"),
            (row(Unit::Share, 0.010, 0.022), "-1.20 pp"),
            (row(Unit::Nanoseconds, 230.0, 200.0), "+15.0 %"),
            (row(Unit::Nanoseconds, 160.0, 200.0), "-20.0 %"),
            (row(Unit::Nanoseconds, 0.0, 0.0), "+0.0 %"),
            (row(Unit::Nanoseconds, 7.0, 0.0), "-"),
        ] {
            assert_eq!((row.gap_shown().as_str(), row.spread_shown().as_str()), (shown, ""));
        }
    }

    #[test]
    fn of_several_real_runs_the_median_is_told() {
        let row = |reals: &[f64]| Row::new("x", Unit::Count, 10.0, reals, None);
        let three = row(&[12.0, 40.0, 11.0]);
        assert_eq!((three.real, three.spread_shown().as_str()), (12.0, "11 to 40"));
        assert_eq!((row(&[12.0, 40.0, 8.0, 10.0]).real, three.prediction), (11.0, None));
    }

    /// Of 98, 100 and 102 the interval is 95.0 to 105.0, and t(0.975, 2) = 4.303.
    #[test]
    fn the_interval_of_the_real_figure_decides() {
        let predicts = |unit, simulated, reals: &[f64], bound| {
            Row::new("x", unit, simulated, reals, Some(bound)).prediction.unwrap()
        };
        let times = |simulated, reals: &[f64]| predicts(Unit::Nanoseconds, simulated, reals, 0.15);
        let close = [98.0, 100.0, 102.0];
        assert_eq!(times(100.0, &close), Prediction::Within);
        assert_eq!(times(112.0, &close), Prediction::NotDecided, "the median alone is within 15 %");
        assert_eq!(times(130.0, &close), Prediction::Beyond);
        assert_eq!(times(70.0, &close), Prediction::Beyond);
        assert_eq!(times(100.0, &[70.0, 100.0, 140.0]), Prediction::NotDecided, "real runs spread too wide");
        assert_eq!(times(100.0, &[100.0]), Prediction::NotDecided, "one run tells nothing of others");
        assert_eq!(times(0.0, &[0.0, 0.0]), Prediction::Within);
        assert_eq!(times(7.0, &[0.0, 0.0]), Prediction::Beyond);
        let shares = |simulated| predicts(Unit::Share, simulated, &[0.020, 0.021, 0.022], 0.01);
        assert_eq!(
            (shares(0.025), shares(0.031), shares(0.04)),
            (Prediction::Within, Prediction::NotDecided, Prediction::Beyond)
        );
    }
}
