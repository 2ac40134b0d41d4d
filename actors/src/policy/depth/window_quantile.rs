//! `window-quantile`: the smallest depth that would have been enough for all but the allowed share of recent
//! arrivals.
//!
//! The depth is 1 + the (1 - misses) quantile, over the arrivals of a sliding window, of how many arrivals
//! fell in the boot time before each. It counts what happened and needs no model of arrivals: for a pool
//! whose takes are refilled at once and whose boots are never held up, the window that it looked at would
//! have met the target. Memory depends on the depth, not on the number of requests; a depth above 256 is
//! rounded up by at most 0.8 %.

use serde::{Deserialize, Serialize};

use super::needs::{Counts, Recent, bucket, largest_in};
use super::{Controller, GuaranteedDepth, PolicyConfig, View, check};
use crate::policy::Problem;
use crate::protocol::Target;
use crate::time::{Duration, Time, WallClock};

/// Into how many slices the window is cut; the oldest is dropped as a whole.
const SLICES: usize = 16;

/// The smallest depth that would have been enough for recent arrivals. When the boot time changes, the
/// arrivals already in the window still count with the boot time of their day.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowQuantile {
    /// The share of requests that may miss, between 0 and 1.
    pub misses: f64,
    /// How far back arrivals count.
    #[serde(default = "WindowQuantile::window")]
    pub window: Duration,
    /// Never fewer Sprites than this.
    #[serde(default = "WindowQuantile::least")]
    pub least: u32,
    /// How long a boot is taken to last until the first one has been measured.
    #[serde(default = "super::boot_prior")]
    pub boot: Duration,
}

impl WindowQuantile {
    fn window() -> Duration {
        Duration::from_secs(600)
    }

    fn least() -> u32 {
        1
    }
}

impl PolicyConfig for WindowQuantile {
    fn validate(&self) -> Result<(), Problem> {
        check::open_share("misses", self.misses, "the requests that may miss")?;
        check::window("window", self.window)
    }

    fn guaranteed_depth(&self) -> GuaranteedDepth {
        GuaranteedDepth::new("least", self.least)
    }

    fn controller(&self, _epoch: WallClock) -> Box<dyn Controller> {
        let slice = Duration::from_nanos((self.window.as_nanos() / SLICES as u64).max(1));
        Box::new(Looking {
            policy: *self,
            boot: self.boot,
            recent: Recent::default(),
            slice,
            edge: Time::ZERO + slice,
            slices: Default::default(),
            present: 0,
            window: Counts::default(),
            quantile: 0,
            below: 0,
        })
    }
}

/// The policy at work. The quantile is a bucket that moves with each arrival, so that no arrival costs a
/// walk.
#[derive(Debug)]
struct Looking {
    policy: WindowQuantile,
    boot: Duration,
    recent: Recent,
    slice: Duration,
    /// When the present slice ends.
    edge: Time,
    slices: [Counts; SLICES],
    /// Which slice is the present one.
    present: usize,
    /// The sum of the slices.
    window: Counts,
    /// The bucket of the quantile.
    quantile: usize,
    /// How many arrivals of the window are in the buckets below it.
    below: u64,
}

impl Controller for Looking {
    fn demand(&mut self, now: Time, _missed: bool) {
        self.advance(now);
        let here = bucket(self.recent.need(now, self.boot));
        self.slices[self.present].add(here);
        self.window.add(here);
        self.below += u64::from(here < self.quantile);
        self.settle();
    }

    fn target(&mut self, view: &View) -> Target {
        self.boot = view.lead_time.unwrap_or(self.policy.boot);
        self.advance(view.now);
        Target::exactly(largest_in(self.quantile).max(self.policy.least))
    }

    fn changes_at(&self) -> Option<Time> {
        (self.window.total > 0).then_some(self.edge)
    }

    fn needs_lead_time(&self) -> bool {
        true
    }
}

impl Looking {
    /// Lets time pass: drops the slices that have left the window.
    fn advance(&mut self, now: Time) {
        if now < self.edge {
            return;
        }
        let ended = now.since(self.edge).as_nanos() / self.slice.as_nanos() + 1;
        self.edge = self.edge + self.slice.times(ended);
        for _ in 0..ended.min(SLICES as u64) {
            self.present = (self.present + 1) % SLICES;
            self.window.subtract(&self.slices[self.present]);
            self.slices[self.present].clear();
        }
        self.below = self.window.by_bucket.iter().take(self.quantile).map(|&count| u64::from(count)).sum();
        self.settle();
    }

