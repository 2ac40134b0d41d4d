//! The front door: which worker a request is sent to. It knows the loads of the workers and whether they are
//! up from what they observe, at once and exactly.

use actors::policy::placement::Choice;
use actors::random::Purpose;
use actors::{Key, Observation, Rng, State};
use scenarios::Scenario;

/// See the [module](self).
pub(crate) struct Regions {
    regions: Vec<Region>,
    /// For each worker its region, and its place among the region's workers.
    places: Vec<(u32, u32)>,
    /// For each worker: Sprites in use, VMs that are being made for requests and requests that wait, less
    /// ready Sprites. Kept only where a policy asks.
    loads: Vec<i64>,
    needs_loads: bool,
}

struct Region {
    choice: Choice,
    workers: Vec<u32>,
    rng: Rng,
}

impl Regions {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        let mut members: Vec<Vec<u32>> = Vec::new();
        let mut places = Vec::new();
        for (worker, plan) in scenario.workers().iter().enumerate() {
            let region = plan.region as usize;
            if members.len() <= region {
                members.resize_with(region + 1, Vec::new);
            }
            places.push((plan.region, members[region].len() as u32));
            members[region].push(worker as u32);
        }
        let regions: Vec<Region> = members
            .into_iter()
            .enumerate()
            .map(|(index, workers)| Region {
                choice: Choice::new(scenario.fleet.placement, workers.len() as u32),
                workers,
                rng: Rng::stream(scenario.seed, Purpose::Placement, index as u64),
            })
            .collect();
        let needs_loads = regions.iter().any(|region| region.choice.needs_loads());
        Self { regions, loads: vec![0; places.len()], places, needs_loads }
    }

    /// The worker for a request from this region. Where no worker is up it is the first, which fails the
    /// request.
    pub(crate) fn place(&mut self, key: Key, region: u32) -> u32 {
        let Region { choice, workers, rng } = &mut self.regions[region as usize];
        let chosen = choice.choose(key, rng).unwrap_or(0);
        workers[chosen as usize]
    }

    pub(crate) fn observe(&mut self, observation: Observation) {
        if self.needs_loads || matches!(observation, Observation::Host { .. }) {
            self.learn(observation);
        }
    }

    fn learn(&mut self, observation: Observation) {
        match observation {
            Observation::Sprite { worker, was, is, .. } if self.needs_loads => {
                self.add(worker.0, weight(is) - weight(was));
            }
            Observation::Waiting { worker, was, is } | Observation::Making { worker, was, is }
                if self.needs_loads =>
            {
                self.add(worker.0, i64::from(is) - i64::from(was));
            }
            Observation::Host { worker, up } => {
                let (region, place) = self.places[worker.index()];
                let choice = &mut self.regions[region as usize].choice;
                choice.set_up(place, up);
                choice.set_load(place, self.loads[worker.index()]);
            }
            _ => {}
        }
    }

    fn add(&mut self, worker: u32, change: i64) {
        if change != 0 {
            let load = &mut self.loads[worker as usize];
            *load += change;
            let (region, place) = self.places[worker as usize];
            self.regions[region as usize].choice.set_load(place, *load);
        }
    }
}

/// What a Sprite in this state adds to its worker's load.
fn weight(state: State) -> i64 {
    match state {
        State::Ready => -1,
        State::Starting | State::Running | State::Idle | State::Waking => 1,
        State::Stopped | State::Booting | State::Asleep | State::Stopping | State::Failed => 0,
    }
}
