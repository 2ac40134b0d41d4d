//! Gates on a part of a run: which part, and the books of it while the run goes on. There are none for a run
//! without such gates.

use std::collections::BTreeMap;
use std::fmt;

use actors::{Cause, Outcome, Time};

use crate::integral::Integral;
use crate::latency::{Exact, over_all};
use crate::outcomes::{PerOutcome, is_miss};
use crate::summary::{LatencyFigures, LatencyNs, Summary};

/// Which part of a run a gate judges; by default all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Where.
    pub place: Place,
    /// Only what happens from then on; of requests, those that arrive from then on.
    pub from: Option<Time>,
    /// Only what happens before then.
    pub to: Option<Time>,
    /// Only requests that ended so.
    pub outcome: Option<Outcome>,
    /// Only requests that missed because of this, or ended as they did because of it.
    pub cause: Option<Cause>,
}

/// Where in the fleet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// Everywhere.
    #[default]
    Fleet,
    /// In one region.
    Region {
        /// Its index.
        index: usize,
        /// Its name.
        name: String,
    },
    /// On one worker.
    Worker(u32),
    /// In the region that is worst.
    WorstRegion,
    /// On the worker that is worst.
    WorstWorker,
}

impl Scope {
    /// Whether it is the whole run.
    pub fn is_all(&self) -> bool {
        *self == Self::default()
    }

    fn window(&self) -> (u64, u64) {
        (self.from.map_or(0, Time::as_nanos), self.to.map_or(u64::MAX, Time::as_nanos))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |time: Time| crate::format::seconds(time.as_secs_f64());
        match &self.place {
            Place::Fleet => {}
            Place::Region { name, .. } => write!(f, ", region {name}")?,
            Place::Worker(worker) => write!(f, ", worker {worker}")?,
            Place::WorstRegion => f.write_str(", worst region")?,
            Place::WorstWorker => f.write_str(", worst worker")?,
        }
        match (self.from, self.to) {
            (Some(from), Some(to)) => write!(f, ", {} to {}", seconds(from), seconds(to))?,
            (Some(from), None) => write!(f, ", from {}", seconds(from))?,
            (None, Some(to)) => write!(f, ", until {}", seconds(to))?,
            (None, None) => {}
        }
        if let Some(outcome) = self.outcome {
            write!(f, ", {}", outcome.name())?;
        }
        match self.cause {
            Some(cause) => write!(f, ", {}", cause.name()),
            None => Ok(()),
        }
    }
}

/// The books of all scopes of a run.
pub(crate) struct Scopes {
    pub(crate) all: Vec<ScopeBooks>,
    /// Where each request arrived that has not ended: it may end with a neighbour.
    arrived_at: BTreeMap<u64, u32>,
}

/// How a request ended.
pub(crate) struct RequestEnd {
    pub(crate) id: u64,
    pub(crate) outcome: Outcome,
    /// Why it missed, and why it ended so.
    pub(crate) causes: [Option<Cause>; 2],
}

/// The books of one scope: of one part, or of each region or worker.
pub(crate) struct ScopeBooks {
    scope: Scope,
    from: u64,
    to: u64,
    pub(crate) parts: Vec<Part>,
    /// The part of each worker.
    part_of: Vec<Option<usize>>,
    is_open: bool,
}

/// A part of the fleet, within the scope's window.
#[derive(Default)]
pub(crate) struct Part {
    workers: u64,
    /// Requests that ended, whatever the outcome asked for: what shares are taken of.
    requests: u64,
    outcomes: [u64; 8],
    latencies: [Distribution; 8],
    ready: Integral,
    least: u64,
    empty: Integral,
    boots: u64,
    ready_ns: u128,
    empty_ns: u128,
    length: u64,
    begun: u64,
}

/// Counts of latencies, to three significant digits. Memory grows with how many differ, not with their range.
#[derive(Default)]
struct Distribution {
    counts: BTreeMap<u64, u64>,
    exact: Exact,
}

impl Distribution {
    /// The largest value that counts as this one: its upper eleven bits decide.
    fn rounded(ns: u64) -> u64 {
        let lower = (u64::BITS - ns.leading_zeros()).saturating_sub(11);
        ns | ((1 << lower) - 1)
    }

    fn record(&mut self, ns: u64) {
        self.exact.record(ns);
        *self.counts.entry(Self::rounded(ns)).or_default() += 1;
    }

    fn add(&mut self, other: &Self) {
        self.exact = self.exact.merged(other.exact);
        for (value, count) in &other.counts {
            *self.counts.entry(*value).or_default() += count;
        }
    }

