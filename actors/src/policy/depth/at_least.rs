//! `at-least`: a floor under another policy.

use serde::{Deserialize, Serialize};

use super::largest_of::larger;
use super::{Certain, Depth, Kind, Rule, View};
use crate::policy::Problem;
use crate::protocol::Goal;
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

impl Kind for AtLeast {
    fn validate(&self) -> Result<(), Problem> {
        self.of.validate().map_err(|problem| problem.under("of"))
    }

    fn certain(&self) -> Certain {
        Certain::new("ready", self.ready).or(self.of.certain().under("of"))
    }

    fn rule(&self, epoch: WallClock) -> Box<dyn Rule> {
        Box::new(Floor { goal: Goal::exactly(self.ready), of: self.of.rule(epoch) })
    }
}

#[derive(Debug)]
struct Floor {
    goal: Goal,
    of: Box<dyn Rule>,
}

impl Rule for Floor {
    fn demand(&mut self, now: Time, missed: bool) {
        self.of.demand(now, missed);
    }

    fn goal(&mut self, view: &View) -> Goal {
        larger(self.goal, self.of.goal(view))
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
        let goal =
            |ready, of| AtLeast { ready, of: Box::new(of) }.rule(WallClock::default()).goal(&test_view(0.0));
        assert_eq!(goal(5, Depth::Fixed(Fixed { ready: 3 })), Goal::exactly(5));
        assert_eq!(goal(5, Depth::Fixed(Fixed { ready: 8 })), Goal::exactly(8));
        assert_eq!(goal(5, Depth::Watermark(Watermark { low: 1, high: 9 })), Goal { low: 4, high: 9 });
        assert_eq!(goal(0, Depth::Fixed(Fixed { ready: 0 })), Goal::exactly(0));
    }

    #[test]
    fn problems_are_found_inside() {
        let of = Box::new(Depth::Watermark(Watermark { low: 2, high: 2 }));
        assert_eq!(AtLeast { ready: 1, of }.validate().expect_err("invalid").key, "of.low");
    }
}
