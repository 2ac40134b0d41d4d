//! `never`: no boots for the pool. What stands there at t = 0 and what returns after use is all there is.

use serde::{Deserialize, Serialize};

use super::{Kind, Rule};
use crate::policy::Problem;
use crate::time::Time;

/// Order nothing. It has no parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Never {}

impl Kind for Never {
    fn validate(&self) -> Result<(), Problem> {
        Ok(())
    }

    fn rule(&self) -> Box<dyn Rule> {
        Box::new(*self)
    }
}

impl Rule for Never {
    fn allow(&mut self, _now: Time, _deficit: u32, _ready: u32) -> u32 {
        0
    }

    fn looks_only_at_deficit(&self) -> bool {
        true
    }
}
