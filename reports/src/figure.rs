//! The figures of a run: one table of their names, units and meanings. Gates, comparisons, the JSON schema
//! and the reference in `scenarios/README.md` are made from it; what a figure is worth in a run is in
//! `value.rs`.

use std::fmt;

use actors::Outcome;
use serde::{Deserialize, Serialize};

use crate::unit::Unit;

/// One number of a summary. Its `Display` is its name in gates: `latency p99`, `misses`, `ready least`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    /// Requests that ended.
    Requests,
    /// Requests that were neither warm nor woken.
    Misses,
    /// Requests that got no Sprite.
    Unserved,
    /// Requests with this outcome.
    Outcome(Outcome),
    /// A statistic of the latency of these requests.
    Latency(Population, Statistic),
    /// Time that pools were empty, summed over workers.
    Empty,
    /// From the end of the spike until every pool met its target.
    Recovery,
    /// Mean number of ready Sprites.
    ReadyMean,
    /// The least number of ready Sprites.
    ReadyLeast,
    /// Boots and creates that began.
    Boots,
    /// Time integral of ready Sprites.
    Idle,
    /// The bill's total.
    Cost,
}

/// The requests that a latency is taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Population {
    /// All; who was not served is later than any bound.
    All,
    /// Those that got a Sprite.
    Served,
    /// Those that ended so.
    Of(Outcome),
}

/// A statistic of latencies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statistic {
    /// The shortest.
    Min,
    /// The mean.
    Mean,
    /// Half were no longer.
    P50,
    /// 90 % were no longer.
    P90,
    /// 95 % were no longer.
    P95,
    /// 99 % were no longer.
    P99,
    /// 99.9 % were no longer.
    P999,
    /// The longest.
    Max,
}

/// What a share of a figure is taken of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whole {
    /// Of the requests.
    Requests,
    /// Of the time, as a mean over workers.
    Time,
}

/// Which of two values is the better one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// The smaller.
    Less,
    /// The larger.
    More,
    /// Neither.
    Neither,
}

/// Of which parts of a run a figure is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KnownOf {
    /// What requests add up to: of a region, a worker, a time window, an outcome, a cause.
    Requests,
    /// What pools add up to: of a region, a worker, a time window.
    Pools,
    /// Of a region and a worker.
    Workers,
    /// Of the whole run only.
    Run,
}

impl KnownOf {
    /// In words.
    pub fn text(self) -> &'static str {
        match self {
            Self::Requests => "region, worker, window, outcome, cause",
            Self::Pools => "region, worker, window",
            Self::Workers => "region, worker",
            Self::Run => "the whole run",
        }
    }
}

/// Which figures a line of the table stands for.
#[derive(Clone, Copy, Debug)]
enum Stands {
    One(Figure),
    /// Every statistic of the latency of these requests.
    Latency(Population),
    /// Every statistic of the latency of every outcome.
    OutcomeLatency,
}

/// A line of the table of figures.
#[derive(Clone, Copy, Debug)]
pub struct Definition {
    /// The name in gates; `STATISTIC` and `OUTCOME` stand for any of theirs.
    pub name: &'static str,
    stands: Stands,
    /// What it is counted in.
    pub unit: Unit,
    /// What it can be a share of.
    pub share_of: Option<Whole>,
    /// Which of two values is the better one.
    pub better: Better,
    /// Of which parts of a run it is known.
    pub known_of: KnownOf,
    /// A bound that is right for it.
    pub example: &'static str,
    /// What it means.
    pub meaning: &'static str,
}

const fn of_requests(
    name: &'static str,
    figure: Figure,
    better: Better,
    example: &'static str,
    meaning: &'static str,
) -> Definition {
    let share_of = match figure {
        Figure::Requests => None,
        _ => Some(Whole::Requests),
    };
    let (stands, unit, known_of) = (Stands::One(figure), Unit::Count, KnownOf::Requests);
    Definition { name, stands, unit, share_of, better, known_of, example, meaning }
}

