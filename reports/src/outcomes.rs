//! One value for each outcome, by name: counts, figures, histograms.

use actors::Outcome;
use serde::{Deserialize, Serialize};

/// One value per outcome. In files it is a table with the outcomes' names as keys.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PerOutcome<T> {
    /// Served at once by the first pool it asked, or by an idle Sprite of its key.
    pub warm: T,
    /// Served by a pool after waiting.
    pub waited: T,
    /// Served by a boot of its own.
    pub booted: T,
    /// Served by a create.
    pub created: T,
    /// Served by a neighbour.
    pub spilled: T,
    /// Served by a sleeping Sprite of its key.
    pub woken: T,
    /// Turned away by the policy.
    pub rejected: T,
    /// Lost to a fault.
    pub failed: T,
}

impl<T> PerOutcome<T> {
    /// The value of each outcome, as this function gives it.
    pub fn from_fn(mut value: impl FnMut(Outcome) -> T) -> Self {
        Self {
            warm: value(Outcome::Warm),
            waited: value(Outcome::Waited),
            booted: value(Outcome::Booted),
            created: value(Outcome::Created),
            spilled: value(Outcome::Spilled),
            woken: value(Outcome::Woken),
            rejected: value(Outcome::Rejected),
            failed: value(Outcome::Failed),
        }
    }

    /// The value of this outcome.
    pub fn get(&self, outcome: Outcome) -> &T {
        match outcome {
            Outcome::Warm => &self.warm,
            Outcome::Waited => &self.waited,
            Outcome::Booted => &self.booted,
            Outcome::Created => &self.created,
            Outcome::Spilled => &self.spilled,
            Outcome::Woken => &self.woken,
            Outcome::Rejected => &self.rejected,
            Outcome::Failed => &self.failed,
        }
    }

    /// The value of this outcome, to change it.
    pub fn get_mut(&mut self, outcome: Outcome) -> &mut T {
        match outcome {
            Outcome::Warm => &mut self.warm,
            Outcome::Waited => &mut self.waited,
            Outcome::Booted => &mut self.booted,
            Outcome::Created => &mut self.created,
            Outcome::Spilled => &mut self.spilled,
            Outcome::Woken => &mut self.woken,
            Outcome::Rejected => &mut self.rejected,
            Outcome::Failed => &mut self.failed,
        }
    }

    /// Every outcome with its value, in the order in which outcomes are reported.
    pub fn iter(&self) -> impl Iterator<Item = (Outcome, &T)> {
        Outcome::ALL.into_iter().map(|outcome| (outcome, self.get(outcome)))
    }
}

impl PerOutcome<u64> {
    /// All of them together.
    pub fn total(&self) -> u64 {
        self.iter().map(|(_, count)| count).sum()
    }

    /// Those that got a Sprite.
    pub fn served(&self) -> u64 {
        self.total() - self.unserved()
    }

    /// Those that got none: rejected and failed.
    pub fn unserved(&self) -> u64 {
        self.rejected + self.failed
    }

    /// Those that asked a pool and were not served at once: all but the warm and the woken ones.
    pub fn misses(&self) -> u64 {
        self.iter().filter(|(outcome, _)| is_miss(*outcome)).map(|(_, count)| count).sum()
    }
}

/// Whether a request that ended so is a miss. One that was woken has asked no pool.
pub fn is_miss(outcome: Outcome) -> bool {
    !matches!(outcome, Outcome::Warm | Outcome::Woken)
}

/// The outcome of this name.
pub fn by_name(name: &str) -> Option<Outcome> {
    Outcome::ALL.into_iter().find(|outcome| outcome.name() == name)
}
