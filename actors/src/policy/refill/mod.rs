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
pub trait Controller: fmt::Debug + Send {
    /// A ready Sprite of this pool was taken.
    fn taken(&mut self, _now: Time) {}

    /// How many of `deficit` (more than zero) may be ordered right now, while `ready` Sprites are ready. What
    /// is allowed counts as ordered. Orders for requests that wait do not pass here: they are never held
    /// back.
    fn allow(&mut self, now: Time, deficit: u32, ready: u32) -> u32;

    /// When to ask again though nothing happens, after `allow` gave less than the deficit; `None` for not
    /// before the pool changes.
    fn again_at(&self) -> Option<Time> {
        None
    }
}

/// A parameterised policy: what every kind provides.
trait PolicyConfig {
    /// Finds the first invalid parameter.
    fn validate(&self) -> Result<(), Problem>;
    /// Whether it never orders a boot for the pool.
    fn orders_nothing(&self) -> bool {
        false
    }
    /// How many must be missing before anything is ordered, where that is more than one.
    fn batch_size(&self) -> Option<u32> {
        None
    }
    /// The policy at work.
    fn controller(&self) -> Box<dyn Controller>;
}

impl Refill {
    fn config(&self) -> &dyn PolicyConfig {
        match self {
            Self::Immediate(config) => config,
            Self::Rate(config) => config,
            Self::Delay(config) => config,
            Self::Batch(config) => config,
            Self::Never(config) => config,
        }
    }

    /// Finds the first invalid parameter.
    ///
    /// # Errors
    /// The problem, with the path of its key from this policy's table.
    pub fn validate(&self) -> Result<(), Problem> {
        self.config().validate()
    }

    /// Whether it never orders a boot for the pool.
    pub fn orders_nothing(&self) -> bool {
        self.config().orders_nothing()
    }

    /// How many must be missing before anything is ordered, where that is more than one.
    pub fn batch_size(&self) -> Option<u32> {
        self.config().batch_size()
    }

    /// The policy at work in one pool.
    pub fn controller(&self) -> Box<dyn Controller> {
        self.config().controller()
    }
}
