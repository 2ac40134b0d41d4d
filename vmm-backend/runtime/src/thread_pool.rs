//! Threads that block so that actors need not: each pool does one class of operations, so that a start never
//! waits behind a boot. A pool grows when it is asked for more than its idle threads can take, up to its
//! bound, and then tasks wait in order. They are never more than the VMs that the worker may hold.
//!
//! A thread that is stuck in one operation, as where the process that holds the VM hangs, does not count
//! towards the bound: another takes its place, so that operations on other VMs go on.
//!
//! The pool that starts Sprites also lets requests in (see [`super::pacer`]): a thread that brings a request
//! goes on to start its Sprite.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;

use super::operations::{Class, Job};
use super::pacer::Pacer;
use super::shared::{Shared, lock, wait};

/// Threads that wait for the next requests at a time: one for the next, and one to take over from it.
const PACING: usize = 2;
/// So many stuck threads of a pool are replaced; it takes a host on which nothing works to have more.
const REPLACED_MAX: usize = 128;

thread_local! {
    /// Counted up when this thread begins an operation and when it ends one.
    static WORK: RefCell<Arc<AtomicU32>> = RefCell::default();
}

/// An operation is under way on this thread.
pub(crate) struct AtWork(());

impl AtWork {
    pub(crate) fn begin() -> Self {
        WORK.with_borrow(|work| work.fetch_add(1, Ordering::Relaxed));
        Self(())
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        WORK.with_borrow(|work| work.fetch_add(1, Ordering::Relaxed));
    }
}

/// What a thread of a pool is to do.
pub(crate) enum Task {
    /// An operation.
    Perform(Job),
    /// Handle messages for somebody who could not.
    Drive,
}

/// See the [module](self).
pub(crate) struct ThreadPool {
    class: Class,
    threads_max: usize,
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Task>,
    idle: usize,
    threads: Vec<JoinHandle<()>>,
    works: Vec<Work>,
    /// How many threads are stuck.
    stuck: usize,
    pacer: Option<Arc<Pacer>>,
    pacing: usize,
    closing: bool,
}

/// What a thread has done, and had when it was last looked at.
struct Work {
    count: Arc<AtomicU32>,
    seen: u32,
}

/// What a thread does next.
enum Next {
    Task(Task),
    Pace(Arc<Pacer>),
    Leave,
}

impl ThreadPool {
    pub(crate) fn new(class: Class, threads_max: usize) -> Self {
        // Threads that pace are not there for operations that others ask for.
        let threads_max = threads_max.max(1) + if class == Class::Start { PACING } else { 0 };
        Self { class, threads_max, state: Mutex::default(), wake: Condvar::new() }
    }

    /// Puts a task at the end of the queue. Without `wake` nobody is woken for it, unless another lies there
    /// already: the caller [kicks](Self::kick) later, but if it comes to hang, the next one need not wait for
    /// it.
    pub(crate) fn push(&self, shared: &Arc<Shared>, task: Task, wake: bool) {
        let mut state = lock(&self.state);
        let wake = wake || !state.queue.is_empty();
        state.queue.push_back(task);
        if wake {
            self.summon(shared, &mut state);
        }
    }

    /// Sees to it that somebody takes what lies in the queue.
    pub(crate) fn kick(&self, shared: &Arc<Shared>) {
        let mut state = lock(&self.state);
        if !state.queue.is_empty() {
            self.summon(shared, &mut state);
        }
    }

    /// Lets requests in from now on, until the pacer has no more.
    pub(crate) fn pace(&self, shared: &Arc<Shared>, pacer: Arc<Pacer>) {
        let mut state = lock(&self.state);
        state.pacer = Some(pacer);
        for _ in 0..PACING {
            self.one_more(shared, &mut state);
        }
    }

    /// Wakes or starts as many threads as the queue has tasks, as far as there are any.
    fn summon(&self, shared: &Arc<Shared>, state: &mut State) {
        let tasks = state.queue.len();
        if tasks > state.idle {
            self.start(shared, state);
        }
        if state.idle > 0 {
            if tasks > 1 { self.wake.notify_all() } else { self.wake.notify_one() }
        }
    }

