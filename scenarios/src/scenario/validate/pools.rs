//! Invalid pools: what they are told, and whether it fits on their workers.

use actors::policy::{AfterUse, PoolKey, PoolPolicy};

use super::Checked;
use crate::scenario::Scenario;

impl Scenario {
    /// Checks every pool with the slots of its workers.
    pub(super) fn check_pools(&self) -> Checked {
        self.check_pool(&[], &self.pool, self.fleet.slots)?;
        for (index, region) in self.region.iter().enumerate() {
            let slots = region.slots.unwrap_or(self.fleet.slots);
            self.check_pool(
                &["region", &index.to_string()],
                region.pool.as_ref().unwrap_or(&self.pool),
                slots,
            )?;
        }
        let plans = if self.worker.is_empty() { Vec::new() } else { self.workers() };
        for (place, worker) in self.worker.iter().enumerate() {
            if let Some(plan) = plans.get(worker.index as usize) {
                self.check_pool(&["worker", &place.to_string()], &plan.pool, plan.slots)?;
            }
        }
        Ok(())
    }

    fn check_pool(&self, outer: &[&str], pool: &PoolPolicy, slots: u32) -> Checked {
        let path = |key: &str| -> Vec<String> {
            let segments = outer.iter().copied().chain(["pool"]).chain(key.split('.'));
            segments.filter(|segment| !segment.is_empty()).map(str::to_owned).collect()
        };
        let fail = |key: &str, wrong: &str, remedy: &str| {
            let path = path(key);
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            self.fail(&path, wrong, remedy)
        };
        if let Err(problem) = pool.validate() {
            return fail(&problem.key, &problem.wrong, &problem.remedy);
        }
        self.check_depth(outer, pool, slots)?;
        if self.sprite.after_use == AfterUse::Return && pool.key == PoolKey::Uniform {
            let wrong =
                "is \"return\", but the pools are uniform and a Sprite never passes from one user to another";
            return self.fail(
                &["sprite", "after_use"],
                wrong,
                "set `key = \"tenant\"` in [pool], or leave `after_use` at \"stop\"",
            );
        }
        Ok(())
    }

    /// A worker must have room for every depth that its pool is sure to aim for.
    fn check_depth(&self, outer: &[&str], pool: &PoolPolicy, slots: u32) -> Checked {
        let guaranteed = pool.depth.guaranteed_depth();
        if guaranteed.ready <= slots {
            return Ok(());
        }
        let (ready, key) = (guaranteed.ready, guaranteed.key.split('.').collect::<Vec<_>>());
        let depth = [outer, &["pool", "depth"], &key].concat();
        // Of the two the one is at fault that the file gives.
        let given = [[outer, &["slots"]].concat(), vec!["fleet", "slots"]];
        let given = given.iter().find(|path| self.gives(path)).filter(|_| !self.gives(&depth));
        match given {
            Some(path) => {
                let wrong = format!("is {slots}, but pools are {ready} deep");
                self.fail(path, &wrong, &format!("raise it, or lower `pool.depth.{}`", guaranteed.key))
            }
            None => {
                let wrong = format!("is {ready}, but a worker has {slots} slots");
                self.fail(&depth, &wrong, "lower the depth, or raise `slots`")
            }
        }
    }
}
