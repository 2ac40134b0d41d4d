//! Gates: what must hold for a run to pass, such as `"latency p99" = "< 250ms"` or `"misses" = "< 1%"`.

use std::fmt;

use actors::Duration;

use crate::figure::{Figure, KnownOf, Whole};
use crate::no_value::NoValue;
use crate::scope::{Place, Scope, ScopeBooks};
use crate::summary::Summary;
use crate::unit::Unit;
use crate::verdict::GateResult;

/// One condition on one figure of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Gate {
    figure: Figure,
    operator: Operator,
    limit: Limit,
    scope: Scope,
    text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Less,
    AtMost,
    More,
    AtLeast,
}

/// The bound, in the figure's own unit or as a share.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Limit {
    Absolute(f64),
    Share(f64),
}

/// Why a text is not a gate. Each says what is wrong; [`GateError::remedy`] says what to write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GateError {
    /// The figure is not known.
    #[error("`{name}` is not a figure of a run")]
    UnknownFigure {
        /// What was written.
        name: String,
        /// The figure whose name is most like it.
        nearest: Figure,
    },
    /// The bound does not begin with an operator.
    #[error("gate \"{figure}\": `{bound}` does not begin with <, <=, > or >=")]
    NoOperator {
        /// The figure.
        figure: Figure,
        /// What was written.
        bound: String,
    },
    /// The bound is not of the figure's unit.
    #[error("gate \"{figure}\": `{limit}` is not {}", expected(*figure))]
    WrongUnit {
        /// The figure.
        figure: Figure,
        /// What was written after the operator.
        limit: String,
    },
    /// The figure is not known of such a part of a run.
    #[error("gate \"{figure}\": it is not known of {part}")]
    NotKnownOf {
        /// The figure.
        figure: Figure,
        /// What was asked for.
        part: &'static str,
    },
    /// No run can be on the one side of the bound, or none on the other.
    #[error("gate \"{figure}\": every run {} `{bound}`", if *.holds { "holds" } else { "breaks" })]
    DecidesNothing {
        /// The figure.
        figure: Figure,
        /// What was written.
        bound: String,
        /// Whether every run holds it.
        holds: bool,
    },
}

impl GateError {
    /// What to write instead.
    pub fn remedy(&self) -> String {
        let example = |figure: &Figure| format!("\"{figure}\" = \"{}\"", figure.definition().example);
        match self {
            Self::UnknownFigure { nearest, .. } => {
                format!("did you mean \"{nearest}\"? Write for example {}", example(nearest))
            }
            Self::NotKnownOf { figure, .. } => {
                format!(
                    "leave that out, or judge another figure: this one is known of {}",
                    figure.definition().known_of.text()
                )
            }
            Self::NoOperator { figure, .. }
            | Self::WrongUnit { figure, .. }
            | Self::DecidesNothing { figure, .. } => format!("write for example {}", example(figure)),
        }
    }
}

impl Gate {
    /// Reads one line of `[gates]`: the figure's name and its bound.
    ///
    /// # Errors
    /// Names the text at fault, the nearest known figure, and an example that is right.
    pub fn parse(figure: &str, bound: &str) -> Result<Self, GateError> {
        let name = figure.split_whitespace().collect::<Vec<_>>().join(" ");
        let Some(known) = Figure::by_name(&name) else {
            let nearest = nearest(&name);
            return Err(GateError::UnknownFigure { name, nearest });
        };
        let bound = bound.trim();
        let Some((operator, text)) = Operator::split(bound) else {
            return Err(GateError::NoOperator { figure: known, bound: bound.to_owned() });
        };
        let text = text.trim();
        let Some(limit) = Limit::parse(known, text) else {
            return Err(GateError::WrongUnit { figure: known, limit: text.to_owned() });
        };
        if let Some(holds) = limit.decided(operator) {
            return Err(GateError::DecidesNothing { figure: known, bound: bound.to_owned(), holds });
        }
        let scope = Scope::default();
        Ok(Self { figure: known, operator, limit, scope, text: format!("{known} {operator} {text}") })
    }

