//! Everything that happens at a certain time: the actors' named timers, messages under way, the ends of `Run`
//! operations. One heap and one thread, woken to within the system's own precision: a timer wheel of whole
//! milliseconds would be ten times as coarse as a warm take is long.
//!
//! A timer fires in two steps. The thread casts it when it is due; the actor takes it when it is delivered,
//! and only if it has not been armed again or disarmed meanwhile.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use actors::protocol::{Timer, ToAny};
use actors::{ActorId, Message, Time};
use hdrhistogram::Histogram;

use super::clock::be_punctual;
use super::executor::{Envelope, Guard};
use super::lag::{self, Lag};
use super::shared::{Shared, lock, wait, wait_timeout};

/// Heap entries that may be out of date before they are swept out, besides those that are not.
const STALE_MAX: usize = 1_024;

/// See the [module](self).
pub(crate) struct Timers {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    heap: BinaryHeap<Reverse<Entry>>,
    /// The armed timers of every actor, each with the entry that it fires by.
    armed: Vec<Vec<(Timer, u64)>>,
    armed_count: usize,
    /// Entries of the heap that are not timers.
    others: usize,
    next: u64,
    /// When the thread will look next.
    wakes_at: Time,
    closing: bool,
    lag_ns: Histogram<u64>,
}

/// In the order of time, then in that of arming.
#[derive(Clone, Copy)]
struct Entry {
    due: Time,
    seq: u64,
    envelope: Envelope,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.seq == other.seq
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.due, self.seq).cmp(&(other.due, other.seq))
    }
}

impl State {
    fn push(&mut self, due: Time, mut envelope: Envelope) -> u64 {
        let seq = self.next;
        self.next += 1;
        if let Guard::Armed(armed) = &mut envelope.guard {
            *armed = seq;
        } else {
            self.others += 1;
        }
        self.heap.push(Reverse(Entry { due, seq, envelope }));
        seq
    }

    fn is_live(armed: &[Vec<(Timer, u64)>], entry: &Entry) -> bool {
        match entry.envelope.guard {
            Guard::Armed(seq) => {
                let timers = armed.get(entry.envelope.to.index());
                timers.is_some_and(|timers| timers.iter().any(|(_, armed)| *armed == seq))
            }
            _ => true,
        }
    }

    /// The next entry that is due and not out of date.
    fn pop_due(&mut self, now: Time) -> Option<Entry> {
        while let Some(Reverse(entry)) = self.heap.peek().copied() {
            if entry.due > now {
                return None;
            }
            self.heap.pop();
            if Self::is_live(&self.armed, &entry) {
                self.others -= usize::from(!matches!(entry.envelope.guard, Guard::Armed(_)));
                return Some(entry);
            }
        }
        None
    }

    /// Drops what was armed again or disarmed, once it is more than what was not.
    fn sweep(&mut self) {
        if self.heap.len() > 2 * (self.armed_count + self.others) + STALE_MAX {
            let armed = &self.armed;
            self.heap.retain(|Reverse(entry)| Self::is_live(armed, entry));
        }
    }
}

