//! Why requests were not warm and pools were empty: what the actors say of each, added up by cause and over
//! time.

use std::collections::VecDeque;

use actors::{Cause, Outcome};
use serde::{Deserialize, Serialize};

use crate::integral::Integral;

const CAUSES: usize = Cause::ALL.len();

/// Of so many of the last times that a worker's pool was empty it is known how many missed: a request ends
/// long after.
const SPELLS: usize = 64;

/// What one cause came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CauseFigures {
    /// The cause.
    #[schemars(schema_with = "cause_schema")]
    pub cause: Cause,
    /// Requests that missed because of it, whatever became of them.
    pub misses: u64,
    /// Requests that were rejected because of it in the end.
    pub rejected: u64,
    /// Requests that failed because of it in the end.
    pub failed: u64,
    /// Seconds that pools were empty because of it, summed over workers; null where pools are per tenant.
    pub empty_seconds: Option<f64>,
    /// When the first of all this was, in seconds since the opening.
    pub from_s: f64,
    /// When the last of it was.
    pub to_s: f64,
    /// On how many workers.
    pub workers: u64,
    /// The most requests that missed because of it within one boot time while the pool of one worker was
    /// empty; those that a neighbour served are not known. Null where pools are per tenant.
    pub short_most: Option<u64>,
    /// Misses by the time of their arrival, in bins as wide as those of the workers' strips.
    pub misses_over_time: Vec<u64>,
    /// Seconds that pools were empty, in the same bins.
    pub empty_over_time: Vec<f64>,
}

/// The names of causes, as summary.json has them.
pub(crate) fn cause_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "string", "enum": Cause::ALL.map(Cause::name) })
}

/// The books of one cause.
#[derive(Clone, Debug, Default)]
struct Sum {
    /// How many workers' pools are empty because of it now.
    empty: Integral,
    misses: u64,
    rejected: u64,
    failed: u64,
    empty_ns: u128,
    short_most: u64,
    /// The first and the last moment at which it was in force.
    span: Option<(u64, u64)>,
    /// By bin: misses, and time that pools were empty.
    bins: Vec<(u64, u64)>,
}

/// A cause in a set of them.
fn bit(cause: Cause) -> u16 {
    1 << cause as usize
}

/// The books of all causes of a run that goes on.
pub(crate) struct CauseBooks {
    sums: [Sum; CAUSES],
    /// What each worker's pool was said to be empty for, and what of that is in force.
    said: Vec<Option<Cause>>,
    in_force: Vec<Option<Cause>>,
    /// The causes that each worker has met, a bit each.
    met: Vec<u16>,
    /// The last times that each worker's pool became empty, each cut into boot times.
    spells: Vec<Spells>,
    width: u64,
}

/// The last times that a worker's pool became empty.
#[derive(Clone, Debug, Default)]
struct Spells {
    /// When, and how long a boot took on average until then.
    begun: VecDeque<(u64, u64)>,
    /// By the boot time that begins then: how many missed by each cause.
    missed: VecDeque<(u64, [u32; CAUSES])>,
}

impl Spells {
    fn begin(&mut self, t: u64, boot_ns: u64) {
        self.begun.truncate(SPELLS - 1);
        self.begun.push_front((t, boot_ns.max(1)));
    }

    /// One that arrived then has missed; how many have because of this within the same boot time.
    fn miss(&mut self, arrived: u64, cause: Cause) -> u64 {
        let Some((begun, boot_ns)) = self.begun.iter().find(|(begun, _)| *begun <= arrived) else { return 0 };
        let from = arrived - (arrived - begun) % boot_ns;
        let index = self.missed.iter().position(|(known, _)| *known == from).unwrap_or_else(|| {
            self.missed.truncate(SPELLS - 1);
            self.missed.push_front((from, [0; CAUSES]));
            0
        });
        let count = &mut self.missed[index].1[cause as usize];
        *count += 1;
        u64::from(*count)
    }
}

impl Sum {
    fn touch(&mut self, t: u64) {
        let (from, to) = self.span.unwrap_or((t, t));
        self.span = Some((from.min(t), to.max(t)));
    }

    fn bin(&mut self, index: usize) -> &mut (u64, u64) {
        if self.bins.len() <= index {
            self.bins.resize(index + 1, (0, 0));
        }
        &mut self.bins[index]
    }
}

impl CauseBooks {
    /// For so many workers, in bins as wide as those of their strips.
    pub(crate) fn new(workers: usize, width: u64) -> Self {
        Self {
            sums: std::array::from_fn(|_| Sum::default()),
            said: vec![None; workers],
            in_force: vec![None; workers],
            met: vec![0; workers],
            spells: vec![Spells::default(); workers],
            width,
        }
    }

    /// A worker's pool is said to be empty for this reason from now on, or not to be. A boot took so long on
    /// average until now.
    pub(crate) fn says(
        &mut self,
        t: u64,
        worker: usize,
        (cause, is_empty): (Option<Cause>, bool),
        boot_ns: u64,
    ) {
        if let Some(said) = self.said.get_mut(worker) {
            if said.is_none() && cause.is_some() {
                self.spells[worker].begin(t, boot_ns);
            }
            *said = cause;
            self.turns(t, worker, is_empty);
        }
    }

