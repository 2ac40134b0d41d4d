//! How long the runtime takes besides the host's own work: `cargo bench -p vmm-backend --bench runtime`.
//!
//! The machines answer at once, so what is measured is the way from a request to its operation
//! (`request -> perform`), from the operation's end to its observation (`perform -> observed`), and the
//! whole. Requests come one at a time, as on a host that is not overloaded, in three ways: the caller's
//! thread starts the Sprite, another thread does, or they are paced from a scenario. Then how many messages a
//! second one thread handles.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration as Wait, Instant};

use actors::policy::Begin;
use actors::protocol::{End, Operation, ToWorker};
use actors::{
    Actor, ActorId, Backend, Context, Duration, Key, Message, Observation, Observer, OperationKind, Time,
    Worker, WorkerConfig, WorkerId,
};
use hdrhistogram::Histogram;
use runtime::{Config, JournalPaths, Machines, Options, Runtime, run_scenario};
use scenarios::Scenario;

const WORKER: ActorId = ActorId(0);
const REQUESTS: u64 = 20_000;

/// Answers at once and notes when starts began and ended.
struct Instantly {
    epoch: Instant,
    began: AtomicU64,
    ended: AtomicU64,
}

impl Instantly {
    fn new() -> Self {
        Self { epoch: Instant::now(), began: AtomicU64::new(0), ended: AtomicU64::new(0) }
    }

    fn now(&self) -> u64 {
        self.epoch.elapsed().as_nanos() as u64
    }
}

impl Machines for Instantly {
    fn perform(&self, _sprite: ActorId, operation: &Operation) -> End {
        if operation.kind == OperationKind::Start {
            self.began.store(self.now(), Ordering::Release);
            self.ended.store(self.now(), Ordering::Release);
        }
        End::Done
    }
}

#[derive(Default)]
struct Ends {
    count: AtomicU64,
    at: AtomicU64,
}

struct Watch(Arc<Ends>, Arc<Instantly>);

impl Observer for Watch {
    fn observe(&mut self, _at: Time, observation: Observation) {
        if let Observation::Ended { .. } = observation {
            self.0.at.store(self.1.now(), Ordering::Release);
            self.0.count.fetch_add(1, Ordering::AcqRel);
        }
    }

    fn opened(&mut self, _at: Time) {}

    fn closed(&mut self, _at: Time) {}
}

fn scenario(rate: u32, seconds: u32) -> Scenario {
    let text = format!(
        "[fleet]\nslots = 64\nboots = 2\n[pool]\ndepth = {{ kind = \"fixed\", ready = 32 }}\n[[demand]]\nto = {rate}\nfor = \
         \"{seconds}s\"\n"
    );
    Scenario::parse(&text, "bench.toml", &[]).expect("the scenario is valid")
}

/// A worker whose pool is refilled at once, or one that has a Sprite for every request and no refill.
fn worker(refills: bool) -> WorkerConfig {
    let endless = format!(
        "[fleet]\nslots = {0}\n[pool]\ndepth = {{ kind = \"fixed\", ready = {0} }}\nrefill = {{ kind = \"never\" }}\n\
         [[demand]]\nto = 1\nfor = \"1s\"\n",
        REQUESTS + 1
    );
    let endless = || Scenario::parse(&endless, "bench.toml", &[]).expect("the scenario is valid");
    let scenario = if refills { scenario(1, 1) } else { endless() };
    WorkerConfig {
        id: WorkerId(0),
        slots: scenario.fleet.slots,
        boots: 2,
        pool: Arc::new(scenario.pool.clone()),
        sprite: scenario.sprite_policy(),
        tenants: Vec::new(),
        neighbour: None,
        epoch: scenario.epoch(),
    }
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_max(60_000_000_000, 3).expect("the bounds are in order")
}

fn print(name: &str, histogram: &Histogram<u64>) {
    let us = |quantile| histogram.value_at_quantile(quantile) as f64 / 1e3;
    println!("  {name:<22} p50 {:>8.1} us   p99 {:>8.1} us   p99.9 {:>8.1} us", us(0.5), us(0.99), us(0.999));
}

