//! The work that only a host can do, and who does it: four classes of operations, each with its own thread
//! pool, so that a start never waits for a boot, and what goes on in the background waits for neither.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Condvar, Mutex};

use actors::protocol::{End, Operation};
use actors::random::Purpose;
use actors::{ActorId, Duration, OperationKind, Rng, Time};

use super::shared::{Shared, lock, wait};
use super::thread_pool::{AtWork, ThreadPool};

/// How often a boot is tried while pools are filled.
pub(crate) const FILL_TRIES: u32 = 3;
/// A thread that was seen in the same operation twice, this long apart, is stuck. Almost every operation
/// takes a fraction of it.
const LOOK: std::time::Duration = std::time::Duration::from_millis(10);
/// Where nothing is under way, nothing can be stuck.
const LOOK_WHEN_IDLE: std::time::Duration = std::time::Duration::from_millis(50);

/// A host's VMs, as the runtime sees them. Every Sprite has at most one VM at a time, named by the Sprite and
/// its generation.
pub trait Machines: Send + Sync {
    /// Does what the operation says and comes back when it is over, on a thread that may block. How it ended:
    /// a refusal leaves the VM as it was; when it is lost, nothing more is asked of it but `Detach`. A panic
    /// loses the VM.
    ///
    /// For one Sprite operations come one at a time, with one exception: `Detach` may come at any time, for a
    /// VM that is booting, gone, or was never there, and is then without effect or takes it when the boot has
    /// ended and `Detach` comes again. `Run` never comes here: the user works, and the runtime watches the
    /// clock.
    fn perform(&self, sprite: ActorId, operation: &Operation) -> End;

    /// VMs that have ended by themselves are told here; asked for once, before the first operation. `None`
    /// where VMs never end by themselves.
    fn losses(&self) -> Option<Receiver<Lost>> {
        None
    }

    /// How operations end, where that is decided when they begin: then no thread waits for them.
    fn script(&self) -> Option<&dyn Script> {
        None
    }
}

/// Answers operations without a host.
pub trait Script: Send + Sync {
    /// How long an operation takes that begins now, and how it ends.
    fn answer(&self, now: Time, sprite: ActorId, operation: &Operation) -> (Duration, End);
}

/// A VM has ended by itself, as when its shard died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Whose it was.
    pub sprite: ActorId,
    /// Which of the Sprite's VMs. The Sprite is told only if it still has the same.
    pub generation: u32,
}

/// What operations are told apart by, when it comes to who does them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Class {
    Start,
    Boot,
    Create,
    Background,
}

impl Class {
    const fn of(kind: OperationKind) -> Self {
        match kind {
            OperationKind::Start | OperationKind::Wake | OperationKind::Run => Self::Start,
            OperationKind::Boot => Self::Boot,
            OperationKind::Create => Self::Create,
            OperationKind::Sleep | OperationKind::Stop | OperationKind::Detach => Self::Background,
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Start => "warmpool-start",
            Self::Boot => "warmpool-boot",
            Self::Create => "warmpool-create",
            Self::Background => "warmpool-stop",
        }
    }
}

/// An operation of a Sprite.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Job {
    pub(crate) sprite: ActorId,
    pub(crate) operation: Operation,
}

impl Job {
    pub(crate) const fn class(&self) -> Class {
        Class::of(self.operation.kind)
    }
}

/// How many threads each class may have, and how far boots may run ahead of VMs that are being destroyed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PoolSizes {
    pub(crate) starts: usize,
    pub(crate) boots: usize,
    pub(crate) creates: usize,
    pub(crate) background: usize,
    pub(crate) detached_max: usize,
}

/// See the [module](self).
pub(crate) struct Operations {
    pub(crate) machines: Arc<dyn Machines>,
    thread_pools: [ThreadPool; 4],
    pending: AtomicUsize,
    /// Whether a thread that is not there for it does a boot.
    lent: AtomicBool,
    detached: Mutex<usize>,
    fewer_detached: Condvar,
    detached_max: usize,
    panics: AtomicU64,
    fill_failures: AtomicU64,
    faults: Faults,
}

/// What the faults of a scenario do to boots.
struct Faults {
    /// The bits of the factor.
    slow: AtomicU64,
    /// The bits of the share.
    failing: AtomicU64,
    rng: Mutex<Rng>,
}

impl Operations {
    pub(crate) fn new(machines: Arc<dyn Machines>, sizes: PoolSizes, seed: u64) -> Self {
        Self {
            machines,
            thread_pools: [
                ThreadPool::new(Class::Start, sizes.starts),
                ThreadPool::new(Class::Boot, sizes.boots),
                ThreadPool::new(Class::Create, sizes.creates),
                ThreadPool::new(Class::Background, sizes.background),
            ],
            pending: AtomicUsize::new(0),
            lent: AtomicBool::new(false),
            detached: Mutex::new(0),
            fewer_detached: Condvar::new(),
            detached_max: sizes.detached_max,
            panics: AtomicU64::new(0),
            fill_failures: AtomicU64::new(0),
            faults: Faults {
                slow: AtomicU64::new(1f64.to_bits()),
                failing: AtomicU64::new(0f64.to_bits()),
                rng: Mutex::new(Rng::stream(seed, Purpose::Faults, 0)),
            },
        }
    }

