//! One plot: an SVG that stretches to the page's width, with its labels beside it as text, so that they stay readable
//! on a narrow screen. Geometry lives in a box of 1,000 by 1,000; strokes do not stretch.

use std::fmt::Write as _;

use super::text::escape;
use crate::format;
use crate::mark::Mark;

/// The side of the box that geometry lives in.
pub(super) const BOX: f64 = 1_000.0;

/// How values become positions on an axis.
#[derive(Clone, Copy, Debug)]
pub(super) enum Scale {
    /// Evenly, from one value to another.
    Linear(f64, f64),
    /// By decades, from one positive value to another.
    Decades(f64, f64),
}

impl Scale {
    /// The position of a value, 0 to 1, clamped.
    pub(super) fn place(self, value: f64) -> f64 {
        let share = match self {
            Self::Linear(from, to) if to > from => (value - from) / (to - from),
            Self::Decades(from, to) if to > from => (value.max(from) / from).log10() / (to / from).log10(),
            _ => 0.0,
        };
        share.clamp(0.0, 1.0)
    }
}

/// Values for marks on a linear axis up to `most`: about `count` of 1, 2 or 5 times a power of ten.
pub(super) fn ticks(most: f64, count: usize) -> Vec<f64> {
    if most <= 0.0 {
        return vec![0.0];
    }
    let rough = most / count as f64;
    let power = 10_f64.powf(rough.log10().floor());
    let step =
        [1.0, 2.0, 5.0, 10.0].into_iter().map(|by| by * power).find(|step| *step >= rough).unwrap_or(rough);
    (0..).map(|n| f64::from(n) * step).take_while(|value| *value <= most * 1.0001).collect()
}

/// Moments for marks on an axis of time, in seconds.
pub(super) fn time_ticks(from_s: f64, to_s: f64) -> Vec<f64> {
    const STEPS: [f64; 25] = [
        0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0,
        1_800.0, 3_600.0, 7_200.0, 10_800.0, 21_600.0, 43_200.0, 86_400.0, 604_800.0,
    ];
    let rough = (to_s - from_s) / 9.0;
    let step = STEPS.into_iter().find(|step| *step >= rough).unwrap_or(rough.max(0.001));
    let first = (from_s / step).ceil();
    (0..40).map(|n| (first + f64::from(n)) * step).take_while(|at| *at <= to_s + step * 1e-6).collect()
}

/// A plot that is being drawn.
pub(super) struct Plot {
    pub(super) x: Scale,
    pub(super) y: Scale,
    under: String,
    shapes: String,
    labels: String,
    height_px: u32,
    data: String,
}

impl Plot {
    /// An empty plot.
    pub(super) fn new(x: Scale, y: Scale, height_px: u32) -> Self {
        let (under, shapes, labels, data) = Default::default();
        Self { x, y, under, shapes, labels, height_px, data }
    }

    fn px(&self, x: f64) -> f64 {
        self.x.place(x) * BOX
    }

    fn py(&self, y: f64) -> f64 {
        BOX - self.y.place(y) * BOX
    }

    /// A mark on the x axis. Every other one is left out on narrow screens.
    pub(super) fn x_tick(&mut self, at: f64, label: &str, index: usize) {
        let (x, left) = (self.px(at), self.x.place(at) * 100.0);
        let _ = write!(self.under, "<path class=\"grid\" d=\"M{x:.1} 0V1000\"/>");
        let class = if index.is_multiple_of(2) { "xt" } else { "xt odd" };
        let _ =
            write!(self.labels, "<span class=\"{class}\" style=\"left:{left:.2}%\">{}</span>", escape(label));
    }

    /// A mark on the y axis.
    pub(super) fn y_tick(&mut self, at: f64, label: &str) {
        let (y, bottom) = (self.py(at), self.y.place(at) * 100.0);
        let _ = write!(self.under, "<path class=\"grid\" d=\"M0 {y:.1}H1000\"/>");
        let _ =
            write!(self.labels, "<span class=\"yt\" style=\"bottom:{bottom:.2}%\">{}</span>", escape(label));
    }

    /// Marks on an axis of time.
    pub(super) fn time_axis(&mut self, from_s: f64, to_s: f64) {
        for (index, at) in time_ticks(from_s, to_s).into_iter().enumerate() {
            self.x_tick(at, &format::seconds(at), index);
        }
    }

    /// Marks on a linear y axis.
    pub(super) fn count_axis(&mut self, most: f64) {
        for at in ticks(most, 4) {
            self.y_tick(at, &format::number(at));
        }
    }

