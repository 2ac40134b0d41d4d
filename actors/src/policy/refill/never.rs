//! `never`: no boots for the pool. What stands there at t = 0 and what returns after use is all there is.

use serde::{Deserialize, Serialize};

use super::{Controller, PolicyConfig};
use crate::policy::Problem;
use crate::time::Time;

/// Order nothing. It has no parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Never {}

impl PolicyConfig for Never {
    fn validate(&self) -> Result<(), Problem> {
        Ok(())
    }

    fn orders_nothing(&self) -> bool {
        true
    }

    fn controller(&self) -> Box<dyn Controller> {
        Box::new(*self)
    }
}

impl Controller for Never {
    fn allow(&mut self, _now: Time, _deficit: u32, _ready: u32) -> u32 {
        0
    }
}
