//! Causes are added up as the actors say them: known answers, by hand.

use actors::protocol::Target;
use actors::{ActorId, Cause, Duration, Key, Observation, Observer, Outcome, Request, State, Time, WorkerId};
use reports::{Capacity, Gate, Recorder, Report, RunMetadata, Scope};

const WORKER: WorkerId = WorkerId(0);

fn at(ms: u64) -> Time {
    Time::from_nanos(ms * 1_000_000)
}

fn sprite(was: State, is: State) -> Observation {
    Observation::Sprite { worker: WORKER, sprite: ActorId(0), generation: 0, was, is }
}

fn empty(was: Option<Cause>, is: Option<Cause>) -> Observation {
    Observation::Empty { worker: WORKER, pool: ActorId(1), was, is }
}

/// A pool with a target of one and one boot at once, which is empty from 2 s to 8 s: until 4 s for its depth,
/// then for its boots. Requests arrive at 2 s (warm), 3 s (waits for its depth), 5 s and 6 s (wait for boots;
/// one is rejected at its deadline).
fn by_hand(metadata: RunMetadata) -> Report {
    let capacity = vec![Capacity { slots: 8, boots: Some(1) }];
    let mut books = Recorder::new(RunMetadata { capacity, ..metadata });
    books.observe(
        at(0),
        Observation::Target { worker: WORKER, was: Target::default(), is: Target::exactly(1) },
    );
    books.observe(at(0), sprite(State::Stopped, State::Booting));
    books.observe(at(0), sprite(State::Booting, State::Ready));
    books.opened(at(0));
    let request = |id, ms, missed| Request {
        id,
        arrived: at(ms),
        lifetime: Duration::ZERO,
        key: Key(0),
        tries: 0,
        missed,
    };
    let arrives = |id, ms| Observation::Arrived { worker: WORKER, request: request(id, ms, None) };
    let ends = |id, ms, missed, outcome, cause| Observation::Ended {
        worker: WORKER,
        request: request(id, ms, missed),
        outcome,
        cause,
    };
    let (depth, boots) = (Some(Cause::Depth), Some(Cause::BootSlots));
    for (ms, observation) in [
        (2_000, arrives(0, 2_000)),
        (2_000, sprite(State::Ready, State::Starting)),
        (2_000, empty(None, depth)),
        (2_000, sprite(State::Stopped, State::Booting)),
        (2_001, ends(0, 2_000, None, Outcome::Warm, None)),
        (3_000, arrives(1, 3_000)),
        (4_000, empty(depth, boots)),
        (5_000, arrives(2, 5_000)),
        (6_000, arrives(3, 6_000)),
        (6_000, ends(1, 3_000, depth, Outcome::Waited, depth)),
        (7_000, ends(2, 5_000, boots, Outcome::Waited, boots)),
        (7_500, ends(3, 6_000, boots, Outcome::Rejected, Some(Cause::Deadline))),
        (8_000, sprite(State::Booting, State::Ready)),
        (8_000, empty(boots, None)),
    ] {
        books.observe(at(ms), observation);
    }
    books.finish(at(10_000))
}

#[test]
fn requests_and_empty_seconds_are_added_up_by_cause() {
    let summary = by_hand(RunMetadata::new("by hand", 1)).summary;
    let told: Vec<_> = summary
        .causes
        .iter()
        .map(|it| (it.cause, it.misses, it.rejected, it.empty_seconds, it.from_s, it.to_s))
        .collect();
    assert_eq!(
        told,
        [
            (Cause::Depth, 1, 0, Some(2.0), 2.0, 4.0),
            (Cause::BootSlots, 2, 0, Some(4.0), 4.0, 8.0),
            (Cause::Deadline, 0, 1, Some(0.0), 6.0, 6.0),
        ]
    );
    let empty: f64 = summary.causes.iter().filter_map(|it| it.empty_seconds).sum();
    assert_eq!((Some(empty), summary.misses), (summary.pool.empty_seconds, 3));
    let boots = &summary.causes[1];
    assert_eq!(boots.short_most, Some(2));
    let bins = |second: f64| (second / summary.strip_width_s) as usize;
    let over = |from: f64, to: f64| boots.empty_over_time[bins(from)..bins(to)].iter().sum::<f64>();
    assert!((over(4.0, 8.0) - 4.0).abs() < 1e-9 && over(0.0, 4.0) == 0.0, "{boots:?}");
    assert_eq!((boots.misses_over_time[bins(5.0)], boots.misses_over_time[bins(6.0)]), (1, 1));
    assert_eq!(boots.misses_over_time.iter().sum::<u64>(), boots.misses);
}

