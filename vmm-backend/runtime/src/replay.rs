//! Feeds a journal of deliveries to the same actors, without a host, a clock or a thread, and compares what
//! they do with what they did: the same sends, timers, operations, observations and spawns, delivery by
//! delivery.

use std::collections::BTreeMap;
use std::fmt;
use std::io::BufRead;
use std::panic::{AssertUnwindSafe, catch_unwind};

use actors::protocol::{Operation, Timer};
use actors::random::Purpose;
use actors::{ActorId, AnyActor, Backend, Context, Duration, Message, Observation, Rng, Time};

use super::journal::{Delivery, Effect, Fold, JournalError, Reader, Record, Tally};

/// A replay that found no difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// Deliveries replayed.
    pub deliveries: u64,
    /// How the journal ended.
    pub end: End,
}

/// How a journal ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With a whole record.
    Whole,
    /// Within a record, as when its writer was killed.
    Torn,
    /// So many records are missing, and with them the actors' state: nothing after that can be replayed.
    Gap(u64),
}

/// A replay came to no end.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The journal names an actor that nobody has made.
    #[error("delivery {index} is for actor {}, which was never made: the journal does not begin with its run", actor.0)]
    Unknown {
        /// Deliveries before it.
        index: u64,
        /// Whom.
        actor: ActorId,
    },
    /// The actors do something else.
    #[error("{0}")]
    Differs(Box<Difference>),
}

impl ReplayError {
    /// Whether the fault lies in the host and not in the journal.
    pub fn is_host_fault(&self) -> bool {
        matches!(self, Self::Journal(JournalError::Io(_)))
    }
}

/// The first delivery after which the actors do something else.
#[derive(Clone, Debug)]
pub struct Difference {
    /// Deliveries before it.
    pub index: u64,
    /// What was delivered, and what it did then.
    pub delivery: Delivery,
    /// What it does now.
    pub now: Tally,
    /// The same, one by one.
    pub effects: Vec<Effect>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Delivery { at_ns, from, to, message, effects } = &self.delivery;
        let at = Time::from_nanos(*at_ns);
        let sender = if *from == ActorId::OUTSIDE { "outside".to_owned() } else { from.0.to_string() };
        writeln!(f, "delivery {} at {at}, from {sender} to {}: {message:?}", self.index, to.0)?;
        writeln!(f, "  in the journal: {}", Counts(effects))?;
        write!(f, "  replayed:       {}", Counts(&self.now))?;
        for effect in &self.effects {
            write!(f, "\n    {effect:?}")?;
        }
        Ok(())
    }
}

struct Counts<'a>(&'a Tally);

impl fmt::Display for Counts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { sends, timers, operations, observations, spawns, panicked, hash } = self.0;
        write!(
            f,
            "{sends} sends, {timers} timers, {operations} operations, {observations} observations, {spawns} spawns, hash {hash:016x}"
        )?;
        if *panicked { f.write_str(", a panic") } else { Ok(()) }
    }
}

/// Replays a journal. `make` makes the Workers, by the address that they had.
///
/// # Errors
/// Where the journal is damaged or incomplete, or at the first difference.
pub fn replay(
    journal: &mut Reader<impl BufRead>,
    make: &mut dyn FnMut(ActorId) -> Option<AnyActor>,
) -> Result<Replayed, ReplayError> {
    replay_and_see(journal, make, &mut |_| {})
}

