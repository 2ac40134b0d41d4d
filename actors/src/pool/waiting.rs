//! The requests that wait in one pool: a bounded queue for each waiting step of its exhausted policy.

use std::collections::VecDeque;

use crate::protocol::{Request, StepIndex};
use crate::time::Time;

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Waiting {
    len: u32,
    queues: Box<[Queue]>,
}

#[derive(Debug, Default)]
struct Queue {
    /// First come, first served. All wait equally long, so the first also has the first deadline.
    requests: VecDeque<(Request, Time)>,
    /// A timer is armed, for the first deadline or an earlier one.
    watched: bool,
}

impl Waiting {
    /// No request, at none of so many steps.
    pub(super) fn new(steps: usize) -> Self {
        Self { queues: (0..steps).map(|_| Queue::default()).collect(), len: 0 }
    }

    /// How many wait, at all steps together.
    pub(super) fn len(&self) -> u32 {
        self.len
    }

    /// Lets a request wait at this step; `false` when its queue holds `bound` already.
    pub(super) fn push(&mut self, step: StepIndex, bound: u32, request: Request, deadline: Time) -> bool {
        let queue = &mut self.queues[step.index()].requests;
        if queue.len() >= bound as usize {
            return false;
        }
        queue.push_back((request, deadline));
        self.len += 1;
        true
    }

    /// The request that arrived first, whichever step it waits at.
    pub(super) fn pop_oldest(&mut self) -> Option<Request> {
        let arrived = |queue: &Queue| queue.requests.front().map_or(u64::MAX, |(request, _)| request.id);
        let queue = self.queues.iter_mut().min_by_key(|queue| arrived(queue))?;
        let (request, _) = queue.requests.pop_front()?;
        self.len -= 1;
        Some(request)
    }

    /// The next request of this step whose deadline has come.
    pub(super) fn pop_due(&mut self, step: StepIndex, now: Time) -> Option<Request> {
        let queue = &mut self.queues[step.index()].requests;
        let (_, deadline) = queue.front()?;
        if *deadline > now {
            return None;
        }
        self.len -= 1;
        queue.pop_front().map(|(request, _)| request)
    }

    /// The deadline for which a timer must be armed now, if one must: the first of this step, when no timer
    /// is armed. A timer that was armed for a request that was served meanwhile fires early, and is armed
    /// again then.
    pub(super) fn deadline_to_watch(&mut self, step: StepIndex) -> Option<Time> {
        let queue = &mut self.queues[step.index()];
        let (_, deadline) = queue.requests.front()?;
        if queue.watched || *deadline == Time::MAX {
            return None;
        }
        queue.watched = true;
        Some(*deadline)
    }

    /// The timer of this step has fired.
    pub(super) fn watch_over(&mut self, step: StepIndex) {
        self.queues[step.index()].watched = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Key;
    use crate::time::Duration;

    fn request(id: u64) -> Request {
        Request { id, arrived: Time::ZERO, lifetime: Duration::ZERO, key: Key(0), tries: 0, missed: None }
    }

    fn at(nanos: u64) -> Time {
        Time::from_nanos(nanos)
    }

    #[test]
    fn the_queue_is_bounded_and_first_come_first_served() {
        let mut waiting = Waiting::new(1);
        assert!(waiting.push(StepIndex(0), 2, request(1), at(10)));
        assert!(waiting.push(StepIndex(0), 2, request(2), at(20)));
        assert!(!waiting.push(StepIndex(0), 2, request(3), at(30)));
        assert_eq!(waiting.len(), 2);
        assert_eq!(waiting.pop_oldest().map(|request| request.id), Some(1));
        assert_eq!(waiting.pop_oldest().map(|request| request.id), Some(2));
        assert_eq!(waiting.pop_oldest(), None);
        assert_eq!(waiting.len(), 0);
    }

    #[test]
    fn the_oldest_is_served_first_across_steps() {
        let mut waiting = Waiting::new(3);
        assert!(waiting.push(StepIndex(0), 9, request(5), at(10)));
        assert!(waiting.push(StepIndex(2), 9, request(3), at(20)));
        assert_eq!(waiting.pop_oldest().map(|request| request.id), Some(3));
    }

    #[test]
    fn one_timer_watches_a_step() {
        let mut waiting = Waiting::new(1);
        assert!(waiting.push(StepIndex(0), 9, request(1), at(10)));
        assert_eq!(waiting.deadline_to_watch(StepIndex(0)), Some(at(10)));
        assert!(waiting.push(StepIndex(0), 9, request(2), at(20)));
        assert_eq!(waiting.deadline_to_watch(StepIndex(0)), None);
        waiting.watch_over(StepIndex(0));
        assert_eq!(waiting.pop_due(StepIndex(0), at(10)).map(|request| request.id), Some(1));
        assert_eq!(waiting.pop_due(StepIndex(0), at(10)), None);
        assert_eq!(waiting.deadline_to_watch(StepIndex(0)), Some(at(20)));
    }
}
