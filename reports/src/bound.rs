//! What bound a run: the cause of most misses, when it was in force, and what would have been needed.

use actors::Cause;
use serde::{Deserialize, Serialize};

use crate::causes::cause_schema;
use crate::stats::sum;

/// What bound a run. Where there were no misses, nothing did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bound {
    /// The cause of most misses.
    #[schemars(schema_with = "cause_schema")]
    pub cause: Cause,
    /// Its part of all misses.
    pub share: f64,
    /// When it was in force for the first time, in seconds since the opening.
    pub from_s: f64,
    /// When for the last time.
    pub to_s: f64,
    /// On how many workers.
    pub workers: u64,
    /// Arrivals a second on each of them, on average over the bins of the strips in which it was in force.
    pub rate: f64,
    /// Their mean target in these bins, each.
    pub target: f64,
    /// How long one boot took on average in this run, in seconds; null without boots.
    pub boot_s: Option<f64>,
    /// How long one Sprite was in use on average in this run, in seconds; null where none was.
    pub life_s: Option<f64>,
    /// Boots that each of them had under way on average in these bins.
    pub booting: f64,
    /// Boots that each of them can run at once; null where that is unlimited or not known.
    pub boots: Option<u32>,
    /// Slots that each of them held on average in these bins.
    pub held: f64,
    /// Slots that each of them has; null where that is not known.
    pub slots: Option<u32>,
}

impl Bound {
    /// How many boots at once the arrivals of that time need, by Little's law.
    pub fn boots_needed(&self) -> Option<f64> {
        self.boot_s.map(|boot_s| self.rate * boot_s)
    }

    /// How many slots they need: for those in use, for boots under way, and for the target.
    pub fn slots_needed(&self) -> Option<f64> {
        let parts = [self.life_s? * self.rate, self.boots_needed().unwrap_or(0.0), self.target];
        Some(sum(parts.into_iter()))
    }
}