/// The same, and shows each delivery that was replayed.
///
/// # Errors
/// As [`replay`].
pub fn replay_and_see(
    journal: &mut Reader<impl BufRead>,
    make: &mut dyn FnMut(ActorId) -> Option<AnyActor>,
    see: &mut dyn FnMut(&Delivery),
) -> Result<Replayed, ReplayError> {
    let mut stage = Stage::new(journal.header().seed);
    let mut deliveries = 0;
    while let Some(record) = journal.record()? {
        match record {
            Record::Hosted(id) => {
                let worker = make(id).ok_or(ReplayError::Unknown { index: deliveries, actor: id })?;
                stage.host(id, worker);
            }
            Record::Delivery(delivery) => {
                let now = stage
                    .deliver(&delivery)
                    .ok_or(ReplayError::Unknown { index: deliveries, actor: delivery.to })?;
                if now != delivery.effects {
                    let effects = std::mem::take(&mut stage.effects);
                    let difference = Difference { index: deliveries, delivery, now, effects };
                    return Err(ReplayError::Differs(Box::new(difference)));
                }
                see(&delivery);
                deliveries += 1;
            }
            Record::Gap(missing) => return Ok(Replayed { deliveries, end: End::Gap(missing) }),
        }
    }
    let end = if journal.is_torn() { End::Torn } else { End::Whole };
    Ok(Replayed { deliveries, end })
}

/// The backend of a replay: it keeps what actors do, and does nothing.
struct Stage {
    now: Time,
    seed: u64,
    /// The next address.
    next: u32,
    actors: BTreeMap<u32, AnyActor>,
    rngs: BTreeMap<u32, Rng>,
    fold: Fold,
    effects: Vec<Effect>,
}

impl Stage {
    fn new(seed: u64) -> Self {
        Self {
            now: Time::ZERO,
            seed,
            next: 0,
            actors: BTreeMap::new(),
            rngs: BTreeMap::new(),
            fold: Fold::default(),
            effects: Vec::new(),
        }
    }

    /// A Worker under the next address, or in the place of one that was lost.
    fn host(&mut self, id: ActorId, worker: AnyActor) {
        self.next = self.next.max(id.0 + 1);
        self.actors.insert(id.0, worker);
    }

    /// What the actor does with it; nothing where there is no such actor.
    fn deliver(&mut self, delivery: &Delivery) -> Option<Tally> {
        let mut actor = self.actors.remove(&delivery.to.0)?;
        self.now = Time::from_nanos(delivery.at_ns);
        self.effects.clear();
        let mut cx = Context::new(&mut *self, delivery.to, delivery.from);
        let handled = catch_unwind(AssertUnwindSafe(|| actor.handle(&mut cx, &delivery.message)));
        self.actors.insert(delivery.to.0, actor);
        Some(self.fold.take(handled.is_err()))
    }

    fn keep(&mut self, effect: Effect) {
        self.fold.add(&effect);
        self.effects.push(effect);
    }
}

impl Backend for Stage {
    fn now(&self) -> Time {
        self.now
    }

    fn send(&mut self, _me: ActorId, to: ActorId, message: Message) {
        self.keep(Effect::send(to, message, Duration::ZERO));
    }

    fn send_after(&mut self, _me: ActorId, to: ActorId, message: Message, after: Duration) {
        self.keep(Effect::send(to, message, after));
    }

    fn arm(&mut self, _me: ActorId, timer: Timer, after: Duration) {
        self.keep(Effect::timer(timer, Some(after)));
    }

    fn disarm(&mut self, _me: ActorId, timer: Timer) {
        self.keep(Effect::timer(timer, None));
    }

    fn perform(&mut self, _me: ActorId, operation: Operation) {
        self.keep(Effect::Perform(operation));
    }

    fn observe(&mut self, observation: Observation) {
        self.keep(Effect::Observe(observation));
    }

    fn spawn(&mut self, _me: ActorId, actor: AnyActor) -> ActorId {
        let id = ActorId(self.next);
        self.next += 1;
        self.actors.insert(id.0, actor);
        self.keep(Effect::Spawn(id));
        id
    }

    fn rng(&mut self, me: ActorId) -> &mut Rng {
        let seed = self.seed;
        self.rngs.entry(me.0).or_insert_with(|| Rng::stream(seed, Purpose::Actor, u64::from(me.0)))
    }
}
