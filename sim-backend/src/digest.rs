//! The digest of a run: every delivered message folds into 64 bits, field by field, with its time, its sender
//! and its receiver. Two runs that are the same have the same digest; two that are not have different ones,
//! but for a chance of about 2^-64. Checkpoints on the way tell where two runs part.

use std::hash::{Hash, Hasher};
use std::ops::Range;

use actors::random::mix;
use actors::{ActorId, Message, Time};

/// The most checkpoints that are kept; when there are more, every second one is dropped.
const CHECKPOINTS_MAX: usize = 1_024;

/// The digest after so many events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Events until here.
    pub events: u64,
    /// Their digest.
    pub digest: u64,
}

/// See the [module](self).
#[derive(Clone, Debug)]
pub(crate) struct Digest {
    value: Folded,
    /// Events until one of the two below is due.
    left: u64,
    /// The count of events then.
    next: u64,
    next_checkpoint: u64,
    watched: Range<u64>,
    every: u64,
    checkpoints: Vec<Checkpoint>,
}

impl Default for Digest {
    fn default() -> Self {
        Self {
            value: Folded(0x9e37_79b9_7f4a_7c15),
            left: 64,
            next: 64,
            next_checkpoint: 64,
            watched: 0..0,
            every: 64,
            checkpoints: Vec::new(),
        }
    }
}

impl Digest {
    /// Folds one delivery in; `true` when [`Self::due`] must be called.
    #[inline(always)]
    pub(crate) fn fold(&mut self, to: ActorId, from: ActorId, message: &Message) -> bool {
        (to, from, message).hash(&mut self.value);
        self.left -= 1;
        self.left == 0
    }

    /// Folds in the time of the deliveries that follow.
    pub(crate) fn fold_time(&mut self, at: Time) {
        at.hash(&mut self.value);
    }

    /// Asks for a word from [`Self::due`] on these deliveries, counted from zero.
    pub(crate) fn watch(&mut self, deliveries: Range<u64>) {
        self.watched = deliveries;
        self.set_next();
    }

    /// After one of the rare events for which more is to be done than to fold it in; `true` when it is
    /// watched.
    pub(crate) fn due(&mut self) -> bool {
        let events = self.events();
        if events == self.next_checkpoint {
            self.checkpoint();
        }
        self.set_next();
        self.watched.contains(&(events - 1))
    }

    fn set_next(&mut self) {
        let events = self.events();
        let watched = (events + 1).max(self.watched.start + 1);
        self.next = if watched <= self.watched.end { watched } else { u64::MAX }.min(self.next_checkpoint);
        self.left = self.next - events;
    }

    fn checkpoint(&mut self) {
        self.checkpoints.push(Checkpoint { events: self.events(), digest: self.value() });
        if self.checkpoints.len() > CHECKPOINTS_MAX {
            self.every *= 2;
            let every = self.every;
            self.checkpoints.retain(|checkpoint| checkpoint.events % every == 0);
        }
        self.next_checkpoint = self.checkpoints.last().map_or(0, |last| last.events) + self.every;
    }

    /// The digest so far.
    pub(crate) fn value(&self) -> u64 {
        self.value.finish()
    }

    /// Events so far.
    pub(crate) fn events(&self) -> u64 {
        self.next - self.left
    }

    /// The checkpoints so far, with the last state as the last of them.
    pub(crate) fn checkpoints(mut self) -> Vec<Checkpoint> {
        let last = Checkpoint { events: self.events(), digest: self.value() };
        if self.checkpoints.last() != Some(&last) {
            self.checkpoints.push(last);
        }
        self.checkpoints
    }
}

/// Words folded into one, each whole: a field of a message is a word, and so is which message it is. A type
/// that derives `Hash` gives its fields one by one, so no field can be forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Folded(u64);

impl Folded {
    /// The two halves of a product of 128 bits: every bit of the word reaches every other, and a later word
    /// cannot undo an earlier one.
    #[inline(always)]
    fn word(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word) * 0x9fb2_1c65_1e98_df25;
        self.0 = (product as u64 ^ (product >> 64) as u64).wrapping_add(0x9e37_79b9_7f4a_7c15);
    }
}