const fn of_latency(name: &'static str, stands: Stands, meaning: &'static str) -> Definition {
    let (unit, share_of, better, known_of) = (Unit::Nanoseconds, None, Better::Less, KnownOf::Requests);
    Definition { name, stands, unit, share_of, better, known_of, example: "< 250ms", meaning }
}

const fn of_pools(
    name: &'static str,
    figure: Figure,
    (unit, better, known_of): (Unit, Better, KnownOf),
    example: &'static str,
    meaning: &'static str,
) -> Definition {
    let share_of = match figure {
        Figure::Empty => Some(Whole::Time),
        _ => None,
    };
    Definition { name, stands: Stands::One(figure), unit, share_of, better, known_of, example, meaning }
}

/// Every figure. What happened within the warm-up is in none of them.
pub const ALL: [Definition; 21] = {
    use Better::{Less, More, Neither};
    use Figure as F;
    [
        of_requests("requests", F::Requests, Neither, "> 1000", "requests that arrived and ended"),
        of_requests(
            "misses",
            F::Misses,
            Less,
            "< 1%",
            "requests that were neither `warm` nor `woken`: no ready Sprite served them at once",
        ),
        of_requests(
            "unserved",
            F::Unserved,
            Less,
            "< 0.1%",
            "requests that got no Sprite: `rejected` and `failed`",
        ),
        of_requests(
            "warm",
            F::Outcome(Outcome::Warm),
            More,
            "> 99%",
            "requests served at once by the first pool they asked, or by an idle Sprite of their own key",
        ),
        of_requests(
            "waited",
            F::Outcome(Outcome::Waited),
            Less,
            "< 1%",
            "requests served by a pool after waiting",
        ),
        of_requests(
            "booted",
            F::Outcome(Outcome::Booted),
            Less,
            "< 1%",
            "requests served by a boot of their own",
        ),
        of_requests(
            "created",
            F::Outcome(Outcome::Created),
            Less,
            "< 1%",
            "requests served by a cold create",
        ),
        of_requests("spilled", F::Outcome(Outcome::Spilled), Less, "< 1%", "requests served by a neighbour"),
        of_requests(
            "woken",
            F::Outcome(Outcome::Woken),
            Neither,
            "< 50%",
            "requests served by a sleeping Sprite of their own key; they ask no pool, so they are no misses",
        ),
        of_requests(
            "rejected",
            F::Outcome(Outcome::Rejected),
            Less,
            "< 0.1%",
            "requests that the policy turned away",
        ),
        of_requests("failed", F::Outcome(Outcome::Failed), Less, "<= 0", "requests lost to a fault"),
        of_latency(
            "latency STATISTIC",
            Stands::Latency(Population::All),
            "latency over all requests, from arrival to outcome. Who was not served is later than any bound: with more than 1 % \
             not served, `latency p99 < ...` does not hold",
        ),
        of_latency(
            "served latency STATISTIC",
            Stands::Latency(Population::Served),
            "latency over the requests that got a Sprite",
        ),
        of_latency(
            "OUTCOME latency STATISTIC",
            Stands::OutcomeLatency,
            "latency over the requests with this outcome",
        ),
        of_pools(
            "empty",
            F::Empty,
            (Unit::Seconds, Less, KnownOf::Pools),
            "< 30s",
            "how long pools that aim for at least one Sprite had none ready, summed over workers; as a share, the mean over \
             workers. Not known where pools are per tenant",
        ),
        of_pools(
            "recovery",
            F::Recovery,
            (Unit::Seconds, Less, KnownOf::Workers),
            "< 30s",
            "how long the slowest worker's pool took to be back at its target, or at its mean level before the spike: from the \
             end of the spike, or where there is none from when it was empty. Not known where pools are per tenant",
        ),
        of_pools(
            "ready mean",
            F::ReadyMean,
            (Unit::Level, More, KnownOf::Pools),
            ">= 4",
            "ready Sprites, all workers together, on average over time",
        ),
        of_pools(
            "ready least",
            F::ReadyLeast,
            (Unit::Count, More, KnownOf::Pools),
            ">= 4",
            "the least number of ready Sprites, all workers together, at any moment",
        ),
        of_pools(
            "boots",
            F::Boots,
            (Unit::Count, Less, KnownOf::Pools),
            "< 1000",
            "boots and creates that began",
        ),
        of_pools(
            "idle",
            F::Idle,
            (Unit::VmSeconds, Less, KnownOf::Pools),
            "< 1000",
            "ready Sprites times seconds: what readiness costs",
        ),
        of_pools(
            "cost",
            F::Cost,
            (Unit::Money, Less, KnownOf::Run),
            "< 1000",
            "the bill's total, in the currency of `[cost]`",
        ),
    ]
};

