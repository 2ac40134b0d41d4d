//! The fleet over time, in at most 600 bins that grow wider as the run grows longer.
//!
//! A request is counted in the bin in which it *arrived*, with its outcome and latency, so that a bin says
//! what became of those who came then; levels are integrals over the bin.

use actors::Outcome;

use crate::ladder;

/// At most so many bins.
pub(crate) const MOST: usize = 600;
/// Slots of a bin's own small histogram: eight per octave, up to an hour.
const SLOTS: usize = 320;
/// The largest latency in it: the last that has a slot.
const LARGEST: u64 = (1 << 42) - 1;

/// One bin. Integrals are in level times nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bin {
    pub(crate) arrivals: u64,
    pub(crate) outcomes: [u64; 8],
    pub(crate) levels: LevelSums,
    pub(crate) ready_least: u64,
    pub(crate) waiting_most: u64,
    pub(crate) latency_most: u64,
}

/// Integrals of the fleet's levels over a stretch of time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LevelSums {
    pub(crate) ready: u64,
    pub(crate) target: u64,
    pub(crate) booting: u64,
    pub(crate) in_use: u64,
    pub(crate) asleep: u64,
    pub(crate) stopping: u64,
    pub(crate) waiting: u64,
}

impl LevelSums {
    /// Slots held.
    pub(crate) fn slots(&self) -> u64 {
        // Of workers that nobody knows Sprites may leave that never came, and integrals wrap.
        let held = [self.booting, self.in_use, self.stopping];
        held.into_iter().fold(self.ready, u64::wrapping_add)
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.ready += other.ready;
        self.target += other.target;
        self.booting += other.booting;
        self.in_use += other.in_use;
        self.asleep += other.asleep;
        self.stopping += other.stopping;
        self.waiting += other.waiting;
    }
}

impl Bin {
    fn new(ready: u64, waiting: u64) -> Self {
        Self {
            arrivals: 0,
            outcomes: [0; 8],
            levels: LevelSums::default(),
            ready_least: ready,
            waiting_most: waiting,
            latency_most: 0,
        }
    }

    fn add(&mut self, later: &Self) {
        self.arrivals += later.arrivals;
        for (sum, count) in self.outcomes.iter_mut().zip(later.outcomes) {
            *sum += count;
        }
        self.levels.add(&later.levels);
        self.ready_least = self.ready_least.min(later.ready_least);
        self.waiting_most = self.waiting_most.max(later.waiting_most);
        self.latency_most = self.latency_most.max(later.latency_most);
    }
}

/// The bins of a run that goes on. The last one is open.
pub(crate) struct Series {
    pub(crate) width: u64,
    start: u64,
    pub(crate) bins: Vec<Bin>,
    small: Vec<u32>,
}

impl Series {
    pub(crate) fn new(planned_ns: Option<u64>) -> Self {
        let mut bins = Vec::with_capacity(MOST);
        bins.push(Bin::new(0, 0));
        let width = ladder::first_width(planned_ns, MOST);
        Self { width, start: 0, bins, small: vec![0; MOST * SLOTS] }
    }

    /// The run opens with these levels.
    pub(crate) fn open(&mut self, ready: u64, waiting: u64) {
        self.bins[0] = Bin::new(ready, waiting);
    }

    #[inline]
    fn index_of(&self, t: u64) -> usize {
        if t >= self.start { self.bins.len() - 1 } else { (t / self.width) as usize }
    }

    /// A request arrived.
    #[inline]
    pub(crate) fn arrived(&mut self, arrived: u64) {
        let index = self.index_of(arrived);
        self.bins[index].arrivals += 1;
    }

    /// A request that arrived then has ended.
    #[inline]
    pub(crate) fn ended(&mut self, arrived: u64, outcome: Outcome, latency: u64) {
        let index = self.index_of(arrived);
        let bin = &mut self.bins[index];
        bin.outcomes[outcome as usize] += 1;
        if outcome.is_served() {
            bin.latency_most = bin.latency_most.max(latency);
            let count = &mut self.small[index * SLOTS + slot_of(latency)];
            *count = count.saturating_add(1);
        }
    }

