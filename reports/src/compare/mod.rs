//! Variants of a policy side by side, over the same seeds: for each figure the paired difference to the first variant
//! with its 95 % confidence interval, and which of them nobody beats in both misses and idle VM-seconds.
//!
//! Runs of one seed meet the same arrivals and the same boots, so differences are taken seed by seed: what the seeds
//! have in common drops out.

mod text;

use serde::{Deserialize, Serialize};

use crate::figure::{COMPARED, Figure};
use crate::stats::{estimate, sum};
use crate::summary::Summary;
use crate::unit::Unit;
pub use crate::verdict::Shown;

/// One variant: its name and its run for each seed, in the same order for all variants.
#[derive(Clone, Debug)]
pub struct Variant {
    /// What it is called.
    pub name: String,
    /// One run per seed.
    pub runs: Vec<Summary>,
}

/// Why runs cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompareError {
    /// There are not two variants.
    #[error("there is nothing to compare; give at least two variants")]
    TooFew,
    /// A variant was run with other seeds, so that its runs have no partners.
    #[error(
        "variant `{variant}` was run with the seeds {seeds:?}, the first one with {first:?}; run all with the same seeds"
    )]
    Seeds {
        /// The variant.
        variant: String,
        /// Its seeds.
        seeds: Vec<u64>,
        /// Those of the first variant.
        first: Vec<u64>,
    },
}

/// Variants side by side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Comparison {
    /// The scenario's name.
    pub scenario: String,
    /// The seeds that every variant was run with.
    pub seeds: Vec<u64>,
    /// The variants' names. The first is what the others are compared to.
    pub variants: Vec<String>,
    /// A row for each figure that is not zero everywhere.
    pub figures: Vec<Row>,
    /// Where each variant stands between misses and idle VM-seconds.
    pub pareto: Vec<Point>,
    /// What a reader must know besides: variants that are the same, figures that are left out.
    pub notes: Vec<String>,
}

/// One figure of all variants.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Row {
    /// The figure's name.
    pub figure: Figure,
    /// What it is counted in.
    pub unit: Unit,
    /// Whether less of it is better; null where neither is.
    pub less_is_better: Option<bool>,
    /// One cell per variant.
    pub cells: Vec<Cell>,
}

/// One figure of one variant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Cell {
    /// The mean over the seeds that have a value.
    pub mean: Option<f64>,
    /// How many seeds have none, such as runs that did not recover.
    pub without: u64,
    /// The difference to the first variant; null for the first itself.
    pub difference: Option<Difference>,
}

/// A paired difference over seeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Difference {
    /// Its mean: this variant less the first.
    pub mean: f64,
    /// The ends of its 95 % confidence interval; null for fewer than two seeds.
    pub interval: Option<(f64, f64)>,
    /// What it shows.
    pub shows: Shown,
}

/// One variant between misses and idle VM-seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Point {
    /// The variant's name.
    pub variant: String,
    /// The mean share of requests that were misses.
    pub miss_ratio: f64,
    /// The mean of idle VM-seconds.
    pub idle_vm_seconds: f64,
    /// Whether no other variant is at least as good in both and better in one.
    pub on_front: bool,
}

impl Comparison {
    /// Compares the variants to the first.
    ///
    /// # Errors
    /// Where there are not two variants, or their seeds differ.
    pub fn new(variants: &[Variant]) -> Result<Self, CompareError> {
        let [first, others @ ..] = variants else { return Err(CompareError::TooFew) };
        if others.is_empty() {
            return Err(CompareError::TooFew);
        }
        let seeds = |variant: &Variant| variant.runs.iter().map(|run| run.seed).collect::<Vec<_>>();
        for other in others {
            if seeds(other) != seeds(first) {
                let (variant, seeds, first) = (other.name.clone(), seeds(other), seeds(first));
                return Err(CompareError::Seeds { variant, seeds, first });
            }
        }
        let common =
            |figure: &Figure| variants.iter().flat_map(|one| &one.runs).all(|run| figure.is_common_to(run));
        let figures = COMPARED.into_iter().filter(common).map(|figure| row(figure, variants));
        let something = |row: &Row| {
            row.cells.iter().any(|cell| cell.without > 0 || cell.mean.is_some_and(|mean| mean != 0.0))
        };
        Ok(Self {
            scenario: first.runs.first().map_or_else(String::new, |run| run.name.clone()),
            seeds: seeds(first),
            variants: variants.iter().map(|variant| variant.name.clone()).collect(),
            figures: figures.filter(|row| row.figure == Figure::Misses || something(row)).collect(),
            pareto: pareto(variants),
            notes: notes(variants),
        })
    }

