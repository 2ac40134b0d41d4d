//! Arrivals of stages. The rate of each stage is a straight line, so that its integral, the number of
//! arrivals to be expected, can be inverted exactly: an arrival lies where the integral reaches the next of a
//! row of numbers. Those are one apart for `even`, and one exponential draw apart for `poisson` (Çinlar
//! 1975): no rate is ever approximated.

use actors::random::Purpose;
use actors::{Rng, Time};

use crate::scenario::{Spread, Stage};

/// Arrival times of stages, one at a time.
#[derive(Clone, Debug)]
pub(super) struct Stages {
    /// Those that are still to come, the next one last.
    coming: Vec<Line>,
    current: Line,
    /// When the current stage begins, in nanoseconds.
    begin: u64,
    /// At how many expected arrivals of the current stage the next arrival lies.
    target: f64,
    /// Arrivals of this burst that are still to come, and when.
    burst: (u32, Time),
    rng: Rng,
}

/// A stage, ready to be inverted.
#[derive(Clone, Copy, Debug)]
struct Line {
    /// Arrivals per second at its beginning.
    from: f64,
    /// Change of the rate, per second.
    slope: f64,
    /// Arrivals to be expected in it.
    total: f64,
    /// Its length in nanoseconds.
    nanos: u64,
    spread: Spread,
}

impl Line {
    const NONE: Self = Self { from: 0.0, slope: 0.0, total: 0.0, nanos: 0, spread: Spread::Even };

    fn of(stage: &Stage) -> Self {
        let (from, to, seconds) = (stage.from_rate(), stage.to_rate(), stage.length.as_secs_f64());
        let slope = if seconds > 0.0 { (to - from) / seconds } else { 0.0 };
        Self {
            from,
            slope,
            total: stage.expected_requests(),
            nanos: stage.length.as_nanos(),
            spread: stage.arrivals.unwrap_or_default(),
        }
    }

    /// The nanosecond at which so many arrivals were to be expected.
    fn invert(&self, count: f64) -> u64 {
        let nanos = if self.slope == 0.0 {
            count * 1e9 / self.from
        } else {
            // The root of from t + slope t^2 / 2 = count, in the form that loses no digits for either slope.
            let square = self.from * self.from + 2.0 * self.slope * count;
            2.0 * count / (self.from + square.max(0.0).sqrt()) * 1e9
        };
        (nanos as u64).min(self.nanos)
    }
}

impl Stages {
    pub(super) fn new(stages: &[Stage], seed: u64) -> Self {
        let rng = Rng::stream(seed, Purpose::Arrivals, 0);
        let coming = stages.iter().rev().map(Line::of).collect();
        let mut this =
            Self { coming, current: Line::NONE, begin: 0, target: 0.0, burst: (0, Time::ZERO), rng };
        if let Some(first) = this.coming.pop() {
            this.current = first;
            this.target = this.first();
        }
        this
    }

    /// The next arrival; `None` after the last.
    #[inline]
    pub(super) fn next(&mut self) -> Option<Time> {
        if self.burst.0 > 0 {
            self.burst.0 -= 1;
            return Some(self.burst.1);
        }
        while self.target >= self.current.total {
            self.go_on()?;
        }
        let at = Time::from_nanos(self.begin.saturating_add(self.current.invert(self.target)));
        match self.current.spread {
            Spread::Poisson => self.target += self.rng.exponential(),
            Spread::Even => self.target += 1.0,
            Spread::BurstsOf(size) => {
                self.target += f64::from(size) * self.rng.exponential();
                self.burst = (size.saturating_sub(1), at);
            }
        }
        Some(at)
    }

    /// The next stage. What is left over until the next arrival is carried into it.
    fn go_on(&mut self) -> Option<()> {
        let next = self.coming.pop()?;
        self.begin = self.begin.saturating_add(self.current.nanos);
        self.target -= self.current.total;
        let same = self.current.spread == next.spread;
        self.current = next;
        if !same {
            self.target = self.first();
        }
        Some(())
    }

