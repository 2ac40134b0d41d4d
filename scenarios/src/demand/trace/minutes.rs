//! Counts per minute: the arrivals of a minute are spread over it as the scenario says, and no count is lost. The
//! rows of such a trace are functions, its columns minutes, so that it is sorted by minute first.

use actors::random::Purpose;
use actors::{Duration, Rng};

use super::rows::{ARRIVALS_MAX, Rows};
use super::sort::{Record, Sorted, Sorter};
use crate::demand::{DemandError, Progress};
use crate::scenario::Spread;

const MINUTE_NANOS: u64 = 60_000_000_000;

/// Gives the arrivals of a trace of counts.
#[derive(Debug)]
pub(super) struct Minutes {
    counts: Sorted,
    /// The first count of the minute after the current one.
    ahead: Option<Record>,
    /// The arrivals of the current minute, the last of them first.
    minute: Vec<(u64, u32)>,
    spread: Spread,
    rng: Rng,
    path: String,
}

/// Some invocations of one application in the current minute.
#[derive(Clone, Copy)]
struct Count {
    key: u32,
    count: u64,
}

impl Minutes {
    /// Reads all rows.
    pub(super) fn read(
        rows: &mut Rows,
        spread: Spread,
        seed: u64,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Self, DemandError> {
        let mut sorter = Sorter::new();
        let mut push = |minute: u32, key: u32, count: u32| {
            let lifetime = Some(Duration::from_nanos(u64::from(count)));
            sorter.push(Record { at: i64::from(minute), key: Some(key), lifetime })
        };
        while rows.next_counts(&mut push)? {
            progress(rows.progress());
        }
        let mut counts = sorter.finish()?;
        let ahead = counts.next()?;
        let rng = Rng::stream(seed, Purpose::Arrivals, 0);
        Ok(Self { counts, ahead, minute: Vec::new(), spread, rng, path: rows.lines.path.clone() })
    }

    /// The next arrival.
    pub(super) fn next(&mut self) -> Result<Option<Record>, DemandError> {
        while self.minute.is_empty() {
            let Some(first) = self.ahead.take() else {
                return Ok(None);
            };
            self.fill(first)?;
        }
        Ok(self.minute.pop().map(|(at, key)| Record {
            at: i64::try_from(at).unwrap_or(i64::MAX),
            key: Some(key),
            lifetime: None,
        }))
    }

    /// Spreads the minute that begins with this count.
    fn fill(&mut self, first: Record) -> Result<(), DemandError> {
        let mut counts = Vec::new();
        let mut total = 0;
        let mut next = Some(first);
        while let Some(record) = next.filter(|record| record.at == first.at) {
            let count = record.lifetime.map_or(0, Duration::as_nanos);
            total += count;
            counts.push(Count { key: record.key.unwrap_or(0), count });
            if total > ARRIVALS_MAX {
                return Err(DemandError::Row {
                    path: self.path.clone(),
                    line: 1,
                    message: format!("minute {} has more than {ARRIVALS_MAX} invocations", first.at + 1),
                    remedy: "split the trace: a minute is held in memory".to_owned(),
                });
            }
            next = self.counts.next()?;
        }
        self.ahead = next;
        let begin = first.at.unsigned_abs() * MINUTE_NANOS;
        self.minute = match self.spread {
            Spread::Even => even(&counts, total),
            Spread::Poisson => self.bursts(&counts, 1),
            Spread::BurstsOf(size) => self.bursts(&counts, u64::from(size.max(1))),
        };
        self.minute.iter_mut().for_each(|(at, _)| *at += begin);
        self.minute.sort_by(|one, other| other.cmp(one));
        Ok(())
    }

    /// Bursts of so many of one application at instants drawn evenly from the minute, as those of a Poisson process
    /// are when their number is given.
    fn bursts(&mut self, counts: &[Count], size: u64) -> Vec<(u64, u32)> {
        let mut minute = Vec::new();
        for Count { key, count } in counts {
            let mut left = *count;
            while left > 0 {
                let at = self.rng.below(MINUTE_NANOS);
                let burst = left.min(size);
                minute.extend((0..burst).map(|_| (at, *key)));
                left -= burst;
            }
        }
        minute
    }
}

/// All arrivals as far from each other as the minute allows, and those of one application spread among the others.
fn even(counts: &[Count], total: u64) -> Vec<(u64, u32)> {
    let mut order: Vec<(u64, u32)> = Vec::new();
    for Count { key, count } in counts {
        order.extend((0..*count).map(|index| ((2 * index + 1) * MINUTE_NANOS / (2 * count), *key)));
    }
    order.sort_unstable();
    let gap = |index: usize| (u128::from(MINUTE_NANOS) * index as u128 / u128::from(total.max(1))) as u64;
    order.iter().enumerate().map(|(index, (_, key))| (gap(index), *key)).collect()
}
