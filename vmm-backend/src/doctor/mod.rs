//! What this host can do for warm VMs and what not, as data: one finding per question, each with what was
//! seen and what to do about it. Probing changes nothing on the host and takes less than a second where
//! nothing hangs.

#[cfg(all(target_os = "linux", target_arch = "x86_64", not(warmpool_no_kvm)))]
mod guests;
#[cfg(all(target_os = "linux", target_arch = "x86_64", not(warmpool_no_kvm)))]
mod host;

use std::fmt;
use std::path::PathBuf;

/// How a finding turned out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// Works, but slower, or less isolated, or not as many.
    Warn,
    /// Warm VMs cannot run.
    Fail,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        })
    }
}

/// One question to the host and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Short and stable.
    pub name: &'static str,
    /// How it turned out.
    pub verdict: Verdict,
    /// What was seen.
    pub seen: String,
    /// What to do; empty where there is nothing to do.
    pub remedy: String,
}

#[cfg_attr(
    not(all(target_os = "linux", target_arch = "x86_64", not(warmpool_no_kvm))),
    allow(dead_code, reason = "without KVM there is one finding, a failure")
)]
impl Finding {
    fn ok(name: &'static str, seen: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Ok, seen: seen.into(), remedy: String::new() }
    }

    fn warn(name: &'static str, seen: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Warn, seen: seen.into(), remedy: remedy.into() }
    }

    fn fail(name: &'static str, seen: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Fail, seen: seen.into(), remedy: remedy.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<4} {}: {}", self.verdict, self.name, self.seen)?;
        if self.remedy.is_empty() { Ok(()) } else { write!(f, "\n     remedy: {}", self.remedy) }
    }
}

/// What the host is wanted for.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// VMs alive at once.
    pub vms: usize,
    /// Memory of each in bytes.
    pub memory_bytes: u64,
    /// Where saved sleepers go.
    pub sleep_directory: PathBuf,
}

impl Default for Wanted {
    fn default() -> Self {
        Self { vms: 1000, memory_bytes: 128 << 20, sleep_directory: std::env::temp_dir() }
    }
}

/// Ask everything.
#[cfg(all(target_os = "linux", target_arch = "x86_64", not(warmpool_no_kvm)))]
pub fn examine(wanted: &Wanted) -> Vec<Finding> {
    let mut findings = host::examine(wanted);
    findings.extend(guests::examine());
    findings
}

/// Ask everything: there is one thing to say.
#[cfg(not(all(target_os = "linux", target_arch = "x86_64", not(warmpool_no_kvm))))]
pub fn examine(_wanted: &Wanted) -> Vec<Finding> {
    let remedy = "build this program for x86-64 Linux, and run it there; simulating works everywhere";
    vec![Finding::fail("kvm device", crate::why_not(), remedy)]
}

#[cfg(all(target_os = "linux", target_arch = "x86_64", not(warmpool_no_kvm)))]
pub use guests::{LinuxRefused, Ring0, linux_guest, ring_0};
