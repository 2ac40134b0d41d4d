//! Variants of a policy side by side, over the same seeds: for each figure the paired difference to the first
//! variant with its 95 % confidence interval, and which of them nobody beats in both misses and idle
//! VM-seconds.
//!
//! Runs of one seed meet the same arrivals and the same boots, so differences are taken seed by seed: what
//! the seeds have in common drops out.

mod rows;
mod text;

use serde::{Deserialize, Serialize};

use crate::figure::Figure;
use crate::format;
use crate::identity::Identity;
use crate::seeds::OverSeeds;
use crate::stats::sum;
use crate::summary::Summary;
use crate::unit::Unit;
use crate::verdict::{Shown, Verdict};

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

/// The number of this layout of `comparison.json`.
pub const SCHEMA: u32 = 2;

/// Variants side by side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Comparison {
    /// The number of this layout: 2.
    pub schema: u32,
    /// The scenario's name.
    pub scenario: String,
    /// The seeds that every variant was run with.
    pub seeds: Vec<u64>,
    /// The variants' names. The first is what the others are compared to.
    pub variants: Vec<String>,
    /// Each variant's gates over the seeds.
    pub gates: Vec<OverSeeds>,
    /// The figure that says which variant is the cheapest: the cost where there are prices, else idle
    /// VM-seconds.
    pub price: Figure,
    /// The variant, counted from zero, with the least of that figure among those whose gates hold; null where
    /// none holds.
    pub cheapest: Option<usize>,
    /// A row for each figure that is not zero everywhere.
    pub figures: Vec<Row>,
    /// How many differences were tested: intervals are so wide that of all claims together any is wrong in at
    /// most 5 % of comparisons (Holm's method).
    pub tested: u64,
    /// Where each variant stands between misses and idle VM-seconds.
    pub pareto: Vec<Point>,
    /// What a reader must know besides: variants that are the same, figures that are left out.
    pub notes: Vec<String>,
    /// Which runs these are, and which files belong to them.
    #[serde(default)]
    pub identity: Identity,
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
    /// The ends of its confidence interval, corrected for how many are told; null for fewer than two seeds.
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
    /// Compares the variants to the first. A variant holds where all its gates do for at least the part
    /// `needed` of the seeds.
    ///
    /// # Errors
    /// Where there are not two variants, or their seeds differ.
    pub fn new(variants: &[Variant], needed: f64) -> Result<Self, CompareError> {
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
        let rows::Rows { rows: figures, tested, without } = rows::rows(variants);
        let gates: Vec<OverSeeds> =
            variants.iter().map(|variant| OverSeeds::new(&variant.runs, needed)).collect();
        let runs = || variants.iter().flat_map(|variant| &variant.runs);
        let price = if runs().any(|run| run.cost.total > 0.0) { Figure::Cost } else { Figure::Idle };
        Ok(Self {
            schema: SCHEMA,
            scenario: first.runs.first().map_or_else(String::new, |run| run.name.clone()),
            seeds: seeds(first),
            variants: variants.iter().map(|variant| variant.name.clone()).collect(),
            cheapest: cheapest(variants, &gates, price),
            gates,
            price,
            figures,
            tested,
            pareto: pareto(variants),
            notes: notes(variants).into_iter().chain(without).collect(),
            identity: Identity::default(),
        })
    }

    /// The verdict over all variants: `held` where the gates of any hold.
    pub fn verdict(&self) -> Verdict {
        match self.cheapest {
            Some(_) => Verdict::Held,
            None if self.gates.iter().any(|gates| gates.verdict == Verdict::Failed) => Verdict::Failed,
            None => Verdict::NoGates,
        }
    }

    /// The first thing that is said: a word, and a sentence.
    pub fn headline(&self) -> (&'static str, String) {
        let seeds = format::counted(self.seeds.len() as u64, "seed", "seeds");
        let compared = format!("{}: {} variants over {seeds}", self.scenario, self.variants.len());
        let says = match (self.cheapest, self.verdict()) {
            (Some(index), _) => {
                format!(
                    "{} is the cheapest whose gates hold ({})",
                    self.name(index),
                    self.gates[0].needed_says()
                )
            }
            (None, Verdict::Failed) => format!("the gates of none hold ({})", self.gates[0].needed_says()),
            (None, _) => "there are no gates to judge by".to_owned(),
        };
        (self.verdict().word(), format!("{compared}; {says}"))
    }

    /// What is said of one variant: its gates, and how it differs from the first in misses and in price.
    /// Other figures go with these, so they count for nothing here.
    pub fn says(&self, variant: usize) -> String {
        let gates = self.gates[variant].says();
        let difference = |figure: Figure| {
            let row = self.figures.iter().find(|row| row.figure == figure)?;
            let difference = row.cells.get(variant)?.difference.as_ref()?;
            let mean = row.unit.show_difference(difference.mean);
            Some(match difference.interval {
                Some(_) => format!("{figure} {mean} ({})", difference.shows.text()),
                None => format!("{figure} {mean}"),
            })
        };
        let parts = [Figure::Misses, self.price].into_iter().filter_map(difference);
        let parts: Vec<String> = std::iter::once(gates).chain(parts).collect();
        format!("{}: {}", self.name(variant), parts.join(", "))
    }

    /// A variant's letter and name.
    pub fn name(&self, variant: usize) -> String {
        format!("{} {}", letter(variant), self.variants[variant])
    }

    /// The figures in which variants differ, and the names of those without any difference.
    pub fn folded(&self) -> (Vec<&Row>, Vec<Figure>) {
        let one_seed = self.seeds.len() < 2;
        let differs = |row: &&Row| {
            row.figure == Figure::Misses
                || row.cells.iter().any(|cell| match &cell.difference {
                    // Without an interval nothing is shown, so whatever is different is told.
                    Some(difference) if one_seed => difference.mean != 0.0,
                    Some(difference) => difference.shows != Shown::NoDifference,
                    None => cell.without > 0,
                })
        };
        let (told, folded): (Vec<&Row>, Vec<&Row>) = self.figures.iter().partition(differs);
        (told, folded.into_iter().map(|row| row.figure).collect())
    }

    /// How the intervals are to be read.
    pub fn intervals_say(&self) -> String {
        match self.seeds.len() {
            0 | 1 => "One seed: a difference has no interval and proves nothing.".to_owned(),
            _ => format!(
                "Differences are to A, seed by seed. Of all {} together at most 5 % of comparisons claim a wrong one.",
                self.tested
            ),
        }
    }
}

