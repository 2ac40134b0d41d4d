//! The page of a comparison: figures side by side, differences, the Pareto view, and overlays of one run of each variant.

use std::fmt::Write as _;

use super::document;
use super::over_time::headroom;
use super::percentiles::{self, Curve};
use super::plot::{Dot, Plot, Scale};
use super::text::{escape, legend, section};
use crate::compare::{Cell, Comparison, Row, letter};
use crate::figure::Figure;
use crate::format;
use crate::report::Report;
use crate::timeline::{self, Timeline};
use crate::verdict::{Shown, Verdict};

/// The colour class of the n-th variant.
const COLOURS: [&str; 8] = ["a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7"];

pub(super) fn colour(index: usize) -> &'static str {
    COLOURS[index % COLOURS.len()]
}

/// The page of a comparison. `reports` may hold one run of each variant, in the variants' order, to lay over each other.
pub fn comparison_page(comparison: &Comparison, reports: &[&Report]) -> String {
    let mut body = banner(comparison) + &figures(comparison) + &pareto(comparison);
    if reports.len() == comparison.variants.len() && !reports.is_empty() {
        body += &overlays(&names(comparison), reports);
    }
    document(&format!("{} compared", comparison.scenario), &body)
}

fn names(comparison: &Comparison) -> Vec<String> {
    comparison.variants.iter().enumerate().map(|(n, name)| format!("{} {name}", letter(n))).collect()
}

fn variants_legend(names: &[String]) -> String {
    let entries: Vec<(&str, String)> =
        names.iter().enumerate().map(|(n, name)| (colour(n), name.clone())).collect();
    legend(&entries)
}

fn banner(comparison: &Comparison) -> String {
    let (word, says) = comparison.headline();
    let class = match comparison.verdict() {
        Verdict::Held => "held",
        Verdict::Failed => "failed",
        Verdict::NoGates => "none",
    };
    let lines: String = (0..comparison.variants.len())
        .map(|index| {
            let says = escape(&comparison.says(index));
            format!("<li><b><i class=\"key {}\"></i></b><span>{says}</span></li>", colour(index))
        })
        .collect();
    format!(
        "<header class=\"banner {class}\"><div><p class=\"word\">{word}</p><h1>{}</h1><p>{}</p>\
         <p class=\"about\">the same demand and the same boots for all</p></div>\
         <ul class=\"gates\">{lines}</ul></header>\n",
        escape(&comparison.scenario),
        escape(&says),
    )
}

