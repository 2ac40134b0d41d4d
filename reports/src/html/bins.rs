//! Bins of time made wider, so that a rate is one over a time that can be named, and so that runs can be laid
//! over each other.

use crate::timeline::{Row, Timeline};

/// The rate that a plot shows, and over how long it is taken: the width of a bin in seconds.
pub(super) struct Rate {
    /// The bins.
    pub(super) rows: Vec<Row>,
    /// What a bin's count is divided by.
    pub(super) divide_by: f64,
    /// What the quotient is.
    pub(super) per: &'static str,
    /// How wide the bins are, in seconds.
    pub(super) width_s: f64,
}

/// At least so many bins of a second, or else bins stay narrow and their counts are shown as they are.
const ENOUGH: f64 = 30.0;

/// Requests per second, over a second or longer. A run too short for that shows counts: one request within 10
/// ms is no rate of 100 per second.
pub(super) fn rate(timeline: &Timeline) -> Rate {
    let width_s = width(timeline);
    let end = timeline.rows.last().map_or(0.0, |row| row.to_s);
    match width_s {
        width if width >= 1.0 => {
            Rate { rows: timeline.rows.clone(), divide_by: width, per: "per second", width_s }
        }
        _ if end >= ENOUGH => {
            Rate { rows: wider(timeline, 1.0), divide_by: 1.0, per: "per second", width_s: 1.0 }
        }
        _ => Rate { rows: timeline.rows.clone(), divide_by: 1.0, per: "in each bin", width_s },
    }
}

/// How wide the bins are, in seconds; zero where there are none.
pub(super) fn width(timeline: &Timeline) -> f64 {
    timeline.rows.first().map_or(0.0, Row::seconds)
}

/// The same in bins of this width, which is a multiple of theirs.
pub(super) fn wider(timeline: &Timeline, width_s: f64) -> Vec<Row> {
    let mut wide: Vec<Row> = Vec::new();
    let mut begun = f64::NEG_INFINITY;
    for row in &timeline.rows {
        // Half a narrow bin is far from any edge: no rounding can move a bin over it.
        let bin = ((row.from_s + row.seconds() * 0.5) / width_s).floor();
        match wide.last_mut() {
            Some(last) if bin == begun => add(last, row),
            _ => wide.push(row.clone()),
        }
        begun = bin;
    }
    wide
}

fn add(sum: &mut Row, row: &Row) {
    let (before, more) = (sum.seconds(), row.seconds());
    let all = before + more;
    let mean = |a: f64, b: f64| if all > 0.0 { (a * before + b * more) / all } else { a };
    sum.arrivals += row.arrivals;
    sum.warm += row.warm;
    sum.waited += row.waited;
    sum.booted += row.booted;
    sum.created += row.created;
    sum.spilled += row.spilled;
    sum.woken += row.woken;
    sum.rejected += row.rejected;
    sum.failed += row.failed;
    sum.misses += row.misses;
    sum.ready_mean = mean(sum.ready_mean, row.ready_mean);
    sum.ready_least = sum.ready_least.min(row.ready_least);
    sum.target = mean(sum.target, row.target);
    sum.booting = mean(sum.booting, row.booting);
    sum.in_use = mean(sum.in_use, row.in_use);
    sum.waiting = mean(sum.waiting, row.waiting);
    sum.waiting_most = sum.waiting_most.max(row.waiting_most);
    sum.latency_p99_ns = sum.latency_p99_ns.max(row.latency_p99_ns);
    sum.latency_max_ns = sum.latency_max_ns.max(row.latency_max_ns);
    sum.to_s = row.to_s;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeline(width: f64, bins: u32) -> Timeline {
        let row = |bin: u32| {
            let from_s = f64::from(bin) * width;
            Row {
                from_s,
                to_s: from_s + width,
                arrivals: 1,
                ready_mean: f64::from(bin % 2),
                ..Row::default()
            }
        };
        Timeline { rows: (0..bins).map(row).collect() }
    }

    #[test]
    fn narrow_bins_make_no_rate() {
        let long = rate(&timeline(0.1, 600));
        assert_eq!((long.rows.len(), long.rows[3].arrivals), (60, 10));
        assert!((long.rows[3].ready_mean - 0.5).abs() < 1e-9);
        assert!((long.rows[59].to_s - 60.0).abs() < 1e-9);
        let short = rate(&timeline(0.01, 100));
        assert_eq!((short.rows.len(), short.per), (100, "in each bin"));
    }
}
