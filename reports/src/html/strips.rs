//! The heat map of workers over time: how full each one's pool was, and when it was empty.

use std::fmt::Write as _;

use super::text::{escape, section, table};
use crate::format;
use crate::summary::{Summary, Worker};
use crate::wording;

/// At most so many rows; beyond that neighbours share one, which shows the worst of them.
const ROWS: usize = 200;

/// The section.
pub(super) fn workers(summary: &Summary) -> String {
    if summary.workers.is_empty() {
        return String::new();
    }
    let together = summary.workers.len().div_ceil(ROWS);
    let rows: Vec<(String, String)> = summary.workers.chunks(together).map(worst).collect();
    let mut says = says(summary);
    if together > 1 {
        let _ = write!(says, " Each row is {together} workers and shows the worst of them.");
    }
    let content = legend(summary.pool.per_tenant)
        + &map(summary, &rows, together)
        + &regions(summary)
        + &worst_workers(summary);
    section("Every worker", &says, &content)
}

fn says(summary: &Summary) -> String {
    if summary.pool.per_tenant {
        return "A row for each worker, from left to right in time, with all its tenants' pools together."
            .to_owned();
    }
    let touched = summary.workers.iter().filter(|worker| emptiness(worker) > 0.0).count();
    match touched {
        0 => "A row for each worker, from left to right in time. None was ever empty.".to_owned(),
        _ => format!(
            "A row for each worker, from left to right in time. The pools of {} were empty at some time.",
            escape(&wording::workers(touched as u64, summary.workers.len() as u64))
        ),
    }
}

/// How long its pool was empty, in seconds, as far as that is known.
fn emptiness(worker: &Worker) -> f64 {
    worker.empty_seconds.unwrap_or(0.0)
}

/// The worst of some workers, bin by bin: the lowest level, the most emptiness.
fn worst(workers: &[Worker]) -> (String, String) {
    let bins = workers.iter().map(|worker| worker.level_strip.len()).max().unwrap_or(0);
    let rank = |character: char| character.to_digit(10).unwrap_or(10);
    let at = |strip: &str, bin: usize| strip.as_bytes().get(bin).map_or('0', |byte| char::from(*byte));
    (0..bins)
        .map(|bin| {
            let levels = workers.iter().map(|worker| at(&worker.level_strip, bin));
            let empties = workers.iter().map(|worker| at(&worker.empty_strip, bin));
            (levels.min_by_key(|c| rank(*c)).unwrap_or('+'), empties.max_by_key(|c| rank(*c)).unwrap_or('0'))
        })
        .unzip()
}

fn map(summary: &Summary, rows: &[(String, String)], together: usize) -> String {
    let bins = rows.iter().map(|row| row.0.len()).max().unwrap_or(1).max(1);
    let end = summary.warmup_s + summary.duration_s;
    // The last bin is cut where the run ends, so that the map ends where the plots above do.
    let width = (end / summary.strip_width_s.max(1e-9)).clamp(0.01, bins as f64);
    let mut svg = format!(
        "<svg viewBox=\"0 0 {width:.3} {}\" preserveAspectRatio=\"none\" role=\"img\" \
         aria-label=\"level of each worker's pool over time\">",
        rows.len()
    );
    for (prefix, pick) in [("l", 0), ("e", 1)] {
        for level in "0123456789+-".chars() {
            if (pick == 1 && "0-".contains(level)) || (pick == 0 && level == '+') {
                continue;
            }
            let path = runs(rows, level, |row| if pick == 0 { &row.0 } else { &row.1 });
            if !path.is_empty() {
                let class = if level == '-' { 11 } else { level.to_digit(10).unwrap_or(10) };
                let _ = write!(svg, "<path class=\"{prefix}{class}\" d=\"{path}\"/>");
            }
        }
    }
    svg.push_str("</svg>");
    let height = (rows.len() as f64 * 26.0).clamp(30.0, 420.0).max(rows.len() as f64 * 2.0);
    let labels = labels(summary, rows.len(), together, end);
    let dense = if rows.len() > 24 { " dense" } else { "" };
    format!("<div class=\"plot map{dense}\" style=\"--h:{height:.0}px\">{svg}{labels}</div>")
}

