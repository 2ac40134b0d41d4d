//! `fixed`: always the same depth.

use serde::{Deserialize, Serialize};

use super::{Certain, Kind, Rule, View};
use crate::policy::Problem;
use crate::protocol::Goal;
use crate::time::WallClock;

/// Always `ready` Sprites.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fixed {
    /// The depth.
    pub ready: u32,
}

impl Kind for Fixed {
    fn validate(&self) -> Result<(), Problem> {
        Ok(())
    }

    fn certain(&self) -> Certain {
        Certain::new("ready", self.ready)
    }

    fn rule(&self, _epoch: WallClock) -> Box<dyn Rule> {
        Box::new(*self)
    }
}

impl Rule for Fixed {
    fn goal(&mut self, _view: &View) -> Goal {
        Goal::exactly(self.ready)
    }

    fn is_constant(&self) -> bool {
        true
    }
}
