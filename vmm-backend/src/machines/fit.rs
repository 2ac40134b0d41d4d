//! What a scenario needs of this host, and whether the host has it. Makes nothing.

use actors::policy::AfterUse;
use scenarios::scenario::FaultKind;
use scenarios::{Scenario, ScenarioError};

use super::MachinesConfig;
use crate::host::vms_that_fit;
use runtime::{DETACHED_MAX, Limits, plan_of};

/// Memory of a guest, in bytes.
pub const MEMORY_BYTES: u64 = 128 << 20;

/// Sleepers of the first stage: they keep their memory, and wake in microseconds. As many as one shard holds.
const KEPT_MAX: u32 = 32;

/// What a scenario needs of this host.
#[derive(Clone, Debug)]
pub struct Fit {
    /// The VMs to make room for.
    pub machines: MachinesConfig,
    /// What the runtime may ask of them.
    pub limits: Limits,
}

impl Fit {
    /// Looks whether this host can be the scenario's worker: room for its slots, for as many VMs as may be
    /// under destruction besides, and for sleepers of the first stage where Sprites sleep.
    ///
    /// # Errors
    /// What the scenario asks that one host cannot do, with its line, its key and the remedy.
    pub fn of(scenario: &Scenario) -> Result<Self, ScenarioError> {
        let sprite = scenario.sprite_policy();
        let sleeps = sprite.idle_after.is_some() && sprite.after_use == AfterUse::Stop;
        let kept_max = if sleeps { sprite.asleep.min(KEPT_MAX) as usize } else { 0 };
        let beside = DETACHED_MAX + 1 + kept_max;
        let slots_max = vms_that_fit().map_or(usize::MAX, |fit| fit.saturating_sub(beside));
        let slots_max = u32::try_from(slots_max).unwrap_or(u32::MAX);
        let limits = Limits { slots_max, ..Limits::default() };
        let slots = plan_of(scenario, &limits)?.slots as usize;
        check_faults(scenario)?;
        Ok(Self { machines: MachinesConfig { kept_max, ..MachinesConfig::new(slots + beside) }, limits })
    }
}

/// Boots can be held up, made to fail and lost; they cannot be made faster than they are.
fn check_faults(scenario: &Scenario) -> Result<(), ScenarioError> {
    for (index, fault) in scenario.fault.iter().enumerate() {
        let factor = fault.factor.unwrap_or(1.0);
        if fault.kind == FaultKind::SlowBoots && factor < 1.0 {
            let wrong = format!("is {factor}, but real boots cannot be made faster than they are");
            let path = ["fault", &index.to_string(), "factor"];
            return Err(scenario.error_at(&path, &wrong, "take 1 or more, or simulate the scenario"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit(text: &str) -> Result<Fit, ScenarioError> {
        let demand = "\n[[demand]]\nto = 1\nfor = \"1s\"\n";
        Fit::of(&Scenario::parse(&format!("{text}{demand}"), "test.toml", &[]).unwrap())
    }

    #[test]
    fn what_one_host_cannot_do_names_key_and_remedy() {
        for (text, key, remedy) in [
            ("[fleet]\nworkers = 2\n", "fleet.workers", "set it to 1"),
            ("[fleet]\nslots = 4000000\n", "fleet.slots", "lower it"),
            (
                "[[fault]]\nat = \"0s\"\nfor = \"1s\"\nkind = \"slow-boots\"\nfactor = 0.5\n",
                "fault.0.factor",
                "1 or more",
            ),
        ] {
            let error = fit(text).unwrap_err();
            assert_eq!(&*error.key, key, "{error}");
            assert!(error.line().is_some() && error.remedy.contains(remedy), "{error}");
        }
    }

    #[test]
    fn there_is_room_for_slots_for_what_is_being_destroyed_and_for_sleepers() {
        let plain = fit("[fleet]\nslots = 8\n[pool]\ndepth = { kind = \"fixed\", ready = 4 }\n").unwrap();
        assert_eq!((plain.machines.vms_max, plain.machines.kept_max), (8 + DETACHED_MAX + 1, 0));
        let sprite = "[sprite]\nlifetime = \"1s\"\nidle_after = \"1s\"\nasleep = 5\n";
        let sleepy =
            fit(&format!("[fleet]\nslots = 8\n[pool]\ndepth.kind = \"fixed\"\ndepth.ready = 4\n{sprite}"));
        let sleepy = sleepy.unwrap();
        assert_eq!((sleepy.machines.vms_max, sleepy.machines.kept_max), (8 + DETACHED_MAX + 1 + 5, 5));
    }
}
