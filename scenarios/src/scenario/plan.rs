//! From a scenario to what a backend builds: every worker with its pool, every region with its workers, every
//! fault.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use actors::policy::{PoolPolicy, SpritePolicy};

use super::Scenario;
use super::fault::Fault;

/// One worker to build.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkerPlan {
    /// Its region, as an index into [`Scenario::regions`].
    pub region: u32,
    /// VMs that it holds.
    pub slots: u32,
    /// Boots that it runs at once; `u32::MAX` for any number.
    pub boots: u32,
    /// What its pools are told; shared by all workers that are told the same.
    pub pool: Arc<PoolPolicy>,
}

/// One region: a stretch of the fleet with a share of the demand.
#[derive(Clone, Debug, PartialEq)]
pub struct RegionPlan {
    /// Its name in reports.
    pub name: String,
    /// Its workers, counted over the fleet.
    pub workers: Range<u32>,
    /// Its share of the demand, from 0 to 1.
    pub share: f64,
}

/// The name of the workers that no region has taken, where there are regions.
const REST: &str = "rest";

impl Scenario {
    /// The regions, with the workers that none has taken as the last. A fleet without regions is one region.
    pub fn regions(&self) -> Vec<RegionPlan> {
        let mut first = 0u32;
        let mut plans = Vec::with_capacity(self.region.len() + 1);
        for region in &self.region {
            let end = first.saturating_add(region.workers).min(self.fleet.workers);
            let share = region.share.unwrap_or_else(|| self.share_of(region.workers));
            plans.push(RegionPlan { name: region.name.clone(), workers: first..end, share });
            first = end;
        }
        if first < self.fleet.workers {
            let taken: f64 = plans.iter().map(|plan| plan.share).sum();
            let name = if plans.is_empty() { self.name.clone() } else { REST.to_owned() };
            plans.push(RegionPlan {
                name,
                workers: first..self.fleet.workers,
                share: (1.0 - taken).max(0.0),
            });
        }
        plans
    }

    pub(super) fn share_of(&self, workers: u32) -> f64 {
        f64::from(workers) / f64::from(self.fleet.workers.max(1))
    }

    /// Every worker of the fleet, in order.
    pub fn workers(&self) -> Vec<WorkerPlan> {
        let pool = Arc::new(self.pool.clone());
        let mut plans = Vec::with_capacity(self.fleet.workers as usize);
        for (index, region) in self.regions().iter().enumerate() {
            let own = self.region.get(index);
            let plan = WorkerPlan {
                region: index as u32,
                slots: own.and_then(|own| own.slots).unwrap_or(self.fleet.slots),
                boots: own.and_then(|own| own.boots).unwrap_or(self.fleet.boots).count(),
                pool: own.and_then(|own| own.pool.clone()).map_or_else(|| Arc::clone(&pool), Arc::new),
            };
            plans.resize(region.workers.end as usize, plan);
        }
        for own in &self.worker {
            if let Some(plan) = plans.get_mut(own.index as usize) {
                plan.slots = own.slots.unwrap_or(plan.slots);
                plan.boots = own.boots.map_or(plan.boots, |boots| boots.count());
                if let Some(pool) = &own.pool {
                    plan.pool = Arc::new(pool.clone());
                }
            }
        }
        plans
    }

    /// The faults, in the order in which they begin.
    pub fn faults(&self) -> Vec<Fault> {
        let regions: BTreeMap<String, Range<u32>> =
            self.regions().into_iter().map(|region| (region.name, region.workers)).collect();
        let mut faults: Vec<Fault> = self
            .fault
            .iter()
            .map(|entry| {
                let workers = match (entry.worker, &entry.region) {
                    (Some(worker), _) => worker..worker.saturating_add(1).min(self.fleet.workers),
                    (None, Some(name)) => regions.get(name).cloned().unwrap_or(0..0),
                    (None, None) => 0..self.fleet.workers,
                };
                entry.on(workers)
            })
            .collect();
        faults.sort_by_key(|fault| fault.at);
        faults
    }

    /// How Sprites live once they are assigned.
    pub fn sprite_policy(&self) -> SpritePolicy {
        SpritePolicy {
            after_use: self.sprite.after_use,
            idle_after: self.sprite.idle_after,
            asleep: self.sprite.asleep,
            prefers: self.sprite.prefers,
        }
    }
}
