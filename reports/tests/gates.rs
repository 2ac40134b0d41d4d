//! Gates on parts of a run: a region, a worker, the worst of them, a time window, an outcome. Known answers,
//! by hand.

use actors::protocol::Target;
use actors::{ActorId, Duration, Key, Observation, Observer, Outcome, Request, State, Time, WorkerId};
use reports::{Gate, GateResult, Place, Recorder, RunMetadata, Scope};

fn at(ms: u64) -> Time {
    Time::from_nanos(ms * 1_000_000)
}

fn region(index: usize) -> Place {
    Place::Region { index, name: ["fra", "iad"][index].to_owned() }
}

fn gate(figure: &str, bound: &str, scope: Scope) -> Gate {
    Gate::parse(figure, bound).expect("a gate").of_part(scope).expect("a figure that has parts")
}

fn sprite(worker: u32, was: State, is: State) -> Observation {
    Observation::Sprite { worker: WorkerId(worker), sprite: ActorId(0), generation: 0, was, is }
}

/// Three workers, the first in `fra`, the others in `iad`; each has a target of one and one ready Sprite.
/// Those of worker 0 and 1 are taken at 2 s and 3 s; worker 0 has another at 6 s, worker 1 none until the end
/// at 10 s.
///
/// | request | arrives | at worker | ends |
/// | --- | --- | --- | --- |
/// | 0 | 2 s | 0 | warm after 1 ms |
/// | 1 | 3 s | 1 | warm after 2 ms |
/// | 2 | 4 s | 1 | spilled to worker 2, after 30 ms |
/// | 3 | 5 s | 0 | waited, after 1 s |
/// | 4 | 7 s | 1 | rejected after 2 s |
fn judged(gates: Vec<Gate>) -> Vec<GateResult> {
    let metadata = RunMetadata {
        workers: vec![0, 1, 1],
        regions: vec!["fra".into(), "iad".into()],
        gates,
        ..RunMetadata::new("by hand", 3)
    };
    let mut books = Recorder::new(metadata);
    for worker in 0..3 {
        let (was, is) = (Target::default(), Target::exactly(1));
        books.observe(at(0), Observation::Target { worker: WorkerId(worker), was, is });
        books.observe(at(0), sprite(worker, State::Stopped, State::Booting));
        books.observe(at(0), sprite(worker, State::Booting, State::Ready));
    }
    books.opened(at(0));
    let request = |id, ms| Request {
        id,
        arrived: at(ms),
        lifetime: Duration::ZERO,
        key: Key(0),
        tries: 0,
        missed: None,
    };
    let arrives =
        |id, ms, worker| (ms, Observation::Arrived { worker: WorkerId(worker), request: request(id, ms) });
    let ends = |id, arrived, ms, worker, outcome| {
        (
            ms,
            Observation::Ended {
                worker: WorkerId(worker),
                request: request(id, arrived),
                outcome,
                cause: None,
            },
        )
    };
    for (ms, observation) in [
        arrives(0, 2_000, 0),
        (2_000, sprite(0, State::Ready, State::Starting)),
        ends(0, 2_000, 2_001, 0, Outcome::Warm),
        arrives(1, 3_000, 1),
        (3_000, sprite(1, State::Ready, State::Starting)),
        ends(1, 3_000, 3_002, 1, Outcome::Warm),
        arrives(2, 4_000, 1),
        ends(2, 4_000, 4_030, 2, Outcome::Spilled),
        arrives(3, 5_000, 0),
        (5_500, sprite(0, State::Stopped, State::Booting)),
        (6_000, sprite(0, State::Booting, State::Ready)),
        ends(3, 5_000, 6_000, 0, Outcome::Waited),
        arrives(4, 7_000, 1),
        ends(4, 7_000, 9_000, 1, Outcome::Rejected),
    ] {
        books.observe(at(ms), observation);
    }
    books.finish(at(10_000)).summary.gates
}

fn value(figure: &str, bound: &str, scope: Scope) -> Option<f64> {
    judged(vec![gate(figure, bound, scope)])[0].value
}

fn of(place: Place) -> Scope {
    Scope { place, ..Scope::default() }
}

fn within(from: u64, to: u64) -> Scope {
    Scope { from: Some(at(from)), to: Some(at(to)), ..Scope::default() }
}