/// The letter of the n-th variant: A, B, ... Z, then numbers.
pub fn letter(index: usize) -> String {
    match u8::try_from(index) {
        Ok(small) if small < 26 => char::from(b'A' + small).to_string(),
        _ => (index + 1).to_string(),
    }
}

/// The variant with the lowest mean price among those whose gates hold.
fn cheapest(variants: &[Variant], gates: &[OverSeeds], price: Figure) -> Option<usize> {
    let mean = |index: usize| {
        let runs = &variants[index].runs;
        sum(runs.iter().filter_map(|run| price.value(run).ok())) / runs.len().max(1) as f64
    };
    let held = (0..variants.len()).filter(|index| gates[*index].verdict == Verdict::Held);
    held.min_by(|a, b| mean(*a).total_cmp(&mean(*b)))
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
                "{} is the same as {}, message for message: what it changes has no effect here, or --set, a region or a \
                 worker sets it again",
                name(index),
                name(before)
            )
        })
        .collect();
    let met =
        |variant: &Variant| variant.runs.iter().map(|run| run.requests + run.unfinished).collect::<Vec<_>>();
    for index in (1..variants.len()).filter(|index| met(&variants[*index]) != met(&variants[0])) {
        let (own, first) = (&met(&variants[index]), &met(&variants[0]));
        notes.push(format!(
            "{} did not meet as many requests as {} ({} and {} in all): what differs is not the policy alone",
            name(index),
            name(0),
            format::count(own.iter().sum()),
            format::count(first.iter().sum())
        ));
    }
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
