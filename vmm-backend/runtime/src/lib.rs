//! Hosts the actors of a warm pool on this machine: the same boxed actors that a simulation runs, on ractor
//! and tokio.
//!
//! ```text
//!   requests ──▶ intake ──▶ ┌──────────── executor ────────────┐ ── observations ──▶ Observer
//!   (bounded)               │ Worker  Pool  Refiller  Sprite │ ── deliveries ────▶ journal
//!   timers, losses ───────▶ │   each in a thin ractor actor  │
//!                           └───────────────────────────────┘
//!                              ▲ ends            │ operations
//!                              └── blocking thread pools ◀┘ ── perform ──▶ Machines
//! ```
//!
//! What to rely on:
//!
//! 1. **Messages between two actors arrive in the order in which they were sent**, one at a time, and
//!    observations in the order of their times.
//! 2. **Every admitted request ends exactly once**, also when an actor panics or a VM dies; what comes beyond
//!    the bound is rejected at once and seen by the observer like any other request.
//! 3. **A timer is never early**, and one that was disarmed or armed again does not fire as it was.
//! 4. **Actors never wait.** Operations block threads of their own, and a start never waits behind a boot.
//! 5. **A panic or a dead VM costs what it must and no more**: the table in `delivery.rs` says what.
//!
//! Actors have no thread: whoever brings a message handles it and all that follows from it, up to the next
//! operation; `executor.rs` says why. Nothing here knows KVM: a host's VMs are whatever implements
//! [`Machines`].
//!
//! A scenario in real time, on machines without VMs:
//!
//! ```
//! use std::sync::Arc;
//!
//! use actors::{Observation, Observer, Time};
//! use runtime::{Options, Scripted, run_scenario};
//! use scenarios::Scenario;
//!
//! struct Nobody;
//!
//! impl Observer for Nobody {
//!     fn opened(&mut self, _at: Time) {}
//!     fn closed(&mut self, _at: Time) {}
//!     fn observe(&mut self, _at: Time, _observation: Observation) {}
//! }
//!
//! let text = "[[demand]]\nto = 20\nfor = \"200ms\"\narrivals = \"even\"\n";
//! let scenario = Scenario::parse(text, "calm.toml", &[])?;
//! let machines = Arc::new(Scripted::new(&scenario)?);
//! let (run, _) = run_scenario(&scenario, machines, Nobody, &Options::default())?;
//! assert_eq!(run.unfinished, 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

mod clock;
mod core;
mod delivery;
mod error;
mod executor;
mod faults;
mod journal;
mod lag;
mod ledger;
mod operations;
mod pacer;
mod replay;
mod scenario;
mod scripted;
mod shared;
mod shell;
mod thread_pool;
mod timers;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use actors::protocol::{Cause, Timer, ToAny, ToSprite, ToWorker};
use actors::{ActorId, AnyActor, Duration, Key, Message, Observer, OperationKind, Outcome, Request, Time};

use self::clock::Clock;
use self::core::Core;
use self::executor::{Envelope, Executor, Guard};
use self::journal::Journals;
use self::operations::{Operations, PoolSizes};
use self::shared::{Shared, lock};
use self::shell::Boxed;
use self::timers::Timers;

pub use error::RuntimeError;
pub use journal::{Delivery, Effect, Header, JournalError, JournalPaths, Reader, Record, Tally, segment};
pub use lag::Lag;
pub use operations::{Lost, Machines, Script};
pub use replay::{Difference, End, ReplayError, Replayed, replay, replay_and_see};
pub use scenario::{Limits, Options, Run, plan_of, rehearse, run_scenario};
pub use scripted::Scripted;

/// Longest that a runtime waits for operations under way when it is shut down.
const SHUTDOWN_LIMIT: std::time::Duration = std::time::Duration::from_secs(60);

/// VMs that may be detached and not yet destroyed before boots wait for them.
pub const DETACHED_MAX: usize = 16;

/// The lifetime of a request whose user says when it is over, with [`Runtime::end_run`].
pub const UNTIL_TOLD: Duration = Duration::MAX;

