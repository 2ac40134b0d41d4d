//! Every worker: its pool over time as a row of a map, and its figures as a row of a table.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::axis::Span;
use super::data::script;
use super::table::{Cell, Head, Sortable};
use super::text::{escape, section};
use crate::summary::{Summary, Worker};
use crate::wording;

/// At most so many rows of the map; beyond that neighbours share one, which shows the worst of them.
const ROWS: usize = 200;

/// The section.
pub(super) fn workers(summary: &Summary, span: Span) -> String {
    if summary.workers.is_empty() {
        return String::new();
    }
    let tables = regions(summary) + &table(summary);
    if !aims(summary) {
        return section("Every worker", "", &tables);
    }
    let map = Map::new(summary);
    let mut says = says(summary);
    if map.together > 1 {
        let _ = write!(says, " Each row is {} workers and shows the worst of them.", map.together);
    }
    section("Every worker", &says, &(map.html(summary, span) + &tables))
}

fn says(summary: &Summary) -> String {
    let rows = "A row for each worker, from left to right in time";
    if summary.pool.per_tenant {
        return format!("{rows}, with all its tenants' pools together.");
    }
    let touched = summary.workers.iter().filter(|worker| emptiness(worker) > 0.0).count();
    match touched {
        0 => format!("{rows}. None was ever empty."),
        _ => format!(
            "{rows}. The pools of {} were empty at some time.",
            escape(&wording::workers(touched as u64, summary.workers.len() as u64))
        ),
    }
}

/// Whether any pool aimed for anything: where none does, no level is a share of it.
fn aims(summary: &Summary) -> bool {
    summary.workers.iter().any(|worker| worker.target_mean > 0.0)
}

/// How long its pool was empty, in seconds, as far as that is known.
fn emptiness(worker: &Worker) -> f64 {
    worker.empty_seconds.unwrap_or(0.0)
}

/// A row of the map.
struct Line {
    name: String,
    level: String,
    empty: String,
}

/// The map: bars as high as the level's share of its goal, and bars as high as the share of time that was
/// empty.
struct Map {
    lines: Vec<Line>,
    together: usize,
    bins: usize,
}

impl Map {
    fn new(summary: &Summary) -> Self {
        let together = summary.workers.len().div_ceil(ROWS);
        let lines: Vec<Line> = summary
            .workers
            .chunks(together)
            .enumerate()
            .map(|(index, workers)| {
                let (level, empty) = worst(workers);
                Line { name: name(summary, index * together, workers.len()), level, empty }
            })
            .collect();
        let bins = lines.iter().map(|line| line.level.len()).max().unwrap_or(1).max(1);
        Self { lines, together, bins }
    }

    fn html(&self, summary: &Summary, span: Span) -> String {
        let rows = self.lines.len();
        // The last bin is cut where the run ends, so that the map ends where the plots above do.
        let width = (span.end_s / summary.strip_width_s.max(1e-9)).clamp(0.01, self.bins as f64);
        let level = self.bars(|line| &line.level);
        let empty = self.bars(|line| &line.empty);
        let mut grid = String::new();
        for row in 0..=rows {
            let _ = write!(grid, "M0 {row}H{}", self.bins);
        }
        let height = (rows as f64 * 26.0).clamp(30.0, 420.0).max(rows as f64 * 2.0);
        let grid = if rows > 24 { String::new() } else { format!("<path class=\"grid\" d=\"{grid}\"/>") };
        let lines: Vec<Value> =
            self.lines.iter().map(|line| json!([line.name, line.level, line.empty])).collect();
        let data = json!({
            "name": "workers-over-time", "across": "time", "begins": span.begins_s,
            "x": ["linear", 0, span.end_s], "width": summary.strip_width_s, "lines": lines,
        });
        format!(
            "<figure class=\"figure\">{}<div class=\"plot map\" style=\"--h:{height:.0}px\">\
             <svg viewBox=\"0 0 {width:.3} {rows}\" preserveAspectRatio=\"none\" role=\"img\" \
             aria-label=\"level of each worker's pool over time\">{grid}<path class=\"area ready\" d=\"{level}\"/>\
             <path class=\"area void-bar\" d=\"{empty}\"/></svg>{}</div>{}</figure>",
            legend(summary.pool.per_tenant),
            self.labels(span),
            script(&data)
        )
    }

    /// All bars as one shape: neighbours of one height are one bar.
    fn bars(&self, strip: impl Fn(&Line) -> &String) -> String {
        let mut path = String::new();
        for (y, line) in self.lines.iter().enumerate() {
            let tenths: Vec<u32> = strip(line).chars().map(tenths).collect();
            let mut from = 0;
            while from < tenths.len() {
                let run = tenths[from..].iter().take_while(|tenth| **tenth == tenths[from]).count();
                if tenths[from] > 0 {
                    // A tenth of the row stays free, so that rows are apart.
                    let high = f64::from(tenths[from]) * 0.09;
                    let _ = write!(path, "M{from} {}v-{high:.2}h{run}v{high:.2}z", y + 1);
                }
                from += run;
            }
        }
        path
    }

    fn labels(&self, span: Span) -> String {
        let mut labels = String::new();
        for (index, (at, label)) in span.ticks().into_iter().enumerate() {
            let class = if index % 2 == 0 { "xt" } else { "xt odd" };
            let left = span.scale().place(at) * 100.0;
            let _ =
                write!(labels, "<span class=\"{class}\" style=\"left:{left:.2}%\">{}</span>", escape(&label));
        }
        let rows = self.lines.len();
        for row in (0..rows).step_by(rows.div_ceil(16)) {
            let bottom = 100.0 - (row as f64 + 0.5) / rows as f64 * 100.0;
            let _ = write!(
                labels,
                "<span class=\"yt\" style=\"bottom:{bottom:.2}%\">{}</span>",
                row * self.together
            );
        }
        labels
    }
}

