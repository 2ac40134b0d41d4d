//! The refill orders of one worker that have not begun: first those for requests that wait, then those for the pools,
//! in turns between pools.

use std::collections::VecDeque;

use crate::protocol::ActorId;

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Orders {
    spare: Turns,
    urgent: Turns,
}

#[derive(Clone, Copy, Debug)]
struct Order {
    refiller: ActorId,
    pool: ActorId,
    count: u32,
}

/// Orders of several pools, which take turns.
#[derive(Debug)]
#[repr(C)]
struct Turns {
    /// Whose turn it is; nobody's when its count is zero. Apart from the others, for most workers have one pool only.
    first: Order,
    others: VecDeque<Order>,
}

impl Default for Turns {
    fn default() -> Self {
        let nobody = Order { refiller: ActorId::OUTSIDE, pool: ActorId::OUTSIDE, count: 0 };
        Self { first: nobody, others: VecDeque::new() }
    }
}

impl Turns {
    #[inline]
    fn add(&mut self, new: Order) {
        if new.count == 0 {
        } else if self.first.count == 0 {
            self.first = new;
        } else if self.first.refiller == new.refiller {
            self.first.count += new.count;
        } else {
            match self.others.iter_mut().find(|order| order.refiller == new.refiller) {
                Some(order) => order.count += new.count,
                None => self.others.push_back(new),
            }
        }
    }

    #[inline]
    fn pop(&mut self) -> Option<ActorId> {
        if self.first.count == 0 {
            return None;
        }
        self.first.count -= 1;
        let pool = self.first.pool;
        if !self.others.is_empty() {
            self.turn();
        }
        Some(pool)
    }

    /// The next in turn becomes the first, and the first the last if it has any left.
    fn turn(&mut self) {
        let Some(next) = self.others.pop_front() else { return };
        let before = std::mem::replace(&mut self.first, next);
        if before.count > 0 {
            self.others.push_back(before);
        }
    }

    /// Withdraws up to so many orders of this Refiller; says how many there were.
    fn cancel(&mut self, refiller: ActorId, count: u32) -> u32 {
        if self.first.count > 0 && self.first.refiller == refiller {
            let gone = count.min(self.first.count);
            self.first.count -= gone;
            if self.first.count == 0 {
                self.turn();
            }
            return gone;
        }
        let Some(index) = self.others.iter().position(|order| order.refiller == refiller) else { return 0 };
        let order = &mut self.others[index];
        let gone = count.min(order.count);
        order.count -= gone;
        if order.count == 0 {
            self.others.remove(index);
        }
        gone
    }
}

impl Orders {
    #[inline]
    pub(super) fn add(&mut self, refiller: ActorId, pool: ActorId, urgent: u32, spare: u32) {
        self.urgent.add(Order { refiller, pool, count: urgent });
        self.spare.add(Order { refiller, pool, count: spare });
    }

    /// The pool whose boot is next. Pools of the same urgency take turns.
    #[inline]
    pub(super) fn pop(&mut self) -> Option<ActorId> {
        self.urgent.pop().or_else(|| self.spare.pop())
    }

    /// Withdraws up to `count` orders of this Refiller, those for its pool first; says how many there were.
    pub(super) fn cancel(&mut self, refiller: ActorId, count: u32) -> u32 {
        let spare = self.spare.cancel(refiller, count);
        spare + self.urgent.cancel(refiller, count - spare)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(orders: &mut Orders) -> Vec<u32> {
        std::iter::from_fn(|| orders.pop()).map(|pool| pool.0).collect()
    }

    #[test]
    fn waiting_requests_come_first_then_pools_take_turns() {
        let mut orders = Orders::default();
        orders.add(ActorId(1), ActorId(10), 0, 2);
        orders.add(ActorId(2), ActorId(20), 0, 2);
        orders.add(ActorId(3), ActorId(30), 1, 1);
        assert_eq!(drain(&mut orders), [30, 10, 20, 30, 10, 20]);
    }

    #[test]
    fn cancelling_takes_only_what_is_there_and_only_ones_own() {
        let mut orders = Orders::default();
        orders.add(ActorId(1), ActorId(10), 1, 2);
        orders.add(ActorId(2), ActorId(20), 0, 1);
        assert_eq!(orders.cancel(ActorId(1), 2), 2);
        assert_eq!(orders.cancel(ActorId(1), 5), 1);
        assert_eq!(orders.cancel(ActorId(1), 5), 0);
        assert_eq!(drain(&mut orders), [20]);
    }
}
