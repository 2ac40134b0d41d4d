//! `fixed`: always the same depth.

use serde::{Deserialize, Serialize};

use super::{Controller, GuaranteedDepth, PolicyConfig, View};
use crate::policy::Problem;
use crate::protocol::Target;
use crate::time::WallClock;

/// Always `ready` Sprites.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fixed {
    /// The depth.
    pub ready: u32,
}

impl PolicyConfig for Fixed {
    fn validate(&self) -> Result<(), Problem> {
        Ok(())
    }

    fn constant_depth(&self) -> Option<u32> {
        Some(self.ready)
    }

    fn guaranteed_depth(&self) -> GuaranteedDepth {
        GuaranteedDepth::new("ready", self.ready)
    }

    fn controller(&self, _epoch: WallClock) -> Box<dyn Controller> {
        Box::new(*self)
    }
}

impl Controller for Fixed {
    fn target(&mut self, _view: &View) -> Target {
        Target::exactly(self.ready)
    }
}
