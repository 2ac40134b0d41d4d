//! What the page of a run claims about its workers, and how its figures stand.

mod toy;

use actors::protocol::Target;
use actors::{Observation, Observer, Time, WorkerId};
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
