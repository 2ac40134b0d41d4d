//! The figures of all variants, with paired differences to the first and what they show.

use super::{Cell, Difference, Row, Variant};
use crate::figure::{COMPARED, Figure};
use crate::no_value::NoValue;
use crate::stats::{ALPHA, Estimate, holm};
use crate::verdict::Shown;

/// A figure's values: of each variant, for each seed.
type Values = Vec<Vec<Result<f64, NoValue>>>;

/// What comparing all figures comes to.
pub(super) struct Rows {
    /// A row for each figure that is not zero everywhere.
    pub(super) rows: Vec<Row>,
    /// How many differences were tested.
    pub(super) tested: u64,
    /// A note for each figure without a value in any run.
    pub(super) without: Vec<String>,
}

/// The figures of all variants.
pub(super) fn rows(variants: &[Variant]) -> Rows {
    let (figures, without): (Vec<_>, Vec<_>) =
        told(variants).into_iter().partition(|(_, values)| values.iter().flatten().any(Result::is_ok));
    let without = without.iter().map(|(figure, values)| {
        let why = values.iter().flatten().find_map(|value| value.err());
        format!(
            "{figure} is left out, for no run has a value: {}",
            why.map_or_else(String::new, |why| why.to_string())
        )
    });
    let without = without.collect();
    let pairs: Vec<Vec<Option<Estimate>>> = figures.iter().map(|(_, values)| differences(values)).collect();
    let tested: Vec<f64> = pairs.iter().flatten().flatten().filter_map(Estimate::p_value).collect();
    let mut levels = holm(&tested, ALPHA).into_iter();
    let rows = figures.iter().zip(&pairs).map(|((figure, values), pairs)| Row {
        figure: *figure,
        unit: figure.comparable_unit(),
        less_is_better: figure.less_is_better(),
        cells: values
            .iter()
            .zip(pairs)
            .map(|(own, pair)| {
                let present: Vec<f64> = own.iter().filter_map(|value| value.ok()).collect();
                Cell {
                    mean: Estimate::of(&present).map(|estimate| estimate.mean),
                    without: (own.len() - present.len()) as u64,
                    difference: pair.map(|pair| difference(*figure, &pair, &mut levels)),
                }
            })
            .collect(),
    });
    Rows { rows: rows.collect(), tested: tested.len() as u64, without }
}

/// The figures that are told, with their values: those that are common to all runs, and not zero everywhere,
/// and not the same in every run as one before.
fn told(variants: &[Variant]) -> Vec<(Figure, Values)> {
    let common =
        |figure: &Figure| variants.iter().flat_map(|one| &one.runs).all(|run| figure.is_common_to(run));
    let values = |figure: Figure| -> Values {
        let of = |variant: &Variant| variant.runs.iter().map(|run| figure.comparable(run)).collect();
        variants.iter().map(of).collect()
    };
    let mut told: Vec<(Figure, Values)> = Vec::new();
    for figure in COMPARED.into_iter().filter(common) {
        let values = values(figure);
        let zero = values.iter().flatten().all(|value| *value == Ok(0.0));
        let known = told
            .iter()
            .any(|(before, same)| *same == values && before.comparable_unit() == figure.comparable_unit());
        if figure == Figure::Misses || !(zero || known) {
            told.push((figure, values));
        }
    }
    told
}

/// Each variant's differences to the first, seed by seed. Where a seed has no value nothing is tested: those
/// that are left would be the lucky ones.
fn differences(values: &Values) -> Vec<Option<Estimate>> {
    let Some((first, others)) = values.split_first() else { return Vec::new() };
    let pairs = |own: &Vec<Result<f64, NoValue>>| {
        let pairs: Option<Vec<f64>> =
            own.iter().zip(first).map(|(own, first)| Some((*own).ok()? - (*first).ok()?)).collect();
        pairs.and_then(|pairs| Estimate::of(&pairs))
    };
    std::iter::once(None).chain(others.iter().map(pairs)).collect()
}

/// What a difference shows, judged at the next level.
fn difference(figure: Figure, pair: &Estimate, levels: &mut impl Iterator<Item = f64>) -> Difference {
    let judged = pair.p_value().zip(if pair.p_value().is_some() { levels.next() } else { None });
    let claimed = judged.is_some_and(|(p_value, level)| p_value <= level && pair.mean != 0.0);
    let shows = match (claimed, figure.less_is_better()) {
        (false, _) => Shown::NoDifference,
        (true, None) => Shown::Differs,
        (true, Some(less)) if (pair.mean < 0.0) == less => Shown::Better,
        (true, Some(_)) => Shown::Worse,
    };
    let interval = judged.and_then(|(_, level)| pair.interval(level));
    Difference { mean: pair.mean, interval, shows }
}
