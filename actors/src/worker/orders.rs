//! What waits for one of a worker's boots: first VMs for requests, then the refill orders for requests that
//! wait, then those for the pools, in turns between pools.

use std::collections::VecDeque;

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
    /// The Refillers who know that orders of theirs wait, by address.
    told: Vec<ActorId>,
    /// What they know that these wait for.
    cause: Option<Cause>,
    /// Those whose orders have become more or fewer since.
    changed: Vec<ActorId>,
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

    /// The order whose turn it is, for one boot. If its pool has ordered more, its next turn comes after all
    /// others.
    fn pop(&mut self) -> Option<Order> {
        let order = self.0.pop_front()?;
        if order.count > 1 {
            self.0.push_back(Order { count: order.count - 1, ..order });
        }
        Some(order)
    }

    fn has(&self, refiller: ActorId) -> bool {
        self.0.iter().any(|order| order.refiller == refiller)
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
        self.changed.push(refiller);
    }

    /// A request that has a slot needs a boot.
    pub(super) fn add_make(&mut self, make: Make) {
        self.makes.push_back(make);
    }

    /// Whether VMs for requests, which have their slots, wait for a boot.
    pub(super) fn has_makes(&self) -> bool {
        !self.makes.is_empty()
    }

    /// What is next, for a worker that has a slot for it or has not. Pools of the same urgency take turns.
    pub(super) fn pop(&mut self, has_slot: bool) -> Option<Next> {
        if let Some(make) = self.makes.pop_front() {
            return Some(Next::Make(make));
        }
        if !has_slot {
            return None;
        }
        let order = self.urgent.pop().or_else(|| self.spare.pop())?;
        self.changed.push(order.refiller);
        Some(Next::Refill(order.pool))
    }

    /// Withdraws up to `count` orders of this Refiller, those for its pool first; says how many there were.
    pub(super) fn cancel(&mut self, refiller: ActorId, count: u32) -> u32 {
        self.changed.push(refiller);
        let spare = self.spare.cancel(refiller, count);
        spare + self.urgent.cancel(refiller, count - spare)
    }

    /// Tells each Refiller what its orders wait for, if those that wait now wait for this, and that none wait
    /// any more; but nobody what he knows.
    pub(super) fn news(&mut self, cause: Cause, mut tell: impl FnMut(ActorId, Option<Cause>)) {
        let is_known = self.cause == Some(cause);
        for refiller in self.changed.drain(..) {
            let waits = self.urgent.has(refiller) || self.spare.has(refiller);
            match self.told.binary_search(&refiller) {
                Ok(place) if !waits => {
                    self.told.remove(place);
                    tell(refiller, None);
                }
                Err(place) if waits => {
                    self.told.insert(place, refiller);
                    if is_known {
                        tell(refiller, Some(cause));
                    }
                }
                Ok(_) | Err(_) => {}
            }
        }
        if !is_known {
            self.cause = Some(cause);
            self.told.iter().for_each(|refiller| tell(*refiller, Some(cause)));
        }
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
    fn a_refiller_is_told_what_its_orders_wait_for_once() {
        let mut orders = Orders::default();
        let news = |orders: &mut Orders, cause| {
            let mut told = Vec::new();
            orders.news(cause, |refiller, cause| told.push((refiller.0, cause)));
            told
        };
        orders.add(ActorId(2), ActorId(20), 0, 1);
        orders.add(ActorId(1), ActorId(10), 1, 1);
        let (boots, slots) = (Cause::BootSlots, Cause::SlotsFull);
        assert_eq!(news(&mut orders, boots), [(1, Some(boots)), (2, Some(boots))]);
        assert!(news(&mut orders, boots).is_empty());
        orders.pop(true);
        assert!(news(&mut orders, boots).is_empty(), "one of its two orders still waits");
        assert_eq!(news(&mut orders, slots), [(1, Some(slots)), (2, Some(slots))]);
        orders.pop(true);
        assert_eq!(news(&mut orders, slots), [(2, None)]);
        orders.add(ActorId(2), ActorId(20), 1, 0);
        orders.cancel(ActorId(1), 1);
        assert_eq!(news(&mut orders, slots), [(2, Some(slots)), (1, None)]);
        orders.add(ActorId(1), ActorId(10), 1, 0);
        orders.cancel(ActorId(1), 1);
        assert!(news(&mut orders, slots).is_empty(), "nothing waits longer than this message");
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