/// All runs of one character as horizontal strokes, one unit high.
fn runs(rows: &[(String, String)], level: char, strip: impl Fn(&(String, String)) -> &String) -> String {
    let mut path = String::new();
    for (y, row) in rows.iter().enumerate() {
        let mut from = None;
        for (x, character) in strip(row).chars().chain(std::iter::once('\n')).enumerate() {
            match (from, character == level) {
                (None, true) => from = Some(x),
                (Some(begin), false) => {
                    let _ = write!(path, "M{begin} {y}.5h{}", x - begin);
                    from = None;
                }
                _ => {}
            }
        }
    }
    path
}

fn labels(summary: &Summary, rows: usize, together: usize, end: f64) -> String {
    let mut labels = String::new();
    for (index, at) in super::plot::time_ticks(0.0, end).into_iter().enumerate() {
        let class = if index % 2 == 0 { "xt" } else { "xt odd" };
        let left = at / end * 100.0;
        let _ = write!(
            labels,
            "<span class=\"{class}\" style=\"left:{left:.2}%\">{}</span>",
            format::seconds(at)
        );
    }
    let step = rows.div_ceil(16);
    for row in (0..rows).step_by(step) {
        let bottom = 100.0 - (row as f64 + 0.5) / rows as f64 * 100.0;
        let worker = row * together;
        let title =
            summary.regions.get(summary.workers[worker].region).map_or("", |region| region.name.as_str());
        let _ = write!(
            labels,
            "<span class=\"yt\" style=\"bottom:{bottom:.2}%\" title=\"{}\">{worker}</span>",
            escape(title)
        );
    }
    labels
}

fn legend(per_tenant: bool) -> String {
    let steps: String = (0..=9).rev().map(|level| format!("<i class=\"l{level}\"></i>")).collect();
    let empty = if per_tenant { "" } else { "<li><i class=\"e10\"></i>empty</li>" };
    format!(
        "<ul class=\"legend\"><li>least level as a share of its target: full <span class=\"ramp\"><i class=\"l10\"></i>{steps}</span> \
         none</li>{empty}</ul>"
    )
}

fn regions(summary: &Summary) -> String {
    if summary.regions.len() < 2 {
        return String::new();
    }
    let rows: Vec<Vec<String>> = summary
        .regions
        .iter()
        .map(|region| {
            let share =
                if region.requests == 0 { 0.0 } else { region.misses as f64 / region.requests as f64 };
            vec![
                escape(&region.name),
                format::count(region.workers),
                format::count(region.requests),
                format::count(region.misses),
                format::share(share),
                format::number(region.ready_mean),
                format::number(region.target_mean),
                region.empty_seconds.map_or_else(unknown, format::seconds),
            ]
        })
        .collect();
    table(&["region", "workers", "arrivals", "misses", "miss share", "ready", "target", "empty"], &rows)
}

/// What stands where nothing is known.
fn unknown() -> String {
    "-".to_owned()
}

/// The workers that were empty longest, or missed most.
fn worst_workers(summary: &Summary) -> String {
    let mut order: Vec<usize> = (0..summary.workers.len()).collect();
    let worker = |index: usize| &summary.workers[index];
    order.sort_by(|a, b| {
        let by = |index: usize| (emptiness(worker(index)), worker(index).misses as f64);
        let ((empty_a, misses_a), (empty_b, misses_b)) = (by(*a), by(*b));
        empty_b.total_cmp(&empty_a).then(misses_b.total_cmp(&misses_a)).then(a.cmp(b))
    });
    let rows: Vec<Vec<String>> = order
        .iter()
        .take(8)
        .map(|index| {
            let row = worker(*index);
            let region = summary.regions.get(row.region).map_or("", |region| region.name.as_str());
            vec![
                format!("{index} <small>{}</small>", escape(region)),
                format::count(row.requests),
                format::count(row.misses),
                format::count(row.boots),
                format!("{} of {}", format::number(row.ready_mean), format::number(row.target_mean)),
                format::count(row.ready_least),
                row.empty_seconds.map_or_else(unknown, format::seconds),
                match row.recovery_s {
                    _ if summary.pool.per_tenant => unknown(),
                    None => "not recovered".to_owned(),
                    Some(seconds) => format::seconds(seconds),
                },
            ]
        })
        .collect();
    let head = ["worker", "arrivals", "misses", "boots", "ready of target", "least", "empty", "recovery"];
    let first = worker(order[0]);
    let caption = match (emptiness(first) > 0.0, first.misses > 0) {
        _ if order.len() <= 8 => "",
        (true, _) => "<h3>The eight that were empty longest</h3>",
        (false, true) => "<h3>The eight with most misses</h3>",
        (false, false) => "<h3>The first eight</h3>",
    };
    caption.to_owned() + &table(&head, &rows)
}
