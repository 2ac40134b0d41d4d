//! The contract between the four actors, and between them and the backend that hosts them: every message, every
//! operation, every observation. Nothing here has behaviour.
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
//! Messages between two actors arrive in the order in which they were sent. Every actor accepts every message that
//! can reach it in every state: on a real host a Sprite may be lost while a `Start` is on its way to it.

use crate::time::{Duration, Time};

/// The address of an actor. Dense: a backend counts them up from zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct WorkerId(pub u32);

impl WorkerId {
    /// The place as an index into a table.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Whose Sprite a request wants: a tenant, counted from zero. All requests have key 0 where tenants do not matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key(pub u32);

/// One request for a Sprite.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
}

/// A request that looks for a Sprite at neighbouring workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    pub step: u8,
}

/// What a VM is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum For {
    /// For the pool: it becomes ready.
    Pool,
    /// For one request, which it starts as soon as it is there. The step is the one of the pool's exhausted list
    /// that asked for it, from which the search goes on when it fails.
    Request(Request, u8),
}

/// What a request finds at the first pool that it asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Found {
    /// A ready Sprite, which it takes.
    Ready,
    /// None, but a Sprite of its own key that is idle or asleep: neither a take nor a miss.
    Own,
    /// Neither.
    Nothing,
}

/// The numbers of a pool that its Refiller decides on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Levels {
    /// Sprites that can be taken now.
    pub ready: u32,
    /// Requests that wait for a Sprite of this pool.
    pub waiting: u32,
    /// Sprites of this pool that are assigned: starting, running or idle, not asleep. Counted only where the depth policy
    /// looks at it; else zero.
    pub in_use: u32,
}

/// What a depth policy aims for: when no more than `reorder_at` Sprites are ready or on their way, order up to `depth`;
/// what is ready beyond `depth` may leave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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

