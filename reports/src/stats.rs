//! Means, medians, confidence intervals and tests.

use statrs::distribution::{ContinuousCDF as _, StudentsT};

/// How often a claim may be wrong: intervals are of 95 %.
pub(crate) const ALPHA: f64 = 0.05;

/// The sum of some numbers. Of none it is zero, where the standard library says minus zero.
pub(crate) fn sum(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(0.0, |sum, value| sum + value)
}

/// A mean and how well it is known, by Student's t.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Estimate {
    pub(crate) mean: f64,
    /// The mean's standard error `s / sqrt(n)`, and n; nothing for fewer than two values.
    error: Option<(f64, usize)>,
}

impl Estimate {
    /// The estimate from these values; nothing without any.
    pub(crate) fn of(values: &[f64]) -> Option<Self> {
        if values.is_empty() {
            return None;
        }
        let count = values.len() as f64;
        let mean = sum(values.iter().copied()) / count;
        let squares = sum(values.iter().map(|value| (value - mean) * (value - mean)));
        let error =
            (values.len() > 1).then(|| ((squares / (count - 1.0)).sqrt() / count.sqrt(), values.len()));
        Some(Self { mean, error })
    }

    /// The confidence interval of the mean that is wrong with a probability of `alpha`:
    /// `mean +- t(1 - alpha / 2, n - 1) s / sqrt(n)`.
    pub(crate) fn interval(&self, alpha: f64) -> Option<(f64, f64)> {
        let (error, count) = self.error?;
        let half = student(count)?.inverse_cdf(1.0 - alpha / 2.0) * error;
        Some((self.mean - half, self.mean + half))
    }

    /// How probable a mean at least so far from zero is where the true one is zero.
    pub(crate) fn p_value(&self) -> Option<f64> {
        let (error, count) = self.error?;
        match error {
            0.0 if self.mean == 0.0 => Some(1.0),
            0.0 => Some(0.0),
            error => Some(2.0 * student(count)?.cdf(-(self.mean / error).abs())),
        }
    }
}

fn student(count: usize) -> Option<StudentsT> {
    StudentsT::new(0.0, 1.0, count as f64 - 1.0).ok()
}

/// For each p-value the level at which it is judged, so that of all claims together any is wrong with a
/// probability of at most `alpha`, however they depend on each other: Holm's method. A claim holds where its
/// p-value is at most its level.
pub(crate) fn holm(p_values: &[f64], alpha: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|a, b| p_values[*a].total_cmp(&p_values[*b]));
    let mut levels = vec![alpha; p_values.len()];
    let mut held = None;
    for (rank, index) in order.into_iter().enumerate() {
        let level = alpha / (p_values.len() - rank) as f64;
        if held.is_none() && p_values[index] > level {
            held = Some(level);
        }
        // The first that fails decides for all after it.
        levels[index] = held.unwrap_or(level);
    }
    levels
}

/// The 95 % confidence interval of a share, of which `some` of `all` were seen, by Wilson.
pub(crate) fn wilson(some: u64, all: u64) -> (f64, f64) {
    const Z: f64 = 1.959_964;
    if all == 0 {
        return (0.0, 1.0);
    }
    let (n, share) = (all as f64, some as f64 / all as f64);
    let middle = share + Z * Z / (2.0 * n);
    let half = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + Z * Z / n;
    (((middle - half) / scale).max(0.0), ((middle + half) / scale).min(1.0))
}

/// The value in the middle; the mean of the two for an even number.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        count if count % 2 == 1 => Some(sorted[middle]),
        _ => Some((sorted[middle - 1] + sorted[middle]) / 2.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: mean 3, s = sqrt(2.5), t(0.975, 4) = 2.776445.
    #[test]
    fn the_interval_is_students() {
        let estimate = Estimate::of(&[1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
        let (low, high) = estimate.interval(ALPHA).unwrap();
        assert_eq!(estimate.mean, 3.0);
        assert!(
            (high - 3.0 - 1.963_243).abs() < 1e-5 && (3.0 - low - 1.963_243).abs() < 1e-5,
            "{low} {high}"
        );
        // t = 3 / (sqrt(2.5) / sqrt(5)) = 4.242641 with 4 degrees of freedom.
        assert!((estimate.p_value().unwrap() - 0.013_235).abs() < 1e-5, "{:?}", estimate.p_value());
    }

    #[test]
    fn an_interval_excludes_zero_where_the_p_value_is_below_its_level() {
        for alpha in [0.05, 0.01, 0.003] {
            for shift in 0..40 {
                let values = [1.0, 2.0, 3.0, 4.0, 5.0].map(|value| value - f64::from(shift) * 0.1);
                let estimate = Estimate::of(&values).unwrap();
                let (low, high) = estimate.interval(alpha).unwrap();
                assert_eq!(low > 0.0 || high < 0.0, estimate.p_value().unwrap() < alpha, "{shift} {alpha}");
            }
        }
    }

    #[test]
    fn one_value_has_no_interval_and_none_no_mean() {
        let one = Estimate::of(&[7.0]).unwrap();
        assert_eq!((one.mean, one.interval(ALPHA), one.p_value()), (7.0, None, None));
        assert_eq!(Estimate::of(&[]), None);
        let same = Estimate::of(&[2.0, 2.0]).unwrap();
        assert_eq!((same.interval(ALPHA), same.p_value()), (Some((2.0, 2.0)), Some(0.0)));
        assert_eq!(
            (median(&[3.0, 1.0, 2.0]), median(&[4.0, 1.0]), median(&[])),
            (Some(2.0), Some(2.5), None)
        );
    }

    #[test]
    fn the_sum_of_nothing_is_no_negative_zero() {
        assert!(sum(std::iter::empty()).is_sign_positive());
        assert_eq!(sum([1.0, 2.5].into_iter()), 3.5);
    }

    /// Holm's own example: of 0.01, 0.02, 0.03 the first is judged at 0.05 / 3, the second at 0.05 / 2 and
    /// the third at 0.05.
    #[test]
    fn claims_are_judged_by_holm() {
        let levels = holm(&[0.03, 0.01, 0.02], 0.05);
        assert_eq!(levels, [0.05, 0.05 / 3.0, 0.025]);
        let levels = holm(&[0.04, 0.02, 0.01], 0.03);
        assert_eq!(levels, [0.015, 0.015, 0.01], "the second fails, and so decides for the third");
        assert!(holm(&[], 0.05).is_empty());
    }

    /// As tables have them: 9 of 10 is 59.6 % to 98.2 %.
    #[test]
    fn shares_have_wilsons_interval() {
        let (low, high) = wilson(9, 10);
        assert!((low - 0.5958).abs() < 1e-3 && (high - 0.9821).abs() < 1e-3, "{low} {high}");
        assert_eq!((wilson(0, 0), wilson(0, 5).0, wilson(5, 5).1), ((0.0, 1.0), 0.0, 1.0));
    }
}
