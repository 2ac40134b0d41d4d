//! `base-stock`: the smallest depth that Erlang's loss formula allows at the measured rate.
//!
//! A pool of S Sprites whose every take is refilled at once, and whose misses go elsewhere, is Erlang's loss
//! system: the boots under way are the busy lines. So the share of misses is B(S, a) with a = rate * boot
//! time, for *any* distribution of boot times (A. K. Erlang, "Solution of some problems in the theory of
//! probabilities of significance in automatic telephone exchanges", 1917; Sevastyanov 1957 for the
//! insensitivity). It holds for Poisson arrivals and unbounded boots. Real arrivals are burstier: where they
//! are, `window-quantile` keeps its target and this policy does not.

use serde::{Deserialize, Serialize};

use super::arrivals::Arrivals;
use super::{Controller, GuaranteedDepth, PolicyConfig, View, check};
use crate::policy::Problem;
use crate::protocol::Target;
use crate::time::{Duration, Time, WallClock};

/// The largest depth that the formula is evaluated for.
const SERVERS_MAX: u32 = 100_000;

/// The smallest depth that Erlang's loss formula allows at the measured rate. The rate is measured over a
/// sliding window and the depth follows it 64 times per window; before the first of these it is `least`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaseStock {
    /// The share of requests that may miss, between 0 and 1.
    pub misses: f64,
    /// The time over which the rate of arrivals is measured.
    #[serde(default = "BaseStock::window")]
    pub window: Duration,
    /// Never fewer Sprites than this.
    #[serde(default = "BaseStock::least")]
    pub least: u32,
    /// How long a boot is taken to last until the first one has been measured.
    #[serde(default = "super::boot_prior")]
    pub boot: Duration,
}

impl BaseStock {
    fn window() -> Duration {
        Duration::from_secs(300)
    }

    fn least() -> u32 {
        1
    }
}

/// Erlang's loss formula: the probability that a request finds all of `servers` busy, when requests come at
/// random and `load` of them come during a mean service time. By the recurrence `B(0) = 1`,
/// `B(k) = a B(k-1) / (k + a B(k-1))`, which is stable because every term is between 0 and 1 (Jagerman, "Some
/// properties of the Erlang loss function", Bell System Technical Journal 1974).
pub fn erlang_b(servers: u32, load: f64) -> f64 {
    (1..=servers).fold(1.0, |blocked, k| next_erlang_b(k, load, blocked))
}

/// B(k) from B(k-1).
fn next_erlang_b(k: u32, load: f64, blocked: f64) -> f64 {
    let offered = load * blocked;
    offered / (f64::from(k) + offered)
}

/// The smallest number of servers at which no more than this share of requests finds all of them busy; none
/// for no load. At most 100,000: beyond it the formula is not evaluated.
pub fn erlang_servers(load: f64, misses: f64) -> u32 {
    let load = load.min(f64::from(u32::MAX));
    let (mut servers, mut blocked) = (0, if load > 0.0 { 1.0 } else { 0.0 });
    while blocked > misses && servers < SERVERS_MAX {
        servers += 1;
        blocked = next_erlang_b(servers, load, blocked);
    }
    servers
}

impl PolicyConfig for BaseStock {
    fn validate(&self) -> Result<(), Problem> {
        check::open_share("misses", self.misses, "the requests that may miss")?;
        check::window("window", self.window)
    }

    fn guaranteed_depth(&self) -> GuaranteedDepth {
        GuaranteedDepth::new("least", self.least)
    }

    fn controller(&self, _epoch: WallClock) -> Box<dyn Controller> {
        let arrivals = Arrivals::new(self.window);
        Box::new(Stocking { policy: *self, arrivals, is_due: true, is_measured: false, depth: self.least })
    }
}

/// The base-stock policy at work.
#[derive(Debug)]
struct Stocking {
    policy: BaseStock,
    arrivals: Arrivals,
    /// Whether a slice of the window has ended since `depth` was computed.
    is_due: bool,
    /// Whether a boot had been measured when `depth` was computed.
    is_measured: bool,
    depth: u32,
}

impl Controller for Stocking {
    fn demand(&mut self, now: Time, _missed: bool) {
        self.is_due |= self.arrivals.advance(now);
        self.arrivals.add();
    }

