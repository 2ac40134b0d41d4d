//! The simulator against queueing theory: where a formula is exact, the simulation must agree within its own
//! confidence interval.

mod common;

use actors::Outcome;
use actors::policy::depth::erlang_b;
use common::{Counts, run, scenario};

const RATE: f64 = 5.5304;
const BOOT_S: f64 = 3.0;
const SEEDS: u64 = 8;

/// Mean over seeds, and half the width of its 99.9 % confidence interval (Student t with 7 degrees of
/// freedom).
fn mean_and_error(figures: &[f64]) -> (f64, f64) {
    assert_eq!(figures.len() as u64, SEEDS, "the quantile below is for so many seeds");
    let n = figures.len() as f64;
    let mean = figures.iter().sum::<f64>() / n;
    let variance = figures.iter().map(|figure| (figure - mean) * (figure - mean)).sum::<f64>() / (n - 1.0);
    (mean, 5.408 * (variance / n).sqrt())
}

fn over_seeds(text: &str, figure: impl Fn(&Counts) -> f64) -> (f64, f64) {
    let mut scenario = scenario(text);
    let figures: Vec<f64> = (1..=SEEDS)
        .map(|seed| {
            scenario.seed = seed;
            let mut counts = Counts::default();
            run(&scenario, &mut counts);
            figure(&counts)
        })
        .collect();
    mean_and_error(&figures)
}

#[track_caller]
fn agree(what: &str, (simulated, error): (f64, f64), exact: f64) {
    println!("{what}: simulated {simulated:.6} +- {error:.6}, exact {exact:.6}");
    assert!((simulated - exact).abs() <= error, "{what}: {simulated} +- {error} is not {exact}");
    assert!(error < 0.25 * exact, "{what}: an error of {error} shows nothing about {exact}");
}

fn lost_sales(boot: &str) -> String {
    format!(
        r#"
        [fleet]
        slots = 100000
        boots = "unlimited"
        [pool]
        depth = {{ kind = "fixed", ready = 25 }}
        exhausted = [ {{ kind = "boot" }} ]
        [latency]
        start = "0s"
        boot = {boot}
        [[demand]]
        to = {RATE}
        for = "20000s"
        "#
    )
}

#[test]
fn lost_sales_follow_erlang_b_whatever_the_distribution_of_boots() {
    let exact = erlang_b(25, RATE * BOOT_S);
    assert!((exact - 0.012_86).abs() < 0.000_005, "the published example is 1.286 %, not {exact}");
    // A lognormal with mean 3 s: p50 = mean / exp(sigma^2 / 2) and p99 = p50 exp(2.3263 sigma), with sigma =
    // 0.8.
    let sigma: f64 = 0.8;
    let p50 = BOOT_S / (sigma * sigma / 2.0).exp();
    let p99 = p50 * (2.326_347_874 * sigma).exp();
    let lognormal = format!(r#"{{ p50 = "{p50:.9}s", p99 = "{p99:.9}s" }}"#);
    for boot in [r#""3s""#, r#"{ exponential = "3s" }"#, &lognormal] {
        agree(&format!("Erlang B, boots {boot}"), over_seeds(&lost_sales(boot), Counts::miss_ratio), exact);
    }
}

#[test]
fn the_mean_level_under_lost_sales_is_the_depth_less_the_carried_load() {
    let load = RATE * BOOT_S;
    let exact = 25.0 - load * (1.0 - erlang_b(25, load));
    let mean = over_seeds(&lost_sales(r#"{ exponential = "3s" }"#), |counts| counts.ready_seconds / 20_000.0);
    agree("mean ready", mean, exact);
}

/// P(Poisson(load) >= depth).
fn poisson_at_least(depth: u32, load: f64) -> f64 {
    let mut term = (-load).exp();
    let mut below = 0.0;
    for k in 0..depth {
        below += term;
        term *= load / f64::from(k + 1);
    }
    1.0 - below
}

fn waiting(boots: &str, depth: u32, boot: &str) -> String {
    format!(
        r#"
        [fleet]
        slots = 100000
        boots = {boots}
        [pool]
        depth = {{ kind = "fixed", ready = {depth} }}
        exhausted = [ {{ kind = "wait", queue = 1000000 }} ]
        [latency]
        start = "0s"
        boot = {boot}
        [[demand]]
        to = {RATE}
        for = "20000s"
        "#
    )
}

#[test]
fn backorders_without_a_bound_wait_as_often_as_poisson_says() {
    let exact = poisson_at_least(25, RATE * BOOT_S);
    for boot in [r#""3s""#, r#"{ exponential = "3s" }"#] {
        let waited = over_seeds(&waiting(r#""unlimited""#, 25, boot), |counts| {
            counts.of(Outcome::Waited) as f64 / counts.requests() as f64
        });
        agree(&format!("waiting, boots {boot}"), waited, exact);
    }
}

/// P(N >= depth) where N is the number in an M/M/c queue.
fn mmc_at_least(servers: u32, load: f64, depth: u32) -> f64 {
    let rho = load / f64::from(servers);
    let mut weights = vec![1.0];
    for n in 1..=servers.max(depth) {
        let last = weights[weights.len() - 1];
        weights.push(last * load / f64::from(n.min(servers)));
    }
    let tail = weights[weights.len() - 1] * rho / (1.0 - rho);
    let total: f64 = weights.iter().sum::<f64>() + tail;
    let at_least: f64 = weights[depth as usize..].iter().sum::<f64>() + tail;
    at_least / total
}

#[test]
fn backorders_with_bounded_boots_form_an_mmc_queue() {
    // 20 boots at once for a load of 16.6: a request waits when no fewer boots than the depth are
    // outstanding.
    for depth in [10, 25] {
        let exact = mmc_at_least(20, RATE * BOOT_S, depth);
        let waited = over_seeds(&waiting("20", depth, r#"{ exponential = "3s" }"#), |counts| {
            counts.of(Outcome::Waited) as f64 / counts.requests() as f64
        });
        agree(&format!("M/M/20, depth {depth}"), waited, exact);
    }
}
