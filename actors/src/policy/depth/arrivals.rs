//! How many requests came in a sliding window, in constant memory: the window is cut into slices, and the
//! oldest slice is dropped as a whole.

use crate::time::{Duration, Time};

/// Into how many slices a window is cut.
const SLICES: usize = 64;

/// Arrivals in a sliding window.
#[derive(Debug)]
pub(super) struct Arrivals {
    slice: Duration,
    /// When the present slice ends.
    edge: Time,
    /// The arrivals of the slices that have ended, in a ring.
    counts: [u32; SLICES],
    oldest: usize,
    /// How many slices of the run have ended, up to the length of the ring.
    ended: u32,
    /// The sum of `counts`.
    sum: u64,
    /// The arrivals of the present slice.
    present: u32,
}

impl Arrivals {
    /// A window that begins at t = 0.
    pub(super) fn new(window: Duration) -> Self {
        let slice = Duration::from_nanos((window.as_nanos() / SLICES as u64).max(1));
        let edge = Time::ZERO + slice;
        Self { slice, edge, counts: [0; SLICES], oldest: 0, ended: 0, sum: 0, present: 0 }
    }

    /// Lets time pass; says whether a slice has ended.
    pub(super) fn advance(&mut self, now: Time) -> bool {
        if now < self.edge {
            return false;
        }
        let slices = now.since(self.edge).as_nanos() / self.slice.as_nanos() + 1;
        self.edge = self.edge + self.slice.times(slices);
        if slices > SLICES as u64 {
            // Everything has left the window, the present slice with it.
            (self.counts, self.sum, self.present) = ([0; SLICES], 0, 0);
        }
        for _ in 0..slices.min(SLICES as u64) {
            self.sum -= u64::from(self.counts[self.oldest]);
            self.counts[self.oldest] = self.present;
            self.sum += u64::from(self.present);
            self.present = 0;
            self.oldest = (self.oldest + 1) % SLICES;
        }
        self.ended = (u64::from(self.ended) + slices).min(SLICES as u64) as u32;
        true
    }

    /// A request came. Time must have passed to it.
    pub(super) fn add(&mut self) {
        self.present = self.present.saturating_add(1);
    }

    /// When the present slice ends, unless the window is empty and will stay so.
    pub(super) fn next_edge(&self) -> Option<Time> {
        (self.sum > 0 || self.present > 0).then_some(self.edge)
    }

    /// Arrivals per second over the slices that have ended; zero before the first has.
    pub(super) fn rate(&self) -> f64 {
        let covered = self.slice.times(u64::from(self.ended.max(1)));
        self.sum as f64 / covered.as_secs_f64()
    }

    /// Arrivals per second over the slices that have ended and what of the present one had passed at `now`;
    /// over a whole slice at least, so that the first arrival of a run is not taken for a flood.
    pub(super) fn rate_with_present(&self, now: Time) -> f64 {
        let passed = self.slice - self.edge.since(now);
        let covered = (self.slice.times(u64::from(self.ended)) + passed).max(self.slice);
        (self.sum + u64::from(self.present)) as f64 / covered.as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Time {
        Time::ZERO + Duration::from_millis(millis)
    }

    /// A window of 64 s, hence slices of 1 s, with an arrival every 100 ms for so many seconds.
    fn ten_per_second(secs: u64) -> Arrivals {
        let mut arrivals = Arrivals::new(Duration::from_secs(64));
        for step in 0..secs * 10 {
            arrivals.advance(at(step * 100));
            arrivals.add();
        }
        arrivals
    }

    #[test]
    fn measures_a_steady_rate_before_and_after_the_window_is_full() {
        for secs in [1, 10, 64, 65, 1_000] {
            let mut arrivals = ten_per_second(secs);
            assert!(arrivals.advance(at(secs * 1_000)));
            assert_eq!(arrivals.rate(), 10.0, "{secs}");
            assert_eq!(arrivals.rate_with_present(at(secs * 1_000)), 10.0, "{secs}");
        }
    }

    #[test]
    fn the_present_slice_counts_only_where_it_is_asked_for() {
        let arrivals = ten_per_second(1);
        assert_eq!(arrivals.rate(), 0.0);
        assert_eq!(arrivals.rate_with_present(at(100)), 10.0, "never over less than a slice");
    }

    #[test]
    fn old_arrivals_are_forgotten() {
        let mut arrivals = ten_per_second(2);
        arrivals.advance(at(65_000));
        assert_eq!(arrivals.rate(), 10.0 / 64.0, "the second second is still in the window");
        assert_eq!(arrivals.next_edge(), Some(at(66_000)));
        arrivals.advance(at(66_500));
        assert_eq!(arrivals.rate(), 0.0);
        assert_eq!(arrivals.next_edge(), None);
        assert!(!arrivals.advance(at(66_900)));
        arrivals.add();
        assert_eq!(arrivals.next_edge(), Some(at(67_000)));
    }

    #[test]
    fn a_long_silence_is_one_step() {
        let mut arrivals = ten_per_second(100);
        assert!(arrivals.advance(at(u64::MAX / 1_000_000)));
        assert_eq!(arrivals.rate(), 0.0);
    }
}
