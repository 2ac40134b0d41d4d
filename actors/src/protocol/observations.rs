//! What actors tell whoever keeps the books: how requests end, how Sprites live, what pools aim for.

use serde::{Deserialize, Serialize};

use super::{ActorId, Cause, OperationKind, Request, Target, WorkerId};

/// How a request ended. Every request ends in exactly one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Served at once by the first pool it asked, or by an idle Sprite of its key.
    Warm,
    /// Served by a pool after waiting.
    Waited,
    /// Served by a boot of its own.
    Booted,
    /// Served by a create.
    Created,
    /// Served by a neighbour.
    Spilled,
    /// Served by a sleeping Sprite of its key. One that is idle serves at once, which is warm.
    Woken,
    /// Turned away by the policy.
    Rejected,
    /// Lost to a fault.
    Failed,
}

impl Outcome {
    /// All outcomes, in the order in which they are reported.
    pub const ALL: [Self; 8] = [
        Self::Warm,
        Self::Waited,
        Self::Booted,
        Self::Created,
        Self::Spilled,
        Self::Woken,
        Self::Rejected,
        Self::Failed,
    ];

    /// The name in files and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Warm => "warm",
            Self::Waited => "waited",
            Self::Booted => "booted",
            Self::Created => "created",
            Self::Spilled => "spilled",
            Self::Woken => "woken",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
        }
    }

    /// Whether the request got a Sprite.
    pub const fn is_served(self) -> bool {
        !matches!(self, Self::Rejected | Self::Failed)
    }
}

/// The life of a Sprite.
///
/// ```text
///   Stopped ─▶ Booting ─▶ Ready ─▶ Starting ─▶ Running ─▶ Idle ─▶ Asleep ─▶ Waking ─▶ Starting ...
///                 │          ▲         ▲           │        └─▶ Starting (resumed)
///                 │          └─────────┼───────────┘ (returns to its pool)
///                 └────────────────────┘ (made for a request)
///   Waking ─▶ Asleep, Starting ─▶ Ready or Idle (the host refused it)
///   any ─▶ Stopped (gave up its VM)      any ─▶ Failed (lost its VM)
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum State {
    /// It has no VM; the actor waits for another.
    Stopped,
    /// Its VM is being booted or created.
    Booting,
    /// It can be taken.
    Ready,
    /// It binds a request's data.
    Starting,
    /// The user works.
    Running,
    /// The user has gone; it keeps its slot until it sleeps or stops.
    Idle,
    /// It holds no slot; its memory is kept aside.
    Asleep,
    /// It comes back from sleep.
    Waking,
    /// It gives up its VM, which still holds a slot.
    Stopping,
    /// It lost its VM: a boot or a start failed, or its host crashed.
    Failed,
}

impl State {
    /// How many states there are.
    pub const COUNT: usize = 10;

    /// All states.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Stopped,
        Self::Booting,
        Self::Ready,
        Self::Starting,
        Self::Running,
        Self::Idle,
        Self::Asleep,
        Self::Waking,
        Self::Stopping,
        Self::Failed,
    ];

    /// Whether a Sprite in this state holds one of its worker's slots.
    pub const fn holds_slot(self) -> bool {
        !matches!(self, Self::Stopped | Self::Asleep | Self::Failed)
    }
}

/// What actors tell whoever keeps the books. Observations change nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Observation {
    /// Worker: a request arrived here.
    Arrived {
        /// Where.
        worker: WorkerId,
        /// The request.
        request: Request,
    },
    /// Pool, Sprite or Worker: a request ended.
    Ended {
        /// Where it arrived or was served.
        worker: WorkerId,
        /// The request; its latency is the time of this observation less its arrival.
        request: Request,
        /// How.
        outcome: Outcome,
        /// Why it ended so; `None` for one that is warm or woken.
        cause: Option<Cause>,
    },
    /// Sprite: it went from one state to another.
    Sprite {
        /// Where.
        worker: WorkerId,
        /// Which Sprite.
        sprite: ActorId,
        /// Which of the actor's VMs.
        generation: u32,
        /// The state it leaves.
        was: State,
        /// The state it enters.
        is: State,
    },
    /// Refiller: the depth policy has another target.
    Target {
        /// Where.
        worker: WorkerId,
        /// The target before.
        was: Target,
        /// The target from now on.
        is: Target,
    },
    /// Refiller: what is ready or on its way, and what it aims for, after a decision.
    Position {
        /// Where.
        worker: WorkerId,
        /// Ready and ordered Sprites, less the orders of requests that wait.
        position: i64,
        /// The depth.
        depth: u32,
        /// Boots ordered by this decision.
        ordered: u32,
    },
    /// Pool: another number of VMs is being made for requests, by a boot or a create each.
    Making {
        /// Where.
        worker: WorkerId,
        /// How many before.
        was: u32,
        /// How many now.
        is: u32,
    },
    /// Pool: it is empty for another reason than before, or is no longer empty. Looked at whenever something
    /// happens in the pool, so that each span between two of these has one cause.
    Empty {
        /// Where.
        worker: WorkerId,
        /// Which pool.
        pool: ActorId,
        /// Why it was empty until now; `None` if it was not.
        was: Option<Cause>,
        /// Why it is empty from now on; `None` if it is not.
        is: Option<Cause>,
    },
    /// Pool: another number of requests waits.
    Waiting {
        /// Where.
        worker: WorkerId,
        /// How many waited before.
        was: u32,
        /// How many wait now.
        is: u32,
    },
    /// Refiller: boots have failed so many times in a row; zero when one has succeeded again.
    BootsFailing {
        /// Where.
        worker: WorkerId,
        /// Failures in a row.
        streak: u32,
    },
    /// Sprite: the host could not do this now, and nothing has changed.
    Refused {
        /// Where.
        worker: WorkerId,
        /// What it was asked.
        kind: OperationKind,
    },
    /// Worker: the host crashed or came back.
    Host {
        /// Where.
        worker: WorkerId,
        /// Whether it works.
        up: bool,
    },
}
