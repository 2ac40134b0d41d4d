//! Gates: what must hold for a run to pass, such as `"latency p99" = "< 250ms"` or `"misses" = "< 1%"`.

use std::fmt;

use actors::Duration;
use serde::{Deserialize, Serialize};

use crate::figure::{Figure, Unit};
use crate::summary::Summary;

/// One condition on one figure of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Gate {
    figure: Figure,
    operator: Operator,
    limit: Limit,
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

/// Why a text is not a gate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GateError {
    /// The figure is not known.
    #[error("`{0}` is not a figure of a run: did you mean \"{1}\"? Write for example \"{1}\" = \"{2}\"")]
    UnknownFigure(String, String, String),
    /// The bound does not begin with an operator.
    #[error("gate \"{0}\": `{1}` does not begin with <, <=, > or >=: write for example \"{0}\" = \"{2}\"")]
    NoOperator(String, String, String),
    /// The bound is not of the figure's unit.
    #[error("gate \"{0}\": `{1}` is not {2}: write for example \"{0}\" = \"{3}\"")]
    Limit(String, String, &'static str, String),
}

/// A gate, judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GateResult {
    /// The gate as it was written: `latency p99 < 250ms`.
    pub gate: String,
    /// The figure's name.
    pub figure: String,
    /// The bound, in `unit`.
    pub limit: f64,
    /// The figure, in `unit`; null where there is none.
    pub value: Option<f64>,
    /// What both are counted in.
    pub unit: Unit,
    /// Whether the gate holds. Without a value it does not.
    pub holds: bool,
    /// Why there is no value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl GateResult {
    /// The value as people read it, or why there is none.
    pub fn shown(&self) -> String {
        match (self.value, &self.why) {
            (Some(value), _) => self.unit.show(value),
            (None, Some(why)) => why.clone(),
            (None, None) => "no value".to_owned(),
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
            let example = Figure::by_name(&nearest).map_or("< 1", example);
            return Err(GateError::UnknownFigure(name, nearest, example.to_owned()));
        };
        let bound = bound.trim();
        let Some((operator, limit)) = Operator::split(bound) else {
            return Err(GateError::NoOperator(name, bound.to_owned(), example(known).to_owned()));
        };
        let Some(limit) = Limit::parse(known, limit.trim()) else {
            return Err(GateError::Limit(
                name,
                limit.trim().to_owned(),
                expected(known),
                example(known).to_owned(),
            ));
        };
        let text = format!("{known} {operator} {}", bound.trim_start_matches(['<', '>', '=']).trim());
        Ok(Self { figure: known, operator, limit, text })
    }

    /// Judges a run.
    pub fn evaluate(&self, summary: &Summary) -> GateResult {
        let (limit, unit, value) = match self.limit {
            Limit::Absolute(limit) => (limit, self.figure.unit(), self.figure.value(summary)),
            Limit::Share(limit) => (limit, Unit::Share, self.figure.share(summary)),
        };
        GateResult {
            gate: self.text.clone(),
            figure: self.figure.to_string(),
            limit,
            value: value.ok(),
            unit,
            holds: value.is_ok_and(|value| self.operator.holds(value, limit)),
            why: value.err().map(str::to_owned),
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
            return if figure.has_share() { Some(Self::Share(number(percent)? / 100.0)) } else { None };
        }
        let duration = || text.parse::<Duration>().ok();
        Some(Self::Absolute(match figure.unit() {
            Unit::Nanoseconds => duration()?.as_nanos() as f64,
            Unit::Seconds => duration()?.as_secs_f64(),
            _ => number(text)?,
        }))
    }
}

/// What a figure's bound must be.
fn expected(figure: Figure) -> &'static str {
    match figure {
        Figure::Empty => "a duration with its unit, nor a percentage of time",
        figure if figure.has_share() => "a count, nor a percentage of requests",
        figure => match figure.unit() {
            Unit::Nanoseconds | Unit::Seconds => "a duration with its unit",
            Unit::VmSeconds => "a number of VM-seconds",
            _ => "a number",
        },
    }
}

/// A bound that is right for a figure.
fn example(figure: Figure) -> &'static str {
    match figure {
        Figure::Latency(..) => "< 250ms",
        Figure::Recovery | Figure::Empty => "< 30s",
        Figure::ReadyMean | Figure::ReadyLeast => ">= 4",
        Figure::Outcome(actors::Outcome::Warm) => "> 99%",
        figure if figure.has_share() => "< 1%",
        _ => "< 1000",
    }
}

/// The known figure whose name is most like this text; the misses, where none is like it.
fn nearest(name: &str) -> String {
    let known = Figure::names();
    let nearest = actors::nearest::nearest(name, known.iter().map(String::as_str));
    nearest.unwrap_or("misses").to_owned()
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
            ("latency p99", "< 250ms", false),
            ("latency p99", "<= 250ms", true),
            ("latency  P99", ">= 0.25s", true),
            ("latency p99", "> 250ms", false),
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
        for (figure, bound) in [("empty", "< 1h"), ("empty", "<= 100%"), ("recovery", "< 1h")] {
            let result = Gate::parse(figure, bound).unwrap().evaluate(&summary);
            assert!(!result.holds, "{figure} {bound}");
            assert_eq!(result.shown(), "not known: pools are per tenant");
        }
    }

    #[test]
    fn a_gate_reads_back_as_it_was_written() {
        let gate = Gate::parse("latency p999", "<250ms").unwrap();
        assert_eq!(gate.to_string(), "latency p99.9 < 250ms");
    }

    #[test]
    fn errors_name_the_text_the_nearest_figure_and_an_example() {
        for (figure, bound, text) in [
            (
                "latncy p99",
                "< 250ms",
                "`latncy p99` is not a figure of a run: did you mean \"latency p99\"? \
                 Write for example \"latency p99\" = \"< 250ms\"",
            ),
            (
                "misses",
                "1%",
                "gate \"misses\": `1%` does not begin with <, <=, > or >=: \
                 write for example \"misses\" = \"< 1%\"",
            ),
            (
                "latency p99",
                "< 250",
                "gate \"latency p99\": `250` is not a duration with its unit: \
                 write for example \"latency p99\" = \"< 250ms\"",
            ),
            (
                "recovery",
                "< 5%",
                "gate \"recovery\": `5%` is not a duration with its unit: \
                 write for example \"recovery\" = \"< 30s\"",
            ),
            (
                "misses",
                "< -1%",
                "gate \"misses\": `-1%` is not a count, nor a percentage of requests: \
                 write for example \"misses\" = \"< 1%\"",
            ),
        ] {
            assert_eq!(Gate::parse(figure, bound).unwrap_err().to_string(), text);
        }
    }
}
