//! A peer: the crate simrs. A source and, for each pool, one component that also runs its boots.
//!
//! As the crate means it: components are immutable, so what changes lies in the simulation's state under
//! typed keys, and events are scheduled for components by their ids.

use std::time::Duration;

use actors::Rng;
use actors::random::Purpose;
use simrs::{Component, ComponentId, Executor, Key, Scheduler, Simulation, State};

use crate::work::{Outcome, Work, exponential};

#[derive(Debug)]
struct Arrive;

#[derive(Debug)]
enum PoolEvent {
    Take,
    Booted,
}

struct Counts {
    requests: u64,
    misses: u64,
}

struct Source {
    gap: actors::Duration,
    arrivals: u64,
    pools: Vec<ComponentId<PoolEvent>>,
    arrival_rng: Key<Rng>,
    place_rng: Key<Rng>,
    counts: Key<Counts>,
}

impl Component for Source {
    type Event = Arrive;

    fn process_event(
        &self,
        me: ComponentId<Arrive>,
        _: &Arrive,
        scheduler: &mut Scheduler,
        state: &mut State,
    ) {
        let pool = of(state, self.place_rng).below(self.pools.len() as u64);
        scheduler.schedule_now(self.pools[pool as usize], PoolEvent::Take);
        let counts = of(state, self.counts);
        counts.requests += 1;
        if counts.requests < self.arrivals {
            scheduler.schedule(draw(self.gap, of(state, self.arrival_rng)), me, Arrive);
        }
    }
}

struct PoolState {
    ready: u32,
    booting: u32,
    ordered: u32,
}

struct Pool {
    state: Key<PoolState>,
    boot_rng: Key<Rng>,
    counts: Key<Counts>,
}

impl Component for Pool {
    type Event = PoolEvent;

    fn process_event(
        &self,
        me: ComponentId<PoolEvent>,
        event: &PoolEvent,
        scheduler: &mut Scheduler,
        state: &mut State,
    ) {
        let pool = of(state, self.state);
        match event {
            PoolEvent::Take if pool.ready == 0 => {
                of(state, self.counts).misses += 1;
                return;
            }
            PoolEvent::Take => {
                pool.ready -= 1;
                pool.ordered += 1;
            }
            PoolEvent::Booted => {
                pool.booting -= 1;
                pool.ready += 1;
            }
        }
        if pool.ordered > 0 && pool.booting < Work::BOOTS {
            pool.ordered -= 1;
            pool.booting += 1;
            let takes = draw(Work::BOOT, of(state, self.boot_rng));
            scheduler.schedule(takes, me, PoolEvent::Booted);
        }
    }
}

fn of<T: 'static>(state: &mut State, key: Key<T>) -> &mut T {
    state.get_mut(key).expect("nothing is removed from the state")
}

fn draw(mean: actors::Duration, rng: &mut Rng) -> Duration {
    Duration::from_nanos(exponential(mean, rng).as_nanos())
}

pub(crate) fn run(work: &Work) -> Outcome {
    let mut simulation = Simulation::default();
    let counts = simulation.state.insert(Counts { requests: 0, misses: 0 });
    let boot_rng = simulation.state.insert(work.stream(Purpose::Boots));
    let pools = (0..work.pools)
        .map(|_| {
            let state = simulation.state.insert(PoolState { ready: Work::DEPTH, booting: 0, ordered: 0 });
            simulation.add_component(Pool { state, boot_rng, counts })
        })
        .collect();
    let arrival_rng = simulation.state.insert(work.stream(Purpose::Arrivals));
    let place_rng = simulation.state.insert(work.stream(Purpose::Placement));
    let (gap, arrivals) = (work.gap(), work.arrivals);
    let source = simulation.add_component(Source { gap, arrivals, pools, arrival_rng, place_rng, counts });
    simulation.schedule(Duration::ZERO, source, Arrive);
    simulation.execute(Executor::unbound());
    let Counts { requests, misses } = *of(&mut simulation.state, counts);
    Outcome { requests, misses }
}
