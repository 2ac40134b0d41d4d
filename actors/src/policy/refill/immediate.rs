//! `immediate`: the whole deficit at once, bounded only by the worker's slots and boots.

use serde::{Deserialize, Serialize};

use super::{Kind, Rule};
use crate::policy::Problem;
use crate::time::Time;

/// Order the whole deficit at once. It has no parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Immediate {}

impl Kind for Immediate {
    fn validate(&self) -> Result<(), Problem> {
        Ok(())
    }

    fn rule(&self) -> Box<dyn Rule> {
        Box::new(*self)
    }
}

impl Rule for Immediate {
    fn allow(&mut self, _now: Time, deficit: u32, _ready: u32) -> u32 {
        deficit
    }

    fn holds_nothing_back(&self) -> bool {
        true
    }

    fn looks_only_at_deficit(&self) -> bool {
        true
    }
}
