//! What waits for one of a worker's boots: first VMs for requests, then the refill orders for requests that
//! wait, then those for the pools, in turns between pools.

use std::collections::{BTreeMap, VecDeque};

use crate::protocol::{ActorId, Cause, Making, Request, StepIndex};

/// A VM that is to be made for a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Make {
    pub(super) pool: ActorId,
    pub(super) request: Request,
    pub(super) step: StepIndex,
    pub(super) making: Making,
}

/// What boots next.
pub(super) enum Next {
    /// A VM for a request, which has its slot.
    Make(Make),
    /// A Sprite for this pool, which takes a slot.
    Refill(ActorId),
}

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Orders {
    makes: VecDeque<Make>,
    urgent: Turns,
    spare: Turns,
    /// What each Refiller was told that its orders wait for, where any do.
    told: BTreeMap<ActorId, Cause>,
    /// What whoever has orders here was told last.
    cause: Option<Cause>,
    /// Others have orders here than were told.
    has_changed: bool,
}

/// What one Refiller has ordered for its pool.
#[derive(Clone, Copy, Debug)]
struct Order {
    refiller: ActorId,
    pool: ActorId,
    count: u32,
}

/// Orders of several pools, of which none is for zero boots; the first has the next turn.
#[derive(Debug, Default)]
struct Turns(VecDeque<Order>);

impl Turns {
    fn add(&mut self, new: Order) {
        if new.count == 0 {
            return;
        }
        match self.0.iter_mut().find(|order| order.refiller == new.refiller) {
            Some(order) => order.count += new.count,
            None => self.0.push_back(new),
        }
    }

    /// The pool whose turn it is. If it has ordered more, its next turn comes after all others.
    fn pop(&mut self) -> Option<ActorId> {
        let order = self.0.pop_front()?;
        if order.count > 1 {
            self.0.push_back(Order { count: order.count - 1, ..order });
        }
        Some(order.pool)
    }

    /// Withdraws up to so many orders of this Refiller; says how many there were.
    fn cancel(&mut self, refiller: ActorId, count: u32) -> u32 {
        let Some(index) = self.0.iter().position(|order| order.refiller == refiller) else { return 0 };
        let cancelled = count.min(self.0[index].count);
        self.0[index].count -= cancelled;
        if self.0[index].count == 0 {
            self.0.remove(index);
        }
        cancelled
    }
}

impl Orders {
    /// A Refiller orders boots for its pool.
    pub(super) fn add(&mut self, refiller: ActorId, pool: ActorId, urgent: u32, spare: u32) {
        self.urgent.add(Order { refiller, pool, count: urgent });
        self.spare.add(Order { refiller, pool, count: spare });
        self.has_changed |= !self.told.contains_key(&refiller);
    }

    /// A request that has a slot needs a boot.
    pub(super) fn add_make(&mut self, make: Make) {
        self.makes.push_back(make);
    }

    /// What is next, for a worker that has a slot for it or has not. Pools of the same urgency take turns.
    pub(super) fn pop(&mut self, has_slot: bool) -> Option<Next> {
        if let Some(make) = self.makes.pop_front() {
            return Some(Next::Make(make));
        }
        if !has_slot {
            return None;
        }
        self.has_changed = true;
        self.urgent.pop().or_else(|| self.spare.pop()).map(Next::Refill)
    }

    /// Withdraws up to `count` orders of this Refiller, those for its pool first; says how many there were.
    pub(super) fn cancel(&mut self, refiller: ActorId, count: u32) -> u32 {
        self.has_changed = true;
        let spare = self.spare.cancel(refiller, count);
        spare + self.urgent.cancel(refiller, count - spare)
    }

    /// Which Refillers have to be told something else about what their orders wait for, if those that wait
    /// now wait for this.
    pub(super) fn news(&mut self, cause: Cause) -> Vec<(ActorId, Option<Cause>)> {
        if !self.has_changed && self.cause == Some(cause) {
            return Vec::new();
        }
        (self.has_changed, self.cause) = (false, Some(cause));
        let waiting: BTreeMap<ActorId, Cause> =
            self.urgent.0.iter().chain(&self.spare.0).map(|order| (order.refiller, cause)).collect();
        let was = std::mem::replace(&mut self.told, waiting);
        let ended =
            was.keys().filter(|refiller| !self.told.contains_key(refiller)).map(|refiller| (*refiller, None));
        let begun = self.told.iter().filter(|(refiller, cause)| was.get(refiller) != Some(cause));
        ended.chain(begun.map(|(refiller, cause)| (*refiller, Some(*cause)))).collect()
    }

    /// All VMs for requests; the orders for pools are withdrawn.
    pub(super) fn into_makes(self) -> VecDeque<Make> {
        self.makes
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
        let make = |step| Make {
            pool: ActorId(10),
            request: Request::default(),
            step: StepIndex(step),
            making: Making::Boot,
        };
        let mut orders = Orders::default();
        orders.add(ActorId(1), ActorId(10), 1, 1);
        orders.add_make(make(1));
        orders.add_make(make(2));
        assert!(matches!(orders.pop(false), Some(Next::Make(Make { step: StepIndex(1), .. }))));
        assert!(matches!(orders.pop(false), Some(Next::Make(Make { step: StepIndex(2), .. }))));
        assert!(orders.pop(false).is_none(), "a refill needs a slot");
        assert_eq!(drain(&mut orders), [10, 10]);
    }
}
