//! The gates of a scenario: the short form `[gates]`, and `[[gate]]` on parts of a run.

use actors::nearest::suggestion;
use actors::{Cause, Time};
use reports::{Gate, GateError, Place, Scope, outcomes};
use scenarios::scenario::{GateEntry, Worst};
use scenarios::{Scenario, ScenarioError};

/// Reads all gates, in the order of the file.
pub(crate) fn gates(scenario: &Scenario) -> Result<Vec<Gate>, ScenarioError> {
    let short = scenario.gates.0.iter().map(|(figure, bound)| {
        Gate::parse(figure, bound).map_err(|error| invalid(scenario, &["gates", figure], &error))
    });
    let long = scenario.gate.iter().enumerate().map(|(index, entry)| {
        let entry = Entry { scenario, entry, index: index.to_string() };
        let gate = Gate::parse(&entry.entry.figure, &entry.entry.bound).map_err(|error| {
            let key = if matches!(error, GateError::UnknownFigure { .. }) { "figure" } else { "bound" };
            invalid(scenario, &entry.path(key), &error)
        })?;
        gate.of_part(entry.scope()?).map_err(|error| invalid(scenario, &entry.path("figure"), &error))
    });
    short.chain(long).collect()
}

fn invalid(scenario: &Scenario, path: &[&str], error: &GateError) -> ScenarioError {
    scenario.error_at(path, &format!("is invalid: {error}"), &error.remedy())
}

/// One of `[[gate]]`.
struct Entry<'a> {
    scenario: &'a Scenario,
    entry: &'a GateEntry,
    index: String,
}

impl Entry<'_> {
    fn path<'a>(&'a self, key: &'a str) -> [&'a str; 3] {
        ["gate", &self.index, key]
    }

    fn error(&self, key: &str, wrong: &str, remedy: &str) -> ScenarioError {
        self.scenario.error_at(&self.path(key), wrong, remedy)
    }

    fn scope(&self) -> Result<Scope, ScenarioError> {
        let entry = self.entry;
        if let (Some(from), Some(to)) = (entry.from, entry.to)
            && from >= to
        {
            return Err(self.error("to", "is not after `from`", "give a time after it"));
        }
        let outcome = entry.outcome.as_deref().map(|name| {
            outcomes::by_name(name).ok_or_else(|| {
                let known = actors::Outcome::ALL.map(actors::Outcome::name);
                self.error("outcome", &format!("`{name}` is not an outcome"), &suggestion(name, &known))
            })
        });
        let cause = entry.cause.as_deref().map(|name| {
            Cause::ALL.into_iter().find(|cause| cause.name() == name).ok_or_else(|| {
                let known = Cause::ALL.map(Cause::name);
                self.error("cause", &format!("`{name}` is not a cause"), &suggestion(name, &known))
            })
        });
        let moment = |after: actors::Duration| Time::ZERO + after;
        Ok(Scope {
            place: self.place()?,
            from: entry.from.map(moment),
            to: entry.to.map(moment),
            outcome: outcome.transpose()?,
            cause: cause.transpose()?,
        })
    }

    fn place(&self) -> Result<Place, ScenarioError> {
        let entry = self.entry;
        let given = [
            ("worst", entry.worst.is_some()),
            ("worker", entry.worker.is_some()),
            ("region", entry.region.is_some()),
        ];
        let mut given = given.iter().filter(|(_, given)| *given).map(|(key, _)| *key);
        if let (Some(one), Some(other)) = (given.next(), given.next()) {
            return Err(self.error(one, &format!("is given beside `{other}`"), "give one of them"));
        }
        match (&entry.region, entry.worker, entry.worst) {
            (Some(name), ..) => self.region(name),
            (_, Some(worker), _) => self.worker(worker),
            (.., Some(Worst::Region)) => Ok(Place::WorstRegion),
            (.., Some(Worst::Worker)) => Ok(Place::WorstWorker),
            (None, None, None) => Ok(Place::Fleet),
        }
    }

    fn region(&self, name: &str) -> Result<Place, ScenarioError> {
        let regions = self.scenario.regions();
        let names: Vec<&str> = regions.iter().map(|region| region.name.as_str()).collect();
        match names.iter().position(|known| *known == name) {
            Some(index) => Ok(Place::Region { index, name: name.to_owned() }),
            None => {
                Err(self.error("region", &format!("`{name}` is not a region"), &suggestion(name, &names)))
            }
        }
    }

    fn worker(&self, worker: u32) -> Result<Place, ScenarioError> {
        let count = self.scenario.workers().len();
        if (worker as usize) < count {
            return Ok(Place::Worker(worker));
        }
        let remedy = format!("workers are counted from 0 to {}", count.saturating_sub(1));
        Err(self.error("worker", &format!("is {worker}, but there are {count} workers"), &remedy))
    }
}
