//! `watermark`: when no more than `low` Sprites are ready or on their way, order up to `high`. This is the
//! (s, S) policy of inventory theory (Arrow, Harris and Marschak, "Optimal Inventory Policy", Econometrica
//! 1951), which pays where an order costs something in itself.

use serde::{Deserialize, Serialize};

use super::{Controller, GuaranteedDepth, PolicyConfig, View};
use crate::policy::Problem;
use crate::protocol::Target;
use crate::time::WallClock;

/// Order up to `high` when no more than `low` are left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Watermark {
    /// The reorder point, in Sprites that are ready or on their way; below `high`.
    pub low: u32,
    /// The depth, in Sprites.
    pub high: u32,
}

impl PolicyConfig for Watermark {
    fn validate(&self) -> Result<(), Problem> {
        if self.low >= self.high {
            let wrong = format!("is {}, not below `high` ({})", self.low, self.high);
            return Err(Problem::new("low", wrong, "lower it, or raise `high`"));
        }
        Ok(())
    }

    fn constant_depth(&self) -> Option<u32> {
        Some(self.high)
    }

    fn guaranteed_depth(&self) -> GuaranteedDepth {
        GuaranteedDepth::new("high", self.high)
    }

    fn controller(&self, _epoch: WallClock) -> Box<dyn Controller> {
        Box::new(*self)
    }
}

impl Controller for Watermark {
    fn target(&mut self, _view: &View) -> Target {
        Target { reorder_at: self.low, depth: self.high }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::depth::test_view;

    #[test]
    fn aims_between_the_marks() {
        let mut controller = Watermark { low: 4, high: 16 }.controller(WallClock::default());
        assert_eq!(controller.target(&test_view(0.0)), Target { reorder_at: 4, depth: 16 });
        assert_eq!(controller.changes_at(), None);
    }

    #[test]
    fn low_must_be_below_high() {
        for (low, high) in [(3, 3), (4, 3), (0, 0)] {
            assert_eq!(Watermark { low, high }.validate().expect_err("invalid").key, "low");
        }
        assert_eq!(Watermark { low: 0, high: 1 }.validate(), Ok(()));
    }
}
