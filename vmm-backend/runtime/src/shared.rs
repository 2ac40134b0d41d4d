//! What every part of the runtime holds on to, and how messages are driven and what they ask for is handed
//! out.
//!
//! Locks are taken in this order, and none is held while another thread is waited for: executor, core, timers
//! or a thread pool.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actors::protocol::{End, ToAny};
use actors::{ActorId, Message, OperationKind, Time};
use ractor::ActorCell;

use super::clock::Clock;
use super::core::Core;
use super::executor::{Envelope, Executor, Guard};
use super::operations::{Class, Job, Operations};
use super::thread_pool::Task;
use super::timers::Timers;

/// Locks, also after a panic elsewhere: what is locked here is never left half changed.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits for a change.
pub(crate) fn wait<'a, T>(changed: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    changed.wait(guard).unwrap_or_else(PoisonError::into_inner)
}

/// Waits for a change, but not for ever.
pub(crate) fn wait_timeout<'a, T>(
    changed: &Condvar,
    guard: MutexGuard<'a, T>,
    at_most: Duration,
) -> MutexGuard<'a, T> {
    changed.wait_timeout(guard, at_most).unwrap_or_else(PoisonError::into_inner).0
}

/// See the [module](self).
pub(crate) struct Shared {
    pub(crate) clock: Clock,
    pub(crate) executor: Executor,
    pub(crate) core: Mutex<Core>,
    pub(crate) timers: Timers,
    pub(crate) operations: Operations,
    /// Requests admitted that have not ended.
    pub(crate) in_flight: AtomicUsize,
    pub(crate) in_flight_max: usize,
    /// Requests turned away at the door.
    pub(crate) refused: AtomicU64,
    /// Whom all actors are linked to.
    pub(crate) supervisor: ActorCell,
}

impl Shared {
    /// Handles every message there is, unless somebody else does already, and hands out the operations that
    /// they ask for.
    pub(crate) fn drive(self: &Arc<Self>) {
        self.drive_for(false);
    }

    /// The same. A caller that can `perform` an operation gets the first start, or else, if nobody has one,
    /// the first boot, to [do it](Operations::perform_and_follow) at once: nobody need be woken for it. While
    /// it does a start, what else was asked for lies ready without anybody being woken either, until the
    /// caller has done it and calls [`Operations::kick`], or the next one drives.
    pub(crate) fn drive_for(self: &Arc<Self>, perform: bool) -> Option<Job> {
        if tokio::runtime::Handle::try_current().is_ok() {
            // An asynchronous caller must not block on a runtime of ours.
            self.operations.thread_pool(Class::Start).push(self, Task::Drive, true);
            return None;
        }
        let mut mine = None;
        loop {
            let Some(runtime) = self.executor.try_take() else { break };
            let Some(driven) = runtime.as_ref() else { break };
            self.executor.settle(driven);
            let jobs = lock(&self.core).take_jobs();
            drop(runtime);
            self.hand_out(jobs, perform, &mut mine);
            if !self.executor.came_late() {
                break;
            }
        }
        mine
    }

    fn hand_out(self: &Arc<Self>, mut jobs: Vec<Job>, perform: bool, mine: &mut Option<Job>) {
        if perform && mine.is_none() {
            let first = |class| jobs.iter().position(|job| job.class() == class);
            let boot = || first(Class::Boot).filter(|_| self.operations.lend_thread());
            let first = first(Class::Start).or_else(boot);
            *mine = first.map(|first| jobs.remove(first));
        }
        // A start is soon over, and is not disturbed; a boot is not waited for.
        let wake = !mine.is_some_and(|job| job.class() == Class::Start);
        for job in jobs.drain(..) {
            self.operations.thread_pool(job.class()).push(self, Task::Perform(job), wake);
        }
        lock(&self.core).give_back(jobs);
    }

    /// An operation has ended.
    pub(crate) fn done(self: &Arc<Self>, job: &Job, end: End) {
        let Job { sprite, operation } = *job;
        if operation.kind != OperationKind::Detach {
            let (generation, kind) = (operation.generation, operation.kind);
            let message = Message::Any(ToAny::Done { generation, kind, end });
            self.executor.post(Envelope { to: sprite, from: sprite, message, guard: Guard::None });
        }
        self.operations.ended(operation.kind);
    }

    /// Sends a message from outside.
    pub(crate) fn tell(self: &Arc<Self>, to: ActorId, message: Message) {
        self.executor.post(Envelope { to, from: ActorId::OUTSIDE, message, guard: Guard::None });
    }

    /// Sends a message from outside at a certain time.
    pub(crate) fn tell_at(&self, at: Time, to: ActorId, message: Message) {
        let envelope = Envelope { to, from: ActorId::OUTSIDE, message, guard: Guard::None };
        if at < Time::MAX {
            self.timers.post_at(at, envelope);
        }
    }

    /// Whether no message and no operation is left.
    pub(crate) fn is_quiet(self: &Arc<Self>) -> bool {
        self.drive();
        let _driver = self.executor.take();
        // An operation posts its end before it stops counting, so the count must be read first.
        self.operations.pending() == 0 && self.executor.is_settled()
    }

    /// Waits until no message and no operation is left, or until `limit`. Whether it came to that.
    pub(crate) fn wait_until_quiet(self: &Arc<Self>, limit: Duration) -> bool {
        let begun = std::time::Instant::now();
        while !self.is_quiet() {
            if begun.elapsed() > limit {
                return false;
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        true
    }

    /// Requests that have not ended.
    pub(crate) fn unfinished(&self) -> usize {
        self.in_flight.load(Ordering::Acquire)
    }
}