/// One boot of 6 s, and two arrivals in the bins of 100 ms from 4 s to 8 s.
#[test]
fn what_bound_the_run_is_said_with_what_would_be_needed() {
    let report = by_hand(RunMetadata::new("by hand", 1));
    let bound = report.summary.bound.clone().unwrap();
    assert_eq!(
        (bound.cause, bound.share, bound.boots, bound.workers),
        (Cause::BootSlots, 2.0 / 3.0, Some(1), 1)
    );
    assert_eq!((bound.boot_s, bound.from_s, bound.to_s), (Some(6.0), 4.0, 8.0));
    assert!((bound.rate - 0.5).abs() < 0.02 && (bound.booting - 1.0).abs() < 0.03, "{bound:?}");
    assert!((bound.boots_needed().unwrap() - 3.0).abs() < 0.1);
    let text = reports::terminal::plain(&report, 120);
    let line = text.lines().find(|line| line.starts_with("cause")).unwrap();
    let bound = "cause      boot slots (66.7 % of misses), 4s to 8s on the worker: 1 of 1 busy (100 %); 0.5 a second at 6s each need 3.";
    assert_eq!(line, bound);
    assert!(text.contains("Besides: depth 33.3 %"), "{text}");
    assert!(text.contains("1 rejected (1 deadline)"), "{text}");
}

/// The worker has one slot, which the Sprite of the first request gives up while the next one boots.
#[test]
fn a_full_fleet_is_said_as_such() {
    let report = by_hand(RunMetadata::new("by hand", 1));
    let pool = &report.summary.pool;
    assert_eq!((pool.slots, pool.slots_most, pool.full_workers, pool.full_seconds), (Some(8), 2, 0, 0.0));
    assert!(reports::terminal::plain(&report, 120).contains("2 of 8 held at most (25 %)"));
    let mut books = Recorder::new(RunMetadata {
        capacity: vec![Capacity { slots: 2, boots: None }; 2],
        ..RunMetadata::new("full", 2)
    });
    books.opened(at(0));
    for ms in [1_000, 2_000] {
        books.observe(at(ms), sprite(State::Stopped, State::Booting));
    }
    books.observe(at(5_000), sprite(State::Booting, State::Failed));
    let report = books.finish(at(10_000));
    let pool = &report.summary.pool;
    assert_eq!((pool.slots, pool.slots_most, pool.full_workers, pool.full_seconds), (Some(4), 2, 1, 3.0));
    let text = reports::terminal::plain(&report, 120);
    assert!(
        text.contains("2 of 4 held at most (50 %), 1.2 on average; full: 1 of 2 workers for 3s"),
        "{text}"
    );
    let page = reports::html::page(&report);
    assert!(page.contains("How full the workers were"));
}

#[test]
fn a_gate_may_judge_one_cause() {
    let gate = |figure: &str, cause| {
        let scope = Scope { cause: Some(cause), ..Scope::default() };
        Gate::parse(figure, "< 1").expect("a gate").of_part(scope).expect("known of a cause")
    };
    let gates = vec![
        gate("misses", Cause::BootSlots),
        gate("rejected", Cause::Deadline),
        gate("misses", Cause::SlotsFull),
    ];
    let gates = by_hand(RunMetadata { gates, ..RunMetadata::new("by hand", 1) }).summary.gates;
    assert_eq!(gates.iter().map(|it| it.value).collect::<Vec<_>>(), [Some(2.0), Some(1.0), Some(0.0)]);
    assert_eq!(gates[0].gate, "misses < 1, boot-slots");
    let of_pools = Scope { cause: Some(Cause::Depth), ..Scope::default() };
    let error = Gate::parse("empty", "< 1s").expect("a gate").of_part(of_pools).expect_err("of pools");
    assert_eq!(error.to_string(), "gate \"empty\": it is not known of a cause");
}

/// Three more than the one that was ready, within one emptiness: a depth of four has them ready.
#[test]
fn a_burst_says_which_depth_has_it_ready() {
    let mut report = by_hand(RunMetadata::new("by hand", 1));
    let bound = report.summary.bound.as_mut().expect("requests missed");
    (bound.cause, bound.target) = (Cause::Depth, 1.0);
    report.summary.causes[0].short_most = Some(3);
    let text = reports::terminal::plain(&report, 120);
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        text.contains("up to 3 more came at once than the 1 of a worker; a depth of 4 has them ready"),
        "{text}"
    );
}

#[test]
fn what_was_before_counting_began_has_no_cause() {
    let warmup = Duration::from_millis(5_500);
    let summary = by_hand(RunMetadata { warmup, ..RunMetadata::new("by hand", 1) }).summary;
    let told: Vec<_> =
        summary.causes.iter().map(|it| (it.cause, it.misses, it.empty_seconds, it.from_s)).collect();
    assert_eq!(told, [(Cause::BootSlots, 1, Some(2.5), 5.5), (Cause::Deadline, 0, Some(0.0), 6.0)]);
}

#[test]
fn of_pools_per_tenant_only_requests_have_known_causes() {
    let summary = by_hand(RunMetadata { per_tenant: true, ..RunMetadata::new("tenants", 1) }).summary;
    assert_eq!(summary.causes.len(), 3);
    assert!(summary.causes.iter().all(|it| it.empty_seconds.is_none() && it.empty_over_time.is_empty()));
}

#[test]
fn a_run_without_misses_is_bound_by_nothing() {
    let mut books = Recorder::new(RunMetadata::new("calm", 1));
    books.opened(at(0));
    let report = books.finish(at(1_000));
    assert_eq!((report.summary.bound.as_ref(), report.summary.causes.len()), (None, 0));
    assert!(!reports::terminal::plain(&report, 80).contains("cause"));
}
