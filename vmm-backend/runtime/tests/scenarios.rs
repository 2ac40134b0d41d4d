//! Scenarios in real time on machines without VMs: requests end once, the intake is bounded, journals replay,
//! faults happen, and what a host cannot do is said.

#![allow(clippy::unwrap_used)]

mod fixtures;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use actors::protocol::End;
use actors::{Duration, Key, Observation, Outcome, Request, State, Time};
use fixtures::*;
use reports::{Recorder, RunMetadata};
use runtime::{
    Admission, Config, JournalPaths, Limits, Machines, Options, RuntimeError, Scripted, run_scenario,
};
use scenarios::Scenario;

fn requests(scenario: &Scenario) -> Vec<Request> {
    let mut arrivals = scenario.arrivals().unwrap();
    std::iter::from_fn(|| arrivals.next().unwrap().map(|arrival| arrival.request)).collect()
}

fn blocking(scenario: &Scenario) -> Arc<dyn Machines> {
    Arc::new(Scripted::blocking(scenario).unwrap())
}

const BUSY: &str = r#"
    [fleet]
    slots = 40
    boots = 4
    [pool]
    depth = { kind = "fixed", ready = 12 }
    exhausted = [{ kind = "wait", deadline = "20ms", queue = 10 }, { kind = "boot" }]
    [latency]
    boot = { p50 = "4ms", p99 = "15ms" }
    boot_failures = 0.02
    start_failures = 0.02
    [sprite]
    lifetime = { p50 = "10ms", p99 = "100ms" }
    [[demand]]
    to = 100
    for = "500ms"
    [[demand]]
    to = 1500
    for = "500ms"
    [[demand]]
    to = 50
    for = "500ms"
"#;

#[test]
fn every_request_of_a_spike_ends_once_with_threads_and_without() {
    let scenario = scenario(BUSY);
    let expected = requests(&scenario);
    let scripted: Arc<dyn Machines> = Arc::new(Scripted::new(&scenario).unwrap());
    for machines in [scripted, blocking(&scenario)] {
        let seen = Seen::default();
        let (run, seen) = run_scenario(&scenario, machines, seen, &Options::default()).unwrap();
        let outcomes = seen.outcomes();
        assert_eq!(outcomes.len(), expected.len());
        assert_eq!((run.unfinished, run.stats.refused, run.stats.ended_twice), (0, 0, 0));
        assert_eq!(run.arrival_lag.count, expected.len() as u64);
        assert!(outcomes.values().filter(|outcome| outcome.is_served()).count() > expected.len() / 2);
        assert!(run.ended >= Time::from_nanos(1_500_000_000), "the run ends when the demand does");
        let all = seen.all();
        assert!(all.windows(2).all(|pair| pair[0].0 <= pair[1].0), "observations are in the order of time");
    }
}

#[test]
fn a_sprite_is_never_given_to_two_requests_at_a_time() {
    let scenario = scenario(BUSY);
    let (_, seen) =
        run_scenario(&scenario, blocking(&scenario), Seen::default(), &Options::default()).unwrap();
    let mut states = std::collections::BTreeMap::new();
    let mut held_most = 0;
    for (_, observation) in seen.all() {
        if let Observation::Sprite { sprite, was, is, .. } = observation {
            let before = states.insert(sprite, is).unwrap_or(State::Stopped);
            assert_eq!(before, was, "{sprite:?} went from a state that it was not in");
            held_most = held_most.max(states.values().filter(|state| state.holds_slot()).count());
        }
    }
    assert!((12..=40).contains(&held_most), "{held_most} VMs for 40 slots");
}

#[test]
fn what_comes_beyond_the_intake_is_rejected_at_once_and_reported() {
    let (machines, seen) = (Arc::new(Obedient::default()), Seen::default());
    machines.start_takes_us.store(100_000, Ordering::Relaxed);
    let config =
        worker(8, 2, pool("depth = { kind = \"fixed\", ready = 4 }\nexhausted = [{ kind = \"wait\" }]"));
    let runtime = full(&Config { in_flight_max: 6, ..Config::default() }, config, machines, &seen);
    let admissions: Vec<Admission> =
        (0..10).map(|_| runtime.submit(WORKER, Key(0), Duration::ZERO)).collect();
    assert_eq!(admissions.iter().filter(|a| matches!(a, Admission::Admitted(_))).count(), 6);
    let outcomes = seen.outcomes();
    assert!((6..10).all(|id| outcomes[&id] == Outcome::Rejected), "at once: {outcomes:?}");
    wait_for("the others have ended", || runtime.unfinished() == 0);
    let outcomes = seen.outcomes();
    assert!((0..6).all(|id| outcomes[&id].is_served()), "{outcomes:?}");
    assert_eq!(runtime.stats().refused, 4);
    assert!(matches!(runtime.submit(WORKER, Key(0), Duration::ZERO), Admission::Admitted(_)));
    runtime.shutdown().unwrap();
}

