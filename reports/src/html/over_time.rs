//! The two plots over time: what became of demand, and how full the pools were.

use actors::{Cause, Outcome};

use super::axis::Span;
use super::bins;
use super::data::{Column, Data, Draw, Row, Unit};
use super::plot::Plot;
use super::text::{escape, section};
use crate::format;
use crate::report::Report;
use crate::summary::Summary;
use crate::timeline;
use crate::wording;

/// From the opening of the run to its end.
pub(super) fn span(report: &Report) -> Span {
    let end_s = report.timeline.rows.last().map_or(1.0, |row| row.to_s).max(1e-3);
    let begins = report.summary.begins.as_ref().and_then(|begins| begins.parse::<jiff::Timestamp>().ok());
    Span { end_s, begins_s: begins.map(|begins| begins.as_millisecond() as f64 / 1e3) }
}

/// What both plots have: the warm-up's shade, and what happened when.
fn frame(plot: &mut Plot, report: &Report) {
    plot.marks(&report.summary.marks);
    if report.summary.warmup_s > 0.0 {
        plot.band("warmup", 0.0, report.summary.warmup_s.min(span(report).end_s));
        plot.explain("warmup", "warm-up, not counted");
    }
}

/// Requests by outcome, stacked, at the time of their arrival.
pub(super) fn demand(report: &Report) -> String {
    let rate = bins::rate(&report.timeline);
    let present: Vec<Outcome> = Outcome::ALL
        .into_iter()
        .filter(|outcome| rate.rows.iter().any(|row| row.outcomes()[*outcome as usize] > 0))
        .collect();
    let mut columns: Vec<Column> = present
        .iter()
        .map(|outcome| Column::new(outcome.name(), outcome.name(), Unit::Rate, Draw::Stack))
        .collect();
    columns.push(Column::new("", "arrivals", Unit::Rate, Draw::Not));
    columns.push(Column::new("", "requests", Unit::Number, Draw::Not).keyed("arrivals_counted"));
    let mut data = Data::new(columns);
    data.per = (rate.divide_by, rate.per);
    data.rows = rate
        .rows
        .iter()
        .map(|row| {
            let outcomes = present.iter().map(|outcome| row.outcomes()[*outcome as usize]);
            let all = outcomes.chain([row.arrivals, row.arrivals]);
            Row { from: row.from_s, to: row.to_s, values: all.map(|count| Some(count as f64)).collect() }
        })
        .collect();
    let mut plot = Plot::over_time("demand", span(report), 260, data);
    let unserved: Vec<&timeline::Row> =
        report.timeline.rows.iter().filter(|row| row.rejected + row.failed > 0).collect();
    for row in &unserved {
        plot.bar("unserved", row.from_s, row.to_s);
    }
    if !unserved.is_empty() {
        plot.explain("unserved", "bar on top: some were not served");
    }
    frame(&mut plot, report);
    let content = plot.finish("requests over time, by outcome");
    section("Demand and what became of it", &demand_says(&report.summary, &rate), &content)
}

fn demand_says(summary: &Summary, rate: &bins::Rate) -> String {
    let served = match wording::unserved(summary) {
        None if summary.requests == 0 => ".".to_owned(),
        None => ". Every request was served.".to_owned(),
        Some(says) => format!(". <strong>{}.</strong>", escape(&says)),
    };
    let width = format::seconds(rate.width_s);
    let drawn = match rate.per {
        "per second" => format!("Requests per second, over {width} each"),
        _ => format!("Requests in each {width}"),
    };
    format!("{drawn}, by the time of their arrival: {}{served}", escape(&wording::demand(summary)))
}

/// The place of the target among the columns.
const TARGET: usize = 3;

/// Ready Sprites against what the pools aimed for, with every emptiness shaded.
pub(super) fn pool(report: &Report) -> String {
    let summary = &report.summary;
    let number = |class, name, draw| Column::new(class, name, Unit::Number, draw);
    // Where pools aim for nothing, a line at zero says no more.
    let aims = report.timeline.rows.iter().any(|row| row.target > 0.0);
    let mut data = Data::new(vec![
        number("ready", "ready, mean", Draw::Area),
        number("ready-least", "ready, least", Draw::Line),
        number("booting", "booting", Draw::Line),
        number("target", "target", Draw::Line),
        number("", "in use", Draw::Not),
        number("", "waiting, most", Draw::Not),
        Column::new("", "latency p99", Unit::Nanos, Draw::Not).keyed("latency_p99_ns"),
        Column::new("", "latency max", Unit::Nanos, Draw::Not).keyed("latency_max_ns"),
    ]);
    data.rows = report
        .timeline
        .rows
        .iter()
        .map(|row| {
            // Where nobody was served there is no latency.
            let latency = |ns: u64| (row.latency_max_ns > 0).then_some(ns as f64);
            let levels = [row.ready_mean, row.ready_least as f64, row.booting, row.target];
            let besides = [row.in_use, row.waiting_most as f64];
            let levels = levels.into_iter().chain(besides).map(Some);
            let values = levels.chain([latency(row.latency_p99_ns), latency(row.latency_max_ns)]).collect();
            Row { from: row.from_s, to: row.to_s, values }
        })
        .collect();
    if !aims {
        data.columns.remove(TARGET);
        for row in &mut data.rows {
            row.values.remove(TARGET);
        }
    }
    let mut plot = Plot::over_time("pools", span(report), 260, data);
    frame(&mut plot, report);
    for period in summary.empty_periods.iter().flatten() {
        plot.band("void", period.from_s, period.to_s);
        plot.bar("void-bar", period.from_s, period.to_s);
    }
    if summary.empty_periods.as_ref().is_some_and(|periods| !periods.is_empty()) {
        plot.explain("void-bar", "bar on top: a pool is empty");
    }
    let about =
        if aims { "ready Sprites over time, against their target" } else { "ready Sprites over time" };
    let content = plot.finish(about);
    section("How full the pools were", &pool_says(summary), &content)
}