    /// Where the first arrival of a stage lies that carries on nothing.
    fn first(&mut self) -> f64 {
        match self.current.spread {
            Spread::Poisson => self.rng.exponential(),
            Spread::Even => 0.0,
            Spread::BurstsOf(size) => f64::from(size) * self.rng.exponential(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actors::Duration;
    use proptest::prelude::*;

    fn stage(from: f64, to: f64, seconds: u64, arrivals: Spread) -> Stage {
        let length = Duration::from_secs(seconds);
        Stage { from: Some(from), to: Some(to), length, arrivals: Some(arrivals) }
    }

    fn times(stages: &[Stage], seed: u64) -> Vec<f64> {
        let mut stages = Stages::new(stages, seed);
        std::iter::from_fn(|| stages.next()).map(Time::as_secs_f64).collect()
    }

    #[test]
    fn even_arrivals_are_as_far_apart_as_the_rate_allows() {
        assert_eq!(times(&[stage(4.0, 4.0, 1, Spread::Even)], 1), [0.0, 0.25, 0.5, 0.75]);
        // The third of a second is carried over the end of the first stage.
        let two = [stage(1.5, 1.5, 1, Spread::Even), stage(3.0, 3.0, 1, Spread::Even)];
        let all = times(&two, 1);
        assert_eq!(all.len(), 5, "{all:?}");
        assert!((all[2] - (1.0 + 0.5 / 3.0)).abs() < 1e-8, "{all:?}");
    }

    #[test]
    fn poisson_gaps_have_the_mean_and_the_deviation_of_exponential_ones() {
        let all = times(&[stage(50.0, 50.0, 4_000, Spread::Poisson)], 9);
        let gaps: Vec<f64> = all.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let deviation =
            (gaps.iter().map(|gap| (gap - mean) * (gap - mean)).sum::<f64>() / gaps.len() as f64).sqrt();
        assert!((mean - 0.02).abs() < 0.000_15, "{mean}");
        assert!((deviation - 0.02).abs() < 0.000_3, "{deviation}");
    }

    #[test]
    fn a_ramp_has_the_counts_of_its_integral_all_along() {
        let all = times(&[stage(0.0, 100.0, 400, Spread::Poisson)], 3);
        // Expected: 20,000 arrivals, a quarter of them in the first half. Poisson deviations: 141 and 71.
        let early = all.iter().filter(|at| **at < 200.0).count();
        assert!((all.len() as f64 - 20_000.0).abs() < 500.0, "{}", all.len());
        assert!((early as f64 - 5_000.0).abs() < 250.0, "{early}");
    }

    #[test]
    fn bursts_arrive_at_once_and_keep_the_rate() {
        let all = times(&[stage(100.0, 100.0, 1_000, Spread::BurstsOf(20))], 5);
        assert_eq!(all.len() % 20, 0);
        assert!(all.chunks(20).all(|burst| burst.iter().all(|at| *at == burst[0])));
        assert!((all.len() as f64 - 100_000.0).abs() < 6_000.0, "{}", all.len());
    }

    #[test]
    fn silence_brings_nobody() {
        let quiet = [stage(0.0, 0.0, 10, Spread::Even), stage(1.0, 1.0, 2, Spread::Even)];
        assert_eq!(times(&quiet, 1), [10.0, 11.0]);
        assert_eq!(times(&[stage(0.0, 0.0, 10, Spread::Poisson)], 1), [0.0; 0]);
        assert_eq!(times(&[stage(9.0, 9.0, 0, Spread::Even)], 1), [0.0; 0]);
    }

    proptest! {
        #[test]
        fn even_counts_match_the_integral(
            rates in proptest::collection::vec((0.0f64..50.0, 0.0f64..50.0, 0u64..20), 1..5)
        ) {
            let stages: Vec<Stage> =
                rates.iter().map(|&(from, to, seconds)| stage(from, to, seconds, Spread::Even)).collect();
            let expected: f64 = stages.iter().map(Stage::expected_requests).sum();
            let count = times(&stages, 1).len() as f64;
            prop_assert!((count - expected).abs() <= 1.001, "{count} {expected}");
        }

        #[test]
        fn arrivals_are_in_order_and_within_the_stages(
            rates in proptest::collection::vec((0.0f64..200.0, 0.0f64..200.0, 0u64..10, 0u32..4), 1..5),
            seed: u64,
        ) {
            let kind = |kind| match kind { 0 => Spread::Poisson, 1 => Spread::Even, n => Spread::BurstsOf(n) };
            let stages: Vec<Stage> =
                rates.iter().map(|&(from, to, seconds, n)| stage(from, to, seconds, kind(n))).collect();
            let all = times(&stages, seed);
            let end: u64 = rates.iter().map(|rate| rate.2).sum();
            prop_assert!(all.windows(2).all(|pair| pair[0] <= pair[1]));
            prop_assert!(all.iter().all(|at| *at <= end as f64));
            prop_assert_eq!(all, times(&stages, seed));
        }
    }
}
