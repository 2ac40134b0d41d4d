//! One plot: an SVG that stretches to the page's width, with its labels beside it as text, so that they stay
//! readable on a narrow screen. Geometry lives in a box of 1,000 by 1,000; strokes do not stretch. The
//! numbers go with it, for `scripts/plot.js`.

use std::fmt::Write as _;

use serde_json::json;

use super::axis::{Scale, Span, headroom, ticks};
use super::data::{Data, Draw, Unit, script};
use super::labels::{NARROW_PX, Rows, WIDE_PX, above, lifts};
use super::text::escape;
use crate::format;
use crate::mark::Mark;

/// The side of the box that geometry lives in.
const BOX: f64 = 1_000.0;

/// What the x axis is.
#[derive(Clone, Copy, Debug)]
enum Across {
    Time(Span),
    /// Nines of a percentile: 2 is 99 %.
    Nines,
    Numbers,
}

/// A plot that is being drawn.
pub(super) struct Plot {
    name: &'static str,
    across: Across,
    x: Scale,
    y: Scale,
    height_px: u32,
    data: Data,
    under: String,
    over: String,
    labels: String,
    extra: Vec<(&'static str, String)>,
}

impl Plot {
    fn new(name: &'static str, across: Across, scales: (Scale, Scale), height_px: u32, data: Data) -> Self {
        let (under, over, labels, extra) = Default::default();
        Self { name, across, x: scales.0, y: scales.1, height_px, data, under, over, labels, extra }
    }

    /// A plot over time, from zero up to what its data reach.
    pub(super) fn over_time(name: &'static str, span: Span, height_px: u32, data: Data) -> Self {
        let most = headroom(data.highest());
        let scales = (span.scale(), Scale::Linear(0.0, most));
        let mut plot = Self::new(name, Across::Time(span), scales, height_px, data);
        for (index, (at, label)) in span.ticks().into_iter().enumerate() {
            plot.x_tick(at, &label, index);
        }
        for at in ticks(most, 4) {
            plot.y_tick(at, &format::number(at));
        }
        plot
    }

    /// A plot of latency by the number of nines, which has so many, and decades from one to another in
    /// nanoseconds.
    pub(super) fn by_nines(name: &'static str, nines: f64, decades: (f64, f64), data: Data) -> Self {
        let scales = (Scale::Linear(0.0, nines), Scale::Decades(decades.0, decades.1));
        let mut plot = Self::new(name, Across::Nines, scales, 320, data);
        for nine in 0..=nines as usize {
            let label = match nine {
                0 => "0 %".to_owned(),
                1 => "90 %".to_owned(),
                2 => "99 %".to_owned(),
                more => format!("99.{} %", "9".repeat(more - 2)),
            };
            plot.x_tick(nine as f64, &label, if nines > 4.0 { nine } else { 0 });
        }
        let mut at = decades.0;
        while at <= decades.1 * 1.001 {
            plot.y_tick(at, &format::nanos(at));
            at *= 10.0;
        }
        plot
    }

    /// A plot of one number against a share, from zero up to each.
    pub(super) fn of_shares(name: &'static str, most_x: f64, most_y: f64, data: Data) -> Self {
        let scales = (Scale::Linear(0.0, most_x), Scale::Linear(0.0, most_y));
        let mut plot = Self::new(name, Across::Numbers, scales, 300, data);
        for (index, at) in ticks(most_x, 6).into_iter().enumerate() {
            plot.x_tick(at, &format::number(at), index);
        }
        for at in ticks(most_y, 4) {
            plot.y_tick(at, &format::share(at));
        }
        plot
    }

    fn px(&self, x: f64) -> f64 {
        self.x.place(x) * BOX
    }

    fn py(&self, y: f64) -> f64 {
        BOX - self.y.place(y) * BOX
    }

    /// A mark on the x axis. Every other one is left out on narrow screens.
    fn x_tick(&mut self, at: f64, label: &str, index: usize) {
        let (x, left) = (self.px(at), self.x.place(at) * 100.0);
        let _ = write!(self.under, "<path class=\"grid\" d=\"M{x:.1} 0V1000\"/>");
        let class = if index.is_multiple_of(2) { "xt" } else { "xt odd" };
        let _ =
            write!(self.labels, "<span class=\"{class}\" style=\"left:{left:.2}%\">{}</span>", escape(label));
    }

    /// A mark on the y axis.
    fn y_tick(&mut self, at: f64, label: &str) {
        let (y, bottom) = (self.py(at), self.y.place(at) * 100.0);
        let _ = write!(self.under, "<path class=\"grid\" d=\"M0 {y:.1}H1000\"/>");
        let _ =
            write!(self.labels, "<span class=\"yt\" style=\"bottom:{bottom:.2}%\">{}</span>", escape(label));
    }

