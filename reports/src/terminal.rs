//! The summary for people at a terminal: the verdict first, then gates, demand, outcomes, latencies, pool,
//! cost, notes.
//!
//! The text carries colours as escape codes; print it through `anstream`, which drops them where they are not
//! wanted. Nothing is said by colour alone.

use std::fmt::Write as _;

use actors::Outcome;
use anstyle::{AnsiColor, Color, Style};

use crate::figure::Statistic;
use crate::format;
use crate::report::Report;
use crate::summary::{LatencyFigures, Summary};
use crate::verdict::{Verdict, gates_say};
use crate::wording;

const BOLD: Style = Style::new().bold();
const SOFT: Style = Style::new().dimmed();
const GOOD: Style = Style::new().bold().fg_color(Some(Color::Ansi(AnsiColor::Green)));
const BAD: Style = Style::new().bold().fg_color(Some(Color::Ansi(AnsiColor::Red)));
const READY: Style = Style::new().fg_color(Some(Color::Ansi(AnsiColor::Cyan)));

/// The narrowest and the widest text that is made. A narrower terminal wraps it.
const WIDTHS: std::ops::RangeInclusive<usize> = 40..=120;

/// Tables have room from so many columns on. On fewer, each row is told in words.
pub(crate) const TABLES: usize = 76;

/// The column in which what is said begins.
pub(crate) const INDENT: usize = 11;

