//! Lets the requests of a scenario in at their times: open loop, absolute times, whatever the answers take. Two threads
//! take turns, so that while one serves the request that it let in, the other waits for the next; nobody is woken for it. A
//! request's latency counts from its scheduled time, so a late pacer shows in every figure and hides in none.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use actors::{ActorId, Request, Time};
use hdrhistogram::Histogram;
use scenarios::{Arrivals, DemandError};

use super::crew::Crew;
use super::lag::{self, Lag};
use super::shared::{Shared, lock, wait_timeout};

/// See the [module](self).
pub(crate) struct Pacer {
    /// Who gets the requests.
    worker: ActorId,
    source: Mutex<Source>,
    ended: Condvar,
    /// Requests that were let in: they keep their order.
    entered: AtomicU64,
    /// Nothing more is let in.
    stopped: AtomicBool,
    /// For so long before a request's time its thread waits with the processor in hand.
    spin: Duration,
    lag_ns: Mutex<Histogram<u64>>,
}

struct Source {
    arrivals: Arrivals,
    taken: u64,
    /// The time of the last one taken.
    last: Time,
    /// Nothing more comes, or the demand could not be read any further.
    end: Option<Result<(), DemandError>>,
}

impl Pacer {
    pub(crate) fn new(arrivals: Arrivals, worker: ActorId, spin: Duration) -> Self {
        let source = Source { arrivals, taken: 0, last: Time::ZERO, end: None };
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

    /// Takes the next request, waits for its time, lets it in and starts its Sprite.
    pub(crate) fn pace(&self, shared: &Arc<Shared>, crew: &Crew) {
        let Some((place, request)) = self.take() else { return crew.end_pacing() };
        if !shared.clock.wait_for(request.arrived, self.spin, || !crew.is_closing() && !self.is_stopped()) {
            return crew.end_pacing();
        }
        let relieved = crew.leave_pacing(shared);
        if self.enter(shared, place, request)
            && let Some(job) = shared.drive_for(relieved)
        {
            shared.operations.perform_and_follow(shared, job);
        }
    }

    fn take(&self) -> Option<(u64, Request)> {
        let mut source = lock(&self.source);
        if source.end.is_some() {
            return None;
        }
        match source.arrivals.next() {
            Ok(Some(arrival)) => {
                source.taken += 1;
                source.last = arrival.request.arrived;
                return Some((source.taken - 1, arrival.request));
            }
            Ok(None) => source.end = Some(Ok(())),
            Err(error) => source.end = Some(Err(error)),
        }
        self.ended.notify_all();
        None
    }

    /// In the order of time: a thread whose turn comes first but that has not run yet is waited for.
    fn enter(&self, shared: &Arc<Shared>, place: u64, request: Request) -> bool {
        while self.entered.load(Ordering::Acquire) != place {
            if self.is_stopped() {
                // Nobody comes who was before it.
                return false;
            }
            std::thread::yield_now();
        }
        let late = shared.clock.now().since(request.arrived);
        let admitted = shared.admit(self.worker, request);
        lock(&self.lag_ns).saturating_record(late.as_nanos());
        self.entered.store(place + 1, Ordering::Release);
        admitted
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// Waits until the last request has been let in, and gives its time; does something else now and then, and lets nothing
    /// more in once that says no.
    pub(crate) fn wait_for_last(&self, mut go_on: impl FnMut() -> bool) -> Result<Time, DemandError> {
        let mut source = lock(&self.source);
        while source.end.is_none() {
            source = wait_timeout(&self.ended, source, Duration::from_millis(100));
            if !go_on() {
                self.stopped.store(true, Ordering::Release);
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