    /// A band over the whole height, behind everything, as wide as what it shades.
    pub(super) fn band(&mut self, class: &str, from: f64, to: f64) {
        let (from, to) = (self.px(from), self.px(to));
        if to > from {
            let width = to - from;
            self.under.insert_str(
                0,
                &format!(
                    "<rect class=\"{class}\" x=\"{from:.2}\" y=\"0\" width=\"{width:.2}\" height=\"1000\"/>"
                ),
            );
        }
    }

    /// A bar along the top, over everything, as wide as what it tells of; a line where that is too short to
    /// see.
    pub(super) fn bar(&mut self, class: &str, from: f64, to: f64) {
        let (from, to) = (self.px(from), self.px(to));
        let _ = write!(
            self.over,
            "<path class=\"bar-line {class}\" d=\"M{from:.2} 0V24\"/>\
             <rect class=\"{class}\" x=\"{from:.2}\" y=\"0\" width=\"{:.2}\" height=\"24\"/>",
            (to - from).max(0.0)
        );
    }

    /// One more entry in the legend, for what is no series.
    pub(super) fn explain(&mut self, class: &'static str, name: &str) {
        self.extra.push((class, name.to_owned()));
    }

    /// A line from point to point that is no series.
    pub(super) fn line(&mut self, class: &str, points: &[(f64, f64)]) {
        let path = self.path(points.iter().copied());
        let _ = write!(self.over, "<path class=\"line {class}\" d=\"{path}\"/>");
    }

    fn path(&self, points: impl Iterator<Item = (f64, f64)>) -> String {
        let mut path = String::new();
        for (index, (x, y)) in points.enumerate() {
            let letter = if index == 0 { 'M' } else { 'L' };
            let _ = write!(path, "{letter}{:.1} {:.1}", self.px(x), self.py(y));
        }
        path
    }

    /// Lines across at some heights, each with a label at its end and whether it holds.
    pub(super) fn limits(&mut self, limits: &[(f64, String, bool)]) {
        let height = f64::from(self.height_px);
        let heights: Vec<f64> = limits.iter().map(|limit| self.y.place(limit.0) * height).collect();
        for ((at, label, holds), lift) in limits.iter().zip(above(&heights)) {
            let (y, bottom) = (self.py(*at), self.y.place(*at) * 100.0);
            let class = if *holds { "limit" } else { "limit broken" };
            let _ = write!(self.over, "<path class=\"line {class}\" d=\"M0 {y:.1}H1000\"/>");
            let _ = write!(
                self.labels,
                "<span class=\"limit-label\" style=\"bottom:calc({bottom:.2}% + {lift:.0}px)\">{}</span>",
                escape(label)
            );
        }
    }

    /// Vertical lines and labels for moments, bands for whiles. A label without room is left to the readout.
    pub(super) fn marks(&mut self, marks: &[Mark]) {
        let Across::Time(Span { end_s, .. }) = self.across else { return };
        let (mut wide, mut narrow) = (Rows::new(0.62), Rows::new(2.1));
        for mark in marks.iter().filter(|mark| mark.from_s <= end_s) {
            let left = self.x.place(mark.from_s) * 100.0;
            if let Some(to_s) = mark.to_s {
                self.band("while", mark.from_s, to_s.min(end_s));
            }
            let (x, label) = (left * 10.0, escape(&mark.label));
            let _ = write!(self.over, "<path class=\"line moment\" d=\"M{x:.1} 0V1000\"/>");
            let length = mark.label.chars().count();
            let class = format!("{} {}", wide.place(left, length, "w"), narrow.place(left, length, "n"));
            let (from, to) = (mark.from_s, mark.to_s.map_or_else(String::new, |to_s| to_s.to_string()));
            let _ = write!(
                self.labels,
                "<span class=\"mark {class}\" style=\"left:{left:.2}%\" data-from=\"{from}\" data-to=\"{to}\">{label}</span>"
            );
        }
    }

