//! What the parent is told when a shard ends. Plain data.

use crate::config::VmId;
use microvm::sys::process::Ended;

/// A shard ended by itself, and these VMs with it. A new shard takes its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Its number.
    pub shard: usize,
    /// Its process id.
    pub pid: i32,
    /// How it ended.
    pub ended: Ended,
    /// Whether it was killed because it did not run for a second.
    pub hung: bool,
    /// Whom it took along.
    pub vms: Vec<VmId>,
}
