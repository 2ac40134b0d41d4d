//! What waits for one of a worker's boots: first VMs for requests, then the refill orders for requests that wait, then
//! those for the pools, in turns between pools.

use std::collections::VecDeque;

use crate::protocol::{ActorId, Request};

/// A VM that is to be made for a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Make {
    pub(super) pool: ActorId,
    pub(super) request: Request,
    pub(super) step: u8,
    pub(super) create: bool,
}

/// What boots next.
pub(super) enum Next {
    /// A VM for a request, which has its slot.
    Make(Make),
    /// A Sprite for this pool, which takes a slot.
    Refill(ActorId),
}

/// See the [module](self). What every boot touches comes first, in one cache line with the Worker's own counters.
#[derive(Debug, Default)]
#[repr(C)]
pub(super) struct Orders {
    /// Boots that wait, of all kinds.
    len: u32,
    spare: Turns,
    urgent: Turns,
    more: Box<More>,
}

/// What most workers never have: VMs for requests that wait for a boot, and a second pool.
#[derive(Debug, Default)]
struct More {
    makes: VecDeque<Make>,
    spare: VecDeque<Order>,
    urgent: VecDeque<Order>,
}

#[derive(Clone, Copy, Debug)]
struct Order {
    refiller: ActorId,
    pool: ActorId,
    count: u32,
}

/// Orders of several pools, which take turns. All but the first lie in a list of [`More`].
#[derive(Debug)]
#[repr(C)]
struct Turns {
    /// Boots, of all pools together.
    len: u32,
    /// Whose turn it is; nobody's when its count is zero.
    first: Order,
}

impl Default for Turns {
    fn default() -> Self {
        Self { len: 0, first: Order { refiller: ActorId::OUTSIDE, pool: ActorId::OUTSIDE, count: 0 } }
    }
}

impl Turns {
    #[inline]
    fn add(&mut self, others: &mut VecDeque<Order>, new: Order) {
        self.len += new.count;
        if new.count == 0 {
        } else if self.first.count == 0 {
            self.first = new;
        } else if self.first.refiller == new.refiller {
            self.first.count += new.count;
        } else {
            match others.iter_mut().find(|order| order.refiller == new.refiller) {
                Some(order) => order.count += new.count,
                None => others.push_back(new),
            }
        }
    }

    #[inline]
    fn pop(&mut self, others: &mut VecDeque<Order>) -> Option<ActorId> {
        if self.len == 0 {
            return None;
        }
        self.len -= 1;
        self.first.count -= 1;
        let pool = self.first.pool;
        if self.len > self.first.count {
            self.turn(others);
        }
        Some(pool)
    }

    /// The next in turn becomes the first, and the first the last if it has any left.
    fn turn(&mut self, others: &mut VecDeque<Order>) {
        let Some(next) = others.pop_front() else { return };
        let before = std::mem::replace(&mut self.first, next);
        if before.count > 0 {
            others.push_back(before);
        }
    }

    /// Withdraws up to so many orders of this Refiller; says how many there were.
    fn cancel(&mut self, others: &mut VecDeque<Order>, refiller: ActorId, count: u32) -> u32 {
        if self.first.count > 0 && self.first.refiller == refiller {
            let gone = count.min(self.first.count);
            self.len -= gone;
            self.first.count -= gone;
            if self.first.count == 0 {
                self.turn(others);
            }
            return gone;
        }
        let Some(index) = others.iter().position(|order| order.refiller == refiller) else { return 0 };
        let order = &mut others[index];
        let gone = count.min(order.count);
        self.len -= gone;
        order.count -= gone;
        if order.count == 0 {
            others.remove(index);
        }
        gone
    }
}

impl Orders {
    /// A Refiller orders boots for its pool.
    #[inline]
    pub(super) fn add(&mut self, refiller: ActorId, pool: ActorId, urgent: u32, spare: u32) {
        self.len += urgent + spare;
        self.urgent.add(&mut self.more.urgent, Order { refiller, pool, count: urgent });
        self.spare.add(&mut self.more.spare, Order { refiller, pool, count: spare });
    }

    /// A request that has a slot needs a boot.
    pub(super) fn add_make(&mut self, make: Make) {
        self.len += 1;
        self.more.makes.push_back(make);
    }

    /// What is next, for a worker that has a slot for it or has not. Pools of the same urgency take turns.
    #[inline]
    pub(super) fn pop(&mut self, has_slot: bool) -> Option<Next> {
        if self.len == 0 {
            return None;
        }
        let refills = self.urgent.len + self.spare.len;
        let next = if self.len > refills {
            Next::Make(self.more.makes.pop_front()?)
        } else if !has_slot {
            return None;
        } else {
            let urgent = self.urgent.pop(&mut self.more.urgent);
            Next::Refill(urgent.or_else(|| self.spare.pop(&mut self.more.spare))?)
        };
        self.len -= 1;
        Some(next)
    }

    /// Withdraws up to `count` orders of this Refiller, those for its pool first; says how many there were.
    pub(super) fn cancel(&mut self, refiller: ActorId, count: u32) -> u32 {
        let spare = self.spare.cancel(&mut self.more.spare, refiller, count);
        let gone = spare + self.urgent.cancel(&mut self.more.urgent, refiller, count - spare);
        self.len -= gone;
        gone
    }

    /// All VMs for requests; the orders for pools are withdrawn.
    pub(super) fn into_makes(self) -> VecDeque<Make> {
        self.more.makes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(orders: &mut Orders) -> Vec<u32> {
        let refill = |next| match next {
            Next::Refill(pool) => pool.0,
            Next::Make(make) => panic!("nobody asked for {make:?}"),
        };
        std::iter::from_fn(|| orders.pop(true)).map(refill).collect()
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

    #[test]
    fn requests_go_first_and_need_no_other_slot() {
        let make = |step| Make { pool: ActorId(10), request: Request::default(), step, create: false };
        let mut orders = Orders::default();
        orders.add(ActorId(1), ActorId(10), 1, 1);
        orders.add_make(make(1));
        orders.add_make(make(2));
        assert!(matches!(orders.pop(false), Some(Next::Make(Make { step: 1, .. }))));
        assert!(matches!(orders.pop(false), Some(Next::Make(Make { step: 2, .. }))));
        assert!(orders.pop(false).is_none(), "a refill needs a slot");
        assert_eq!(drain(&mut orders), [10, 10]);
    }
}
