//! What the page of a run claims about its workers, and how its figures stand.

mod toy;

use actors::protocol::Target;
use actors::{ActorId, Duration, Key, Observation, Observer, Outcome, Request, State, Time, WorkerId};
use reports::{Recorder, RunMetadata, html};
use toy::Toy;

#[test]
fn a_figure_has_the_room_of_its_longest_word() {
    let mut report = Toy::default().report();
    report.summary.requests = 121_186_123;
    report.summary.recovery.as_mut().expect("every worker has one pool").seconds = None;
    let page = html::page(&report);
    for value in ["--n:11\">121,186,123<", "--n:9\">not recovered<"] {
        assert!(page.contains(value), "{value} is not there");
    }
}

/// A pool that aims for nothing and has nothing is neither empty nor full.
#[test]
fn nothing_of_nothing_is_shown_as_neither_full_nor_empty() {
    let worker = WorkerId(0);
    let mut books = Recorder::new(RunMetadata::new("nothing", 1));
    books.observe(Time::ZERO, Observation::Target { worker, was: Target::default(), is: Target::exactly(0) });
    books.opened(Time::ZERO);
    let report = books.finish(Time::from_nanos(5_000_000_000));
    assert!(!reports::terminal::plain(&report, 80).contains('\u{2588}'));
    assert!(report.summary.workers[0].level_strip.chars().all(|level| level == '-'));
}

/// A run of 20 s over one worker with two ready Sprites, in which so many requests come.
fn few(requests: u64) -> String {
    let worker = WorkerId(0);
    let mut books = Recorder::new(RunMetadata::new("few", 1));
    let is = Target::exactly(2);
    books.observe(Time::ZERO, Observation::Target { worker, was: Target::default(), is });
    let mut sprite = |at: Time, was: State, is: State| {
        books.observe(at, Observation::Sprite { worker, sprite: ActorId(0), generation: 0, was, is });
    };
    for _ in 0..2 {
        sprite(Time::ZERO, State::Stopped, State::Booting);
        sprite(Time::ZERO, State::Booting, State::Ready);
    }
    books.opened(Time::ZERO);
    for id in 0..requests {
        let arrived = Time::from_nanos(5_000_000_000 + id);
        let request = Request { id, arrived, lifetime: Duration::ZERO, key: Key(0), tries: 0, missed: None };
        books.observe(arrived, Observation::Arrived { worker, request });
        let end = Time::from_nanos(arrived.as_nanos() + 60_000);
        books.observe(end, Observation::Ended { worker, request, outcome: Outcome::Warm, cause: None });
    }
    html::page(&books.finish(Time::from_nanos(20_000_000_000)))
}

#[test]
fn a_page_of_no_request_and_of_one_says_what_there_is() {
    let (none, one) = (few(0), few(1));
    for page in [&none, &one] {
        for wrong in ["NaN", "inf", "per second of", "at one moment", "1 requests"] {
            assert!(!page.contains(wrong), "{wrong} is on the page");
        }
    }
    assert!(!none.contains("<th scope=\"col\">p99.9"), "there is a table of nothing");
    for part in ["none came", "no request came", "no request was served", "No request was served."] {
        assert!(none.contains(part), "the page of no request lacks {part}");
    }
    for part in ["all served", "0 of 1 request", "the worst took 60us"] {
        assert!(one.contains(part), "the page of one request lacks {part}");
    }
}

/// Whatever is too short to see has a line beside it, and is no longer for that.
#[test]
fn shades_are_as_long_as_what_they_shade() {
    let mut report = Toy::default().report();
    let end = report.timeline.rows.last().expect("a run").to_s;
    let period =
        |from_s, to_s| reports::EmptyPeriod { from_s, to_s, workers: 1, empty_seconds: to_s - from_s };
    report.summary.empty_periods = Some(vec![period(60.0, 60.02), period(100.0, 130.0)]);
    let page = html::page(&report);
    let widths: Vec<f64> = page
        .split("<rect class=\"void-bar\"")
        .skip(1)
        .map(|rest| rest.split("width=\"").nth(1).and_then(|rest| rest.split('"').next()))
        .map(|width| width.expect("a width").parse().expect("a number"))
        .collect();
    assert_eq!(widths.len(), 2);
    for (width, seconds) in widths.iter().zip([0.02, 30.0]) {
        assert!((width - seconds / end * 1_000.0).abs() < 0.006, "{seconds} s are {width} of 1,000 wide");
    }
}

#[test]
fn a_page_of_pools_per_tenant_shows_what_is_known_of_them() {
    let page =
        html::page(&Toy { per_tenant: true, gates: vec![("misses", "< 1%")], ..Toy::default() }.report());
    for part in ["not known", "\"empty_s\"", "\"recovery_s\"", ">Pool empty<", ">Recovery<"] {
        assert!(!page.contains(part), "the page shows {part}");
    }
    for part in [">Waiting at most<", ">Ready<", "\"ready_least\""] {
        assert!(page.contains(part), "the page lacks {part}");
    }
}

#[test]
fn civil_time_is_on_the_page_where_the_clock_is_set() {
    let mut report = Toy { demand: vec![(3_600, 1.0)], ..Toy::default() }.report();
    assert!(!html::page(&report).contains(">09:30<"));
    report.summary.begins = Some("2026-01-05T09:12:00Z".to_owned());
    let page = html::page(&report);
    for part in [">09:30<", ">10:00<", "from 2026-01-05T09:12:00Z", "\"begins\":1767604320.0"] {
        assert!(page.contains(part), "the page lacks {part}");
    }
}

#[test]
fn a_strip_begins_with_what_the_pool_held_when_the_run_began() {
    let report = Toy { demand: vec![(60, 1.0)], crash: None, ..Toy::default() }.report();
    for worker in &report.summary.workers {
        assert!(worker.level_strip.starts_with(['+', '9', '8']), "{}", worker.level_strip);
    }
}

/// Pools that are filled by demand alone aim for nothing: no share of nothing is shown.
#[test]
fn a_page_of_pools_without_a_target_shows_none() {
    let mut report = Toy { per_tenant: true, gates: vec![], ..Toy::default() }.report();
    report.summary.pool.target_mean = 0.0;
    report.summary.workers.iter_mut().for_each(|worker| {
        worker.target_mean = 0.0;
        worker.level_strip = "-".repeat(worker.level_strip.len());
    });
    report.timeline.rows.iter_mut().for_each(|row| row.target = 0.0);
    let page = html::page(&report);
    for part in ["target", "class=\"plot map\"", "aimed for"] {
        let body = page.split_once("<main>").expect("a body").1.split_once("<script>\n").expect("its end").0;
        assert!(!body.contains(part), "the page shows {part}");
    }
}
