//! What a recorder must hold for every run: every request is counted once, everywhere; what time it takes to
//! tell does not change what is told.

mod toy;

use actors::protocol::Target;
use actors::{ActorId, Duration, Key, Observation, Observer, Outcome, Request, State, Time, WorkerId};
use proptest::prelude::*;
use reports::{Gate, Recorder, RunMetadata, Summary, Verdict};
use toy::Toy;

fn request(id: u64, arrived: u64) -> Request {
    Request {
        id,
        arrived: Time::from_nanos(arrived),
        lifetime: Duration::ZERO,
        key: Key(0),
        tries: 0,
        missed: None,
    }
}

const WORKER: WorkerId = WorkerId(0);

fn sprite(was: State, is: State) -> Observation {
    Observation::Sprite { worker: WORKER, sprite: ActorId(0), generation: 0, was, is }
}

fn at(ms: u64) -> Time {
    Time::from_nanos(ms * 1_000_000)
}

/// A pool of two: filled before the opening at 1 s, emptied at 3 s and 4 s, full again at 9 s; the run ends
/// at 11 s.
fn by_hand(plan: RunMetadata) -> reports::Report {
    let mut books = Recorder::new(plan);
    books.observe(
        at(0),
        Observation::Target { worker: WORKER, was: Target::default(), is: Target::exactly(2) },
    );
    for ms in [100, 200] {
        books.observe(at(ms), sprite(State::Stopped, State::Booting));
        books.observe(at(ms + 50), sprite(State::Booting, State::Ready));
    }
    books.opened(at(1_000));
    for (id, ms) in [(0, 3_000), (1, 4_000)] {
        books.observe(at(ms), Observation::Arrived { worker: WORKER, request: request(id, ms * 1_000_000) });
        books.observe(at(ms), sprite(State::Ready, State::Starting));
        let done = Time::from_nanos(ms * 1_000_000 + 60_000);
        books.observe(
            done,
            Observation::Ended {
                worker: WORKER,
                request: request(id, ms * 1_000_000),
                outcome: Outcome::Warm,
                cause: None,
            },
        );
        books.observe(done, sprite(State::Starting, State::Stopped));
        books.observe(done, sprite(State::Stopped, State::Booting));
    }
    books.observe(at(7_000), sprite(State::Booting, State::Ready));
    books.observe(at(9_000), sprite(State::Booting, State::Ready));
    books.finish(at(11_000))
}

#[test]
fn levels_are_what_one_computes_by_hand() {
    let summary = by_hand(RunMetadata::new("by hand", 1)).summary;
    assert_eq!((summary.duration_s, summary.requests, summary.misses), (10.0, 2, 0));
    assert_eq!(summary.pool.idle_vm_seconds, 2.0 * 2.0 + 1.0 + 0.0 + 2.0 + 2.0 * 2.0);
    assert_eq!((summary.pool.ready_mean, summary.pool.ready_least, summary.pool.target_mean), (1.1, 0, 2.0));
    assert_eq!(
        (summary.pool.empty_seconds, summary.pool.empty_share, summary.pool.empty_longest_s),
        (Some(3.0), Some(0.3), Some(3.0))
    );
    assert_eq!((summary.boots.begun, summary.boots.failed), (2, 0), "boots of the filling are not counted");
    assert_eq!((summary.latency_ns.served.min, summary.latency_ns.served.max), (60_000, 60_000));
    assert_eq!((summary.latency_ns.served.p99, summary.latency_ns.served.mean), (60_000, 60_000.0));
}

fn recovery(summary: &Summary) -> (Option<f64>, Option<u32>) {
    let recovery = summary.recovery.as_ref().expect("every worker has one pool");
    (recovery.seconds, recovery.worker)
}

