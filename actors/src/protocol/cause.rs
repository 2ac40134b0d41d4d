//! Why a request was not warm, and why a pool is empty. The actor that decides knows it and says it, so that
//! reports only add up.
//!
//! | cause | in force when | what helps |
//! | --- | --- | --- |
//! | [`Depth`](Cause::Depth) | the same pool with nothing that holds its boots up would be empty too | a deeper pool, faster boots |
//! | [`RefillHolds`](Cause::RefillHolds) | the refill policy allows less than is missing | another refill policy |
//! | [`BootSlots`](Cause::BootSlots) | orders wait at the worker, and a slot is free | more boots at once, faster boots |
//! | [`SlotsFull`](Cause::SlotsFull) | orders wait at the worker, and no slot is free | more slots or workers, shorter lifetimes |
//! | [`BootsFail`](Cause::BootsFail) | failed boots wait for their back-off, or a start failed | boots that do not fail |
//! | [`WorkerDown`](Cause::WorkerDown) | the host is down, or was and its pool is not yet back | more workers |
//! | [`NothingToSpillTo`](Cause::NothingToSpillTo) | no neighbour has a ready Sprite | as above, at the neighbours |
//! | [`QueueFull`](Cause::QueueFull) | no more requests may wait | as for the cause of the miss, or a longer queue |
//! | [`Deadline`](Cause::Deadline) | the request has waited as long as it may | as for the cause of the miss, or a later deadline |
//! | [`HostRefuses`](Cause::HostRefuses) | the host could not start or wake it now | room, space or descriptors, which the host names |
//!
//! The first six say why a pool is empty. A pool is short of what it lacks now because of what delayed those
//! boots when they were due, not because of what happens now: after a hold ends, boots are under way, and the
//! hold is still why they are not here. So each Pool keeps count of what would be ready without delays, and
//! the first of these rules that holds is its cause:
//!
//! 1. The host is down, or its slots are full: that, because a deeper pool would not help.
//! 2. *Depth*, if a pool of the same depth would be empty too that orders each taken Sprite at once and whose
//!    boots begin at once and take as long as they do on average. In short: more was asked for within one
//!    boot time than the depth. That is also the cause where nothing held boots up.
//! 3. *Boot slots*, if orders have waited for them, and that pool would be empty with as many boots at once
//!    as the worker runs.
//! 4. Else what has held boots up for longest since the pool last had as many ready as it would have without
//!    delays; boot slots only if nothing else did.
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
    /// More was asked for within one boot time than the depth policy keeps.
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