    /// The same gate on a part of a run.
    ///
    /// # Errors
    /// Where the figure is not known of such a part.
    pub fn of_part(mut self, scope: Scope) -> Result<Self, GateError> {
        let known_of = self.figure.definition().known_of;
        let unknown = [
            ("an outcome", scope.outcome.is_some() && known_of != KnownOf::Requests),
            ("a cause", scope.cause.is_some() && known_of != KnownOf::Requests),
            (
                "a time window",
                (scope.from.is_some() || scope.to.is_some())
                    && matches!(known_of, KnownOf::Workers | KnownOf::Run),
            ),
            ("a part of the fleet", scope.place != Place::Fleet && known_of == KnownOf::Run),
        ];
        if let Some((part, _)) = unknown.into_iter().find(|(_, unknown)| *unknown) {
            return Err(GateError::NotKnownOf { figure: self.figure, part });
        }
        self.text += &scope.to_string();
        self.scope = scope;
        Ok(self)
    }

    /// Which part of a run it judges.
    pub(crate) fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Judges a run.
    pub fn evaluate(&self, summary: &Summary) -> GateResult {
        self.judge(self.value(summary, summary.requests), None)
    }

    /// Judges a part of a run: of regions or workers that are told apart, the worst.
    pub(crate) fn evaluate_part(&self, whole: &Summary, books: &ScopeBooks) -> GateResult {
        let results = books.parts.iter().enumerate().map(|(index, part)| {
            let summary = part.summary(whole, books.workers_of(index));
            let name = match self.scope.place {
                Place::WorstRegion => {
                    whole.regions.get(index).map(|region| format!("region {}", region.name))
                }
                Place::WorstWorker => Some(format!("worker {index}")),
                Place::Fleet | Place::Region { .. } | Place::Worker(_) => None,
            };
            self.judge(self.value(&summary, part.requests()), name)
        });
        let rank = |result: &GateResult| match (result.value, result.why) {
            (Some(value), _) => value,
            (None, Some(why)) if why.is_beyond_all() => f64::INFINITY,
            // A part in which nothing happened is not the worst, as long as there is another.
            (None, _) if self.operator.is_upper() => f64::NEG_INFINITY,
            (None, _) => f64::INFINITY,
        };
        let worse = |a: GateResult, b: GateResult| match self.operator.is_upper() {
            true if rank(&b) > rank(&a) => b,
            false if rank(&b) < rank(&a) => b,
            _ => a,
        };
        results.reduce(worse).unwrap_or_else(|| self.evaluate(whole))
    }

    /// The figure in the gate's unit, of a run with so many requests to take shares of.
    fn value(&self, summary: &Summary, requests: u64) -> Result<f64, NoValue> {
        match (self.limit, self.figure.definition().share_of) {
            (Limit::Absolute(_), _) => self.figure.value(summary),
            (Limit::Share(_), Some(Whole::Requests)) if requests > 0 => {
                Ok(self.figure.value(summary)? / requests as f64)
            }
            (Limit::Share(_), _) => self.figure.share(summary),
        }
    }

    fn judge(&self, value: Result<f64, NoValue>, part: Option<String>) -> GateResult {
        let (limit, unit) = match self.limit {
            Limit::Absolute(limit) => (limit, self.figure.unit()),
            Limit::Share(limit) => (limit, Unit::Share),
        };
        GateResult {
            gate: self.text.clone(),
            figure: self.figure,
            limit,
            value: value.ok(),
            unit,
            holds: match value {
                Ok(value) => self.operator.holds(value, limit),
                Err(why) => why.is_beyond_all() && self.operator.holds(f64::INFINITY, limit),
            },
            why: value.err(),
            part,
        }
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Operator {
    fn split(bound: &str) -> Option<(Self, &str)> {
        let known = [("<=", Self::AtMost), (">=", Self::AtLeast), ("<", Self::Less), (">", Self::More)];
        known.into_iter().find_map(|(sign, operator)| Some((operator, bound.strip_prefix(sign)?)))
    }

    /// Whether it bounds a figure from above.
    fn is_upper(self) -> bool {
        matches!(self, Self::Less | Self::AtMost)
    }

    fn holds(self, value: f64, limit: f64) -> bool {
        match self {
            Self::Less => value < limit,
            Self::AtMost => value <= limit,
            Self::More => value > limit,
            Self::AtLeast => value >= limit,
        }
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::More => ">",
            Self::AtLeast => ">=",
        })
    }
}

