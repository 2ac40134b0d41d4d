//! What becomes of ready Sprites that grow old: a pool that was filled at once is not emptied at once.

mod common;

use actors::{Observation, Observer, State, Time};
use common::{Rules, run, scenario};

/// How many are ready, and since when each.
#[derive(Default)]
struct Ready {
    since: Vec<(actors::ActorId, Time)>,
    least: usize,
    oldest_ns: u64,
    replaced: u32,
    opened: bool,
}

impl Observer for Ready {
    fn opened(&mut self, _at: Time) {
        self.opened = true;
        self.least = self.since.len();
    }

    fn observe(&mut self, at: Time, observation: Observation) {
        let Observation::Sprite { sprite, was, is, .. } = observation else { return };
        if is == State::Ready {
            self.since.push((sprite, at));
        } else if was == State::Ready {
            let index = self.since.iter().position(|(ready, _)| *ready == sprite).expect("it was ready");
            let (_, since) = self.since.remove(index);
            self.oldest_ns = self.oldest_ns.max(at.since(since).as_nanos());
            self.replaced += u32::from(is == State::Stopping);
        }
        if self.opened {
            self.least = self.least.min(self.since.len());
        }
    }

    fn closed(&mut self, _at: Time) {}
}

fn ready(pool: &str, latency: &str) -> Ready {
    let text = format!(
        r#"
        [fleet]
        slots = 40
        [pool]
        max_age = "10s"
        depth = {{ kind = "fixed", ready = 16 }}
        {pool}
        [latency]
        boot = "100ms"
        {latency}
        [[demand]]
        to = 0
        for = "60s"
        "#
    );
    let scenario = scenario(&text);
    let mut rules = Rules::new(&scenario);
    let ended = run(&scenario, &mut rules);
    rules.finish(&ended);
    let mut ready = Ready::default();
    run(&scenario, &mut ready);
    ready
}

#[test]
fn aged_sprites_are_replaced_an_eighth_at_a_time_and_soon() {
    let ready = ready("", "");
    assert_eq!(ready.least, 14, "two of sixteen leave at a time");
    // Eight turns of one boot time each, and six times in a minute all of them.
    assert!(ready.oldest_ns <= 10_900_000_000, "{}", ready.oldest_ns);
    assert!((75..=96).contains(&ready.replaced), "{}", ready.replaced);
}

#[test]
fn where_replacements_do_not_come_the_others_leave_one_by_one() {
    // Two at 10 s, and one every 1.25 s from then on.
    let boots_fail = ready("", "boot_failures = 1.0");
    assert_eq!((boots_fail.replaced, boots_fail.least), (16, 0));
    assert_eq!(boots_fail.oldest_ns, 10_000_000_000 + 14 * 1_250_000_000);
    // Nothing is ordered before eight are missing.
    let batch = ready("refill = { kind = \"batch\", size = 8 }", "");
    assert_eq!(batch.least, 8);
}

#[test]
fn what_is_never_ordered_again_leaves_at_once() {
    assert_eq!(ready("refill = { kind = \"never\" }", "").least, 0);
}

#[test]
fn replaced_at_once_all_that_are_too_old_leave_together_and_come_back_together() {
    let ready = ready("replace = \"at-once\"", "");
    assert_eq!(ready.least, 0, "all sixteen leave at 10 s");
    assert_eq!(ready.oldest_ns, 10_000_000_000, "none grows older");
    assert!(ready.replaced >= 5 * 16, "{}", ready.replaced);
}
