//! The same actors make the same decisions on both backends: one test body, run on the simulated arm and on
//! the ractor arm (with its clock stepped), with operations answered by the same script.
//!
//! What must agree: how each request ended and when, what each Sprite went through and when, and what each
//! pool aimed for, ordered and kept waiting. Where the arms may differ is the order of what different actors
//! do at the same instant.

use std::sync::Arc;

use actors::{Observation, Observer, Time};
use runtime::{Scripted, rehearse};
use scenarios::Scenario;
use sim_backend::{Options, simulate};

/// Keeps every observation after the opening.
#[derive(Default)]
struct Decisions {
    open: bool,
    all: Vec<(Time, Observation)>,
}

impl Observer for Decisions {
    fn opened(&mut self, _at: Time) {
        self.open = true;
    }

    fn observe(&mut self, at: Time, observation: Observation) {
        if self.open {
            self.all.push((at, observation));
        }
    }

    fn closed(&mut self, _at: Time) {}
}

/// What one run came to.
#[derive(Debug, PartialEq)]
struct Course {
    ended: Time,
    unfinished: u64,
    requests: Vec<String>,
    sprites: Vec<String>,
    pools: Vec<String>,
}

impl Decisions {
    /// Each actor's decisions in their order, the actors side by side.
    fn course(self, ended: Time, unfinished: u64) -> Course {
        let (mut requests, mut sprites, mut pools) = (Vec::new(), Vec::new(), Vec::new());
        for (at, observation) in self.all {
            let line = format!("{at} {observation:?}");
            match observation {
                Observation::Arrived { request, .. } | Observation::Ended { request, .. } => {
                    requests.push((request.id, line));
                }
                Observation::Sprite { sprite, .. } => sprites.push((u64::from(sprite.0), line)),
                Observation::Waiting { .. } => pools.push((0, line)),
                _ => pools.push((1, line)),
            }
        }
        let side_by_side = |mut lines: Vec<(u64, String)>| {
            lines.sort_by_key(|(actor, _)| *actor);
            lines.into_iter().map(|(_, line)| line).collect()
        };
        let (requests, sprites, pools) = (side_by_side(requests), side_by_side(sprites), side_by_side(pools));
        Course { ended, unfinished, requests, sprites, pools }
    }
}

fn simulated_arm(scenario: &Scenario) -> Course {
    let mut decisions = Decisions::default();
    let run = simulate(scenario, &Options::default(), &mut decisions).expect("it is simulated");
    decisions.course(run.ended, run.unfinished)
}

fn ractor_arm(scenario: &Scenario) -> Course {
    let machines = Arc::new(Scripted::new(scenario).expect("its latencies can be drawn"));
    let (run, decisions) = rehearse(scenario, machines, Decisions::default()).expect("it is rehearsed");
    assert_eq!((run.stats.panics, run.stats.ended_twice), (0, 0));
    decisions.course(run.ended, run.unfinished)
}

/// The one body.
fn same_decisions(text: &str, at_least: usize) {
    for seed in [1, 2, 3] {
        let scenario = Scenario::parse(text, "parity.toml", &[format!("seed={seed}")]).expect("it is valid");
        let (simulated, real) = (simulated_arm(&scenario), ractor_arm(&scenario));
        assert!(simulated.requests.len() >= at_least, "{} observations", simulated.requests.len());
        let pairs = [
            (&simulated.requests, &real.requests),
            (&simulated.sprites, &real.sprites),
            (&simulated.pools, &real.pools),
        ];
        for (one, other) in pairs {
            if let Some((one, other)) = one.iter().zip(other).find(|(one, other)| one != other) {
                panic!("seed {seed}: the arms part:\n  simulated: {one}\n  ractor:    {other}");
            }
            assert_eq!(one.len(), other.len(), "seed {seed}");
        }
        assert_eq!(simulated.ended, real.ended);
        assert_eq!(simulated.unfinished, real.unfinished);
    }
}

