//! A Refiller that decides by what is missing alone hears of most boots late, and decides the same.

mod common;

use actors::{Observation, Observer, Time};
use common::{Counts, Rules, run, scenario};

/// What came of the requests and when pools said that their boots fail.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    counts: Counts,
    failing: Vec<(Time, Observation)>,
}

impl Observer for Seen {
    fn opened(&mut self, at: Time) {
        self.counts.opened(at);
    }

    fn observe(&mut self, at: Time, observation: Observation) {
        self.counts.observe(at, observation);
        if let Observation::BootsFailing { .. } = observation {
            self.failing.push((at, observation));
        }
    }

    fn closed(&mut self, _at: Time) {}
}

/// Boots fail, requests give up waiting, hosts crash and pools are swamped: whatever may leave a pool with too much.
fn text(boots: u32, depth: &str, refill: &str, exhausted: &str) -> String {
    format!(
        r#"
        [fleet]
        workers = 2
        slots = 30
        boots = {boots}
        [pool]
        depth = {depth}
        refill = {refill}
        exhausted = {exhausted}
        [latency]
        boot = {{ p50 = "40ms", p99 = "200ms" }}
        boot_failures = 0.2
        [timer]
        grid = "1ms"
        lag = {{ exponential = "200us" }}
        [[demand]]
        to = 40
        for = "10s"
        [[demand]]
        to = 400
        for = "2s"
        [[demand]]
        to = 20
        for = "10s"
        [[fault]]
        at = "8s"
        worker = 1
        kind = "crash"
        for = "1s"
        "#
    )
}

fn seen(text: &str) -> (Seen, u64) {
    let scenario = scenario(text);
    let mut seen = Seen::default();
    let events = run(&scenario, &mut seen).events;
    let mut rules = Rules::new(&scenario);
    let ended = run(&scenario, &mut rules);
    rules.finish(&ended);
    (seen, events)
}

#[test]
fn hearing_of_boots_late_changes_no_decision() {
    // A policy of several is taken for one that may change, so its Refiller hears of every boot at once.
    let depths = [
        (3, r#"{ kind = "fixed", ready = 12 }"#),
        (3, r#"{ kind = "watermark", low = 4, high = 14 }"#),
        (20, r#"{ kind = "fixed", ready = 2 }"#),
    ];
    let refills = [r#"{ kind = "immediate" }"#, r#"{ kind = "batch", size = 2 }"#];
    let exhausted = [
        r#"[{ kind = "wait", deadline = "15ms" }, { kind = "boot" }]"#,
        r#"[{ kind = "spill" }, { kind = "wait", deadline = "30ms", queue = 5 }]"#,
        r#"[{ kind = "reject" }]"#,
    ];
    for (boots, depth) in depths {
        let at_once = format!(r#"{{ kind = "largest-of", of = [{depth}] }}"#);
        for refill in refills {
            for exhausted in exhausted {
                let (late, fewer) = seen(&text(boots, depth, refill, exhausted));
                let (early, more) = seen(&text(boots, &at_once, refill, exhausted));
                assert_eq!(late, early, "{depth}, {refill}, {exhausted}");
                assert!(late.counts.misses() > 20 && late.failing.len() > 20, "spike and failures are felt");
                assert!(fewer < more, "{fewer} deliveries, or {more} where each boot is told");
            }
        }
    }
}
