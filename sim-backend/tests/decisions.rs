//! What the actors decide at given arrivals, to the nanosecond: each test is a small history with one right
//! answer.

mod common;

use actors::Outcome;
use common::history::history;

const LATENCIES: &str = "[latency]\nstart = \"0s\"\n";

#[test]
fn a_request_that_comes_to_wait_after_a_failed_boot_is_served_by_what_is_ready() {
    for depth in [r#"{ kind = "watermark", low = 0, high = 2 }"#, r#"{ kind = "fixed", ready = 2 }"#] {
        let history = history(
            &[0.0, 0.0, 0.6],
            &format!(
                r#"
                fault = [{{ at = "500ms", kind = "failed-boots", for = "200ms" }}]
                [fleet]
                boots = "unlimited"
                [pool]
                depth = {depth}
                exhausted = [{{ kind = "boot" }}, {{ kind = "wait", deadline = "60s" }}]
                {LATENCIES}boot = "1s"
                "#
            ),
        );
        assert_eq!(history.ended[&2], (Outcome::Waited, 1_000), "{depth}");
    }
}

#[test]
fn a_request_that_comes_back_from_a_fruitless_spill_is_served_by_what_is_ready() {
    let history = history(
        &[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.1],
        &format!(
            r#"
            [fleet]
            workers = 2
            boots = "unlimited"
            placement = "round-robin"
            [pool]
            depth = {{ kind = "watermark", low = 0, high = 3 }}
            exhausted = [{{ kind = "spill", cost = "1s" }}, {{ kind = "wait", deadline = "20s" }}]
            {LATENCIES}boot = "1.5s"
            "#
        ),
    );
    assert_eq!(history.ended[&6], (Outcome::Waited, 2_000));
}

#[test]
fn a_delay_does_not_order_at_once_what_was_held_and_came_by_another_boot() {
    let history = history(
        &[0.0, 0.007, 1.731, 2.6],
        &format!(
            r#"
            [fleet]
            boots = "unlimited"
            [pool]
            depth = {{ kind = "fixed", ready = 1 }}
            refill = {{ kind = "delay", hold = "1s" }}
            exhausted = [{{ kind = "wait", deadline = "350ms" }}]
            {LATENCIES}boot = "1.5s"
            "#
        ),
    );
    // The first two are for requests that wait, which no refill policy holds back.
    assert_eq!(history.boots_ms, [7, 2_600, 2_731]);
}

