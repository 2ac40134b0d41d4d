//! A distribution through given percentiles: exact at each of them, and monotone. Between two of them, and
//! beyond the first and the last, the logarithm of the value is a straight line over the normal quantile of
//! the share; so two percentiles make a lognormal distribution, and more of them bend it.

use std::fmt;

use actors::Duration;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

/// A share of all draws as its name has it: `p50`, `p99`, `p999` for 99.9 %.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percentile {
    /// In millionths.
    millionths: u32,
}

impl Percentile {
    /// The share that a key names; `None` where it names none. `p5` is 5 %, `p999` and `"p99.9"` are 99.9 %.
    /// Nothing and all are not named: no draw is known to be the shortest or the longest.
    pub fn named(key: &str) -> Option<Self> {
        let digits = key.strip_prefix('p')?;
        let (whole, decimals) = match digits.split_once('.') {
            Some((_, "")) => return None,
            Some((whole, decimals)) => (whole, decimals),
            // Decimals without a point follow two digits: p999, p9999.
            None if digits.len() > 2 && digits.starts_with('9') => digits.split_at_checked(2)?,
            None => (digits, ""),
        };
        let is_number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty()
            || whole.len() > 2
            || decimals.len() > 4
            || !is_number(whole)
            || !is_number(decimals)
        {
            return None;
        }
        let millionths = format!("{whole}{decimals:0<4}").parse().ok()?;
        (millionths > 0).then_some(Self { millionths })
    }

    fn share(self) -> f64 {
        f64::from(self.millionths) / 1e6
    }
}

impl fmt::Display for Percentile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, decimals) = (self.millionths / 10_000, self.millionths % 10_000);
        let decimals = format!("{decimals:04}");
        match (whole, decimals.trim_end_matches('0')) {
            (whole, "") => write!(f, "p{whole}"),
            (90.., decimals) => write!(f, "p{whole}{decimals}"),
            (_, decimals) => write!(f, "p{whole}.{decimals}"),
        }
    }
}

/// Two or more percentiles, in ascending order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Percentiles(pub(super) Vec<(Percentile, Duration)>);

impl Percentiles {
    /// The first two neighbours that are in the wrong order, or of which the first is zero.
    pub(super) fn fault(&self) -> Option<[(Percentile, Duration); 2]> {
        let wrong = |pair: &&[(Percentile, Duration)]| pair[0].1.is_zero() || pair[1].1 < pair[0].1;
        self.0.windows(2).find(wrong).map(|pair| [pair[0], pair[1]])
    }
}

impl Serialize for Percentiles {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (percentile, value) in &self.0 {
            map.serialize_entry(&percentile.to_string(), value)?;
        }
        map.end()
    }
}

/// The straight lines, ready to be drawn from.
#[derive(Clone, Debug)]
pub(super) struct Curve {
    /// Normal quantiles of the percentiles, and the logarithms of their values in nanoseconds. Two or more.
    points: Vec<(f64, f64)>,
}

impl Curve {
    pub(super) fn through(percentiles: &Percentiles) -> Self {
        let point = |&(percentile, value): &(Percentile, Duration)| {
            (normal_quantile(percentile.share()), libm::log(value.as_nanos() as f64))
        };
        Self { points: percentiles.0.iter().map(point).collect() }
    }

    /// The value at a normal quantile.
    pub(super) fn value(&self, quantile: f64) -> Duration {
        let next = self.points.partition_point(|(point, _)| *point < quantile);
        let (slope, begin) = self.line(next.clamp(1, self.points.len() - 1));
        Duration::from_nanos(1).scaled(libm::exp(begin + slope * quantile))
    }

    /// The slope of the line that ends at this point, and its height at quantile zero.
    fn line(&self, end: usize) -> (f64, f64) {
        let ((x0, y0), (x1, y1)) = (self.points[end - 1], self.points[end]);
        let slope = (y1 - y0) / (x1 - x0);
        (slope, y1 - slope * x1)
    }

    /// The mean: of `exp(begin + slope z)` over each stretch of a standard normal z.
    pub(super) fn mean(&self) -> Duration {
        let below = |quantile: f64| 0.5 * libm::erfc(-quantile / std::f64::consts::SQRT_2);
        let last = self.points.len() - 1;
        let mut mean = 0.0;
        for end in 1..=last {
            let (slope, begin) = self.line(end);
            let from = if end == 1 { 0.0 } else { below(self.points[end - 1].0 - slope) };
            let to = if end == last { 1.0 } else { below(self.points[end].0 - slope) };
            mean += libm::exp(begin + slope * slope / 2.0) * (to - from);
        }
        Duration::from_nanos(1).scaled(mean)
    }
}

