//! When pools were empty, to the nanosecond: for sentences and for shading.

use serde::{Deserialize, Serialize};

/// At most so many periods are kept apart. Beyond that those with the shortest pauses between them are told
/// as one.
const MOST: usize = 200;

/// A period in which at least one worker's pool was empty. Periods with short pauses between them may be told
/// as one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EmptyPeriod {
    /// When it began, in seconds since the opening.
    pub from_s: f64,
    /// When it ended.
    pub to_s: f64,
    /// The largest number of workers whose pools were empty at once.
    pub workers: u64,
    /// How long pools were empty in it, summed over workers.
    pub empty_seconds: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Period {
    from: u64,
    to: u64,
    workers: u64,
    empty_ns: u128,
}

/// The empty periods of a run that goes on.
#[derive(Debug, Default)]
pub(crate) struct EmptyPeriods {
    ended: Vec<Period>,
    /// Pauses up to this long are no longer told apart.
    joined_ns: u64,
    /// The workers whose pools are empty now.
    empty: u64,
    /// The period that goes on, told up to its `to`.
    open: Option<Period>,
}

impl EmptyPeriods {
    /// One more worker's pool is empty.
    pub(crate) fn rises(&mut self, t: u64) {
        self.settle(t);
        self.empty += 1;
        let open = self.open.get_or_insert(Period { from: t, to: t, workers: 0, empty_ns: 0 });
        open.workers = open.workers.max(self.empty);
    }

    /// One less is.
    pub(crate) fn falls(&mut self, t: u64) {
        self.settle(t);
        self.empty = self.empty.saturating_sub(1);
        if self.empty == 0
            && let Some(period) = self.open.take()
        {
            self.push(period);
        }
    }

    /// What was before is forgotten.
    pub(crate) fn begin(&mut self, t: u64) {
        self.ended.clear();
        self.open = (self.empty > 0).then_some(Period { from: t, to: t, workers: self.empty, empty_ns: 0 });
    }

    fn settle(&mut self, t: u64) {
        if let Some(open) = &mut self.open {
            open.empty_ns += u128::from(t - open.to) * u128::from(self.empty);
            open.to = t;
        }
    }

    fn push(&mut self, period: Period) {
        // One that was shorter than anything that is told is not told.
        if period.to > period.from {
            join_or_push(&mut self.ended, period, self.joined_ns);
        }
        while self.ended.len() > MOST {
            self.joined_ns = (self.joined_ns * 2).max(1_000_000);
            for period in std::mem::take(&mut self.ended) {
                join_or_push(&mut self.ended, period, self.joined_ns);
            }
        }
    }

    /// All of them, up to the end of the run.
    pub(crate) fn finish(mut self, end: u64) -> Vec<EmptyPeriod> {
        self.settle(end);
        if let Some(period) = self.open.take() {
            self.push(period);
        }
        let seconds = |ns: u64| ns as f64 / 1e9;
        let told = self.ended.iter().map(|period| EmptyPeriod {
            from_s: seconds(period.from),
            to_s: seconds(period.to),
            workers: period.workers,
            empty_seconds: period.empty_ns as f64 / 1e9,
        });
        told.collect()
    }
}

fn join_or_push(periods: &mut Vec<Period>, next: Period, joined_ns: u64) {
    match periods.last_mut() {
        Some(last) if next.from - last.to <= joined_ns => {
            last.to = next.to;
            last.workers = last.workers.max(next.workers);
            last.empty_ns += next.empty_ns;
        }
        _ => periods.push(next),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_lasts_as_long_as_any_pool_is_empty() {
        let mut periods = EmptyPeriods::default();
        periods.rises(2_000_000_000);
        periods.rises(3_000_000_000);
        periods.falls(4_000_000_000);
        periods.falls(4_500_000_000);
        periods.rises(6_000_000_000);
        let told = periods.finish(6_250_000_000);
        let period =
            |from_s, to_s, workers, empty_seconds| EmptyPeriod { from_s, to_s, workers, empty_seconds };
        assert_eq!(told, [period(2.0, 4.5, 2, 3.5), period(6.0, 6.25, 1, 0.25)]);
    }

    #[test]
    fn counting_begins_within_a_period() {
        let mut periods = EmptyPeriods::default();
        periods.rises(0);
        periods.begin(1_000_000_000);
        periods.falls(3_000_000_000);
        let told = periods.finish(9_000_000_000);
        assert_eq!(told, [EmptyPeriod { from_s: 1.0, to_s: 3.0, workers: 1, empty_seconds: 2.0 }]);
    }

    #[test]
    fn many_periods_become_few_and_no_time_is_lost() {
        let mut periods = EmptyPeriods::default();
        for n in 0..10_000_u64 {
            periods.rises(n * 10_000_000);
            periods.falls(n * 10_000_000 + 1_000_000 + n % 7);
        }
        let told = periods.finish(200_000_000_000);
        let sum: f64 = told.iter().map(|period| period.empty_seconds).sum();
        assert!(told.len() <= MOST && (sum - 10.0).abs() < 0.001, "{} {sum}", told.len());
    }
}
