//! `at-least`: a floor under another policy.

use serde::{Deserialize, Serialize};

use super::largest_of::larger;
use super::{Controller, Depth, GuaranteedDepth, PolicyConfig, View};
use crate::policy::Problem;
use crate::protocol::Target;
use crate::time::{Time, WallClock};

/// A floor under another policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AtLeast {
    /// The floor, in Sprites.
    pub ready: u32,
    /// The policy above it.
    pub of: Box<Depth>,
}

impl PolicyConfig for AtLeast {
    fn validate(&self) -> Result<(), Problem> {
        self.of.validate().map_err(|problem| problem.under("of"))
    }

    fn guaranteed_depth(&self) -> GuaranteedDepth {
        GuaranteedDepth::new("ready", self.ready).or(self.of.guaranteed_depth().under("of"))
    }

    fn controller(&self, epoch: WallClock) -> Box<dyn Controller> {
        Box::new(Floor { target: Target::exactly(self.ready), of: self.of.controller(epoch) })
    }
}

#[derive(Debug)]
struct Floor {
    target: Target,
    of: Box<dyn Controller>,
}

impl Controller for Floor {
    fn demand(&mut self, now: Time, missed: bool) {
        self.of.demand(now, missed);
    }

    fn target(&mut self, view: &View) -> Target {
        larger(self.target, self.of.target(view))
    }

    fn changes_at(&self) -> Option<Time> {
        self.of.changes_at()
    }

    fn needs_in_use(&self) -> bool {
        self.of.needs_in_use()
    }

    fn needs_lead_time(&self) -> bool {
        self.of.needs_lead_time()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::depth::{Fixed, Watermark, test_view};

    #[test]
    fn the_floor_holds_where_the_policy_asks_for_less() {
        let target = |ready, of| {
            AtLeast { ready, of: Box::new(of) }.controller(WallClock::default()).target(&test_view(0.0))
        };
        assert_eq!(target(5, Depth::Fixed(Fixed { ready: 3 })), Target::exactly(5));
        assert_eq!(target(5, Depth::Fixed(Fixed { ready: 8 })), Target::exactly(8));
        assert_eq!(
            target(5, Depth::Watermark(Watermark { low: 1, high: 9 })),
            Target { reorder_at: 4, depth: 9 }
        );
        assert_eq!(target(0, Depth::Fixed(Fixed { ready: 0 })), Target::exactly(0));
    }

    #[test]
    fn problems_are_found_inside() {
        let of = Box::new(Depth::Watermark(Watermark { low: 2, high: 2 }));
        assert_eq!(AtLeast { ready: 1, of }.validate().expect_err("invalid").key, "of.low");
    }
}
