//! Values that are read and are invalid. Each check names its key, so that the error has its line.

mod demand;
mod pools;

use std::collections::BTreeSet;

use actors::Duration;
use actors::policy::{AfterUse, Prefers, Problem};

use super::fault::{FaultEntry, FaultKind};
use super::fleet::Boots;
use super::{Scenario, WorkerOverride};
use crate::distribution::Distribution;
use crate::error::ScenarioError;

/// The most workers of a fleet.
const WORKERS_MAX: u32 = 1_000_000;
/// The most tenants.
const TENANTS_MAX: u32 = 10_000_000;

type Checked = Result<(), ScenarioError>;

impl Scenario {
    /// Finds the first invalid value.
    pub(super) fn validate(&self) -> Checked {
        if !(self.gates_held_in > 0.0 && self.gates_held_in <= 1.0) {
            let wrong = format!("is {}", self.gates_held_in);
            return self.fail(&["gates_held_in"], &wrong, "give a share above 0 and up to 1, such as 0.95");
        }
        self.check_fleet()?;
        self.check_regions()?;
        self.check_workers()?;
        self.check_pools()?;
        self.check_latency()?;
        self.check_sprite()?;
        self.check_tenants()?;
        self.check_demand()?;
        self.check_faults()?;
        self.check_cost()
    }

    /// Finds the first value that cannot be in what a host is told.
    pub(super) fn validate_host(&self) -> Checked {
        self.check_fleet()?;
        self.check_pools()?;
        self.check_latency()
    }

    fn fail(&self, path: &[&str], wrong: &str, remedy: &str) -> Checked {
        Err(self.error_at(path, wrong, remedy))
    }

    fn check_fleet(&self) -> Checked {
        let workers = self.fleet.workers;
        if workers == 0 {
            return self.fail(&["fleet", "workers"], "is 0", "a fleet has at least one worker");
        }
        if workers > WORKERS_MAX {
            return self.fail(
                &["fleet", "workers"],
                &format!("is {workers}"),
                &format!("a fleet has at most {WORKERS_MAX} workers"),
            );
        }
        self.check_room(&["fleet"], Some(self.fleet.slots), Some(self.fleet.boots))
    }

    fn check_room(&self, path: &[&str], slots: Option<u32>, boots: Option<Boots>) -> Checked {
        if slots == Some(0) {
            let wrong = "is 0, so that no VM fits on a worker";
            return self.fail(&[path, &["slots"]].concat(), wrong, "allow at least one");
        }
        if boots.is_some_and(|boots| boots.count() == 0) {
            let wrong = "is 0, so that nothing ever boots";
            return self.fail(&[path, &["boots"]].concat(), wrong, "allow at least one, or \"unlimited\"");
        }
        Ok(())
    }

    fn check_regions(&self) -> Checked {
        let mut names = BTreeSet::from(["rest"]);
        let (mut workers, mut shares) = (0u64, 0.0);
        for (index, region) in self.region.iter().enumerate() {
            let index = index.to_string();
            let path = ["region", index.as_str()];
            let key = |name| [path[0], path[1], name];
            if region.name.is_empty() || !names.insert(&region.name) {
                let wrong = format!("is {:?}, which is empty or taken", region.name);
                return self.fail(&key("name"), &wrong, "give it a name of its own");
            }
            workers += u64::from(region.workers);
            if region.workers == 0 || workers > u64::from(self.fleet.workers) {
                let left = u64::from(self.fleet.workers) - (workers - u64::from(region.workers));
                let wrong = format!(
                    "is {}, and {left} of the fleet's {} workers are left",
                    region.workers, self.fleet.workers
                );
                return self.fail(&key("workers"), &wrong, "take at least one and at most those");
            }
            let share = region.share.unwrap_or(0.0);
            shares += share;
            if !(0.0..=1.0).contains(&share) || shares > 1.0 + 1e-9 {
                let wrong = format!("is {share}, which makes {shares} with the regions above");
                return self.fail(&key("share"), &wrong, "shares are 0 or more, and 1 together at most");
            }
            self.check_room(&path, region.slots, region.boots)?;
        }
        if !self.region.is_empty() && workers == u64::from(self.fleet.workers) && (shares - 1.0).abs() > 1e-9
        {
            let wrong = format!("takes the last worker, but the shares make only {shares}");
            let last = (self.region.len() - 1).to_string();
            return self.fail(
                &["region", &last, "workers"],
                &wrong,
                "let them make 1, or leave workers to the rest of the demand",
            );
        }
        Ok(())
    }

