//! The scenarios and pool policies that the program carries, by name.

mod listed {
    include!(concat!(env!("OUT_DIR"), "/ready_made.rs"));
}

/// What stands before the name of a pool policy where scenarios have names too.
const POOLS: &str = "pools/";

/// Every scenario, by name.
pub(crate) fn scenarios() -> impl Iterator<Item = (&'static str, &'static str)> {
    listed::SCENARIOS.iter().copied()
}

/// The text of a scenario.
pub(crate) fn scenario(name: &str) -> Option<&'static str> {
    find(listed::SCENARIOS, name)
}

/// The text of a pool policy, with or without `pools/` before its name.
pub(crate) fn pool(name: &str) -> Option<&'static str> {
    find(listed::POOLS, name.strip_prefix(POOLS).unwrap_or(name))
}

/// The text of a scenario, or of a pool policy whose name has `pools/` before it.
pub(crate) fn any(name: &str) -> Option<&'static str> {
    if name.starts_with(POOLS) { pool(name) } else { scenario(name) }
}

/// Names of scenarios.
pub(crate) fn scenario_names() -> Vec<&'static str> {
    listed::SCENARIOS.iter().map(|(name, _)| *name).collect()
}

/// Names of pool policies.
pub(crate) fn pool_names() -> Vec<&'static str> {
    listed::POOLS.iter().map(|(name, _)| *name).collect()
}

fn find(list: &[(&str, &'static str)], name: &str) -> Option<&'static str> {
    list.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}