fn figures(comparison: &Comparison) -> String {
    let mut head: String = "<th scope=\"col\">figure</th>".to_owned();
    for (index, name) in names(comparison).iter().enumerate() {
        let _ =
            write!(head, "<th scope=\"col\"><i class=\"key {}\"></i> {}</th>", colour(index), escape(name));
    }
    let (told, folded) = comparison.folded();
    let rows: String = told.into_iter().map(figure_row).collect();
    let table = format!(
        "<div class=\"scroll\"><table class=\"figures\"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    );
    let folded: Vec<String> = folded.iter().map(Figure::to_string).collect();
    let mut says = format!(
        "Means over seeds; below them the difference to the first variant, what it shows, and its interval, drawn around no \
         difference. {}",
        comparison.intervals_say()
    );
    if !folded.is_empty() {
        let _ = write!(says, " No difference shown: {}.", folded.join(", "));
    }
    let notes: String = comparison.notes.iter().map(|note| format!("<li>{}</li>", escape(note))).collect();
    let notes = if notes.is_empty() { notes } else { format!("<ul class=\"notes\">{notes}</ul>") };
    section("Figures side by side", &escape(&says), &(notes + &table))
}

fn figure_row(row: &Row) -> String {
    let reach = row
        .cells
        .iter()
        .filter_map(|cell| cell.difference.as_ref())
        .flat_map(|difference| {
            let (low, high) = difference.interval.unwrap_or((difference.mean, difference.mean));
            [low.abs(), high.abs()]
        })
        .fold(0.0, f64::max);
    let cells: String = row.cells.iter().map(|cell| figure_cell(row, cell, reach)).collect();
    format!("<tr><td>{}</td>{cells}</tr>", escape(&row.figure.to_string()))
}

fn figure_cell(row: &Row, cell: &Cell, reach: f64) -> String {
    let mean = cell.mean.map_or_else(|| "none".to_owned(), |mean| row.unit.show(mean));
    let without = match cell.without {
        0 => String::new(),
        without => format!("<br><small>{} without</small>", format::counted(without, "seed", "seeds")),
    };
    let Some(difference) = &cell.difference else {
        return format!("<td><strong>{mean}</strong>{without}</td>");
    };
    let (low, high) = difference.interval.unwrap_or((difference.mean, difference.mean));
    let class = match difference.shows {
        Shown::Better => "better",
        Shown::Worse => "worse",
        Shown::Differs | Shown::NoDifference => "",
    };
    let place = |value: f64| if reach > 0.0 { 50.0 + value / reach * 46.0 } else { 50.0 };
    let interval = format!("{} to {}", row.unit.show_difference(low), row.unit.show_difference(high));
    format!(
        "<td><strong>{mean}</strong>{without}<div class=\"{class}\"><small>{}, {}</small><br>\
         <span class=\"whisker\" style=\"--l:{:.1}%;--r:{:.1}%;--m:{:.1}%\" title=\"{}\"></span></div></td>",
        row.unit.show_difference(difference.mean),
        difference.shows.text(),
        place(low),
        100.0 - place(high),
        place(difference.mean),
        escape(&interval)
    )
}

fn pareto(comparison: &Comparison) -> String {
    let points = &comparison.pareto;
    let idle = headroom(points.iter().map(|point| point.idle_vm_seconds)) * 1.05;
    let misses = headroom(points.iter().map(|point| point.miss_ratio)) * 1.05;
    let mut plot = Plot::new(Scale::Linear(0.0, idle), Scale::Linear(0.0, misses), 300);
    for (index, at) in super::plot::ticks(idle, 6).into_iter().enumerate() {
        plot.x_tick(at, &format::number(at), index);
    }
    for at in super::plot::ticks(misses, 4) {
        plot.y_tick(at, &format::share(at));
    }
    let mut front: Vec<(f64, f64)> = points
        .iter()
        .filter(|point| point.on_front)
        .map(|point| (point.idle_vm_seconds, point.miss_ratio))
        .collect();
    front.sort_by(|a, b| a.0.total_cmp(&b.0));
    plot.line("frontier", &front);
    let labels: Vec<(String, String)> = points
        .iter()
        .enumerate()
        .map(|(index, point)| {
            let front = if point.on_front { " on" } else { "" };
            (format!("{}{front}", colour(index)), letter(index))
        })
        .collect();
    let dots = points.iter().zip(&labels).map(|(point, (class, letter))| Dot {
        class,
        x: point.idle_vm_seconds,
        y: point.miss_ratio,
        letter,
        name: &point.variant,
    });
    plot.dots(&dots.collect::<Vec<_>>());
    let beaten: Vec<String> = points
        .iter()
        .zip(names(comparison))
        .filter(|(point, _)| !point.on_front)
        .map(|(_, name)| escape(&name))
        .collect();
    let mut says = "Across: idle VM-seconds, what readiness costs. Up: the share of requests that missed. \
                    Lower left is better; on the line nobody is beaten in both. "
        .to_owned();
    if !beaten.is_empty() {
        let _ = write!(says, "<strong>Beaten in both: {}.</strong>", beaten.join(", "));
    }
    let content = variants_legend(&names(comparison))
        + &plot.finish("misses against idle VM-seconds, one dot per variant");
    section("Misses against idle VM-seconds", &says, &content)
}

/// One run of each, laid over each other.
pub(super) fn overlays(names: &[String], reports: &[&Report]) -> String {
    let curves: Vec<Curve<'_>> = reports
        .iter()
        .enumerate()
        .map(|(index, report)| Curve {
            class: colour(index),
            name: names[index].clone(),
            histogram: report.latencies.served(),
        })
        .filter(|curve| !curve.histogram.is_empty())
        .collect();
    let seed = reports[0].summary.seed;
    let latency = percentiles::plot(&curves, &reports[0].summary.gates).unwrap_or_default();
    let ready = over_time(names, reports, |_, row| row.ready_mean, "ready Sprites over time");
    let misses =
        over_time(names, reports, |time, row| time.per_second(row.misses), "misses per second over time");
    section("Latency by percentile", &format!("All served requests of the run with seed {seed}."), &latency)
        + &section("Ready Sprites over time", &format!("The run with seed {seed}."), &ready)
        + &section(
            "Misses per second over time",
            &format!("The run with seed {seed}, by time of arrival."),
            &misses,
        )
}

fn over_time(
    labels: &[String],
    reports: &[&Report],
    value: fn(&Timeline, &timeline::Row) -> f64,
    about: &str,
) -> String {
    let end = reports
        .iter()
        .filter_map(|report| report.timeline.rows.last())
        .map(|row| row.to_s)
        .fold(1e-3, f64::max);
    let values = |report: &Report| -> Vec<(f64, f64, f64)> {
        let time = &report.timeline;
        time.rows.iter().map(|row| (row.from_s, row.to_s, value(time, row))).collect()
    };
    let series: Vec<Vec<(f64, f64, f64)>> = reports.iter().map(|report| values(report)).collect();
    let most = headroom(series.iter().flatten().map(|(_, _, value)| *value));
    let mut plot = Plot::new(Scale::Linear(0.0, end), Scale::Linear(0.0, most), 240);
    plot.time_axis(0.0, end);
    plot.count_axis(most);
    for (index, steps) in series.iter().enumerate() {
        plot.steps(colour(index), steps);
    }
    plot.marks(&reports[0].summary.marks, end);
    let names: Vec<(&str, &str)> =
        labels.iter().enumerate().map(|(n, name)| (colour(n), name.as_str())).collect();
    let at = |steps: &Vec<(f64, f64, f64)>, middle: f64| {
        let step = steps.iter().find(|(from, to, _)| *from <= middle && middle < *to);
        step.map_or_else(String::new, |(_, _, value)| format::number(*value))
    };
    let hover: Vec<(f64, String, Vec<String>)> = series[0]
        .iter()
        .map(|(from, to, _)| {
            let middle = (from + to) / 2.0;
            (*to, format::seconds(*from), series.iter().map(|steps| at(steps, middle)).collect())
        })
        .collect();
    plot.hover(&names, &hover);
    variants_legend(labels) + &plot.finish(about)
}
