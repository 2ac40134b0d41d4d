//! A scenario on this host, as one worker: pools are filled, requests arrive at their times, and what is
//! under way when the last has arrived may end.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration as Wait;

use actors::policy::Begin;
use actors::protocol::ToWorker;
use actors::{ActorId, Duration, Message, Observation, Observer, Time, Worker};
use scenarios::{DRAIN, Effect, Faults, Scenario, ScenarioError, WorkerPlan};

use super::error::RuntimeError;
use super::faults::crash_or_recover;
use super::journal::JournalPaths;
use super::lag::Lag;
use super::operations::{Class, FILL_TRIES, Machines};
use super::pacer::Pacer;
use super::shared::lock;
use super::{Config, Runtime, Stats, faults};

/// The Worker's address: it is hosted first.
const WORKER: ActorId = ActorId(0);
/// How often whoever waits for a run looks around.
const TICK: Wait = Wait::from_millis(100);

/// What this host can do.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// VMs that it can hold.
    pub slots_max: u32,
    /// Requests that may have arrived and not ended.
    pub in_flight_max: usize,
    /// Starts and wakes at once: more than two for a processor only slow each other down.
    pub starts: usize,
    /// Boots at once, where the scenario names no number.
    pub boots_max: u32,
    /// For so long before a request's time its thread waits with the processor in hand.
    pub spin: Wait,
    /// The longest that filling the pools may take.
    pub fill: Wait,
    /// How long after the end of the demand requests may still end; those that have not by then have failed.
    pub drain: Wait,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            slots_max: 1_024,
            in_flight_max: 4_096,
            starts: std::thread::available_parallelism().map_or(4, |count| 2 * count.get().max(2)),
            boots_max: 16,
            spin: Wait::from_micros(150),
            fill: Wait::from_secs(300),
            drain: Wait::from_nanos(DRAIN.as_nanos()),
        }
    }
}

/// What a run is asked besides its scenario.
#[derive(Clone, Debug, Default)]
pub struct Options<'a> {
    /// What this host can do.
    pub limits: Limits,
    /// What is written down.
    pub journals: JournalPaths,
    /// Where to tell how far the run is, in thousandths.
    pub progress: Option<&'a AtomicU64>,
    /// Set by whoever wants the run to end before its time.
    pub interrupted: Option<&'a AtomicBool>,
}

impl Options<'_> {
    fn is_interrupted(&self) -> bool {
        self.interrupted.is_some_and(|interrupted| interrupted.load(Ordering::Acquire))
    }
}

/// What is left of a run when it is over. What happened in it, the observer has seen.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// When the run was over.
    pub ended: Time,
    /// Requests that nobody had served when the time after the last arrival was over; they have failed.
    pub unfinished: u64,
    /// How late requests were let in. Their latencies count from when they should have been.
    pub arrival_lag: Lag,
    /// What the runtime has done.
    pub stats: Stats,
}

/// Hands observations on, so that the observer can be given back.
struct Tap<O>(Arc<Mutex<O>>);

impl<O: Observer> Observer for Tap<O> {
    fn observe(&mut self, at: Time, observation: Observation) {
        lock(&self.0).observe(at, observation);
    }

    fn opened(&mut self, at: Time) {
        lock(&self.0).opened(at);
    }

    fn closed(&mut self, at: Time) {
        lock(&self.0).closed(at);
    }
}

/// A runtime that hosts the Worker of a scenario.
struct Hosted<O> {
    runtime: Runtime,
    observer: Arc<Mutex<O>>,
}

impl<O: Observer + Send + 'static> Hosted<O> {
    /// With the runtime that this makes for an observer.
    fn new(
        scenario: &Scenario,
        observer: O,
        make: impl FnOnce(Box<dyn Observer + Send>) -> Result<Runtime, RuntimeError>,
    ) -> Result<Self, RuntimeError> {
        let observer = Arc::new(Mutex::new(observer));
        let runtime = make(Box::new(Tap(Arc::clone(&observer))))?;
        for config in scenario.worker_configs() {
            runtime.host(move || Worker::new(config.clone()));
        }
        Ok(Self { runtime, observer })
    }

    /// Ends the runtime, and gives the observer back. It has seen the end of the run: what the shutdown
    /// destroys is no part of it.
    fn finish(self) -> Result<(Stats, O), RuntimeError> {
        let stats = self.runtime.shutdown()?;
        let observer =
            Arc::into_inner(self.observer).ok_or(RuntimeError::Runtime("it outlived its run".to_owned()))?;
        Ok((stats, observer.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)))
    }
}

