//! The keys of a distribution's table, and which of them belong together.

use actors::{Duration, invalid};
use serde::de;

use super::percentiles::{Percentile, Percentiles};
use super::{Distribution, Unit};

const SHAPES: &str = "give one of { constant = \"1ms\" }, { p50 = \"36ms\", p99 = \"120ms\" } (any two or more percentiles), \
     { mean = \"2s\", deviation = \"500ms\" }, { exponential = \"2s\" }, { uniform = [\"1s\", \"3s\"] }, \
     { histogram = \"boot.hlog\" } or { samples = \"boots.txt\", unit = \"ms\" }";

/// What other tools call it, and what to write here.
const OTHER_WORDS: [(&[&str], &str); 6] = [
    (&["median", "mid", "typical"], "the median is `p50`"),
    (&["average", "avg", "mu"], "the mean is `mean`, beside `deviation`"),
    (&["std", "stddev", "stdev", "sd", "sigma", "standard_deviation"], "it is `deviation`, beside `mean`"),
    (
        &["min", "max", "low", "high", "from", "to", "shortest", "longest"],
        "bounds are those of `uniform = [\"1s\", \"3s\"]`; a percentile is not a bound",
    ),
    (&["hist", "hdr", "hlog", "hgrm"], "a recorded histogram is `histogram = \"FILE\"`"),
    (
        &["p0", "p100"],
        "no draw is known to be the shortest or the longest: give a percentile between, such as `p999`",
    ),
];

/// The keys that stand in a table.
#[derive(Default)]
pub(super) struct Keys {
    constant: Option<Duration>,
    exponential: Option<Duration>,
    mean: Option<Duration>,
    deviation: Option<Duration>,
    uniform: Option<[Duration; 2]>,
    histogram: Option<String>,
    samples: Option<String>,
    unit: Option<Unit>,
    percentiles: Vec<(Percentile, Duration)>,
}

impl Keys {
    /// Reads a table.
    pub(super) fn read<'de, A: de::MapAccess<'de>>(mut map: A) -> Result<Self, A::Error> {
        let mut keys = Self::default();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "constant" => keys.constant = Some(map.next_value()?),
                "exponential" => keys.exponential = Some(map.next_value()?),
                "mean" => keys.mean = Some(map.next_value()?),
                "deviation" => keys.deviation = Some(map.next_value()?),
                "uniform" => keys.uniform = Some(map.next_value()?),
                "histogram" => keys.histogram = Some(map.next_value()?),
                "samples" => keys.samples = Some(map.next_value()?),
                "unit" => keys.unit = Some(map.next_value()?),
                other => match Percentile::named(other) {
                    Some(percentile) => keys.percentiles.push((percentile, map.next_value()?)),
                    None => return Err(unknown(other)),
                },
            }
        }
        Ok(keys)
    }

    /// The distribution that they make.
    pub(super) fn distribution<E: de::Error>(self) -> Result<Distribution, E> {
        let Self {
            constant,
            exponential,
            mean,
            deviation,
            uniform,
            histogram,
            samples,
            unit,
            mut percentiles,
        } = self;
        percentiles.sort_by_key(|(percentile, _)| *percentile);
        if percentiles.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return Err(invalid(
                &"is a percentile that stands twice, under two of its names",
                "keep one of them",
            ));
        }
        let kinds = [
            constant.is_some(),
            exponential.is_some(),
            mean.is_some() || deviation.is_some(),
            uniform.is_some(),
            histogram.is_some(),
            samples.is_some(),
            !percentiles.is_empty(),
        ];
        match kinds.into_iter().filter(|is_there| *is_there).count() {
            0 => return Err(invalid(&"is not a distribution", SHAPES)),
            1 => {}
            _ => return Err(invalid(&"stands beside keys of another distribution", SHAPES)),
        }
        let distribution = match (constant, exponential, uniform, histogram, samples) {
            (Some(constant), ..) => Distribution::Constant { constant },
            (_, Some(exponential), ..) => Distribution::Exponential { exponential },
            (_, _, Some(uniform), ..) => Distribution::Uniform { uniform },
            (_, _, _, Some(histogram), _) => return Ok(Distribution::Histogram { histogram, unit }),
            (.., Some(samples)) => {
                return Ok(Distribution::Samples { samples, unit: unit.unwrap_or_default() });
            }
            _ => match (mean, deviation) {
                (Some(mean), Some(deviation)) => Distribution::Moments { mean, deviation },
                (Some(_), None) => {
                    let remedy = "add `deviation`, or write { exponential = \"2s\" } or { constant = \"2s\" } for what it is";
                    return Err(invalid(&"is a mean alone, which many distributions have", remedy));
                }
                (None, Some(_)) => return Err(invalid(&"is a deviation without a mean", "add `mean`")),
                (None, None) => of(percentiles)?,
            },
        };
        match unit {
            Some(_) => Err(invalid(&"stands beside `unit`, but durations have theirs", "leave `unit` out")),
            None => Ok(distribution),
        }
    }
}

/// The distribution through these percentiles, which are in ascending order.
fn of<E: de::Error>(percentiles: Vec<(Percentile, Duration)>) -> Result<Distribution, E> {
    let is = |index: usize, name: &str| Percentile::named(name) == Some(percentiles[index].0);
    match percentiles.as_slice() {
        [_] => Err(invalid(
            &"is one percentile, through which many distributions go",
            "add another, such as `p50`, `p90` or `p99`; for a value that is always the same write { constant = \"1s\" }",
        )),
        [(_, p50), (_, p99)] if is(0, "p50") && is(1, "p99") => Ok(Distribution::lognormal(*p50, *p99)),
        _ => Ok(Distribution::Percentiles(Percentiles(percentiles))),
    }
}

fn unknown<E: de::Error>(key: &str) -> E {
    let lower = key.to_lowercase();
    let known = OTHER_WORDS.iter().find(|(words, _)| words.contains(&lower.as_str()));
    let remedy = known.map_or_else(|| SHAPES.to_owned(), |(_, remedy)| (*remedy).to_owned());
    invalid(&"is not a key of a distribution", &remedy)
}