/// How large everything may become.
#[derive(Clone, Debug)]
pub struct Config {
    /// What the actors' random numbers come from.
    pub seed: u64,
    /// Requests that may have arrived and not ended; what comes beyond is rejected.
    pub in_flight_max: usize,
    /// Starts and wakes at once.
    pub starts: usize,
    /// Boots at once; a Worker asks for no more than its own number.
    pub boots: usize,
    /// Creates at once.
    pub creates: usize,
    /// Stops, sleeps and detached VMs at once.
    pub background: usize,
    /// VMs that may be detached and not yet destroyed before boots wait for them. They hold no slot: a host
    /// needs room for so many more than its slots.
    pub detached_max: usize,
    /// What is written down.
    pub journals: JournalPaths,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            seed: 42,
            in_flight_max: 4_096,
            starts: 32,
            boots: 4,
            creates: 4,
            background: 2,
            detached_max: DETACHED_MAX,
            journals: JournalPaths::default(),
        }
    }
}

/// Whether a request was let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It has arrived and will end.
    Admitted(Request),
    /// Too many are under way: it has arrived and was rejected.
    Refused(Request),
}

/// What a runtime has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Messages delivered.
    pub delivered: u64,
    /// Requests rejected at the door, because too many were under way.
    pub refused: u64,
    /// Handlers that panicked.
    pub panics: u64,
    /// Operations that panicked.
    pub operation_panics: u64,
    /// Workers that were made anew after a panic.
    pub renewals: u64,
    /// Ends of requests that had ended already; the observer did not see them. Zero, unless a handler
    /// panicked.
    pub ended_twice: u64,
    /// Lines that the journals had no room for.
    pub journal_overflowed: u64,
    /// Lines that the journals' disk did not take.
    pub journal_unwritten: u64,
    /// How late timers fired.
    pub timer_lag: Lag,
}

/// See the [module](self).
pub struct Runtime {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    closed: bool,
    /// The next request's number; held while it is let in, so that requests arrive in the order of their
    /// times.
    next_request: Mutex<u64>,
}

impl Runtime {
    /// A runtime without actors, on the monotonic clock.
    ///
    /// # Errors
    /// Where threads or a journal's file cannot be made.
    pub fn new(
        config: &Config,
        machines: Arc<dyn Machines>,
        observer: Box<dyn Observer + Send>,
    ) -> Result<Self, RuntimeError> {
        Self::on(Clock::real(), config, machines, observer)
    }

    /// A runtime whose clock stands still until [`Self::step`] moves it, for tests and for comparison with a
    /// simulation. Its machines must have a [`Script`] for it to be deterministic.
    ///
    /// # Errors
    /// Where threads or a journal's file cannot be made.
    pub fn stepped(
        config: &Config,
        machines: Arc<dyn Machines>,
        observer: Box<dyn Observer + Send>,
    ) -> Result<Self, RuntimeError> {
        Self::on(Clock::stepped(), config, machines, observer)
    }

    fn on(
        clock: Clock,
        config: &Config,
        machines: Arc<dyn Machines>,
        observer: Box<dyn Observer + Send>,
    ) -> Result<Self, RuntimeError> {
        let executor = Executor::new().map_err(|error| RuntimeError::Runtime(error.to_string()))?;
        let started = executor.take().as_ref().map(|runtime| runtime.block_on(shell::supervisor()));
        let supervisor = match started {
            Some(Ok(supervisor)) => supervisor,
            Some(Err(error)) => return Err(RuntimeError::Runtime(error.to_string())),
            None => return Err(RuntimeError::Runtime("it was closed".to_owned())),
        };
        let journals = Journals::open(&config.journals, config.seed)?;
        let sizes = PoolSizes {
            starts: config.starts,
            boots: config.boots,
            creates: config.creates,
            background: config.background,
            detached_max: config.detached_max,
        };
        let losses = machines.losses();
        let shared = Arc::new(Shared {
            clock,
            executor,
            core: Mutex::new(Core::new(observer, journals, config.seed)),
            timers: Timers::new(),
            operations: Operations::new(machines, sizes, config.seed),
            in_flight: AtomicUsize::new(0),
            in_flight_max: config.in_flight_max,
            refused: AtomicU64::new(0),
            supervisor,
        });
        let mut runtime = Self { shared, threads: Vec::new(), closed: false, next_request: Mutex::new(0) };
        if !runtime.shared.clock.is_stepped() {
            runtime.thread("warmpool-timers", |shared| timers::run(&shared))?;
            runtime.thread("warmpool-relief", |shared| shared.operations.relieve(&shared))?;
        }
        if let Some(losses) = losses {
            runtime.thread("warmpool-losses", move |shared| {
                let slice = std::time::Duration::from_millis(50);
                loop {
                    match losses.recv_timeout(slice) {
                        Ok(lost) => shared.lose(lost),
                        Err(RecvTimeoutError::Timeout) if !shared.timers.is_closing() => {}
                        Err(_) => return,
                    }
                }
            })?;
        }
        Ok(runtime)
    }