/// The quantile of the standard normal distribution, good to about 1e-16 (Wichura, "Algorithm AS 241",
/// Applied Statistics 1988).
fn normal_quantile(share: f64) -> f64 {
    const CENTRE: ([f64; 8], [f64; 8]) = (
        [
            3.387_132_872_796_366_5,
            133.141_667_891_784_38,
            1_971.590_950_306_551_3,
            13_731.693_765_509_46,
            45_921.953_931_549_87,
            67_265.770_927_008_7,
            33_430.575_583_588_13,
            2_509.080_928_730_122_7,
        ],
        [
            1.0,
            42.313_330_701_600_91,
            687.187_007_492_057_9,
            5_394.196_021_424_751,
            21_213.794_301_586_597,
            39_307.895_800_092_71,
            28_729.085_735_721_943,
            5_226.495_278_852_854,
        ],
    );
    const MIDDLE: ([f64; 8], [f64; 8]) = (
        [
            1.423_437_110_749_683_5,
            4.630_337_846_156_546,
            5.769_497_221_460_691,
            3.647_848_324_763_204_5,
            1.270_458_252_452_368_4,
            0.241_780_725_177_450_6,
            0.022_723_844_989_269_184,
            7.745_450_142_783_414e-4,
        ],
        [
            1.0,
            2.053_191_626_637_759,
            1.676_384_830_183_803_8,
            0.689_767_334_985_1,
            0.148_103_976_427_480_08,
            0.015_198_666_563_616_457,
            5.475_938_084_995_345e-4,
            1.050_750_071_644_416_9e-9,
        ],
    );
    const TAIL: ([f64; 8], [f64; 8]) = (
        [
            6.657_904_643_501_103,
            5.463_784_911_164_114,
            1.784_826_539_917_291_3,
            0.296_560_571_828_504_9,
            0.026_532_189_526_576_124,
            0.001_242_660_947_388_078_4,
            2.711_555_568_743_487_6e-5,
            2.010_334_399_292_288_1e-7,
        ],
        [
            1.0,
            0.599_832_206_555_887_9,
            0.136_929_880_922_735_8,
            0.014_875_361_290_850_615,
            7.868_691_311_456_133e-4,
            1.846_318_317_510_054_7e-5,
            1.421_511_758_316_446e-7,
            2.044_263_103_389_939_8e-15,
        ],
    );
    let ratio = |(above, below): ([f64; 8], [f64; 8]), x: f64| {
        let polynomial = |terms: [f64; 8]| terms.iter().rev().fold(0.0, |sum, term| sum * x + term);
        polynomial(above) / polynomial(below)
    };
    let from_centre = share - 0.5;
    if from_centre.abs() <= 0.425 {
        return from_centre * ratio(CENTRE, 0.180_625 - from_centre * from_centre);
    }
    let tail = if from_centre < 0.0 { share } else { 1.0 - share };
    let root = libm::sqrt(-libm::log(tail));
    let quantile = if root <= 5.0 { ratio(MIDDLE, root - 1.6) } else { ratio(TAIL, root - 5.0) };
    if from_centre < 0.0 { -quantile } else { quantile }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keys_name_percentiles_and_are_written_as_they_are_read() {
        for (key, millionths) in [
            ("p5", 50_000),
            ("p50", 500_000),
            ("p95", 950_000),
            ("p999", 999_000),
            ("p9999", 999_900),
            ("p975", 975_000),
            ("p99.9", 999_000),
            ("p2.5", 25_000),
            ("p0.1", 1_000),
        ] {
            let percentile = Percentile::named(key).expect(key);
            assert_eq!(percentile, Percentile { millionths }, "{key}");
            assert_eq!(Percentile::named(&percentile.to_string()), Some(percentile), "{key}");
        }
        for key in [
            "p",
            "p0",
            "p100",
            "p101",
            "p500",
            "q50",
            "50",
            "p5x",
            "p-5",
            "p9.",
            "p.9",
            "p99.99999",
            "p9é",
            "pé",
        ] {
            assert_eq!(Percentile::named(key), None, "{key}");
        }
    }

    /// Against the tables of the normal distribution.
    #[test]
    fn normal_quantiles_are_the_known_ones() {
        for (share, quantile) in [
            (0.5, 0.0),
            (0.9, 1.281_551_565_544_600_4),
            (0.95, 1.644_853_626_951_472_2),
            (0.99, 2.326_347_874_040_840_8),
            (0.999, 3.090_232_306_167_813_5),
            (0.000_001, -4.753_424_308_822_898),
            (0.25, -0.674_489_750_196_081_7),
        ] {
            assert!((normal_quantile(share) - quantile).abs() < 1e-12, "{share} {}", normal_quantile(share));
        }
    }

    proptest! {
        #[test]
        fn a_curve_is_exact_at_each_percentile_and_monotone(
            shares in proptest::collection::btree_set(1u32..1_000_000, 2..8),
            steps in proptest::collection::vec(0u64..1_000_000_000, 8),
            at in -6.0f64..6.0,
        ) {
            let mut value = 1_000;
            let percentiles = shares.iter().zip(steps).map(|(millionths, step)| {
                value += step;
                (Percentile { millionths: *millionths }, Duration::from_nanos(value))
            });
            let percentiles = Percentiles(percentiles.collect());
            prop_assert_eq!(percentiles.fault(), None);
            let curve = Curve::through(&percentiles);
            for (percentile, value) in &percentiles.0 {
                let found = curve.value(normal_quantile(percentile.share())).as_nanos() as f64;
                prop_assert!((found / value.as_nanos() as f64 - 1.0).abs() < 1e-9, "{percentile} {value} {found}");
            }
            prop_assert!(curve.value(at) <= curve.value(at + 0.1));
        }
    }
}