    /// The value of this rank, from one.
    fn at_rank(&self, rank: u64) -> u64 {
        let mut seen = 0;
        let found = self.counts.iter().find(|(_, count)| {
            seen += **count;
            seen >= rank
        });
        found.map_or(self.exact.max, |(value, _)| (*value).clamp(self.exact.min, self.exact.max))
    }

    fn figures(&self) -> LatencyFigures {
        if self.exact.count == 0 {
            return LatencyFigures::default();
        }
        let at = |quantile: f64| self.at_rank(((quantile * self.exact.count as f64).ceil() as u64).max(1));
        LatencyFigures {
            count: self.exact.count,
            min: self.exact.min,
            mean: self.exact.mean(),
            p50: at(0.5),
            p90: at(0.9),
            p95: at(0.95),
            p99: at(0.99),
            p999: at(0.999),
            max: self.exact.max,
        }
    }
}

impl Scopes {
    /// The books of these scopes, for workers in these regions.
    pub(crate) fn new<'a>(scopes: impl Iterator<Item = &'a Scope>, regions: &[usize]) -> Self {
        let all = scopes.map(|scope| ScopeBooks::new(scope.clone(), regions)).collect();
        Self { all, arrived_at: BTreeMap::new() }
    }

    /// Whether there are none, so that nothing has to be told.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// When windows begin and end.
    pub(crate) fn edges(&self) -> impl Iterator<Item = u64> {
        self.all.iter().flat_map(|books| [books.from, books.to])
    }

    /// A window may begin or end at `t`; `counted_from` is when counting begins.
    pub(crate) fn reach(&mut self, t: u64, counted_from: u64) {
        for books in &mut self.all {
            let from = books.from.max(counted_from);
            if t == from && t < books.to {
                books.is_open = true;
                books.parts.iter_mut().for_each(|part| part.begin(t));
            }
            if books.is_open && t >= books.to {
                books.close(t);
            }
        }
    }

    /// A request arrived here.
    pub(crate) fn arrived(&mut self, worker: u32, id: u64) {
        self.arrived_at.insert(id, worker);
    }

    /// A request that arrived then has ended, here or at a neighbour of where it arrived.
    pub(crate) fn ended(&mut self, worker: u32, arrived: u64, latency: u64, end: &RequestEnd) {
        let RequestEnd { id, outcome, causes } = *end;
        let worker = self.arrived_at.remove(&id).unwrap_or(worker);
        for books in &mut self.all {
            if !(books.from..books.to).contains(&arrived) {
                continue;
            }
            let wanted = books.scope.outcome.is_none_or(|wanted| wanted == outcome)
                && books.scope.cause.is_none_or(|wanted| causes.contains(&Some(wanted)));
            let Some(part) = books.part(worker) else { continue };
            part.requests += 1;
            if wanted {
                part.outcomes[outcome as usize] += 1;
                part.latencies[outcome as usize].record(latency);
            }
        }
    }

    /// A worker has one more ready Sprite, or one less.
    pub(crate) fn ready(&mut self, t: u64, worker: u32, by: i64) {
        for books in &mut self.all {
            let is_open = books.is_open;
            let Some(part) = books.part(worker) else { continue };
            part.ready.change(t, by);
            if is_open {
                part.least = part.least.min(part.ready.count());
            }
        }
    }

    /// A worker's pool becomes empty (1), or no longer is (-1).
    pub(crate) fn empty(&mut self, t: u64, worker: u32, by: i64) {
        for part in self.all.iter_mut().filter_map(|books| books.part(worker)) {
            part.empty.change(t, by);
        }
    }

    /// A boot has begun on a worker.
    pub(crate) fn boots(&mut self, worker: u32) {
        for books in self.all.iter_mut().filter(|books| books.is_open) {
            if let Some(part) = books.part(worker) {
                part.boots += 1;
            }
        }
    }

    /// The run ends.
    pub(crate) fn finish(&mut self, t: u64) {
        self.all.iter_mut().filter(|books| books.is_open).for_each(|books| books.close(t));
    }
}

