//! The limit: what one would write by hand for this work and for nothing else, on std's binary heap.
//!
//! A pool is one counter. No request, Sprite or message exists, nothing is observed, and no policy could be
//! changed without writing another loop.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;

use actors::Rng;
use actors::random::Purpose;

use crate::work::{Outcome, Work, exponential};

/// Stands for a pool in the heap's entry of the next arrival.
const ARRIVAL: u32 = u32::MAX;

/// The pools: for each the Sprites that it is short of. Four of them are booting, the others wait for their
/// boot.
struct Pools {
    short: Vec<u32>,
    boots: Rng,
    misses: u64,
}

impl Pools {
    fn new(work: &Work) -> Self {
        Self { short: vec![0; work.pools as usize], boots: work.stream(Purpose::Boots), misses: 0 }
    }

    /// A request comes. If a boot begins: when it ends.
    #[inline]
    fn take(&mut self, pool: u32, now_ns: u64) -> Option<u64> {
        let short = &mut self.short[pool as usize];
        if *short == Work::DEPTH {
            self.misses += 1;
            return None;
        }
        *short += 1;
        (*short <= Work::BOOTS).then(|| now_ns + exponential(Work::BOOT, &mut self.boots).as_nanos())
    }

    /// A boot ends. If another begins: when that ends.
    #[inline]
    fn booted(&mut self, pool: u32, now_ns: u64) -> Option<u64> {
        let short = &mut self.short[pool as usize];
        *short -= 1;
        (*short >= Work::BOOTS).then(|| now_ns + exponential(Work::BOOT, &mut self.boots).as_nanos())
    }
}

/// As one writes it: everything that is to happen lies in one heap, the next arrival too.
pub(crate) fn run(work: &Work) -> Outcome {
    let (mut arrivals, mut places) = (work.stream(Purpose::Arrivals), work.stream(Purpose::Placement));
    let mut pools = Pools::new(work);
    let mut heap = BinaryHeap::new();
    let mut requests = 0;
    heap.push(Reverse((exponential(work.gap(), &mut arrivals).as_nanos(), ARRIVAL)));
    while let Some(Reverse((now_ns, pool))) = heap.pop() {
        if pool != ARRIVAL {
            if let Some(ends_ns) = pools.booted(pool, now_ns) {
                heap.push(Reverse((ends_ns, pool)));
            }
            continue;
        }
        let pool = places.below(u64::from(work.pools)) as u32;
        if let Some(ends_ns) = pools.take(pool, now_ns) {
            heap.push(Reverse((ends_ns, pool)));
        }
        requests += 1;
        if requests == work.arrivals {
            break;
        }
        heap.push(Reverse((now_ns + exponential(work.gap(), &mut arrivals).as_nanos(), ARRIVAL)));
    }
    Outcome { requests, misses: pools.misses }
}

/// The end of a boot. Ties are left as they fall: they change nothing that is counted.
#[derive(PartialEq, Eq)]
struct Boot {
    ends_ns: u64,
    pool: u32,
}

impl Ord for Boot {
    /// The earliest is the greatest, as a binary heap wants it.
    fn cmp(&self, other: &Self) -> Ordering {
        other.ends_ns.cmp(&self.ends_ns)
    }
}

impl PartialOrd for Boot {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// As one tunes it: the next arrival stays out of the heap, a boot that follows another takes its place
/// there, and only times are compared.
pub(crate) fn run_tuned(work: &Work) -> Outcome {
    let (mut arrivals, mut places) = (work.stream(Purpose::Arrivals), work.stream(Purpose::Placement));
    let mut pools = Pools::new(work);
    let mut heap: BinaryHeap<Boot> = BinaryHeap::new();
    let mut now_ns = 0;
    for _ in 0..work.arrivals {
        now_ns += exponential(work.gap(), &mut arrivals).as_nanos();
        while let Some(mut first) = heap.peek_mut()
            && first.ends_ns <= now_ns
        {
            match pools.booted(first.pool, first.ends_ns) {
                Some(ends_ns) => first.ends_ns = ends_ns,
                None => {
                    PeekMut::pop(first);
                }
            }
        }
        let pool = places.below(u64::from(work.pools)) as u32;
        if let Some(ends_ns) = pools.take(pool, now_ns) {
            heap.push(Boot { ends_ns, pool });
        }
    }
    Outcome { requests: work.arrivals, misses: pools.misses }
}