    /// Wakes one thread, or starts one; whether there is any.
    fn one_more(&self, shared: &Arc<Shared>, state: &mut State) -> bool {
        if state.idle > 0 {
            self.wake.notify_one();
            return true;
        }
        self.start(shared, state)
    }

    fn start(&self, shared: &Arc<Shared>, state: &mut State) -> bool {
        let threads_max = self.threads_max + state.stuck.min(REPLACED_MAX);
        if state.threads.len() >= threads_max || state.closing {
            return false;
        }
        let (theirs, number) = (Arc::clone(shared), state.threads.len());
        let class = self.class;
        let name = format!("{}-{number}", class.name());
        let count = Arc::<AtomicU32>::default();
        let work = Arc::clone(&count);
        let thread = std::thread::Builder::new().name(name).spawn(move || {
            WORK.set(work);
            super::clock::be_punctual();
            super::clock::be_urgent();
            theirs.operations.thread_pool(class).work(&theirs);
        });
        match thread {
            Ok(thread) => {
                state.threads.push(thread);
                state.works.push(Work { count, seen: 0 });
            }
            // The system has no more threads to give; those that there are do the work.
            Err(_) => return false,
        }
        true
    }

    /// Looks which threads have been in one operation since the last look, and sees to it that others take
    /// what lies in the queue.
    pub(crate) fn relieve(&self, shared: &Arc<Shared>) {
        let mut state = lock(&self.state);
        let mut stuck = 0;
        for work in &mut state.works {
            let count = work.count.load(Ordering::Relaxed);
            stuck += usize::from(count % 2 == 1 && count == work.seen);
            work.seen = count;
        }
        state.stuck = stuck;
        if stuck > 0 && !state.queue.is_empty() {
            self.summon(shared, &mut state);
        }
    }

    /// The life of a thread.
    fn work(&self, shared: &Arc<Shared>) {
        loop {
            match self.next() {
                Next::Task(Task::Perform(job)) => shared.operations.perform_and_follow(shared, job, false),
                Next::Task(Task::Drive) => shared.drive(),
                Next::Pace(pacer) => pacer.pace(shared, self),
                Next::Leave => return,
            }
        }
    }

    fn next(&self) -> Next {
        let mut state = lock(&self.state);
        loop {
            // Somebody always waits for the next request: who is late with an operation delays one request,
            // who is late with arrivals delays all.
            let wanted = if state.queue.is_empty() { PACING } else { 1 };
            if state.pacing < wanted
                && let Some(pacer) = state.pacer.clone()
            {
                state.pacing += 1;
                return Next::Pace(pacer);
            }
            if let Some(task) = state.queue.pop_front() {
                return Next::Task(task);
            }
            if state.closing {
                return Next::Leave;
            }
            state.idle += 1;
            state = wait(&self.wake, state);
            state.idle -= 1;
        }
    }

    /// A thread that paced has its request. Whether another stands by, so that this one may stay away for a
    /// while.
    pub(crate) fn leave_pacing(&self, shared: &Arc<Shared>) -> bool {
        let mut state = lock(&self.state);
        state.pacing -= 1;
        state.pacing > 0 || state.pacer.is_none() || self.one_more(shared, &mut state)
    }

    /// There are no more requests to let in.
    pub(crate) fn end_pacing(&self) {
        let mut state = lock(&self.state);
        state.pacing -= 1;
        state.pacer = None;
    }

    /// Whether the runtime is being shut down.
    pub(crate) fn is_closing(&self) -> bool {
        lock(&self.state).closing
    }

    /// Has every thread leave as soon as the queue is empty, and waits for them.
    pub(crate) fn close(&self) {
        let threads = {
            let mut state = lock(&self.state);
            state.closing = true;
            state.pacer = None;
            std::mem::take(&mut state.threads)
        };
        self.wake.notify_all();
        for thread in threads {
            // A panic of an operation is caught where it happens; there is none to pass on.
            let _ = thread.join();
        }
    }
}
