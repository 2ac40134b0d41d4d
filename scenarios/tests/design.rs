//! The example of the format, and the ready-made files, are read as they stand; what `explain` prints is the
//! same scenario.

use std::path::Path;

use actors::policy::{Depth, Placement};
use actors::{Duration, Time};
use scenarios::scenario::{Boots, Demand, Spread};
use scenarios::{Distribution, Effect, Scenario};
use scenarios::{Overlays, Text};

const EXAMPLE: &str = include_str!("example.toml");

fn parse(text: &str) -> Scenario {
    Scenario::parse(text, "example.toml", &[]).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn the_example_reads_as_it_stands() {
    let scenario = parse(EXAMPLE);
    assert_eq!(scenario.name, "launch-day");
    assert_eq!(scenario.warmup, Duration::from_secs(30));
    assert_eq!((scenario.fleet.workers, scenario.fleet.slots), (4, 64));
    assert_eq!(scenario.fleet.boots, Boots::at_once(4));
    assert_eq!(scenario.fleet.placement, Placement::RoundRobin);
    assert_eq!(scenario.timer.lag, Distribution::constant(Duration::from_micros(120)));
    assert_eq!(scenario.sprite.idle_after, Some(Duration::from_secs(30)));
    assert_eq!(scenario.gates.0[2], ("recovery".to_owned(), "< 30s".to_owned()));
    assert_eq!(scenario.cost.miss, 0.01);
    let Demand::Stages(stages) = &scenario.demand else { panic!("stages") };
    let rates: Vec<_> = stages.iter().map(|stage| (stage.from_rate(), stage.to_rate())).collect();
    assert_eq!(rates, [(5.0, 5.0), (5.0, 100.0), (100.0, 5.0)]);
    assert!(stages.iter().all(|stage| stage.arrivals == Some(Spread::Poisson)));
    assert_eq!(scenario.planned_length(), Some(Duration::from_secs(250)));
    assert_eq!(scenario.expected_requests(), Some(300.0 + 525.0 + 9_450.0));
    assert_eq!(scenario.spike(), Some(Time::from_nanos(60_000_000_000)..Time::from_nanos(70_000_000_000)));
}

#[test]
fn regions_and_faults_are_resolved() {
    let scenario = parse(EXAMPLE);
    let regions = scenario.regions();
    let named: Vec<_> =
        regions.iter().map(|region| (region.name.as_str(), region.workers.clone(), region.share)).collect();
    assert_eq!(named, [("fra", 0..1, 0.25), ("rest", 1..4, 0.75)]);
    let workers = scenario.workers();
    let ready = |index: usize| match &workers[index].pool.depth {
        Depth::Fixed(fixed) => fixed.ready,
        other => panic!("{other:?}"),
    };
    assert_eq!([ready(0), ready(1), ready(3)], [4, 16, 16]);
    assert_eq!(workers[0].pool.exhausted, workers[1].pool.exhausted);
    assert!(std::sync::Arc::ptr_eq(&workers[1].pool, &workers[3].pool));
    let [fault] = &scenario.faults()[..] else { panic!("one fault") };
    assert_eq!((fault.at.as_secs_f64(), fault.until.as_secs_f64()), (90.0, 110.0));
    assert_eq!((fault.workers.clone(), fault.effect), (2..3, Effect::SlowBoots(3.0)));
}

#[test]
fn explain_reads_back_to_the_same_scenario() {
    let minimal = "demand = [{ to = 1, for = \"1s\" }]";
    let workers = "[fleet]\nworkers = 3\n[pool]\nbackoff.first = \"1s\"\n[[region]]\nname = \"a\"\nworkers = 2\n\
                   pool.backoff.jitter = 0.1\n[[worker]]\nindex = 1\nslots = 7\npool = { take = \"newest\", depth = \
                   { kind = \"watermark\", low = 1, high = 5 } }\n[[demand]]\nto = 1\nfor = \"1s\"\narrivals = { \
                   bursts_of = 3 }\n[gates]\n\"a \\\"b\" = \"c\"";
    for text in [EXAMPLE, minimal, workers] {
        let scenario = parse(text);
        let explained = scenario.explain().expect("TOML can hold it");
        assert_eq!(parse(&explained), scenario, "{explained}");
        assert!(explained.contains("# default"), "{explained}");
        // Explained once more, nothing is left to mark but what is not given.
        let again = parse(&explained).explain().expect("TOML can hold it");
        let marks =
            again.lines().filter(|line| line.ends_with("# default") && !line.starts_with('#')).count();
        assert_eq!(marks, 0, "{again}");
    }
}

#[test]
fn explain_tells_which_share_of_boots_a_fault_makes_fail() {
    let text =
        "[[fault]]\nat = \"0s\"\nkind = \"failed-boots\"\nfor = \"1s\"\n[[demand]]\nto = 1\nfor = \"2s\"";
    let explained = parse(text).explain().expect("TOML can hold it");
    assert!(explained.contains("ratio = 1.0  # default"), "{explained}");
}

#[test]
fn explain_keeps_the_largest_seed() {
    for seed in [0, u64::MAX >> 1, (u64::MAX >> 1) + 1, u64::MAX] {
        let mut scenario = parse(EXAMPLE);
        scenario.seed = seed;
        let again = parse(&scenario.explain().expect("TOML can hold it"));
        assert_eq!(again, scenario);
        let set = [format!("seed={seed}")];
        assert_eq!(Scenario::parse(EXAMPLE, "example.toml", &set).expect("it reads").seed, seed);
    }
}

#[test]
fn overlays_keep_what_they_do_not_name() {
    let text = "[fleet]\nworkers = 3\n[pool]\nbackoff.first = \"1s\"\n[[region]]\nname = \"a\"\nworkers = 2\n\
                pool.backoff.jitter = 0.1\n[[worker]]\nindex = 1\npool.take = \"newest\"\n[[demand]]\nto = 1\nfor = \"1s\"";
    let workers = parse(text).workers();
    let of = |index: usize| {
        let pool = &workers[index].pool;
        (pool.backoff.first, pool.backoff.jitter, pool.take)
    };
    let second = Duration::from_secs(1);
    use actors::policy::Take::{Newest, Oldest};
    assert_eq!([of(0), of(1), of(2)], [(second, 0.1, Oldest), (second, 0.1, Newest), (second, 0.5, Oldest)]);
}

#[test]
fn overrides_change_what_is_there_and_add_what_is_not() {
    let overrides = [
        "seed=7",
        "demand.1.to=200",
        "pool.depth.ready=8",
        "latency.boot={ constant = \"2s\" }",
        "fleet.placement=random",
        "gates.\"latency p50\"=< 1ms",
        "clock.begins=2026-03-01T12:00:00Z",
    ]
    .map(str::to_owned);
    let scenario = Scenario::parse(EXAMPLE, "example.toml", &overrides).expect("it reads");
    assert_eq!(scenario.seed, 7);
    assert_eq!(scenario.expected_requests(), Some(300.0 + 1_025.0 + 18_450.0));
    assert_eq!(scenario.latency.boot, Distribution::constant(Duration::from_secs(2)).into());
    assert_eq!(scenario.fleet.placement, Placement::Random);
    assert_eq!(scenario.gates.0.last(), Some(&("latency p50".to_owned(), "< 1ms".to_owned())));
    assert_eq!(scenario.epoch().as_unix_nanos(), 1_772_366_400_000_000_000);
}

#[test]
fn a_pool_file_is_laid_over_the_pool() {
    let dir = tempfile::tempdir().expect("a folder");
    let (file, pool) = (dir.path().join("a.toml"), dir.path().join("pool.toml"));
    std::fs::write(&file, EXAMPLE).expect("written");
    let load = |pool: &Path| {
        let (text, pool) = (Text::read(&file)?, Text::read(pool)?);
        Scenario::load_with(&text, &Overlays { pool: Some(&pool), ..Overlays::default() }, &[])
    };
    for text in ["depth = { kind = \"fixed\", ready = 3 }", "[pool]\ndepth = { kind = \"fixed\", ready = 3 }"]
    {
        std::fs::write(&pool, text).expect("written");
        let scenario = load(&pool).expect("it reads");
        assert_eq!(scenario.pool.depth, Depth::Fixed(actors::policy::depth::Fixed { ready: 3 }));
        assert_eq!(scenario.pool.exhausted.len(), 2);
    }
    std::fs::write(&pool, "# a comment\ndepht = 1").expect("written");
    let error = load(&pool).expect_err("a misspelt key");
    assert!(error.to_string().contains("pool.toml:2: unknown key `depht` in [pool]"), "{error}");
    std::fs::write(&pool, "[pool]\ntake = \"newest\"\n[latency]\nboot = \"9s\"").expect("written");
    let error = load(&pool).expect_err("a table that would have no effect");
    assert!(error.to_string().contains("pool.toml:3: `latency` stands beside [pool]"), "{error}");
    assert!(!error.host_fault && &*error.key == "latency");
    let error = load(dir.path()).expect_err("a folder");
    assert!(error.to_string().ends_with("this is a folder\n  give the path of a file in it"), "{error}");
    assert!(!error.host_fault);
}

#[test]
fn every_ready_made_file_reads() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut count = 0;
    for entry in std::fs::read_dir(folder).expect("the folder of this crate") {
        let path = entry.expect("an entry").path();
        let is_scenario = path.extension().is_some_and(|ending| ending == "toml")
            && path.file_name().is_some_and(|name| name != "Cargo.toml");
        if !is_scenario {
            continue;
        }
        count += 1;
        let needs_trace = std::fs::read_to_string(&path).expect("a text").contains("\n[demand]");
        match Scenario::load(&path, &[]) {
            Ok(scenario) => {
                let explained = scenario.explain().expect("TOML can hold it");
                let again = Scenario::parse(&explained, "explained.toml", &[]).expect("it reads back");
                assert_eq!(again, scenario, "{}", path.display());
                assert!(!scenario.about().is_empty(), "{} begins with a comment", path.display());
            }
            Err(error) => assert!(needs_trace && &*error.key == "demand.trace", "{error}"),
        }
    }
    assert!(count > 0, "there is at least one");
}

#[test]
fn the_examples_of_the_reference_read() {
    let text = include_str!("../README.md");
    let blocks: Vec<&str> =
        text.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(blocks.len(), 3);
    for block in blocks {
        let demand = if block.contains("[[demand]]") { "" } else { "[[demand]]\nto = 1\nfor = \"1s\"" };
        parse(&format!("{block}\n{demand}"));
    }
}
