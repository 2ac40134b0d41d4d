//! A scenario: everything that a run depends on. One file for each group of tables; here they come together.

mod demand;
mod explain;
mod fault;
mod fleet;
mod parts;
mod plan;
mod seed;
mod validate;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use actors::policy::PoolPolicy;
use actors::{Duration, WallClock};
use serde::{Deserialize, Serialize};

use crate::demand::{Arrivals, DemandError, Progress};
use crate::document::{Document, Node, Value};
use crate::error::ScenarioError;
use crate::profile;

pub use demand::{Columns, Demand, Format, Lifetimes, Order, Spread, Stage, TimeUnit, Trace};
pub use fault::{Effect, Fault, FaultEntry, FaultKind};
pub use fleet::{Boots, Fleet, Region, WorkerOverride};
pub use parts::{AfterIdle, Begins, Clock, Cost, Gates, Latency, SpriteLife, Tenants, TimerSlack};
pub use plan::{RegionPlan, WorkerPlan};

/// The largest scenario file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 16 << 20;

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
    #[serde(skip)]
    source: Source,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            name: String::new(),
            seed: 42,
            warmup: Duration::ZERO,
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
            source: Source::default(),
        }
    }
}

/// Files that are laid over tables of a scenario.
#[derive(Clone, Copy, Debug, Default)]
pub struct Overlays<'a> {
    /// A file with a `[pool]` table, or the keys of one.
    pub pool: Option<&'a Path>,
    /// A host profile, or its folder, whose `[latency]` and `[timer]` replace the scenario's key by key.
    pub host: Option<&'a Path>,
}

/// Where a scenario came from. All sources are alike: two scenarios that say the same are the same.
#[derive(Clone, Debug, Default)]
struct Source {
    document: Option<Arc<Document>>,
    base: PathBuf,
    about: String,
}

impl PartialEq for Source {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl Scenario {
    /// Reads a scenario file and lays the overrides (`key=value`) over it. Its first comment says what it is about.
    ///
    /// # Errors
    /// Whatever is wrong with it, with its line, its key and the remedy.
    pub fn load(path: &Path, overrides: &[String]) -> Result<Self, ScenarioError> {
        Self::load_with(path, &Overlays::default(), overrides)
    }

    /// The same, with other files laid over some of its tables before the overrides.
    ///
    /// # Errors
    /// Whatever is wrong with any of them.
    pub fn load_with(
        path: &Path,
        overlays: &Overlays<'_>,
        overrides: &[String],
    ) -> Result<Self, ScenarioError> {
        let text = read_text(path)?;
        let mut document = Document::parse(&text, &path.display().to_string())?;
        if let Some(host) = overlays.host {
            profile::lay_over(&mut document, host)?;
        }
        if let Some(pool) = overlays.pool {
            document.overlay_file("pool", &read_text(pool)?, &pool.display().to_string())?;
        }
        let base = path.parent().map(Path::to_path_buf).unwrap_or_default();
        Self::build(document, base, &text, overrides)
    }

    /// Reads a scenario from a text; `name` stands for its file in errors. Paths in it are taken from the current
    /// folder.
    ///
    /// # Errors
    /// Whatever is wrong with it, with its line, its key and the remedy.
    pub fn parse(text: &str, name: &str, overrides: &[String]) -> Result<Self, ScenarioError> {
        Self::build(Document::parse(text, name)?, PathBuf::new(), text, overrides)
    }

    fn build(
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
        scenario.source = Source { base, about: about(text), document: Some(Arc::new(document)) };
        scenario.fill_in();
        scenario.validate()?;
        Ok(scenario)
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

    /// The requests, in the order of time.
    ///
    /// # Errors
    /// A trace that cannot be read.
    pub fn arrivals(&self) -> Result<Arrivals, DemandError> {
        self.arrivals_with(&mut |_| {})
    }

    /// The same, telling how far the trace has been read where it must be read whole before the first arrival.
    ///
    /// # Errors
    /// A trace that cannot be read.
    pub fn arrivals_with(&self, progress: &mut dyn FnMut(Progress)) -> Result<Arrivals, DemandError> {
        Arrivals::new(self, progress)
    }

    /// The civil time at t = 0.
    pub fn epoch(&self) -> WallClock {
        self.clock.begins.0
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

    /// An error about a key of this scenario, with its line: for what is found only after it was read. What is wrong
    /// reads as the rest of a sentence that begins with the key, as in `is -3`.
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

    /// The scenario whole, with every default in force, as a file that reads back to the same scenario. What the
    /// file did not say is marked `# default`.
    ///
    /// # Errors
    /// A value that TOML cannot hold.
    pub fn explain(&self) -> Result<String, ScenarioError> {
        explain::explain(self, self.source.document.as_deref())
    }
}

pub(crate) fn read_text(path: &Path) -> Result<String, ScenarioError> {
    let name = path.display().to_string();
    let file = std::fs::metadata(path);
    if file.as_ref().is_ok_and(std::fs::Metadata::is_dir) {
        return Err(ScenarioError::of_file(&name, "this is a folder", "give the path of a file in it"));
    }
    if file.is_ok_and(|file| file.is_file() && file.len() > FILE_BYTES_MAX) {
        let remedy = format!("a scenario has at most {} MiB; is this a trace?", FILE_BYTES_MAX >> 20);
        return Err(ScenarioError::of_file(&name, "the file is too large to be a scenario", remedy));
    }
    std::fs::read_to_string(path).map_err(|error| {
        use std::io::ErrorKind::{InvalidData, NotADirectory, NotFound};
        let host_fault = !matches!(error.kind(), NotFound | NotADirectory | InvalidData);
        let (message, remedy) = match error.kind() {
            NotFound | NotADirectory => ("there is no such file".to_owned(), "check the path"),
            InvalidData => ("the file is not UTF-8 text".to_owned(), "is this a scenario?"),
            _ => (format!("the file cannot be read: {error}"), ""),
        };
        ScenarioError { host_fault, ..ScenarioError::of_file(&name, message, remedy) }
    })
}

/// The comment that a scenario file begins with, up to its first empty line, on one line.
pub fn about(text: &str) -> String {
    let comment = text.lines().map_while(|line| line.strip_prefix('#')).map(str::trim);
    let words: Vec<&str> = comment.take_while(|line| !line.is_empty()).collect();
    words.join(" ")
}

/// Lays the pool keys of regions and workers over those that hold without them, so that each has its whole policy.
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