impl Statistic {
    /// Every statistic, with its name and what it is.
    pub const ALL: [(Self, &'static str, &'static str); 8] = [
        (Self::Min, "min", "the shortest"),
        (Self::Mean, "mean", "the mean"),
        (Self::P50, "p50", "half were no longer"),
        (Self::P90, "p90", "90 % were no longer"),
        (Self::P95, "p95", "95 % were no longer"),
        (Self::P99, "p99", "99 % were no longer"),
        (Self::P999, "p99.9", "99.9 % were no longer"),
        (Self::Max, "max", "the longest"),
    ];

    /// Its name in gates.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(known, ..)| *known == self).map_or("", |(_, name, _)| name)
    }
}

/// The figures that comparisons and spreads show, in this order.
pub const COMPARED: [Figure; 17] = {
    use Population::{All, Served};
    [
        Figure::Misses,
        Figure::Unserved,
        Figure::Latency(All, Statistic::P50),
        Figure::Latency(All, Statistic::P99),
        Figure::Latency(All, Statistic::P999),
        Figure::Latency(All, Statistic::Max),
        Figure::Latency(Served, Statistic::P99),
        Figure::Outcome(Outcome::Waited),
        Figure::Outcome(Outcome::Booted),
        Figure::Outcome(Outcome::Woken),
        Figure::Outcome(Outcome::Rejected),
        Figure::Outcome(Outcome::Failed),
        Figure::Empty,
        Figure::Recovery,
        Figure::Boots,
        Figure::Idle,
        Figure::Cost,
    ]
};

impl Definition {
    fn figures(&self) -> Vec<Figure> {
        let each = |population| Statistic::ALL.map(|(statistic, ..)| Figure::Latency(population, statistic));
        match self.stands {
            Stands::One(figure) => vec![figure],
            Stands::Latency(population) => each(population).to_vec(),
            Stands::OutcomeLatency => {
                Outcome::ALL.into_iter().flat_map(|outcome| each(Population::Of(outcome))).collect()
            }
        }
    }

    /// Its unit, and where it can be a share, of what.
    pub fn units(&self) -> String {
        match self.share_of {
            None => self.unit.name().to_owned(),
            Some(Whole::Requests) => format!("{}, or share of requests", self.unit.name()),
            Some(Whole::Time) => format!("{}, or share of time", self.unit.name()),
        }
    }
}

impl Figure {
    /// Every figure.
    pub fn all() -> Vec<Self> {
        ALL.iter().flat_map(Definition::figures).collect()
    }

