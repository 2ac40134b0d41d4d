//! Demand that cannot be: stages, traces, and how long they may last.

use actors::Duration;

use super::Checked;
use crate::error::ScenarioError;
use crate::scenario::Scenario;
use crate::scenario::demand::{Demand, Format, LENGTH_MAX, Lifetimes, Spread, Stage, Trace};

/// The highest rate of arrivals, per second.
const RATE_MAX: f64 = 1e9;
/// The most arrivals for one row of a trace.
const SCALE_MAX: f64 = 10_000.0;
/// The slowest replay of a trace: a second of it takes eleven days.
const SPEED_MIN: f64 = 1e-6;

impl Scenario {
    pub(super) fn check_demand(&self) -> Checked {
        let planned = match &self.demand {
            Demand::Stages(stages) => self.check_stages(stages)?,
            // How long it lasts is seen when it is read; but it lasts.
            Demand::Trace(trace) => self.check_trace(trace).map(|()| Duration::from_nanos(1))?,
        };
        if planned > self.clock.begins.time_left() {
            let begins = self.clock.begins;
            let text = format!("is {begins}, so that the demand ends after the year 2261: begin earlier");
            return self.fail(&["clock", "begins"], text);
        }
        Ok(())
    }

    /// Checks each stage; gives the length of all.
    fn check_stages(&self, stages: &[Stage]) -> Result<Duration, ScenarioError> {
        if stages.is_empty() {
            let text = "is missing: add [[demand]] stages with `to` and `for`, or [demand] with a `trace`";
            return Err(self.problem_at(&["demand"], text));
        }
        let mut length = Duration::ZERO;
        for (index, stage) in stages.iter().enumerate() {
            self.check_stage(&index.to_string(), stage)?;
            length = length + stage.length;
            if length > LENGTH_MAX {
                let text = format!(
                    "is {}, with which the demand lasts more than {LENGTH_MAX}: let it last 100 years at most",
                    stage.length
                );
                return Err(self.problem_at(&["demand", &index.to_string(), "for"], &text));
            }
        }
        if !self.warmup.is_zero() && self.warmup >= length {
            let text =
                format!("is {}, but the demand ends after {length}: nothing would be counted", self.warmup);
            return Err(self.problem_at(&["warmup"], &text));
        }
        Ok(length)
    }

    fn check_stage(&self, index: &str, stage: &Stage) -> Checked {
        let (Some(from), Some(to)) = (stage.from, stage.to) else {
            let text = "has neither `from` nor `to`: give a rate in arrivals per second";
            return self.fail(&["demand", index], text);
        };
        for (key, rate) in [("from", from), ("to", to)] {
            let taken_over = !self.gives(&["demand", index, key]);
            if !(taken_over || (0.0..=RATE_MAX).contains(&rate)) {
                let text = format!("is {rate}: give a rate in arrivals per second, from 0 to {RATE_MAX}");
                return self.fail(&["demand", index, key], text);
            }
        }
        if stage.arrivals == Some(Spread::BurstsOf(0)) {
            let text = "is 0: give the number of requests that arrive at once";
            return self.fail(&["demand", index, "arrivals", "bursts_of"], text);
        }
        Ok(())
    }

    fn check_trace(&self, trace: &Trace) -> Checked {
        if trace.trace.is_empty() {
            return self.fail(&["demand", "trace"], "is empty: name a file, or give --set demand.trace=FILE");
        }
        let path = self.base().join(&trace.trace);
        let wrong = match std::fs::metadata(&path) {
            Ok(file) if file.is_dir() => Some("is a folder".to_owned()),
            Ok(_) => None,
            Err(error) => Some(format!("cannot be opened ({error})")),
        };
        if let Some(wrong) = wrong {
            let text = format!("names `{}`, which {wrong}: give the path of a trace", path.display());
            return self.fail(&["demand", "trace"], text);
        }
        if !(trace.scale > 0.0 && trace.scale <= SCALE_MAX) {
            let text = format!("is {}: give a factor above 0, up to {SCALE_MAX}", trace.scale);
            return self.fail(&["demand", "scale"], text);
        }
        if !(trace.speed >= SPEED_MIN && trace.speed.is_finite()) {
            let text = format!("is {:?}: give a factor of {SPEED_MIN} or more", trace.speed);
            return self.fail(&["demand", "speed"], text);
        }
        if trace.arrivals == Spread::BurstsOf(0) {
            let text = "is 0: give the number of requests that arrive at once";
            return self.fail(&["demand", "arrivals", "bursts_of"], text);
        }
        match trace.format {
            Some(
                format @ (Format::AzureLlm
                | Format::AzureFunctions2021
                | Format::AzureFunctions2019
                | Format::Journal),
            ) if trace.columns.is_some() => {
                let text = format!("has no place in the format {}: leave it out", format.name());
                self.fail(&["demand", "columns"], text)
            }
            Some(format @ (Format::AzureLlm | Format::AzureFunctions2019))
                if trace.lifetimes == Lifetimes::Trace =>
            {
                let text = format!(
                    "is \"trace\", but the format {} has no lifetimes: leave it at \"sprite\" and give `lifetime` in [sprite]",
                    format.name()
                );
                self.fail(&["demand", "lifetimes"], text)
            }
            _ => Ok(()),
        }
    }
}