/// Text in a style.
fn styled(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

/// A text broken at spaces into lines of so many columns; a word that is longer is broken anywhere.
pub fn wrapped(says: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let columns = columns.max(1);
    for word in says.split(' ') {
        let mut word = word;
        while let Some((at, _)) = word.char_indices().nth(columns) {
            let (begin, rest) = word.split_at(at);
            match lines.last_mut() {
                Some(line) if line.is_empty() => line.push_str(begin),
                _ => lines.push(begin.to_owned()),
            }
            word = rest;
        }
        let line = lines.len() - 1;
        let length = lines[line].chars().count();
        if length == 0 {
            lines[line].push_str(word);
        } else if length + 1 + word.chars().count() <= columns {
            lines[line].push(' ');
            lines[line].push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

/// In how many columns text is laid out for a terminal of so many.
pub(crate) fn laid_out_in(columns: usize) -> usize {
    columns.clamp(*WIDTHS.start(), *WIDTHS.end())
}

/// A name in the left column and what is said about it, in a style, broken at spaces.
pub(crate) fn entry(text: &mut String, name: &str, style: Style, says: &str, columns: usize) {
    for (index, part) in wrapped(says, columns - INDENT).iter().enumerate() {
        line(text, if index == 0 { name } else { "" }, &styled(style, part));
    }
}

/// A name in the left column and one line beside it.
fn line(text: &mut String, name: &str, line: &str) {
    let name = format!("{name:INDENT$}");
    let _ = writeln!(text, "{}{}", styled(BOLD, name), line.trim_end());
}

/// What is said about a name, in lines below it: a row of a table where that has no room.
pub(crate) fn below(name: impl std::fmt::Display, says: &str, columns: usize) -> String {
    let lines = wrapped(says, columns - 2);
    lines.iter().fold(format!("{name}\n"), |text, line| text + "  " + line + "\n")
}

/// The summary of a run, for a terminal of so many columns.
pub fn render(report: &Report, columns: usize) -> String {
    let columns = laid_out_in(columns);
    let summary = &report.summary;
    let mut page = Page { text: String::new(), columns };
    verdict(&mut page, summary);
    gates(&mut page, summary);
    demand(&mut page, summary);
    outcomes(&mut page, summary);
    latencies(&mut page, summary);
    pool(&mut page, report);
    cost(&mut page, summary);
    for (index, note) in summary.notes.iter().enumerate() {
        page.entry(if index == 0 { "notes" } else { "" }, note);
    }
    page.text
}

/// The same without colours.
pub fn plain(report: &Report, columns: usize) -> String {
    anstream::adapter::strip_str(&render(report, columns)).to_string()
}

/// Text that is being laid out.
struct Page {
    text: String,
    columns: usize,
}

impl Page {
    /// A blank line before the next part.
    fn gap(&mut self) {
        self.text.push('\n');
    }

    /// A name in the left column and what is said about it, broken at spaces.
    fn entry(&mut self, name: &str, says: &str) {
        self.entry_in(Style::new(), name, says);
    }

    /// The same, in a style.
    fn entry_in(&mut self, style: Style, name: &str, says: &str) {
        entry(&mut self.text, name, style, says, self.columns);
    }

    /// Whether tables have room.
    fn has_tables(&self) -> bool {
        self.columns >= TABLES
    }

    /// A name in the left column and one line beside it.
    fn line(&mut self, name: &str, line: &str) {
        self::line(&mut self.text, name, line);
    }
}

fn verdict(page: &mut Page, summary: &Summary) {
    let style = match summary.verdict {
        Verdict::Held => GOOD,
        Verdict::Failed => BAD,
        Verdict::NoGates => BOLD,
    };
    let word = format!("{:INDENT$}", summary.verdict.word());
    let says = gates_say(&summary.gates);
    if INDENT + summary.name.chars().count() + 2 + says.chars().count() <= page.columns {
        let name = styled(BOLD, &summary.name);
        let _ = writeln!(page.text, "{}{name}: {says}", styled(style, word));
    } else {
        for (index, line) in wrapped(&summary.name, page.columns - INDENT).iter().enumerate() {
            let left = if index == 0 { word.as_str() } else { "           " };
            let _ = writeln!(page.text, "{}{}", styled(style, left), styled(BOLD, line));
        }
        page.entry("", &says);
    }
    page.entry_in(SOFT, "", &wording::about(summary));
    if let Some(says) = wording::bound(summary) {
        page.entry("cause", &says);
    }
    page.gap();
}

fn gates(page: &mut Page, summary: &Summary) {
    if summary.gates.is_empty() {
        return;
    }
    let width = summary.gates.iter().map(|gate| gate.gate.chars().count()).max().unwrap_or(0);
    for (index, gate) in summary.gates.iter().enumerate() {
        let style = if gate.holds { GOOD } else { BAD };
        let (sign, word) = gate.sign_and_word();
        let sign = format!("{sign} {word:6}");
        let name = if index == 0 { "gates" } else { "" };
        if !page.has_tables() {
            page.entry_in(style, name, &format!("{} {}: {}", sign.trim_end(), gate.gate, gate.shown()));
            continue;
        }
        page.line(
            name,
            &format!("{}  {:width$}  {}", styled(style, sign), gate.gate, styled(style, gate.shown())),
        );
    }
    page.gap();
}

fn demand(page: &mut Page, summary: &Summary) {
    page.entry("demand", &wording::demand(summary));
    match wording::unserved(summary) {
        None if summary.requests == 0 => {}
        None => page.line("", "all were served"),
        Some(says) => page.entry_in(BAD, "", &says),
    }
    page.gap();
}

fn outcomes(page: &mut Page, summary: &Summary) {
    let row = |page: &Page, name: &str, count: u64, share: f64| {
        let (count, share) = (format::count(count), format::share(share));
        match page.has_tables() {
            true => format!("{name:9}{count:>13}  {share:>9}"),
            false => format!("{name:8}{count:>12}{share:>9}"),
        }
    };
    let room = page.columns.saturating_sub(INDENT + 36).min(40);
    let mut name = "outcomes";
    for (outcome, count) in summary.outcomes.iter().filter(|(_, count)| **count > 0) {
        let share = *count as f64 / summary.requests as f64;
        let style = match outcome {
            Outcome::Warm => READY,
            outcome if outcome.is_served() => Style::new(),
            _ => BAD,
        };
        let bar = if page.has_tables() { styled(style, bar(share, room)) } else { String::new() };
        page.line(name, &format!("{}  {bar}", row(page, outcome.name(), *count, share)));
        name = "";
    }
    if summary.requests > 0 {
        page.line(name, &styled(BOLD, row(page, "misses", summary.misses, summary.miss_ratio)));
        page.gap();
    }
}

/// A bar of eighths of a column. What is not nothing shows.
fn bar(share: f64, columns: usize) -> String {
    let eighths = ((share * columns as f64 * 8.0).round() as usize).max(1);
    let part = ["", "\u{258f}", "\u{258e}", "\u{258d}", "\u{258c}", "\u{258b}", "\u{258a}", "\u{2589}"];
    "\u{2588}".repeat(eighths / 8) + part[eighths % 8]
}

fn latencies(page: &mut Page, summary: &Summary) {
    let latency = &summary.latency_ns;
    if latency.served.count == 0 {
        return;
    }
    let heads = [Statistic::P50, Statistic::P90, Statistic::P99, Statistic::P999, Statistic::Max];
    let values = |figures: &LatencyFigures| {
        let values = [figures.p50, figures.p90, figures.p99, figures.p999, figures.max];
        values.map(|value| format::nanos(value as f64))
    };
    let outcomes = latency.by_outcome.iter().filter(|(outcome, _)| outcome.is_served());
    let outcomes = outcomes.filter_map(|(outcome, figures)| Some((outcome.name(), figures.as_ref()?)));
    let rows = std::iter::once(("served", &latency.served)).chain(outcomes);
    if page.has_tables() {
        let heads: String = heads.iter().map(|head| format!("{:>10}", head.name())).collect();
        page.line("latency", &styled(SOFT, format!("{:9}{heads}", "")));
    }
    for (index, (name, figures)) in rows.enumerate() {
        let style = if index == 0 { BOLD } else { Style::new() };
        if page.has_tables() {
            let values: String = values(figures).iter().map(|value| format!("{value:>10}")).collect();
            page.line("", &styled(style, format!("{name:9}{values}")));
            continue;
        }
        let told: Vec<String> = heads
            .iter()
            .zip(values(figures))
            .map(|(head, value)| format!("{} {value}", head.name()))
            .collect();
        let left = if index == 0 { "latency" } else { "" };
        page.entry_in(style, left, &format!("{name}: {}", told.join(", ")));
    }
    page.gap();
}

fn pool(page: &mut Page, report: &Report) {
    let summary = &report.summary;
    let level = sparkline(report, page.columns - INDENT);
    page.line("pool", &styled(READY, level));
    let end = format::seconds(summary.warmup_s + summary.duration_s);
    let room = (page.columns - INDENT).saturating_sub(2 + end.chars().count());
    let says = "least level as a share of its target";
    let within = if page.has_tables() { says } else { "" };
    page.line("", &styled(SOFT, format!("0s{within:^room$}{end}")));
    if !page.has_tables() {
        page.entry_in(SOFT, "", says);
    }
    page.entry("ready", &wording::ready(summary));
    page.entry("empty", &wording::empty(summary));
    page.entry("recovery", &wording::recovery(summary));
    let boots = &summary.boots;
    let mut says = format!("{} begun, {} failed", format::count(boots.begun), format::count(boots.failed));
    for (count, name) in [(boots.creates, "creates"), (boots.wakes, "wakes")] {
        if count > 0 {
            let _ = write!(says, ", {} {name}", format::count(count));
        }
    }
    page.entry("boots", &says);
    if let Some(says) = wording::slots(summary) {
        page.entry("slots", &says);
    }
    page.gap();
}

/// The least level as a share of its target, one character per stretch of time; a blank is empty.
fn sparkline(report: &Report, columns: usize) -> String {
    /// Where pools aim for nothing.
    const AIMLESS: char = '\u{b7}';
    const LEVELS: [char; 9] =
        [' ', '\u{2581}', '\u{2582}', '\u{2583}', '\u{2584}', '\u{2585}', '\u{2586}', '\u{2587}', '\u{2588}'];
    let rows = &report.timeline.rows;
    let end = rows.last().map_or(0.0, |row| row.to_s);
    let columns = columns.min(rows.len().max(1));
    let mut least: Vec<Option<f64>> = vec![None; columns];
    for row in rows.iter().filter(|row| row.target > 0.0) {
        let middle = (row.from_s + row.to_s) / 2.0;
        let column = if end > 0.0 { (middle / end * columns as f64) as usize } else { 0 };
        let least = &mut least[column.min(columns - 1)];
        let share = (row.ready_least as f64 / row.target).min(1.0);
        *least = Some(least.map_or(share, |before| before.min(share)));
    }
    let character = |share: Option<f64>| share.map_or(AIMLESS, |share| LEVELS[(share * 8.0).ceil() as usize]);
    least.into_iter().map(character).collect()
}

fn cost(page: &mut Page, summary: &Summary) {
    if summary.cost.items.is_empty() {
        return;
    }
    let mut name = "cost";
    for item in &summary.cost.items {
        let what = item.what.replace('_', " ");
        if !page.has_tables() {
            let (quantity, price) = (format::number(item.quantity), format::significant(item.price));
            page.entry(name, &format!("{what}: {quantity} x {price} = {}", format::number(item.amount)));
            name = "";
            continue;
        }
        let quantity = format!("{:>13} x {}", format::number(item.quantity), format::significant(item.price));
        page.line(name, &format!("{what:15}{quantity:28}{:>12}", format::number(item.amount)));
        name = "";
    }
    let total = format::number(summary.cost.total);
    match page.has_tables() {
        true => page.line("", &styled(BOLD, format!("{:43}{total:>12}", "total"))),
        false => page.entry_in(BOLD, "", &format!("total: {total}")),
    }
    page.gap();
}