/// Of several pools on one worker only the sum is observed: a tenant may have none while others have plenty.
#[test]
fn of_pools_per_tenant_it_is_not_claimed_when_they_were_empty() {
    let spike_end = Some(Time::from_nanos(4_500_000_000));
    let report = by_hand(RunMetadata { per_tenant: true, spike_end, ..RunMetadata::new("tenants", 1) });
    let summary = &report.summary;
    assert_eq!((summary.pool.empty_seconds, summary.pool.empty_share), (None, None));
    assert_eq!((&summary.recovery, summary.workers[0].empty_seconds), (&None, None));
    assert_eq!(summary.pool.ready_mean, 1.1, "what all have together is known");
    let text = reports::terminal::plain(&report, 120);
    assert!(text.contains("empty      not known: pools are per tenant"), "{text}");
    assert!(text.contains("recovery   not known: pools are per tenant"), "{text}");
    let page = reports::html::page(&report);
    for claim in ["ever empty", "always ready", "a pool is empty", "no pool had to recover"] {
        assert!(!page.contains(claim), "the page says: {claim}");
    }
    assert_eq!(Summary::from_json(&summary.to_json()).unwrap(), *summary);
}

#[test]
fn recovery_is_counted_from_the_spikes_end_or_else_from_empty() {
    let summary = by_hand(RunMetadata::new("by hand", 1)).summary;
    assert_eq!(recovery(&summary), (Some(5.0), Some(0)));
    let spike_end = Some(Time::from_nanos(4_500_000_000));
    let summary = by_hand(RunMetadata { spike_end, ..RunMetadata::new("by hand", 1) }).summary;
    assert_eq!(recovery(&summary).0, Some(3.5));
    let spike_end = Some(Time::from_nanos(9_000_000_000));
    let summary = by_hand(RunMetadata { spike_end, ..RunMetadata::new("by hand", 1) }).summary;
    assert_eq!(recovery(&summary), (Some(0.0), None));
}

/// Three are ready until 5 s and two until the spike at 10 s: 2.5 on average, so two count as recovered,
/// though four are aimed for. At the end of the spike, at 20 s, one is ready, and the second comes at 23 s.
#[test]
fn the_mean_level_before_the_spike_rounded_down_counts_as_recovered() {
    let moment = |seconds: u64| Some(Time::from_nanos(seconds * 1_000_000_000));
    let mut books = Recorder::new(RunMetadata {
        spike_begin: moment(10),
        spike_end: moment(20),
        ..RunMetadata::new("by hand", 1)
    });
    let four = Target::exactly(4);
    books.observe(at(0), Observation::Target { worker: WORKER, was: Target::default(), is: four });
    let boots = |books: &mut Recorder, ms| {
        books.observe(at(ms), sprite(State::Stopped, State::Booting));
        books.observe(at(ms), sprite(State::Booting, State::Ready));
    };
    (0..3).for_each(|_| boots(&mut books, 0));
    books.opened(at(0));
    for ms in [5_000, 12_000] {
        books.observe(at(ms), sprite(State::Ready, State::Starting));
    }
    boots(&mut books, 23_000);
    let summary = books.finish(at(30_000)).summary;
    assert_eq!(recovery(&summary), (Some(3.0), Some(0)));
}

#[test]
fn what_did_not_recover_does_not_hold_and_says_so() {
    let gates = vec![Gate::parse("recovery", "< 1h").unwrap()];
    let plan = RunMetadata {
        gates,
        spike_end: Some(Time::from_nanos(3_500_000_000)),
        ..RunMetadata::new("by hand", 1)
    };
    let mut books = Recorder::new(plan);
    books.observe(
        at(0),
        Observation::Target { worker: WORKER, was: Target::default(), is: Target::exactly(2) },
    );
    books.opened(at(0));
    let summary = books.finish(at(9_000)).summary;
    assert_eq!((recovery(&summary).0, summary.verdict), (None, Verdict::Failed));
    assert_eq!(summary.gates[0].shown(), "not recovered");
}

