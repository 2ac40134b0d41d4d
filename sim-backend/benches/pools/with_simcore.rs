//! A peer: the crate simcore, with three kinds of actors: a source, and for each worker a pool and a
//! refiller.
//!
//! As the crate means it: every actor has its context, emits typed events and handles them with `cast!`.

use std::cell::RefCell;
use std::rc::Rc;

use actors::random::Purpose;
use actors::{Duration, Rng};
use serde::Serialize;
use simcore::{Event, EventHandler, Id, Simulation, SimulationContext, cast};

use crate::work::{Outcome, Work, exponential};

#[derive(Clone, Serialize)]
struct Arrive {}

#[derive(Clone, Serialize)]
struct Take {}

#[derive(Clone, Serialize)]
struct Order {
    count: u32,
}

#[derive(Clone, Serialize)]
struct BootEnded {}

#[derive(Clone, Serialize)]
struct Ready {}

struct Source {
    context: SimulationContext,
    gap: Duration,
    arrivals: u64,
    requests: u64,
    pools: Vec<Id>,
    arrival_rng: Rng,
    place_rng: Rng,
}

impl EventHandler for Source {
    fn on(&mut self, event: Event) {
        cast!(match event.data {
            Arrive {} => {
                let pool = self.place_rng.below(self.pools.len() as u64);
                self.context.emit_now(Take {}, self.pools[pool as usize]);
                self.requests += 1;
                if self.requests < self.arrivals {
                    self.context.emit_self(Arrive {}, draw(self.gap, &mut self.arrival_rng));
                }
            }
        })
    }
}

struct Pool {
    context: SimulationContext,
    refiller: Id,
    ready: u32,
    misses: u64,
}

impl EventHandler for Pool {
    fn on(&mut self, event: Event) {
        cast!(match event.data {
            Take {} => {
                if self.ready == 0 {
                    self.misses += 1;
                } else {
                    self.ready -= 1;
                    self.context.emit_now(Order { count: 1 }, self.refiller);
                }
            }
            Ready {} => {
                self.ready += 1;
            }
        })
    }
}

struct Refiller {
    context: SimulationContext,
    pool: Id,
    booting: u32,
    ordered: u32,
    boot_rng: Rng,
}

impl Refiller {
    fn begin_boots(&mut self) {
        while self.ordered > 0 && self.booting < Work::BOOTS {
            self.ordered -= 1;
            self.booting += 1;
            self.context.emit_self(BootEnded {}, draw(Work::BOOT, &mut self.boot_rng));
        }
    }
}

impl EventHandler for Refiller {
    fn on(&mut self, event: Event) {
        cast!(match event.data {
            Order { count } => {
                self.ordered += count;
                self.begin_boots();
            }
            BootEnded {} => {
                self.booting -= 1;
                self.context.emit_now(Ready {}, self.pool);
                self.begin_boots();
            }
        })
    }
}

/// In seconds, which is what simcore counts in.
fn draw(mean: Duration, rng: &mut Rng) -> f64 {
    exponential(mean, rng).as_secs_f64()
}

pub(crate) fn run(work: &Work) -> Outcome {
    let mut simulation = Simulation::new(work.seed);
    let pools: Vec<_> = (0..work.pools).map(|worker| add_worker(&mut simulation, work, worker)).collect();
    let source = Rc::new(RefCell::new(Source {
        context: simulation.create_context("source"),
        gap: work.gap(),
        arrivals: work.arrivals,
        requests: 0,
        pools: pools.iter().map(|pool| pool.borrow().context.id()).collect(),
        arrival_rng: work.stream(Purpose::Arrivals),
        place_rng: work.stream(Purpose::Placement),
    }));
    simulation.add_handler("source", source.clone());
    source.borrow().context.emit_self_now(Arrive {});
    simulation.step_until_no_events();
    let requests = source.borrow().requests;
    Outcome { requests, misses: pools.iter().map(|pool| pool.borrow().misses).sum() }
}

fn add_worker(simulation: &mut Simulation, work: &Work, worker: u32) -> Rc<RefCell<Pool>> {
    let (pool_name, refiller_name) = (format!("pool {worker}"), format!("refiller {worker}"));
    let context = simulation.create_context(&pool_name);
    let refiller_context = simulation.create_context(&refiller_name);
    let refiller = Refiller {
        pool: context.id(),
        context: refiller_context,
        booting: 0,
        ordered: 0,
        boot_rng: Rng::stream(work.seed, Purpose::Boots, u64::from(worker)),
    };
    let pool = Pool { refiller: refiller.context.id(), context, ready: Work::DEPTH, misses: 0 };
    let pool = Rc::new(RefCell::new(pool));
    simulation.add_handler(&pool_name, pool.clone());
    simulation.add_handler(&refiller_name, Rc::new(RefCell::new(refiller)));
    pool
}