#[test]
fn a_start_does_not_wait_behind_boots() {
    let (machines, seen) = (Arc::new(Obedient::default()), Seen::default());
    let config = worker(64, 8, pool("depth = { kind = \"fixed\", ready = 16 }"));
    let runtime = full(&Config { boots: 2, ..Config::default() }, config, machines.clone(), &seen);
    machines.boot_takes_us.store(2_000_000, Ordering::Relaxed);
    for _ in 0..12 {
        runtime.submit(WORKER, Key(0), Duration::ZERO);
    }
    wait_for("all are served", || runtime.unfinished() == 0);
    assert!(seen.outcomes().values().all(|outcome| *outcome == Outcome::Warm));
    let booted = |seen: &Observation| {
        matches!(seen, Observation::Sprite { was: State::Booting, is: State::Ready, .. })
    };
    assert_eq!(seen.count(booted), 16, "no boot but those that filled the pool had ended by then");
}

#[test]
fn the_arrivals_of_a_run_are_a_trace_of_the_same_requests() {
    let folder = tempfile::tempdir().unwrap();
    let arrivals = folder.path().join("arrivals.jsonl");
    let scenario = scenario(BUSY);
    let journals = JournalPaths { arrivals: Some(arrivals.clone()), ..JournalPaths::default() };
    let options = Options { journals, ..Options::default() };
    let (run, _) = run_scenario(&scenario, blocking(&scenario), Seen::default(), &options).unwrap();
    assert_eq!(run.stats.journal_overflowed, 0);

    let replay = format!(
        "[demand]\ntrace = {:?}\nformat = \"journal\"\nlifetimes = \"trace\"\n",
        arrivals.display().to_string()
    );
    let (was, is) = (requests(&scenario), requests(&fixtures::scenario(&replay)));
    let first = was[0].arrived;
    let shifted: Vec<Request> = was
        .iter()
        .map(|request| Request { arrived: Time::ZERO + request.arrived.since(first), ..*request })
        .collect();
    assert_eq!(is, shifted, "a trace's first arrival is t = 0; all else is as it was");
}

const CALM: &str = r#"
    [fleet]
    slots = 40
    boots = 4
    [pool]
    depth = { kind = "fixed", ready = 10 }
    exhausted = [{ kind = "wait", deadline = "300ms" }]
    [latency]
    boot = "2ms"
    [[demand]]
    to = 200
    for = "1s"
    arrivals = "even"
"#;

fn with_fault(fault: &str) -> (Seen, Scenario) {
    let scenario = scenario(&format!("{CALM}\n[[fault]]\nat = \"300ms\"\nfor = \"200ms\"\n{fault}\n"));
    let (run, seen) =
        run_scenario(&scenario, blocking(&scenario), Seen::default(), &Options::default()).unwrap();
    assert_eq!(run.unfinished, 0);
    assert_eq!(seen.outcomes().len(), requests(&scenario).len());
    (seen, scenario)
}

#[test]
fn a_stall_delays_all_and_latency_counts_from_the_arrival() {
    let (seen, _) = with_fault("kind = \"stall\"");
    let worst = seen.all().into_iter().filter_map(|(at, observation)| match observation {
        Observation::Ended { request, .. } => Some(at.since(request.arrived)),
        _ => None,
    });
    let worst = worst.max().unwrap();
    assert!(worst >= Duration::from_millis(150), "the first of the stall waited {worst}");
    // Otherwise a request comes every 5 ms. How late the stall begins depends on what else the machine does.
    let pause = seen.all().windows(2).map(|pair| pair[1].0.since(pair[0].0)).max().unwrap();
    assert!(
        pause >= Duration::from_millis(150),
        "somebody worked during the stall, of which {pause} were calm"
    );
}