impl Timers {
    pub(crate) fn new() -> Self {
        let state = State {
            heap: BinaryHeap::new(),
            armed: Vec::new(),
            armed_count: 0,
            others: 0,
            next: 0,
            wakes_at: Time::ZERO,
            closing: false,
            lag_ns: lag::histogram(),
        };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Arms a named timer; arming it again replaces it.
    pub(crate) fn arm(&self, actor: ActorId, timer: Timer, due: Time) {
        let mut state = lock(&self.state);
        Self::forget(&mut state, actor, |armed| armed == timer);
        let fired = Message::Any(ToAny::Fired(timer));
        let envelope = Envelope { to: actor, from: actor, message: fired, guard: Guard::Armed(0) };
        let seq = state.push(due, envelope);
        if state.armed.len() <= actor.index() {
            state.armed.resize_with(actor.index() + 1, Vec::new);
        }
        state.armed[actor.index()].push((timer, seq));
        state.armed_count += 1;
        state.sweep();
        self.look_again(&state, due);
    }

    /// Disarms a named timer, if it is armed.
    pub(crate) fn disarm(&self, actor: ActorId, timer: Timer) {
        Self::forget(&mut lock(&self.state), actor, |armed| armed == timer);
    }

    /// Disarms all timers of an actor.
    pub(crate) fn disarm_all(&self, actor: ActorId) {
        Self::forget(&mut lock(&self.state), actor, |_| true);
    }

    fn forget(state: &mut State, actor: ActorId, which: impl Fn(Timer) -> bool) {
        if let Some(timers) = state.armed.get_mut(actor.index()) {
            let before = timers.len();
            timers.retain(|(armed, _)| !which(*armed));
            state.armed_count -= before - timers.len();
        }
    }

    /// Delivers a message at a certain time.
    pub(crate) fn post_at(&self, due: Time, envelope: Envelope) {
        let mut state = lock(&self.state);
        state.push(due, envelope);
        self.look_again(&state, due);
    }

    /// Whether this firing still counts; it does not when the timer was armed again or disarmed after it was
    /// cast.
    pub(crate) fn take(&self, actor: ActorId, seq: u64) -> bool {
        let mut state = lock(&self.state);
        let Some(timers) = state.armed.get_mut(actor.index()) else { return false };
        let Some(place) = timers.iter().position(|(_, armed)| *armed == seq) else { return false };
        timers.swap_remove(place);
        state.armed_count -= 1;
        true
    }

    /// When the next thing happens.
    pub(crate) fn next_due(&self) -> Option<Time> {
        let mut state = lock(&self.state);
        while let Some(Reverse(entry)) = state.heap.peek().copied() {
            if State::is_live(&state.armed, &entry) {
                return Some(entry.due);
            }
            state.heap.pop();
        }
        None
    }

    /// The next thing that is due.
    pub(crate) fn pop_due(&self, now: Time) -> Option<Envelope> {
        lock(&self.state).pop_due(now).map(|entry| entry.envelope)
    }

    /// How late timers have been cast.
    pub(crate) fn lag(&self) -> Lag {
        Lag::of(&lock(&self.state).lag_ns)
    }

    /// Has the thread look at the clock and the heap again.
    pub(crate) fn nudge(&self) {
        drop(lock(&self.state));
        self.changed.notify_all();
    }

    pub(crate) fn is_closing(&self) -> bool {
        lock(&self.state).closing
    }

    pub(crate) fn close(&self) {
        lock(&self.state).closing = true;
        self.changed.notify_all();
    }

    fn look_again(&self, state: &MutexGuard<'_, State>, due: Time) {
        if due < state.wakes_at {
            self.changed.notify_all();
        }
    }
}

/// The life of the thread.
pub(crate) fn run(shared: &Arc<Shared>) {
    be_punctual();
    let timers = &shared.timers;
    let mut state = lock(&timers.state);
    while !state.closing {
        let now = shared.clock.now();
        let mut cast = false;
        // Nothing fires before the opening, however little is left.
        if shared.clock.until(Time::ZERO).is_some() {
            while let Some(entry) = state.pop_due(now) {
                let late = now.since(entry.due).as_nanos();
                state.lag_ns.saturating_record(late);
                shared.executor.post(entry.envelope);
                cast = true;
            }
        }
        if cast {
            drop(state);
            shared.drive();
            state = lock(&timers.state);
            continue;
        }
        let due = state.heap.peek().map(|Reverse(entry)| entry.due);
        state.wakes_at = due.unwrap_or(Time::MAX);
        state = match due.and_then(|due| shared.clock.until(due)) {
            Some(left) => wait_timeout(&timers.changed, state, left),
            None => wait(&timers.changed, state),
        };
        state.wakes_at = Time::ZERO;
    }
}
