//! The limit: what one would write by hand for this work and for nothing else, on std's binary heap.
//!
//! A pool is one counter, and the next arrival is not even put into the heap. No request, Sprite or message exists,
//! nothing is observed, and no policy could be changed without writing another loop.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;

use actors::random::Purpose;

use crate::work::{Outcome, Work, exponential};

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

pub(crate) fn run(work: &Work) -> Outcome {
    let mut arrivals = work.stream(Purpose::Arrivals);
    let mut places = work.stream(Purpose::Placement);
    let mut boots = work.stream(Purpose::Boots);
    let mut boot_ns = || exponential(Work::BOOT, &mut boots).as_nanos();

    // For each pool the Sprites that it is short of. Four of them are booting, the others wait for their boot.
    let mut short = vec![0; work.pools as usize];
    let mut heap: BinaryHeap<Boot> = BinaryHeap::new();
    let (mut now_ns, mut misses) = (0, 0);
    for _ in 0..work.arrivals {
        now_ns += exponential(work.gap(), &mut arrivals).as_nanos();
        while let Some(mut first) = heap.peek_mut()
            && first.ends_ns <= now_ns
        {
            let short = &mut short[first.pool as usize];
            *short -= 1;
            if *short >= Work::BOOTS {
                first.ends_ns += boot_ns();
            } else {
                PeekMut::pop(first);
            }
        }
        let pool = places.below(u64::from(work.pools)) as u32;
        let short = &mut short[pool as usize];
        if *short == Work::DEPTH {
            misses += 1;
            continue;
        }
        *short += 1;
        if *short <= Work::BOOTS {
            heap.push(Boot { ends_ns: now_ns + boot_ns(), pool });
        }
    }
    Outcome { requests: work.arrivals, misses }
}