/// One request at a time; the caller starts the Sprite itself, or waits for another thread to do it.
fn one_at_a_time(name: &str, helps: bool, journal: bool, refills: bool) {
    let machines = Arc::new(Instantly::new());
    let ends = Arc::new(Ends::default());
    let watch = Watch(Arc::clone(&ends), Arc::clone(&machines));
    let null = Some("/dev/null".into());
    let journals = if journal {
        JournalPaths { deliveries: null, ..JournalPaths::default() }
    } else {
        JournalPaths::default()
    };
    let config = Config { journals, ..Config::default() };
    let runtime = Runtime::new(&config, machines.clone(), Box::new(watch)).expect("a runtime");
    let config = worker(refills);
    runtime.host(move || Worker::new(config.clone()));
    runtime.tell(WORKER, Message::Worker(ToWorker::Begin(Begin::Full)));
    assert!(runtime.wait_until_quiet(Wait::from_secs(60)), "the pool is full");
    runtime.open();
    let (mut there, mut back, mut whole) = (histogram(), histogram(), histogram());
    for request in 0..REQUESTS {
        let begun = machines.now();
        if helps {
            runtime.submit_and_start(WORKER, Key(0), Duration::ZERO);
        } else {
            runtime.submit(WORKER, Key(0), Duration::ZERO);
        }
        while ends.count.load(Ordering::Acquire) <= request {
            std::hint::spin_loop();
        }
        let observed = ends.at.load(Ordering::Acquire);
        there.saturating_record(machines.began.load(Ordering::Acquire) - begun);
        back.saturating_record(observed - machines.ended.load(Ordering::Acquire));
        whole.saturating_record(observed - begun);
        // The refill comes to its end before the next request.
        if refills {
            std::thread::sleep(Wait::from_micros(60));
        }
    }
    println!("{name}");
    print("request -> perform", &there);
    print("perform -> observed", &back);
    print("request -> observed", &whole);
    runtime.shutdown().expect("no journal fails");
}

/// Latencies from the scheduled arrivals, as a report has them.
struct Latencies(Histogram<u64>);

impl Observer for Latencies {
    fn observe(&mut self, at: Time, observation: Observation) {
        if let Observation::Ended { request, .. } = observation {
            self.0.saturating_record(at.since(request.arrived).as_nanos());
        }
    }

    fn opened(&mut self, _at: Time) {}

    fn closed(&mut self, _at: Time) {}
}

fn paced(rate: u32) {
    let scenario = scenario(rate, 5);
    let machines = Arc::new(Instantly::new());
    let ran = run_scenario(&scenario, machines, Latencies(histogram()), &Options::default());
    let (run, Latencies(latencies)) = ran.expect("the scenario runs");
    println!("paced from a scenario, {rate} a second");
    print("arrival -> observed", &latencies);
    let lag = run.arrival_lag;
    println!("  late arrivals          p50 {}   p99 {}   max {}", lag.p50, lag.p99, lag.max);
}

/// Two actors that send each other a message for ever.
struct PingPong(Option<ActorId>, Arc<AtomicU64>);

impl Actor for PingPong {
    fn handle(&mut self, cx: &mut Context<&mut dyn Backend>, message: &Message) {
        match *message {
            Message::Worker(ToWorker::Begin(_)) => {
                let other = cx.spawn(PingPong(None, Arc::clone(&self.1)));
                self.0 = Some(other);
                cx.send(other, Message::Worker(ToWorker::Cancel { count: 1_000_000 }));
            }
            Message::Worker(ToWorker::Cancel { count }) if count > 0 => {
                cx.send(cx.sender(), Message::Worker(ToWorker::Cancel { count: count - 1 }))
            }
            _ => self.1.store(1, Ordering::Release),
        }
    }
}

fn messages() {
    let over = Arc::new(AtomicU64::new(0));
    let machines = Arc::new(Instantly::new());
    let watch = Watch(Arc::new(Ends::default()), Arc::clone(&machines));
    let runtime = Runtime::new(&Config::default(), machines, Box::new(watch)).expect("a runtime");
    let theirs = Arc::clone(&over);
    let actor = runtime.host(move || PingPong(None, Arc::clone(&theirs)));
    let begun = Instant::now();
    runtime.tell(actor, Message::Worker(ToWorker::Begin(Begin::Empty)));
    let took = begun.elapsed();
    assert_eq!(over.load(Ordering::Acquire), 1);
    println!(
        "messages: {:.0} ns each, {:.2} million a second",
        took.as_nanos() as f64 / 1e6,
        1.0 / took.as_secs_f64()
    );
}

/// What one observation costs in the books, beside the clock.
fn observations() {
    let books = Mutex::new(reports::Recorder::new(reports::RunMetadata::new("bench", 1)));
    books.lock().expect("nobody panicked").opened(Time::ZERO);
    let (worker, sprite, generation) = (WorkerId(0), ActorId(2), 1);
    let begun = Instant::now();
    for at in 0..1_000_000u64 {
        let (was, is) = if at % 2 == 0 {
            (actors::State::Stopped, actors::State::Booting)
        } else {
            (actors::State::Booting, actors::State::Stopped)
        };
        let observation = Observation::Sprite { worker, sprite, generation, was, is };
        books.lock().expect("nobody panicked").observe(Time::from_nanos(at * 1_000), observation);
    }
    println!("observations: {:.0} ns each, under their lock", begun.elapsed().as_nanos() as f64 / 1e6);
}

fn main() {
    one_at_a_time("one at a time, the caller's thread starts the Sprite", true, false, true);
    one_at_a_time("the same with a journal of deliveries", true, true, true);
    one_at_a_time("one at a time, another thread starts the Sprite", false, false, true);
    one_at_a_time("the caller's thread, no refill, one right after the other", true, false, false);
    paced(500);
    paced(5_000);
    messages();
    observations();
}
