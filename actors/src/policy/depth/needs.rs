//! Needs: the need of a request is the depth at which it would have found a ready Sprite, which is one more
//! than the arrivals in the boot time before it. Each of those had taken a Sprite whose replacement was not
//! there yet.

use std::collections::VecDeque;

use crate::time::{Duration, Time};

/// The largest need that is told apart. Larger ones count as this.
const NEED_MAX: usize = 1 << 16;
/// Needs below this are counted one by one; above, 128 to an octave, which is within 0.8 %.
const EXACT: u32 = 256;

/// The arrivals of the last boot time, at most [`NEED_MAX`] of them.
#[derive(Debug, Default)]
pub(super) struct Recent {
    arrivals: VecDeque<Time>,
}

impl Recent {
    /// A request came; gives its need where boots last so long. A boot that ends just now counts as ended.
    pub(super) fn need(&mut self, now: Time, boot: Duration) -> u32 {
        while self.arrivals.front().is_some_and(|&earlier| now.since(earlier) >= boot) {
            self.arrivals.pop_front();
        }
        if self.arrivals.len() == NEED_MAX {
            self.arrivals.pop_front();
        }
        self.arrivals.push_back(now);
        self.arrivals.len() as u32
    }
}

/// Where a need is counted.
pub(super) fn bucket(need: u32) -> usize {
    if need < EXACT {
        return need as usize;
    }
    let octave = need.ilog2() - EXACT.ilog2();
    (EXACT + octave * EXACT / 2 + (need >> (octave + 1)) - EXACT / 2) as usize
}

/// The largest need that is counted in this bucket.
pub(super) fn largest_in(bucket: usize) -> u32 {
    let bucket = bucket as u32;
    if bucket < EXACT {
        return bucket;
    }
    let (octave, step) = ((bucket - EXACT) / (EXACT / 2), (bucket - EXACT) % (EXACT / 2));
    ((EXACT / 2 + step + 1) << (octave + 1)) - 1
}

/// Counts by bucket, as long as the largest that was seen.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) by_bucket: Vec<u32>,
    pub(super) total: u64,
}

impl Counts {
    pub(super) fn add(&mut self, bucket: usize) {
        if bucket >= self.by_bucket.len() {
            self.by_bucket.resize(bucket + 1, 0);
        }
        self.by_bucket[bucket] += 1;
        self.total += 1;
    }

    pub(super) fn subtract(&mut self, other: &Self) {
        for (mine, theirs) in self.by_bucket.iter_mut().zip(&other.by_bucket) {
            *mine -= theirs;
        }
        self.total -= other.total;
    }

    pub(super) fn clear(&mut self) {
        self.by_bucket.fill(0);
        self.total = 0;
    }
}

/// A distribution of needs over several visits, of which the older ones fade.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    /// The weight of each need, by bucket; a whole visit weighs 1 when it is new.
    weights: Vec<f64>,
    /// The quantile of the weights, in Sprites; none before the first visit.
    pub(super) depth: Option<u32>,
}

impl Memory {
    /// Lets the past fade and adds a visit, which weighs less than 1 when it was a short one.
    pub(super) fn remember(&mut self, visit: &Counts, weight: f64, fading: f64, quantile: f64) {
        let buckets = self.weights.len().max(visit.by_bucket.len()).max(1);
        self.weights.resize(buckets, 0.0);
        self.weights.iter_mut().for_each(|old| *old *= fading);
        if visit.total == 0 {
            self.weights[0] += weight;
        } else {
            for (sum, &count) in self.weights.iter_mut().zip(&visit.by_bucket) {
                *sum += weight * f64::from(count) / visit.total as f64;
            }
        }
        let enough = quantile * self.weights.iter().sum::<f64>();
        let mut below = 0.0;
        let found = self.weights.iter().position(|weight| {
            below += weight;
            below >= enough
        });
        self.depth = Some(largest_in(found.unwrap_or(buckets - 1)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_need_is_one_more_than_the_arrivals_in_the_boot_time_before() {
        let mut recent = Recent::default();
        let boot = Duration::from_secs(2);
        let mut need = |millis| recent.need(Time::ZERO + Duration::from_millis(millis), boot);
        assert_eq!([need(0), need(0), need(1_000), need(1_999)], [1, 2, 3, 4]);
        assert_eq!(need(2_000), 3, "the boots that two requests at 0 s caused end just now");
        assert_eq!(need(9_000), 1);
    }

    #[test]
    fn boots_of_no_time_need_one() {
        let mut recent = Recent::default();
        assert_eq!(
            [recent.need(Time::ZERO, Duration::ZERO), recent.need(Time::ZERO, Duration::ZERO)],
            [1, 1]
        );
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut recent = Recent::default();
        for _ in 0..NEED_MAX + 10 {
            recent.need(Time::ZERO, Duration::from_secs(1));
        }
        assert_eq!(recent.need(Time::ZERO, Duration::from_secs(1)), NEED_MAX as u32);
    }

    #[test]
    fn memory_fades_by_visits_not_by_requests() {
        let visit = |needs: &[u32]| {
            let mut counts = Counts::default();
            needs.iter().for_each(|&need| counts.add(bucket(need)));
            counts
        };
        let mut memory = Memory::default();
        assert_eq!(memory.depth, None);
        memory.remember(&visit(&[3; 1_000]), 1.0, 0.5, 0.6);
        assert_eq!(memory.depth, Some(3));
        memory.remember(&visit(&[1]), 1.0, 0.5, 0.6);
        assert_eq!(memory.depth, Some(1), "one visit of one request outweighs an older one of many");
        memory.remember(&visit(&[]), 1.0, 0.5, 0.6);
        assert_eq!(memory.depth, Some(1), "4/7 of the weight is on need 0");
        memory.remember(&visit(&[]), 0.5, 1.0, 0.6);
        assert_eq!(memory.depth, Some(0), "and then 1.5/2.25");
    }

    #[test]
    fn buckets_are_in_order_without_gaps_and_close() {
        for need in 0..=NEED_MAX as u32 {
            let here = bucket(need);
            let largest = largest_in(here);
            assert!(largest >= need && f64::from(largest - need) < f64::from(need) * 0.008 + 1e-9, "{need}");
            assert_eq!(bucket(largest), here);
            assert_eq!(bucket(largest + 1), here + 1);
        }
    }
}
