//! A scenario: everything that a run depends on. One file for each group of tables; here they come together.

mod demand;
pub(crate) mod explain;
mod fault;
mod fleet;
mod parts;
mod plan;
mod seed;
mod spread;
mod trace;
mod validate;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use actors::policy::PoolPolicy;
use actors::{Duration, WallClock};
use serde::{Deserialize, Serialize};

use crate::document::{Document, Node, Value};
use crate::error::{ScenarioError, Warning};

pub use demand::{Demand, Stage};
pub use fault::{Effect, Fault, FaultEntry, FaultKind};
pub use fleet::{Boots, Fleet, Region, WorkerOverride};
pub use parts::{
    AfterIdle, Begins, Clock, Cost, GateEntry, Gates, Latency, SpriteLife, Tenants, TimerSlack, Worst,
};
pub use plan::{RegionPlan, WorkerPlan};
pub use spread::Spread;
pub use trace::{Columns, Empty, Format, Lifetimes, Order, TimeUnit, Trace, Units};

/// Everything that a run depends on. Fields have the names of the file's keys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scenario {
    /// Its name in reports; that of the file, if not given.
    pub name: String,
    /// What all random numbers come from.
    #[serde(with = "seed")]
    pub seed: u64,
    /// How long requests are served but not counted.
    pub warmup: Duration,
    /// The share of seeds in which each gate must hold, where there are several.
    pub gates_held_in: f64,
    /// Which civil time it is at t = 0.
    pub clock: Clock,
    /// The workers.
    pub fleet: Fleet,
    /// What every pool is told.
    pub pool: PoolPolicy,
    /// How the simulated host answers.
    pub latency: Latency,
    /// How Sprites live once they are assigned.
    pub sprite: SpriteLife,
    /// How late timers fire.
    pub timer: TimerSlack,
    /// Who the requests come from.
    pub tenants: Tenants,
    /// What is asked of the fleet.
    pub demand: Demand,
    /// Parts of the fleet with a share of the demand.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub region: Vec<Region>,
    /// What is different about single workers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub worker: Vec<WorkerOverride>,
    /// What goes wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fault: Vec<FaultEntry>,
    /// What things cost.
    pub cost: Cost,
    /// What must hold.
    pub gates: Gates,
    /// What must hold of parts of a run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gate: Vec<GateEntry>,
    #[serde(skip)]
    source: Source,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            name: String::new(),
            seed: 42,
            warmup: Duration::ZERO,
            gates_held_in: 0.95,
            clock: Clock::default(),
            fleet: Fleet::default(),
            pool: PoolPolicy::default(),
            latency: Latency::default(),
            sprite: SpriteLife::default(),
            timer: TimerSlack::default(),
            tenants: Tenants::default(),
            demand: Demand::default(),
            region: Vec::new(),
            worker: Vec::new(),
            fault: Vec::new(),
            cost: Cost::default(),
            gates: Gates::default(),
            gate: Vec::new(),
            source: Source::default(),
        }
    }
}

/// Where a scenario came from. All sources are alike: two scenarios that say the same are the same.
#[derive(Clone, Debug, Default)]
struct Source {
    document: Option<Arc<Document>>,
    base: PathBuf,
    about: String,
    /// Whether the trace says when civil time begins.
    begins_by_trace: bool,
    warnings: Vec<Warning>,
}

impl PartialEq for Source {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl Scenario {
    /// From a document that other files were laid over already; `text` is the scenario file's own.
    pub(crate) fn build(
        mut document: Document,
        base: PathBuf,
        text: &str,
        overrides: &[String],
    ) -> Result<Self, ScenarioError> {
        document.set(overrides)?;
        merge_pools(document.root_mut());
        let mut scenario: Self = document.read()?;
        if scenario.name.is_empty() {
            scenario.name = document.stem();
        }
        scenario.source =
            Source { base, about: about(text), document: Some(Arc::new(document)), ..Source::default() };
        scenario.fill_in();
        scenario.validate()?;
        Ok(scenario)
    }

    /// As if it had been read from the configuration of a host, which has no demand.
    pub(crate) fn of_host(mut self, document: Arc<Document>, base: PathBuf) -> Result<Self, ScenarioError> {
        self.name = document.stem();
        self.source = Source { base, document: Some(document), ..Source::default() };
        self.validate_host()?;
        Ok(self)
    }

    /// Puts defaults in force that depend on other keys.
    fn fill_in(&mut self) {
        if let Demand::Stages(stages) = &mut self.demand {
            demand::fill_in(stages);
        }
        let workers = self.fleet.workers;
        for region in &mut self.region {
            let even = f64::from(region.workers) / f64::from(workers.max(1));
            region.share.get_or_insert(even);
        }
        for fault in self.fault.iter_mut().filter(|fault| fault.kind == FaultKind::FailedBoots) {
            fault.ratio.get_or_insert(1.0);
        }
    }

