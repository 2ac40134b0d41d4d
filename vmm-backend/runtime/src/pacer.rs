//! Lets the requests of a scenario in at their times: open loop, absolute times, whatever the answers take.
//! Two threads take turns, so that while one serves the request that it let in, the other waits for the next;
//! nobody is woken for it. Requests of one instant are let in together before any of them is served: what a
//! pool decides does not depend on how long starts take. A request's latency counts from its scheduled time,
//! so a late pacer shows in every figure and hides in none.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use actors::{ActorId, Request, Time};
use hdrhistogram::Histogram;
use scenarios::{Arrivals, DemandError};

use super::lag::{self, Lag};
use super::shared::{Shared, lock, wait_timeout};
use super::thread_pool::ThreadPool;

/// See the [module](self).
pub(crate) struct Pacer {
    /// Who gets the requests.
    worker: ActorId,
    source: Mutex<Source>,
    ended: Condvar,
    /// Groups that were let in: they keep their order.
    entered: AtomicU64,
    /// Nothing more is let in.
    stopped: AtomicBool,
    /// For so long before a request's time its thread waits with the processor in hand.
    spin: Duration,
    lag_ns: Mutex<Histogram<u64>>,
}

struct Source {
    arrivals: Arrivals,
    /// The one after the last taken, which came at another time.
    next: Option<Request>,
    /// Groups that were taken.
    taken: u64,
    /// The time of the last one taken.
    last: Time,
    /// Nothing more comes, or the demand could not be read any further.
    end: Option<Result<(), DemandError>>,
}

/// Requests that come at one instant.
struct Group {
    first: Request,
    others: Vec<Request>,
}

impl Pacer {
    pub(crate) fn new(arrivals: Arrivals, worker: ActorId, spin: Duration) -> Self {
        let source = Source { arrivals, next: None, taken: 0, last: Time::ZERO, end: None };
        Self {
            worker,
            source: Mutex::new(source),
            ended: Condvar::new(),
            entered: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
            spin,
            lag_ns: Mutex::new(lag::histogram()),
        }
    }

    /// Takes the next requests, waits for their time, lets them in and starts the first one's Sprite.
    pub(crate) fn pace(&self, shared: &Arc<Shared>, thread_pool: &ThreadPool) {
        let Some((place, group)) = self.take() else { return thread_pool.end_pacing() };
        let due = group.first.arrived;
        if !shared.clock.wait_for(due, self.spin, || !thread_pool.is_closing() && !self.is_stopped()) {
            return thread_pool.end_pacing();
        }
        let relieved = thread_pool.leave_pacing(shared);
        if self.enter(shared, place, &group)
            && let Some(job) = shared.drive_for(relieved)
        {
            shared.operations.perform_and_follow(shared, job, true);
        }
    }

    fn take(&self) -> Option<(u64, Group)> {
        let mut source = lock(&self.source);
        let Some(first) = source.next.take().or_else(|| source.read()) else {
            self.ended.notify_all();
            return None;
        };
        let mut group = Group { first, others: Vec::new() };
        while let Some(request) = source.read() {
            if request.arrived > first.arrived {
                source.next = Some(request);
                break;
            }
            group.others.push(request);
        }
        source.taken += 1;
        source.last = first.arrived;
        Some((source.taken - 1, group))
    }

    /// In the order of time: a thread whose turn comes first but that has not run yet is waited for. Whether
    /// any is let in.
    fn enter(&self, shared: &Arc<Shared>, place: u64, group: &Group) -> bool {
        while self.entered.load(Ordering::Acquire) != place {
            if self.is_stopped() {
                // Nobody comes who was before it.
                return false;
            }
            std::thread::yield_now();
        }
        let late = shared.clock.now().since(group.first.arrived);
        let mut admitted = shared.admit(self.worker, group.first);
        for request in &group.others {
            admitted |= shared.admit(self.worker, *request);
        }
        lock(&self.lag_ns).saturating_record_n(late.as_nanos(), 1 + group.others.len() as u64);
        self.entered.store(place + 1, Ordering::Release);
        admitted
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// Waits until the last request has been let in, and gives its time; does something else now and then,
    /// and lets nothing more in once that says no.
    pub(crate) fn wait_for_last(&self, mut go_on: impl FnMut() -> bool) -> Result<Time, DemandError> {
        let mut source = lock(&self.source);
        while source.next.is_some() || source.end.is_none() {
            source = wait_timeout(&self.ended, source, Duration::from_millis(100));
            if !go_on() {
                self.stopped.store(true, Ordering::Release);
                source.next = None;
                source.end.get_or_insert(Ok(()));
            }
        }
        while self.entered.load(Ordering::Acquire) < source.taken && !self.is_stopped() {
            std::thread::sleep(Duration::from_micros(100));
        }
        source.end.take().unwrap_or(Ok(()))?;
        source.end = Some(Ok(()));
        Ok(source.last)
    }

    /// How late requests were let in.
    pub(crate) fn lag(&self) -> Lag {
        Lag::of(&lock(&self.lag_ns))
    }
}

impl Source {
    /// The next request, or none for good.
    fn read(&mut self) -> Option<Request> {
        if self.end.is_some() {
            return None;
        }
        match self.arrivals.next() {
            Ok(Some(arrival)) => return Some(arrival.request),
            Ok(None) => self.end = Some(Ok(())),
            Err(error) => self.end = Some(Err(error)),
        }
        None
    }
}
