//! A scenario file with its gates, and what a report is told about the run.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use actors::Time;
use actors::policy::PoolKey;
use reports::cost::PRICE_MAX;
use reports::{Capacity, Gate, Mark, NamedText, Prices, Provenance, Report, RunMetadata, identity};
use scenarios::{Overlays, Scenario, ScenarioError, Text};

use crate::exit::{self, Failure};
use crate::{interrupt, source};

/// The arguments that name a scenario, which several verbs take.
#[derive(Debug, clap::Args)]
pub(crate) struct ScenarioArgs {
    /// The scenario: a file, the name of a ready-made one (`warmpool scenarios` lists them), or `-` for
    /// standard input
    pub(crate) file: PathBuf,

    /// Seed of all random numbers, instead of the file's
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// Set a key of the file: `--set pool.depth.ready=40`, `--set 'demand.1.to=200'`. May be given several
    /// times.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,

    /// Simulate the host that `warmpool calibrate` has measured: the tables `latency` and `timer` of its
    /// profile (profile.toml, or its folder) replace the scenario's, key by key. `--set` comes after it
    #[arg(long, value_name = "PROFILE")]
    pub(crate) host: Option<PathBuf>,
}

impl ScenarioArgs {
    /// Reads the scenario, with another pool policy laid over its own where one is given.
    pub(crate) fn load(&self, pool: Option<&Path>) -> Result<Loaded, Failure> {
        self.ready(&self.file, pool, self.host.as_deref())
    }

    /// Reads the scenario on another host than the arguments name.
    pub(crate) fn load_on(&self, host: &Path) -> Result<Loaded, Failure> {
        self.ready(&self.file, None, Some(host))
    }

    /// Reads another scenario with the same seed, host and overrides.
    pub(crate) fn load_other(&self, file: &Path) -> Result<Loaded, Failure> {
        self.ready(file, None, self.host.as_deref())
    }

    fn ready(&self, file: &Path, pool: Option<&Path>, host: Option<&Path>) -> Result<Loaded, Failure> {
        let text = source::scenario(file)?;
        // Not before: who waits for a text on a terminal is ended by Ctrl-C at once.
        interrupt::watch()?;
        let pool = pool.map(source::pool).transpose()?;
        let overlays = Overlays { pool: pool.as_ref(), host };
        // As text, for a TOML integer does not hold every seed.
        let seed = self.seed.map(|seed| format!("seed=\"{seed}\""));
        let overrides: Vec<String> = self.overrides.iter().cloned().chain(seed).collect();
        let scenario = Scenario::load_with(&text, &overlays, &overrides)?;
        let (gates, prices) = (crate::gates::gates(&scenario)?, prices(&scenario)?);
        let warnings: Vec<String> = scenario.warnings().iter().map(ToString::to_string).collect();
        scenario.warnings().iter().for_each(|warning| exit::warn(warning));
        let named = |text: &Text| NamedText { name: text.name().to_owned(), text: text.content().to_owned() };
        let provenance = Provenance {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            file: text.name().to_owned(),
            text: text.content().to_owned(),
            scenario: String::new(),
            set: overrides,
            pool: pool.as_ref().map(named),
            host: host.map(|host| source::profile(host).map(|text| named(&text))).transpose()?,
            warnings,
        };
        Ok(Loaded { scenario, gates, prices, provenance: Arc::new(provenance) })
    }
}

/// A scenario that is ready to run.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    pub(crate) scenario: Scenario,
    gates: Vec<Gate>,
    prices: Prices,
    /// Without the scenario as it is run, which differs by seed.
    provenance: Arc<Provenance>,
}

impl Loaded {
    /// The same scenario with another seed.
    pub(crate) fn with_seed(&self, seed: u64) -> Self {
        let mut other = self.clone();
        other.scenario.seed = seed;
        other
    }

    /// Which simulated run this is: the same for all that say the same.
    pub(crate) fn run_id(&self) -> Result<String, Failure> {
        Ok(identity::hash(self.scenario.explain()?.as_bytes()))
    }

    /// Writes into a report which run it is of and where that comes from.
    pub(crate) fn sign(&self, report: &mut Report, run_id: &str) -> Result<(), Failure> {
        report.summary.identity.run = run_id.to_owned();
        let scenario = self.scenario.explain()?;
        report.summary.provenance = Provenance { scenario, ..(*self.provenance).clone() };
        Ok(())
    }

    /// The frame of this run's report.
    pub(crate) fn metadata(&self, backend: &str) -> RunMetadata {
        let scenario = &self.scenario;
        RunMetadata {
            name: scenario.name.clone(),
            backend: backend.to_owned(),
            seed: scenario.seed,
            workers: scenario.workers().iter().map(|plan| plan.region as usize).collect(),
            capacity: scenario
                .workers()
                .iter()
                .map(|plan| Capacity {
                    slots: plan.slots,
                    boots: (plan.boots != u32::MAX).then_some(plan.boots),
                })
                .collect(),
            per_tenant: scenario.workers().iter().any(|plan| plan.pool.key == PoolKey::Tenant),
            regions: scenario.regions().into_iter().map(|region| region.name).collect(),
            warmup: scenario.warmup,
            planned: scenario.planned_length(),
            begins: scenario.begins().map(|begins| begins.to_string()),
            spike_begin: scenario.spike().map(|spike| spike.start),
            spike_end: scenario.spike().map(|spike| spike.end),
            marks: marks(scenario),
            prices: self.prices,
            gates: self.gates.clone(),
            notes: notes(scenario),
        }
    }
}

/// What a reader of the report should know of its demand.
fn notes(scenario: &Scenario) -> Vec<String> {
    let mut notes: Vec<String> = scenario
        .begins_by_trace()
        .then(|| format!("t = 0 is {}, as the first row of the trace says", scenario.clock.begins))
        .into_iter()
        .collect();
    notes.extend(scenario.warnings().iter().map(|warning| format!("{}{}", warning.place, warning.message)));
    notes
}

/// The prices, none of which may be so high that a sum of them is no number any more.
fn prices(scenario: &Scenario) -> Result<Prices, ScenarioError> {
    let cost = &scenario.cost;
    let price = |key, price: f64| match price <= PRICE_MAX {
        true => Ok(price),
        false => Err(scenario.error_at(
            &["cost", key],
            &format!("is {price:e}"),
            &format!("give a price of at most {PRICE_MAX:e}"),
        )),
    };
    Ok(Prices {
        idle_vm_second: price("idle_vm_second", cost.idle_vm_second)?,
        miss: price("miss", cost.miss)?,
        boot: price("boot", cost.boot)?,
        rejected: price("rejected", cost.rejected)?,
    })
}

/// The faults, for plots to point out.
fn marks(scenario: &Scenario) -> Vec<Mark> {
    let entries = scenario.fault.iter();
    entries
        .map(|fault| {
            let place = match (fault.worker, &fault.region) {
                (Some(worker), _) => format!("worker {worker}"),
                (None, Some(region)) => region.clone(),
                (None, None) => "all workers".to_owned(),
            };
            let begin = Time::ZERO + fault.at;
            Mark {
                from_s: begin.as_secs_f64(),
                to_s: fault.length.map(|length| (begin + length).as_secs_f64()),
                label: format!("{} {place}", fault.kind.name()),
            }
        })
        .collect()
}
