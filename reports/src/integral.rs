//! The time integral of a level that changes often and is asked for seldom.

/// A level and its integral over time. A change costs one multiplication and no look at when the last change
/// was: the integral from `a` to `b` of a level that changes by `d` at `t` is
/// `level(b) b - level(a) a - sum of d t`. Sums wrap, which is exact as long as one settled stretch (level
/// times nanoseconds) fits in 64 bits.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Integral {
    level: i64,
    owed: u64,
}

impl Integral {
    /// The level now.
    #[inline]
    pub(crate) fn level(&self) -> i64 {
        self.level
    }

    /// The level as a count, for levels that never fall below zero.
    #[inline]
    pub(crate) fn count(&self) -> u64 {
        self.level.max(0) as u64
    }

    /// The level changes by so much at time `t`.
    #[inline]
    pub(crate) fn change(&mut self, t: u64, by: i64) {
        self.level += by;
        self.owed = self.owed.wrapping_sub((by as u64).wrapping_mul(t));
    }

    /// The level rises by one at time `t`.
    #[inline]
    pub(crate) fn rise(&mut self, t: u64) {
        self.level += 1;
        self.owed = self.owed.wrapping_sub(t);
    }

    /// The level falls by one at time `t`.
    #[inline]
    pub(crate) fn fall(&mut self, t: u64) {
        self.level -= 1;
        self.owed = self.owed.wrapping_add(t);
    }

    /// The integral since it was settled last, up to `t`.
    #[inline]
    pub(crate) fn settle(&mut self, t: u64) -> u64 {
        let product = (self.level as u64).wrapping_mul(t);
        let since = product.wrapping_add(self.owed);
        self.owed = product.wrapping_neg();
        since
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_add_up_to_the_whole() {
        let mut level = Integral::default();
        level.change(0, 3);
        level.change(10, -2);
        assert_eq!(level.settle(15), 30 + 5);
        level.change(20, 4);
        assert_eq!(level.settle(30), 5 + 50);
        level.rise(40);
        level.fall(45);
        assert_eq!(level.settle(50), 100 + 5);
        assert_eq!((level.level(), level.count()), (5, 5));
    }
}
