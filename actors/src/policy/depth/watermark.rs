//! `watermark`: when no more than `low` Sprites are ready or on their way, order up to `high`. This is the (s, S)
//! policy of inventory theory (Arrow, Harris and Marschak, "Optimal Inventory Policy", Econometrica 1951), which pays
//! where an order costs something in itself.

use serde::{Deserialize, Serialize};

use super::{Certain, Kind, Rule, View};
use crate::policy::Problem;
use crate::protocol::Goal;
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

impl Kind for Watermark {
    fn validate(&self) -> Result<(), Problem> {
        if self.low >= self.high {
            let wrong = format!("is {}, not below `high` ({})", self.low, self.high);
            return Err(Problem::new("low", wrong, "lower it, or raise `high`"));
        }
        Ok(())
    }

    fn certain(&self) -> Certain {
        Certain::new("high", self.high)
    }

    fn rule(&self, _epoch: WallClock) -> Box<dyn Rule> {
        Box::new(*self)
    }
}

impl Rule for Watermark {
    fn goal(&mut self, _view: &View) -> Goal {
        Goal { low: self.low, high: self.high }
    }

    fn is_constant(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::depth::test_view;

    #[test]
    fn aims_between_the_marks() {
        let mut rule = Watermark { low: 4, high: 16 }.rule(WallClock::default());
        assert_eq!(rule.goal(&test_view(0.0)), Goal { low: 4, high: 16 });
        assert_eq!(rule.changes_at(), None);
    }

    #[test]
    fn low_must_be_below_high() {
        for (low, high) in [(3, 3), (4, 3), (0, 0)] {
            assert_eq!(Watermark { low, high }.validate().expect_err("invalid").key, "low");
        }
        assert_eq!(Watermark { low: 0, high: 1 }.validate(), Ok(()));
    }
}