    /// In what one variant is better than the first, and in what worse, on one line.
    pub fn verdict(&self, variant: usize) -> String {
        let shown = |shown: Shown| {
            let rows = self.figures.iter().filter(|row| {
                row.cells
                    .get(variant)
                    .and_then(|cell| cell.difference.as_ref())
                    .is_some_and(|it| it.shows == shown)
            });
            rows.map(|row| row.figure.to_string().replace("latency ", "")).collect::<Vec<_>>().join(", ")
        };
        let (better, worse) = (shown(Shown::Better), shown(Shown::Worse));
        let says = match (better.is_empty(), worse.is_empty()) {
            (true, true) => "no difference shown".to_owned(),
            (false, true) => format!("better in {better}"),
            (true, false) => format!("worse in {worse}"),
            (false, false) => format!("better in {better}; worse in {worse}"),
        };
        format!("{} {}: {says}", letter(variant), self.variants[variant])
    }
}

/// The letter of the n-th variant: A, B, ... Z, then numbers.
pub fn letter(index: usize) -> String {
    match u8::try_from(index) {
        Ok(small) if small < 26 => char::from(b'A' + small).to_string(),
        _ => (index + 1).to_string(),
    }
}

fn row(figure: Figure, variants: &[Variant]) -> Row {
    let values = |variant: &Variant| -> Vec<Option<f64>> {
        variant.runs.iter().map(|run| figure.comparable(run).ok()).collect()
    };
    let base = variants.first().map(values).unwrap_or_default();
    let cells = variants.iter().enumerate().map(|(index, variant)| {
        let own = values(variant);
        let present: Vec<f64> = own.iter().flatten().copied().collect();
        let pairs: Vec<f64> =
            own.iter().zip(&base).filter_map(|(own, base)| Some((*own)? - (*base)?)).collect();
        Cell {
            mean: estimate(&present).map(|estimate| estimate.mean),
            without: (own.len() - present.len()) as u64,
            difference: if index == 0 { None } else { difference(figure, &pairs) },
        }
    });
    Row {
        figure,
        unit: figure.comparable_unit(),
        less_is_better: figure.less_is_better(),
        cells: cells.collect(),
    }
}

fn difference(figure: Figure, pairs: &[f64]) -> Option<Difference> {
    let estimate = estimate(pairs)?;
    let side = match estimate.interval {
        Some((low, _)) if low > 0.0 => 1,
        Some((_, high)) if high < 0.0 => -1,
        _ => 0,
    };
    let shows = match (side, figure.less_is_better()) {
        (0, _) => Shown::NoDifference,
        (_, None) => Shown::Differs,
        (side, Some(less)) if (side < 0) == less => Shown::Better,
        _ => Shown::Worse,
    };
    Some(Difference { mean: estimate.mean, interval: estimate.interval, shows })
}

fn notes(variants: &[Variant]) -> Vec<String> {
    let name = |index: usize| format!("{} {}", letter(index), variants[index].name);
    let same = |one: &Variant, other: &Variant| {
        let runs = one.runs.iter().zip(&other.runs);
        !one.runs.is_empty() && runs.into_iter().all(|(a, b)| a.digest.is_some() && a.digest == b.digest)
    };
    let twin = |index: usize| (0..index).find(|before| same(&variants[*before], &variants[index]));
    let mut notes: Vec<String> = (1..variants.len())
        .filter_map(|index| Some((index, twin(index)?)))
        .map(|(index, before)| {
            format!(
                "{} is the same as {}, message for message: what it changes never comes into play, or --set, a region or a \
                 worker sets it again",
                name(index),
                name(before)
            )
        })
        .collect();
    let per_tenant = |index: &usize| variants[*index].runs.iter().any(|run| run.pool.per_tenant);
    let per_tenant: Vec<String> = (0..variants.len()).filter(per_tenant).map(name).collect();
    if !per_tenant.is_empty() {
        notes.push(format!(
            "empty and recovery are left out: they are not known where pools are per tenant, as in {}",
            per_tenant.join(", ")
        ));
    }
    notes
}

fn pareto(variants: &[Variant]) -> Vec<Point> {
    let mean = |variant: &Variant, of: fn(&Summary) -> f64| {
        sum(variant.runs.iter().map(of)) / (variant.runs.len().max(1)) as f64
    };
    let places: Vec<(f64, f64)> = variants
        .iter()
        .map(|variant| (mean(variant, |run| run.miss_ratio), mean(variant, |run| run.pool.idle_vm_seconds)))
        .collect();
    let beaten = |own: &(f64, f64)| {
        places
            .iter()
            .any(|other| other.0 <= own.0 && other.1 <= own.1 && (other.0 < own.0 || other.1 < own.1))
    };
    variants
        .iter()
        .zip(&places)
        .map(|(variant, place)| Point {
            variant: variant.name.clone(),
            miss_ratio: place.0,
            idle_vm_seconds: place.1,
            on_front: !beaten(place),
        })
        .collect()
}
