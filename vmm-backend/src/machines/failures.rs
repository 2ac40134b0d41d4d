//! What the host could not do, counted, with the last reason in words: the actors only learn that it failed.

#[cfg(all(target_os = "linux", target_arch = "x86_64", not(warmpool_no_kvm)))]
use std::collections::BTreeMap;
use std::fmt;
#[cfg(all(target_os = "linux", target_arch = "x86_64", not(warmpool_no_kvm)))]
use std::sync::{Mutex, MutexGuard, PoisonError};

#[cfg(all(target_os = "linux", target_arch = "x86_64", not(warmpool_no_kvm)))]
use actors::OperationKind;
#[cfg(all(target_os = "linux", target_arch = "x86_64", not(warmpool_no_kvm)))]
use shards::Lost;

/// One kind of failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// What failed, in the plural: `boots`, or `shards` that ended by themselves.
    pub what: &'static str,
    /// How often.
    pub count: u64,
    /// Why, the last time.
    pub last: String,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} failed; the last: {}", self.count, self.what, self.last)
    }
}

/// See the [module](self).
#[cfg(all(target_os = "linux", target_arch = "x86_64", not(warmpool_no_kvm)))]
#[derive(Debug, Default)]
pub(super) struct Failures(Mutex<BTreeMap<&'static str, (u64, String)>>);

#[cfg(all(target_os = "linux", target_arch = "x86_64", not(warmpool_no_kvm)))]
impl Failures {
    fn seen(&self) -> MutexGuard<'_, BTreeMap<&'static str, (u64, String)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, what: &'static str, last: String) {
        let mut seen = self.seen();
        let entry = seen.entry(what).or_default();
        *entry = (entry.0 + 1, last);
    }

    pub(super) fn note(&self, kind: OperationKind, why: &dyn fmt::Display) {
        let what = match kind {
            OperationKind::Boot => "boots",
            OperationKind::Create => "creates",
            OperationKind::Start => "starts",
            OperationKind::Run => "runs",
            OperationKind::Sleep => "sleeps",
            OperationKind::Wake => "wakes",
            OperationKind::Stop | OperationKind::Detach => "stops",
        };
        self.add(what, why.to_string());
    }

    pub(super) fn note_shard(&self, lost: &Lost) {
        let Lost { shard, ended, vms, .. } = lost;
        self.add("shards", format!("shard {shard} {ended}, and {} VMs with it", vms.len()));
    }

    pub(super) fn all(&self) -> Vec<Failed> {
        let seen = self.seen();
        seen.iter().map(|(&what, (count, last))| Failed { what, count: *count, last: last.clone() }).collect()
    }
}
