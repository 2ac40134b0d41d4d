//! What bound a run: the cause of most misses, when it was in force, and what would have been needed.

use actors::Cause;
use serde::{Deserialize, Serialize};

use crate::recorder::Recorder;
use crate::stats::sum;
use crate::summary::Summary;
use crate::workers::Stretch;

/// What bound a run. Where there were no misses, nothing did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bound {
    /// The cause of most misses.
    #[schemars(with = "String")]
    pub cause: Cause,
    /// Its part of all misses.
    pub share: f64,
    /// When it was in force for the first time, in seconds since the opening.
    pub from_s: f64,
    /// When for the last time.
    pub to_s: f64,
    /// On how many workers.
    pub workers: u64,
    /// Arrivals a second on each of them, on average over the bins of the strips in which it was in force.
    pub rate: f64,
    /// Their mean target in these bins, each.
    pub target: f64,
    /// How long one boot took on average in this run, in seconds; null without boots.
    pub boot_s: Option<f64>,
    /// How long one Sprite was in use on average in this run, in seconds; null where none was.
    pub life_s: Option<f64>,
    /// Boots that each of them had under way on average in these bins.
    pub booting: f64,
    /// Boots that each of them can run at once; null where that is unlimited or not known.
    pub boots: Option<u32>,
    /// Slots that each of them held on average in these bins.
    pub held: f64,
    /// Slots that each of them has; null where that is not known.
    pub slots: Option<u32>,
}

/// What bound the run that is over.
pub(crate) fn bound(books: &Recorder, end: u64, summary: &Summary) -> Option<Bound> {
    let (causes, misses) = (&summary.causes, summary.misses);
    let served = summary.outcomes.served();
    let first = causes.iter().filter(|cause| cause.misses > 0).max_by_key(|cause| cause.misses)?;
    let workers: Vec<usize> = books.causes.workers_of(first.cause).collect();
    let mut meanwhile = Stretch::default();
    let mut length = 0;
    for worker in &workers {
        let bins = books.causes.bins_of(first.cause);
        let (stretch, ns) = books.strips.sum(*worker, end, bins, !books.run.per_tenant);
        meanwhile.add(stretch);
        length += ns;
    }
    // Levels per worker: an integral over all workers, by the time that all of them together had.
    let mean = |integral: u64| if length == 0 { 0.0 } else { integral as f64 / length as f64 };
    let capacity = |of: fn(&crate::run_metadata::Capacity) -> Option<u32>| {
        workers.iter().filter_map(|worker| books.run.capacity.get(*worker)).filter_map(of).max()
    };
    let each = |integral: u128, count: u64| (count > 0).then(|| integral as f64 / 1e9 / count as f64);
    Some(Bound {
        cause: first.cause,
        share: first.misses as f64 / misses.max(1) as f64,
        from_s: first.from_s,
        to_s: first.to_s,
        workers: workers.len() as u64,
        rate: mean(meanwhile.arrivals) * 1e9,
        target: mean(meanwhile.target),
        boot_s: each(books.totals.booting, books.counts.boots),
        life_s: each(books.totals.in_use, served),
        booting: mean(meanwhile.booting),
        boots: capacity(|capacity| capacity.boots),
        held: mean(meanwhile.held),
        slots: capacity(|capacity| Some(capacity.slots)),
    })
}

impl Bound {
    /// How many boots at once the arrivals of that time need, by Little's law.
    pub fn boots_needed(&self) -> Option<f64> {
        self.boot_s.map(|boot_s| self.rate * boot_s)
    }

    /// How many slots they need: for those in use, for boots under way, and for the target.
    pub fn slots_needed(&self) -> Option<f64> {
        let parts = [self.life_s? * self.rate, self.boots_needed().unwrap_or(0.0), self.target];
        Some(sum(parts.into_iter()))
    }
}
