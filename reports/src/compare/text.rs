//! A comparison at a terminal: no line is wider than it, and a difference that has no room beside its figure
//! stands below it.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Color, Style};

use super::{Cell, Comparison, Difference, Row, letter};
use crate::figure::Figure;
use crate::format;
use crate::terminal::{INDENT, TABLES, laid_out_in, wrapped};
use crate::unit::Unit;
use crate::verdict::Shown;

/// Columns of a figure's name: the longest is `served latency p99`.
const FIGURE: usize = 20;
/// Columns of a line beside the variant's name: figure, mean.
const BESIDE_NAME: usize = FIGURE + 10;

impl Comparison {
    /// The comparison for a terminal of so many columns, with colours as escape codes.
    pub fn render(&self, columns: usize) -> String {
        let columns = laid_out_in(columns);
        let bold = Style::new().bold();
        let (word, says) = self.headline();
        let mut text = format!("{bold}{word:INDENT$}{bold:#}");
        let _ = writeln!(text, "{}", wrapped(&says, columns - INDENT).join(&format!("\n{:INDENT$}", "")));
        let say = |text: &mut String, says: &str| {
            for line in wrapped(says, columns - INDENT) {
                let _ = writeln!(text, "{:INDENT$}{line}", "");
            }
        };
        for variant in 0..self.variants.len() {
            say(&mut text, &self.says(variant));
        }
        for note in &self.notes {
            text.push('\n');
            say(&mut text, note);
        }
        text.push('\n');
        say(&mut text, &self.intervals_say());
        text.push('\n');
        let (told, folded) = self.folded();
        self.table(&mut text, &told, columns);
        if !folded.is_empty() {
            let names: Vec<String> = folded.iter().map(Figure::to_string).collect();
            let says = format!("no difference shown: {}", names.join(", "));
            for line in wrapped(&says, columns) {
                let _ = writeln!(text, "{line}");
            }
        }
        let names = self.names(columns.saturating_sub(BESIDE_NAME + 10));
        let _ = writeln!(text, "\n{bold}misses against idle VM-seconds{bold:#}");
        for (point, name) in self.pareto.iter().zip(&names) {
            let front = if point.on_front { "not beaten" } else { "beaten in both" };
            let (misses, idle) = (format::share(point.miss_ratio), format::number(point.idle_vm_seconds));
            let idle_columns = if columns >= TABLES { 12 } else { 10 };
            let _ = writeln!(text, "  {name}{misses:>8}{idle:>idle_columns$}  {front}");
        }
        text
    }

    /// A line for each cell, or two of every cell where one has no room on one.
    fn table(&self, text: &mut String, rows: &[&Row], columns: usize) {
        let names = self.names(columns.saturating_sub(BESIDE_NAME));
        let cells = || rows.iter().flat_map(|row| row.cells.iter().map(move |cell| (row, cell)));
        let name = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        let most = cells().map(|(row, cell)| width(row.unit, cell)).max().unwrap_or(0);
        let place = match BESIDE_NAME + name + most <= columns {
            true => Place::Beside,
            false if columns >= TABLES => Place::Below,
            false => Place::Wrapped(columns),
        };
        for row in rows {
            for (index, (cell, name)) in row.cells.iter().zip(&names).enumerate() {
                let figure = if index == 0 { row.figure.to_string() } else { String::new() };
                line(text, &figure, name, row, cell, place);
            }
        }
    }

    /// The variants' letters and names, cut to one width of at most so many columns.
    fn names(&self, most: usize) -> Vec<String> {
        let longest = self.variants.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        let width = longest.min(most.saturating_sub(letter(self.variants.len() - 1).len() + 2));
        let cut = |name: &String| name.chars().take(width).collect::<String>();
        let all = self.variants.iter().enumerate();
        all.map(|(index, name)| format!("{} {:width$} ", letter(index), cut(name))).collect()
    }
}

/// Where the difference of a cell stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// On the line of its mean.
    Beside,
    /// On a line of its own.
    Below,
    /// On as many lines of so many columns as it takes.
    Wrapped(usize),
}

/// One cell of one figure.
fn line(text: &mut String, figure: &str, name: &str, row: &Row, cell: &Cell, place: Place) {
    let bold = Style::new().bold();
    let mean = cell.mean.map_or_else(|| "none".to_owned(), |mean| row.unit.show(mean));
    let _ = write!(text, "{bold}{figure:FIGURE$}{bold:#}{name}{mean:>10}");
    if let Some(difference) = &cell.difference {
        let [mean, interval, shows] = difference_says(row.unit, difference);
        let (soft, style) = (Style::new().dimmed(), style(difference.shows));
        if let Place::Wrapped(columns) = place {
            for line in wrapped(&format!("{mean} {interval} {shows}{}", without_says(cell)), columns - 4) {
                let _ = write!(text, "\n    {style}{line}{style:#}");
            }
            text.push('\n');
            return;
        }
        if place == Place::Below {
            text.push_str("\n  ");
        }
        let _ = write!(text, " {mean:>11} {soft}{interval:22}{soft:#} {style}{shows}{style:#}");
    }
    text.push_str(&without_says(cell));
    text.push('\n');
}

/// How wide a cell is beside its mean.
fn width(unit: Unit, cell: &Cell) -> usize {
    let difference = cell.difference.as_ref().map_or(0, |difference| {
        let [mean, interval, shows] = difference_says(unit, difference).map(|part| part.chars().count());
        3 + mean.max(11) + interval.max(22) + shows
    });
    difference + without_says(cell).chars().count()
}

/// A difference, its interval and what it shows, as people read them.
fn difference_says(unit: Unit, difference: &Difference) -> [String; 3] {
    let interval = difference.interval.map_or_else(
        || "one seed".to_owned(),
        |(low, high)| format!("[{}, {}]", unit.show_difference(low), unit.show_difference(high)),
    );
    // One seed shows nothing, and that is said once above.
    let shows = difference.interval.map_or("", |_| difference.shows.text());
    [unit.show_difference(difference.mean), interval, shows.to_owned()]
}

fn without_says(cell: &Cell) -> String {
    match cell.without {
        0 => String::new(),
        without => format!(" ({} without)", format::counted(without, "seed", "seeds")),
    }
}

fn style(shown: Shown) -> Style {
    match shown {
        Shown::Better => Style::new().bold().fg_color(Some(Color::Ansi(AnsiColor::Green))),
        Shown::Worse => Style::new().bold().fg_color(Some(Color::Ansi(AnsiColor::Red))),
        Shown::Differs => Style::new().bold(),
        Shown::NoDifference => Style::new().dimmed(),
    }
}
