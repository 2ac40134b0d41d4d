//! The virtual clock: takes arrivals, events and messages in their order, and hands them to the actors.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use actors::policy::Begin;
use actors::protocol::{ToAny, ToWorker};
use actors::{
    ActorId, AnyActor, Backend, Context, Duration, Message, Observer, OperationKind, Request, Time, Worker,
    WorkerId,
};
use scenarios::{Arrival, Arrivals, DRAIN, Progress, Scenario};

use crate::core::Core;
use crate::digest::Checkpoint;
use crate::error::SimulationError;
use crate::faults::Faults;
use crate::queue::{Envelope, Event};

/// How often progress is told, in requests; a power of two.
const PROGRESS_EVERY: u64 = 1 << 12;

/// What one run is asked besides its scenario.
#[derive(Clone, Debug, Default)]
pub struct Options<'a> {
    /// Where to tell how far the run is, in thousandths.
    pub progress: Option<&'a AtomicU64>,
    /// Which deliveries to record, counted from zero: to show where two runs part.
    pub record: Range<u64>,
}

/// One message as it was delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Deliveries before it.
    pub index: u64,
    /// When.
    pub at: Time,
    /// From whom.
    pub from: ActorId,
    /// To whom.
    pub to: ActorId,
    /// What.
    pub message: Message,
}

/// What is left of a run when it is over. What happened in it, the observer has seen.
#[derive(Clone, Debug)]
pub struct Run {
    /// The digest of every delivery.
    pub digest: u64,
    /// The digest on the way.
    pub checkpoints: Vec<Checkpoint>,
    /// Deliveries.
    pub events: u64,
    /// Requests.
    pub requests: u64,
    /// When the run was over.
    pub ended: Time,
    /// Requests that nobody had served when the time after the last arrival was over; they have failed.
    pub unfinished: u64,
    /// The deliveries that were to be recorded.
    pub recorded: Vec<Delivery>,
}

/// Runs a scenario to its end, with the seed that it names.
///
/// # Errors
/// When a file that the scenario names cannot be read to its end.
pub fn simulate<O: Observer>(
    scenario: &Scenario,
    options: &Options<'_>,
    observer: O,
) -> Result<Run, SimulationError> {
    let mut simulation = Simulation::new(scenario, options, observer)?;
    simulation.fill_pools();
    simulation.serve()?;
    simulation.drain();
    Ok(simulation.finish())
}

struct Simulation<'a, O> {
    actors: Vec<AnyActor>,
    core: Core<O>,
    faults: Faults,
    arrivals: Arrivals,
    options: &'a Options<'a>,
    planned: Option<Duration>,
    unfinished: u64,
    /// Messages that are being delivered; empty in between.
    delivering: Vec<Envelope>,
}

impl<'a, O: Observer> Simulation<'a, O> {
    fn new(scenario: &Scenario, options: &'a Options<'a>, observer: O) -> Result<Self, SimulationError> {
        let arrivals = scenario.arrivals_with(&mut |file| tell(options.progress, of_file(file)))?;
        let configs = scenario.worker_configs();
        let mut core = Core::new(scenario, observer)?;
        core.digest.watch(options.record.clone());
        let actors = configs.into_iter().map(|config| AnyActor::from(Worker::new(config))).collect();
        Ok(Self {
            actors,
            core,
            faults: Faults::new(scenario),
            arrivals,
            options,
            planned: scenario.demand.planned_length(),
            unfinished: 0,
            delivering: Vec::new(),
        })
    }

    /// Lets every pool that begins full come to its depth before the first request, at no cost of time. The
    /// others order their first boots at t = 0.
    fn fill_pools(&mut self) {
        self.core.filling = true;
        self.begin(Begin::Full);
        self.core.filling = false;
        self.core.observer.opened(Time::ZERO);
        for moment in self.faults.moments() {
            self.core.queue.push_at(moment.at, Event::Fault(moment));
        }
        // What strikes at t = 0 also strikes the boots that are ordered then.
        self.advance_to(Time::ZERO);
        self.begin(Begin::Empty);
    }

    fn begin(&mut self, begin: Begin) {
        for worker in 0..self.core.workers() {
            if self.core.begins(worker) == begin {
                self.deliver_now(ActorId(worker), ToWorker::Begin(begin));
            }
        }
    }

    /// From the first arrival to the last.
    fn serve(&mut self) -> Result<(), SimulationError> {
        while let Some(arrival) = self.arrivals.next()? {
            self.advance_to(arrival.request.arrived);
            self.arrive(arrival);
        }
        Ok(())
    }

    /// After the last arrival: until the planned end and until every request has ended, or its time is over.
    fn drain(&mut self) {
        let last = self.core.now();
        let end = self.planned.map_or(last, |planned| Time::ZERO + planned).max(last);
        self.advance_to(end);
        self.core.turn_to(end);
        let limit = end + DRAIN;
        while self.core.unfinished() > 0 {
            match self.core.queue.next_at() {
                Some(at) if at <= limit => self.step(),
                _ => break,
            }
        }
        self.unfinished = self.core.unfinished();
        if self.unfinished > 0 {
            self.core.turn_to(limit);
            self.fail_the_rest();
        }
    }