impl ScopeBooks {
    fn new(scope: Scope, regions: &[usize]) -> Self {
        let part = |(worker, region): (usize, &usize)| match &scope.place {
            Place::Fleet => Some(0),
            Place::Region { index, .. } => (index == region).then_some(0),
            Place::Worker(one) => (*one as usize == worker).then_some(0),
            Place::WorstRegion => Some(*region),
            Place::WorstWorker => Some(worker),
        };
        let part_of: Vec<Option<usize>> = regions.iter().enumerate().map(part).collect();
        let count = part_of.iter().flatten().max().map_or(1, |most| most + 1);
        let mut parts: Vec<Part> = (0..count).map(|_| Part::default()).collect();
        for part in part_of.iter().flatten() {
            parts[*part].workers += 1;
        }
        let (from, to) = scope.window();
        Self { scope, from, to, parts, part_of, is_open: false }
    }

    fn part(&mut self, worker: u32) -> Option<&mut Part> {
        let part = *self.part_of.get(worker as usize)?;
        self.parts.get_mut(part?)
    }

    fn close(&mut self, t: u64) {
        self.is_open = false;
        self.parts.iter_mut().for_each(|part| part.close(t));
    }

    /// The workers of a part.
    pub(crate) fn workers_of(&self, part: usize) -> impl Iterator<Item = usize> {
        let is_in = move |(_, of): &(usize, &Option<usize>)| **of == Some(part);
        self.part_of.iter().enumerate().filter(is_in).map(|(worker, _)| worker)
    }
}

impl Part {
    fn begin(&mut self, t: u64) {
        self.ready.settle(t);
        self.empty.settle(t);
        self.least = self.ready.count();
        self.begun = t;
    }

    fn close(&mut self, t: u64) {
        self.ready_ns = u128::from(self.ready.settle(t));
        self.empty_ns = u128::from(self.empty.settle(t));
        self.length = t - self.begun;
    }

    /// How many requests shares are taken of.
    pub(crate) fn requests(&self) -> u64 {
        self.requests
    }

    /// The figures of a run that was only this part. What is not known of a part is as in the whole run.
    pub(crate) fn summary(&self, whole: &Summary, workers: impl Iterator<Item = usize>) -> Summary {
        let mut summary = whole.clone();
        summary.outcomes = PerOutcome::from_fn(|outcome| self.outcomes[outcome as usize]);
        summary.requests = self.outcomes.iter().sum();
        summary.misses =
            summary.outcomes.iter().filter(|(outcome, _)| is_miss(*outcome)).map(|(_, count)| count).sum();
        let mut served = Distribution::default();
        for outcome in Outcome::ALL.into_iter().filter(|outcome| outcome.is_served()) {
            served.add(&self.latencies[outcome as usize]);
        }
        let figures = served.figures();
        summary.latency_ns = LatencyNs {
            all: over_all(&figures, summary.outcomes.unserved(), |rank| served.at_rank(rank)),
            served: figures,
            by_outcome: PerOutcome::from_fn(|outcome| {
                let part = &self.latencies[outcome as usize];
                (part.exact.count > 0).then(|| part.figures())
            }),
        };
        let (length, empty) = (self.length as f64, self.empty_ns as f64);
        let mean = |integral: f64| if length > 0.0 { integral / length } else { 0.0 };
        summary.duration_s = length / 1e9;
        summary.pool.ready_mean = mean(self.ready_ns as f64);
        summary.pool.ready_least = self.least;
        summary.pool.idle_vm_seconds = self.ready_ns as f64 / 1e9;
        summary.boots.begun = self.boots;
        if !summary.pool.per_tenant {
            summary.pool.empty_seconds = Some(empty / 1e9);
            summary.pool.empty_share = Some(mean(empty) / self.workers.max(1) as f64);
        }
        if let Some(recovery) = &mut summary.recovery {
            let own = workers.map(|worker| whole.workers[worker].recovery_s);
            recovery.seconds = own.reduce(|a, b| Some(a?.max(b?))).unwrap_or(Some(0.0));
        }
        summary
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distribution_is_right_to_three_digits() {
        let mut distribution = Distribution::default();
        (1..=100_000_u64).for_each(|n| distribution.record(n * 10));
        let figures = distribution.figures();
        assert_eq!(
            (figures.count, figures.min, figures.max, figures.mean),
            (100_000, 10, 1_000_000, 500_005.0)
        );
        for (value, expected) in
            [(figures.p50, 500_000.0), (figures.p95, 950_000.0), (figures.p999, 999_000.0)]
        {
            assert!((value as f64 / expected - 1.0).abs() < 1e-3, "{value} is not {expected}");
        }
        assert!(distribution.counts.len() < 12_000);
        assert_eq!(
            (Distribution::rounded(2_047), Distribution::rounded(2_048), Distribution::rounded(0)),
            (2_047, 2_049, 0)
        );
    }
}
