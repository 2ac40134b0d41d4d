//! `largest-of`: the largest of several policies. A pool is short when any of them finds it short, and is
//! then filled to the largest depth that one of them asks for.

use serde::{Deserialize, Serialize};

use super::{Controller, Depth, GuaranteedDepth, PolicyConfig, View};
use crate::policy::Problem;
use crate::protocol::Target;
use crate::time::{Time, WallClock};

/// The largest of several policies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LargestOf {
    /// The policies; one or more.
    pub of: Vec<Depth>,
}

impl PolicyConfig for LargestOf {
    fn validate(&self) -> Result<(), Problem> {
        if self.of.is_empty() {
            return Err(Problem::new("of", "is empty", "name one or more depth policies"));
        }
        for (index, depth) in self.of.iter().enumerate() {
            depth.validate().map_err(|problem| problem.under(&format!("of.{index}")))?;
        }
        Ok(())
    }

    fn guaranteed_depth(&self) -> GuaranteedDepth {
        let each = self
            .of
            .iter()
            .enumerate()
            .map(|(index, depth)| depth.guaranteed_depth().under(&format!("of.{index}")));
        each.reduce(GuaranteedDepth::or).unwrap_or(GuaranteedDepth::new("of", 0))
    }

    fn controller(&self, epoch: WallClock) -> Box<dyn Controller> {
        Box::new(Largest { of: self.of.iter().map(|depth| depth.controller(epoch)).collect() })
    }
}

/// The larger of two targets, mark by mark: so neither is ever violated.
pub(super) fn larger(one: Target, other: Target) -> Target {
    Target { reorder_at: one.reorder_at.max(other.reorder_at), depth: one.depth.max(other.depth) }
}

#[derive(Debug)]
struct Largest {
    of: Vec<Box<dyn Controller>>,
}

impl Controller for Largest {
    fn demand(&mut self, now: Time, missed: bool) {
        for controller in &mut self.of {
            controller.demand(now, missed);
        }
    }

    fn target(&mut self, view: &View) -> Target {
        self.of.iter_mut().map(|controller| controller.target(view)).fold(Target::default(), larger)
    }

    fn changes_at(&self) -> Option<Time> {
        self.of.iter().filter_map(|controller| controller.changes_at()).min()
    }

    fn needs_in_use(&self) -> bool {
        self.of.iter().any(|controller| controller.needs_in_use())
    }

    fn needs_lead_time(&self) -> bool {
        self.of.iter().any(|controller| controller.needs_lead_time())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::depth::{Buffer, Fixed, Watermark, test_view};

    fn target(of: Vec<Depth>) -> Target {
        LargestOf { of }.controller(WallClock::default()).target(&test_view(0.0))
    }

    #[test]
    fn each_mark_is_the_largest() {
        let wide = Depth::Watermark(Watermark { low: 2, high: 20 });
        let narrow = Depth::Fixed(Fixed { ready: 10 });
        assert_eq!(target(vec![wide.clone(), narrow.clone()]), Target { reorder_at: 9, depth: 20 });
        assert_eq!(target(vec![narrow, wide]), Target { reorder_at: 9, depth: 20 });
        assert_eq!(target(vec![Depth::Fixed(Fixed { ready: 0 })]), Target::exactly(0));
    }

    #[test]
    fn what_one_needs_all_need() {
        let buffer: Buffer = toml::from_str("max = 4\npercent = 10.0").unwrap();
        let of = vec![Depth::Fixed(Fixed { ready: 1 }), Depth::Buffer(buffer)];
        let controller = LargestOf { of }.controller(WallClock::default());
        assert!(controller.needs_in_use() && !controller.needs_lead_time());
    }

    #[test]
    fn problems_are_found_inside() {
        let bad = Depth::Watermark(Watermark { low: 2, high: 2 });
        let of = vec![Depth::Fixed(Fixed { ready: 1 }), Depth::LargestOf(LargestOf { of: vec![bad] })];
        assert_eq!(LargestOf { of }.validate().expect_err("invalid").key, "of.1.of.0.low");
        assert_eq!(LargestOf { of: vec![] }.validate().expect_err("invalid").key, "of");
    }
}
