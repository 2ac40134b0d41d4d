//! Threads that block so that actors need not: each pool does one class of operations, so that a start never
//! waits behind a boot. A pool grows when it is asked for more than its idle threads can take, up to its
//! bound, and then tasks wait in order. They are never more than the VMs that the worker may hold.
//!
//! The pool that starts Sprites also lets requests in (see [`super::pacer`]): a thread that brings a request
//! goes on to start its Sprite.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;

use super::operations::{Class, Job};
use super::pacer::Pacer;
use super::shared::{Shared, lock, wait};

/// Threads that wait for the next requests at a time: one for the next, and one to take over from it.
const PACING: usize = 2;

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
    pacer: Option<Arc<Pacer>>,
    pacing: usize,
    closing: bool,
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
        if state.threads.len() >= self.threads_max || state.closing {
            return false;
        }
        let (theirs, number) = (Arc::clone(shared), state.threads.len());
        let class = self.class;
        let name = format!("{}-{number}", class.name());
        let thread = std::thread::Builder::new().name(name).spawn(move || {
            super::clock::be_punctual();
            super::clock::be_urgent();
            theirs.operations.thread_pool(class).work(&theirs);
        });
        match thread {
            Ok(thread) => state.threads.push(thread),
            // The system has no more threads to give; those that there are do the work.
            Err(_) => return false,
        }
        true
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