impl Hasher for Folded {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.word(u64::from(*byte));
        }
    }

    #[inline(always)]
    fn write_u8(&mut self, word: u8) {
        self.word(u64::from(word));
    }

    #[inline(always)]
    fn write_u16(&mut self, word: u16) {
        self.word(u64::from(word));
    }

    #[inline(always)]
    fn write_u32(&mut self, word: u32) {
        self.word(u64::from(word));
    }

    #[inline(always)]
    fn write_u64(&mut self, word: u64) {
        self.word(word);
    }

    // Which variant an enum is comes as an `isize`, whose size differs between machines.
    #[inline(always)]
    fn write_isize(&mut self, word: isize) {
        self.word(word as u64);
    }

    fn finish(&self) -> u64 {
        mix(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actors::protocol::{Levels, ToPool, ToRefiller, ToSprite, ToWorker};
    use actors::{Duration, Key, Request};
    use std::collections::BTreeSet;

    fn after(messages: &[(u64, u32, u32, Message)]) -> u64 {
        let mut digest = Digest::default();
        for (at, to, from, message) in messages {
            digest.fold_time(Time::from_nanos(*at));
            digest.fold(ActorId(*to), ActorId(*from), message);
        }
        digest.value()
    }

    fn stop() -> Message {
        ToSprite::Stop.into()
    }

    fn take(request: Request) -> Message {
        ToPool::Take(request).into()
    }

    #[test]
    fn time_addresses_kind_content_and_order_all_count() {
        let nothing = Message::from(ToWorker::NothingToYield);
        let base = after(&[(1, 2, 9, stop()), (3, 4, 9, nothing)]);
        for other in [
            vec![(2, 2, 9, stop()), (3, 4, 9, nothing)],
            vec![(1, 3, 9, stop()), (3, 4, 9, nothing)],
            vec![(1, 2, 8, stop()), (3, 4, 9, nothing)],
            vec![(1, 2, 9, ToSprite::Lost.into()), (3, 4, 9, nothing)],
            vec![(3, 4, 9, nothing), (1, 2, 9, stop())],
            vec![(1, 2, 9, stop())],
            vec![(1, 2, 9, ToPool::Shrink { keep: 1 }.into()), (3, 4, 9, nothing)],
        ] {
            assert_ne!(base, after(&other), "{other:?}");
        }
    }

    #[test]
    fn two_fields_do_not_make_up_for_each_other() {
        let lifetime = Duration::from_nanos;
        let pairs = [
            (
                Request { id: 1, ..Request::default() },
                Request { lifetime: lifetime(256), ..Request::default() },
            ),
            (Request { id: 1 << 32, ..Request::default() }, Request { key: Key(1), ..Request::default() }),
            (Request { tries: 1, ..Request::default() }, Request { id: 1 << 40, ..Request::default() }),
        ];
        for (one, other) in pairs {
            assert_ne!(
                after(&[(0, 1, 0, take(one))]),
                after(&[(0, 1, 0, take(other))]),
                "{one:?}, {other:?}"
            );
        }
        let changed = |ready, waiting| {
            let levels = Levels { ready, waiting, in_use: 0 };
            after(&[(0, 1, 0, ToRefiller::Changed { levels }.into())])
        };
        assert_ne!(changed(1 << 17, 0), changed(0, 1));
    }

    /// All requests that differ in one bit of each of two fields, as 64-bit digests and by their upper and
    /// lower halves: as many collisions as chance gives (birthday: n^2 / 2^33 pairs), which no structure adds
    /// to.
    #[test]
    fn single_bits_collide_no_more_often_than_chance() {
        let mut digests = Vec::new();
        for id in 0..64 {
            for lifetime in 0..64 {
                for key in 0..32 {
                    let request = Request {
                        id: 1 << id,
                        lifetime: Duration::from_nanos(1 << lifetime),
                        key: Key(1 << key),
                        ..Request::default()
                    };
                    digests.push(after(&[(0, 1, 0, take(request))]));
                }
            }
        }
        let distinct = |words: Vec<u64>| words.into_iter().collect::<BTreeSet<_>>().len();
        let count = digests.len();
        assert_eq!(distinct(digests.clone()), count);
        for shift in [0, 32] {
            let halves = digests.iter().map(|digest| digest >> shift & 0xffff_ffff).collect();
            assert!(count - distinct(halves) <= 12, "chance gives 2");
        }
    }

    #[test]
    fn checkpoints_are_bounded_evenly_spaced_and_end_with_the_last_state() {
        let mut digest = Digest::default();
        for at in 0..1_000_000 {
            digest.fold_time(Time::from_nanos(at));
            if digest.fold(ActorId(0), ActorId(1), &stop()) {
                assert!(!digest.due(), "nothing is watched");
            }
        }
        let value = digest.value();
        let checkpoints = digest.checkpoints();
        assert!(checkpoints.len() <= CHECKPOINTS_MAX + 1 && checkpoints.len() > CHECKPOINTS_MAX / 4);
        let every = checkpoints[0].events;
        assert!(checkpoints.windows(2).all(|pair| pair[1].events - pair[0].events <= every));
        assert_eq!(checkpoints.last(), Some(&Checkpoint { events: 1_000_000, digest: value }));
    }
}
