//! Latencies: one HDR histogram per outcome over the run, and per interval for the `.hlog`.
//!
//! While a run is recorded a latency goes into one histogram only, that of the open interval; totals are
//! added up when an interval closes. Closed intervals are kept encoded (a few kilobytes), and are merged when
//! they become too many, so that memory does not grow with requests or time.

use actors::Outcome;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2Serializer};

use crate::ladder;
use crate::outcomes::PerOutcome;
use crate::summary::{AllLatencies, LatencyFigures};

/// The longest latency that is told apart, in nanoseconds: one hour. Longer ones count as this long.
pub const LONGEST_NS: u64 = 3_600_000_000_000;
/// Significant decimal digits of a latency.
pub const DIGITS: u8 = 3;
/// At most so many intervals are kept.
pub const INTERVALS: usize = 200;

/// An empty histogram of the project's range: 1 ns to 1 h, three digits.
pub fn histogram<T: hdrhistogram::Counter>() -> Histogram<T> {
    Histogram::new_with_bounds(1, LONGEST_NS, DIGITS).expect("1 ns to 1 h with three digits is a valid range")
}

/// The latencies of a run, warm-up not included.
#[derive(Clone, Debug, Default)]
pub struct Latencies {
    /// Over the run, for each outcome that any request had: a histogram is a quarter of a megabyte.
    pub totals: PerOutcome<Option<Histogram<u64>>>,
    /// In the order of time.
    pub intervals: Vec<Interval>,
}

/// The latencies of the requests that ended within one interval.
#[derive(Clone, Debug, PartialEq)]
pub struct Interval {
    /// When it began, in nanoseconds since the opening.
    pub from_ns: u64,
    /// How long it was, in nanoseconds.
    pub length_ns: u64,
    /// The histograms that are not empty, in HdrHistogram's V2 encoding.
    pub parts: Vec<(Outcome, Vec<u8>)>,
}

impl Latencies {
    /// Each outcome that any request had, with its latencies.
    pub fn outcomes(&self) -> impl Iterator<Item = (Outcome, &Histogram<u64>)> {
        self.totals.iter().filter_map(|(outcome, part)| Some((outcome, part.as_ref()?)))
    }

    /// All requests that got a Sprite.
    pub fn served(&self) -> Histogram<u64> {
        let mut all = histogram();
        for (_, part) in self.outcomes().filter(|(outcome, _)| outcome.is_served()) {
            all += part;
        }
        all
    }

    /// Adds latencies of this outcome.
    pub(crate) fn add(&mut self, outcome: Outcome, part: &Histogram<u64>) {
        match self.totals.get_mut(outcome) {
            Some(total) => *total += part,
            none => *none = Some(part.clone()),
        }
    }
}

/// The latency of the request of this rank, counted from one.
pub(crate) fn at_rank(histogram: &Histogram<u64>, rank: u64) -> u64 {
    // Half a request less, so that no rounding makes it the next one.
    histogram.value_at_quantile((rank as f64 - 0.5) / histogram.len().max(1) as f64)
}

/// Encodes a histogram for keeping.
pub(crate) fn encode<T: hdrhistogram::Counter>(histogram: &Histogram<T>) -> Vec<u8> {
    let mut bytes = Vec::new();
    V2Serializer::new()
        .serialize(histogram, &mut bytes)
        .expect("a histogram of the project's range encodes to memory");
    bytes
}

/// Decodes what [`encode`] made.
pub(crate) fn decode(bytes: &[u8]) -> Histogram<u64> {
    Deserializer::new().deserialize(&mut &bytes[..]).expect("only what was encoded here is decoded")
}

/// Least, largest and sum, exactly: histograms know them to three digits only.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exact {
    pub(crate) count: u64,
    pub(crate) min: u64,
    pub(crate) max: u64,
    pub(crate) sum: u128,
}

impl Default for Exact {
    fn default() -> Self {
        Self { count: 0, min: u64::MAX, max: 0, sum: 0 }
    }
}

impl Exact {
    #[inline]
    pub(crate) fn record(&mut self, ns: u64) {
        self.count += 1;
        self.min = self.min.min(ns);
        self.max = self.max.max(ns);
        self.sum += u128::from(ns);
    }