    /// Dots with a letter and, on a wide page, a name each: for scatter plots. A label goes above its dot, or
    /// below it, wherever it covers no other.
    pub(super) fn dots(&mut self, dots: &[Dot<'_>]) {
        let centres: Vec<(f64, f64)> =
            dots.iter().map(|dot| (self.x.place(dot.x), self.y.place(dot.y))).collect();
        let height = f64::from(self.height_px);
        let wide: Vec<f64> = dots.iter().map(|dot| 7.5 * (dot.name.chars().count() + 2) as f64).collect();
        let wide = lifts(&centres, &wide, WIDE_PX, height);
        let narrow = lifts(&centres, &vec![11.0; dots.len()], NARROW_PX, height);
        for (index, dot) in dots.iter().enumerate() {
            let (left, bottom) = (centres[index].0 * 100.0, centres[index].1 * 100.0);
            let _ = write!(
                self.labels,
                "<span class=\"dot {}\" style=\"left:{left:.2}%;bottom:{bottom:.2}%;--w:{:.0}px;--n:{:.0}px\">\
                 <b>{}<u> {}</u></b></span>",
                dot.class,
                wide[index],
                narrow[index],
                escape(dot.letter),
                escape(dot.name)
            );
        }
    }

    /// The shapes of all series, in their order, each with its column's number.
    fn shapes(&self) -> String {
        let mut shapes = String::new();
        let mut floor = vec![0.0; self.data.rows.len()];
        for (index, column) in self.data.columns.iter().enumerate() {
            let values = || self.data.rows.iter().map(move |row| self.data.drawn(row, index));
            let (class, area) = (column.class, matches!(column.draw, Draw::Stack | Draw::Area));
            if area {
                let low = if column.draw == Draw::Stack { floor.clone() } else { vec![0.0; floor.len()] };
                let high: Vec<f64> =
                    low.iter().zip(values()).map(|(low, value)| low + value.unwrap_or(0.0)).collect();
                let path = self.area(&low, &high);
                let _ = write!(shapes, "<path class=\"area {class}\" data-c=\"{index}\" d=\"{path}\"/>");
                if column.draw == Draw::Stack {
                    floor = high;
                }
            }
            if matches!(column.draw, Draw::Area | Draw::Line) {
                let path = self.steps(&values().collect::<Vec<_>>());
                let _ = write!(shapes, "<path class=\"line {class}\" data-c=\"{index}\" d=\"{path}\"/>");
            }
        }
        shapes
    }

    /// A line of steps, broken where there is no value.
    fn steps(&self, values: &[Option<f64>]) -> String {
        let rows: Vec<_> = self.data.rows.iter().zip(values).collect();
        let points = |row: &(&super::data::Row, &Option<f64>)| {
            let value = row.1.unwrap_or(0.0);
            [(row.0.from, value), (row.0.to, value)]
        };
        rows.split(|(_, value)| value.is_none()).map(|run| self.path(run.iter().flat_map(points))).collect()
    }

    /// An area of steps between two heights. Stretches without height are left out.
    fn area(&self, low: &[f64], high: &[f64]) -> String {
        let mut path = String::new();
        let steps: Vec<_> =
            self.data.rows.iter().zip(low.iter().copied().zip(high.iter().copied())).collect();
        for run in steps.split(|(_, (low, high))| high <= low).filter(|run| !run.is_empty()) {
            let (first, last) = (run[0], run[run.len() - 1]);
            let _ = write!(path, "M{:.1} {:.1}", self.px(first.0.from), self.py(first.1.1));
            for (row, (_, high)) in run {
                let _ = write!(path, "V{:.1}H{:.1}", self.py(*high), self.px(row.to));
            }
            let _ = write!(path, "V{:.1}", self.py(last.1.0));
            for (row, (low, _)) in run.iter().rev() {
                let _ = write!(path, "V{:.1}H{:.1}", self.py(*low), self.px(row.from));
            }
            path.push('Z');
        }
        path
    }

    fn legend(&self) -> String {
        let drawn = self.data.columns.iter().enumerate().filter(|(_, column)| column.draw != Draw::Not);
        let series = drawn.map(|(index, column)| {
            format!("<li data-c=\"{index}\"><i class=\"{}\"></i>{}</li>", column.class, escape(&column.name))
        });
        let extra = self
            .extra
            .iter()
            .map(|(class, name)| format!("<li><i class=\"{class}\"></i>{}</li>", escape(name)));
        let entries: String = series.chain(extra).collect();
        format!("<ul class=\"legend\">{entries}</ul>")
    }

    /// The finished figure. `about` says to those who cannot see it what it shows.
    pub(super) fn finish(self, about: &str) -> String {
        let (across, begins) = match self.across {
            Across::Time(span) => ("time", span.begins_s),
            Across::Nines => ("nines", None),
            Across::Numbers => ("numbers", None),
        };
        let ends = |scale: Scale| match scale {
            Scale::Linear(from, to) => json!(["linear", from, to]),
            Scale::Decades(from, to) => json!(["decades", from, to]),
        };
        let mut data = self.data.json();
        data["name"] = json!(self.name);
        data["across"] = json!(across);
        data["begins"] = json!(begins);
        data["x"] = ends(self.x);
        data["y"] = ends(self.y);
        data["scaled"] = json!(match self.data.columns.first().map(|column| column.unit) {
            Some(Unit::Share) => "share",
            Some(Unit::Nanos) => "ns",
            _ => "number",
        });
        format!(
            "<figure class=\"figure\">{}<div class=\"plot\" style=\"--h:{}px\"><svg viewBox=\"0 0 1000 1000\" \
             preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{}\">{}{}{}</svg>{}</div>{}</figure>",
            self.legend(),
            self.height_px,
            escape(about),
            self.under,
            self.shapes(),
            self.over,
            self.labels,
            script(&data)
        )
    }
}

/// One dot of a scatter plot.
pub(super) struct Dot<'a> {
    pub(super) class: &'a str,
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) letter: &'a str,
    pub(super) name: &'a str,
}
