//! A distribution that is ready to be drawn from. Cheap to clone: tables are shared.

use std::sync::Arc;

use actors::{Duration, Rng};

use super::percentiles::{Curve, Percentiles};

/// The standard normal quantile of 0.99.
const Z99: f64 = 2.326_347_874_040_840_8;

/// Draws durations.
#[derive(Clone, Debug)]
pub struct Sampler(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Constant(Duration),
    Exponential(Duration),
    Lognormal {
        p50: Duration,
        sigma: f64,
    },
    Uniform {
        shortest: Duration,
        longest: Duration,
    },
    Curve(Arc<Curve>),
    /// Values in ascending order, each with the count of all draws up to and including it.
    Counted(Arc<[(u64, u64)]>),
    /// Values, all alike.
    Listed(Arc<[u64]>),
}

impl Sampler {
    /// Always the same.
    pub fn constant(value: Duration) -> Self {
        Self(Kind::Constant(value))
    }

    /// Exponential with this mean.
    pub fn exponential(mean: Duration) -> Self {
        Self(Kind::Exponential(mean))
    }

    /// Lognormal through two percentiles, of which `p50` is not zero and `p99` is not smaller.
    pub(super) fn lognormal(p50: Duration, p99: Duration) -> Self {
        let sigma = libm::log(p99.as_nanos() as f64 / p50.as_nanos() as f64) / Z99;
        Self(Kind::Lognormal { p50, sigma })
    }

    /// Lognormal with this mean, which is not zero unless the deviation is.
    pub(super) fn moments(mean: Duration, deviation: Duration) -> Self {
        if deviation.is_zero() {
            return Self::constant(mean);
        }
        let relative = deviation.as_nanos() as f64 / mean.as_nanos() as f64;
        let square = libm::log1p(relative * relative);
        Self(Kind::Lognormal { p50: mean.scaled(libm::exp(-square / 2.0)), sigma: libm::sqrt(square) })
    }

    /// Anything from the shortest to the longest.
    pub(super) fn uniform(shortest: Duration, longest: Duration) -> Self {
        Self(Kind::Uniform { shortest, longest })
    }

    /// Through percentiles without a fault.
    pub(super) fn through(percentiles: &Percentiles) -> Self {
        Self(Kind::Curve(Arc::new(Curve::through(percentiles))))
    }

    /// From values with their counts, in ascending order of values; `None` without any count.
    pub(super) fn counted(counts: impl IntoIterator<Item = (u64, u64)>) -> Option<Self> {
        let mut total = 0u64;
        let mut table = Vec::new();
        for (value, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
            total = total.checked_add(count)?;
            table.push((value, total));
        }
        (!table.is_empty()).then(|| Self(Kind::Counted(table.into())))
    }

    /// From a list of values; `None` for an empty one.
    pub(super) fn listed(values: Vec<u64>) -> Option<Self> {
        (!values.is_empty()).then(|| Self(Kind::Listed(values.into())))
    }

    /// One draw.
    #[inline]
    pub fn sample(&self, rng: &mut Rng) -> Duration {
        match &self.0 {
            Kind::Constant(value) => *value,
            other => other.draw(rng),
        }
    }

    /// The one value that is always drawn, where there is only one.
    pub fn as_constant(&self) -> Option<Duration> {
        match self.0 {
            Kind::Constant(value) => Some(value),
            _ => None,
        }
    }

    /// The mean of all draws.
    pub fn mean(&self) -> Duration {
        match &self.0 {
            Kind::Constant(value) | Kind::Exponential(value) => *value,
            Kind::Lognormal { p50, sigma } => p50.scaled(libm::exp(sigma * sigma / 2.0)),
            Kind::Uniform { shortest, longest } => {
                Duration::from_nanos(shortest.as_nanos() + (*longest - *shortest).as_nanos() / 2)
            }
            Kind::Curve(curve) => curve.mean(),
            Kind::Counted(table) => {
                let (sum, _) = table.iter().fold((0u128, 0u64), |(sum, before), (value, up_to)| {
                    (sum.saturating_add(u128::from(*value) * u128::from(up_to - before)), *up_to)
                });
                let total = table.last().map_or(1, |(_, total)| (*total).max(1));
                Duration::from_nanos(u64::try_from(sum / u128::from(total)).unwrap_or(u64::MAX))
            }
            Kind::Listed(values) => {
                let sum: u128 = values.iter().map(|value| u128::from(*value)).sum();
                Duration::from_nanos(u64::try_from(sum / values.len() as u128).unwrap_or(u64::MAX))
            }
        }
    }
}