#[test]
fn requests_of_the_warmup_are_in_no_figure() {
    let warmup = Duration::from_millis(2_500);
    let summary = by_hand(RunMetadata { warmup, ..RunMetadata::new("by hand", 1) }).summary;
    assert_eq!((summary.requests, summary.duration_s, summary.warmup_s), (1, 7.5, 2.5));
    assert_eq!(summary.pool.idle_vm_seconds, 0.5 + 2.0 + 4.0);
    let summary =
        by_hand(RunMetadata { warmup: Duration::from_secs(60), ..RunMetadata::new("by hand", 1) }).summary;
    assert_eq!((summary.requests, summary.duration_s, summary.pool.empty_longest_s), (0, 0.0, Some(0.0)));
    assert_eq!(summary.notes, ["the run ended within its warm-up: nothing was counted"]);
}

#[test]
fn empty_periods_and_strips_are_as_long_as_a_pool_was_empty() {
    let summary = by_hand(RunMetadata::new("by hand", 1)).summary;
    let period = reports::EmptyPeriod { from_s: 3.0, to_s: 6.0, workers: 1, empty_seconds: 3.0 };
    assert_eq!(summary.empty_periods, Some(vec![period]));
    let strip = &summary.workers[0].level_strip;
    let per_second = (1.0 / summary.strip_width_s) as usize;
    let at = |second: usize| &strip[second * per_second..=second * per_second];
    assert_eq!((at(1), at(2), at(3), at(5), at(7), at(9)), ("+", "5", "0", "0", "5", "+"), "{strip}");
}

#[test]
fn a_pool_that_aims_for_nothing_is_not_empty() {
    let mut books = Recorder::new(RunMetadata::new("night", 1));
    let (day, night) = (Target::exactly(2), Target::exactly(0));
    books.observe(at(0), Observation::Target { worker: WORKER, was: Target::default(), is: day });
    books.opened(at(0));
    books.observe(at(1_000), Observation::Target { worker: WORKER, was: day, is: night });
    let report = books.finish(at(10_000));
    assert_eq!(report.summary.pool.empty_seconds, Some(1.0));
    assert_eq!(
        report.summary.workers[0].level_strip.matches('-').count() as f64 * report.summary.strip_width_s,
        9.0
    );
}

#[test]
fn who_is_woken_is_no_miss() {
    let mut books = Recorder::new(RunMetadata::new("woken", 1));
    books.opened(at(0));
    for (id, outcome) in [(0, Outcome::Warm), (1, Outcome::Woken), (2, Outcome::Waited)] {
        let request = request(id, 1_000_000_000);
        books.observe(at(1_000), Observation::Arrived { worker: WORKER, request });
        books.observe(at(1_500), Observation::Ended { worker: WORKER, request, outcome, cause: None });
    }
    let report = books.finish(at(9_000));
    let summary = &report.summary;
    assert_eq!((summary.requests, summary.misses, summary.workers[0].misses), (3, 1, 1));
    assert_eq!(report.timeline.rows.iter().map(|row| row.misses).sum::<u64>(), 1);
    assert!(Gate::parse("misses", "<= 1").unwrap().evaluate(summary).holds);
    assert_eq!(Gate::parse("woken latency max", "< 1s").unwrap().evaluate(summary).value, Some(5e8));
}

#[test]
fn the_peak_is_over_one_second_however_long_the_run_is() {
    let peak = |hours: u64| {
        let planned = Some(Duration::from_secs(hours * 3_600));
        let mut books = Recorder::new(RunMetadata { planned, ..RunMetadata::new("peak", 1) });
        books.opened(at(0));
        for (id, ms) in [(0, 100), (1, 60_700), (2, 61_000), (3, 61_500), (4, 90_000)] {
            books.observe(
                at(ms),
                Observation::Arrived { worker: WORKER, request: request(id, ms * 1_000_000) },
            );
        }
        books.finish(at(hours * 3_600_000)).summary.demand_peak.unwrap()
    };
    assert_eq!((peak(1).requests, peak(1).from_s), (3, 60.7));
    assert_eq!(peak(1), peak(100));
    assert_eq!(peak(1).says(), "3 a second at most, over 1s from 1m 1s");
}

