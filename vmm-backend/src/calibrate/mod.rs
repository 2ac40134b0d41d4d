//! Measures this host for simulations: how long each operation takes alone, beside others, under load and
//! with many VMs alive; how late timers are; and what the runtime adds.
//!
//! Everything is measured on the way that a request takes in production: small scenarios run in real time on
//! the runtime's own threads and on real VMs (`probes.rs`), and a `Stopwatch` reads from the observations
//! what a simulation would have to draw. A warm start counts from the request's time, so the runtime's share
//! is in it; a boot from its order until the Sprite is ready.
//!
//! What an operation costs depends above all on what else the host does at that moment. So the histograms
//! that a simulation draws from are told apart by how many boots (and, of stops, how many stops) are under
//! way when one begins, alike here and there; and how much starts slow boots down is measured beside requests
//! that come many at one instant. The other conditions are measured to be read, not drawn from.
//!
//! A host's pace drifts by the minute, with what its neighbours do. So whoever compares a simulation with
//! real runs measures in [parts](Extent::Part), by turns with these runs, that both meet the same pace, and
//! adds the parts up at the end: [`measure`], then [`Calibration::of`].

mod figures;
mod folder;
mod load;
mod probes;
mod stopwatch;

use std::path::PathBuf;

use scenarios::profile::{MeasuredHost, Profile, VERSION};
use scenarios::{DistributionError, ScenarioError};

use crate::host::{self, HostId};
use crate::machines::{MEMORY_BYTES, MachinesError};
use runtime::RuntimeError;

pub use figures::Figures;
pub use folder::{FolderError, prepare, write};
pub use load::{Meter, STOLEN_MAX, beside_busy_threads, quietest};
pub use stopwatch::Operation;

/// How much is to be measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Extent {
    /// Everything, in one or two minutes.
    #[default]
    Full,
    /// Everything, in some seconds: too few values for tails.
    Quick,
    /// Only what a simulation draws from, in a quarter of a minute: one of four or so, which have together as
    /// many values as [`Full`](Self::Full).
    Part,
}

impl Extent {
    /// How long a probe goes on that is run once, and takes so many seconds in a full measurement.
    fn seconds(self, full: f64) -> f64 {
        full * match self {
            Self::Full => 1.0,
            Self::Quick => 0.1,
            Self::Part => 0.25,
        }
    }

    /// As [`seconds`](Self::seconds), of one pass of a probe that has several. In a part it has one, so that
    /// goes on for longer.
    fn seconds_of_pass(self, full: f64) -> f64 {
        full * match self {
            Self::Full => 1.0,
            Self::Quick => 0.1,
            Self::Part => 0.6,
        }
    }

    /// Of passes that are so many in a full measurement: how many count, and how many there are at most,
    /// where the host is not quiet. A part has no second try: it would have calmer moments than the run that
    /// it is measured for.
    fn passes(self, full: usize) -> (usize, usize) {
        match self {
            Self::Full => (full, 2 * full),
            Self::Quick => (1, 2),
            Self::Part => (1, 1),
        }
    }
}

/// What is to be measured.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How much.
    pub extent: Extent,
    /// Boots at once, as a scenario's `[fleet] boots`.
    pub boots: u32,
    /// The most VMs to have alive; fewer where the host's memory holds fewer.
    pub vms_max: u32,
    /// Memory of each guest in bytes.
    pub memory_bytes: u64,
    /// Where saved sleepers go.
    pub sleep_directory: PathBuf,
    /// The program to start as shards; none: this program.
    pub program: Option<PathBuf>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            extent: Extent::Full,
            boots: std::thread::available_parallelism().map_or(1, |count| count.get().min(16) as u32),
            vms_max: 1_000,
            memory_bytes: MEMORY_BYTES,
            sleep_directory: std::env::temp_dir(),
            program: None,
        }
    }
}

/// This host could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum CalibrateError {
    /// It cannot run VMs.
    #[error(transparent)]
    Machines(#[from] MachinesError),
    /// A probe could not run.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// A probe is no scenario here, as when the host holds fewer slots than it needs.
    #[error(transparent)]
    Probe(#[from] ScenarioError),
    /// A distribution cannot be drawn from.
    #[error("{0}\n  {remedy}", remedy = .0.remedy())]
    Distribution(#[from] DistributionError),
    /// Not even one request was served in a probe.
    #[error("nothing could be measured of `{what}`: {why}; see `warmpool doctor`")]
    Nothing {
        /// What was to be measured.
        what: String,
        /// What the host said.
        why: String,
    },
}

impl CalibrateError {
    /// Whether this host lacks what VMs need, so that another would do.
    pub fn is_unable(&self) -> bool {
        matches!(self, Self::Machines(_))
    }
}

/// A host, measured.
#[derive(Debug)]
pub struct Calibration {
    /// What goes into `profile.toml`.
    pub profile: Profile,
    /// The histograms that it names, in its order.
    pub figures: Figures,
}

/// How far a measurement is: its share in thousandths, and what is measured now.
pub type Progress<'a> = &'a (dyn Fn(u64, &str) + Sync);

/// Measures this host, all at once. Takes as long as the plan's [extent](Extent) says; of minutes the second
/// where the host is not quiet.
///
/// # Errors
/// A host that cannot run VMs, or whose VMs fail.
pub fn calibrate(plan: &Plan, progress: Progress<'_>) -> Result<Calibration, CalibrateError> {
    Calibration::of(plan, [measure(plan, 0, progress)?])
}

/// Measures this host, for a [calibration](Calibration::of) of it alone or together with others. `turn` tells
/// its requests apart from those of others.
///
/// # Errors
/// A host that cannot run VMs, or whose VMs fail.
pub fn measure(plan: &Plan, turn: usize, progress: Progress<'_>) -> Result<Figures, CalibrateError> {
    probes::run_all(plan, turn, progress)
}

impl Calibration {
    /// What was measured at several times, as one: a simulation draws from all of it.
    ///
    /// # Errors
    /// Where something that a simulation needs was never measured.
    pub fn of(plan: &Plan, parts: impl IntoIterator<Item = Figures>) -> Result<Self, CalibrateError> {
        let mut figures = Figures::default();
        for part in parts {
            figures += part;
        }
        figures.settle_levels();
        probes::complete(&figures)?;
        let profile = Profile {
            host: measured_host(plan, &figures),
            latency: figures.latency(),
            timer: figures.timer(),
            measured: figures.measured(),
        };
        Ok(Self { profile, figures })
    }
}

fn measured_host(plan: &Plan, figures: &Figures) -> MeasuredHost {
    let HostId { kernel, module, cpu } = HostId::read();
    MeasuredHost {
        version: VERSION,
        warmpool: env!("CARGO_PKG_VERSION").to_owned(),
        measured: folder::now(),
        kernel,
        cpu,
        processors: std::thread::available_parallelism().map_or(1, |count| count.get() as u32),
        kvm: module,
        nested: host::is_nested(),
        memory_mib: host::meminfo("MemTotal").unwrap_or(0) >> 10,
        guest_memory_mib: plan.memory_bytes >> 20,
        boots: plan.boots,
        boots_per_second: figures.boots_per_second.mean().unwrap_or_default(),
        vms_alive: figures.vms_alive,
        disturbed: figures.disturbed(),
    }
}