#[test]
fn a_region_and_a_worker_are_judged_by_what_arrived_there() {
    assert_eq!(value("requests", "> 1", of(region(0))), Some(2.0));
    assert_eq!(value("misses", "< 1%", of(region(1))), Some(2.0 / 3.0));
    assert_eq!(value("spilled", "< 1", of(Place::Worker(1))), Some(1.0), "it arrived there");
    assert_eq!(value("spilled", "< 1", of(Place::Worker(2))), Some(0.0), "it was only served there");
    assert_eq!(value("served latency max", "< 1s", of(region(1))), Some(30e6));
    assert_eq!(value("latency max", "< 1s", of(region(1))), None, "one was not served");
    assert_eq!(value("empty", "< 1s", of(region(0))), Some(4.0));
    assert_eq!(value("empty", "< 1%", of(region(1))), Some(7.0 / 20.0));
    assert_eq!(value("ready mean", "> 1", of(region(1))), Some(1.3));
    assert_eq!(value("ready least", "> 1", of(region(1))), Some(1.0));
    assert_eq!(value("idle", "< 1", of(Place::Worker(0))), Some(6.0));
    assert_eq!(value("boots", "< 1", of(region(0))), Some(1.0));
    assert_eq!(value("recovery", "< 1s", of(Place::Worker(0))), Some(4.0));
    assert_eq!(value("recovery", "< 1s", of(region(1))), None, "worker 1 has not recovered");
}

#[test]
fn the_worst_region_or_worker_is_judged_and_named() {
    let results = judged(vec![
        gate("misses", "< 60%", of(Place::WorstRegion)),
        gate("misses", "< 60%", of(Place::WorstWorker)),
        gate("ready least", ">= 1", of(Place::WorstRegion)),
        gate("latency max", "< 1h", of(Place::WorstWorker)),
        gate("warm", "> 10%", of(Place::WorstRegion)),
    ]);
    let told: Vec<_> = results.iter().map(|result| (result.shown(), result.holds)).collect();
    let told: Vec<_> = told.iter().map(|(shown, holds)| (shown.as_str(), *holds)).collect();
    assert_eq!(
        told,
        [
            ("66.7 % (region iad)", false),
            ("66.7 % (worker 1)", false),
            ("0 (region fra)", false),
            ("not served (worker 1)", false),
            ("33.3 % (region iad)", true),
        ]
    );
    assert_eq!(results[0].gate, "misses < 60%, worst region");
}

#[test]
fn a_time_window_counts_who_arrives_in_it() {
    assert_eq!(value("requests", "> 1", within(3_000, 5_000)), Some(2.0), "its end is not in it");
    assert_eq!(value("misses", "< 1%", within(3_000, 5_000)), Some(0.5));
    assert_eq!(value("served latency max", "< 1s", within(4_500, 9_000)), Some(1e9));
    assert_eq!(value("empty", "< 1s", within(2_500, 6_500)), Some(3.5 + 3.5));
    assert_eq!(value("idle", "< 1", within(2_500, 6_500)), Some(0.5 + 0.5 + 4.0));
    assert_eq!(value("ready least", "> 1", within(2_500, 2_900)), Some(2.0));
    assert_eq!(value("ready least", "> 1", within(6_500, 20_000)), Some(2.0));
    let place = region(0);
    assert_eq!(value("requests", "> 1", Scope { place, ..within(4_000, 6_000) }), Some(1.0));
    assert_eq!(judged(vec![gate("misses", "< 1%", within(3_000, 5_000))])[0].gate, "misses < 1%, 3s to 5s");
}

#[test]
fn an_outcome_is_a_part_and_shares_are_of_all() {
    let waited = Scope { outcome: Some(Outcome::Waited), ..Scope::default() };
    assert_eq!(value("requests", "> 1", waited.clone()), Some(1.0));
    assert_eq!(value("misses", "< 1%", waited.clone()), Some(0.2));
    assert_eq!(value("latency p99", "< 1s", waited), Some(1e9));
}

#[test]
fn what_is_not_known_of_a_part_is_an_error() {
    for (figure, bound, scope, text) in [
        ("cost", "< 1", of(region(0)), "gate \"cost\": it is not known of a part of the fleet"),
        ("recovery", "< 1s", within(0, 5), "gate \"recovery\": it is not known of a time window"),
        (
            "empty",
            "< 1s",
            Scope { outcome: Some(Outcome::Warm), ..Scope::default() },
            "gate \"empty\": it is not known of an outcome",
        ),
    ] {
        let error = Gate::parse(figure, bound).unwrap().of_part(scope).unwrap_err();
        assert_eq!(error.to_string(), text);
        assert!(error.remedy().contains("this one is known of"), "{}", error.remedy());
    }
}
