//! What only a backend can do: operations on VMs, and the actors' named timers.

use serde::{Deserialize, Serialize};

use super::{Request, StepIndex, WorkerId};

/// Work that only a backend can do. Its end comes back as [`ToAny::Done`](super::ToAny::Done), except for
/// `Detach`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// What to do.
    pub kind: OperationKind,
    /// Which of the Sprite's VMs: counted up with every boot and create.
    pub generation: u32,
    /// On whose worker.
    pub worker: WorkerId,
    /// The request that is served; for `Boot`, `Create`, `Sleep`, `Stop` and `Detach` it may be nobody's.
    pub request: Option<Request>,
}

/// The kinds of operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum OperationKind {
    /// Make a VM from the template on this worker.
    Boot,
    /// Make a VM by a cold create: pull the image, build the filesystem, boot.
    Create,
    /// Bind the user's data and let the VM run.
    Start,
    /// Let the user work for the request's lifetime.
    Run,
    /// Put an idle VM to sleep: its memory and processor time are given back.
    Sleep,
    /// Bring a sleeping VM back.
    Wake,
    /// Destroy the VM.
    Stop,
    /// The VM leaves the model: destroy it in the background and report nothing.
    Detach,
}

/// How an operation ended. Digests are older than the three ways: a success is 1 in them, and a failure 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum End {
    /// It was done.
    Done = 1,
    /// Nothing has changed, and it may be asked again: no room, no descriptor, no space, busy.
    Refused = 2,
    /// The VM is gone, or nobody may use it any more. A boot that fails ends so too.
    Lost = 0,
}

/// The named timers of the actors. Arming one again replaces it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Timer {
    /// Pool: the oldest request of the n-th waiting step has reached its deadline.
    Deadline(StepIndex),
    /// Pool: the oldest ready Sprite has reached its greatest age.
    Age,
    /// Refiller: the depth may have changed by itself.
    Depth,
    /// Refiller: the refill policy allows more orders.
    Refill,
    /// Refiller: failed boots may be ordered again.
    Backoff,
    /// Sprite: it has been idle long enough to sleep.
    Idle,
}