    /// The open bin.
    #[inline]
    pub(crate) fn open_bin(&mut self) -> &mut Bin {
        let last = self.bins.len() - 1;
        &mut self.bins[last]
    }

    /// When the open bin ends.
    pub(crate) fn due(&self) -> u64 {
        self.start + self.width
    }

    /// The open bin ends, and the next begins with these levels. There is room: [`Self::fit`] has seen to it.
    pub(crate) fn close(&mut self, ready: u64, waiting: u64) {
        self.start = self.due();
        self.bins.push(Bin::new(ready, waiting));
    }

    /// Makes the bins wide enough for time `t`.
    pub(crate) fn fit(&mut self, t: u64) {
        while t / self.width >= MOST as u64 {
            self.coarsen();
        }
    }

    /// Merges bins to the next width.
    fn coarsen(&mut self) {
        let wider = ladder::wider(self.width);
        let factor = (wider / self.width) as usize;
        let groups = self.bins.len().div_ceil(factor);
        for group in 0..groups {
            let from = group * factor;
            let to = (from + factor).min(self.bins.len());
            let mut sum = self.bins[from];
            self.small.copy_within(from * SLOTS..(from + 1) * SLOTS, group * SLOTS);
            for index in from + 1..to {
                sum.add(&self.bins[index]);
                for slot in 0..SLOTS {
                    let count = self.small[index * SLOTS + slot];
                    self.small[group * SLOTS + slot] = self.small[group * SLOTS + slot].saturating_add(count);
                }
            }
            self.bins[group] = sum;
        }
        self.bins.truncate(groups);
        self.small[groups * SLOTS..].fill(0);
        self.width = wider;
        self.start = (groups as u64 - 1) * wider;
    }

    /// The latency that 99 % of the requests of a bin did not exceed, to 6 %; zero where none was served.
    pub(crate) fn p99(&self, index: usize) -> u64 {
        let counts = &self.small[index * SLOTS..(index + 1) * SLOTS];
        let total: u64 = counts.iter().map(|count| u64::from(*count)).sum();
        let rank = (total * 99).div_ceil(100);
        let mut seen = 0;
        for (slot, count) in counts.iter().enumerate() {
            seen += u64::from(*count);
            if seen >= rank && seen > 0 {
                return middle_of(slot).min(self.bins[index].latency_most);
            }
        }
        0
    }
}

/// The slot of a latency: exact below 8 ns, then eight per octave.
#[inline]
fn slot_of(latency: u64) -> usize {
    let value = latency.min(LARGEST);
    if value < 8 {
        return value as usize;
    }
    let octave = 63 - value.leading_zeros() as usize;
    (octave - 2) * 8 + ((value >> (octave - 3)) & 7) as usize
}

/// The middle of a slot's range.
fn middle_of(slot: usize) -> u64 {
    if slot < 8 {
        return slot as u64;
    }
    let (octave, part) = (slot / 8 + 2, (slot % 8) as u64);
    let step = 1_u64 << (octave - 3);
    (8 + part) * step + step / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_right_to_six_percent() {
        let mut value = 1_u64;
        while value < LARGEST {
            let slot = slot_of(value);
            assert!(slot < SLOTS);
            let middle = middle_of(slot) as f64;
            assert!((middle / value as f64 - 1.0).abs() < 0.0626, "{value} became {middle}");
            value = value * 21 / 20 + 1;
        }
        assert!(slot_of(u64::MAX) < SLOTS);
    }

    #[test]
    fn merging_keeps_every_count_where_it_belongs() {
        let mut series = Series::new(None);
        for t in (0..20_000_000_000_u64).step_by(1_000_000) {
            series.fit(t);
            while series.due() <= t {
                series.close(3, 0);
            }
            series.arrived(t);
            series.ended(t, Outcome::Warm, 1_000);
        }
        assert_eq!(series.width, 50_000_000);
        assert_eq!(series.bins.len(), 400);
        assert!(series.bins.iter().all(|bin| bin.arrivals == 50 && bin.outcomes[0] == 50));
        assert!((series.p99(7) as f64 / 1_000.0 - 1.0).abs() < 0.0626);
        series.fit(86_400_000_000_000);
        assert_eq!(series.bins.iter().map(|bin| bin.arrivals).sum::<u64>(), 20_000);
    }
}