const SPIKE: &str = r#"
[[demand]]
to = 20
for = "5s"
[[demand]]
to = 400
for = "3s"
[[demand]]
to = 20
for = "5s"
"#;

#[test]
fn a_spike_that_exhausts_the_pool_waits_then_boots() {
    same_decisions(
        &format!(
            r#"
            [fleet]
            slots = 64
            boots = 4
            [pool]
            depth = {{ kind = "fixed", ready = 16 }}
            exhausted = [{{ kind = "wait", deadline = "80ms", queue = 20 }}, {{ kind = "boot" }}]
            [latency]
            boot = {{ p50 = "36ms", p99 = "120ms" }}
            start = {{ p50 = "60us", p99 = "200us" }}
            boot_failures = 0.02
            start_failures = 0.01
            {SPIKE}"#
        ),
        1_000,
    );
}

#[test]
fn sprites_that_live_sleep_and_wake() {
    same_decisions(
        &format!(
            r#"
            [fleet]
            slots = 400
            boots = 8
            [tenants]
            count = 40
            [pool]
            depth = {{ kind = "fixed", ready = 8 }}
            exhausted = [{{ kind = "wake" }}, {{ kind = "boot" }}, {{ kind = "create" }}]
            [latency]
            boot = {{ p50 = "30ms", p99 = "90ms" }}
            create = {{ p50 = "300ms", p99 = "900ms" }}
            sleep = "2ms"
            stop = "3ms"
            [sprite]
            lifetime = {{ p50 = "400ms", p99 = "3s" }}
            idle_after = "500ms"
            asleep = 30
            {SPIKE}"#
        ),
        1_000,
    );
}

#[test]
fn sleeps_and_wakes_that_the_host_refuses() {
    same_decisions(
        &format!(
            r#"
            [fleet]
            slots = 400
            boots = 8
            [tenants]
            count = 40
            [pool]
            depth = {{ kind = "fixed", ready = 8 }}
            exhausted = [{{ kind = "wake" }}, {{ kind = "boot" }}]
            [latency]
            boot = {{ p50 = "30ms", p99 = "90ms" }}
            sleep = "2ms"
            stop = "3ms"
            sleep_refusals = 0.4
            wake_refusals = 0.4
            [sprite]
            lifetime = {{ p50 = "400ms", p99 = "3s" }}
            idle_after = "500ms"
            asleep = 30
            {SPIKE}"#
        ),
        1_000,
    );
}

#[test]
fn pools_per_tenant_whose_sprites_return() {
    same_decisions(
        r#"
        [fleet]
        slots = 40
        boots = 4
        [tenants]
        count = 12
        skew = 1.0
        [pool]
        key = "tenant"
        max_age = "4s"
        depth = { kind = "fixed", ready = 1 }
        exhausted = [{ kind = "boot" }, { kind = "wait", deadline = "300ms" }]
        [latency]
        boot = { p50 = "60ms", p99 = "200ms" }
        [sprite]
        lifetime = { p50 = "100ms", p99 = "1s" }
        after_use = "return"
        [[demand]]
        to = 60
        for = "15s"
        "#,
        800,
    );
}

#[test]
fn a_refill_that_is_held_back_and_a_host_that_crashes() {
    same_decisions(
        &format!(
            r#"
            [fleet]
            slots = 64
            boots = 4
            [pool]
            depth = {{ kind = "fixed", ready = 20 }}
            refill = {{ kind = "rate", per_second = 40, burst = 5 }}
            exhausted = [{{ kind = "wait", deadline = "150ms" }}, {{ kind = "reject" }}]
            [latency]
            boot = {{ p50 = "36ms", p99 = "120ms" }}
            [sprite]
            lifetime = {{ p50 = "100ms", p99 = "500ms" }}
            [[fault]]
            at = "6s"
            kind = "crash"
            for = "1s"
            {SPIKE}"#
        ),
        1_000,
    );
}
