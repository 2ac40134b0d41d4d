//! The latency percentile curve: x by the number of nines, y by decades.

use actors::Outcome;
use hdrhistogram::Histogram;

use super::data::{self, Column, Data, Draw, Row};
use super::plot::Plot;
use super::text::section;
use crate::figure::{Figure, Population, Statistic};
use crate::format;
use crate::report::Report;
use crate::unit::Unit;
use crate::verdict::GateResult;

/// A line is drawn for an outcome with at least so many requests.
const ENOUGH: u64 = 10;

/// A curve: its colour class, its name and its histogram.
pub(super) struct Curve {
    pub(super) class: &'static str,
    pub(super) name: String,
    pub(super) histogram: Histogram<u64>,
    /// So many more were not served: they are later than any bound.
    pub(super) unserved: u64,
}

/// The section of a single run.
pub(super) fn latency(report: &Report) -> String {
    let mut curves: Vec<Curve> = report
        .latencies
        .outcomes()
        .filter(|(outcome, part)| outcome.is_served() && part.len() >= ENOUGH)
        .map(|(outcome, part)| Curve {
            class: outcome.name(),
            name: outcome.name().to_owned(),
            histogram: part.clone(),
            unserved: 0,
        })
        .collect();
    let served = report.latencies.served();
    if !served.is_empty() {
        let unserved = report.summary.outcomes.unserved();
        let name = if unserved > 0 { "all requests" } else { "all served" };
        curves.push(Curve { class: "served", name: name.to_owned(), histogram: served, unserved });
    }
    let content = match plot(&curves, &report.summary.gates) {
        Some(plot) => plot,
        None => "<p>No request was served.</p>".to_owned(),
    };
    section("What the worst requests got", &says(report), &(content + &table(report)))
}

fn says(report: &Report) -> String {
    let figures = &report.summary.latency_ns.served;
    if figures.count == 0 {
        return String::new();
    }
    format!(
        "Half of the served requests took at most {}; 1 in 100 took longer than {}, 1 in 1,000 longer than {}. \
         <strong>The worst took {}.</strong>",
        format::nanos(figures.p50 as f64),
        format::nanos(figures.p99 as f64),
        format::nanos(figures.p999 as f64),
        format::nanos(figures.max as f64)
    )
}

/// The plot of some curves, with gates on latency percentiles as lines; nothing where there is no curve.
pub(super) fn plot(curves: &[Curve], gates: &[GateResult]) -> Option<String> {
    let count = curves.iter().map(|curve| curve.histogram.len() + curve.unserved).max()?;
    let limits: Vec<&GateResult> =
        gates.iter().filter(|gate| gate.unit == Unit::Nanoseconds && gate.limit > 0.0).collect();
    let least = curves.iter().map(|curve| curve.histogram.min()).min()?.max(1) as f64;
    let most = curves.iter().map(|curve| curve.histogram.max()).max()?.max(2) as f64;
    let most = limits.iter().map(|gate| gate.limit * 1.2).fold(most, f64::max);
    let (low, high) = (decade(least * 0.95, f64::floor), decade(most * 1.05, f64::ceil));
    let nines = (count as f64).log10().ceil().clamp(2.0, 9.0);
    let columns = curves
        .iter()
        .map(|curve| {
            let key = format!("{}_ns", curve.name.replace(' ', "_"));
            Column::new(curve.class, &curve.name, data::Unit::Nanos, Draw::Line).keyed(&key)
        })
        .collect();
    let mut data = Data::new(columns);
    data.rows = (0..(nines * STEPS) as u32)
        .map(|step| {
            let (from, to) = (f64::from(step) / STEPS, f64::from(step + 1) / STEPS);
            Row { from, to, values: curves.iter().map(|curve| value(curve, from, to)).collect() }
        })
        .collect();
    let mut plot = Plot::by_nines("latency", nines, (low, high), data);
    let limits: Vec<(f64, String, bool)> =
        limits.iter().map(|gate| (gate.limit, gate.gate.clone(), gate.holds)).collect();
    plot.limits(&limits);
    Some(plot.finish("latency by percentile"))
}

