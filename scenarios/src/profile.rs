//! Host profiles: what `warmpool calibrate` has measured of a host, as a file that can be laid over a
//! scenario. `[latency]` and `[timer]` are those of a scenario, read by the same parser; the rest tells where
//! they come from. Paths in it are taken from its own folder.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::document::{Document, Value, read_text};
use crate::error::ScenarioError;
use crate::scenario::{Latency, TimerSlack};

/// The version of the format that this program writes and reads.
pub const VERSION: u32 = 1;
/// The name of the file in its folder.
pub const FILE: &str = "profile.toml";
/// The tables that are laid over those of a scenario.
const TABLES: [&str; 2] = ["latency", "timer"];

/// A host profile.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// What was measured.
    pub host: MeasuredHost,
    /// How it answers.
    #[serde(default)]
    pub latency: Latency,
    /// How late its timers are.
    #[serde(default)]
    pub timer: TimerSlack,
    /// Every figure, by operation and condition.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub measured: Vec<Measured>,
}

/// `[host]`: what was measured, when and with what.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeasuredHost {
    /// The version of this format, [`VERSION`].
    pub version: u32,
    /// The program that measured.
    pub warmpool: String,
    /// When, in UTC.
    pub measured: String,
    /// Kernel release.
    pub kernel: String,
    /// CPU vendor, family, model and brand.
    pub cpu: String,
    /// Processors.
    pub processors: u32,
    /// KVM module.
    pub kvm: String,
    /// Whether this host is itself a guest.
    pub nested: bool,
    /// Memory of the host, in MiB.
    pub memory_mib: u64,
    /// Memory of each guest, in MiB.
    pub guest_memory_mib: u64,
    /// Boots that ran at once.
    pub boots: u32,
    /// Boots a second that the host has made with so many at once.
    pub boots_per_second: f64,
    /// The most VMs alive at once.
    pub vms_alive: u32,
    /// What may have spoilt the figures, if anything was seen.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub disturbed: String,
}

/// `[[measured]]`: one operation under one condition. Durations are in nanoseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// Which operation.
    pub operation: String,
    /// Under which condition.
    pub condition: String,
    /// How often.
    pub count: u64,
    /// The median.
    pub p50_ns: u64,
    /// The 99th percentile.
    pub p99_ns: u64,
    /// The 99.9th percentile.
    pub p999_ns: u64,
    /// The mean.
    pub mean_ns: u64,
    /// All values, as an HdrHistogram interval log beside the profile.
    pub histogram: String,
}

impl Profile {
    /// Reads a profile; the histograms that it names are read when they are drawn from.
    ///
    /// # Errors
    /// Whatever is wrong with it, with its line, its key and the remedy.
    pub fn load(path: &Path) -> Result<Self, ScenarioError> {
        read(path).map(|(profile, _)| profile)
    }
}

/// A moment in UTC, as in `2026-01-05T08:00:00Z`, given in seconds since 1970.
pub fn utc(unix_seconds: u64) -> String {
    let moment =
        i64::try_from(unix_seconds).ok().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    moment.map(|moment| moment.to_string()).unwrap_or_default()
}

/// The file of a profile; its folder stands for it.
fn file_of(path: &Path) -> PathBuf {
    if path.is_dir() { path.join(FILE) } else { path.to_owned() }
}

fn read(path: &Path) -> Result<(Profile, Document), ScenarioError> {
    let path = file_of(path);
    let mut document = Document::parse(&read_text(&path)?, &path.display().to_string())?;
    check_version(&document)?;
    document.anchor(path.parent().unwrap_or(Path::new("")));
    let profile: Profile = document.read()?;
    Ok((profile, document))
}

/// A file of another version may hold keys that are unknown here; so its version is looked at first.
fn check_version(document: &Document) -> Result<(), ScenarioError> {
    const AGAIN: &str = "make the profile again with `warmpool calibrate` of this version";
    match document.value(&["host", "version"]) {
        Some(Value::Integer(version)) if *version == i64::from(VERSION) => Ok(()),
        Some(Value::Integer(version)) => {
            let wrong = format!("is {version}, but this program reads version {VERSION}");
            Err(document.error(&["host", "version"], &wrong, AGAIN))
        }
        _ => Err(document.error(&[], "this is no host profile: `host.version` is missing", AGAIN)),
    }
}

/// Lays `[latency]` and `[timer]` of a profile over those of a scenario.
pub(crate) fn lay_over(scenario: &mut Document, path: &Path) -> Result<(), ScenarioError> {
    let (_, profile) = read(path)?;
    scenario.overlay_tables(&profile, &TABLES);
    Ok(())
}