    fn thread(
        &mut self,
        name: &str,
        life: impl FnOnce(Arc<Shared>) + Send + 'static,
    ) -> Result<(), RuntimeError> {
        let shared = Arc::clone(&self.shared);
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            clock::be_urgent();
            life(shared);
        });
        self.threads.push(thread.map_err(RuntimeError::Thread)?);
        Ok(())
    }

    /// Hosts an actor, and whatever it spawns on the same worker. It is made anew in this way when its state
    /// is lost.
    pub fn host<A: Into<AnyActor>>(&self, maker: impl Fn() -> A + Send + 'static) -> ActorId {
        let maker = move || maker().into();
        let driver = self.shared.executor.take();
        let _within = driver.as_ref().map(tokio::runtime::Runtime::enter);
        let mut core = lock(&self.shared.core);
        let id = core.ledger.next();
        core.ledger.enter(id, 0);
        let shared = Arc::clone(&self.shared);
        core.journals.hosted(id);
        let actor = Some(maker());
        shell::host(Boxed { id, root: id, life: 0, actor, maker: Some(Box::new(maker)), shared });
        id
    }

    /// This moment is t = 0: the pools are as they should be and the first request may come.
    pub fn open(&self) {
        let at = self.shared.clock.now();
        lock(&self.shared.core).observer.opened(at);
        self.shared.clock.open();
        self.shared.timers.nudge();
    }

    /// Sends a message from outside, and handles what follows from it.
    pub fn tell(&self, to: ActorId, message: Message) {
        self.shared.tell(to, message);
        self.shared.drive();
    }

    /// A request arrives at a Worker now.
    pub fn submit(&self, worker: ActorId, key: Key, lifetime: Duration) -> Admission {
        let admission = self.admit(worker, key, lifetime);
        self.shared.drive();
        admission
    }

    /// The same, but the calling thread also starts the Sprite if it can be started at once: nobody has to be
    /// woken for it, which is most of what a warm take costs besides the start. It comes back when that is
    /// over.
    pub fn submit_and_start(&self, worker: ActorId, key: Key, lifetime: Duration) -> Admission {
        let admission = self.admit(worker, key, lifetime);
        if let Some(job) = self.shared.drive_for(true) {
            self.shared.operations.perform_and_follow(&self.shared, job, true);
        }
        admission
    }

    fn admit(&self, worker: ActorId, key: Key, lifetime: Duration) -> Admission {
        let mut next = lock(&self.next_request);
        let arrived = self.shared.clock.now();
        let request = Request { id: *next, arrived, lifetime, key, tries: 0, missed: None };
        *next += 1;
        if self.shared.admit(worker, request) {
            Admission::Admitted(request)
        } else {
            Admission::Refused(request)
        }
    }

    /// The user of a Sprite has gone, whose request has the lifetime [`UNTIL_TOLD`]: its `Run` operation
    /// ends. Without effect where that VM does not run, or no longer.
    pub fn end_run(&self, sprite: ActorId, generation: u32) {
        let message = Message::Any(ToAny::Done {
            generation,
            kind: OperationKind::Run,
            end: actors::protocol::End::Done,
        });
        self.shared.executor.post(Envelope {
            to: sprite,
            from: sprite,
            message,
            guard: Guard::Running(generation),
        });
        self.shared.drive();
    }

    /// Has an idle Sprite fall asleep now, as if it had been idle for long enough. Without effect where that
    /// VM is not idle, or no longer there.
    pub fn sleep_now(&self, sprite: ActorId, generation: u32) {
        let message = Message::Any(ToAny::Fired(Timer::Idle));
        let guard = Guard::Generation(generation);
        self.shared.executor.post(Envelope { to: sprite, from: sprite, message, guard });
        self.shared.drive();
    }

    /// A VM has ended by itself.
    pub fn lose(&self, lost: Lost) {
        self.shared.lose(lost);
    }

    /// The time since the opening.
    pub fn now(&self) -> Time {
        self.shared.clock.now()
    }

    /// Requests that have arrived and not ended.
    pub fn unfinished(&self) -> usize {
        self.shared.unfinished()
    }

    /// Waits until no message and no operation is left, timers aside. Whether it came to that within the
    /// limit.
    pub fn wait_until_quiet(&self, limit: std::time::Duration) -> bool {
        self.shared.wait_until_quiet(limit)
    }

    /// Moves a stepped clock to what happens next, if that is not after `until`, and lets it happen.
    pub fn step(&self, until: Time) -> Option<Time> {
        let due = self.shared.timers.next_due().filter(|due| *due <= until)?;
        self.shared.clock.set(due);
        if let Some(envelope) = self.shared.timers.pop_due(due) {
            self.shared.executor.post(envelope);
            self.shared.drive();
        }
        Some(due)
    }

    /// What has been done so far.
    pub fn stats(&self) -> Stats {
        let core = lock(&self.shared.core);
        Stats {
            delivered: core.delivered,
            refused: self.shared.refused.load(Ordering::Relaxed),
            panics: core.panics,
            operation_panics: self.shared.operations.panics(),
            renewals: core.renewals,
            ended_twice: core.ledger.ended_twice,
            journal_overflowed: core.journals.overflowed(),
            journal_unwritten: core.journals.unwritten().0,
            timer_lag: self.shared.timers.lag(),
        }
    }

    /// Why lines of a journal could not be written, if there are any.
    pub fn journal_error(&self) -> Option<String> {
        lock(&self.shared.core).journals.unwritten().1
    }

    /// Ends everything: waits for operations under way, has every VM destroyed, ends all threads and writes
    /// the journals to their ends.
    ///
    /// # Errors
    /// Where a journal could not be written.
    pub fn shutdown(mut self) -> Result<Stats, RuntimeError> {
        self.close()
    }

    fn close(&mut self) -> Result<Stats, RuntimeError> {
        if std::mem::replace(&mut self.closed, true) {
            return Ok(self.stats());
        }
        let shared = &self.shared;
        shared.timers.close();
        for thread in self.threads.drain(..) {
            // Nothing in these threads panics; if it did, the others must still be ended.
            let _ = thread.join();
        }
        shared.wait_until_quiet(SHUTDOWN_LIMIT);
        shared.detach_all();
        shared.wait_until_quiet(SHUTDOWN_LIMIT);
        shared.operations.close();
        let stats = self.stats();
        if let Some(runtime) = shared.executor.take().take() {
            runtime.shutdown_background();
        }
        lock(&shared.core).journals.close()?;
        Ok(stats)
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        // Whoever wants to know calls `shutdown`.
        let _ = self.close();
    }
}

