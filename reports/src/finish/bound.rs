//! From the books of a run that is over to what bound it.

use crate::bound::Bound;
use crate::recorder::Recorder;
use crate::run_metadata::Capacity;
use crate::summary::Summary;
use crate::workers::Stretch;

/// What bound the run that is over.
pub(super) fn bound(books: &Recorder, end: u64, summary: &Summary) -> Option<Bound> {
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
    let capacity = |of: fn(&Capacity) -> Option<u32>| {
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