    fn target(&mut self, view: &View) -> Target {
        self.is_due |= self.arrivals.advance(view.now);
        if self.is_due || view.lead_time.is_some() != self.is_measured {
            (self.is_due, self.is_measured) = (false, view.lead_time.is_some());
            let boot = view.lead_time.unwrap_or(self.policy.boot);
            let load = self.arrivals.rate() * boot.as_secs_f64();
            self.depth = erlang_servers(load, self.policy.misses).max(self.policy.least);
        }
        Target::exactly(self.depth)
    }

    fn changes_at(&self) -> Option<Time> {
        self.arrivals.next_edge()
    }

    fn needs_lead_time(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::depth::test_view;

    const POLICY: BaseStock =
        BaseStock { misses: 0.013, window: Duration::from_secs(64), least: 1, boot: Duration::from_secs(1) };

    /// The controller after an arrival every 180,818 us (5.5304 per second) for so many seconds.
    fn after(secs: u64) -> Box<dyn Controller> {
        let mut controller = POLICY.controller(WallClock::default());
        for step in 0..secs * 1_000_000 / 180_818 {
            controller.demand(Time::ZERO + Duration::from_micros(step * 180_818), false);
        }
        controller
    }

    fn depth(controller: &mut dyn Controller, secs: f64, boot: Option<Duration>) -> u32 {
        controller.target(&View { lead_time: boot, ..test_view(secs) }).depth
    }

    #[test]
    fn erlang_b_gives_the_known_answers() {
        // 5.5304 requests per second, boots of 3 s, 25 Sprites: 1.286 %.
        assert!((erlang_b(25, 5.5304 * 3.0) - 0.012_86).abs() < 5e-6);
        // B(1, a) = a / (1 + a); B(2, 1) = 1/5.
        assert_eq!(erlang_b(0, 7.0), 1.0);
        assert!((erlang_b(1, 0.5) - 1.0 / 3.0).abs() < 1e-15);
        assert!((erlang_b(2, 1.0) - 0.2).abs() < 1e-15);
        assert_eq!(erlang_b(3, 0.0), 0.0);
    }

    #[test]
    fn the_depth_is_the_smallest_that_meets_the_target() {
        for (load, misses) in [(0.01, 0.01), (1.0, 0.001), (16.6, 0.0129), (500.0, 0.01)] {
            let servers = erlang_servers(load, misses);
            assert!(erlang_b(servers, load) <= misses && erlang_b(servers - 1, load) > misses);
        }
        assert_eq!(erlang_servers(0.0, 0.01), 0);
        assert_eq!(erlang_servers(1e-9, 0.01), 1);
        assert_eq!(erlang_servers(f64::INFINITY, 0.01), SERVERS_MAX, "bounded whatever is measured");
    }

    #[test]
    fn follows_the_measured_rate_and_boot_time() {
        let mut controller = after(64);
        assert_eq!(depth(&mut *controller, 64.0, None), erlang_servers(5.53, 0.013));
        assert_eq!(
            depth(&mut *controller, 64.0, Some(Duration::from_secs(3))),
            25,
            "the first measured boot counts"
        );
        assert_eq!(controller.changes_at(), Some(Time::ZERO + Duration::from_secs(65)));
        assert_eq!(
            depth(&mut *controller, 64.5, Some(Duration::from_secs(9))),
            25,
            "the next ones at the next edge"
        );
        assert!(depth(&mut *controller, 65.0, Some(Duration::from_secs(9))) > 50);
    }

    #[test]
    fn nothing_is_known_at_first_and_nothing_is_kept_for_ever() {
        let mut controller = after(1);
        assert_eq!(depth(&mut *controller, 0.99, None), 1);
        assert!(depth(&mut *controller, 1.0, None) > 5);
        assert_eq!(depth(&mut *controller, 200.0, None), 1);
        assert_eq!(controller.changes_at(), None);
    }

    #[test]
    fn what_is_invalid_is_named() {
        let key = |policy: BaseStock| policy.validate().expect_err("invalid").key;
        for misses in [0.0, 1.0, -0.1, f64::NAN] {
            assert_eq!(key(BaseStock { misses, ..POLICY }), "misses");
        }
        assert_eq!(key(BaseStock { window: Duration::ZERO, ..POLICY }), "window");
        assert_eq!(POLICY.validate(), Ok(()));
    }
}