#[test]
fn a_miss_is_booked_where_it_was_asked_for() {
    let helper = WorkerId(1);
    let mut books =
        Recorder::new(RunMetadata { warmup: Duration::from_secs(1), ..RunMetadata::new("helped", 2) });
    books.opened(at(0));
    for (id, ms, served_by, outcome) in [
        (0, 500, helper, Outcome::Spilled),
        (1, 2_000, helper, Outcome::Spilled),
        (2, 3_000, WORKER, Outcome::Warm),
        (3, 4_000, WORKER, Outcome::Rejected),
    ] {
        let request = request(id, ms * 1_000_000);
        books.observe(at(ms), Observation::Arrived { worker: WORKER, request });
        books
            .observe(at(ms + 1_500), Observation::Ended { worker: served_by, request, outcome, cause: None });
    }
    let summary = books.finish(at(9_000)).summary;
    let booked: Vec<_> = summary.workers.iter().map(|worker| (worker.requests, worker.misses)).collect();
    assert_eq!(booked, [(3, 2), (0, 0)]);
    assert_eq!((summary.regions[0].requests, summary.regions[0].misses), (3, 2));
}

#[test]
fn what_a_run_is_closed_with_is_no_outage_and_loses_no_sprite() {
    let mut books = Recorder::new(RunMetadata::new("by hand", 1));
    books.opened(at(0));
    books.observe(at(0), sprite(State::Stopped, State::Booting));
    books.observe(at(0), sprite(State::Booting, State::Ready));
    books.observe(at(1_000), Observation::Arrived { worker: WORKER, request: request(0, 1_000_000_000) });
    books.closed(at(9_000));
    books.observe(at(9_000), Observation::Host { worker: WORKER, up: false });
    books.observe(at(9_000), sprite(State::Ready, State::Failed));
    let (request, outcome) = (request(0, 1_000_000_000), Outcome::Failed);
    books.observe(at(9_000), Observation::Ended { worker: WORKER, request, outcome, cause: None });
    let summary = books.finish(at(9_000)).summary;
    assert_eq!((summary.boots.hosts_down, summary.boots.lost), (0, 0));
    assert_eq!((summary.requests, summary.outcomes.failed), (1, 1));
}

#[test]
fn the_rate_is_over_the_time_in_which_requests_came() {
    let rate = |planned: Option<u64>, warmup: u64| {
        let (planned, warmup) = (planned.map(Duration::from_secs), Duration::from_secs(warmup));
        let report = by_hand(RunMetadata { planned, warmup, ..RunMetadata::new("by hand", 1) });
        let text = reports::terminal::plain(&report, 80);
        (report.summary.demand_s, report.summary.rate(), text)
    };
    let (demand_s, mean, text) = rate(Some(5), 0);
    assert_eq!((demand_s, mean), (5.0, Some(0.4)), "what comes after the demand is not counted");
    assert!(text.contains("2 requests, 0.4 a second on average"), "{text}");
    assert_eq!(rate(None, 0).0, 3.0, "a trace ends with its last request");
    assert_eq!(rate(Some(5), 1).0, 4.0);
    assert_eq!(rate(Some(60), 0).0, 10.0, "a run that was cut short has no demand after its end");
    let (demand_s, mean, text) = rate(None, 3);
    assert_eq!((demand_s, mean), (0.0, None));
    assert!(text.contains("demand     1 request\n"), "{text}");
}

#[test]
fn a_fleet_without_workers_and_a_worker_out_of_range_harm_nothing() {
    let mut books = Recorder::new(RunMetadata::new("nobody", 0));
    books.opened(at(0));
    books.observe(at(5), sprite(State::Booting, State::Ready));
    let report = books.finish(at(10));
    assert!(reports::html::page(&report).contains("NO GATES"));
    assert!(reports::terminal::plain(&report, 80).starts_with("NO GATES   nobody"));
}

fn toys() -> impl Strategy<Value = Toy> {
    let stages = prop::collection::vec((1_u64..20, 1.0_f64..60.0), 1..4);
    (any::<u64>(), 1_usize..5, 0_u32..12, 1_u32..5, 1_u64..900, stages, 0_u64..10, any::<bool>()).prop_map(
        |(seed, workers, depth, boots, boot_ms, demand, warmup_s, crash)| Toy {
            seed: seed >> 1,
            workers,
            depth,
            boots,
            boot_ms,
            demand,
            warmup_s,
            crash: crash.then_some((3, 0)),
            lifetime_s: 2.0,
            ..Toy::default()
        },
    )
}