/// How many Sprites were ready, and when pools were empty, as far as that is known.
fn pool_says(summary: &Summary) -> String {
    let pool = &summary.pool;
    let ready = match pool.target_mean > 0.0 {
        true => escape(&wording::ready(summary)),
        false => {
            let (mean, least) = (format::number(pool.ready_mean), format::count(pool.ready_least));
            format!("{mean} on average, {least} at the least")
        }
    };
    match pool.per_tenant {
        true => format!("Ready, over the pools of all tenants: {ready}."),
        false => format!("Ready: {ready}. Empty: {}.", escape(&wording::empty(summary))),
    }
}

/// The colour of a cause.
fn class_of(cause: Cause) -> &'static str {
    match cause {
        Cause::Depth => "a5",
        Cause::RefillHolds => "a1",
        Cause::BootSlots => "a0",
        Cause::SlotsFull => "a4",
        Cause::BootsFail => "a3",
        Cause::WorkerDown => "a7",
        Cause::HostRefuses => "a6",
        Cause::NothingToSpillTo | Cause::QueueFull | Cause::Deadline => "a2",
    }
}

/// Why pools were empty, over time; of pools per tenant, why requests missed.
pub(super) fn causes(report: &Report) -> String {
    let summary = &report.summary;
    let shown: Vec<_> = summary
        .causes
        .iter()
        .filter(|it| it.misses > 0 || it.empty_seconds.is_some_and(|seconds| seconds > 0.0))
        .collect();
    if shown.is_empty() {
        return String::new();
    }
    let per_tenant = summary.pool.per_tenant;
    let mut columns = Vec::new();
    for it in &shown {
        let name = wording::cause(it.cause);
        let (empty, misses) = match per_tenant {
            true => (Draw::Not, Draw::Stack),
            false => (Draw::Stack, Draw::Not),
        };
        let class = |draw| if draw == Draw::Stack { class_of(it.cause) } else { "" };
        if !per_tenant {
            let key = format!("empty_{}", it.cause.name().replace('-', "_"));
            columns.push(Column::new(class(empty), &name, Unit::Number, empty).keyed(&key));
        }
        let key = format!("misses_{}", it.cause.name().replace('-', "_"));
        columns
            .push(Column::new(class(misses), &format!("misses: {name}"), Unit::Number, misses).keyed(&key));
    }
    let mut data = Data::new(columns);
    let (width, end) = (summary.strip_width_s, span(report).end_s);
    let bins = shown.iter().map(|it| it.misses_over_time.len()).max().unwrap_or(0);
    data.rows = (0..bins)
        .map(|bin| (bin as f64 * width, ((bin + 1) as f64 * width).min(end), bin))
        .filter(|(from, to, _)| to > from)
        .map(|(from, to, bin)| {
            let mut values = Vec::new();
            for it in &shown {
                if !per_tenant {
                    values.push(it.empty_over_time.get(bin).map(|seconds| seconds / (to - from)));
                }
                values.push(it.misses_over_time.get(bin).map(|count| *count as f64));
            }
            Row { from, to, values }
        })
        .collect();
    let mut plot = Plot::over_time("causes", span(report), 120, data);
    frame(&mut plot, report);
    let (about, drawn) = match per_tenant {
        true => ("requests that missed over time, by cause", "Requests that missed"),
        false => ("empty pools over time, by cause", "Pools that were empty, on average"),
    };

    let told = shown.iter().map(|it| {
        let misses = format::counted(it.misses, "miss", "misses");
        match it.empty_seconds.filter(|seconds| *seconds > 0.0) {
            Some(empty) => {
                format!("{}: {misses}, empty for {}", wording::cause(it.cause), format::seconds(empty))
            }
            None => format!("{}: {misses}", wording::cause(it.cause)),
        }
    });
    let told = escape(&super::capitalised(&told.collect::<Vec<_>>().join("; ")));
    let says = format!("{drawn} over {} each, by cause. {told}.", format::seconds(width));
    section("Why requests missed", &says, &plot.finish(about))
}

/// Slots held against those that there are.
pub(super) fn slots(report: &Report) -> String {
    let Some(says) = wording::slots(&report.summary) else { return String::new() };
    let slots = report.summary.pool.slots.unwrap_or(0) as f64;
    let mut data = Data::new(vec![
        Column::new("ready", "slots held, mean", Unit::Number, Draw::Area).keyed("slots_held"),
        Column::new("a7", "slots", Unit::Number, Draw::Line),
        Column::new("", "in use", Unit::Number, Draw::Not),
    ]);
    data.rows = report
        .timeline
        .rows
        .iter()
        .map(|row| {
            let values = [row.slots, slots, row.in_use];
            Row { from: row.from_s, to: row.to_s, values: values.into_iter().map(Some).collect() }
        })
        .collect();
    let mut plot = Plot::over_time("slots", span(report), 150, data);
    frame(&mut plot, report);
    let content = plot.finish("slots held over time, against those that there are");
    section("How full the workers were", &format!("Slots: {}.", escape(&says)), &content)
}
