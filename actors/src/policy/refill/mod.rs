//! Refill: how fast a pool orders what it is short of.

mod backoff;
mod batch;
mod delay;
mod immediate;
mod never;
mod rate;

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Problem;
use crate::time::Time;

pub use backoff::{Backoff, BackoffState};
pub use batch::Batch;
pub use delay::Delay;
pub use immediate::Immediate;
pub use never::Never;
pub use rate::Rate;

/// A refill policy as it stands in a file: `refill = { kind = "rate", per_second = 5.0, burst = 5 }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Refill {
    /// The whole deficit at once.
    Immediate(Immediate),
    /// A token bucket.
    Rate(Rate),
    /// Hold after a take, so that boots do not compete with starts.
    Delay(Delay),
    /// Only when the deficit reaches a size.
    Batch(Batch),
    /// No boots for the pool: what returns after use is all there is.
    Never(Never),
}

impl Default for Refill {
    fn default() -> Self {
        Self::Immediate(Immediate {})
    }
}

/// A refill policy at work in one pool. Calls come in the order of time.
pub trait Rule: fmt::Debug + Send {
    /// A ready Sprite of this pool was taken.
    fn taken(&mut self, _now: Time) {}

    /// How many of `deficit` (more than zero) may be ordered right now, while `ready` Sprites are ready. What is
    /// allowed counts as ordered. Orders for requests that wait do not pass here: they are never held back.
    fn allow(&mut self, now: Time, deficit: u32, ready: u32) -> u32;

    /// When to ask again though nothing happens, after `allow` gave less than the deficit; `None` for not before the
    /// pool changes.
    fn again_at(&self) -> Option<Time> {
        None
    }

    /// Whether `allow` gives the same at any time and for any number of ready Sprites, so that it need not be asked when a
    /// boot ends.
    fn looks_only_at_deficit(&self) -> bool {
        false
    }
}

/// A parameterised policy: what every kind provides.
trait Kind {
    /// Finds the first parameter that cannot be.
    fn validate(&self) -> Result<(), Problem>;
    /// The policy at work.
    fn rule(&self) -> Box<dyn Rule>;
}

impl Refill {
    fn kind(&self) -> &dyn Kind {
        match self {
            Self::Immediate(kind) => kind,
            Self::Rate(kind) => kind,
            Self::Delay(kind) => kind,
            Self::Batch(kind) => kind,
            Self::Never(kind) => kind,
        }
    }

    /// Finds the first parameter that cannot be.
    ///
    /// # Errors
    /// The problem, with the path of its key from this policy's table.
    pub fn validate(&self) -> Result<(), Problem> {
        self.kind().validate()
    }

    /// The policy at work in one pool.
    pub fn rule(&self) -> Box<dyn Rule> {
        self.kind().rule()
    }
}
