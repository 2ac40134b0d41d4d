//! The trait between the API and whatever holds the VMs, and what goes through it.

use std::collections::BTreeSet;
use std::path::PathBuf;

use actors::{ActorId, Key, Outcome, State};
use runtime::Machines;
use tokio::sync::{mpsc, oneshot};

use super::level::{Counts, Level};
use crate::config::Backend;
use crate::store::Seal;

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

    /// Writes the memory of a VM that sleeps to disk, under its key, and gives up what else it held. It is
    /// on disk when this returns. Blocks.
    ///
    /// # Errors
    /// In words, why it cannot; then it sleeps on as it did.
    fn save(&self, lease: Lease, key: Key) -> Result<Seal, VisitError>;

    /// Whether a VM that sleeps holds no memory.
    fn is_saved(&self, lease: Lease) -> bool;

    /// Takes a memory over that was saved before this host began. The `Wake` of its key finds it.
    ///
    /// # Errors
    /// In words, why it is lost.
    fn adopt(&self, key: Key, seal: &Seal) -> Result<(), VisitError>;

    /// Removes what was saved of a key, if anything was. Blocks.
    fn discard(&self, key: Key);

    /// Removes every saved memory but those of these keys.
    fn discard_others(&self, keys: &BTreeSet<Key>);

    /// What could not be done so far and why, for people.
    fn failures(&self) -> Vec<String>;
}

/// What the API asks of whatever holds the VMs.
pub trait Host: Send + Sync {
    /// Which VMs it has.
    fn backend(&self) -> Backend;

    /// A use begins: of the key's own Sprite, which is idle or asleep, or of a fresh one where it has none.
    /// The answer always comes, unless the host is closed.
    fn begin(&self, key: Key) -> oneshot::Receiver<Began>;

    /// The use is over: the Sprite is idle from now on, which [`Change`] tells.
    fn end_use(&self, lease: Lease);

    /// Has an idle Sprite fall asleep now.
    fn sleep_now(&self, lease: Lease);

    /// Nobody will ask for this key again: its VM ends, which is idle or asleep.
    fn forget(&self, key: Key);

    /// See [`Guests::save`].
    ///
    /// # Errors
    /// In words, why it cannot; then it sleeps on as it did.
    fn save(&self, lease: Lease, key: Key) -> Result<Seal, VisitError>;

    /// See [`Guests::is_saved`].
    fn is_saved(&self, lease: Lease) -> bool;

    /// A Sprite of this key sleeps since before this host began.
    ///
    /// # Errors
    /// In words, why its memory is lost.
    fn adopt(&self, key: Key, seal: &Seal) -> Result<(), VisitError>;

    /// See [`Guests::discard`].
    fn discard(&self, key: Key);

    /// See [`Guests::discard_others`].
    fn discard_others(&self, keys: &BTreeSet<Key>);

    /// Has the guest answer one request. Blocks for as long as the guest takes, two seconds at most.
    ///
    /// # Errors
    /// A VM that is not there, or a guest that does not answer.
    fn visit(&self, lease: Lease) -> Result<Visit, VisitError>;

    /// How the journal of decisions fares.
    fn journal(&self) -> Journal;

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

/// How the journal of decisions fares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Journal {
    /// Where it is; `None` where none is written.
    pub path: Option<PathBuf>,
    /// What could not be written down.
    pub missing: u64,
    /// Why.
    pub error: Option<String>,
}

/// A VM that has, or had, a user changed its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which.
    pub lease: Lease,
    /// From this state.
    pub was: State,
    /// To this one.
    pub is: State,
}

/// Changes in their order.
pub type Changes = mpsc::UnboundedReceiver<Change>;
