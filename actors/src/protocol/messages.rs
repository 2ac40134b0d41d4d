//! Who tells whom what: one enum for each receiver, which its handler matches without a wildcard, so that a
//! message that nobody handles does not compile. The first word of each line says who sends it.

use serde::{Deserialize, Serialize};

use super::{
    ActorId, Begin, Cause, End, For, Found, Key, Levels, Making, OperationKind, Outcome, Request, Spill,
    StepIndex, Timer,
};
use crate::time::Duration;

/// What actors tell each other, and what a backend tells them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Message {
    /// To a Worker.
    Worker(ToWorker),
    /// To a Pool.
    Pool(ToPool),
    /// To a Refiller.
    Refiller(ToRefiller),
    /// To a Sprite.
    Sprite(ToSprite),
    /// To any actor.
    Any(ToAny),
}

/// To a Worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ToWorker {
    /// Backend: the run begins. It is passed on to the pools and their Refillers.
    Begin(Begin),
    /// Backend: a request arrives.
    Request(Request),
    /// Neighbour: can one of your pools serve this request at once?
    Ask(Spill),
    /// Pool: a neighbour's request cannot be served here at once.
    Declined(Spill),
    /// Neighbour: nobody could serve the request that you sent.
    Unserved(Spill),
    /// Refiller: boot so many Sprites for my pool.
    Order {
        /// The pool whose Sprites they are to be.
        pool: ActorId,
        /// Boots for requests that wait.
        urgent: u32,
        /// Boots for the pool.
        spare: u32,
    },
    /// Refiller: withdraw up to so many of my orders that have not begun. Answered by
    /// [`ToRefiller::Cancelled`].
    Cancel {
        /// At most so many.
        count: u32,
    },
    /// Pool: make a VM for this request. Answered by [`ToPool::Refused`] where there is no room.
    Make {
        /// The request.
        request: Request,
        /// The step of the pool's exhausted list.
        step: StepIndex,
        /// How to make it.
        making: Making,
    },
    /// Pool: wake this Sprite for this request. Answered by [`ToPool::Refused`] where there is no slot.
    WakeFor {
        /// The sleeping Sprite.
        sprite: ActorId,
        /// The request.
        request: Request,
        /// The step of the pool's exhausted list.
        step: StepIndex,
    },
    /// Pool: send this request to a neighbour. Answered by [`ToPool::Refused`] where there is none.
    SpillOut(Spill),
    /// Pool of one tenant: so many of my Sprites may make room for another tenant's request.
    Spare {
        /// Whose pool it is.
        key: Key,
        /// Ready Sprites.
        ready: u32,
    },
    /// Pool: you asked me to [`ToPool::Yield`], but I have nothing left to give.
    NothingToYield,
    /// Sprite: my boot or create ended, well or not. A boot slot that it took is free.
    BootEnded(Making),
    /// Sprite: my VM is gone or asleep.
    Released(Released),
    /// Backend: the host crashed. All its VMs are lost.
    Crash,
    /// Backend: the host is back, empty.
    Recover,
    /// Backend: a Sprite of this key sleeps on this host since before it began; the host wakes it like any
    /// other.
    Adopt {
        /// Whose data it holds.
        key: Key,
    },
    /// Backend: nobody will ask for this key again. Its idle or sleeping Sprite ends.
    Forget {
        /// Whose.
        key: Key,
    },
}

/// What a Sprite gives back to its Worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Released {
    /// The slot of a VM that is gone; the actor is free for another VM.
    SlotAndActor,
    /// The slot; the VM sleeps, or sleeps on.
    Slot,
    /// A VM that held no slot is gone; the actor is free for another.
    Actor,
}

