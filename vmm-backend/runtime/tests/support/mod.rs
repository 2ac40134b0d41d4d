//! What the tests of the runtime share: an observer that can be asked, machines that do as they are told, a worker.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};
use std::time::{Duration as Wait, Instant};

use actors::policy::{PoolPolicy, SpritePolicy};
use actors::protocol::Operation;
use actors::{
    ActorId, Message, Observation, Observer, OperationKind, Outcome, Time, WallClock, Worker, WorkerConfig,
    WorkerId,
};
use runtime::{Config, Lost, Machines, Runtime};
use scenarios::Scenario;

pub const WORKER: ActorId = ActorId(0);
pub const SECOND: Wait = Wait::from_secs(1);

/// Keeps every observation.
#[derive(Clone, Default)]
pub struct Seen(pub Arc<Mutex<Vec<(Time, Observation)>>>);

impl Observer for Seen {
    fn observe(&mut self, at: Time, observation: Observation) {
        self.0.lock().unwrap().push((at, observation));
    }

    fn opened(&mut self, _at: Time) {}

    fn closed(&mut self, _at: Time) {}
}

impl Seen {
    pub fn all(&self) -> Vec<(Time, Observation)> {
        self.0.lock().unwrap().clone()
    }

    /// How each request ended, by its number; panics if one ended twice or without having arrived.
    pub fn outcomes(&self) -> BTreeMap<u64, Outcome> {
        let (mut arrived, mut ended) = (BTreeMap::new(), BTreeMap::new());
        for (at, observation) in self.all() {
            match observation {
                Observation::Arrived { request, .. } => {
                    assert!(arrived.insert(request.id, at).is_none(), "{} arrived twice", request.id);
                }
                Observation::Ended { request, outcome, .. } => {
                    assert!(arrived.contains_key(&request.id), "{} ended before it arrived", request.id);
                    assert!(ended.insert(request.id, outcome).is_none(), "{} ended twice", request.id);
                }
                _ => {}
            }
        }
        ended
    }

    pub fn count(&self, wanted: impl Fn(&Observation) -> bool) -> usize {
        self.all().iter().filter(|(_, observation)| wanted(observation)).count()
    }

    /// Sprites in each state, by what was observed of them.
    pub fn level(&self, state: actors::State) -> i64 {
        let mut level = 0;
        for (_, observation) in self.all() {
            if let Observation::Sprite { was, is, .. } = observation {
                level += i64::from(is == state) - i64::from(was == state);
            }
        }
        level
    }
}

/// VMs that boot and start at once, and remember who lives.
#[derive(Default)]
pub struct Obedient {
    pub vms: Mutex<BTreeMap<(u32, u32), ()>>,
    pub doubles: AtomicU64,
    pub panics_on_start: AtomicBool,
    pub start_takes_us: AtomicU64,
    pub boot_takes_us: AtomicU64,
    pub losses: Mutex<Option<Receiver<Lost>>>,
}

impl Obedient {
    pub fn alive(&self) -> usize {
        self.vms.lock().unwrap().len()
    }
}

impl Machines for Obedient {
    fn perform(&self, sprite: ActorId, operation: &Operation) -> bool {
        let vm = (sprite.0, operation.generation);
        match operation.kind {
            OperationKind::Boot | OperationKind::Create => {
                std::thread::sleep(Wait::from_micros(self.boot_takes_us.load(Ordering::Relaxed)));
                let before = self.vms.lock().unwrap().insert(vm, ());
                self.doubles.fetch_add(u64::from(before.is_some()), Ordering::Relaxed);
                true
            }
            OperationKind::Stop | OperationKind::Detach => {
                self.vms.lock().unwrap().remove(&vm);
                true
            }
            OperationKind::Start => {
                assert!(!self.panics_on_start.load(Ordering::Relaxed), "told to panic");
                std::thread::sleep(Wait::from_micros(self.start_takes_us.load(Ordering::Relaxed)));
                self.vms.lock().unwrap().contains_key(&vm)
            }
            _ => self.vms.lock().unwrap().contains_key(&vm),
        }
    }

    fn losses(&self) -> Option<Receiver<Lost>> {
        self.losses.lock().unwrap().take()
    }
}

pub fn scenario(text: &str) -> Scenario {
    Scenario::parse(text, "test.toml", &[]).unwrap_or_else(|error| panic!("{error}"))
}

pub fn pool(text: &str) -> PoolPolicy {
    scenario(&format!("[pool]\n{text}\n[[demand]]\nto = 1\nfor = \"1s\"\n")).pool
}

pub fn worker(slots: u32, boots: u32, pool: PoolPolicy) -> WorkerConfig {
    WorkerConfig {
        id: WorkerId(0),
        slots,
        boots,
        pool: Arc::new(pool),
        sprite: SpritePolicy { after_use: Default::default(), idle_after: None, asleep: 0 },
        tenants: Vec::new(),
        neighbour: None,
        epoch: WallClock::default(),
    }
}

/// A runtime with one full worker.
pub fn full(config: &Config, worker: WorkerConfig, machines: Arc<dyn Machines>, seen: &Seen) -> Runtime {
    let runtime = Runtime::new(config, machines, Box::new(seen.clone())).unwrap();
    let hosted = runtime.host(move || Worker::new(worker.clone()));
    assert_eq!(hosted, WORKER);
    runtime.tell(WORKER, Message::Begin { full: true });
    assert!(runtime.wait_until_quiet(10 * SECOND), "the pool was not filled");
    runtime.open();
    runtime
}

pub fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < 20 * SECOND, "waited in vain until {what}");
        std::thread::sleep(Wait::from_millis(1));
    }
}