impl Limit {
    fn parse(figure: Figure, text: &str) -> Option<Self> {
        let number = |text: &str| text.trim().parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0);
        if let Some(percent) = text.strip_suffix('%') {
            let percent = number(percent).filter(|percent| *percent <= 100.0)?;
            return figure.definition().share_of.map(|_| Self::Share(percent / 100.0));
        }
        let duration = || text.parse::<Duration>().ok();
        Some(Self::Absolute(match figure.unit() {
            Unit::Nanoseconds => duration()?.as_nanos() as f64,
            Unit::Seconds => duration()?.as_secs_f64(),
            Unit::Count => text.parse::<u64>().ok()? as f64,
            Unit::Level | Unit::VmSeconds | Unit::Money | Unit::Share => number(text)?,
        }))
    }

    /// Whether every run holds it, or every run breaks it; nothing where it depends on the run.
    fn decided(self, operator: Operator) -> Option<bool> {
        let (limit, most) = match self {
            Self::Absolute(limit) => (limit, f64::INFINITY),
            Self::Share(limit) => (limit, 1.0),
        };
        match operator {
            Operator::Less if limit == 0.0 => Some(false),
            Operator::AtLeast if limit == 0.0 => Some(true),
            Operator::More if limit >= most => Some(false),
            Operator::AtMost if limit >= most => Some(true),
            _ => None,
        }
    }
}

/// What a figure's bound must be.
fn expected(figure: Figure) -> &'static str {
    match (figure.definition().share_of, figure.unit()) {
        (Some(Whole::Time), _) => "a duration with its unit, nor a percentage of time up to 100%",
        (Some(Whole::Requests), _) => "a whole number, nor a percentage of requests up to 100%",
        (None, Unit::Nanoseconds | Unit::Seconds) => "a duration with its unit",
        (None, Unit::Count) => "a whole number",
        (None, Unit::VmSeconds) => "a number of VM-seconds",
        (None, Unit::Level | Unit::Money | Unit::Share) => "a number",
    }
}

