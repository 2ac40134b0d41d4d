//! The contract between the four actors, and between them and the backend that hosts them: every message,
//! every operation, every observation. Nothing here has behaviour.
//!
//! | what | file |
//! | --- | --- |
//! | who tells whom what | [`messages`] |
//! | what a backend does for an actor, and its timers | [`operations`] |
//! | what reports are made of | [`observations`] |
//! | why a request is not served at once, and a pool empty | [`cause`] |
//!
//! ```text
//!   backend ── Request ──▶ Worker ── Take ──▶ Pool ── Start ──▶ Sprite ── perform ──▶ backend
//!                            ▲                  │                  │
//!                    Order   │           Demand │            Ready │  (back to the Pool)
//!                            └── Refiller ◀─────┘                  └─ BootEnded, Released (to the Worker)
//! ```
//!
//! * The **Worker** owns the host's `slots` and `boots`, and nothing is booted or woken without its leave.
//! * A **Pool** owns the list of ready Sprites and the requests that wait. It gives a Sprite away once.
//! * A **Refiller** decides how many boots to order and when. It sees only what its Pool tells it.
//! * A **Sprite** owns one VM at a time: its life is the [`State`] it goes through.
//!
//! Messages between two actors arrive in the order in which they were sent. Every actor accepts every message
//! that can reach it in every state: on a real host a Sprite may be lost while a `Start` is on its way to it.

pub mod cause;
pub mod messages;
pub mod observations;
pub mod operations;

use serde::{Deserialize, Serialize};

use crate::time::{Duration, Time};

pub use cause::Cause;
pub use messages::{Message, ReadyAfter, Released, ToAny, ToPool, ToRefiller, ToSprite, ToWorker};
pub use observations::{Observation, Outcome, State};
pub use operations::{End, Operation, OperationKind, Timer};

/// The address of an actor. Dense: a backend counts them up from zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ActorId(pub u32);

impl ActorId {
    /// The world outside the actors: who sends the first message of all.
    pub const OUTSIDE: Self = Self(u32::MAX);

    /// The address as an index into a table.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A worker's place in its fleet, counted from zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WorkerId(pub u32);

impl WorkerId {
    /// The place as an index into a table.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Whose Sprite a request wants: a tenant, counted from zero. All requests have key 0 where tenants do not
/// matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key(pub u32);

/// Whether pools stand full when the run begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Begin {
    /// Every pool is at its depth before the first request.
    #[default]
    Full,
    /// The first boots are ordered at t = 0.
    Empty,
}

/// One request for a Sprite.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Request {
    /// Counted up from zero in the order of arrival.
    pub id: u64,
    /// When it arrived: latency counts from here, whatever happens in between.
    pub arrived: Time,
    /// How long it will use its Sprite. Zero: the Sprite leaves the model as soon as it has started.
    pub lifetime: Duration,
    /// Whose Sprite it wants.
    pub key: Key,
    /// How many Sprites have failed to start it so far.
    pub tries: u8,
    /// Why the first pool that it asked had no ready Sprite for it; `None` where it had one.
    pub missed: Option<Cause>,
}

/// A request that looks for a Sprite at neighbouring workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Spill {
    /// The request that found its own pool exhausted.
    pub request: Request,
    /// The worker where it arrived, and to which it returns when nobody can serve it.
    pub origin: ActorId,
    /// How long one hop between two workers takes, in microseconds.
    pub hop_us: u32,
    /// How many more workers may be asked.
    pub hops: u8,
    /// The step of the origin pool's exhausted list that sent it.
    pub step: StepIndex,
}

/// A step of a pool's exhausted list, counted from zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StepIndex(pub u8);

impl StepIndex {
    /// The first step.
    pub const FIRST: Self = Self(0);

    /// The step as an index into the list.
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// The step after this one, with which the search goes on.
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// How a VM is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Making {
    /// From the template on this worker; takes one of the worker's boots.
    Boot,
    /// A cold create: pull the image, build the filesystem, boot. Takes none of the worker's boots.
    Create,
}

/// What a VM is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum For {
    /// For the pool: it becomes ready.
    Pool,
    /// For one request, which it starts as soon as it is there. The step is the one of the pool's exhausted
    /// list that asked for it, from which the search goes on when it fails.
    Request(Request, StepIndex),
}

/// What a request finds at the first pool that it asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Found {
    /// A ready Sprite, which it takes.
    Ready,
    /// None, but a Sprite of its own key that is idle or asleep: neither a take nor a miss.
    Own,
    /// Neither.
    Nothing,
}

/// The numbers of a pool that its Refiller decides on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Levels {
    /// Sprites that can be taken now.
    pub ready: u32,
    /// Requests that wait for a Sprite of this pool.
    pub waiting: u32,
    /// Sprites of this pool that are assigned: starting, running or idle, not asleep. Counted only where the
    /// depth policy looks at it; else zero.
    pub in_use: u32,
}

/// What a depth policy aims for: when no more than `reorder_at` Sprites are ready or on their way, order up
/// to `depth`; what is ready beyond `depth` may leave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The reorder point; below `depth`, unless both are zero.
    pub reorder_at: u32,
    /// How many Sprites are to be ready or on their way.
    pub depth: u32,
}

impl Target {
    /// Aim for exactly so many: order as soon as one is missing.
    pub const fn exactly(depth: u32) -> Self {
        Self { reorder_at: depth.saturating_sub(1), depth }
    }

    /// Whether a pool with so many ready Sprites needs no refill.
    pub const fn is_met_by(self, ready: u32) -> bool {
        ready > self.reorder_at || ready >= self.depth
    }
}

/// A request whose start has failed so many times has failed.
pub const TRIES_MAX: u8 = 3;