#[test]
fn a_crash_fails_what_comes_meanwhile_and_the_pool_comes_back() {
    let (seen, _) = with_fault("kind = \"crash\"");
    let (mut up, mut met) = (true, 0);
    let outcomes = seen.outcomes();
    for (at, observation) in seen.all() {
        match observation {
            Observation::Host { up: now, .. } => up = now,
            Observation::Arrived { request, .. } if !up => {
                assert_eq!(outcomes[&request.id], Outcome::Failed, "it came at {at}");
                met += 1;
            }
            _ => {}
        }
    }
    assert!(met > 20, "{met} of 40 requests met the crash");
    assert_eq!(seen.count(|observation| matches!(observation, Observation::Host { .. })), 2);
    assert!(seen.level(State::Ready) >= 9, "{}", seen.level(State::Ready));
}

#[test]
fn boots_fail_and_slow_down_while_a_fault_lasts() {
    let (seen, _) = with_fault("kind = \"failed-boots\"\nratio = 1.0");
    let failed = |(at, observation): &(Time, Observation)| {
        matches!(observation, Observation::Sprite { was: State::Booting, is: State::Failed, .. })
            .then_some(*at)
    };
    let failures: Vec<Time> = seen.all().iter().filter_map(failed).collect();
    assert!(!failures.is_empty());
    let (seen, _) = with_fault("kind = \"slow-boots\"\nfactor = 20");
    assert!(seen.count(|o| matches!(o, Observation::Ended { outcome: Outcome::Waited, .. })) > 5);
}

#[test]
fn what_one_host_cannot_do_is_an_error_about_the_scenario() {
    let tried = |text: &str, limits: Limits| {
        let scenario = scenario(text);
        let options = Options { limits, ..Options::default() };
        match run_scenario(&scenario, blocking(&scenario), Seen::default(), &options) {
            Err(error @ RuntimeError::Unsupported(_)) => {
                assert!(!error.is_host_fault());
                error.to_string()
            }
            Err(error) => panic!("{error}"),
            Ok(_) => panic!("it ran"),
        }
    };
    let demand = "[[demand]]\nto = 1\nfor = \"1s\"\n";
    let error = tried(&format!("[fleet]\nworkers = 1000\n{demand}"), Limits::default());
    assert!(
        error.contains("fleet.workers") && error.contains("is 1000") && error.contains("test.toml:2"),
        "{error}"
    );
    let limits = Limits { slots_max: 50, ..Limits::default() };
    let error = tried(&format!("[fleet]\nslots = 51\n{demand}"), limits);
    assert!(error.contains("fleet.slots") && error.contains("at most 50"), "{error}");
}

/// Never boots.
struct Broken;

impl Machines for Broken {
    fn perform(&self, _sprite: actors::ActorId, _operation: &actors::Operation) -> End {
        End::Lost
    }
}

#[test]
fn pools_that_cannot_be_filled_are_an_error_of_the_host() {
    let scenario = scenario(CALM);
    match run_scenario(&scenario, Arc::new(Broken), Seen::default(), &Options::default()) {
        Err(error @ RuntimeError::Fill { failures: 10, .. }) => assert!(error.is_host_fault()),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it ran"),
    }
}

#[test]
fn the_books_of_a_real_run_balance_and_progress_is_told() {
    let scenario = scenario(CALM);
    let progress = AtomicU64::new(0);
    let options = Options { progress: Some(&progress), ..Options::default() };
    let books = Recorder::new(RunMetadata::new("calm", 1));
    let recorder = Mutex::new(Some(books));
    let books = recorder.lock().unwrap().take().unwrap();
    let (run, books) = run_scenario(&scenario, blocking(&scenario), books, &options).unwrap();
    let report = books.finish(run.ended);
    assert_eq!(report.summary.requests, requests(&scenario).len() as u64);
    assert_eq!(report.summary.misses, 0, "{:?}", report.summary.outcomes);
    assert!(progress.load(Ordering::Relaxed) > 500);
}

#[test]
fn what_a_run_is_closed_with_is_neither_an_outage_nor_a_loss() {
    let text = "[fleet]\nslots = 4\n[pool]\ndepth = { kind = \"fixed\", ready = 2 }\n[[demand]]\nto = 20\nfor = \"100ms\"\n";
    let machines = Obedient::default();
    machines.start_takes_us.store(600_000, Ordering::Relaxed);
    let limits = Limits { drain: std::time::Duration::from_millis(50), ..Limits::default() };
    let options = Options { limits, ..Options::default() };
    let books = Recorder::new(RunMetadata::new("cut short", 1));
    let (run, books) = run_scenario(&scenario(text), Arc::new(machines), books, &options).unwrap();
    let summary = books.finish(run.ended).summary;
    assert!(run.unfinished > 0 && summary.outcomes.failed > 0, "nothing was cut short");
    assert_eq!((summary.boots.hosts_down, summary.boots.lost), (0, 0));
}
