//! Why requests miss: for each cause a small history whose cause is obvious. The rule is in
//! `actors::protocol::cause`.

mod common;

use std::path::Path;

use actors::protocol::Cause;
use actors::{Observation, Observer, Outcome, Time};
use common::history::{History, history};
use scenarios::Scenario;

const START: &str = "[latency]\nstart = \"0s\"\n";

/// The causes of the requests that missed, by their number: why the pool was empty.
fn missed(history: &History) -> Vec<(u64, Cause)> {
    history.causes.iter().filter_map(|(id, (missed, _))| missed.map(|cause| (*id, cause))).collect()
}

#[test]
fn a_burst_larger_than_the_depth() {
    let text = format!(
        r#"
        [fleet]
        boots = "unlimited"
        [pool]
        depth = {{ kind = "fixed", ready = 2 }}
        exhausted = [{{ kind = "wait", deadline = "60s" }}]
        {START}boot = "2s"
        "#
    );
    let burst = history(&[1.0, 1.0, 1.0, 2.9, 3.1], &text);
    assert_eq!(missed(&burst), [(2, Cause::Depth), (3, Cause::Depth)]);
}

/// A depth of one, whose orders a hold of 2 s delays; boots take 1 s. With no hold the first three would be
/// warm, as more than a boot time lies between them, and the last would not.
#[test]
fn a_hold_is_the_cause_also_while_the_boots_that_it_delayed_are_under_way() {
    let text = format!(
        r#"
        [fleet]
        boots = "unlimited"
        [pool]
        depth = {{ kind = "fixed", ready = 1 }}
        refill = {{ kind = "delay", hold = "2s" }}
        exhausted = [{{ kind = "reject" }}]
        {START}boot = "1s"
        "#
    );
    let held = history(&[0.0, 1.5, 2.9, 3.1, 3.5], &text);
    assert_eq!(
        missed(&held),
        [(1, Cause::RefillHolds), (2, Cause::RefillHolds), (4, Cause::Depth)],
        "held until 2 s, under way until 3 s"
    );
    let at_once = history(
        &[0.0, 1.5, 2.9],
        &text.replace(r#"{ kind = "delay", hold = "2s" }"#, r#"{ kind = "immediate" }"#),
    );
    assert_eq!(missed(&at_once), []);
}

#[test]
fn a_pool_that_is_never_refilled_is_held_by_its_refill_policy() {
    let text = format!(
        r#"
        [pool]
        depth = {{ kind = "fixed", ready = 1 }}
        refill = {{ kind = "never" }}
        exhausted = [{{ kind = "reject" }}]
        {START}boot = "1s"
        "#
    );
    assert_eq!(missed(&history(&[0.0, 0.5, 5.0], &text)), [(1, Cause::Depth), (2, Cause::RefillHolds)]);
}

/// Four at once, then one a second; one boot at a time, of 2 s each. With four boots at once each would be
/// warm from 2 s on.
#[test]
fn boots_that_are_all_busy() {
    let text = |boots: u32| {
        format!(
            r#"
            [fleet]
            boots = {boots}
            [pool]
            depth = {{ kind = "fixed", ready = 4 }}
            exhausted = [{{ kind = "reject" }}]
            {START}boot = "2s"
            "#
        )
    };
    let arrivals = [0.0, 0.0, 0.0, 0.0, 2.5, 3.0, 3.5, 4.5, 5.0];
    let slots = Cause::BootSlots;
    assert_eq!(missed(&history(&arrivals, &text(1))), [(5, slots), (6, slots), (8, slots)]);
    assert_eq!(missed(&history(&arrivals, &text(4))), []);
}

/// The hold has orders wait for one another, which they would not without it: a boot takes 1 s, and
/// requests come 1.5 s apart.
#[test]
fn boots_that_are_busy_with_what_a_hold_gathered_are_not_the_cause() {
    let text = format!(
        r#"
        [fleet]
        boots = 1
        [pool]
        depth = {{ kind = "fixed", ready = 3 }}
        refill = {{ kind = "batch", size = 3 }}
        exhausted = [{{ kind = "reject" }}]
        {START}boot = "1s"
        "#
    );
    let gathered = history(&[0.0, 1.5, 3.0, 3.9, 4.1, 4.2], &text);
    assert_eq!(missed(&gathered), [(3, Cause::RefillHolds), (5, Cause::RefillHolds)]);
}

#[test]
fn slots_that_are_full() {
    let text = format!(
        r#"
        [fleet]
        slots = 3
        boots = "unlimited"
        [pool]
        depth = {{ kind = "fixed", ready = 2 }}
        exhausted = [{{ kind = "boot" }}]
        {START}boot = "1s"
        [sprite]
        lifetime = "1m"
        "#
    );
    let full = history(&[0.0, 2.0, 4.0, 6.0], &text);
    let slots = Some(Cause::SlotsFull);
    assert_eq!(full.ended[&3].0, Outcome::Rejected);
    assert_eq!(full.causes[&3], (slots, slots));
    assert_eq!(full.causes.len(), 1);
}

/// One boot at a time, and every slot is kept for a request whose own boot waits for it: more slots would not
/// help.
#[test]
fn slots_that_are_kept_for_requests_that_wait_for_a_boot() {
    let text = format!(
        r#"
        [fleet]
        slots = 4
        boots = 1
        [pool]
        depth = {{ kind = "fixed", ready = 1 }}
        exhausted = [{{ kind = "boot" }}]
        {START}boot = "1s"
        "#
    );
    let kept = history(&[0.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 4.5], &text);
    assert_eq!(kept.ended[&7].0, Outcome::Rejected, "{:?}", kept.ended);
    assert_eq!(kept.causes[&7], (Some(Cause::Depth), Some(Cause::BootSlots)));
    assert!(kept.causes.values().all(|(_, cause)| *cause != Some(Cause::SlotsFull)), "{:?}", kept.causes);
}

#[test]
fn boots_that_fail() {
    let text = format!(
        r#"
        fault = [{{ at = "500ms", kind = "failed-boots", for = "3s" }}]
        [fleet]
        boots = "unlimited"
        [pool]
        depth = {{ kind = "fixed", ready = 1 }}
        exhausted = [{{ kind = "boot" }}]
        {START}boot = "200ms"
        "#
    );
    let failing = history(&[0.0, 0.4, 1.0, 2.0], &text);
    let fail = Some(Cause::BootsFail);
    assert_eq!(failing.causes[&3], (fail, fail), "{:?}", failing.causes);
    assert_eq!(failing.ended[&3].0, Outcome::Failed);
}

/// Down from 1 to 2 s; both Sprites are back at 3 s.
#[test]
fn a_crash_also_while_what_it_took_is_not_back() {
    let text = format!(
        r#"
        fault = [{{ at = "1s", worker = 0, kind = "crash", for = "1s" }}]
        [fleet]
        boots = "unlimited"
        [pool]
        depth = {{ kind = "fixed", ready = 2 }}
        exhausted = [{{ kind = "wait", deadline = "60s" }}]
        {START}boot = "1s"
        "#
    );
    let crashed = history(&[0.0, 1.5, 2.5, 4.5], &text);
    let down = Some(Cause::WorkerDown);
    assert_eq!(crashed.ended[&1].0, Outcome::Failed);
    assert_eq!(crashed.ended[&2], (Outcome::Waited, 500));
    assert_eq!(crashed.causes.into_iter().collect::<Vec<_>>(), [(1, (None, down)), (2, (down, down))]);
}

/// Each pool has one; the third request and those after it find both empty.
#[test]
fn nothing_to_spill_to_queues_and_deadlines_say_how_a_search_ended() {
    let text = |exhausted: &str| {
        format!(
            r#"
            [fleet]
            workers = 2
            placement = "round-robin"
            [pool]
            depth = {{ kind = "fixed", ready = 1 }}
            exhausted = [{exhausted}]
            {START}boot = "10s"
            "#
        )
    };
    for (exhausted, cause) in [
        (r#"{ kind = "spill", cost = "1ms" }"#, Cause::NothingToSpillTo),
        (r#"{ kind = "wait", deadline = "1s", queue = 1 }"#, Cause::QueueFull),
        (r#"{ kind = "wait", deadline = "1s" }"#, Cause::Deadline),
        (r#"{ kind = "reject" }"#, Cause::Depth),
    ] {
        let history = history(&[0.0, 0.0, 1.0, 1.0, 1.0], &text(exhausted));
        assert_eq!(history.ended[&4].0, Outcome::Rejected, "{exhausted}");
        assert_eq!(history.causes[&4], (Some(Cause::Depth), Some(cause)), "{exhausted}");
    }
}

/// Counts misses by why their pool was empty.
#[derive(Default)]
struct Misses(std::collections::BTreeMap<Cause, u64>);

impl Observer for Misses {
    fn opened(&mut self, _at: Time) {}

    fn closed(&mut self, _at: Time) {}

    fn observe(&mut self, _at: Time, observation: Observation) {
        if let Observation::Ended { request, cause: Some(cause), .. } = observation {
            *self.0.entry(request.missed.unwrap_or(cause)).or_default() += 1;
        }
    }
}

/// What most misses of each ready-made scenario are due to, as its comment has it.
#[test]
fn ready_made_scenarios_have_the_cause_that_their_comments_name() {
    for (name, cause, share) in [
        ("agents-by-the-hundred", Cause::Depth, 0.9),
        ("daily-wave", Cause::Depth, 0.9),
        ("exhaustion-cliff", Cause::Depth, 1.0),
        ("fleet-regions", Cause::BootSlots, 0.9),
        ("kvm-spike", Cause::Depth, 0.8),
        ("machines-start-create", Cause::Depth, 0.5),
        ("per-tenant", Cause::Depth, 1.0),
        ("replenish-delay", Cause::RefillHolds, 0.99),
        ("slow-boot", Cause::Depth, 0.8),
        ("spike", Cause::BootSlots, 0.9),
        ("sprites", Cause::BootSlots, 0.9),
        ("worker-crash", Cause::WorkerDown, 0.5),
    ] {
        let file = format!("{}/../scenarios/{name}.toml", env!("CARGO_MANIFEST_DIR"));
        let scenario = Scenario::load(Path::new(&file), &[]).unwrap_or_else(|error| panic!("{error}"));
        let mut misses = Misses::default();
        common::run(&scenario, &mut misses);
        let all: u64 = misses.0.values().sum();
        let of = misses.0.get(&cause).copied().unwrap_or(0);
        assert!(of as f64 >= share * all as f64, "{name}: {:?}", misses.0);
    }
}
