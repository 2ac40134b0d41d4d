//! The page of a comparison: figures side by side, differences, the Pareto view, and overlays of one run of
//! each variant.

use std::fmt::Write as _;

use super::axis::headroom;
use super::bins;
use super::data::{self, Column, Data, Draw, Unit};
use super::document;
use super::over_time::span;
use super::percentiles::{self, Curve};
use super::plot::{Dot, Plot};
use super::text::{escape, section};
use crate::compare::{Cell, Comparison, Row, letter};
use crate::figure::Figure;
use crate::format;
use crate::report::Report;
use crate::timeline;
use crate::verdict::{Shown, Verdict};

/// The colour class of the n-th variant.
const COLOURS: [&str; 8] = ["a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7"];

pub(super) fn colour(index: usize) -> &'static str {
    COLOURS[index % COLOURS.len()]
}

/// The page of a comparison. `reports` may hold one run of each variant, in the variants' order, to lay over
/// each other.
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
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"figures\"><table class=\"figures\"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
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
         <span class=\"whisker\" style=\"--l:{:.1}%;--r:{:.1}%;--m:{:.1}%\"></span><br><small>{}</small></div></td>",
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
    let most =
        |of: fn(&crate::compare::Point) -> f64| headroom(points.iter().map(of).fold(0.0, f64::max)) * 1.05;
    let (idle, misses) = (most(|point| point.idle_vm_seconds), most(|point| point.miss_ratio));
    let mut data = Data::new(vec![
        Column::new("", "misses", Unit::Share, Draw::Not).keyed("miss_ratio"),
        Column::new("", "idle VM-seconds", Unit::Number, Draw::Not),
    ]);
    let mut order: Vec<usize> = (0..points.len()).collect();
    order.sort_by(|a, b| points[*a].idle_vm_seconds.total_cmp(&points[*b].idle_vm_seconds).then(a.cmp(b)));
    let names = names(comparison);
    for index in order {
        let (x, y) = (points[index].idle_vm_seconds, points[index].miss_ratio);
        data.rows.push(data::Row { from: x, to: x, values: vec![Some(y), Some(x)] });
        data.titles.push(names[index].clone());
    }
    let mut plot = Plot::of_shares("misses-against-idle", idle, misses, data);
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
    for (index, name) in names.iter().enumerate() {
        plot.explain(colour(index), name);
    }
    let beaten: Vec<String> = points
        .iter()
        .zip(&names)
        .filter(|(point, _)| !point.on_front)
        .map(|(_, name)| escape(name))
        .collect();
    let mut says = "Across: idle VM-seconds, what readiness costs. Up: the share of requests that missed. \
                    Lower left is better; on the line nobody is beaten in both. "
        .to_owned();
    if !beaten.is_empty() {
        let _ = write!(says, "<strong>Beaten in both: {}.</strong>", beaten.join(", "));
    }
    let content = plot.finish("misses against idle VM-seconds, one dot per variant");
    section("Misses against idle VM-seconds", &says, &content)
}

/// One run of each, laid over each other.
pub(super) fn overlays(names: &[String], reports: &[&Report]) -> String {
    let curves: Vec<Curve> = reports
        .iter()
        .enumerate()
        .map(|(index, report)| Curve {
            class: colour(index),
            name: names[index].clone(),
            histogram: report.latencies.served(),
            unserved: report.summary.outcomes.unserved(),
        })
        .filter(|curve| !curve.histogram.is_empty())
        .collect();
    let seed = reports[0].summary.seed;
    let latency = percentiles::plot(&curves, &reports[0].summary.gates)
        .unwrap_or_else(|| "<p>No request was served.</p>".to_owned());
    let over = Overlay::new(names, reports);
    let ready = over.plot("ready", "ready Sprites over time", Unit::Number, |row| row.ready_mean);
    let misses = over.plot("misses", "misses over time", Unit::Rate, |row| row.misses as f64);
    let (per, width) = (over.per, format::seconds(over.width_s));
    let rate = if per == "per second" { "Misses per second over time" } else { "Misses over time" };
    let over_what =
        if per == "per second" { format!("over {width} each") } else { format!("in each bin of {width}") };
    section(
        "Latency by percentile",
        &format!("All requests of the run with seed {seed}; a line ends where the others were not served."),
        &latency,
    ) + &section(
        "Ready Sprites over time",
        &format!("The run with seed {seed}, means over {width} each."),
        &ready,
    ) + &section(rate, &format!("The run with seed {seed}, {over_what}, by time of arrival."), &misses)
}

/// Runs in bins of one width, so that each can be read against each.
struct Overlay<'a> {
    names: &'a [String],
    reports: &'a [&'a Report],
    bins: Vec<Vec<timeline::Row>>,
    width_s: f64,
    divide_by: f64,
    per: &'static str,
}

impl<'a> Overlay<'a> {
    fn new(names: &'a [String], reports: &'a [&'a Report]) -> Self {
        let rates: Vec<bins::Rate> = reports.iter().map(|report| bins::rate(&report.timeline)).collect();
        let width_s = rates.iter().map(|rate| rate.width_s).fold(0.0, f64::max);
        let bins = reports.iter().map(|report| bins::wider(&report.timeline, width_s.max(1e-9))).collect();
        let (divide_by, per) = if width_s >= 1.0 { (width_s, "per second") } else { (1.0, "in each bin") };
        Self { names, reports, bins, width_s, divide_by, per }
    }

    fn plot(&self, name: &'static str, about: &str, unit: Unit, value: fn(&timeline::Row) -> f64) -> String {
        let ends = self.reports.iter().map(|report| span(report));
        let span = ends.reduce(|a, b| if b.end_s > a.end_s { b } else { a });
        let Some(span) = span else { return String::new() };
        let columns = self.names.iter().enumerate().map(|(index, name)| {
            let key = name.replace(' ', "_");
            Column::new(colour(index), name, unit, Draw::Line).keyed(&key)
        });
        let mut data = Data::new(columns.collect());
        data.per = (self.divide_by, self.per);
        let longest = self.bins.iter().max_by_key(|bins| bins.len()).map_or(&[][..], Vec::as_slice);
        for (index, row) in longest.iter().enumerate() {
            let values = self.bins.iter().map(|bins| bins.get(index).map(value)).collect();
            data.rows.push(data::Row { from: row.from_s, to: row.to_s, values });
        }
        let mut plot = Plot::over_time(name, span, 240, data);
        plot.marks(&self.reports[0].summary.marks);
        plot.finish(about)
    }
}