    /// Takes over what the beginning of the trace says. A `clock.begins` of the file stays.
    pub(crate) fn learn(&mut self, begins: Option<WallClock>, warnings: Vec<Warning>) {
        self.source.warnings = warnings;
        if let Some(begins) = begins.filter(|_| !self.gives(&["clock", "begins"])) {
            self.clock.begins = Begins(begins);
            self.source.begins_by_trace = true;
        }
    }

    /// Whether the civil time at t = 0 is that of the trace.
    pub fn begins_by_trace(&self) -> bool {
        self.source.begins_by_trace
    }

    /// What was read in one sense and may have been meant in another.
    pub fn warnings(&self) -> &[Warning] {
        &self.source.warnings
    }

    /// The civil time at t = 0.
    pub fn epoch(&self) -> WallClock {
        self.clock.begins.0
    }

    /// The civil time at t = 0, where the file or the trace gives it.
    pub fn begins(&self) -> Option<Begins> {
        (self.source.begins_by_trace || self.gives(&["clock", "begins"])).then_some(self.clock.begins)
    }

    /// The longest that the demand may last: so long that every time can be held, civil time as well.
    pub(crate) fn longest_demand(&self) -> Duration {
        demand::LENGTH_MAX.min(self.clock.begins.time_left())
    }

    /// The folder from which the paths in the file are taken.
    pub fn base(&self) -> &Path {
        &self.source.base
    }

    /// What the file's first comment says, on one line.
    pub fn about(&self) -> &str {
        &self.source.about
    }

    /// An error about a key of this scenario, with its line: for what is found only after it was read. What
    /// is wrong reads as the rest of a sentence that begins with the key, as in `is -3`.
    pub fn error_at(&self, path: &[&str], wrong: &str, remedy: &str) -> ScenarioError {
        match &self.source.document {
            Some(document) => document.error(path, wrong, remedy),
            None => {
                let key = path.join(".");
                let message = format!("`{key}` {wrong}");
                ScenarioError { key: key.into(), ..ScenarioError::of_file(&self.name, message, remedy) }
            }
        }
    }

    /// Whether a key was given, not taken over from elsewhere.
    fn gives(&self, path: &[&str]) -> bool {
        self.source.document.as_ref().is_none_or(|document| document.has(path))
    }

    /// The scenario whole, with every default in force, as a file that reads back to the same scenario. What
    /// the file did not say is marked `# default`.
    ///
    /// # Errors
    /// A value that TOML cannot hold.
    pub fn explain(&self) -> Result<String, ScenarioError> {
        let (document, by_trace) = (self.source.document.as_deref(), self.source.begins_by_trace);
        explain::explain(self, &self.name, document, by_trace)
    }
}

/// The comment that a scenario file begins with, up to its first empty line, on one line.
pub fn about(text: &str) -> String {
    let comment = text.lines().map_while(|line| line.strip_prefix('#')).map(str::trim);
    let words: Vec<&str> = comment.take_while(|line| !line.is_empty()).collect();
    words.join(" ")
}

/// Lays the pool keys of regions and workers over those that hold without them, so that each has its whole
/// policy.
fn merge_pools(root: &mut Node) {
    let pool = root.child("pool").cloned();
    let mut first_of: Vec<(u64, Node)> = Vec::new();
    let mut first = 0u64;
    let regions = root.child("region").and_then(Node::items).map_or(0, <[Node]>::len);
    for index in 0..regions {
        let Some(region) = root.child_mut("region").and_then(|regions| regions.child_mut(&index.to_string()))
        else {
            continue;
        };
        merge_pool(region, pool.as_ref());
        let workers = match region.child("workers").map(|workers| &workers.value) {
            Some(Value::Integer(workers)) => u64::try_from(*workers).unwrap_or(0),
            _ => 0,
        };
        first = first.saturating_add(workers);
        let merged = region.child("pool").or(pool.as_ref());
        first_of.extend(merged.map(|merged| (first, merged.clone())));
    }
    let workers = root.child("worker").and_then(Node::items).map_or(0, <[Node]>::len);
    for index in 0..workers {
        let Some(worker) = root.child_mut("worker").and_then(|workers| workers.child_mut(&index.to_string()))
        else {
            continue;
        };
        let place = match worker.child("index").map(|index| &index.value) {
            Some(Value::Integer(place)) => u64::try_from(*place).unwrap_or(u64::MAX),
            _ => u64::MAX,
        };
        let region = first_of.iter().find(|(end, _)| place < *end).map(|(_, pool)| pool);
        merge_pool(worker, region.or(pool.as_ref()));
    }
}

fn merge_pool(part: &mut Node, under: Option<&Node>) {
    let (Some(own), Some(under)) = (part.child_mut("pool"), under) else {
        return;
    };
    // Whatever is no table is left for the reader to refuse.
    if own.entries().is_some() && under.entries().is_some() {
        let mut merged = under.clone();
        merged.overlay(own);
        *own = merged;
    }
}