/// What actors tell each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    // To a Worker, which tells its Pools, which tell their Refillers.
    /// Backend: the run begins. `full` asks for every pool to be filled before the first request.
    Begin {
        /// Whether pools begin full, else empty.
        full: bool,
    },

    // To a Worker.
    /// Backend: a request arrives.
    Request(Request),
    /// Neighbour: can one of your pools serve this request at once?
    Ask(Spill),
    /// Pool: a neighbour's request cannot be served here at once.
    Declined(Spill),
    /// Neighbour: nobody could serve the request that you sent.
    Unserved(Spill),
    /// Refiller: boot so many Sprites for my pool. `urgent` ones are for requests that wait.
    Order {
        /// The pool whose Sprites they are to be.
        pool: ActorId,
        /// Boots for requests that wait.
        urgent: u32,
        /// Boots for the pool.
        spare: u32,
    },
    /// Refiller: withdraw up to so many of my orders that have not begun. Answered by `Cancelled`.
    Cancel {
        /// At most so many.
        count: u32,
    },
    /// Pool: make a VM for this request. Answered by `Refused` where there is no room.
    Make {
        /// The request.
        request: Request,
        /// The step of the pool's exhausted list.
        step: u8,
        /// The long way round (`create`) instead of a boot.
        create: bool,
    },
    /// Pool: wake this Sprite for this request. Answered by `Refused` where there is no slot.
    WakeFor {
        /// The sleeping Sprite.
        sprite: ActorId,
        /// The request.
        request: Request,
        /// The step of the pool's exhausted list.
        step: u8,
    },
    /// Pool: send this request to a neighbour. Answered by `Refused` where there is none.
    SpillOut(Spill),
    /// Pool of one tenant: so many of my Sprites may make room for another tenant's request.
    Spare {
        /// Whose pool it is.
        key: Key,
        /// Ready Sprites.
        ready: u32,
    },
    /// Pool: you asked me to `Yield`, but I have nothing left to give.
    NothingToYield,
    /// Sprite: my boot or create ended; the boot slot is free.
    BootEnded {
        /// Whether it was a create, which takes no boot slot.
        create: bool,
    },
    /// Sprite: my VM is gone or asleep.
    Released {
        /// Whether it held a slot, which is free now.
        slot: bool,
        /// Whether this actor is free for another VM, which a sleeping Sprite is not.
        retired: bool,
    },
    /// Backend: the host crashed. All its VMs are lost.
    Crash,
    /// Backend: the host is back, empty.
    Recover,

    // To a Pool.
    /// Worker: a request for one of your Sprites.
    Take(Request),
    /// Worker: a neighbour's request; serve it at once, or it is [`Message::Declined`].
    TakeSpilled(Spill),
    /// Sprite: I am ready. `boot` says whether this ends a boot that the Refiller ordered.
    Ready {
        /// Fresh from a boot, else back from use.
        boot: bool,
    },
    /// Sprite: the VM made for a request is there and starts; from now on it is in use.
    Made {
        /// Whether it was a create.
        create: bool,
    },
    /// Sprite: the VM could not be made.
    MakeFailed {
        /// For whom it was.
        purpose: For,
        /// Whether it was a create.
        create: bool,
    },
    /// Sprite: I could not start this request (I was lost, or the guest did not acknowledge).
    StartFailed(Request),
    /// Sprite: I am no longer in use, and will not be again. Told only where the depth policy looks at how many are.
    Ended,
    /// Sprite: I was idle and am asleep now. I am no longer in use until I am woken.
    Slept {
        /// Whose data it holds.
        key: Key,
    },
    /// Sprite: I am idle and can be resumed for a request of this key.
    Idle {
        /// Whose data it holds.
        key: Key,
    },
    /// Sprite: I was lost while I was ready, idle or asleep. Forget me.
    Withdrawn,
    /// Worker: this step of your exhausted list cannot be done now; go on with the next.
    Refused {
        /// The request.
        request: Request,
        /// The step that was tried.
        step: u8,
        /// The Sprite that was to be woken; it sleeps on.
        sprite: Option<ActorId>,
    },
    /// Refiller: give up ready Sprites, the oldest first, until so many are left.
    Shrink {
        /// How many to keep.
        keep: u32,
    },
    /// Refiller: tell me at once of boots that end well only where so many Sprites are ready then, and of the others with
    /// your next word: they move what is on its way to what is ready, which changes nothing that I decide.
    TellBoots {
        /// Ready Sprites; zero, as it is at the beginning, asks to be told of each at once.
        from: u32,
    },
    /// Worker: give up one ready Sprite, for another pool's request.
    Yield,
    /// Worker: the host is down (or up again). Nobody waits at a dead host.
    Down(bool),

    // To a Refiller.
    /// Pool: a request came for us.
    Demand {
        /// What it found.
        found: Found,
        /// The pool's numbers after it.
        levels: Levels,
        /// How many ordered boots have ended well since the last word.
        booted: u32,
    },
    /// Pool: the numbers changed without a request.
    Changed {
        /// The pool's numbers now.
        levels: Levels,
        /// How many ordered boots have ended well since the last word.
        booted: u32,
        /// Whether a ready Sprite was taken, for a request that is no demand of this pool's own.
        taken: bool,
    },
    /// Pool: a boot that you ordered failed.
    BootFailed,
    /// Pool: the host is down; nothing is decided until it is back.
    Suspended,
    /// Pool: the host is back, without VMs and without orders. Decide anew, once.
    Resumed {
        /// The pool's numbers now.
        levels: Levels,
    },
    /// Worker: so many of your orders were withdrawn.
    Cancelled {
        /// Orders that will never begin.
        count: u32,
    },

    // To a Sprite.
    /// Worker: make a VM (by `create` if so told, else by a boot) for a pool or a request.
    Boot {
        /// The pool it belongs to.
        pool: ActorId,
        /// What it is for.
        purpose: For,
        /// The long way round.
        create: bool,
    },
    /// Pool: you are taken. Start this request, which will end with this outcome.
    Start {
        /// The request.
        request: Request,
        /// How it was served.
        outcome: Outcome,
    },
    /// Worker: you have a slot again. Wake, then start this request.
    Wake {
        /// The request.
        request: Request,
    },
    /// Pool: you are not needed. Stop.
    Stop,
    /// Backend or Worker: your VM is gone.
    Lost,

    // To any actor.
    /// Backend: an operation that this actor performed has ended.
    Done {
        /// Which VM it was for: an end that comes after its VM was lost is ignored.
        generation: u32,
        /// Which operation.
        kind: OperationKind,
        /// Whether it succeeded.
        ok: bool,
    },
    /// Backend: a timer that this actor armed has fired.
    Fired(Timer),
}

/// Work that only a backend can do. Its end comes back as [`Message::Done`], except for `Detach`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum OperationKind {
    /// Make a VM from the template on this worker.
    Boot,
    /// Make a VM the long way round: pull the image, build the filesystem, boot.
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

/// The named timers of the actors. Arming one again replaces it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Timer {
    /// Pool: the oldest request of the n-th waiting step has reached its deadline.
    Deadline(u8),
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

/// A request whose start has failed so many times has failed.
pub const TRIES_MAX: u8 = 3;

/// How a request ended. Every request ends in exactly one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
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
///   any ─▶ Stopped (gave up its VM)      any ─▶ Failed (lost its VM)
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// Worker: the host crashed or came back.
    Host {
        /// Where.
        worker: WorkerId,
        /// Whether it works.
        up: bool,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Messages and observations are copied several times per request; they stay within a cache line.
    #[test]
    fn messages_stay_small() {
        assert!(size_of::<Message>() <= 56, "{}", size_of::<Message>());
        assert!(size_of::<Observation>() <= 48, "{}", size_of::<Observation>());
        assert!(size_of::<Operation>() <= 56, "{}", size_of::<Operation>());
    }
}