    /// The mean; zero of none.
    pub(crate) fn mean(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.sum as f64 / self.count as f64 }
    }

    /// Both together.
    pub(crate) fn merged(self, other: Self) -> Self {
        Self {
            count: self.count + other.count,
            min: self.min.min(other.min),
            max: self.max.max(other.max),
            sum: self.sum + other.sum,
        }
    }

    /// The figures of this histogram, made exact where that is possible.
    pub(crate) fn figures(self, histogram: &Histogram<u64>) -> LatencyFigures {
        if self.count == 0 {
            return LatencyFigures::default();
        }
        let at = |quantile: f64| histogram.value_at_quantile(quantile).clamp(self.min, self.max);
        LatencyFigures {
            count: self.count,
            min: self.min,
            mean: self.mean(),
            p50: at(0.5),
            p90: at(0.9),
            p95: at(0.95),
            p99: at(0.99),
            p999: at(0.999),
            max: self.max,
        }
    }
}

/// The figures over all requests, where so many were not served; `at_rank` gives the latency of the served
/// request of a rank, counted from one.
pub(crate) fn over_all(served: &LatencyFigures, unserved: u64, at_rank: impl Fn(u64) -> u64) -> AllLatencies {
    let count = served.count + unserved;
    // Those that were not served come last.
    let at = |quantile: f64| {
        let rank = ((quantile * count as f64).ceil() as u64).max(1);
        (rank <= served.count).then(|| at_rank(rank).clamp(served.min, served.max))
    };
    AllLatencies {
        count,
        min: (served.count > 0).then_some(served.min),
        mean: (unserved == 0 && count > 0).then_some(served.mean),
        p50: at(0.5),
        p90: at(0.9),
        p95: at(0.95),
        p99: at(0.99),
        p999: at(0.999),
        max: (unserved == 0 && count > 0).then_some(served.max),
    }
}

/// The latencies of a run that goes on.
pub(crate) struct LatencyRecorder {
    /// Of the open interval, for each outcome that there ever was.
    live: [Option<Histogram<u64>>; 8],
    pub(crate) exact: [Exact; 8],
    latencies: Latencies,
    width: u64,
    start: u64,
    end: u64,
    empty: bool,
}

impl LatencyRecorder {
    pub(crate) fn new(planned_ns: Option<u64>) -> Self {
        let width = ladder::first_width(planned_ns, INTERVALS);
        Self {
            live: [const { None }; 8],
            exact: [Exact::default(); 8],
            latencies: Latencies::default(),
            width,
            start: 0,
            end: width,
            empty: true,
        }
    }

    /// A request ended after this latency.
    #[inline]
    pub(crate) fn record(&mut self, outcome: Outcome, ns: u64) {
        let index = outcome as usize;
        self.live[index].get_or_insert_with(histogram).saturating_record(ns);
        self.exact[index].record(ns);
        self.empty = false;
    }

    /// When the open interval ends.
    pub(crate) fn due(&self) -> u64 {
        self.end
    }

    /// Makes the intervals wide enough for time `t`.
    pub(crate) fn fit(&mut self, t: u64) {
        while t / self.width >= INTERVALS as u64 {
            self.width = ladder::wider(self.width);
            self.merge();
        }
        let start = self.start / self.width * self.width;
        (self.start, self.end) = (start, start + self.width);
    }

    /// The open interval ends at `t`, and the next begins.
    pub(crate) fn close(&mut self, t: u64) {
        if !self.empty {
            let mut parts = Vec::new();
            for (outcome, live) in Outcome::ALL.into_iter().zip(&mut self.live) {
                if let Some(live) = live.as_mut().filter(|live| !live.is_empty()) {
                    self.latencies.add(outcome, live);
                    parts.push((outcome, encode(live)));
                    live.reset();
                }
            }
            let from_ns = self.start;
            self.latencies.intervals.push(Interval { from_ns, length_ns: t - from_ns, parts });
            self.merge();
            self.empty = true;
        }
        self.start = t;
        self.end = (t / self.width + 1) * self.width;
    }

    /// Joins neighbours that lie within one width.
    fn merge(&mut self) {
        let mut merged: Vec<Interval> = Vec::with_capacity(INTERVALS);
        for next in self.latencies.intervals.drain(..) {
            match merged.last_mut() {
                Some(last) if last.from_ns / self.width == next.from_ns / self.width => join(last, next),
                _ => merged.push(Interval { from_ns: next.from_ns / self.width * self.width, ..next }),
            }
        }
        for interval in &mut merged {
            interval.length_ns =
                interval.length_ns.max(self.width.min(self.start.saturating_sub(interval.from_ns)));
        }
        self.latencies.intervals = merged;
    }

