//! From a scenario to the Workers that are to be hosted, whose addresses are their places in the fleet.

use actors::policy::{Placement, PoolKey, placement::Choice};
use actors::{ActorId, Key, WorkerConfig, WorkerId};

use crate::scenario::{RegionPlan, Scenario};

impl Scenario {
    /// The Workers of a scenario, in order, for a backend that hosts them under the addresses from zero.
    pub fn worker_configs(&self) -> Vec<WorkerConfig> {
        let regions = self.regions();
        let plans = self.workers().into_iter().zip(0..);
        plans
            .map(|(plan, index)| {
                let region = &regions[plan.region as usize];
                WorkerConfig {
                    id: WorkerId(index),
                    slots: plan.slots,
                    boots: plan.boots,
                    tenants: if plan.pool.key == PoolKey::Tenant {
                        tenants_of(self, region, index)
                    } else {
                        Vec::new()
                    },
                    pool: plan.pool,
                    sprite: self.sprite_policy(),
                    neighbour: neighbour_of(region, index),
                    epoch: self.epoch(),
                }
            })
            .collect()
    }
}

/// The next worker of the region's ring; nobody for a worker that is alone.
fn neighbour_of(region: &RegionPlan, worker: u32) -> Option<ActorId> {
    let next = if worker + 1 < region.workers.end { worker + 1 } else { region.workers.start };
    (next != worker).then_some(ActorId(next))
}

/// The tenants that have a pool on this worker from the beginning: those whose requests are sent here, where
/// that is known. A trace names its tenants only as it goes.
fn tenants_of(scenario: &Scenario, region: &RegionPlan, worker: u32) -> Vec<Key> {
    if scenario.demand.planned_length().is_none() {
        return Vec::new();
    }
    let tenants = (0..scenario.tenants.count).map(Key);
    if scenario.fleet.placement == Placement::ByKey {
        let workers = region.workers.end - region.workers.start;
        tenants.filter(|&key| region.workers.start + Choice::home(key, workers) == worker).collect()
    } else {
        tenants.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_form_one_ring_in_each_region() {
        let region = |workers| RegionPlan { name: String::new(), workers, share: 1.0 };
        let next = |workers: std::ops::Range<u32>| -> Vec<Option<u32>> {
            let of = region(workers.clone());
            workers.map(|worker| neighbour_of(&of, worker).map(|next| next.0)).collect()
        };
        assert_eq!(next(4..5), [None]);
        assert_eq!(next(2..5), [Some(3), Some(4), Some(2)]);
    }
}