/// Counts what a recorder should, the simple way.
#[derive(Default)]
struct Simple {
    warmup_ns: u64,
    outcomes: [u64; 8],
    arrivals: u64,
}

impl Observer for Simple {
    fn observe(&mut self, _: Time, observation: Observation) {
        match observation {
            Observation::Arrived { .. } => self.arrivals += 1,
            Observation::Ended { request, outcome, .. } if request.arrived.as_nanos() >= self.warmup_ns => {
                self.outcomes[outcome as usize] += 1;
            }
            _ => {}
        }
    }

    fn opened(&mut self, _at: Time) {}

    fn closed(&mut self, _at: Time) {}
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_request_is_counted_once_everywhere(toy in toys(), planned in any::<bool>()) {
        let mut plan = toy.plan();
        if !planned {
            plan.planned = None;
        }
        let mut recorder = Recorder::new(plan);
        let end = toy.play(&mut recorder, |recorder| recorder.opened(Time::ZERO));
        let report = recorder.finish(end);
        let mut simple = Simple { warmup_ns: toy.warmup_s * 1_000_000_000, ..Simple::default() };
        toy.play(&mut simple, |_| {});
        let summary = &report.summary;
        let counts: Vec<u64> = summary.outcomes.iter().map(|(_, count)| *count).collect();
        prop_assert_eq!(&counts[..], &simple.outcomes[..]);
        prop_assert_eq!(summary.requests, counts.iter().sum::<u64>());
        prop_assert_eq!(summary.misses, summary.requests - summary.outcomes.warm);
        prop_assert_eq!(summary.unfinished, 0);
        let in_logs: u64 = report.latencies.outcomes().map(|(_, part)| part.len()).sum();
        prop_assert_eq!(in_logs, summary.requests);
        prop_assert_eq!(summary.workers.iter().map(|worker| worker.requests).sum::<u64>(), summary.requests);
        let rows = &report.timeline.rows;
        prop_assert_eq!(rows.iter().map(|row| row.arrivals).sum::<u64>(), simple.arrivals);
        for row in rows {
            prop_assert_eq!(row.arrivals, row.outcomes().iter().sum::<u64>());
            prop_assert_eq!(row.misses, row.arrivals - row.warm - row.woken);
            prop_assert!(row.ready_least as f64 <= row.ready_mean + 0.001, "{row:?}");
            prop_assert!(row.to_s > row.from_s && row.to_s - row.from_s <= rows[0].to_s - rows[0].from_s + 1e-6);
        }
        prop_assert!(rows.len() <= 600);
    }

    #[test]
    fn workers_add_up_to_the_fleet(toy in toys()) {
        let summary = toy.report().summary;
        let sum = |of: fn(&reports::summary::Worker) -> f64| summary.workers.iter().map(of).sum::<f64>();
        prop_assert!((sum(|worker| worker.ready_mean) - summary.pool.ready_mean).abs() < 0.01);
        prop_assert!((sum(|worker| worker.target_mean) - summary.pool.target_mean).abs() < 0.01);
        prop_assert!((sum(|worker| worker.empty_seconds.unwrap()) - summary.pool.empty_seconds.unwrap()).abs() < 0.01);
        prop_assert_eq!(summary.workers.iter().map(|worker| worker.boots).sum::<u64>(), summary.boots.begun);
        prop_assert!(summary.pool.empty_share.unwrap() <= 1.0);
        prop_assert!(summary.pool.empty_longest_s.unwrap() <= summary.duration_s);
        let latency = &summary.latency_ns.served;
        prop_assert!(latency.min <= latency.p50 && latency.p50 <= latency.p99 && latency.p99 <= latency.max);
        prop_assert_eq!(Summary::from_json(&summary.to_json()).unwrap(), summary);
    }
}
