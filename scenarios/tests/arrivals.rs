//! Arrivals: the same seed gives the same requests, and what a policy is changes nothing about them.

use scenarios::{Arrival, Scenario};

const TEXT: &str = "[fleet]\nworkers = 4\n[sprite]\nlifetime = { p50 = \"5s\", p99 = \"1m\" }\n\
    [tenants]\ncount = 50\nskew = 0.9\n[[region]]\nname = \"a\"\nworkers = 1\nshare = 0.3\n\
    [[demand]]\nfrom = 10\nto = 100\nfor = \"30s\"\n[[demand]]\nto = 100\nfor = \"5s\"\narrivals = { bursts_of = 7 }\n";

fn arrivals(overrides: &[&str]) -> Vec<Arrival> {
    let overrides: Vec<String> = overrides.iter().map(|text| (*text).to_owned()).collect();
    let scenario = Scenario::parse(TEXT, "a.toml", &overrides).unwrap_or_else(|error| panic!("{error}"));
    let mut arrivals = scenario.arrivals().expect("stages");
    std::iter::from_fn(|| arrivals.next().expect("stages")).collect()
}

#[test]
fn the_same_seed_gives_the_same_requests_and_another_gives_others() {
    let all = arrivals(&[]);
    assert_eq!(all, arrivals(&[]));
    assert_ne!(all, arrivals(&["seed=43"]));
    assert!(all.windows(2).all(|pair| pair[0].request.arrived <= pair[1].request.arrived));
    assert!(all.iter().enumerate().all(|(index, arrival)| arrival.request.id == index as u64));
}

#[test]
fn policies_and_latencies_meet_the_same_requests() {
    let others = [
        "pool.depth={ kind = \"fixed\", ready = 3 }",
        "latency.boot=9s",
        "fleet.placement=random",
        "sprite.idle_after=1s",
    ];
    assert_eq!(arrivals(&[]), arrivals(&others));
}

#[test]
fn one_stream_does_not_disturb_another() {
    let when = |all: Vec<Arrival>| all.iter().map(|arrival| arrival.request.arrived).collect::<Vec<_>>();
    assert_eq!(when(arrivals(&[])), when(arrivals(&["tenants.count=1", "sprite.lifetime=1s"])));
}

#[test]
fn requests_are_shared_out_among_regions_and_tenants() {
    let all = arrivals(&[]);
    let share = all.iter().filter(|arrival| arrival.region == 0).count() as f64 / all.len() as f64;
    assert!((share - 0.3).abs() < 0.04, "{share}");
    let of = |key: u32| all.iter().filter(|arrival| arrival.request.key.0 == key).count();
    assert!(of(0) > 3 * of(9), "{} {}", of(0), of(9));
    assert!(all.iter().all(|arrival| arrival.request.key.0 < 50));
}

/// Runs over several seeds go on in parallel.
#[test]
fn scenarios_and_arrivals_can_go_to_another_thread() {
    fn is_send<T: Send>() {}
    is_send::<Scenario>();
    is_send::<scenarios::Arrivals>();
}

/// Golden values: if they change, so does every digest of every scenario.
#[test]
fn the_first_requests_are_the_same_on_every_machine() {
    let first: Vec<(u64, u64, u32, u32)> = arrivals(&[])
        .iter()
        .take(3)
        .map(|arrival| {
            let request = arrival.request;
            (request.arrived.as_nanos(), request.lifetime.as_nanos(), request.key.0, arrival.region)
        })
        .collect();
    assert_eq!(first, GOLDEN);
}

const GOLDEN: [(u64, u64, u32, u32); 3] = [
    (45_941_738, 4_298_737_648, 42, 0),
    (156_749_662, 1_888_296_844, 22, 1),
    (214_029_206, 3_930_377_682, 4, 1),
];
