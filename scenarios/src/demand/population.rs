//! Who a request comes from: one of many tenants, and one of a few regions.

use actors::random::Purpose;
use actors::{Key, Rng};

use crate::scenario::{RegionPlan, Tenants};

/// Draws tenants.
#[derive(Clone, Debug)]
pub(super) struct Population {
    count: u32,
    /// Cumulative weights by Zipf's law; empty where all are alike.
    weights: Vec<f64>,
    rng: Rng,
}

impl Population {
    pub(super) fn new(tenants: &Tenants, seed: u64) -> Self {
        let mut weights = Vec::new();
        if tenants.skew > 0.0 && tenants.count > 1 {
            let mut sum = 0.0;
            weights.extend((1..=tenants.count).map(|rank| {
                sum += libm::pow(f64::from(rank), -tenants.skew);
                sum
            }));
        }
        Self { count: tenants.count.max(1), weights, rng: Rng::stream(seed, Purpose::Keys, 0) }
    }

    #[inline]
    pub(super) fn draw(&mut self) -> Key {
        if self.count == 1 {
            return Key(0);
        }
        let Some(sum) = self.weights.last() else {
            return Key(self.rng.below(u64::from(self.count)) as u32);
        };
        let drawn = self.rng.uniform() * sum;
        let rank = self.weights.partition_point(|weight| *weight <= drawn);
        Key((rank as u32).min(self.count - 1))
    }
}

/// Draws regions.
#[derive(Clone, Debug)]
pub(super) struct Regions {
    /// Cumulative shares of all regions but those after the last that has any.
    shares: Vec<f64>,
    rng: Rng,
}

impl Regions {
    pub(super) fn new(plans: &[RegionPlan], seed: u64) -> Self {
        let last = plans.iter().rposition(|plan| plan.share > 0.0).map_or(0, |last| last + 1);
        let mut sum = 0.0;
        let shares = plans[..last].iter().map(|plan| {
            sum += plan.share;
            sum
        });
        Self { shares: shares.collect(), rng: Rng::stream(seed, Purpose::Regions, 0) }
    }

    #[inline]
    pub(super) fn draw(&mut self) -> u32 {
        let (Some(sum), true) = (self.shares.last(), self.shares.len() > 1) else {
            return 0;
        };
        let drawn = self.rng.uniform() * sum;
        let region = self.shares.iter().position(|share| drawn < *share);
        region.unwrap_or(self.shares.len() - 1) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skewed_tenants_follow_zipf() {
        let mut population = Population::new(&Tenants { count: 3, skew: 1.0 }, 1);
        let mut counts = [0u32; 3];
        for _ in 0..110_000 {
            counts[population.draw().0 as usize] += 1;
        }
        // 1 : 1/2 : 1/3, that is 6, 3 and 2 elevenths.
        for (count, expected) in counts.iter().zip([60_000.0, 30_000.0, 20_000.0]) {
            assert!((f64::from(*count) - expected).abs() < 700.0, "{counts:?}");
        }
    }

    #[test]
    fn tenants_without_skew_are_alike_and_one_draws_nothing() {
        let mut population = Population::new(&Tenants { count: 4, skew: 0.0 }, 1);
        let mut counts = [0u32; 4];
        (0..40_000).for_each(|_| counts[population.draw().0 as usize] += 1);
        assert!(counts.iter().all(|count| (9_500..10_500).contains(count)), "{counts:?}");
        assert_eq!(Population::new(&Tenants::default(), 1).draw(), Key(0));
    }

    #[test]
    fn regions_get_their_share() {
        let plan = |share| RegionPlan { name: String::new(), workers: 0..1, share };
        let mut regions = Regions::new(&[plan(0.25), plan(0.0), plan(0.75), plan(0.0)], 1);
        let mut counts = [0u32; 4];
        (0..40_000).for_each(|_| counts[regions.draw() as usize] += 1);
        assert!((9_500..10_500).contains(&counts[0]) && counts[1] == 0 && counts[3] == 0, "{counts:?}");
        assert_eq!(Regions::new(&[plan(1.0)], 1).draw(), 0);
    }
}