impl Kind {
    fn draw(&self, rng: &mut Rng) -> Duration {
        match self {
            Self::Constant(value) => *value,
            Self::Exponential(mean) => mean.scaled(rng.exponential()),
            Self::Lognormal { p50, sigma } => p50.scaled(libm::exp(sigma * rng.normal())),
            Self::Uniform { shortest, longest } => {
                let values = (*longest - *shortest).as_nanos().saturating_add(1);
                *shortest + Duration::from_nanos(rng.below(values))
            }
            Self::Curve(curve) => curve.value(rng.normal()),
            Self::Counted(table) => {
                let total = table.last().map_or(0, |(_, total)| *total);
                let drawn = rng.below(total);
                let index = table.partition_point(|(_, up_to)| *up_to <= drawn);
                Duration::from_nanos(table[index.min(table.len() - 1)].0)
            }
            Self::Listed(values) => Duration::from_nanos(values[rng.below(values.len() as u64) as usize]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::percentiles::Percentile;
    use super::*;
    use actors::random::Purpose;

    fn draws(sampler: &Sampler, count: usize) -> Vec<u64> {
        let mut rng = Rng::stream(3, Purpose::Boots, 0);
        (0..count).map(|_| sampler.sample(&mut rng).as_nanos()).collect()
    }

    fn assert_mean_holds(sampler: &Sampler, tolerance: f64) {
        let all = draws(sampler, 200_000);
        let mean = all.iter().sum::<u64>() as f64 / all.len() as f64;
        let expected = sampler.mean().as_nanos() as f64;
        assert!((mean / expected - 1.0).abs() < tolerance, "{mean} {expected}");
    }

    #[test]
    fn percentiles_of_a_lognormal_are_the_given_ones() {
        let sampler = Sampler::lognormal(Duration::from_millis(36), Duration::from_millis(120));
        let mut all = draws(&sampler, 200_000);
        all.sort_unstable();
        let at = |share: f64| all[(all.len() as f64 * share) as usize] as f64 / 1e6;
        assert!((at(0.5) - 36.0).abs() < 0.4, "{}", at(0.5));
        assert!((at(0.99) - 120.0).abs() < 3.0, "{}", at(0.99));
        assert_mean_holds(&sampler, 0.01);
    }

    #[test]
    fn means_are_those_of_the_draws() {
        assert_mean_holds(&Sampler::exponential(Duration::from_secs(2)), 0.01);
        assert_mean_holds(&Sampler::counted([(10_000, 1), (20_000, 0), (30_000, 3)]).expect("counts"), 0.01);
        assert_mean_holds(&Sampler::listed(vec![100, 300]).expect("values"), 0.01);
        let ms = Duration::from_millis;
        assert_mean_holds(&Sampler::uniform(ms(10), ms(30)), 0.01);
        assert_mean_holds(&Sampler::moments(ms(2_000), ms(500)), 0.01);
        let at = |name, value| (Percentile::named(name).expect(name), ms(value));
        let bent = Percentiles(vec![at("p10", 5), at("p50", 20), at("p90", 25), at("p99", 200)]);
        assert_mean_holds(&Sampler::through(&bent), 0.02);
        assert_eq!(Sampler::moments(ms(7), Duration::ZERO).as_constant(), Some(ms(7)));
    }

    #[test]
    fn moments_and_percentiles_are_the_given_ones() {
        let ms = Duration::from_millis;
        let all = draws(&Sampler::moments(ms(2_000), ms(500)), 200_000);
        let mean = all.iter().sum::<u64>() as f64 / all.len() as f64;
        let square = |value: &u64| (*value as f64 - mean) * (*value as f64 - mean);
        let deviation = (all.iter().map(square).sum::<f64>() / all.len() as f64).sqrt() / 1e6;
        assert!((deviation - 500.0).abs() < 5.0, "{deviation}");
        let at = |name, value| (Percentile::named(name).expect(name), ms(value));
        let bent = Percentiles(vec![at("p10", 5), at("p50", 20), at("p90", 25), at("p99", 200)]);
        let mut all = draws(&Sampler::through(&bent), 400_000);
        all.sort_unstable();
        for (share, expected) in [(0.1, 5.0), (0.5, 20.0), (0.9, 25.0), (0.99, 200.0)] {
            let found = all[(all.len() as f64 * share) as usize] as f64 / 1e6;
            assert!((found / expected - 1.0).abs() < 0.03, "{share} {found}");
        }
        let all = draws(&Sampler::uniform(Duration::from_nanos(3), Duration::from_nanos(5)), 3_000);
        assert!([3, 4, 5].iter().all(|value| all.iter().filter(|drawn| *drawn == value).count() > 900));
        assert!(all.iter().all(|drawn| (3..=5).contains(drawn)));
    }

    #[test]
    fn counts_are_weights() {
        let sampler = Sampler::counted([(1, 1), (2, 0), (3, 9)]).expect("counts");
        let all = draws(&sampler, 10_000);
        let ones = all.iter().filter(|value| **value == 1).count();
        assert!((900..1_100).contains(&ones), "{ones}");
        assert!(all.iter().all(|value| [1, 3].contains(value)));
    }

    #[test]
    fn a_constant_draws_nothing() {
        let mut rng = Rng::stream(3, Purpose::Boots, 0);
        let before = rng.clone().bits();
        assert_eq!(Sampler::constant(Duration::from_secs(1)).sample(&mut rng), Duration::from_secs(1));
        assert_eq!(rng.bits(), before);
    }
}
