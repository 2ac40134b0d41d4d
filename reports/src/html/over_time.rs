//! The two plots over time: what became of demand, and how full the pools were.

use actors::Outcome;

use super::plot::{Plot, Scale};
use super::text::{escape, legend, section};
use crate::format;
use crate::report::Report;
use crate::summary::Summary;
use crate::timeline::Row;
use crate::wording;

fn end_s(report: &Report) -> f64 {
    report.timeline.rows.last().map_or(1.0, |row| row.to_s).max(1e-3)
}

/// The largest value, and a little more, so that nothing touches the frame.
pub(super) fn headroom(values: impl Iterator<Item = f64>) -> f64 {
    let most = values.fold(0.0, f64::max);
    if most <= 0.0 { 1.0 } else { most * 1.08 }
}

fn frame(plot: &mut Plot, report: &Report, most: f64) {
    let (summary, end) = (&report.summary, end_s(report));
    if summary.warmup_s > 0.0 {
        plot.band("warmup", 0.0, summary.warmup_s.min(end), 1.0);
    }
    plot.time_axis(0.0, end);
    plot.count_axis(most);
}

fn when(row: &Row) -> String {
    format!("{} to {}", format::seconds(row.from_s), format::seconds(row.to_s))
}

/// Requests per second by outcome, stacked, at the time of their arrival.
pub(super) fn demand(report: &Report) -> String {
    let rows = &report.timeline.rows;
    let rate = |count: u64| report.timeline.per_second(count);
    let most = headroom(rows.iter().map(|row| rate(row.arrivals)));
    let mut plot = Plot::new(Scale::Linear(0.0, end_s(report)), Scale::Linear(0.0, most), 260);
    frame(&mut plot, report, most);
    let mut floor = vec![0_u64; rows.len()];
    let mut present = Vec::new();
    for (index, outcome) in Outcome::ALL.into_iter().enumerate() {
        let mut steps = Vec::with_capacity(rows.len());
        for (row, floor) in rows.iter().zip(&mut floor) {
            let top = *floor + row.outcomes()[index];
            steps.push((row.from_s, row.to_s, rate(*floor), rate(top)));
            *floor = top;
        }
        if steps.iter().any(|(_, _, low, high)| high > low) {
            plot.area(outcome.name(), &steps);
            present.push(outcome);
        }
    }
    for row in rows.iter().filter(|row| row.rejected + row.failed > 0) {
        let (from, width) =
            (plot.x.place(row.from_s) * 1e3, plot.x.place(row.to_s) * 1e3 - plot.x.place(row.from_s) * 1e3);
        plot.raw(&format!(
            "<rect class=\"unserved\" x=\"{from:.1}\" y=\"0\" width=\"{:.1}\" height=\"22\"/>",
            width.max(2.0)
        ));
    }
    plot.marks(&report.summary.marks, end_s(report));
    let mut names = vec![("", "arrivals")];
    names.extend(present.iter().map(|outcome| (outcome.name(), outcome.name())));
    let hover: Vec<(f64, String, Vec<String>)> = rows
        .iter()
        .map(|row| {
            let mut values = vec![format::count(row.arrivals)];
            values.extend(present.iter().map(|outcome| format::count(row.outcomes()[*outcome as usize])));
            (row.to_s, when(row), values)
        })
        .collect();
    plot.hover(&names, &hover);
    let mut entries: Vec<(&str, String)> =
        present.iter().map(|outcome| (outcome.name(), outcome.name().to_owned())).collect();
    if report.summary.outcomes.unserved() > 0 {
        entries.push(("unserved", "bar on top: some were not served".to_owned()));
    }
    let content = legend(&entries) + &plot.finish("requests per second over time, by outcome");
    section("Demand and what became of it", &demand_says(&report.summary), &content)
}

fn demand_says(summary: &Summary) -> String {
    let served = match wording::unserved(summary) {
        None if summary.requests == 0 => String::new(),
        None => ". Every request was served.".to_owned(),
        Some(says) => format!(". <strong>{}.</strong>", escape(&says)),
    };
    format!(
        "Requests per second, by the time of their arrival: {}{served}",
        escape(&wording::demand(summary))
    )
}

/// Ready Sprites against what the pools aimed for, with every emptiness shaded.
pub(super) fn pool(report: &Report) -> String {
    let rows = &report.timeline.rows;
    let summary = &report.summary;
    let most = headroom(rows.iter().map(|row| row.ready_mean.max(row.target).max(row.booting)));
    let mut plot = Plot::new(Scale::Linear(0.0, end_s(report)), Scale::Linear(0.0, most), 260);
    for period in summary.empty_periods.iter().flatten() {
        let whole = (period.to_s - period.from_s) * summary.workers.len() as f64;
        plot.band("void", period.from_s, period.to_s, 0.1 + 0.4 * period.empty_seconds / whole);
    }
    frame(&mut plot, report, most);
    let area: Vec<_> = rows.iter().map(|row| (row.from_s, row.to_s, 0.0, row.ready_mean)).collect();
    plot.area("ready", &area);
    let steps = |value: fn(&Row) -> f64| -> Vec<(f64, f64, f64)> {
        rows.iter().map(|row| (row.from_s, row.to_s, value(row))).collect()
    };
    plot.steps("ready-least", &steps(|row| row.ready_least as f64));
    plot.steps("booting", &steps(|row| row.booting));
    plot.steps("target", &steps(|row| row.target));
    plot.marks(&summary.marks, end_s(report));
    let names = [
        ("ready", "ready, mean"),
        ("ready-least", "ready, least"),
        ("target", "target"),
        ("booting", "booting"),
        ("", "in use"),
        ("", "waiting, most"),
        ("", "latency p99"),
        ("", "latency max"),
    ];
    let hover: Vec<(f64, String, Vec<String>)> = rows
        .iter()
        .map(|row| {
            let values = vec![
                format::number(row.ready_mean),
                format::count(row.ready_least),
                format::number(row.target),
                format::number(row.booting),
                format::number(row.in_use),
                format::count(row.waiting_most),
                format::nanos(row.latency_p99_ns as f64),
                format::nanos(row.latency_max_ns as f64),
            ];
            (row.to_s, when(row), values)
        })
        .collect();
    plot.hover(&names, &hover);
    let mut entries = vec![
        ("ready", "ready, mean".to_owned()),
        ("ready-least", "ready, least".to_owned()),
        ("target", "target".to_owned()),
        ("booting", "booting".to_owned()),
    ];
    if !summary.pool.per_tenant {
        entries.push(("void", "a pool is empty".to_owned()));
    }
    let content = legend(&entries) + &plot.finish("ready Sprites over time, against their target");
    section("How full the pools were", &pool_says(summary), &content)
}

/// How many Sprites were ready, and when pools were empty.
fn pool_says(summary: &Summary) -> String {
    format!("Ready: {}. Empty: {}.", escape(&wording::ready(summary)), escape(&wording::empty(summary)))
}