/// Steps of the curve for each nine.
const STEPS: f64 = 20.0;

/// The latency at the end of a step; nothing beyond what the curve's own count can tell, nor where it is of
/// those who were not served. Its last step is its worst request.
fn value(curve: &Curve, from: f64, to: f64) -> Option<f64> {
    let served = curve.histogram.len();
    let all = served + curve.unserved;
    let own = (all as f64).log10().max(1.0);
    if from >= own - 1e-9 {
        return None;
    }
    let below = if to >= own - 1e-9 { all } else { ((1.0 - 10_f64.powf(-to)) * all as f64).ceil() as u64 };
    match below {
        below if below > served => None,
        below if below == served => Some(curve.histogram.max() as f64),
        below => Some(curve.histogram.value_at_quantile(below as f64 / served as f64) as f64),
    }
}

/// The power of ten at or beyond a value.
fn decade(value: f64, rounded: fn(f64) -> f64) -> f64 {
    10_f64.powf(rounded(value.max(1.0).log10()))
}

fn table(report: &Report) -> String {
    let mut rows = Vec::new();
    let mut row = |class: &str, name: &str, figures: &crate::summary::LatencyFigures| {
        let mut cells = vec![format!("<i class=\"{class}\"></i>{name}"), format::count(figures.count)];
        let values = [figures.p50, figures.p90, figures.p99, figures.p999, figures.max];
        cells.push(format::nanos(figures.mean));
        cells.extend(values.iter().map(|value| format::nanos(*value as f64)));
        rows.push(cells);
    };
    let latency = &report.summary.latency_ns;
    if latency.served.count > 0 {
        row("served", "all served", &latency.served);
    }
    for outcome in Outcome::ALL {
        if let Some(figures) = latency.by_outcome.get(outcome) {
            row(outcome.name(), outcome.name(), figures);
        }
    }
    if rows.is_empty() {
        return String::new();
    }
    super::text::table(&["outcome", "requests", "mean", "p50", "p90", "p99", "p99.9", "max"], &rows)
}

/// The latency figure that the key cards show: the one that a gate judges, else p99.
pub(super) fn headline(gates: &[GateResult]) -> Figure {
    gates
        .iter()
        .map(|gate| gate.figure)
        .find(|figure| matches!(figure, Figure::Latency(..)))
        .unwrap_or(Figure::Latency(Population::All, Statistic::P99))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(latencies: &[u64], unserved: u64) -> Curve {
        let mut histogram = Histogram::new(3).unwrap();
        latencies.iter().for_each(|latency| histogram.record(*latency).unwrap());
        Curve { class: "served", name: "all".to_owned(), histogram, unserved }
    }

    #[test]
    fn a_curve_ends_where_nobody_was_served() {
        let latencies: Vec<u64> = (1..=80).collect();
        let (with, without) = (curve(&latencies, 20), curve(&latencies, 0));
        // Half of a hundred, and half of eighty.
        let half = 2.0_f64.log10();
        assert_eq!((value(&with, 0.0, half), value(&without, 0.0, half)), (Some(50.0), Some(40.0)));
        assert_eq!((value(&with, 0.9, 1.0), value(&without, 0.9, 1.0)), (None, Some(72.0)));
    }

    #[test]
    fn the_last_step_is_the_worst_request() {
        let one = curve(&[7], 0);
        assert_eq!(
            (value(&one, 0.0, 0.05), value(&one, 0.95, 1.0), value(&one, 1.0, 1.05)),
            (Some(7.0), Some(7.0), None)
        );
        let thousand = curve(&(1..=1_000).collect::<Vec<_>>(), 0);
        assert_eq!(value(&thousand, 2.95, 3.0), Some(1_000.0));
    }
}