    /// A worker's pool may have become empty, or not to be: one that aims for nothing is not, whatever is
    /// said of it.
    pub(crate) fn turns(&mut self, t: u64, worker: usize, is_empty: bool) {
        let Some(said) = self.said.get(worker) else { return };
        let is = if is_empty { *said } else { None };
        let was = std::mem::replace(&mut self.in_force[worker], is);
        if was == is {
            return;
        }
        if let Some(cause) = was {
            let sum = &mut self.sums[cause as usize];
            sum.empty.fall(t);
            sum.touch(t);
        }
        if let Some(cause) = is {
            let sum = &mut self.sums[cause as usize];
            sum.empty.rise(t);
            sum.touch(t);
            self.met[worker] |= bit(cause);
        }
    }

    /// A request that arrived then, and is counted, has missed and ended.
    pub(crate) fn missed(
        &mut self,
        arrived: u64,
        worker: usize,
        outcome: Outcome,
        missed: Option<Cause>,
        ended: Option<Cause>,
    ) {
        let index = (arrived / self.width) as usize;
        if let Some(cause) = missed.or(ended) {
            let sum = &mut self.sums[cause as usize];
            sum.misses += 1;
            sum.touch(arrived);
            sum.bin(index).0 += 1;
            // A neighbour that serves is not the worker whose pool was empty.
            if outcome != Outcome::Spilled
                && let Some(met) = self.met.get_mut(worker)
            {
                *met |= bit(cause);
                sum.short_most = sum.short_most.max(self.spells[worker].miss(arrived, cause));
            }
        }
        if let Some(cause) = ended {
            let sum = &mut self.sums[cause as usize];
            sum.rejected += u64::from(outcome == Outcome::Rejected);
            sum.failed += u64::from(outcome == Outcome::Failed);
            if !outcome.is_served() {
                sum.touch(arrived);
            }
        }
    }

    /// Adds what has gone by to the bin that ends at `t`, or that is open then.
    pub(crate) fn settle(&mut self, t: u64, counted: bool) {
        let index = (t.saturating_sub(1) / self.width) as usize;
        for sum in &mut self.sums {
            let empty = sum.empty.settle(t);
            if counted && empty > 0 {
                sum.empty_ns += u128::from(empty);
                sum.bin(index).1 += empty;
            }
        }
    }

    /// Counting begins at `t`: what was before is forgotten.
    pub(crate) fn begin(&mut self, t: u64) {
        for sum in &mut self.sums {
            sum.span = (sum.empty.level() > 0).then_some((t, t));
        }
        for (met, cause) in self.met.iter_mut().zip(&self.in_force) {
            *met = cause.map_or(0, bit);
        }
    }

    /// Merges the bins to those of the strips, whose width is a multiple of what it was.
    pub(crate) fn fit(&mut self, width: u64) {
        let factor = (width / self.width) as usize;
        if factor == 1 {
            return;
        }
        for sum in &mut self.sums {
            let merged = sum
                .bins
                .chunks(factor)
                .map(|bins| bins.iter().fold((0, 0), |sum, bin| (sum.0 + bin.0, sum.1 + bin.1)));
            sum.bins = merged.collect();
        }
        self.width = width;
    }

    /// What each cause came to that was in force at all. Of pools per tenant it is not known how long they
    /// were empty.
    pub(crate) fn figures(&self, end: u64, per_tenant: bool) -> Vec<CauseFigures> {
        let seconds = |ns: u64| ns as f64 / 1e9;
        let bins = end.div_ceil(self.width).max(1) as usize;
        let told = Cause::ALL.into_iter().zip(&self.sums).filter_map(|(cause, sum)| {
            let empty = if per_tenant { 0 } else { sum.empty_ns };
            if sum.misses + sum.rejected + sum.failed == 0 && empty == 0 {
                return None;
            }
            let open = if !per_tenant && sum.empty.level() > 0 { end } else { 0 };
            let (from, to) = sum.span.unwrap_or((0, 0));
            let bin = |index: usize| sum.bins.get(index).copied().unwrap_or((0, 0));
            Some(CauseFigures {
                cause,
                misses: sum.misses,
                rejected: sum.rejected,
                failed: sum.failed,
                empty_seconds: (!per_tenant).then_some(empty as f64 / 1e9),
                from_s: seconds(from),
                to_s: seconds(to.max(open)),
                workers: self.workers_of(cause).count() as u64,
                short_most: (!per_tenant).then_some(sum.short_most),
                misses_over_time: (0..bins).map(|index| bin(index).0).collect(),
                empty_over_time: match per_tenant {
                    true => Vec::new(),
                    false => (0..bins).map(|index| seconds(bin(index).1)).collect(),
                },
            })
        });
        told.collect()
    }

    /// Whether a cause was in force in each bin.
    pub(crate) fn bins_of(&self, cause: Cause) -> impl Iterator<Item = bool> {
        self.sums[cause as usize].bins.iter().map(|(misses, empty)| misses + empty > 0)
    }

    /// The workers that have met a cause.
    pub(crate) fn workers_of(&self, cause: Cause) -> impl Iterator<Item = usize> {
        let is_met = move |(_, met): &(usize, &u16)| **met & bit(cause) != 0;
        self.met.iter().enumerate().filter(is_met).map(|(worker, _)| worker)
    }
}
