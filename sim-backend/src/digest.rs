//! The digest of a run: every delivered message folds into 64 bits, so that two runs are the same if and (but for a
//! chance of 2^-64) only if their digests are. Checkpoints on the way tell where two runs part.

use std::ops::Range;

use actors::protocol::{For, Spill, Timer};
use actors::random::mix;
use actors::{ActorId, Message, Request, Time};

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
    value: u64,
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
            value: 0x9e37_79b9_7f4a_7c15,
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
    pub(crate) fn fold(&mut self, to: ActorId, message: &Message) -> bool {
        self.stir(u64::from(to.0) << 32 ^ word(message));
        self.left -= 1;
        self.left == 0
    }

    /// Folds in the time of the deliveries that follow.
    #[inline(always)]
    pub(crate) fn fold_time(&mut self, at: Time) {
        self.stir(at.as_nanos());
    }

    #[inline(always)]
    fn stir(&mut self, word: u64) {
        // A multiplication carries upwards only, so the halves change places.
        self.value = (self.value ^ word).wrapping_mul(0x9fb2_1c65_1e98_df25).rotate_left(32);
    }

    /// Asks for a word from [`Self::due`] on these deliveries, counted from zero.
    pub(crate) fn watch(&mut self, deliveries: Range<u64>) {
        self.watched = deliveries;
        self.set_next();
    }

    /// After one of the rare events for which more is to be done than to fold it in; `true` when it is watched.
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
        mix(self.value)
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

/// What distinguishes a message, in 64 bits: which kind in the top byte, what it says in the others.
#[inline(always)]
fn word(message: &Message) -> u64 {
    use Message::*;
    let (kind, rest) = match message {
        Begin { full } => (1, u64::from(*full)),
        Request(request) => (2, of_request(request)),
        Ask(spill) => (3, of_spill(spill)),
        Declined(spill) => (4, of_spill(spill)),
        Unserved(spill) => (5, of_spill(spill)),
        Order { pool, urgent, spare } => {
            (6, u64::from(pool.0) ^ u64::from(*urgent) << 16 ^ u64::from(*spare) << 32)
        }
        Cancel { count } => (7, u64::from(*count)),
        Make { request, step, create } => {
            (8, of_request(request) ^ u64::from(*step) << 1 ^ u64::from(*create))
        }
        WakeFor { sprite, request, step } => {
            (9, of_request(request) ^ u64::from(sprite.0) << 8 ^ u64::from(*step))
        }
        SpillOut(spill) => (10, of_spill(spill)),
        Spare { key, ready } => (11, u64::from(key.0) << 24 ^ u64::from(*ready)),
        NothingToYield => (12, 0),
        BootEnded { create } => (13, u64::from(*create)),
        Released { slot, retired } => (14, u64::from(*slot) << 1 | u64::from(*retired)),
        Crash => (15, 0),
        Recover => (16, 0),
        Take(request) => (17, of_request(request)),
        TakeSpilled(spill) => (18, of_spill(spill)),
        Ready { boot } => (19, u64::from(*boot)),
        Made { create } => (20, u64::from(*create)),
        MakeFailed { purpose, create } => (21, of_purpose(purpose) ^ u64::from(*create)),
        StartFailed(request) => (22, of_request(request)),
        Ended => (23, 0),
        Idle { key } => (24, u64::from(key.0)),
        Slept { key } => (25, u64::from(key.0)),
        Withdrawn => (26, 0),
        Refused { request, step, sprite } => {
            (27, of_request(request) ^ u64::from(*step) ^ u64::from(sprite.map_or(0, |sprite| sprite.0)) << 8)
        }
        Shrink { keep } => (28, u64::from(*keep)),
        Yield => (29, 0),
        Down(down) => (30, u64::from(*down)),
        Demand { found, levels, booted } => {
            (31, *found as u64 ^ u64::from(*booted) << 46 ^ of_levels(levels))
        }
        Changed { levels, booted, taken } => {
            (32, u64::from(*taken) ^ u64::from(*booted) << 46 ^ of_levels(levels))
        }
        BootFailed => (33, 0),
        Cancelled { count } => (34, u64::from(*count)),
        Boot { pool, purpose, create } => {
            (35, u64::from(pool.0) << 8 ^ of_purpose(purpose) ^ u64::from(*create))
        }
        Start { request, outcome } => (36, of_request(request) ^ *outcome as u64),
        Wake { request } => (37, of_request(request)),
        Stop => (38, 0),
        Lost => (39, 0),
        Done { generation, kind, ok } => {
            (40, u64::from(*generation) << 8 ^ (*kind as u64) << 1 ^ u64::from(*ok))
        }
        Fired(timer) => (41, of_timer(*timer)),
        Suspended => (43, 0),
        Resumed { levels } => (44, of_levels(levels)),
        TellBoots { from } => (42, u64::from(*from)),
    };
    kind << 56 ^ rest
}

fn of_request(request: &Request) -> u64 {
    request.id << 8
        ^ u64::from(request.key.0) << 40
        ^ request.lifetime.as_nanos()
        ^ u64::from(request.tries) << 48
}

fn of_spill(spill: &Spill) -> u64 {
    of_request(&spill.request) ^ u64::from(spill.hops) << 48 ^ u64::from(spill.step)
}

fn of_purpose(purpose: &For) -> u64 {
    match purpose {
        For::Pool => 2,
        For::Request(request, step) => of_request(request) ^ u64::from(*step) << 1,
    }
}

fn of_levels(levels: &actors::protocol::Levels) -> u64 {
    u64::from(levels.ready) << 1 ^ u64::from(levels.waiting) << 18 ^ u64::from(levels.in_use) << 36
}

fn of_timer(timer: Timer) -> u64 {
    match timer {
        Timer::Deadline(step) => 8 + u64::from(step),
        Timer::Age => 1,
        Timer::Depth => 2,
        Timer::Refill => 3,
        Timer::Backoff => 4,
        Timer::Idle => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(messages: &[(u64, u32, Message)]) -> u64 {
        let mut digest = Digest::default();
        for (at, to, message) in messages {
            digest.fold_time(Time::from_nanos(*at));
            digest.fold(ActorId(*to), message);
        }
        digest.value()
    }

    #[test]
    fn time_address_kind_content_and_order_all_count() {
        let base = after(&[(1, 2, Message::Stop), (3, 4, Message::NothingToYield)]);
        for other in [
            vec![(2, 2, Message::Stop), (3, 4, Message::NothingToYield)],
            vec![(1, 3, Message::Stop), (3, 4, Message::NothingToYield)],
            vec![(1, 2, Message::Lost), (3, 4, Message::NothingToYield)],
            vec![(3, 4, Message::NothingToYield), (1, 2, Message::Stop)],
            vec![(1, 2, Message::Stop)],
            vec![(1, 2, Message::Shrink { keep: 1 }), (3, 4, Message::NothingToYield)],
        ] {
            assert_ne!(base, after(&other), "{other:?}");
        }
    }

    #[test]
    fn checkpoints_are_bounded_evenly_spaced_and_end_with_the_last_state() {
        let mut digest = Digest::default();
        for at in 0..1_000_000 {
            digest.fold_time(Time::from_nanos(at));
            if digest.fold(ActorId(0), &Message::Stop) {
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