/// Runs a scenario in real time on this host, and gives the observer back.
///
/// # Errors
/// What the scenario asks that one host cannot do; pools that cannot be filled; demand that cannot be read;
/// an interruption, after which every VM has been destroyed as at any other end.
pub fn run_scenario<O: Observer + Send + 'static>(
    scenario: &Scenario,
    machines: Arc<dyn Machines>,
    observer: O,
    options: &Options<'_>,
) -> Result<(Run, O), RuntimeError> {
    let plan = plan_of(scenario, &options.limits)?;
    let config = config_of(scenario, &plan, options);
    let hosted = Hosted::new(scenario, observer, |observer| Runtime::new(&config, machines, observer))?;
    let runtime = &hosted.runtime;
    let arrivals = scenario.arrivals()?;
    let pacer = Arc::new(Pacer::new(arrivals, WORKER, options.limits.spin));
    fill(runtime, &plan, options)?;
    runtime.open();
    let (unfinished, ended) = serve(runtime, scenario, &pacer, options)?;
    let arrival_lag = pacer.lag();
    drop(pacer);
    let (stats, observer) = hosted.finish()?;
    Ok((Run { ended, unfinished, arrival_lag, stats }, observer))
}

/// Before the first request.
fn fill(runtime: &Runtime, plan: &WorkerPlan, options: &Options<'_>) -> Result<(), RuntimeError> {
    if let Begin::Empty = plan.pool.start {
        // Pools that begin empty order their first boots at t = 0.
        runtime.open();
    }
    runtime.tell(WORKER, Message::Worker(ToWorker::Begin(plan.pool.start)));
    if let Begin::Empty = plan.pool.start {
        return Ok(());
    }
    let (begun, limit) = (std::time::Instant::now(), options.limits.fill);
    while !runtime.wait_until_quiet(TICK) {
        if options.is_interrupted() {
            return Err(RuntimeError::Interrupted { after: Duration::ZERO });
        }
        if begun.elapsed() > limit {
            return Err(RuntimeError::FillTime { seconds: limit.as_secs() });
        }
    }
    match runtime.shared.operations.fill_failures() {
        0 => Ok(()),
        failures => Err(RuntimeError::Fill { failures, tries: FILL_TRIES }),
    }
}

/// From the first request to the end.
fn serve(
    runtime: &Runtime,
    scenario: &Scenario,
    pacer: &Arc<Pacer>,
    options: &Options<'_>,
) -> Result<(u64, Time), RuntimeError> {
    let shared = &runtime.shared;
    let over = AtomicBool::new(false);
    let faults = Faults::new(scenario.faults());
    std::thread::scope(|scope| {
        if !faults.moments().is_empty() {
            scope.spawn(|| faults::run(shared, WORKER, faults, &over));
        }
        shared.operations.thread_pool(Class::Start).pace(shared, Arc::clone(pacer));
        let planned = scenario.demand.planned_length();
        let last = pacer.wait_for_last(|| {
            tell(options.progress, planned, shared.clock.now());
            !options.is_interrupted()
        });
        let end = planned.map(|planned| Time::ZERO + planned);
        let waited = last.map(|last| {
            let end = end.map_or(last, |end| end.max(last));
            while shared.clock.now() < end && !options.is_interrupted() {
                tell(options.progress, planned, shared.clock.now());
                let left = Wait::from_nanos(end.since(shared.clock.now()).as_nanos());
                std::thread::sleep(left.min(TICK));
            }
        });
        let unfinished = drain(runtime, options);
        over.store(true, Ordering::Release);
        if options.is_interrupted() {
            let after_ms = shared.clock.now().as_nanos() / 1_000_000;
            return Err(RuntimeError::Interrupted { after: Duration::from_millis(after_ms) });
        }
        waited.map(|()| (unfinished, shared.clock.now())).map_err(RuntimeError::from)
    })
}

/// After the last request. Gives how many have not ended in time.
fn drain(runtime: &Runtime, options: &Options<'_>) -> u64 {
    let (begun, limit) = (std::time::Instant::now(), options.limits.drain);
    while runtime.unfinished() > 0 && begun.elapsed() < limit && !options.is_interrupted() {
        std::thread::sleep(Wait::from_micros(500));
    }
    let unfinished = runtime.unfinished();
    if unfinished > 0 {
        fail_the_rest(runtime);
        runtime.wait_until_quiet(limit.min(Wait::from_secs(5)));
    }
    unfinished as u64
}

/// The time for requests to end is over: those that have not fail now. The host goes down for it, so that
/// nobody serves or waits any more, but that is no part of the run.
fn fail_the_rest(runtime: &Runtime) {
    lock(&runtime.shared.core).observer.closed(runtime.now());
    runtime.tell(WORKER, Message::Worker(ToWorker::Crash));
}

