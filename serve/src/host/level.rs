//! What a host's books say when they are asked.

use actors::protocol::Target;
use actors::{Outcome, State};

/// The pool and the host at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Level {
    /// VMs in each state.
    pub states: [u64; State::COUNT],
    /// Requests that wait for a Sprite.
    pub waiting: u64,
    /// What the depth policy aims for.
    pub target: Target,
    /// VMs that the host may hold.
    pub slots: u32,
    /// Boots that have failed in a row.
    pub boots_failing: u32,
}

impl Level {
    /// VMs in a state.
    pub const fn of(&self, state: State) -> u64 {
        self.states[state as usize]
    }

    /// Slots that are held.
    pub fn slots_held(&self) -> u64 {
        State::ALL.into_iter().filter(|state| state.holds_slot()).map(|state| self.of(state)).sum()
    }
}

/// What has been since the host began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests by how they ended, in the order of [`Outcome::ALL`].
    pub outcomes: [u64; Outcome::ALL.len()],
    /// VMs that became ready.
    pub readied: u64,
    /// VMs that were lost: boots or starts that failed, guests or shards that ended by themselves.
    pub lost: u64,
}

impl Counts {
    /// Requests that ended so.
    pub const fn of(&self, outcome: Outcome) -> u64 {
        self.outcomes[outcome as usize]
    }

    /// Requests that the first Sprite asked for served at once.
    pub const fn hits(&self) -> u64 {
        self.of(Outcome::Warm) + self.of(Outcome::Woken)
    }

    /// All others.
    pub fn misses(&self) -> u64 {
        self.outcomes.iter().sum::<u64>() - self.hits()
    }
}
