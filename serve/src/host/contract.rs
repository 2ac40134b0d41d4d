//! The trait between the API and whatever holds the VMs, and what goes through it.

use actors::{ActorId, Key, Outcome};
use runtime::Machines;
use tokio::sync::{mpsc, oneshot};

use super::level::{Counts, Level};
use crate::config::Backend;

/// The VM that a key has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lease {
    /// The Sprite that was taken.
    pub sprite: ActorId,
    /// Which of its VMs.
    pub generation: u32,
}

/// How a request for a Sprite ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Began {
    /// It runs.
    Running {
        /// The key's VM.
        lease: Lease,
        /// How it was served.
        outcome: Outcome,
    },
    /// The policy turned it away.
    Rejected,
    /// A fault did.
    Failed,
}

/// What a guest says about itself. Its count and its beginning lie in its own memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visit {
    /// The run of its VM that it was given last.
    pub generation: u64,
    /// Requests that it has answered, this one among them.
    pub requests: u64,
    /// When its memory began, in nanoseconds since 1970.
    pub began_unix_ns: u64,
    /// A hash of whose it is, as the guest holds it.
    pub identity: u64,
}

/// Why a guest gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct VisitError(pub String);

/// Machines whose guests answer.
pub trait Guests: Machines {
    /// Has the guest of a VM answer one request. Blocks.
    ///
    /// # Errors
    /// A VM that is not there, or a guest that does not answer.
    fn visit(&self, lease: Lease) -> Result<Visit, VisitError>;

    /// What could not be done so far and why, for people.
    fn failures(&self) -> Vec<String>;
}

/// What the API asks of whatever holds the VMs.
pub trait Host: Send + Sync {
    /// Which VMs it has.
    fn backend(&self) -> Backend;

    /// Takes a fresh Sprite for a key and starts it. The answer always comes, unless the host is closed.
    fn begin(&self, key: Key) -> oneshot::Receiver<Began>;

    /// The key's user has gone for good: its VM ends. Without effect where it has ended already.
    fn end(&self, lease: Lease);

    /// Has the guest answer one request. Blocks for as long as the guest takes, two seconds at most.
    ///
    /// # Errors
    /// A VM that is not there, or a guest that does not answer.
    fn visit(&self, lease: Lease) -> Result<Visit, VisitError>;

    /// The pool and the host now.
    fn level(&self) -> Level;

    /// What has been so far.
    fn counts(&self) -> Counts;

    /// Waits until a Sprite has become ready or a slot free since the last call, or a second has gone by:
    /// then whoever was turned away may ask again.
    fn room(&self) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send + '_>>;

    /// What could not be done so far and why, for people.
    fn failures(&self) -> Vec<String>;
}

/// VMs that ended by themselves while they ran.
pub type Losses = mpsc::UnboundedReceiver<Lease>;