    /// Its line of the table.
    pub fn definition(self) -> &'static Definition {
        let found = ALL.iter().find(|line| match (line.stands, self) {
            (Stands::One(figure), figure_asked) => figure == figure_asked,
            (Stands::Latency(known), Self::Latency(population, _)) => known == population,
            (Stands::OutcomeLatency, Self::Latency(population, _)) => matches!(population, Population::Of(_)),
            _ => false,
        });
        found.expect("every figure has a line in the table, as a test asserts")
    }

    /// The figure of this name, if there is one. The order of its words does not matter, nor does their case.
    pub fn by_name(name: &str) -> Option<Self> {
        let sorted = |name: &str| {
            let lower = name.to_lowercase();
            let mut words: Vec<String> = lower
                .split_whitespace()
                .map(|word| if word == "p999" { "p99.9" } else { word }.to_owned())
                .collect();
            words.sort();
            words
        };
        let asked = sorted(name);
        Self::all().into_iter().find(|figure| sorted(&figure.to_string()) == asked)
    }

    /// What it is counted in.
    pub fn unit(self) -> Unit {
        self.definition().unit
    }

    /// Whether less of it is better; nothing where neither is.
    pub fn less_is_better(self) -> Option<bool> {
        match self.definition().better {
            Better::Less => Some(true),
            Better::More => Some(false),
            Better::Neither => None,
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latency(Population::All, statistic) => write!(f, "latency {}", statistic.name()),
            Self::Latency(Population::Served, statistic) => write!(f, "served latency {}", statistic.name()),
            Self::Latency(Population::Of(outcome), statistic) => {
                write!(f, "{} latency {}", outcome.name(), statistic.name())
            }
            figure => f.write_str(figure.definition().name),
        }
    }
}

impl Serialize for Figure {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Figure {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::by_name(&name)
            .ok_or_else(|| serde::de::Error::custom(format!("`{name}` is not a figure of a run")))
    }
}

impl schemars::JsonSchema for Figure {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Figure".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let any_of = |names: &[&str]| format!("({})", names.join("|").replace('.', "\\."));
        let statistics = any_of(&Statistic::ALL.map(|(_, name, _)| name));
        let outcomes = any_of(&Outcome::ALL.map(Outcome::name));
        let lines: Vec<serde_json::Value> = ALL
            .iter()
            .map(|line| {
                let description = format!("{} ({})", line.meaning, line.units());
                match line.stands {
                    Stands::One(_) => serde_json::json!({ "const": line.name, "description": description }),
                    _ => {
                        let name = line.name.replace("STATISTIC", &statistics).replace("OUTCOME", &outcomes);
                        serde_json::json!({ "pattern": format!("^{name}$"), "description": description })
                    }
                }
            })
            .collect();
        schemars::json_schema!({ "description": "The name of a figure.", "type": "string", "anyOf": lines })
    }
}

/// The table of figures in Markdown, as `scenarios/README.md` holds it.
pub fn reference() -> String {
    let mut text = String::from("| figure | counted in | known of | meaning |\n| --- | --- | --- | --- |\n");
    for line in &ALL {
        let (name, units, known_of) = (line.name, line.units(), line.known_of.text());
        text += &format!("| `{name}` | {units} | {known_of} | {} |\n", line.meaning);
    }
    let statistics = Statistic::ALL.map(|(_, name, what)| format!("`{name}` ({what})"));
    let outcomes = Outcome::ALL.map(|outcome| format!("`{}`", outcome.name()));
    text + &format!("\nSTATISTIC is one of\n{}.\n\n", statistics.join(",\n"))
        + &format!("OUTCOME is one of\n{}.\n\n", outcomes.join(",\n"))
        + "The order of the words does not matter.\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_understood_and_has_one_line() {
        for figure in Figure::all() {
            assert_eq!(Figure::by_name(&figure.to_string()), Some(figure));
            let lines = ALL.iter().filter(|line| line.figures().contains(&figure)).count();
            assert_eq!(lines, 1, "{figure}");
        }
        let warm = Figure::Latency(Population::Of(Outcome::Warm), Statistic::P999);
        assert_eq!(Figure::by_name(" Latency  P999 warm"), Some(warm));
        assert_eq!((Figure::by_name("latency"), Figure::by_name("latency p99 p50")), (None, None));
        for outcome in Outcome::ALL {
            assert!(Figure::all().contains(&Figure::Outcome(outcome)), "{}", outcome.name());
        }
    }

    #[test]
    fn every_compared_figure_is_in_the_table() {
        for figure in COMPARED {
            assert!(Figure::all().contains(&figure), "{figure}");
        }
    }
}
