//! Invalid demand: stages, traces, and how long they may last.

use actors::Duration;

use super::Checked;
use crate::error::ScenarioError;
use crate::scenario::Scenario;
use crate::scenario::demand::{Demand, LENGTH_MAX, Stage};
use crate::scenario::spread::Spread;
use crate::scenario::trace::{Format, Lifetimes, Trace};

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
            let wrong = format!("is {begins}, so that the demand ends after the year 2261");
            return self.fail(&["clock", "begins"], &wrong, "begin earlier");
        }
        Ok(())
    }

    /// Checks each stage; gives the length of all.
    fn check_stages(&self, stages: &[Stage]) -> Result<Duration, ScenarioError> {
        if stages.is_empty() {
            let wrong = "is missing";
            return Err(self.error_at(
                &["demand"],
                wrong,
                "add [[demand]] stages with `to` and `for`, or [demand] with a `trace`",
            ));
        }
        let mut length = Duration::ZERO;
        for (index, stage) in stages.iter().enumerate() {
            self.check_stage(&index.to_string(), stage)?;
            length = length + stage.length;
            if length > LENGTH_MAX {
                let wrong =
                    format!("is {}, with which the demand lasts more than {LENGTH_MAX}", stage.length);
                return Err(self.error_at(
                    &["demand", &index.to_string(), "for"],
                    &wrong,
                    "let it last 100 years at most",
                ));
            }
        }
        if !self.warmup.is_zero() && self.warmup >= length {
            let wrong =
                format!("is {}, but the demand ends after {length}, so that nothing is counted", self.warmup);
            return Err(self.error_at(&["warmup"], &wrong, "shorten it, or let the demand last longer"));
        }
        Ok(length)
    }

    fn check_stage(&self, index: &str, stage: &Stage) -> Checked {
        let (Some(from), Some(to)) = (stage.from, stage.to) else {
            let wrong = "has neither `from` nor `to`";
            return self.fail(&["demand", index], wrong, "give a rate in arrivals per second");
        };
        for (key, rate) in [("from", from), ("to", to)] {
            let taken_over = !self.gives(&["demand", index, key]);
            if !(taken_over || (0.0..=RATE_MAX).contains(&rate)) {
                let wrong = format!("is {rate}");
                return self.fail(
                    &["demand", index, key],
                    &wrong,
                    &format!("give a rate in arrivals per second, from 0 to {RATE_MAX}"),
                );
            }
        }
        if stage.arrivals == Some(Spread::BurstsOf(0)) {
            let wrong = "is 0";
            return self.fail(
                &["demand", index, "arrivals", "bursts_of"],
                wrong,
                "give the number of requests that arrive at once",
            );
        }
        Ok(())
    }

    fn check_trace(&self, trace: &Trace) -> Checked {
        if trace.trace.is_empty() {
            return self.fail(
                &["demand", "trace"],
                "is empty",
                "name a file, or give --set demand.trace=FILE",
            );
        }
        let path = self.base().join(&trace.trace);
        let wrong = match std::fs::metadata(&path) {
            Ok(file) if file.is_dir() => Some("is a folder".to_owned()),
            Ok(_) => None,
            Err(error) => Some(format!("cannot be opened ({error})")),
        };
        if let Some(wrong) = wrong {
            let wrong = format!("names `{}`, which {wrong}", path.display());
            return self.fail(&["demand", "trace"], &wrong, "give the path of a trace");
        }
        if !(trace.scale > 0.0 && trace.scale <= SCALE_MAX) {
            let wrong = format!("is {}", trace.scale);
            return self.fail(
                &["demand", "scale"],
                &wrong,
                &format!("give a factor above 0, up to {SCALE_MAX}"),
            );
        }
        if !(trace.speed >= SPEED_MIN && trace.speed.is_finite()) {
            let wrong = format!("is {:?}", trace.speed);
            return self.fail(&["demand", "speed"], &wrong, &format!("give a factor of {SPEED_MIN} or more"));
        }
        if trace.arrivals == Spread::BurstsOf(0) {
            let wrong = "is 0";
            return self.fail(
                &["demand", "arrivals", "bursts_of"],
                wrong,
                "give the number of requests that arrive at once",
            );
        }
        match trace.format {
            Some(
                format @ (Format::AzureLlm
                | Format::AzureFunctions2021
                | Format::AzureFunctions2019
                | Format::Journal),
            ) if trace.columns.is_some() => {
                let wrong = format!("has no place in the format {}", format.name());
                self.fail(&["demand", "columns"], &wrong, "leave it out")
            }
            Some(format @ (Format::AzureLlm | Format::AzureFunctions2019))
                if trace.lifetimes == Lifetimes::Trace =>
            {
                let wrong = format!("is \"trace\", but the format {} has no lifetimes", format.name());
                self.fail(
                    &["demand", "lifetimes"],
                    &wrong,
                    "leave it at \"sprite\" and give `lifetime` in [sprite]",
                )
            }
            _ => Ok(()),
        }
    }
}