    /// A band over the whole height, behind everything.
    pub(super) fn band(&mut self, class: &str, from: f64, to: f64, opacity: f64) {
        let (from, to) = (self.px(from), self.px(to));
        let width = (to - from).max(1.0);
        let _ = write!(
            self.under,
            "<rect class=\"{class}\" x=\"{from:.1}\" y=\"0\" width=\"{width:.1}\" height=\"1000\" opacity=\"{opacity:.2}\"/>"
        );
    }

    /// A line from point to point.
    pub(super) fn line(&mut self, class: &str, points: &[(f64, f64)]) {
        let mut path = String::new();
        for (index, (x, y)) in points.iter().enumerate() {
            let letter = if index == 0 { 'M' } else { 'L' };
            let _ = write!(path, "{letter}{:.1} {:.1}", self.px(*x), self.py(*y));
        }
        let _ = write!(self.shapes, "<path class=\"line {class}\" d=\"{path}\"/>");
    }

    /// A line of steps: each value holds from its `from` to its `to`.
    pub(super) fn steps(&mut self, class: &str, steps: &[(f64, f64, f64)]) {
        let points: Vec<(f64, f64)> =
            steps.iter().flat_map(|(from, to, value)| [(*from, *value), (*to, *value)]).collect();
        self.line(class, &points);
    }

    /// An area of steps between two heights: `(from, to, low, high)`. Stretches without height are left out.
    pub(super) fn area(&mut self, class: &str, steps: &[(f64, f64, f64, f64)]) {
        let mut path = String::new();
        for run in steps.split(|(_, _, low, high)| high <= low).filter(|run| !run.is_empty()) {
            let (first, last) = (run[0], run[run.len() - 1]);
            let _ = write!(path, "M{:.1} {:.1}", self.px(first.0), self.py(first.3));
            for (_, to, _, high) in run {
                let _ = write!(path, "V{:.1}H{:.1}", self.py(*high), self.px(*to));
            }
            let _ = write!(path, "V{:.1}", self.py(last.2));
            for (from, _, low, _) in run.iter().rev() {
                let _ = write!(path, "V{:.1}H{:.1}", self.py(*low), self.px(*from));
            }
            path.push('Z');
        }
        if !path.is_empty() {
            let _ = write!(self.shapes, "<path class=\"area {class}\" d=\"{path}\"/>");
        }
    }

    /// A line across at one height, with a label at its end.
    pub(super) fn limit(&mut self, at: f64, label: &str, holds: bool) {
        let (y, bottom) = (self.py(at), self.y.place(at) * 100.0);
        let class = if holds { "limit" } else { "limit broken" };
        let _ = write!(self.shapes, "<path class=\"line {class}\" d=\"M0 {y:.1}H1000\"/>");
        let _ = write!(
            self.labels,
            "<span class=\"limit-label\" style=\"bottom:{bottom:.2}%\">{}</span>",
            escape(label)
        );
    }

    /// Vertical lines and labels for moments, bands for whiles. Labels are set in up to three rows so that none covers
    /// another; a label without room is left to the hover text.
    pub(super) fn marks(&mut self, marks: &[Mark], end_s: f64) {
        let (mut wide, mut narrow) = (Rows::new(0.62), Rows::new(2.1));
        for mark in marks.iter().filter(|mark| mark.from_s <= end_s) {
            let left = self.x.place(mark.from_s) * 100.0;
            if let Some(to_s) = mark.to_s {
                self.band("while", mark.from_s, to_s.min(end_s), 1.0);
            }
            let (x, label) = (left * 10.0, escape(&mark.label));
            let _ = write!(
                self.shapes,
                "<path class=\"line moment\" d=\"M{x:.1} 0V1000\"><title>{label}</title></path>"
            );
            let length = mark.label.chars().count();
            let class = format!("{} {}", wide.place(left, length, "w"), narrow.place(left, length, "n"));
            let _ =
                write!(self.labels, "<span class=\"mark {class}\" style=\"left:{left:.2}%\">{label}</span>");
        }
    }

    /// Dots with a letter and, on a wide page, a name each: for scatter plots. A label goes above its dot, or below it, wherever
    /// it covers no other.
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

    /// Raw SVG, in the plot's box.
    pub(super) fn raw(&mut self, svg: &str) {
        self.shapes.push_str(svg);
    }

