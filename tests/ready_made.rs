//! The ready-made scenarios do what their first comments say, and not by the luck of one seed: each claim
//! holds in at least 95 % of the seeds that are tried here.

mod common;

use std::path::Path;

use serde_json::Value;

use common::{text, warmpool};

/// The seeds that are tried, from the one that the files have. One in twenty may be an exception.
const SEEDS: std::ops::Range<u64> = 42..62;

/// The summaries of a ready-made scenario over the seeds.
fn summaries(name: &str, sets: &[&str], seeds: std::ops::Range<u64>) -> Vec<Value> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let run = |seed: u64| {
        let (file, seed) = (format!("scenarios/{name}.toml"), seed.to_string());
        let mut arguments = vec!["run", &file, "--json", "--seed", &seed];
        sets.iter().for_each(|set| arguments.extend(["--set", set]));
        let output = warmpool(&root, &arguments);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{name}: {}", text(&output.stderr)))
    };
    seeds.map(run).collect()
}

#[track_caller]
fn in_most(summaries: &[Value], claim: &str, holds: impl Fn(&Value) -> bool) {
    let exceptions = summaries.iter().filter(|summary| !holds(summary)).count();
    let names = summaries.first().map(|summary| summary["name"].to_string()).unwrap_or_default();
    assert!(
        exceptions * 20 <= summaries.len(),
        "{names}: \"{claim}\" does not hold in {exceptions} of {} seeds",
        summaries.len()
    );
}

fn held(summary: &Value) -> bool {
    summary["verdict"] == "held"
}

fn misses(summary: &Value) -> f64 {
    summary["miss_ratio"].as_f64().expect("a share")
}

fn share(summary: &Value, outcome: &str) -> f64 {
    let count = |value: &Value| value.as_f64().expect("a count");
    count(&summary["outcomes"][outcome]) / count(&summary["requests"])
}

#[test]
fn gates_hold_where_no_comment_says_otherwise() {
    for name in [
        "exhaustion-cliff",
        "fleet-regions",
        "kvm-spike",
        "machines-start-create",
        "per-tenant",
        "slow-boot",
        "spike",
        "sprites",
        "worker-crash",
    ] {
        in_most(&summaries(name, &[], SEEDS), "all gates hold", held);
    }
    // Two days of demand take longer than all the others together.
    in_most(&summaries("daily-wave", &[], 42..44), "all gates hold", held);
}

#[test]
fn a_spike_is_carried_by_refill_and_a_larger_one_is_not() {
    in_most(&summaries("spike", &[], SEEDS), "one in thirty misses at most", |run| misses(run) < 1.0 / 30.0);
    let larger = summaries("spike", &["demand.1.to=500"], SEEDS);
    in_most(&larger, "about a third miss", |run| (0.2..0.5).contains(&misses(run)));
    let shallow = summaries("spike", &["pool.depth.ready=4"], SEEDS);
    in_most(&shallow, "about a third miss", |run| (0.2..0.5).contains(&misses(run)));
}

#[test]
fn bursts_beyond_the_fleet_are_turned_away_until_the_depth_is_theirs() {
    let runs = summaries("agents-by-the-hundred", &[], SEEDS);
    in_most(&runs, "about a tenth is turned away", |run| (0.04..0.19).contains(&share(run, "rejected")));
    in_most(&runs, "the gate on rejections fails", |run| !held(run));
    let deep = summaries("agents-by-the-hundred", &["pool.depth.ready=165"], SEEDS);
    in_most(&deep, "a depth of 165 holds", held);
}

#[test]
fn a_replenish_delay_starves_the_pool() {
    let runs = summaries("replenish-delay", &[], 42..46);
    in_most(&runs, "more than a third find nothing", |run| misses(run) > 1.0 / 3.0 && !held(run));
}

#[test]
fn other_shapes_of_pools_miss_as_they_say() {
    let machines = summaries("machines-start-create", &[], SEEDS);
    in_most(&machines, "twenty machines are idle, and hundreds of requests miss", |run| {
        run["pool"]["ready_least"].as_u64() >= Some(20) && run["misses"].as_u64() > Some(200)
    });
    let per_tenant = summaries("per-tenant", &[], SEEDS);
    for set in ["pool.max_age=1m", "tenants.count=400"] {
        let others = summaries("per-tenant", &[set], SEEDS);
        let pairs: Vec<Value> = per_tenant
            .iter()
            .zip(&others)
            .map(|(one, other)| serde_json::json!({ "name": set, "ratio": misses(other) / misses(one) }))
            .collect();
        in_most(&pairs, "about doubles the misses", |pair| {
            pair["ratio"].as_f64().is_some_and(|ratio| (1.5..2.6).contains(&ratio))
        });
    }
    let late = summaries("slow-boot", &["pool.depth.ready=130"], SEEDS);
    in_most(&late, "who comes when all are empty waits for seconds", |run| {
        run["latency_ns"]["p99"].as_u64() > Some(2_000_000_000)
    });
}
