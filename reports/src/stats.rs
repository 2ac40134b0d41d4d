//! Means and their confidence intervals.

use statrs::distribution::{ContinuousCDF as _, StudentsT};

/// A mean with its 95 % confidence interval by Student's t: `mean +- t(0.975, n - 1) s / sqrt(n)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Estimate {
    pub(crate) mean: f64,
    /// The interval's ends; nothing for fewer than two values.
    pub(crate) interval: Option<(f64, f64)>,
}

/// The sum of some numbers. Of none it is zero, where the standard library says minus zero.
pub(crate) fn sum(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(0.0, |sum, value| sum + value)
}

/// The estimate from these values; nothing without any.
pub(crate) fn estimate(values: &[f64]) -> Option<Estimate> {
    if values.is_empty() {
        return None;
    }
    let count = values.len() as f64;
    let mean = sum(values.iter().copied()) / count;
    let squares = sum(values.iter().map(|value| (value - mean) * (value - mean)));
    let interval = StudentsT::new(0.0, 1.0, count - 1.0).ok().map(|t| {
        let half = t.inverse_cdf(0.975) * (squares / (count - 1.0)).sqrt() / count.sqrt();
        (mean - half, mean + half)
    });
    Some(Estimate { mean, interval })
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
        let estimate = estimate(&[1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
        let (low, high) = estimate.interval.unwrap();
        assert_eq!(estimate.mean, 3.0);
        assert!(
            (high - 3.0 - 1.963_243).abs() < 1e-5 && (3.0 - low - 1.963_243).abs() < 1e-5,
            "{low} {high}"
        );
    }

    #[test]
    fn the_sum_of_nothing_is_no_negative_zero() {
        assert!(sum(std::iter::empty()).is_sign_positive());
        assert_eq!(sum([1.0, 2.5].into_iter()), 3.5);
    }

    #[test]
    fn one_value_has_no_interval_and_none_no_mean() {
        assert_eq!(estimate(&[7.0]), Some(Estimate { mean: 7.0, interval: None }));
        assert_eq!(estimate(&[]), None);
        assert_eq!(
            (median(&[3.0, 1.0, 2.0]), median(&[4.0, 1.0]), median(&[])),
            (Some(2.0), Some(2.5), None)
        );
    }
}