    fn check_workers(&self) -> Checked {
        let mut seen = BTreeSet::new();
        for (place, WorkerOverride { index, slots, boots, .. }) in self.worker.iter().enumerate() {
            let place = place.to_string();
            if *index >= self.fleet.workers {
                return self.fail(
                    &["worker", &place, "index"],
                    &self.no_such_worker(*index),
                    &self.workers_there_are(),
                );
            }
            if !seen.insert(*index) {
                let wrong = format!("is {index}, as in a table above");
                return self.fail(
                    &["worker", &place, "index"],
                    &wrong,
                    "put all about one worker into one table",
                );
            }
            self.check_room(&["worker", &place], *slots, *boots)?;
        }
        Ok(())
    }

    fn no_such_worker(&self, index: u32) -> String {
        format!("is {index}, and there is no such worker")
    }

    fn workers_there_are(&self) -> String {
        format!("give a number from 0 to {}", self.fleet.workers - 1)
    }

    fn check_latency(&self) -> Checked {
        let latency = &self.latency;
        let all = [
            ("start", &latency.start),
            ("boot", &latency.boot),
            ("create", &latency.create),
            ("wake", &latency.wake),
            ("sleep", &latency.sleep),
            ("stop", &latency.stop),
        ];
        for (name, by_load) in all {
            match by_load.as_slice() {
                [always] => self.check_distribution(&["latency", name], always)?,
                levels => levels.iter().enumerate().try_for_each(|(level, distribution)| {
                    self.check_distribution(&["latency", name, &level.to_string()], distribution)
                })?,
            }
        }
        for (index, after) in latency.start_after_idle.iter().enumerate() {
            let index = index.to_string();
            let path = ["latency", "start_after_idle", &index];
            self.check_distribution(&[path[0], path[1], path[2], "start"], &after.start)?;
        }
        for (index, pair) in latency.start_after_idle.windows(2).enumerate() {
            if pair[1].idle <= pair[0].idle {
                let (idle, index) = (pair[1].idle, (index + 1).to_string());
                let wrong = format!("is {idle}, no longer than the entry before it");
                return self.fail(
                    &["latency", "start_after_idle", &index, "idle"],
                    &wrong,
                    "give each a longer time",
                );
            }
        }
        for (name, share) in [
            ("boots_beside_starts", latency.boots_beside_starts),
            ("boot_failures", latency.boot_failures),
            ("start_failures", latency.start_failures),
            ("sleep_refusals", latency.sleep_refusals),
            ("wake_refusals", latency.wake_refusals),
        ] {
            if !(0.0..=1.0).contains(&share) {
                return self.fail(&["latency", name], &format!("is {share}"), "give a share from 0 to 1");
            }
        }
        self.check_distribution(&["timer", "lag"], &self.timer.lag)
    }

    fn check_distribution(&self, path: &[&str], distribution: &Distribution) -> Checked {
        match distribution.sampler(self.base()) {
            Ok(_) => Ok(()),
            Err(error) => self.fail(path, &error.to_string(), &error.remedy()),
        }
    }

    fn check_sprite(&self) -> Checked {
        if let Some(lifetime) = &self.sprite.lifetime {
            self.check_distribution(&["sprite", "lifetime"], lifetime)?;
        }
        if self.sprite.prefers == Prefers::Own
            && (self.sprite.idle_after.is_none() || self.sprite.after_use == AfterUse::Return)
        {
            let wrong = "is \"own\", but no tenant keeps a Sprite after use";
            let remedy = "give `idle_after` in [sprite] and leave `after_use` at \"stop\", or leave it out";
            return self.fail(&["sprite", "prefers"], wrong, remedy);
        }
        if self.has_lifetimes() {
            return Ok(());
        }
        let wrong = "has no effect, for without a lifetime a started Sprite leaves the model at once";
        if self.sprite.idle_after.is_some() {
            return self.fail(
                &["sprite", "idle_after"],
                wrong,
                "give \
                    `lifetime` in [sprite], or leave this key out",
            );
        }
        if self.sprite.after_use == AfterUse::Return {
            return self.fail(
                &["sprite", "after_use"],
                wrong,
                "give \
                    `lifetime` in [sprite], or leave this key out",
            );
        }
        Ok(())
    }

