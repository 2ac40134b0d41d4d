//! `largest-of`: the largest of several policies. A pool is short when any of them finds it short, and is then filled
//! to the largest depth that one of them asks for.

use serde::{Deserialize, Serialize};

use super::{Certain, Depth, Kind, Rule, View};
use crate::policy::Problem;
use crate::protocol::Goal;
use crate::time::{Time, WallClock};

/// The largest of several policies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LargestOf {
    /// The policies; one or more.
    pub of: Vec<Depth>,
}

impl Kind for LargestOf {
    fn validate(&self) -> Result<(), Problem> {
        if self.of.is_empty() {
            return Err(Problem::new("of", "is empty", "name one or more depth policies"));
        }
        for (index, depth) in self.of.iter().enumerate() {
            depth.validate().map_err(|problem| problem.under(&format!("of.{index}")))?;
        }
        Ok(())
    }

    fn certain(&self) -> Certain {
        let each =
            self.of.iter().enumerate().map(|(index, depth)| depth.certain().under(&format!("of.{index}")));
        each.reduce(Certain::or).unwrap_or(Certain::new("of", 0))
    }

    fn rule(&self, epoch: WallClock) -> Box<dyn Rule> {
        Box::new(Largest { of: self.of.iter().map(|depth| depth.rule(epoch)).collect() })
    }
}

/// The larger of two goals, mark by mark: so neither is ever violated.
pub(super) fn larger(one: Goal, other: Goal) -> Goal {
    Goal { low: one.low.max(other.low), high: one.high.max(other.high) }
}

#[derive(Debug)]
struct Largest {
    of: Vec<Box<dyn Rule>>,
}

impl Rule for Largest {
    fn demand(&mut self, now: Time, missed: bool) {
        for rule in &mut self.of {
            rule.demand(now, missed);
        }
    }

    fn goal(&mut self, view: &View) -> Goal {
        self.of.iter_mut().map(|rule| rule.goal(view)).fold(Goal::default(), larger)
    }

    fn changes_at(&self) -> Option<Time> {
        self.of.iter().filter_map(|rule| rule.changes_at()).min()
    }

    fn needs_in_use(&self) -> bool {
        self.of.iter().any(|rule| rule.needs_in_use())
    }

    fn needs_lead_time(&self) -> bool {
        self.of.iter().any(|rule| rule.needs_lead_time())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::depth::{Buffer, Fixed, Watermark, test_view};

    fn goal(of: Vec<Depth>) -> Goal {
        LargestOf { of }.rule(WallClock::default()).goal(&test_view(0.0))
    }

    #[test]
    fn each_mark_is_the_largest() {
        let wide = Depth::Watermark(Watermark { low: 2, high: 20 });
        let narrow = Depth::Fixed(Fixed { ready: 10 });
        assert_eq!(goal(vec![wide.clone(), narrow.clone()]), Goal { low: 9, high: 20 });
        assert_eq!(goal(vec![narrow, wide]), Goal { low: 9, high: 20 });
        assert_eq!(goal(vec![Depth::Fixed(Fixed { ready: 0 })]), Goal::exactly(0));
    }

    #[test]
    fn what_one_needs_all_need() {
        let buffer: Buffer = toml::from_str("max = 4\npercent = 10.0").unwrap();
        let of = vec![Depth::Fixed(Fixed { ready: 1 }), Depth::Buffer(buffer)];
        let rule = LargestOf { of }.rule(WallClock::default());
        assert!(rule.needs_in_use() && !rule.needs_lead_time());
    }

    #[test]
    fn problems_are_found_inside() {
        let bad = Depth::Watermark(Watermark { low: 2, high: 2 });
        let of = vec![Depth::Fixed(Fixed { ready: 1 }), Depth::LargestOf(LargestOf { of: vec![bad] })];
        assert_eq!(LargestOf { of }.validate().expect_err("invalid").key, "of.1.of.0.low");
        assert_eq!(LargestOf { of: vec![] }.validate().expect_err("invalid").key, "of");
    }
}
