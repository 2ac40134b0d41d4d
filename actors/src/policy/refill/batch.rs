//! `batch`: order only when the deficit reaches a size, then all of it. One order then spreads what an order
//! costs in itself (reading the template, mapping its memory) over several boots.

use serde::{Deserialize, Serialize};

use super::{Controller, PolicyConfig};
use crate::policy::Problem;
use crate::time::Time;

/// Order only when so many are missing. A size above the depth is never reached: such a pool is never
/// refilled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    /// How many Sprites must be missing; one or more, and at most the depth.
    pub size: u32,
}

impl PolicyConfig for Batch {
    fn validate(&self) -> Result<(), Problem> {
        if self.size == 0 {
            return Err(Problem::new("size", "is 0", "give the number of Sprites that one order is for"));
        }
        Ok(())
    }

    fn batch_size(&self) -> Option<u32> {
        Some(self.size)
    }

    fn controller(&self) -> Box<dyn Controller> {
        Box::new(*self)
    }
}

impl Controller for Batch {
    fn allow(&mut self, _now: Time, deficit: u32, _ready: u32) -> u32 {
        if deficit >= self.size { deficit } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_until_the_batch_is_full_and_then_orders_all() {
        let mut controller = Batch { size: 4 }.controller();
        let mut allow = |deficit| controller.allow(Time::ZERO, deficit, 10);
        assert_eq!([allow(1), allow(3), allow(4), allow(9)], [0, 0, 4, 9]);
        assert_eq!(controller.again_at(), None);
    }

    #[test]
    fn a_batch_of_nothing_cannot_be() {
        assert_eq!(Batch { size: 0 }.validate().expect_err("invalid").key, "size");
        assert_eq!(Batch { size: 1 }.validate(), Ok(()));
    }
}
