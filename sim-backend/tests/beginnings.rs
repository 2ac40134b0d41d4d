//! How a run begins: with full pools, or with empty ones whose first boots take their time.

mod common;

use common::{Counts, run, scenario};

fn longest_ns(start: &str) -> u64 {
    let text = format!(
        r#"
        [pool]
        start = "{start}"
        depth = {{ kind = "fixed", ready = 1 }}
        exhausted = [ {{ kind = "wait" }} ]
        [latency]
        start = "0s"
        boot = "1s"
        [[demand]]
        to = 0.1
        for = "9s"
        arrivals = "even"
        "#
    );
    let mut counts = Counts::default();
    run(&scenario(&text), &mut counts);
    assert_eq!(counts.requests(), 1);
    counts.longest_ns
}

#[test]
fn a_full_pool_serves_the_first_request_at_once() {
    assert_eq!(longest_ns("full"), 0);
}

#[test]
fn an_empty_pool_serves_it_when_its_first_boot_has_ended() {
    assert_eq!(longest_ns("empty"), 1_000_000_000);
}
