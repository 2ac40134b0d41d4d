//! Why a request was not warm, and why a pool is empty. The actor that decides knows it and says it, so that
//! reports only add up.
//!
//! | cause | who knows it | what helps |
//! | --- | --- | --- |
//! | [`Depth`](Cause::Depth) | Pool: nothing holds its boots up, they only take their time | a deeper pool, faster boots |
//! | [`RefillHolds`](Cause::RefillHolds) | Refiller: its refill policy allows less than is missing | another refill policy |
//! | [`BootSlots`](Cause::BootSlots) | Worker: orders wait and a slot is free | more boots at once, faster boots |
//! | [`SlotsFull`](Cause::SlotsFull) | Worker: orders wait and no slot is free | more slots or workers, shorter lifetimes |
//! | [`BootsFail`](Cause::BootsFail) | Refiller: failed boots wait for their back-off | boots that do not fail |
//! | [`WorkerDown`](Cause::WorkerDown) | Worker and Pool | more workers |
//! | [`NothingToSpillTo`](Cause::NothingToSpillTo) | Worker: no neighbour has a ready Sprite | as above, at the neighbours |
//! | [`QueueFull`](Cause::QueueFull) | Pool: no more requests may wait | as for the cause of the miss, or a longer queue |
//! | [`Deadline`](Cause::Deadline) | Pool: the request has waited as long as it may | as for the cause of the miss, or a later deadline |
//! | [`HostRefuses`](Cause::HostRefuses) | Sprite: the host could not start or wake it now | room, space or descriptors, which the host names |
//!
//! What holds boots up is the cause only after it has lasted as long as a boot takes: until then the pool
//! would be empty without it too. Full slots and failing boots are the cause at once, because a deeper pool
//! would not help there.
//!
//! A request has up to two causes. [`Request::missed`](super::Request::missed) says why its pool was empty;
//! it is one of the first six, or that the host refused. The `cause` of
//! [`Observation::Ended`](super::Observation::Ended) says why it ended as it did: for one that was served
//! that is the same; for one that was rejected it is what ended its search, and the same again where the
//! policy itself turned it away; for one that failed it is what it was lost to.

use serde::{Deserialize, Serialize};

/// See the [module](self).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// More was asked for at once than the depth policy keeps; the boots for it are under way.
    Depth,
    /// The refill policy holds boots back.
    RefillHolds,
    /// All boots of the worker are busy.
    BootSlots,
    /// The worker holds as many VMs as it can.
    SlotsFull,
    /// Boots or starts fail.
    BootsFail,
    /// The worker is down.
    WorkerDown,
    /// No neighbour could serve it at once.
    NothingToSpillTo,
    /// As many requests wait as may.
    QueueFull,
    /// It has waited as long as it may.
    Deadline,
    /// The host could not do it now: no room, no space, no descriptor, busy.
    HostRefuses,
}

impl Cause {
    /// All causes, in the order in which they are reported.
    pub const ALL: [Self; 10] = [
        Self::Depth,
        Self::RefillHolds,
        Self::BootSlots,
        Self::SlotsFull,
        Self::BootsFail,
        Self::WorkerDown,
        Self::NothingToSpillTo,
        Self::QueueFull,
        Self::Deadline,
        Self::HostRefuses,
    ];

    /// The name in files and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Depth => "depth",
            Self::RefillHolds => "refill-holds",
            Self::BootSlots => "boot-slots",
            Self::SlotsFull => "slots-full",
            Self::BootsFail => "boots-fail",
            Self::WorkerDown => "worker-down",
            Self::HostRefuses => "host-refuses",
            Self::NothingToSpillTo => "nothing-to-spill-to",
            Self::QueueFull => "queue-full",
            Self::Deadline => "deadline",
        }
    }
}