    pub(crate) fn thread_pool(&self, class: Class) -> &ThreadPool {
        &self.thread_pools[class as usize]
    }

    /// Operations that have begun and not ended.
    pub(crate) fn pending(&self) -> usize {
        self.pending.load(Ordering::SeqCst)
    }

    /// Operations that panicked.
    pub(crate) fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }

    /// An operation was asked for.
    pub(crate) fn begun(&self, kind: OperationKind) {
        self.pending.fetch_add(1, Ordering::SeqCst);
        if kind == OperationKind::Detach {
            *lock(&self.detached) += 1;
        }
    }

    /// An operation is over and its end has been posted.
    pub(crate) fn ended(&self, kind: OperationKind) {
        if kind == OperationKind::Detach {
            *lock(&self.detached) -= 1;
            self.fewer_detached.notify_all();
        }
        self.pending.fetch_sub(1, Ordering::SeqCst);
    }

    /// Whether a thread that serves requests may do a boot now: one at a time, or starts would have no thread
    /// left.
    pub(crate) fn lend_thread(&self) -> bool {
        !self.lent.swap(true, Ordering::AcqRel)
    }

    /// Wakes whoever is needed for what was handed out without waking anybody.
    pub(crate) fn kick(&self, shared: &Arc<Shared>) {
        for thread_pool in &self.thread_pools {
            thread_pool.kick(shared);
        }
    }

    /// Replaces threads that are stuck in operations, until the runtime is closed.
    pub(crate) fn relieve(&self, shared: &Arc<Shared>) {
        while !shared.timers.is_closing() {
            std::thread::sleep(if self.pending() == 0 { LOOK_WHEN_IDLE } else { LOOK });
            for thread_pool in &self.thread_pools {
                thread_pool.relieve(shared);
            }
        }
    }

    /// Performs an operation and handles what follows from its end; and the next one, if somebody waits for
    /// what that asks for. A `lent` thread is one that was given the job by [`Shared::drive_for`].
    pub(crate) fn perform_and_follow(&self, shared: &Arc<Shared>, job: Job, mut lent: bool) {
        let mut next = Some(job);
        while let Some(job) = next.take() {
            let end = self.perform(shared, &job);
            if lent && job.class() == Class::Boot {
                self.lent.store(false, Ordering::Release);
            }
            lent = true;
            shared.done(&job, end);
            next = shared.drive_for(matches!(job.class(), Class::Start | Class::Boot));
            self.kick(shared);
        }
    }

    fn perform(&self, shared: &Shared, job: &Job) -> End {
        if !matches!(job.operation.kind, OperationKind::Boot | OperationKind::Create) {
            return self.attempt(job);
        }
        self.wait_for_room();
        if !shared.clock.is_open() {
            // Time stands still while pools are filled, so there is no later for the actors to try again at.
            let filled = (0..FILL_TRIES).any(|_| self.attempt(job) == End::Done);
            self.fill_failures.fetch_add(u64::from(!filled), Ordering::Relaxed);
            return if filled { End::Done } else { End::Lost };
        }
        if self.faults.fails() {
            return End::Lost;
        }
        let begun = std::time::Instant::now();
        let end = self.attempt(job);
        let factor = f64::from_bits(self.faults.slow.load(Ordering::Relaxed));
        if factor > 1.0 {
            std::thread::sleep(begun.elapsed().mul_f64(factor - 1.0));
        }
        end
    }

    fn attempt(&self, job: &Job) -> End {
        let _at_work = AtWork::begin();
        let machines = AssertUnwindSafe(&self.machines);
        let ended = catch_unwind(|| machines.perform(job.sprite, &job.operation));
        self.panics.fetch_add(u64::from(ended.is_err()), Ordering::Relaxed);
        ended.unwrap_or(End::Lost)
    }

    /// Boots that failed while pools were filled, each [`FILL_TRIES`] times.
    pub(crate) fn fill_failures(&self) -> u64 {
        self.fill_failures.load(Ordering::Relaxed)
    }

    /// A detached VM has given its slot back but is still there: boots wait while there are too many of
    /// these.
    fn wait_for_room(&self) {
        let mut detached = lock(&self.detached);
        while *detached > self.detached_max {
            detached = wait(&self.fewer_detached, detached);
        }
    }

    /// From now on boots take so many times as long as they would.
    pub(crate) fn set_slow(&self, factor: f64) {
        self.faults.slow.store(factor.to_bits(), Ordering::Relaxed);
    }

    /// From now on this share of boots fails.
    pub(crate) fn set_failing(&self, ratio: f64) {
        self.faults.failing.store(ratio.to_bits(), Ordering::Relaxed);
    }

    /// Waits until what was asked for has been done, and ends all threads.
    pub(crate) fn close(&self) {
        for thread_pool in &self.thread_pools {
            thread_pool.close();
        }
    }
}

impl Faults {
    fn fails(&self) -> bool {
        let ratio = f64::from_bits(self.failing.load(Ordering::Relaxed));
        ratio > 0.0 && lock(&self.rng).chance(ratio)
    }
}
