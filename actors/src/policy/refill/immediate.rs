//! `immediate`: the whole deficit at once, bounded only by the worker's slots and boots.

use serde::{Deserialize, Serialize};

use super::{Controller, PolicyConfig};
use crate::policy::Problem;
use crate::time::Time;

/// Order the whole deficit at once. It has no parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Immediate {}

impl PolicyConfig for Immediate {
    fn validate(&self) -> Result<(), Problem> {
        Ok(())
    }

    fn controller(&self) -> Box<dyn Controller> {
        Box::new(*self)
    }
}

impl Controller for Immediate {
    fn allow(&mut self, _now: Time, deficit: u32, _ready: u32) -> u32 {
        deficit
    }
}
