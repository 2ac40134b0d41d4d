//! What is to happen on the virtual clock, and in which order. Two rules make it deterministic:
//!
//! 1. Timed events happen in the order of (time, sequence number); numbers count up as events are put in.
//! 2. Messages without delay are delivered first come, first served, all of them before the next timed event.

use actors::protocol::End;
use actors::protocol::Timer;
use actors::{ActorId, Message, OperationKind, Time};
use scenarios::faults::Moment;

use crate::heap::Heap;

/// A message on its way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Envelope {
    pub(crate) to: ActorId,
    pub(crate) from: ActorId,
    pub(crate) message: Message,
}

/// Something that happens at a time. Small, because a heap moves it often.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    /// An operation ends.
    Done { to: ActorId, generation: u32, kind: OperationKind, end: End },
    /// A timer may fire.
    Timer { to: ActorId, timer: Timer },
    /// A message arrives after a delay; it is kept in the slab.
    Message { index: u32 },
    /// A fault of the scenario begins or ends.
    Fault(Moment),
}

/// See the [module](self).
#[derive(Default)]
pub(crate) struct Queue {
    /// Messages without delay.
    now: Vec<Envelope>,
    later: Heap<Event>,
    /// Delayed messages, which are too large to be moved about in the heap, and the free places among them.
    slab: Vec<Envelope>,
    free: Vec<u32>,
}

impl Queue {
    /// Delivers a message without delay.
    pub(crate) fn push_now(&mut self, envelope: Envelope) {
        self.now.push(envelope);
    }

    /// The last of the messages without delay.
    pub(crate) fn last_now(&self) -> Option<&Envelope> {
        self.now.last()
    }

    /// Exchanges the messages without delay for an empty list; `false` where there are none.
    pub(crate) fn take_now(&mut self, list: &mut Vec<Envelope>) -> bool {
        if self.now.is_empty() {
            return false;
        }
        std::mem::swap(&mut self.now, list);
        true
    }

    /// Lets an event happen at a time.
    pub(crate) fn push_at(&mut self, at: Time, event: Event) {
        self.later.push(at, event);
    }

    /// Delivers a message at a time.
    pub(crate) fn push_message_at(&mut self, at: Time, envelope: Envelope) {
        let index = match self.free.pop() {
            Some(index) => {
                self.slab[index as usize] = envelope;
                index
            }
            None => {
                self.slab.push(envelope);
                self.slab.len() as u32 - 1
            }
        };
        self.push_at(at, Event::Message { index });
    }

    /// The delayed message of an [`Event::Message`] that has come.
    pub(crate) fn take_message(&mut self, index: u32) -> Envelope {
        self.free.push(index);
        self.slab[index as usize]
    }

    /// The same, while it has not come.
    pub(crate) fn peek_message(&self, index: u32) -> &Envelope {
        &self.slab[index as usize]
    }

    /// The next delayed message, before its time; what else is to happen is dropped.
    pub(crate) fn pop_message(&mut self) -> Option<Envelope> {
        while let Some((_, event)) = self.pop_later() {
            if let Event::Message { index } = event {
                return Some(self.take_message(index));
            }
        }
        None
    }

    /// When the next timed event happens.
    pub(crate) fn next_at(&self) -> Option<Time> {
        self.later.next_at()
    }

    /// The next timed event.
    pub(crate) fn pop_later(&mut self) -> Option<(Time, Event)> {
        self.later.pop()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timer(to: u32) -> Event {
        Event::Timer { to: ActorId(to), timer: Timer::Age }
    }

    fn order(queue: &mut Queue) -> Vec<u32> {
        std::iter::from_fn(|| queue.pop_later())
            .map(|(_, event)| match event {
                Event::Timer { to, .. } => to.0,
                other => panic!("{other:?} was not put in"),
            })
            .collect()
    }

    #[test]
    fn events_come_by_time_then_by_sequence() {
        let mut queue = Queue::default();
        for (at, to) in [(5, 1), (3, 2), (5, 3), (3, 4), (u64::MAX, 5), (0, 6)] {
            queue.push_at(Time::from_nanos(at), timer(to));
        }
        assert_eq!(queue.next_at(), Some(Time::ZERO));
        assert_eq!(order(&mut queue), [6, 2, 4, 1, 3, 5]);
    }

    #[test]
    fn a_place_for_a_delayed_message_is_used_again() {
        let mut queue = Queue::default();
        let envelope = |to| Envelope {
            to: ActorId(to),
            from: ActorId(0),
            message: actors::protocol::ToSprite::Stop.into(),
        };
        for to in 0..100 {
            queue.push_message_at(Time::ZERO, envelope(to));
            let Some((_, Event::Message { index })) = queue.pop_later() else {
                panic!("a message was put in")
            };
            assert_eq!(queue.take_message(index).to, ActorId(to));
        }
        assert_eq!(queue.slab.len(), 1);
    }

    #[test]
    fn an_event_stays_small() {
        assert!(size_of::<Event>() <= 16, "{} bytes are moved at each step of the heap", size_of::<Event>());
    }
}
