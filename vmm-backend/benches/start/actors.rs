//! The same through the actors: from a request's arrival at its Worker until the guest's acknowledgement has
//! been handled.

use crate::measure::{Bench, Outcome, PAUSE, available_kib, header, memory_back, row};
use ::actors::policy::Begin;
use ::actors::protocol::ToWorker;
use ::actors::{
    ActorId, Duration, Key, Message, Observation, Observer, State, Time, Worker, WorkerConfig, WorkerId,
};
use runtime::{Config, Machines, Options, Runtime, run_scenario};
use scenarios::Scenario;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration as Wait, Instant};
use vmm_backend::machines::{Fit, KvmMachines, MachinesConfig};

const WORKER: ActorId = ActorId(0);
const LIMIT: Wait = Wait::from_secs(60);

/// What was observed: latencies by outcome, and how long boots took.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Figures>>);

#[derive(Default)]
struct Figures {
    latencies: BTreeMap<::actors::Outcome, Vec<Wait>>,
    boots: Vec<Wait>,
    booting: BTreeMap<ActorId, Time>,
    open: bool,
}

impl Seen {
    fn row(&self, name: &str, outcome: ::actors::Outcome) {
        let mut figures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        row(name, figures.latencies.entry(outcome).or_default());
    }

    fn boots(&self, name: &str) {
        row(name, &mut self.0.lock().unwrap_or_else(PoisonError::into_inner).boots);
    }
}

impl Observer for Seen {
    fn observe(&mut self, at: Time, observation: Observation) {
        let mut figures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let since = |then: Time| Wait::from_nanos(at.since(then).as_nanos());
        match observation {
            Observation::Ended { request, outcome, .. } => {
                figures.latencies.entry(outcome).or_default().push(since(request.arrived));
            }
            Observation::Sprite { sprite, is: State::Booting, .. } if figures.open => {
                figures.booting.insert(sprite, at);
            }
            Observation::Sprite { sprite, was: State::Booting, is: State::Ready, .. } => {
                let begun = figures.booting.remove(&sprite);
                figures.boots.extend(begun.map(since));
            }
            _ => {}
        }
    }

    fn opened(&mut self, _at: Time) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).open = true;
    }

    fn closed(&mut self, _at: Time) {}
}

fn scenario(text: &str) -> Outcome<Scenario> {
    let demand = if text.contains("[[demand]]") { "" } else { "[[demand]]\nto = 1\nfor = \"1s\"\n" };
    Ok(Scenario::parse(&format!("{text}{demand}"), "bench", &[])?)
}

/// One full Worker on real VMs.
struct Host {
    runtime: Runtime,
    seen: Seen,
    /// How long it took to fill the pool.
    filled: Wait,
}

impl Host {
    fn new(scenario: &Scenario, kept_max: usize) -> Outcome<Self> {
        let Fit { machines, limits } = Fit::of(scenario)?;
        let machines = KvmMachines::launch(MachinesConfig { kept_max, ..machines })?;
        let (slots, boots) = (scenario.fleet.slots, limits.boots_max.min(2));
        let config = Config { starts: limits.starts, boots: boots as usize, ..Config::default() };
        let seen = Seen::default();
        let runtime = Runtime::new(&config, machines as Arc<dyn Machines>, Box::new(seen.clone()))?;
        let worker = WorkerConfig {
            id: WorkerId(0),
            slots,
            boots,
            pool: Arc::new(scenario.pool.clone()),
            sprite: scenario.sprite_policy(),
            tenants: Vec::new(),
            neighbour: None,
            epoch: scenario.epoch(),
        };
        runtime.host(move || Worker::new(worker.clone()));
        runtime.tell(WORKER, Message::Worker(ToWorker::Begin(Begin::Full)));
        let begun = Instant::now();
        if !runtime.wait_until_quiet(LIMIT) {
            return Err("the pool was not filled".into());
        }
        let filled = begun.elapsed();
        runtime.open();
        Ok(Self { runtime, seen, filled })
    }

    /// One request after the other, each a pause after the last has ended.
    fn requests(&self, count: usize, lifetime: Duration, pause: Wait) {
        for _ in 0..count {
            std::thread::sleep(pause);
            self.runtime.submit_and_start(WORKER, Key(0), lifetime);
            // Asleep: a busy processor makes KVM's memory slots wait for milliseconds.
            while self.runtime.unfinished() > 0 {
                std::thread::sleep(Wait::from_micros(100));
            }
        }
    }
}

