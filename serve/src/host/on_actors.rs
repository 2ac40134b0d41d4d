//! The one implementation of [`Host`]: the four actors on the production runtime, over any machines.

use std::collections::BTreeSet;
use std::sync::Arc;

use actors::protocol::ToWorker;
use actors::{ActorId, Key, Message, Worker};
use runtime::{Config, JournalPaths, Limits, Runtime, RuntimeError, UNTIL_TOLD, plan_of};
use scenarios::{DistributionError, ScenarioError};
use tokio::sync::oneshot;

use super::books::Books;
use super::contract::{Began, Changes, Guests, Host, Journal, Lease, Visit, VisitError};
use super::level::{Counts, Level};
use super::watched::Watched;
use crate::config::{Backend, Loaded};
use crate::store::Seal;

/// The Worker's address: it is hosted first.
const WORKER: ActorId = ActorId(0);

/// Why there is no host.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The configuration asks what this host cannot do.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// A distribution cannot be drawn from.
    #[error(transparent)]
    Distribution(#[from] DistributionError),
    /// The runtime cannot be started.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// Real microVMs cannot be had.
    #[error("real microVMs cannot run here: {0}")]
    NoKvm(String),
}

/// A host whose actors decide; see the module. Dropping it ends every VM.
pub struct ActorHost {
    backend: Backend,
    runtime: Runtime,
    guests: Arc<dyn Guests>,
    books: Books,
    /// Where the journal is, or why there is none.
    journal: Journal,
}

impl ActorHost {
    /// Hosts the actors and begins to fill the pool; requests may come at once.
    ///
    /// # Errors
    /// What the configuration asks that this host cannot do; threads that cannot be made.
    pub fn new<M: Guests + 'static>(
        loaded: &Loaded,
        backend: Backend,
        machines: Arc<M>,
        limits: &Limits,
        journals: JournalPaths,
    ) -> Result<(Self, Changes), HostError> {
        let plan = plan_of(&loaded.scenario, limits)?;
        let (books, changes) = Books::new(plan.slots);
        let slots = plan.slots as usize;
        let mut journal = Journal { path: journals.deliveries.clone(), ..Journal::default() };
        let mut config = Config {
            seed: random_seed(),
            in_flight_max: limits.in_flight_max,
            starts: limits.starts.min(slots),
            boots: plan.boots.min(limits.boots_max).min(plan.slots) as usize,
            creates: limits.boots_max.min(plan.slots) as usize,
            journals,
            ..Config::default()
        };
        let start = |config: &Config| {
            let watched = Watched { machines: Arc::clone(&machines), books: books.clone() };
            Runtime::new(config, Arc::new(watched), Box::new(books.clone()))
        };
        let runtime = match start(&config) {
            Err(error @ RuntimeError::Journal { .. }) => {
                tracing::error!("{error}: decisions are not written down");
                journal = Journal { error: Some(error.to_string()), ..Journal::default() };
                config.journals = JournalPaths::default();
                start(&config)?
            }
            started => started?,
        };
        for worker in loaded.scenario.worker_configs() {
            runtime.host(move || Worker::new(worker.clone()));
        }
        runtime.open();
        runtime.tell(WORKER, Message::Worker(ToWorker::Begin(plan.pool.start)));
        Ok((Self { backend, runtime, guests: machines, books, journal }, changes))
    }
}

/// A host draws anew each time; only simulations repeat.
fn random_seed() -> u64 {
    getrandom::u64().unwrap_or(42)
}

impl Host for ActorHost {
    fn backend(&self) -> Backend {
        self.backend
    }

    fn begin(&self, key: Key) -> oneshot::Receiver<Began> {
        let began = self.books.expect(key);
        self.runtime.submit(WORKER, key, UNTIL_TOLD);
        began
    }

    fn end_use(&self, lease: Lease) {
        self.runtime.end_run(lease.sprite, lease.generation);
    }

    fn sleep_now(&self, lease: Lease) {
        self.runtime.sleep_now(lease.sprite, lease.generation);
    }

    fn forget(&self, key: Key) {
        self.runtime.tell(WORKER, Message::Worker(ToWorker::Forget { key }));
    }

    fn save(&self, lease: Lease, key: Key) -> Result<Seal, VisitError> {
        self.guests.save(lease, key)
    }

    fn is_saved(&self, lease: Lease) -> bool {
        self.guests.is_saved(lease)
    }

    fn adopt(&self, key: Key, seal: &Seal) -> Result<(), VisitError> {
        self.guests.adopt(key, seal)?;
        self.runtime.tell(WORKER, Message::Worker(ToWorker::Adopt { key }));
        Ok(())
    }

    fn discard(&self, key: Key) {
        self.guests.discard(key);
    }

    fn discard_others(&self, keys: &BTreeSet<Key>) {
        self.guests.discard_others(keys);
    }

    fn visit(&self, lease: Lease) -> Result<Visit, VisitError> {
        self.guests.visit(lease)
    }

    fn journal(&self) -> Journal {
        let stats = self.runtime.stats();
        let missing = stats.journal_overflowed + stats.journal_unwritten;
        let error = self.runtime.journal_error().or_else(|| self.journal.error.clone());
        Journal { path: self.journal.path.clone(), missing, error }
    }

    fn level(&self) -> Level {
        self.books.level()
    }

    fn counts(&self) -> Counts {
        self.books.counts()
    }

    fn room(&self) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.books.room())
    }

    fn failures(&self) -> Vec<String> {
        self.guests.failures()
    }
}