fn tell(progress: Option<&AtomicU64>, planned: Option<Duration>, now: Time) {
    if let (Some(progress), Some(planned)) = (progress, planned)
        && !planned.is_zero()
    {
        let share = now.as_secs_f64() / planned.as_secs_f64();
        progress.store((share.min(1.0) * 1_000.0) as u64, Ordering::Relaxed);
    }
}

/// The one worker of the scenario, if this host can be it.
pub fn plan_of(scenario: &Scenario, limits: &Limits) -> Result<WorkerPlan, ScenarioError> {
    let mut workers = scenario.workers();
    let count = workers.len();
    let (Some(plan), true) = (workers.pop(), workers.is_empty()) else {
        let wrong = format!("is {count}, but this host is one worker");
        let remedy = "set it to 1 for a real run, or simulate the fleet";
        return Err(scenario.error_at(&["fleet", "workers"], &wrong, remedy));
    };
    if plan.slots > limits.slots_max {
        let wrong = format!("is {}, but this host holds at most {} VMs", plan.slots, limits.slots_max);
        let remedy = "lower it for a real run, or take a larger host";
        return Err(scenario.error_at(&["fleet", "slots"], &wrong, remedy));
    }
    Ok(plan)
}

fn config_of(scenario: &Scenario, plan: &WorkerPlan, options: &Options<'_>) -> Config {
    let (limits, slots) = (&options.limits, plan.slots as usize);
    Config {
        seed: scenario.seed,
        in_flight_max: limits.in_flight_max,
        starts: limits.starts.min(slots),
        boots: plan.boots.min(limits.boots_max).min(plan.slots) as usize,
        creates: limits.boots_max.min(plan.slots) as usize,
        journals: options.journals.clone(),
        ..Config::default()
    }
}

/// Runs a scenario on the runtime's actors with a clock that is stepped from event to event and operations
/// that are answered by a script: what a simulation does, on the production runtime. Gives the time of the
/// end.
///
/// # Errors
/// As [`run_scenario`]; and of faults only crashes can be rehearsed, as the others are done to operations and
/// to time.
pub fn rehearse<O: Observer + Send + 'static>(
    scenario: &Scenario,
    machines: Arc<dyn Machines>,
    observer: O,
) -> Result<(Run, O), RuntimeError> {
    let options = Options::default();
    let limits = Limits { slots_max: u32::MAX, in_flight_max: usize::MAX, ..options.limits };
    let plan = plan_of(scenario, &limits)?;
    let crashes_only = scenario.faults().iter().all(|fault| fault.effect == Effect::Crash);
    if !crashes_only {
        let wrong = "holds other faults than crashes, which cannot be rehearsed";
        return Err(scenario.error_at(&["fault"], wrong, "leave them out").into());
    }
    let config = Config { in_flight_max: usize::MAX, ..config_of(scenario, &plan, &options) };
    let hosted = Hosted::new(scenario, observer, |observer| Runtime::stepped(&config, machines, observer))?;
    let runtime = &hosted.runtime;
    runtime.tell(WORKER, Message::Worker(ToWorker::Begin(plan.pool.start)));
    runtime.open();
    let (unfinished, ended) = step_through(runtime, scenario)?;
    let (stats, observer) = hosted.finish()?;
    Ok((Run { ended, unfinished, arrival_lag: Lag::default(), stats }, observer))
}

fn step_through(runtime: &Runtime, scenario: &Scenario) -> Result<(u64, Time), RuntimeError> {
    let shared = &runtime.shared;
    let mut faults = Faults::new(scenario.faults());
    for moment in faults.moments() {
        faults.turn(moment);
        shared.tell_at(moment.at, WORKER, crash_or_recover(faults.on(WORKER.0).is_down));
    }
    let mut arrivals = scenario.arrivals()?;
    let mut last = Time::ZERO;
    while let Some(arrival) = arrivals.next()? {
        last = arrival.request.arrived;
        while runtime.step(last).is_some() {}
        shared.clock.set(last);
        shared.admit(WORKER, arrival.request);
        shared.drive();
    }
    let end = scenario.demand.planned_length().map_or(last, |planned| (Time::ZERO + planned).max(last));
    while runtime.step(end).is_some() {}
    shared.clock.set(end);
    let limit = end + DRAIN;
    while runtime.unfinished() > 0 && runtime.step(limit).is_some() {}
    let unfinished = runtime.unfinished() as u64;
    if unfinished > 0 {
        shared.clock.set(limit);
        fail_the_rest(runtime);
    }
    Ok((unfinished, shared.clock.now()))
}