#[test]
fn after_a_crash_the_policies_decide_once_over_all_that_is_lost() {
    for (depth, refill, comes_back_with) in [
        (r#"{ kind = "fixed", ready = 5 }"#, r#"{ kind = "batch", size = 3 }"#, 5),
        (r#"{ kind = "watermark", low = 1, high = 6 }"#, r#"{ kind = "immediate" }"#, 6),
    ] {
        let history = history(
            &[0.0, 10.0],
            &format!(
                r#"
                fault = [{{ at = "2s", kind = "crash", for = "1s" }}]
                [fleet]
                boots = "unlimited"
                [pool]
                depth = {depth}
                refill = {refill}
                exhausted = [{{ kind = "reject" }}]
                {LATENCIES}boot = "1s"
                "#
            ),
        );
        let back = history.boots_ms.iter().filter(|at| (2_000..10_000).contains(*at)).count();
        assert_eq!(back, comes_back_with, "{depth} {refill}: {:?}", history.boots_ms);
    }
}

#[test]
fn what_comes_in_overlapping_stalls_is_answered_in_the_order_in_which_it_came() {
    // One Sprite is left for the two that come meanwhile.
    let history = history(
        &[0.0, 1.5, 2.5],
        &format!(
            r#"
            fault = [
                {{ at = "1s", kind = "stall", for = "2s" }},
                {{ at = "2s", kind = "stall", for = "2s" }},
            ]
            [pool]
            depth = {{ kind = "fixed", ready = 2 }}
            refill = {{ kind = "never" }}
            exhausted = [{{ kind = "reject" }}]
            {LATENCIES}boot = "1s"
            [sprite]
            lifetime = "1h"
            "#
        ),
    );
    let outcomes: Vec<Outcome> = history.ended.values().map(|(outcome, _)| *outcome).collect();
    assert_eq!(outcomes, [Outcome::Warm, Outcome::Warm, Outcome::Rejected]);
}

#[test]
fn an_idle_sprite_of_the_same_key_serves_at_once_and_one_asleep_is_woken() {
    // The Sprite is idle from 1 s and asleep from 4 s.
    for (second, outcome, latency_ms) in [(2.0, Outcome::Warm, 0), (6.0, Outcome::Woken, 500)] {
        let history = history(
            &[0.0, second],
            &format!(
                r#"
                [pool]
                depth = {{ kind = "fixed", ready = 1 }}
                refill = {{ kind = "never" }}
                exhausted = [{{ kind = "wake" }}, {{ kind = "reject" }}]
                {LATENCIES}boot = "1s"
                wake = "500ms"
                sleep = "1s"
                [sprite]
                lifetime = "1s"
                idle_after = "2s"
                "#
            ),
        );
        assert_eq!(history.ended[&1], (outcome, latency_ms), "at {second} s");
    }
}

#[test]
fn a_tenant_that_prefers_its_own_sprite_gets_no_other() {
    // The Sprite is idle from 1 s, falls asleep from 3 s and is asleep at 4 s. The third request takes all
    // slots: the ready Sprite makes room.
    for (second, slots, outcome, latency_ms) in [
        (2.0, 2, Outcome::Warm, 0),
        (3.5, 2, Outcome::Woken, 1_000),
        (6.0, 2, Outcome::Woken, 500),
        (6.0, 1, Outcome::Woken, 500),
    ] {
        let history = history(
            &[0.0, second],
            &format!(
                r#"
                [fleet]
                slots = {slots}
                [pool]
                depth = {{ kind = "fixed", ready = 1 }}
                {LATENCIES}boot = "10ms"
                wake = "500ms"
                sleep = "1s"
                [sprite]
                lifetime = "1s"
                idle_after = "2s"
                prefers = "own"
                "#
            ),
        );
        assert_eq!(history.ended[&1], (outcome, latency_ms), "at {second} s, {slots} slots");
    }
}

#[test]
fn the_least_loaded_worker_is_not_the_one_that_boots_for_requests() {
    // Both workers are empty. The first request boots at one of them, so the second goes to the other, and so
    // on.
    let history = history(
        &[0.0, 0.1, 0.2, 0.3],
        &format!(
            r#"
            [fleet]
            workers = 2
            boots = 1
            placement = "least-loaded"
            [pool]
            depth = {{ kind = "fixed", ready = 0 }}
            exhausted = [{{ kind = "boot" }}]
            {LATENCIES}boot = "10s"
            [sprite]
            lifetime = "1h"
            "#
        ),
    );
    let latencies: Vec<u64> = history.ended.values().map(|(_, latency_ms)| *latency_ms).collect();
    assert_eq!(latencies, [10_000, 10_000, 19_800, 19_800]);
}

#[test]
fn only_sprites_that_sleep_count_against_their_bound() {
    // Three keys are idle at once, one of them may sleep.
    let history = history(
        &[0.0, 0.1, 0.2, 3.0, 3.1],
        &format!(
            r#"
            [pool]
            depth = {{ kind = "fixed", ready = 3 }}
            refill = {{ kind = "never" }}
            exhausted = [{{ kind = "wake" }}, {{ kind = "reject" }}]
            {LATENCIES}boot = "1s"
            [sprite]
            lifetime = "1s"
            idle_after = "10s"
            asleep = 1
            "#
        ),
    );
    assert_eq!(history.ended[&3].0, Outcome::Warm);
    assert_eq!(history.ended[&4].0, Outcome::Warm, "three were idle, none was given up for it");
}

#[test]
fn a_run_that_is_cut_off_has_no_failed_boots_that_nobody_had() {
    // Boots take longer than requests may after the end of the demand, so a boot is under way when the run is
    // cut off.
    let history = history(
        &[0.0, 1.0],
        &format!(
            r#"
            [pool]
            start = "empty"
            depth = {{ kind = "fixed", ready = 1 }}
            exhausted = [{{ kind = "wait" }}]
            {LATENCIES}boot = "1h"
            "#
        ),
    );
    let outcomes: Vec<Outcome> = history.ended.values().map(|(outcome, _)| *outcome).collect();
    assert_eq!(outcomes, [Outcome::Failed, Outcome::Failed]);
    assert!(!history.boots_ms.is_empty(), "boots are under way");
    assert_eq!(history.failing_streaks, [0; 0]);
}

/// Eight seconds after the depth was last wanted to be what it is.
#[test]
fn a_buffer_falls_when_less_has_been_wanted_for_a_whole_cooldown() {
    let text = format!(
        r#"
        [pool]
        depth = {{ kind = "buffer", percent = 100, max = 10, cooldown = "8s" }}
        exhausted = [{{ kind = "boot" }}]
        [sprite]
        lifetime = "5s"
        {LATENCIES}boot = "1s"
        "#
    );
    // In use from 1 s to 6 s, and from 10 s to 15 s: the second begins before the cooldown of the first ends.
    let history = history(&[0.0, 10.0, 30.0], &text);
    assert_eq!(history.depths[..2], [(1_000, 1), (23_000, 0)]);
}

/// A sixteenth of `ttl` is a second. The Sprite is ready from 1.5 s on, so the first whole second in which it
/// is idle begins at 2 s.
#[test]
fn on_misses_gives_up_what_was_idle_in_every_sixteenth_of_its_ttl() {
    let text = format!(
        r#"
        [pool]
        depth = {{ kind = "on-misses", min = 0, max = 5, period = "1s", ttl = "16s" }}
        exhausted = [{{ kind = "reject" }}]
        {LATENCIES}boot = "500ms"
        "#
    );
    let idle = history(&[0.0, 30.0], &text);
    assert_eq!((&idle.depths[..], &idle.given_up_ms[..]), (&[(1_000, 1), (18_000, 0)][..], &[18_000][..]));
    let used = history(&[0.0, 10.0, 30.0], &text);
    assert_eq!(used.depths[..2], [(1_000, 1), (27_000, 0)], "it was taken at 10 s and back at 10.5 s");
}

/// In Berlin the clock goes from 02:00 to 03:00 at 01:00 UTC in March, and from 03:00 to 02:00 at 01:00 UTC
/// in October.
#[test]
fn a_window_is_read_off_the_clock_on_the_wall_also_on_the_days_on_which_it_is_changed() {
    for (begins, depths) in [
        ("2024-03-31T00:00:00Z", &[(1_800, 2), (3_600, 0)][..]),
        ("2024-10-26T23:00:00Z", &[(1_800, 2), (5_400, 0), (7_200, 2), (9_000, 0)][..]),
    ] {
        let history = history(
            &[0.0, 10_000.0],
            &format!(
                r#"
                [clock]
                begins = "{begins}"
                [pool]
                exhausted = [{{ kind = "reject" }}]
                [pool.depth]
                kind = "schedule"
                otherwise = {{ kind = "fixed", ready = 0 }}
                windows = [{{ timezone = "Europe/Berlin", from = "01:30", to = "02:30", depth = {{ kind = "fixed", ready = 2 }} }}]
                {LATENCIES}boot = "1s"
                "#
            ),
        );
        let depths: Vec<(u64, u32)> = depths.iter().map(|(second, depth)| (second * 1_000, *depth)).collect();
        assert_eq!(history.depths, depths, "{begins}");
    }
}

#[test]
fn who_no_step_serves_is_rejected_and_after_a_failed_boot_of_its_own_has_failed() {
    let text = |slots: u32, exhausted: &str| {
        format!(
            r#"
            fault = [{{ at = "0s", kind = "failed-boots", for = "5s" }}]
            [fleet]
            slots = {slots}
            [pool]
            depth = {{ kind = "fixed", ready = 1 }}
            refill = {{ kind = "never" }}
            exhausted = {exhausted}
            [sprite]
            lifetime = "1m"
            {LATENCIES}boot = "1s"
            "#
        )
    };
    let boot = r#"[{ kind = "boot" }]"#;
    let boot_then_reject = r#"[{ kind = "boot" }, { kind = "reject" }]"#;
    for (slots, exhausted, outcome, latency_ms) in [
        (9, boot, Outcome::Failed, 1_000),
        (9, boot_then_reject, Outcome::Failed, 1_000),
        (1, boot, Outcome::Rejected, 0),
        (1, boot_then_reject, Outcome::Rejected, 0),
        (9, r#"[{ kind = "reject" }]"#, Outcome::Rejected, 0),
    ] {
        let history = history(&[0.0, 1.0], &text(slots, exhausted));
        assert_eq!(history.ended[&1], (outcome, latency_ms), "{slots} slots, {exhausted}");
    }
}

#[test]
fn a_crash_ends_who_waits_forgets_what_has_not_begun_and_begins_anew() {
    let history = history(
        &[0.0, 1.0, 9.0],
        &format!(
            r#"
            fault = [{{ at = "2s", worker = 0, kind = "crash", for = "1s" }}]
            [fleet]
            boots = 1
            [pool]
            depth = {{ kind = "fixed", ready = 1 }}
            exhausted = [{{ kind = "wait", deadline = "60s" }}]
            {LATENCIES}boot = "3s"
            "#
        ),
    );
    assert_eq!(history.ended[&1], (Outcome::Failed, 1_000));
    assert_eq!(history.boots_ms, [0, 3_000, 9_000], "one after the other would have been at 3 s and 6 s");
    assert_eq!(history.ended[&2].0, Outcome::Warm);
}

/// The second request leaves at 1.5 s, but its boot goes on.
#[test]
fn a_boot_that_ends_at_the_depth_makes_a_ready_sprite_and_the_oldest_is_given_up() {
    let history = history(
        &[0.0, 0.5, 9.0],
        &format!(
            r#"
            [fleet]
            boots = "unlimited"
            [pool]
            depth = {{ kind = "fixed", ready = 1 }}
            exhausted = [{{ kind = "wait", deadline = "1s" }}]
            {LATENCIES}boot = "2s"
            "#
        ),
    );
    assert_eq!(history.ended[&1], (Outcome::Rejected, 1_000));
    assert_eq!((&history.boots_ms[..2], &history.given_up_ms[..]), (&[0, 500][..], &[2_500][..]));
}