/// What a row of the map is called.
fn name(summary: &Summary, first: usize, count: usize) -> String {
    if count > 1 {
        return format!("workers {first} to {}", first + count - 1);
    }
    match region(summary, first) {
        Some(region) => format!("worker {first}, {region}"),
        None => format!("worker {first}"),
    }
}

/// A worker's region, where there is more than one.
fn region(summary: &Summary, worker: usize) -> Option<&str> {
    let region = summary.regions.get(summary.workers[worker].region)?;
    (summary.regions.len() > 1).then_some(region.name.as_str())
}

/// The height of a bar, in tenths. What aims for nothing has none.
fn tenths(character: char) -> u32 {
    match character {
        '+' => 10,
        other => other.to_digit(10).unwrap_or(0),
    }
}

/// The worst of some workers, bin by bin: the lowest level, the most emptiness.
fn worst(workers: &[Worker]) -> (String, String) {
    let bins = workers.iter().map(|worker| worker.level_strip.len()).max().unwrap_or(0);
    let at = |strip: &str, bin: usize| strip.as_bytes().get(bin).map(|byte| char::from(*byte));
    (0..bins)
        .map(|bin| {
            let levels = workers.iter().filter_map(|worker| at(&worker.level_strip, bin));
            let empties = workers.iter().filter_map(|worker| at(&worker.empty_strip, bin));
            let level = levels.min_by_key(|level| if *level == '-' { 11 } else { tenths(*level) });
            let empty = empties.max_by_key(|empty| tenths(*empty));
            (level.unwrap_or('-'), empty.unwrap_or('0'))
        })
        .unzip()
}

fn legend(per_tenant: bool) -> String {
    let level =
        "<li><i class=\"ready-bar\"></i>the least that was ready, as a share of what the pool aimed for</li>";
    let empty = "<li><i class=\"void-bar\"></i>empty, as a share of the time</li>";
    format!("<ul class=\"legend\">{level}{}</ul>", if per_tenant { "" } else { empty })
}

fn regions(summary: &Summary) -> String {
    if summary.regions.len() < 2 {
        return String::new();
    }
    let mut head = vec![
        Head("region", "region"),
        Head("workers", "workers"),
        Head("arrivals", "arrivals"),
        Head("misses", "misses"),
        Head("miss share", "miss_ratio"),
        Head("ready", "ready_mean"),
    ];
    let aims = aims(summary);
    if aims {
        head.push(Head("target", "target_mean"));
    }
    if !summary.pool.per_tenant {
        head.push(Head("empty", "empty_s"));
    }
    let rows = summary.regions.iter().map(|region| {
        let mut cells = vec![
            Cell::text(&region.name),
            Cell::count(region.workers),
            Cell::count(region.requests),
            Cell::count(region.misses),
            Cell::share(region.misses, region.requests),
            Cell::number(region.ready_mean),
        ];
        cells.extend(aims.then(|| Cell::number(region.target_mean)));
        cells.extend(region.empty_seconds.map(Cell::seconds));
        cells
    });
    let about = "figures of each region";
    Sortable { name: "regions", about, head, rows: rows.collect(), falling: None }.html()
}

/// All workers, those first that were empty longest, or missed most.
fn table(summary: &Summary) -> String {
    let mut order: Vec<usize> = (0..summary.workers.len()).collect();
    let worker = |index: usize| &summary.workers[index];
    order.sort_by(|a, b| {
        let by = |index: usize| (emptiness(worker(index)), worker(index).misses as f64);
        let ((empty_a, misses_a), (empty_b, misses_b)) = (by(*a), by(*b));
        empty_b.total_cmp(&empty_a).then(misses_b.total_cmp(&misses_a)).then(a.cmp(b))
    });
    let several = summary.regions.len() > 1;
    let mut head = vec![Head("worker", "worker")];
    if several {
        head.push(Head("region", "region"));
    }
    head.extend([
        Head("arrivals", "arrivals"),
        Head("misses", "misses"),
        Head("miss share", "miss_ratio"),
        Head("boots", "boots"),
        Head("ready", "ready_mean"),
    ]);
    let aims = aims(summary);
    if aims {
        head.push(Head("target", "target_mean"));
    }
    head.push(Head("least", "ready_least"));
    let first = worker(order[0]);
    let mut falling = (first.misses > 0).then_some(if several { 3 } else { 2 });
    if !summary.pool.per_tenant {
        if emptiness(first) > 0.0 {
            falling = Some(head.len());
        }
        head.extend([Head("empty", "empty_s"), Head("recovery", "recovery_s")]);
    }
    let rows = order.iter().map(|index| {
        let row = worker(*index);
        let mut cells = vec![Cell::count(*index as u64)];
        cells.extend(region(summary, *index).map(Cell::text));
        cells.extend([
            Cell::count(row.requests),
            Cell::count(row.misses),
            Cell::share(row.misses, row.requests),
            Cell::count(row.boots),
            Cell::number(row.ready_mean),
        ]);
        cells.extend(aims.then(|| Cell::number(row.target_mean)));
        cells.push(Cell::count(row.ready_least));
        if !summary.pool.per_tenant {
            cells.push(row.empty_seconds.map_or_else(|| Cell::without("-"), Cell::seconds));
            cells.push(row.recovery_s.map_or_else(|| Cell::without("not recovered"), Cell::seconds));
        }
        cells
    });
    let about = "figures of each worker";
    Sortable { name: "workers", about, head, rows: rows.collect(), falling }.html()
}