/// The known figure whose name is most like this text; the misses, where none is like it.
fn nearest(name: &str) -> Figure {
    let known: Vec<String> = Figure::all().iter().map(Figure::to_string).collect();
    let nearest = actors::nearest::nearest(name, known.iter().map(String::as_str));
    nearest.and_then(Figure::by_name).unwrap_or(Figure::Misses)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::Recorder;
    use crate::run_metadata::RunMetadata;

    fn summary() -> Summary {
        let mut summary =
            Recorder::new(RunMetadata::new("toy", 1)).finish(actors::Time::from_nanos(1)).summary;
        summary.duration_s = 200.0;
        summary.requests = 1_000;
        summary.outcomes.warm = 980;
        summary.outcomes.rejected = 20;
        summary.misses = 20;
        summary.latency_ns.served.count = 980;
        summary.latency_ns.served.p99 = 250_000_000;
        summary.latency_ns.all.count = 1_000;
        summary.latency_ns.all.p99 = None;
        summary.latency_ns.all.p50 = Some(60_000);
        summary.pool.empty_seconds = Some(12.0);
        summary.pool.empty_share = Some(0.06);
        summary.pool.ready_least = 3;
        summary
    }

    fn holds(figure: &str, bound: &str) -> bool {
        Gate::parse(figure, bound).unwrap().evaluate(&summary()).holds
    }

    #[test]
    fn bounds_are_strict_only_where_they_say_so() {
        for (figure, bound, expected) in [
            ("served latency p99", "< 250ms", false),
            ("served latency p99", "<= 250ms", true),
            ("latency served P99", ">= 0.25s", true),
            ("served latency p99", "> 250ms", false),
            ("latency p50", "< 61us", true),
            ("misses", "< 2%", false),
            ("misses", "<= 2 %", true),
            ("misses", "< 21", true),
            ("rejected", "<= 20", true),
            ("warm", "> 97.5%", true),
            ("failed", "<= 0", true),
            ("empty", "< 12s", false),
            ("empty", "< 6.1%", true),
            ("ready least", ">= 3", true),
            ("cost", "<= 0", true),
            ("boots", "<1", true),
            ("idle", "< 0.5", true),
            ("unserved", "< 2%", false),
            ("unserved", "<= 20", true),
        ] {
            assert_eq!(holds(figure, bound), expected, "{figure} {bound}");
        }
    }

    #[test]
    fn without_a_value_a_gate_does_not_hold_and_says_why() {
        let result = Gate::parse("latency p99 waited", "< 1h").unwrap().evaluate(&summary());
        assert!(!result.holds);
        assert_eq!((result.value, result.shown().as_str()), (None, "no request ended so"));
    }

    #[test]
    fn of_pools_per_tenant_nothing_holds_that_is_not_known() {
        let plan = RunMetadata { per_tenant: true, ..RunMetadata::new("tenants", 1) };
        let mut summary = Recorder::new(plan).finish(actors::Time::from_nanos(1)).summary;
        summary.duration_s = 1.0;
        for (figure, bound) in [("empty", "< 1h"), ("empty", "<= 99%"), ("recovery", "< 1h")] {
            let result = Gate::parse(figure, bound).unwrap().evaluate(&summary);
            assert!(!result.holds, "{figure} {bound}");
            assert_eq!(result.shown(), "not known: pools are per tenant");
        }
    }

    #[test]
    fn who_was_not_served_is_later_than_any_bound() {
        let judged = |bound: &str| Gate::parse("latency p99", bound).unwrap().evaluate(&summary());
        let result = judged("< 1h");
        assert_eq!((result.holds, result.value, result.shown().as_str()), (false, None, "not served"));
        assert!(judged("> 1h").holds);
    }

    #[test]
    fn a_gate_reads_back_as_it_was_written() {
        let gate = Gate::parse("latency p999 waited", "<250ms").unwrap();
        assert_eq!(gate.to_string(), "waited latency p99.9 < 250ms");
    }

    #[test]
    fn errors_name_the_text_and_the_remedy_names_what_is_right() {
        for (figure, bound, text, remedy) in [
            (
                "latncy p99",
                "< 250ms",
                "`latncy p99` is not a figure of a run",
                "did you mean \"latency p99\"? Write for example \"latency p99\" = \"< 250ms\"",
            ),
            (
                "misses",
                "1%",
                "gate \"misses\": `1%` does not begin with <, <=, > or >=",
                "write for example \"misses\" = \"< 1%\"",
            ),
            (
                "latency p99",
                "< 250",
                "gate \"latency p99\": `250` is not a duration with its unit",
                "write for example \"latency p99\" = \"< 250ms\"",
            ),
            (
                "recovery",
                "< 5%",
                "gate \"recovery\": `5%` is not a duration with its unit",
                "write for example \"recovery\" = \"< 30s\"",
            ),
            (
                "misses",
                "< 150%",
                "gate \"misses\": `150%` is not a whole number, nor a percentage of requests up to 100%",
                "write for example \"misses\" = \"< 1%\"",
            ),
        ] {
            let error = Gate::parse(figure, bound).unwrap_err();
            assert_eq!((error.to_string().as_str(), error.remedy().as_str()), (text, remedy));
        }
    }

    #[test]
    fn bounds_that_are_invalid_are_errors() {
        for (figure, bound) in [
            ("misses", "< -1%"),
            ("misses", "< 0.01"),
            ("ready least", ">= 2.5"),
            ("empty", "< 101%"),
            ("cost", "< 5%"),
            ("latency p99", "< 1%"),
            ("misses", "< 0%"),
            ("misses", "<= 100%"),
            ("warm", "> 100%"),
            ("requests", ">= 0"),
            ("boots", "< 1e3"),
            ("misses", "< NaN%"),
        ] {
            assert!(Gate::parse(figure, bound).is_err(), "{figure} {bound}");
        }
        let always = Gate::parse("misses", ">= 0%").unwrap_err();
        assert_eq!(always.to_string(), "gate \"misses\": every run holds `>= 0%`");
    }
}
