//! What the host could not do, counted, with the last reason in words: the actors only learn that it failed.

#[cfg(all(target_os = "linux", target_arch = "x86_64", not(warmpool_no_kvm)))]
use std::collections::BTreeMap;
use std::fmt;
#[cfg(all(target_os = "linux", target_arch = "x86_64", not(warmpool_no_kvm)))]
use std::sync::{Mutex, MutexGuard, PoisonError};

#[cfg(all(target_os = "linux", target_arch = "x86_64", not(warmpool_no_kvm)))]
use actors::OperationKind;
#[cfg(all(target_os = "linux", target_arch = "x86_64", not(warmpool_no_kvm)))]
use actors::protocol::End;
#[cfg(all(target_os = "linux", target_arch = "x86_64", not(warmpool_no_kvm)))]
use shards::Lost;

/// One kind of failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// What failed, in the plural: `boots`, or `shards` that ended by themselves.
    pub what: &'static str,
    /// How often.
    pub count: u64,
    /// In one verb: `failed`, or `were refused`, which changed nothing.
    pub how: &'static str,
    /// Why, the last time.
    pub last: String,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}; the last: {}", self.count, self.what, self.how, self.last)
    }
}

/// How often by what was asked and how it ended, and why the last time.
#[cfg(all(target_os = "linux", target_arch = "x86_64", not(warmpool_no_kvm)))]
type Seen = BTreeMap<(&'static str, &'static str), (u64, String)>;

/// See the [module](self).
#[cfg(all(target_os = "linux", target_arch = "x86_64", not(warmpool_no_kvm)))]
#[derive(Debug, Default)]
pub(super) struct Failures(Mutex<Seen>);

#[cfg(all(target_os = "linux", target_arch = "x86_64", not(warmpool_no_kvm)))]
impl Failures {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, what: &'static str, how: &'static str, last: String) {
        let mut seen = self.seen();
        let entry = seen.entry((what, how)).or_default();
        *entry = (entry.0 + 1, last);
    }

    pub(super) fn note(&self, kind: OperationKind, end: End, why: &dyn fmt::Display) {
        let what = match kind {
            OperationKind::Boot => "boots",
            OperationKind::Create => "creates",
            OperationKind::Start => "starts",
            OperationKind::Run => "runs",
            OperationKind::Sleep => "sleeps",
            OperationKind::Wake => "wakes",
            OperationKind::Stop | OperationKind::Detach => "stops",
        };
        let how = if end == End::Refused { "were refused" } else { "failed" };
        self.add(what, how, why.to_string());
    }

    pub(super) fn note_shard(&self, lost: &Lost) {
        let Lost { shard, ended, hung, vms, .. } = lost;
        let why =
            if *hung { "did not run for a second and was killed".to_owned() } else { ended.to_string() };
        self.add("shards", "failed", format!("shard {shard} {why}, and {} VMs with it", vms.len()));
    }

    pub(super) fn all(&self) -> Vec<Failed> {
        let seen = self.seen();
        seen.iter()
            .map(|(&(what, how), (count, last))| Failed { what, how, count: *count, last: last.clone() })
            .collect()
    }
}
