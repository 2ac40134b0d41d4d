//! The same scenario and seed give the same run, wherever and beside whatever it runs; and where two runs do
//! differ, the first delivery that differs is named.

mod common;

use actors::protocol::ToWorker;
use actors::{ActorId, Message, Time};
use common::{Counts, run, scenario};
use sim_backend::{Options, Run, first_difference, simulate};

const BUSY: &str = r#"
    [fleet]
    workers = 3
    placement = "two-choices"
    [pool]
    depth = { kind = "window-quantile", misses = 0.01, window = "10s" }
    refill = { kind = "delay", hold = "20ms", longest = "100ms" }
    exhausted = [ { kind = "spill" }, { kind = "wait", deadline = "50ms" }, { kind = "boot" } ]
    [latency]
    boot_failures = 0.05
    [sprite]
    lifetime = { exponential = "300ms" }
    [timer]
    grid = "1ms"
    lag = { exponential = "200us" }
    [[demand]]
    from = 50
    to = 250
    for = "20s"
"#;

#[test]
fn the_same_seed_gives_the_same_run_on_any_thread() {
    let scenario = scenario(BUSY);
    let alone = run(&scenario, Counts::default());
    let together: Vec<Run> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| run(&scenario, Counts::default()))).collect();
        threads.into_iter().map(|thread| thread.join().expect("no run panics")).collect()
    });
    for other in &together {
        assert_eq!((alone.digest, alone.events), (other.digest, other.events));
        assert_eq!(alone.checkpoints, other.checkpoints);
    }
}

#[test]
fn another_seed_gives_another_run() {
    let mut scenario = scenario(BUSY);
    let one = run(&scenario, Counts::default());
    scenario.seed += 1;
    assert_ne!(one.digest, run(&scenario, Counts::default()).digest);
}

#[test]
fn policies_meet_the_same_arrivals_and_boots() {
    // Whatever the pool does, the same requests come at the same times, and the n-th boot takes as long.
    let requests = |pool: &str| {
        let text = BUSY.replace("\"window-quantile\", misses = 0.01, window = \"10s\"", pool);
        let options = Options { record: 0..u64::MAX, ..Options::default() };
        let run = simulate(&scenario(&text), &options, Counts::default()).expect("stages");
        let arrivals: Vec<_> = run
            .recorded
            .into_iter()
            .filter_map(|delivery| match delivery.message {
                Message::Worker(ToWorker::Request(request)) => Some(request),
                _ => None,
            })
            .collect();
        arrivals
    };
    let few = requests("\"fixed\", ready = 1");
    assert!(few.len() > 2_000);
    assert_eq!(few, requests("\"fixed\", ready = 30"));
}

#[test]
fn a_planted_difference_is_found_at_the_delivery_where_it_is() {
    // The other run has a crash after 15 s; until then nothing differs.
    let same = scenario(BUSY);
    let planted =
        scenario(&format!("{BUSY}\n[[fault]]\nat = \"15s\"\nworker = 1\nkind = \"crash\"\nfor = \"1s\"\n"));
    let (one, other) = (run(&same, Counts::default()), run(&planted, Counts::default()));
    let again = |second: bool, record| {
        let options = Options { record, ..Options::default() };
        simulate(if second { &planted } else { &same }, &options, Counts::default())
    };
    let difference = first_difference(&one, &other, again).expect("stages").expect("they differ");
    let crash = difference.other.expect("the other run goes on");
    assert_eq!(
        (crash.at, crash.to, crash.message),
        (Time::from_nanos(15_000_000_000), ActorId(1), Message::Worker(ToWorker::Crash))
    );
    assert_ne!(difference.one, difference.other);
    assert!(difference.to_string().contains("Crash"), "{difference}");
    assert!(difference.index > 1_000);

    let none =
        first_difference(&one, &one, |_, _| -> Result<Run, std::convert::Infallible> { Ok(one.clone()) });
    assert_eq!(none, Ok(None));
}
