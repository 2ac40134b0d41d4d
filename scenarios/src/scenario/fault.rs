//! `[[fault]]`: what goes wrong, where and when.

use std::ops::Range;

use actors::{Duration, Time};
use serde::{Deserialize, Serialize};

/// One fault as it stands in a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultEntry {
    /// When it begins.
    pub at: Duration,
    /// The worker that it strikes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<u32>,
    /// Or the region. Neither: the whole fleet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// What goes wrong.
    pub kind: FaultKind,
    /// `slow-boots`: how many times as long they take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub factor: Option<f64>,
    /// `failed-boots`: the share that fails; all, if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
    /// How long it lasts. A crash without it is for ever.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub length: Option<Duration>,
}

/// The kinds of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// Boots and creates that begin meanwhile take `factor` times as long.
    SlowBoots,
    /// The share `ratio` of boots and creates that begin meanwhile fails.
    FailedBoots,
    /// The host does nothing meanwhile: work that would end during the stall ends when it is over.
    Stall,
    /// The host dies and all its VMs with it. It comes back empty after `for`, or never.
    Crash,
}

impl FaultKind {
    /// The name in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SlowBoots => "slow-boots",
            Self::FailedBoots => "failed-boots",
            Self::Stall => "stall",
            Self::Crash => "crash",
        }
    }
}

/// A fault, ready to happen.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// When it begins.
    pub at: Time,
    /// When it is over; [`Time::MAX`] for never.
    pub until: Time,
    /// The workers that it strikes, counted over the fleet.
    pub workers: Range<u32>,
    /// What goes wrong.
    pub effect: Effect,
}

/// What a fault does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Effect {
    /// Boots and creates that begin meanwhile take so many times as long.
    SlowBoots(f64),
    /// This share of the boots and creates that begin meanwhile fails.
    FailedBoots(f64),
    /// Work that would end meanwhile ends when the fault is over.
    Stall,
    /// The host dies, and comes back empty when the fault is over.
    Crash,
}

impl FaultEntry {
    /// What it does, with the defaults in force.
    pub(crate) fn effect(&self) -> Effect {
        match self.kind {
            FaultKind::SlowBoots => Effect::SlowBoots(self.factor.unwrap_or(1.0)),
            FaultKind::FailedBoots => Effect::FailedBoots(self.ratio.unwrap_or(1.0)),
            FaultKind::Stall => Effect::Stall,
            FaultKind::Crash => Effect::Crash,
        }
    }

    /// The fault on these workers.
    pub(crate) fn on(&self, workers: Range<u32>) -> Fault {
        let at = Time::ZERO + self.at;
        let until = self.length.map_or(Time::MAX, |length| at + length);
        Fault { at, until, workers, effect: self.effect() }
    }
}
