//! How a run begins: with full pools, or with empty ones whose first boots take their time.

mod common;

use actors::{Observation, Observer, Time};
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

/// The most Sprites that a depth which follows boot times aims for, within two minutes.
fn highest_goal(start: &str, depth: &str) -> u32 {
    #[derive(Default)]
    struct Highest(u32);
    impl Observer for Highest {
        fn observe(&mut self, at: Time, observation: Observation) {
            // The first boot has not ended before half a minute.
            if at < Time::from_nanos(25_000_000_000)
                && let Observation::Target { is, .. } = observation
            {
                self.0 = self.0.max(is.depth);
            }
        }

        fn opened(&mut self, _at: Time) {}

        fn closed(&mut self, _at: Time) {}
    }
    let text = format!(
        r#"
        [fleet]
        boots = "unlimited"
        slots = 1000
        [pool]
        start = "{start}"
        depth = {{ kind = "{depth}", boot = "30s", misses = 0.01 }}
        exhausted = [ {{ kind = "boot" }} ]
        [latency]
        boot = "30s"
        [[demand]]
        to = 5.5
        for = "2m"
        "#
    );
    let mut highest = Highest::default();
    run(&scenario(&text), &mut highest);
    highest.0
}

#[test]
fn a_pool_that_begins_full_knows_no_more_of_boots_than_one_that_begins_empty() {
    for depth in ["base-stock", "window-quantile"] {
        let (full, empty) = (highest_goal("full", depth), highest_goal("empty", depth));
        assert!(full > 60 && full.abs_diff(empty) <= empty / 4, "{depth}: {full} {empty}");
    }
}