    /// What the crosshair says: for each stretch of x its right end (0 to 1), a title and one value per name.
    pub(super) fn hover(&mut self, names: &[(&str, &str)], rows: &[(f64, String, Vec<String>)]) {
        let names: Vec<[&str; 2]> = names.iter().map(|(class, name)| [*class, *name]).collect();
        let rows: Vec<(String, &str, &[String])> = rows
            .iter()
            .map(|(x, title, values)| (format!("{:.4}", self.x.place(*x)), title.as_str(), values.as_slice()))
            .collect();
        let json = serde_json::json!({ "names": names, "rows": rows }).to_string();
        // Within a script element only this sequence could end it.
        self.data = json.replace("</", "<\\/");
    }

    /// The finished figure. `about` says to those who cannot see it what it shows.
    pub(super) fn finish(self, about: &str) -> String {
        let data = match self.data.is_empty() {
            true => String::new(),
            false => format!("<script type=\"application/json\">{}</script>", self.data),
        };
        format!(
            "<div class=\"plot\" style=\"--h:{}px\"><svg viewBox=\"0 0 1000 1000\" preserveAspectRatio=\"none\" \
             role=\"img\" aria-label=\"{}\">{}{}</svg>{}{data}</div>",
            self.height_px,
            escape(about),
            self.under,
            self.shapes,
            self.labels
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

/// The width of a plot on a wide page and on a narrow one, about and rather less: labels that are apart there are apart.
const WIDE_PX: f64 = 620.0;
const NARROW_PX: f64 = 280.0;

/// How far above its dot each label goes, in pixels; below it where negative. Positions are shares of the plot, widths pixels.
fn lifts(centres: &[(f64, f64)], widths: &[f64], width_px: f64, height_px: f64) -> Vec<f64> {
    /// The height of a label, and of a dot with its outline.
    const LINE: f64 = 17.0;
    let dots: Vec<[f64; 4]> = centres
        .iter()
        .map(|(x, y)| [x * width_px, y * height_px])
        .map(|[x, y]| [x - 8.0, x + 8.0, y - 8.0, y + 8.0])
        .collect();
    let mut taken = dots.clone();
    let apart = |a: &[f64; 4], b: &[f64; 4]| a[1] <= b[0] || b[1] <= a[0] || a[3] <= b[2] || b[3] <= a[2];
    let mut lifts = Vec::with_capacity(centres.len());
    for ((x, y), width) in centres.iter().zip(widths) {
        let (x, y) = (x * width_px, y * height_px);
        let label = |lift: f64| {
            let bottom = y + lift - 6.0;
            [x - width / 2.0, x + width / 2.0, bottom, bottom + LINE]
        };
        let rows = (0..centres.len()).flat_map(|row| [17.0 + LINE * row as f64, -(21.0 + LINE * row as f64)]);
        let free = |lift: &f64| taken.iter().all(|other| apart(&label(*lift), other));
        let lift = rows.clone().find(free).unwrap_or(17.0);
        taken.push(label(lift));
        lifts.push(lift);
    }
    lifts
}

/// Rows of labels above a plot, for one width of the page.
struct Rows {
    free_from: [f64; 3],
    /// The width of a character, in percent of the plot's.
    character: f64,
}

impl Rows {
    fn new(character: f64) -> Self {
        Self { free_from: [0.0; 3], character }
    }

    /// The classes that put a label of this length into the first row with room, or hide it where there is none.
    fn place(&mut self, left: f64, length: usize, prefix: &str) -> String {
        let width = self.character * (length as f64 + 2.0);
        let (side, from) = if left + width > 101.0 { ("r", left - width) } else { ("l", left) };
        match self.free_from.iter().position(|free| from >= *free) {
            Some(row) => {
                self.free_from[row] = from + width;
                format!("{prefix}{row} {prefix}{side}")
            }
            None => format!("{prefix}x"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_dots_cover_neither_each_other_nor_a_dot() {
        let centres = [(0.5, 0.3), (0.52, 0.32), (0.52, 0.32), (0.9, 0.3), (0.1, 0.0)];
        let widths = [150.0, 90.0, 120.0, 60.0, 60.0];
        let lifts = lifts(&centres, &widths, WIDE_PX, 300.0);
        assert_eq!((lifts[3], lifts[4]), (17.0, 17.0), "one that stands alone has its label above it");
        let boxes: Vec<(f64, f64)> =
            (0..3).map(|index| (centres[index].1 * 300.0 + lifts[index], widths[index])).collect();
        for (index, one) in boxes.iter().enumerate() {
            for other in &boxes[..index] {
                assert!((one.0 - other.0).abs() >= 17.0, "{boxes:?}");
            }
        }
    }
}