    pub(crate) fn finish(mut self, t: u64) -> (Latencies, [Exact; 8]) {
        self.close(t.max(self.start));
        (self.latencies, self.exact)
    }
}

/// Adds a later interval to an earlier one.
fn join(last: &mut Interval, next: Interval) {
    last.length_ns = next.from_ns + next.length_ns - last.from_ns;
    for (outcome, bytes) in next.parts {
        match last.parts.iter_mut().find(|(known, _)| *known == outcome) {
            Some((_, known)) => {
                let mut sum = decode(known);
                sum += decode(&bytes);
                *known = encode(&sum);
            }
            None => last.parts.push((outcome, bytes)),
        }
    }
    last.parts.sort_by_key(|(outcome, _)| *outcome);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_exact_at_the_ends_and_right_to_three_digits_between() {
        let mut recorder = LatencyRecorder::new(None);
        for ns in 1..=100_000 {
            recorder.record(Outcome::Warm, ns * 10);
        }
        let (latencies, exact) = recorder.finish(5);
        let figures = exact[0].figures(&latencies.totals.warm.unwrap());
        assert_eq!((figures.count, figures.min, figures.max), (100_000, 10, 1_000_000));
        assert_eq!(figures.mean, 500_005.0);
        for (value, expected) in
            [(figures.p50, 500_000.0), (figures.p99, 990_000.0), (figures.p999, 999_000.0)]
        {
            assert!((value as f64 / expected - 1.0).abs() < 1e-3, "{value} is not {expected}");
        }
    }

    #[test]
    fn who_was_not_served_comes_last() {
        let mut recorder = LatencyRecorder::new(None);
        (1..=98).for_each(|ns| recorder.record(Outcome::Warm, ns));
        let (latencies, exact) = recorder.finish(5);
        let histogram = latencies.served();
        let served = exact[0].figures(&histogram);
        let all = over_all(&served, 2, |rank| at_rank(&histogram, rank));
        assert_eq!((all.count, all.p50, all.p95, all.p99, all.max), (100, Some(50), Some(95), None, None));
        assert_eq!((all.min, all.mean, served.p99), (Some(1), None, 98));
        let all = over_all(&served, 0, |rank| at_rank(&histogram, rank));
        assert_eq!((all.count, all.p50, all.p99, all.max), (98, Some(49), Some(98), Some(98)));
        assert_eq!(over_all(&LatencyFigures::default(), 0, |_| 0), AllLatencies::default());
        let nobody = over_all(&LatencyFigures::default(), 3, |_| 0);
        assert_eq!((nobody.count, nobody.min, nobody.p50), (3, None, None));
    }

    #[test]
    fn longer_than_an_hour_counts_as_an_hour_in_the_histogram() {
        let mut recorder = LatencyRecorder::new(None);
        recorder.record(Outcome::Created, u64::MAX);
        let (latencies, exact) = recorder.finish(1);
        assert_eq!(latencies.totals.created.unwrap().len(), 1);
        assert_eq!(exact[Outcome::Created as usize].max, u64::MAX);
    }

    #[test]
    fn intervals_stay_few_and_lose_nothing() {
        let mut recorder = LatencyRecorder::new(None);
        let mut t = 0;
        for n in 0..5_000_u64 {
            t += 7_000_000;
            recorder.fit(t);
            while recorder.due() <= t {
                recorder.close(recorder.due());
            }
            recorder.record(if n % 3 == 0 { Outcome::Waited } else { Outcome::Warm }, n + 1);
        }
        let (latencies, _) = recorder.finish(t);
        assert!(latencies.intervals.len() <= INTERVALS + 1, "{}", latencies.intervals.len());
        let kept: u64 =
            latencies.intervals.iter().flat_map(|i| &i.parts).map(|(_, bytes)| decode(bytes).len()).sum();
        assert_eq!(kept, 5_000);
        assert_eq!(latencies.served().len(), 5_000);
        for pair in latencies.intervals.windows(2) {
            assert!(pair[0].from_ns + pair[0].length_ns <= pair[1].from_ns, "{pair:?}");
        }
    }
}
