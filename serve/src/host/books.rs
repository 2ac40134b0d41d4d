//! Keeps the books of a host from its observations: levels, outcomes, and who waits for the end of which
//! request. It is called while actors are handled, so it does little and never waits.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actors::{Key, Observation, Observer, Outcome, State, Time};
use tokio::sync::{Notify, mpsc, oneshot};

use super::contract::{Began, Change, Lease};
use super::level::{Counts, Level};

/// See the [module](self).
#[derive(Clone)]
pub(crate) struct Books(Arc<Shared>);

struct Shared {
    state: Mutex<Inner>,
    /// Somebody who was turned away may ask again.
    room: Notify,
    changes: mpsc::UnboundedSender<Change>,
}

struct Inner {
    level: Level,
    counts: Counts,
    /// Who waits for the end of the request of a key.
    pending: BTreeMap<Key, oneshot::Sender<Began>>,
    /// The VM that is being started for a key.
    starting: BTreeMap<Key, Lease>,
}

impl Books {
    pub(crate) fn new(slots: u32) -> (Self, mpsc::UnboundedReceiver<Change>) {
        let (changes, changed) = mpsc::unbounded_channel();
        let state = Mutex::new(Inner {
            level: Level { slots, ..Level::default() },
            counts: Counts::default(),
            pending: BTreeMap::new(),
            starting: BTreeMap::new(),
        });
        (Self(Arc::new(Shared { state, room: Notify::new(), changes })), changed)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The end of the next request of this key is told here. A key has one request at a time.
    pub(crate) fn expect(&self, key: Key) -> oneshot::Receiver<Began> {
        let (sender, receiver) = oneshot::channel();
        self.inner().pending.insert(key, sender);
        receiver
    }

    /// This VM is about to be started for a key.
    pub(crate) fn starts(&self, key: Key, lease: Lease) {
        self.inner().starting.insert(key, lease);
    }

    pub(crate) fn level(&self) -> Level {
        self.inner().level
    }

    pub(crate) fn counts(&self) -> Counts {
        self.inner().counts
    }

    pub(crate) async fn room(&self) {
        // A bound, so that nobody is forgotten whose sign went to somebody who has left.
        let _ = tokio::time::timeout(std::time::Duration::from_secs(1), self.0.room.notified()).await;
    }
}

impl Inner {
    fn ended(&mut self, key: Key, outcome: Outcome) {
        self.counts.outcomes[outcome as usize] += 1;
        let lease = self.starting.remove(&key);
        let Some(waiter) = self.pending.remove(&key) else { return };
        let began = match (outcome, lease) {
            (Outcome::Rejected, _) => Began::Rejected,
            (Outcome::Failed, _) | (_, None) => Began::Failed,
            (outcome, Some(lease)) => Began::Running { lease, outcome },
        };
        // Whoever asked waits until it is told; at the end of the host nobody does.
        let _ = waiter.send(began);
    }
}

/// Whether a VM in this state may have had a user.
const fn has_user(state: State) -> bool {
    matches!(state, State::Running | State::Idle | State::Asleep | State::Waking | State::Stopping)
}

impl Observer for Books {
    fn observe(&mut self, _at: Time, observation: Observation) {
        let mut inner = self.inner();
        match observation {
            Observation::Ended { request, outcome, .. } => inner.ended(request.key, outcome),
            Observation::Sprite { sprite, generation, was, is, .. } => {
                let states = &mut inner.level.states;
                states[was as usize] = states[was as usize].saturating_sub(1);
                states[is as usize] += 1;
                inner.counts.readied += u64::from(is == State::Ready);
                inner.counts.lost += u64::from(is == State::Failed);
                drop(inner);
                if is == State::Ready || (was.holds_slot() && !is.holds_slot()) {
                    self.0.room.notify_one();
                }
                if has_user(was) && matches!(is, State::Idle | State::Asleep | State::Stopped | State::Failed)
                {
                    // Nobody listens at the end of the host.
                    let _ = self.0.changes.send(Change { lease: Lease { sprite, generation }, was, is });
                }
            }
            Observation::Target { was, is, .. } => {
                let target = &mut inner.level.target;
                target.reorder_at = (target.reorder_at + is.reorder_at).saturating_sub(was.reorder_at);
                target.depth = (target.depth + is.depth).saturating_sub(was.depth);
            }
            Observation::Waiting { was, is, .. } => {
                let waiting = &mut inner.level.waiting;
                *waiting = (*waiting + u64::from(is)).saturating_sub(u64::from(was));
            }
            Observation::BootsFailing { streak, .. } => inner.level.boots_failing = streak,
            Observation::Arrived { .. }
            | Observation::Position { .. }
            | Observation::Making { .. }
            | Observation::Empty { .. }
            | Observation::Refused { .. }
            | Observation::Host { .. } => {}
        }
    }

    fn opened(&mut self, _at: Time) {}

    fn closed(&mut self, _at: Time) {}
}
