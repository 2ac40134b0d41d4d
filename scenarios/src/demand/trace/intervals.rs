//! Counts of requests per interval: the arrivals of an interval are spread over it as the scenario says, and
//! no count is lost. Rows of the same time are one interval, which is held in memory.

use actors::Rng;
use actors::random::Purpose;

use super::sort::Record;
use crate::demand::DemandError;
use crate::scenario::Spread;

/// The most arrivals in one interval.
pub(super) const ARRIVALS_MAX: u64 = 5_000_000;

/// Gives the arrivals of a trace of counts.
#[derive(Debug)]
pub(super) struct Intervals {
    /// How long each is, in nanoseconds; until the next row, if not given.
    length: Option<u64>,
    /// The length of the interval before, which is taken for the last.
    before: Option<u64>,
    /// The first count of the interval after the current one, and the line that it stands on.
    ahead: Option<(Record, u64)>,
    /// The arrivals of the current interval, the last of them first.
    arrivals: Vec<(i64, Option<u32>)>,
    spread: Spread,
    rng: Rng,
    path: String,
}

/// Some requests with one key in the current interval.
#[derive(Clone, Copy)]
struct Count {
    key: Option<u32>,
    count: u64,
}

impl Intervals {
    /// Of a trace in this file; `length` in nanoseconds, where all intervals are alike.
    pub(super) fn new(length: Option<u64>, spread: Spread, seed: u64, path: String) -> Self {
        let rng = Rng::stream(seed, Purpose::Arrivals, 0);
        Self { length, before: None, ahead: None, arrivals: Vec::new(), spread, rng, path }
    }

    /// When the first interval begins. `next` gives the next count in the order of time, and its line.
    pub(super) fn begin(
        &mut self,
        next: &mut dyn FnMut() -> Result<Option<(Record, u64)>, DemandError>,
    ) -> Result<Option<i64>, DemandError> {
        self.ahead = next()?;
        Ok(self.ahead.map(|(record, _)| record.at))
    }

    /// The next arrival.
    pub(super) fn next(
        &mut self,
        next: &mut dyn FnMut() -> Result<Option<(Record, u64)>, DemandError>,
    ) -> Result<Option<Record>, DemandError> {
        while self.arrivals.is_empty() {
            let Some((first, line)) = self.ahead.take() else {
                return Ok(None);
            };
            self.fill(first, line, next)?;
        }
        Ok(self.arrivals.pop().map(|(at, key)| Record { at, key, lifetime: None, count: 1 }))
    }

    /// Spreads the interval that begins with this count.
    fn fill(
        &mut self,
        first: Record,
        line: u64,
        next: &mut dyn FnMut() -> Result<Option<(Record, u64)>, DemandError>,
    ) -> Result<(), DemandError> {
        let fault = |message: String, remedy: &str| DemandError::Row {
            path: self.path.clone(),
            line,
            message,
            remedy: remedy.to_owned(),
        };
        let mut counts = Vec::new();
        let mut total = 0;
        let mut row = Some((first, line));
        while let Some((record, _)) = row.filter(|(record, _)| record.at == first.at) {
            let count = u64::from(record.count);
            total += count;
            counts.push(Count { key: record.key, count });
            if total > ARRIVALS_MAX {
                let message = format!("an interval has more than {ARRIVALS_MAX} requests");
                return Err(fault(message, "split it: an interval is held in memory"));
            }
            row = next()?;
        }
        self.ahead = row;
        let until_next = self.ahead.map(|(next, _)| next.at.abs_diff(first.at));
        let Some(length) = self.length.or(until_next).or(self.before) else {
            let message = "nothing says how long the only interval of this trace is".to_owned();
            return Err(fault(message, "give `interval = \"1m\"` in [demand]"));
        };
        if until_next.is_some_and(|next| next < length) {
            let message = "the next interval begins before this one ends".to_owned();
            return Err(fault(message, "check `interval` in [demand], or leave it out"));
        }
        self.before = Some(length);
        self.arrivals = match self.spread {
            Spread::Even => even(&counts, total, length),
            Spread::Poisson => self.bursts(&counts, 1, length),
            Spread::BurstsOf(size) => self.bursts(&counts, u64::from(size.max(1)), length),
        };
        self.arrivals.iter_mut().for_each(|(at, _)| *at = at.saturating_add(first.at));
        self.arrivals.sort_by(|one, other| other.cmp(one));
        Ok(())
    }

    /// Bursts of so many with one key at instants drawn evenly from the interval, as those of a Poisson
    /// process are when their number is given.
    fn bursts(&mut self, counts: &[Count], size: u64, length: u64) -> Vec<(i64, Option<u32>)> {
        let mut arrivals = Vec::new();
        for Count { key, count } in counts {
            let mut left = *count;
            while left > 0 {
                let at = signed(self.rng.below(length));
                let burst = left.min(size);
                arrivals.extend((0..burst).map(|_| (at, *key)));
                left -= burst;
            }
        }
        arrivals
    }
}

fn signed(nanos: u64) -> i64 {
    i64::try_from(nanos).unwrap_or(i64::MAX)
}

/// All arrivals as far from each other as the interval allows, and those with one key spread among the
/// others.
fn even(counts: &[Count], total: u64, length: u64) -> Vec<(i64, Option<u32>)> {
    let part = |part: u64, of: u64| (u128::from(length) * u128::from(part) / u128::from(of.max(1))) as u64;
    let mut order: Vec<(u64, Option<u32>)> = Vec::new();
    for Count { key, count } in counts {
        order.extend((0..*count).map(|index| (part(2 * index + 1, 2 * count), *key)));
    }
    order.sort_unstable();
    order.iter().zip(0..).map(|((_, key), index)| (signed(part(index, total)), *key)).collect()
}