impl Bench {
    /// Takes and misses on a small pool, and both stages of sleep.
    pub(super) fn actors(&self) -> Outcome {
        header();
        let count = self.samples.min(500);
        let full = format!(
            "slots = {count}\n[pool]\nrefill = {{ kind = \"never\" }}\ndepth = {{ kind = \"fixed\", ready = {count} }}\n"
        );
        let host = Host::new(&scenario(&format!("[fleet]\n{full}"))?, 0)?;
        host.requests(count, Duration::from_secs(3_600), PAUSE);
        host.seen.row(&format!("warm, no refill, {count} alive"), ::actors::Outcome::Warm);
        drop(host);
        let host = Host::new(
            &scenario("[fleet]\nslots = 32\n[pool]\ndepth = { kind = \"fixed\", ready = 16 }\n")?,
            0,
        )?;
        host.requests(self.samples, Duration::ZERO, 3 * PAUSE);
        host.seen.row("warm, each one refilled", ::actors::Outcome::Warm);
        host.seen.boots("boot (refill)");
        drop(host);
        self.paced(200, "\"even\"", "warm, paced, each one refilled")?;
        self.paced(400, "{ bursts_of = 40 }", "warm, forty at an instant")?;
        let none = "depth = { kind = \"fixed\", ready = 0 }\n";
        let misses = format!("[fleet]\nslots = 8\n[pool]\nexhausted = [{{ kind = \"boot\" }}]\n{none}");
        let host = Host::new(&scenario(&misses)?, 0)?;
        host.requests(self.samples, Duration::ZERO, 3 * PAUSE);
        host.seen.row("miss that boots its own VM", ::actors::Outcome::Booted);
        drop(host);
        let sleepy = "[sprite]\nlifetime = \"200us\"\nidle_after = \"200us\"\n";
        let wakes = "exhausted = [{ kind = \"wake\" }, { kind = \"boot\" }]\n";
        let sleepy = scenario(&format!("[fleet]\nslots = 8\n[pool]\n{wakes}{none}{sleepy}"))?;
        for (kept_max, stage) in [(8, "first"), (0, "second")] {
            let host = Host::new(&sleepy, kept_max)?;
            host.requests(self.samples, Duration::from_micros(200), 4 * PAUSE);
            host.seen.row(&format!("wake from {stage} stage"), ::actors::Outcome::Woken);
        }
        Ok(())
    }

    /// Takes while this many VMs are ready.
    pub(super) fn actors_alive(&self, count: usize) -> Outcome {
        println!("  through the actors");
        let before = available_kib()?;
        let slots = count + 32;
        let text =
            format!("[fleet]\nslots = {slots}\n[pool]\ndepth = {{ kind = \"fixed\", ready = {count} }}\n");
        let host = Host::new(&scenario(&text)?, 0)?;
        println!(
            "  filled in {:.2?}, {:.0} us each",
            host.filled,
            host.filled.as_secs_f64() * 1e6 / count as f64
        );
        host.requests(self.samples, Duration::ZERO, 3 * PAUSE);
        host.seen.row("warm, each one refilled", ::actors::Outcome::Warm);
        host.seen.boots("boot (refill)");
        drop(host);
        memory_back(before)
    }

    /// From a scenario's demand, as `warmpool run --backend kvm` does it: latencies count from when a request
    /// was due.
    fn paced(&self, rate: usize, arrivals: &str, name: &str) -> Outcome {
        let seconds = self.samples.div_ceil(rate).max(2);
        let demand = format!("[[demand]]\nto = {rate}\nfor = \"{seconds}s\"\narrivals = {arrivals}\n");
        let pool = "[fleet]\nslots = 96\nboots = 2\n[pool]\ndepth = { kind = \"fixed\", ready = 48 }\n";
        let scenario = scenario(&format!("{pool}{demand}"))?;
        let Fit { machines, limits } = Fit::of(&scenario)?;
        let machines = KvmMachines::launch(machines)?;
        let options = Options { limits, ..Options::default() };
        let (_, seen) = run_scenario(&scenario, machines, Seen::default(), &options)?;
        seen.row(name, ::actors::Outcome::Warm);
        Ok(())
    }
}
