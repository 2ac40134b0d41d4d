//! The actors' named timers, as slack as those of a real host: a timer fires at the first tick of the grid
//! after its time, plus the lag with which a runtime notices it.
//!
//! A timer that is armed again for later keeps its place in the queue and is put off when that place comes
//! up, so that a timer which every request puts off costs no memory per request.

use std::collections::BTreeMap;

use actors::protocol::Timer;
use actors::{ActorId, Time};

use crate::queue::{Event, Queue};

/// See the [module](self).
#[derive(Default)]
pub(crate) struct Timers {
    armed: BTreeMap<(ActorId, Timer), Armed>,
}

#[derive(Clone, Copy)]
struct Armed {
    /// When it fires; `None` when it was disarmed, or has fired, but still has a place in the queue.
    due: Option<Time>,
    /// The earliest place that it has in the queue.
    queued: Time,
}

impl Timers {
    /// Arms a timer, or arms it again.
    pub(crate) fn arm(&mut self, queue: &mut Queue, to: ActorId, timer: Timer, due: Time) {
        let event = Event::Timer { to, timer };
        match self.armed.get_mut(&(to, timer)) {
            Some(armed) if armed.queued <= due => armed.due = Some(due),
            Some(armed) => {
                *armed = Armed { due: Some(due), queued: due };
                queue.push_at(due, event);
            }
            None => {
                self.armed.insert((to, timer), Armed { due: Some(due), queued: due });
                queue.push_at(due, event);
            }
        }
    }

    /// Disarms a timer, if it is armed.
    pub(crate) fn disarm(&mut self, to: ActorId, timer: Timer) {
        if let Some(armed) = self.armed.get_mut(&(to, timer)) {
            armed.due = None;
        }
    }

    /// A place in the queue has come up, but nothing happens there before `until`.
    pub(crate) fn put_off(&mut self, queue: &mut Queue, to: ActorId, timer: Timer, now: Time, until: Time) {
        if let Some(armed) = self.armed.get_mut(&(to, timer))
            && armed.queued == now
        {
            armed.queued = until;
            queue.push_at(until, Event::Timer { to, timer });
        }
    }

    /// A place in the queue has come up: says whether the timer fires now, and puts it off when it was armed
    /// again.
    pub(crate) fn fires(&mut self, queue: &mut Queue, to: ActorId, timer: Timer, now: Time) -> bool {
        let Some(armed) = self.armed.get_mut(&(to, timer)) else { return false };
        if armed.queued != now {
            // A later place of a timer that was since armed for earlier.
            return false;
        }
        match armed.due {
            Some(due) if due > now => {
                armed.queued = due;
                queue.push_at(due, Event::Timer { to, timer });
                false
            }
            due => {
                self.armed.remove(&(to, timer));
                due.is_some()
            }
        }
    }
}

/// The first tick of the grid at or after a time; the time itself where there is no grid.
pub(crate) fn on_grid(at: Time, grid_ns: u64) -> Time {
    match at.as_nanos().checked_rem(grid_ns) {
        None | Some(0) => at,
        Some(over) => Time::from_nanos(at.as_nanos().saturating_add(grid_ns - over)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: ActorId = ActorId(7);

    fn at(nanos: u64) -> Time {
        Time::from_nanos(nanos)
    }

    /// Runs the queue to its end and gives the times at which the timer fired.
    fn fired(timers: &mut Timers, queue: &mut Queue) -> Vec<u64> {
        let mut fired = Vec::new();
        while let Some((now, Event::Timer { to, timer })) = queue.pop_later() {
            if timers.fires(queue, to, timer, now) {
                fired.push(now.as_nanos());
            }
        }
        fired
    }

    #[test]
    fn arming_again_replaces() {
        for (times, expected) in
            [(vec![5], vec![5]), (vec![5, 9], vec![9]), (vec![9, 5], vec![5]), (vec![5, 9, 7], vec![7])]
        {
            let (mut timers, mut queue) = (Timers::default(), Queue::default());
            for due in &times {
                timers.arm(&mut queue, ME, Timer::Depth, at(*due));
            }
            assert_eq!(fired(&mut timers, &mut queue), expected, "armed for {times:?}");
        }
    }

    #[test]
    fn a_disarmed_timer_is_silent_and_can_be_armed_again() {
        let (mut timers, mut queue) = (Timers::default(), Queue::default());
        timers.arm(&mut queue, ME, Timer::Depth, at(5));
        timers.disarm(ME, Timer::Depth);
        timers.disarm(ME, Timer::Refill);
        assert!(fired(&mut timers, &mut queue).is_empty());
        timers.arm(&mut queue, ME, Timer::Depth, at(8));
        assert_eq!(fired(&mut timers, &mut queue), [8]);
    }

    #[test]
    fn putting_off_again_and_again_takes_one_place() {
        let (mut timers, mut queue) = (Timers::default(), Queue::default());
        for due in 10..1_000 {
            timers.arm(&mut queue, ME, Timer::Depth, at(due));
        }
        assert_eq!(queue.pop_later().map(|(now, _)| now), Some(at(10)));
        assert_eq!(queue.next_at(), None);
    }

    #[test]
    fn a_timer_that_is_put_off_fires_later_and_only_once() {
        let (mut timers, mut queue) = (Timers::default(), Queue::default());
        timers.arm(&mut queue, ME, Timer::Depth, at(9));
        timers.arm(&mut queue, ME, Timer::Depth, at(5));
        let put_off = |timers: &mut Timers, queue: &mut Queue| {
            let now = queue.pop_later().expect("it has a place").0;
            timers.put_off(queue, ME, Timer::Depth, now, at(20));
        };
        put_off(&mut timers, &mut queue);
        put_off(&mut timers, &mut queue);
        assert_eq!(fired(&mut timers, &mut queue), [20]);
        timers.arm(&mut queue, ME, Timer::Depth, at(30));
        assert_eq!(fired(&mut timers, &mut queue), [30], "it can be armed again");
    }

    #[test]
    fn the_grid_only_delays() {
        assert_eq!(on_grid(at(0), 1_000), at(0));
        assert_eq!(on_grid(at(1), 1_000), at(1_000));
        assert_eq!(on_grid(at(1_000), 1_000), at(1_000));
        assert_eq!(on_grid(at(1_234), 0), at(1_234));
    }
}
