//! What a handler did, folded into a few numbers: enough to tell whether another one did the same. The
//! runtime folds what its actors do, a replay folds what the actors do there, and the two are compared.

use actors::protocol::{Operation, Timer};
use actors::{ActorId, Duration, Message, Observation};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// How much of each kind, and a hash over all of it in its order. Two handlers that did different things have
/// the same hash with a chance of 2^-64.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Messages sent.
    pub sends: u32,
    /// Timers armed or disarmed.
    pub timers: u32,
    /// Operations begun.
    pub operations: u32,
    /// Observations made.
    pub observations: u32,
    /// Actors spawned.
    pub spawns: u32,
    /// Whether the handler panicked.
    pub panicked: bool,
    /// Over everything that a handler did.
    pub hash: u64,
}

/// One thing that a handler did.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub enum Effect {
    /// It sent a message, to arrive after so many nanoseconds.
    Send(ActorId, Message, u64),
    /// It armed a timer, to fire after so many nanoseconds; without them it disarmed it.
    Timer(Timer, Option<u64>),
    /// It began an operation.
    Perform(Operation),
    /// It observed something.
    Observe(Observation),
    /// It spawned an actor.
    Spawn(ActorId),
}

impl Effect {
    pub(crate) fn send(to: ActorId, message: Message, after: Duration) -> Self {
        Self::Send(to, message, after.as_nanos())
    }

    pub(crate) fn timer(timer: Timer, after: Option<Duration>) -> Self {
        Self::Timer(timer, after.map(Duration::as_nanos))
    }
}

/// Folds effects as they come.
#[derive(Debug, Default)]
pub(crate) struct Fold {
    tally: Tally,
    scratch: Vec<u8>,
}

impl Fold {
    pub(crate) fn add(&mut self, effect: &Effect) {
        let count = match effect {
            Effect::Send(..) => &mut self.tally.sends,
            Effect::Timer(..) => &mut self.tally.timers,
            Effect::Perform(_) => &mut self.tally.operations,
            Effect::Observe(_) => &mut self.tally.observations,
            Effect::Spawn(_) => &mut self.tally.spawns,
        };
        *count += 1;
        self.scratch.clear();
        let scratch = std::mem::take(&mut self.scratch);
        self.scratch = postcard::to_extend(effect, scratch).expect("a list takes every effect");
        self.tally.hash = xxh3_64_with_seed(&self.scratch, self.tally.hash);
    }

    /// What one handler did, which has ended; the next begins with nothing.
    pub(crate) fn take(&mut self, panicked: bool) -> Tally {
        Tally { panicked, ..std::mem::take(&mut self.tally) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kind_content_and_order_count() {
        let tally = |effects: &[Effect]| {
            let mut fold = Fold::default();
            effects.iter().for_each(|effect| fold.add(effect));
            fold.take(false)
        };
        let (one, other) = (Effect::Spawn(ActorId(1)), Effect::Timer(Timer::Age, Some(1)));
        let all = [
            tally(&[]),
            tally(&[one]),
            tally(&[one, other]),
            tally(&[other, one]),
            tally(&[one, Effect::Timer(Timer::Age, None)]),
            tally(&[one, Effect::Timer(Timer::Idle, Some(1))]),
            tally(&[Effect::Spawn(ActorId(2)), other]),
        ];
        for (index, tally) in all.iter().enumerate() {
            assert!(!all[..index].iter().any(|before| before.hash == tally.hash), "{index}");
        }
        assert_eq!((all[2].spawns, all[2].timers, all[2].sends), (1, 1, 0));
    }
}