    fn check_tenants(&self) -> Checked {
        let (count, skew) = (self.tenants.count, self.tenants.skew);
        if !(1..=TENANTS_MAX).contains(&count) {
            return self.fail(
                &["tenants", "count"],
                &format!("is {count}"),
                &format!("give a number from 1 to {TENANTS_MAX}"),
            );
        }
        if !(0.0..=10.0).contains(&skew) {
            return self.fail(&["tenants", "skew"], &format!("is {skew}"), "give an exponent from 0 to 10");
        }
        Ok(())
    }

    fn check_faults(&self) -> Checked {
        for (index, fault) in self.fault.iter().enumerate() {
            if let Err(problem) = self.check_fault(fault) {
                let path = ["fault", &index.to_string(), &problem.key];
                return self.fail(&path, &problem.wrong, &problem.remedy);
            }
        }
        Ok(())
    }

    fn check_fault(&self, fault: &FaultEntry) -> Result<(), Problem> {
        let fail = |key: &str, wrong: &str, remedy: &str| Err(Problem::new(key, wrong, remedy));
        let kind = fault.kind.name();
        match (fault.worker, &fault.region) {
            (Some(_), Some(_)) => {
                return fail("region", "is given beside `worker`", "a fault strikes one of them, or all");
            }
            (Some(worker), None) if worker >= self.fleet.workers => {
                return fail("worker", &self.no_such_worker(worker), &self.workers_there_are());
            }
            (None, Some(name)) if !self.regions().iter().any(|region| region.name == *name) => {
                let regions: Vec<String> = self.regions().into_iter().map(|region| region.name).collect();
                return fail(
                    "region",
                    &format!("is {name:?}, which no region is named"),
                    &format!("use {}", regions.join(", ")),
                );
            }
            _ => {}
        }
        match (fault.kind, fault.factor) {
            (FaultKind::SlowBoots, None) => {
                return fail("factor", "is missing", "say how many times as long boots take");
            }
            (FaultKind::SlowBoots, Some(factor)) if !(factor > 0.0 && factor.is_finite()) => {
                return fail("factor", &format!("is {factor}"), "give a factor above 0");
            }
            (FaultKind::SlowBoots, _) | (_, None) => {}
            (_, Some(_)) => return fail("factor", &format!("has no meaning for {kind}"), "leave it out"),
        }
        match (fault.kind, fault.ratio) {
            (FaultKind::FailedBoots, Some(ratio)) if !(0.0..=1.0).contains(&ratio) => {
                return fail("ratio", &format!("is {ratio}"), "give a share from 0 to 1");
            }
            (FaultKind::FailedBoots, _) | (_, None) => {}
            (_, Some(_)) => return fail("ratio", &format!("has no meaning for {kind}"), "leave it out"),
        }
        if fault.length.is_none() && fault.kind != FaultKind::Crash {
            return fail("for", "is missing", &format!("say how long the {kind} fault lasts"));
        }
        if fault.length.is_some_and(Duration::is_zero) {
            return fail("for", "is 0", "give it some time");
        }
        match self.planned_length() {
            Some(length) if fault.at >= length => fail(
                "at",
                &format!("is {}, but the demand ends after {length}", fault.at),
                "let the fault begin before",
            ),
            _ => Ok(()),
        }
    }

    fn check_cost(&self) -> Checked {
        let cost = &self.cost;
        let all = [
            ("idle_vm_second", cost.idle_vm_second),
            ("miss", cost.miss),
            ("boot", cost.boot),
            ("rejected", cost.rejected),
        ];
        for (key, price) in all {
            if !(price >= 0.0 && price.is_finite()) {
                return self.fail(&["cost", key], &format!("is {price}"), "give a price, zero or more");
            }
        }
        Ok(())
    }
}