    /// The time for requests to end is over: those that have not fail now, wherever they are. Hosts go down
    /// for it, so that nobody serves or waits any more, but that is no part of the run.
    fn fail_the_rest(&mut self) {
        self.core.observer.closed(self.core.now());
        for worker in 0..self.core.workers() {
            self.deliver_now(ActorId(worker), ToWorker::Crash);
        }
        while let Some(envelope) = self.core.queue.pop_message() {
            self.core.deliver(envelope);
            self.settle();
        }
    }

    fn finish(self) -> Run {
        let ended = self.core.now();
        let digest = self.core.digest;
        Run {
            digest: digest.value(),
            events: digest.events(),
            checkpoints: digest.checkpoints(),
            requests: self.core.requests,
            ended,
            unfinished: self.unfinished,
            recorded: self.core.recorded,
        }
    }

    // The clock.

    /// Lets everything happen that comes before, or at, this time.
    fn advance_to(&mut self, time: Time) {
        while self.core.queue.next_at().is_some_and(|at| at <= time) {
            self.step();
        }
    }

    fn arrive(&mut self, Arrival { request, region }: Arrival) {
        self.core.turn_to(request.arrived);
        if self.core.requests.is_multiple_of(PROGRESS_EVERY) {
            self.tell_progress();
        }
        self.core.requests += 1;
        let worker = self.core.place(request.key, region);
        match self.faults.stalled_until(WorkerId(worker), self.core.now()) {
            Some(until) => self.put_off(ActorId(worker), request, until),
            None => self.deliver_now(ActorId(worker), ToWorker::Request(request)),
        }
    }

    fn put_off(&mut self, to: ActorId, request: Request, until: Time) {
        let envelope = Envelope { to, from: ActorId::OUTSIDE, message: ToWorker::Request(request).into() };
        self.core.queue.push_message_at(until, envelope);
    }

    /// Lets the next timed event happen, and all that follows from it at once.
    fn step(&mut self) {
        let Some((at, event)) = self.core.queue.pop_later() else { return };
        self.core.turn_to(at);
        if let Some(until) = self.stalled_until(&event) {
            match event {
                Event::Timer { to, timer } => {
                    self.core.timers.put_off(&mut self.core.queue, to, timer, at, until);
                }
                _ => self.core.queue.push_at(until, event),
            }
            return;
        }
        match event {
            Event::Done { to, generation, kind, end } => {
                if matches!(kind, OperationKind::Boot | OperationKind::Create)
                    && self.core.contention.is_modelled()
                    && let Some(longer) =
                        self.core.contention.boot_takes_longer(at, to, self.core.worker_of(to))
                {
                    self.core.queue.push_at(at + longer, event);
                    return;
                }
                let message = ToAny::Done { generation, kind, end }.into();
                self.core.deliver(Envelope { to, from: to, message });
            }
            Event::Timer { to, timer } => {
                let core = &mut self.core;
                if core.timers.fires(&mut core.queue, to, timer, at) {
                    core.deliver(Envelope { to, from: to, message: ToAny::Fired(timer).into() });
                }
            }
            Event::Message { index } => {
                let envelope = self.core.queue.take_message(index);
                self.core.deliver(envelope);
            }
            Event::Fault(moment) => {
                for (worker, message) in self.faults.happens(moment, &mut self.core.hosts) {
                    self.deliver_now(ActorId(worker.0), message);
                }
            }
        }
        self.settle();
    }

    /// When the worker of whom this event is answers again, if it is stalled.
    fn stalled_until(&self, event: &Event) -> Option<Time> {
        if !self.faults.any_stall() {
            return None;
        }
        let to = match *event {
            Event::Done { to, .. } | Event::Timer { to, .. } => to,
            Event::Message { index } => self.core.queue.peek_message(index).to,
            Event::Fault(_) => return None,
        };
        self.faults.stalled_until(self.core.worker_of(to), self.core.now())
    }

    fn deliver_now(&mut self, to: ActorId, message: impl Into<Message>) {
        self.core.deliver(Envelope { to, from: ActorId::OUTSIDE, message: message.into() });
        self.settle();
    }

    /// Delivers the messages that were sent without delay, and those that they cause, until none is left.
    fn settle(&mut self) {
        let Self { actors, core, delivering, .. } = self;
        // Messages are read where they were made. Those that their handling causes come to another list.
        while core.queue.take_now(delivering) {
            for &Envelope { to, from, ref message } in delivering.iter() {
                actors[to.index()].handle(&mut Context::new(&mut *core, to, from), message);
            }
            delivering.clear();
            // Whoever was hosted meanwhile is there before the first message to it.
            if !core.spawned.is_empty() {
                actors.append(&mut core.spawned);
            }
        }
    }

    fn tell_progress(&self) {
        let share = match self.planned {
            Some(planned) if !planned.is_zero() => self.core.now().as_secs_f64() / planned.as_secs_f64(),
            _ => self.arrivals.progress().map_or(0.0, of_file),
        };
        tell(self.options.progress, share);
    }
}

fn tell(progress: Option<&AtomicU64>, share: f64) {
    if let Some(progress) = progress {
        progress.store((share * 1_000.0) as u64, Ordering::Relaxed);
    }
}

fn of_file(file: Progress) -> f64 {
    file.read as f64 / file.total.max(1) as f64
}