impl Shared {
    /// Lets a request in, or turns it away where too many are under way. Whether somebody must drive.
    pub(crate) fn admit(&self, worker: ActorId, request: Request) -> bool {
        if self.in_flight.fetch_add(1, Ordering::AcqRel) < self.in_flight_max {
            let message = Message::Worker(ToWorker::Request(request));
            let (from, guard) = (ActorId::OUTSIDE, Guard::None);
            self.executor.post(Envelope { to: worker, from, message, guard });
            return true;
        }
        self.refused.fetch_add(1, Ordering::Relaxed);
        let mut core = lock(&self.core);
        core.tick(self);
        delivery::turn_away(&mut core, self, worker, request, Outcome::Rejected, Cause::QueueFull);
        false
    }

    /// A VM has ended by itself: its Sprite is told, if it still has the same.
    fn lose(self: &Arc<Self>, lost: Lost) {
        let guard = Guard::Generation(lost.generation);
        let (to, from, message) = (lost.sprite, ActorId::OUTSIDE, Message::Sprite(ToSprite::Lost));
        self.executor.post(Envelope { to, from, message, guard });
        self.drive();
    }

    /// Has every VM destroyed.
    fn detach_all(self: &Arc<Self>) {
        {
            let mut core = lock(&self.core);
            for (sprite, generation, _) in core.ledger.vms() {
                core.detach(self, sprite, generation);
            }
        }
        self.drive();
    }
}