    /// Moves the quantile to the first bucket at which enough arrivals are at or below it.
    fn settle(&mut self) {
        let total = self.window.total;
        let enough = total - (self.policy.misses * total as f64) as u64;
        let count = |at: usize| u64::from(self.window.by_bucket.get(at).copied().unwrap_or(0));
        while self.below + count(self.quantile) < enough {
            self.below += count(self.quantile);
            self.quantile += 1;
        }
        while self.quantile > 0 && self.below >= enough {
            self.quantile -= 1;
            self.below -= count(self.quantile);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::depth::test_view;
    use crate::random::{Purpose, Rng};

    const POLICY: WindowQuantile = WindowQuantile {
        misses: 0.1,
        window: Duration::from_secs(16),
        least: 1,
        boot: Duration::from_secs(1),
    };

    fn at(millis: u64) -> Time {
        Time::ZERO + Duration::from_millis(millis)
    }

    fn depth(controller: &mut dyn Controller, secs: f64) -> u32 {
        controller.target(&test_view(secs)).depth
    }

    #[test]
    fn a_burst_is_remembered_for_a_window() {
        let mut controller = POLICY.controller(WallClock::default());
        assert_eq!(depth(&mut *controller, 0.0), 1);
        for _ in 0..20 {
            controller.demand(at(500), true);
        }
        // Needs 1 to 20; two of the twenty may miss.
        assert_eq!(depth(&mut *controller, 0.5), 18);
        assert_eq!(controller.changes_at(), Some(at(1_000)));
        assert_eq!(depth(&mut *controller, 15.9), 18);
        assert_eq!(depth(&mut *controller, 16.0), 1, "the slice of the burst has left the window");
        assert_eq!(controller.changes_at(), None);
    }

    #[test]
    fn a_longer_boot_needs_more() {
        let mut controller = POLICY.controller(WallClock::default());
        let boot = Some(Duration::from_secs(4));
        controller.target(&View { lead_time: boot, ..test_view(0.0) });
        for step in 0..100 {
            controller.demand(at(step * 100), false);
        }
        assert_eq!(controller.target(&View { lead_time: boot, ..test_view(9.9) }).depth, 40);
    }

    /// The controller, done the slow way.
    fn by_sorting(mut needs: Vec<u32>, misses: f64) -> u32 {
        needs.sort_unstable();
        let may_miss = (misses * needs.len() as f64) as usize;
        needs.len().checked_sub(may_miss + 1).map_or(0, |last| largest_in(bucket(needs[last])))
    }

    #[test]
    fn agrees_with_sorting_whatever_comes() {
        for (seed, misses) in [(1, 0.01), (2, 0.1), (3, 0.5), (4, 0.9)] {
            let mut rng = Rng::stream(seed, Purpose::Arrivals, 0);
            let mut controller =
                WindowQuantile { misses, least: 0, ..POLICY }.controller(WallClock::default());
            let (mut now, mut recent, mut seen) = (0, Recent::default(), Vec::new());
            for _ in 0..4_000 {
                let pause = if rng.chance(0.02) { 4_000_000_000 } else { 5_000_000 };
                now += rng.below(pause);
                let time = Time::from_nanos(now);
                controller.demand(time, false);
                seen.push((now, recent.need(time, POLICY.boot)));
                let slices_gone = (now / 1_000_000_000).saturating_sub(15);
                seen.retain(|(at, _)| at / 1_000_000_000 >= slices_gone);
                let expected = by_sorting(seen.iter().map(|&(_, need)| need).collect(), misses);
                let view = View { now: time, ..test_view(0.0) };
                assert_eq!(controller.target(&view).depth, expected, "seed {seed} at {time}");
            }
        }
    }

    #[test]
    fn what_is_invalid_is_named() {
        let key = |policy: WindowQuantile| policy.validate().expect_err("invalid").key;
        assert_eq!(key(WindowQuantile { misses: 0.0, ..POLICY }), "misses");
        assert_eq!(key(WindowQuantile { misses: f64::NAN, ..POLICY }), "misses");
        assert_eq!(key(WindowQuantile { window: Duration::from_micros(1), ..POLICY }), "window");
        assert_eq!(POLICY.validate(), Ok(()));
    }
}