/// To a Pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ToPool {
    /// Worker: the run begins.
    Begin(Begin),
    /// Worker: a request for one of your Sprites.
    Take(Request),
    /// Worker: a neighbour's request; serve it at once, or it is [`ToWorker::Declined`].
    TakeSpilled(Spill),
    /// Sprite: I am ready.
    Ready(ReadyAfter),
    /// Sprite: the VM made for a request is there and starts; from now on it is in use.
    Made(Making),
    /// Sprite: the VM could not be made.
    MakeFailed(For),
    /// Sprite: I could not start this request (I was lost, or the guest did not acknowledge).
    StartFailed(Request),
    /// Sprite: I am no longer in use, and will not be again. Told only where the depth policy looks at how
    /// many are.
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
        step: StepIndex,
        /// Why.
        cause: Cause,
        /// The Sprite that was to be woken; it sleeps on.
        sprite: Option<ActorId>,
    },
    /// Refiller: the depth policy aims for this depth. Told when it changes.
    Aims {
        /// The depth.
        depth: u32,
    },
    /// Refiller: this holds the next boots up; `None` where they are under way, or none is missing. Told when
    /// it changes.
    HeldUp(Option<Cause>),
    /// Refiller: give up ready Sprites, the oldest first, until so many are left.
    Shrink {
        /// How many to keep.
        keep: u32,
    },
    /// Worker: give up one ready Sprite, for another pool's request.
    Yield,
    /// Worker: the host is down. Nobody waits at a dead host.
    WorkerDown,
    /// Worker: the host is up again.
    WorkerUp,
    /// Sprite: I was idle and am falling asleep, or am asleep by now: this request of my own key has to wait
    /// until I am.
    FallsAsleep(Request),
    /// Worker: nobody will ask for this key again.
    Forget {
        /// Whose.
        key: Key,
    },
    /// Sprite: the host could not wake me for this request now; I sleep on. Go on with the next step.
    WakeRefused(Request),
    /// Sprite: the host could not start me for this request now. I am idle, and in use as before.
    StartRefused(Request),
}

/// What a Sprite comes from when it becomes ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ReadyAfter {
    /// A boot that the Refiller ordered.
    Boot {
        /// How long it took.
        took: Duration,
    },
    /// A user, who has gone.
    Use,
    /// A start that the host refused: the request has gone elsewhere.
    RefusedStart,
}

/// To a Refiller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ToRefiller {
    /// Pool: the run begins.
    Begin(Begin),
    /// Pool: a request came for us.
    Demand {
        /// What it found.
        found: Found,
        /// The pool's numbers after it.
        levels: Levels,
    },
    /// Pool: a boot that you ordered has ended well.
    Booted {
        /// The pool's numbers after it.
        levels: Levels,
    },
    /// Pool: a boot that you ordered failed.
    BootFailed,
    /// Pool: a ready Sprite was taken, for a request that is no demand of this pool's own.
    Taken {
        /// The pool's numbers after it.
        levels: Levels,
    },
    /// Pool: the numbers changed for another reason.
    Changed {
        /// The pool's numbers now.
        levels: Levels,
    },
    /// Pool: the host is down; nothing is decided until it is back.
    Suspended,
    /// Pool: the host is back, without VMs and without orders. Decide anew, once.
    Resumed {
        /// The pool's numbers now.
        levels: Levels,
    },
    /// Worker: your orders wait for this; `None` when none waits. Told when it changes.
    OrdersWait(Option<Cause>),
    /// Worker: so many of your orders were withdrawn.
    Cancelled {
        /// Orders that will never begin.
        count: u32,
    },
}

/// To a Sprite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ToSprite {
    /// Worker: make a VM for a pool or a request.
    Boot {
        /// The pool it belongs to.
        pool: ActorId,
        /// What it is for.
        purpose: For,
        /// How to make it.
        making: Making,
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
    /// Worker: you are asleep, with data of this key that was saved before this host began.
    Adopt {
        /// The pool it belongs to.
        pool: ActorId,
        /// Whose data it holds.
        key: Key,
    },
}

/// To any actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ToAny {
    /// Backend: an operation that this actor performed has ended.
    Done {
        /// Which VM it was for: an end that comes after its VM was lost is ignored.
        generation: u32,
        /// Which operation.
        kind: OperationKind,
        /// How.
        end: End,
    },
    /// Backend: a timer that this actor armed has fired.
    Fired(Timer),
}

impl From<ToWorker> for Message {
    fn from(message: ToWorker) -> Self {
        Self::Worker(message)
    }
}

impl From<ToPool> for Message {
    fn from(message: ToPool) -> Self {
        Self::Pool(message)
    }
}

impl From<ToRefiller> for Message {
    fn from(message: ToRefiller) -> Self {
        Self::Refiller(message)
    }
}

impl From<ToSprite> for Message {
    fn from(message: ToSprite) -> Self {
        Self::Sprite(message)
    }
}

impl From<ToAny> for Message {
    fn from(message: ToAny) -> Self {
        Self::Any(message)
    }
}
