//! The refill orders of one worker that have not begun: first those for requests that wait, then those for the pools,
//! in turns between pools.

use std::collections::VecDeque;

use crate::protocol::ActorId;

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Orders {
    urgent: VecDeque<Order>,
    spare: VecDeque<Order>,
}

#[derive(Clone, Copy, Debug)]
struct Order {
    refiller: ActorId,
    pool: ActorId,
    count: u32,
}

impl Orders {
    pub(super) fn add(&mut self, refiller: ActorId, pool: ActorId, urgent: u32, spare: u32) {
        for (queue, count) in [(&mut self.urgent, urgent), (&mut self.spare, spare)] {
            if count == 0 {
                continue;
            }
            match queue.iter_mut().find(|order| order.refiller == refiller) {
                Some(order) => order.count += count,
                None => queue.push_back(Order { refiller, pool, count }),
            }
        }
    }

    /// The pool whose boot is next. Pools of the same urgency take turns.
    pub(super) fn pop(&mut self) -> Option<ActorId> {
        let queue = if self.urgent.is_empty() { &mut self.spare } else { &mut self.urgent };
        let order = queue.front_mut()?;
        let pool = order.pool;
        order.count -= 1;
        if order.count == 0 {
            queue.pop_front();
        } else if queue.len() > 1 {
            queue.rotate_left(1);
        }
        Some(pool)
    }

    /// Withdraws up to `count` orders of this Refiller, those for its pool first; says how many there were.
    pub(super) fn cancel(&mut self, refiller: ActorId, count: u32) -> u32 {
        let mut left = count;
        for queue in [&mut self.spare, &mut self.urgent] {
            let Some(index) = queue.iter().position(|order| order.refiller == refiller) else { continue };
            let gone = left.min(queue[index].count);
            left -= gone;
            queue[index].count -= gone;
            if queue[index].count == 0 {
                queue.remove(index);
            }
        }
        count - left
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
