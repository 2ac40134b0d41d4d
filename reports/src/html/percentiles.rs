//! The latency percentile curve: x by the number of nines, y by decades.

use actors::Outcome;
use hdrhistogram::Histogram;

use super::plot::{Plot, Scale};
use super::text::{legend, section};
use crate::figure::{Figure, Population, Statistic};
use crate::format;
use crate::report::Report;
use crate::unit::Unit;
use crate::verdict::GateResult;

/// A line is drawn for an outcome with at least so many requests.
const ENOUGH: u64 = 10;

/// A curve: its colour class, its name and its histogram.
pub(super) struct Curve<'a> {
    pub(super) class: &'a str,
    pub(super) name: String,
    pub(super) histogram: Histogram<u64>,
}

/// The section of a single run.
pub(super) fn latency(report: &Report) -> String {
    let mut curves: Vec<Curve<'_>> = report
        .latencies
        .outcomes()
        .filter(|(outcome, part)| outcome.is_served() && part.len() >= ENOUGH)
        .map(|(outcome, part)| Curve {
            class: outcome.name(),
            name: outcome.name().to_owned(),
            histogram: part.clone(),
        })
        .collect();
    let served = report.latencies.served();
    if !served.is_empty() {
        curves.push(Curve { class: "served", name: "all served".to_owned(), histogram: served });
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
pub(super) fn plot(curves: &[Curve<'_>], gates: &[GateResult]) -> Option<String> {
    let count = curves.iter().map(|curve| curve.histogram.len()).max()?;
    let limits: Vec<&GateResult> =
        gates.iter().filter(|gate| gate.unit == Unit::Nanoseconds && gate.limit > 0.0).collect();
    let least = curves.iter().map(|curve| curve.histogram.min()).min()?.max(1) as f64;
    let most = curves.iter().map(|curve| curve.histogram.max()).max()?.max(2) as f64;
    let most = limits.iter().map(|gate| gate.limit * 1.2).fold(most, f64::max);
    let (low, high) = (decade(least * 0.95, f64::floor), decade(most * 1.05, f64::ceil));
    let nines = (count as f64).log10().ceil().clamp(2.0, 9.0);
    let mut plot = Plot::new(Scale::Linear(0.0, nines), Scale::Decades(low, high), 320);
    axes(&mut plot, nines, low, high);
    for curve in curves {
        plot.line(curve.class, &points(&curve.histogram, nines));
    }
    for gate in limits {
        plot.limit(gate.limit, &gate.gate, gate.holds);
    }
    let names: Vec<(&str, &str)> = curves.iter().map(|curve| (curve.class, curve.name.as_str())).collect();
    let hover: Vec<(f64, String, Vec<String>)> = (1..=(nines * 20.0) as u32)
        .map(|step| {
            let at = f64::from(step) / 20.0;
            let quantile = 1.0 - 10_f64.powf(-at);
            let value = |curve: &Curve<'_>| format::nanos(curve.histogram.value_at_quantile(quantile) as f64);
            let digits = (at.floor() as usize).max(1);
            (at, format!("{:.digits$} %", quantile * 100.0), curves.iter().map(value).collect())
        })
        .collect();
    plot.hover(&names, &hover);
    let entries: Vec<(&str, String)> = curves.iter().map(|curve| (curve.class, curve.name.clone())).collect();
    Some(legend(&entries) + &plot.finish("latency by percentile"))
}

fn axes(plot: &mut Plot, nines: f64, low: f64, high: f64) {
    for nine in 0..=nines as usize {
        let label = match nine {
            0 => "0 %".to_owned(),
            1 => "90 %".to_owned(),
            2 => "99 %".to_owned(),
            more => format!("99.{} %", "9".repeat(more - 2)),
        };
        plot.x_tick(nine as f64, &label, if nines > 4.0 { nine } else { 0 });
    }
    let mut at = low;
    while at <= high * 1.001 {
        plot.y_tick(at, &format::nanos(at));
        at *= 10.0;
    }
}

/// The power of ten at or beyond a value.
fn decade(value: f64, rounded: fn(f64) -> f64) -> f64 {
    10_f64.powf(rounded(value.max(1.0).log10()))
}

/// The curve's points: x is the number of nines, up to that of the curve's own count.
fn points(histogram: &Histogram<u64>, nines: f64) -> Vec<(f64, f64)> {
    let own = (histogram.len() as f64).log10().min(nines);
    let mut points = Vec::new();
    let mut last = 0.0;
    for step in histogram.iter_quantiles(5) {
        let nine = (-(1.0 - step.quantile_iterated_to()).log10()).min(own);
        let value = step.value_iterated_to() as f64;
        points.push((last, value));
        points.push((nine, value));
        last = nine;
    }
    points
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
