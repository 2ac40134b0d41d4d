//! What faults do while they last, and that it is over when they are: also where two of them overlap, and for
//! timers that fall due while nothing answers.

mod common;

use actors::{Observation, Observer, Outcome, State, Time};
use common::{Counts, Rules, run, scenario};

/// Requests once a second, each with a boot of its own that takes 100 ms.
fn booted(faults: &str) -> Counts {
    let text = format!(
        r#"
        fault = [{faults}]
        [pool]
        depth = {{ kind = "fixed", ready = 0 }}
        exhausted = [{{ kind = "boot" }}]
        [latency]
        start = "0s"
        boot = "100ms"
        [[demand]]
        to = 1
        for = "60s"
        arrivals = "even"
        "#
    );
    let scenario = scenario(&text);
    let mut rules = Rules::new(&scenario);
    let ended = run(&scenario, &mut rules);
    rules.finish(&ended);
    let mut counts = Counts::default();
    run(&scenario, &mut counts);
    counts
}

#[test]
fn a_shorter_fault_within_a_longer_one_changes_nothing_or_adds_to_it() {
    for (kind, within) in [("crash", false), ("stall", false), ("failed-boots", false), ("slow-boots", true)]
    {
        let long = format!(r#"{{ at = "0s", kind = "{kind}", for = "50s" }}"#);
        let short = format!(r#"{{ at = "5s", kind = "{kind}", for = "1s" }}"#);
        let factor = |fault: &str| {
            if kind == "slow-boots" { fault.replace("for", "factor = 10, for") } else { fault.to_owned() }
        };
        let (alone, both) = (booted(&factor(&long)), booted(&factor(&format!("{long}, {short}"))));
        assert_eq!(alone.outcomes, both.outcomes, "{kind}");
        assert_eq!(
            both.longest_ns > alone.longest_ns,
            within,
            "{kind}: {} {}",
            alone.longest_ns,
            both.longest_ns
        );
    }
    assert_eq!(booted(r#"{ at = "0s", kind = "crash", for = "50s" }"#).of(Outcome::Failed), 50);
}

#[test]
fn a_fault_at_the_beginning_strikes_the_boots_that_begin_then() {
    let text = r#"
        fault = [{ at = "0s", kind = "slow-boots", factor = 10, for = "1s" }]
        [pool]
        start = "empty"
        depth = { kind = "fixed", ready = 1 }
        exhausted = [{ kind = "wait" }]
        [latency]
        start = "0s"
        boot = "100ms"
        [[demand]]
        to = 0.1
        for = "5s"
        arrivals = "even"
        "#;
    let mut counts = Counts::default();
    run(&scenario(text), &mut counts);
    assert_eq!(counts.longest_ns, 1_000_000_000);
}

/// The longest wait of requests that may wait for a second, where no boot ever ends and a stall comes in
/// between.
#[test]
fn deadlines_that_fall_due_in_a_stall_are_met_when_it_is_over_and_those_after_it_in_time() {
    let text = r#"
        fault = [{ at = "5.5s", kind = "stall", for = "5s" }]
        [pool]
        depth = { kind = "fixed", ready = 0 }
        exhausted = [{ kind = "wait", deadline = "1s" }, { kind = "reject" }]
        [latency]
        boot = "1000s"
        [[demand]]
        to = 1
        for = "60s"
        arrivals = "even"
        "#;
    let mut counts = Counts::default();
    run(&scenario(text), &mut counts);
    assert_eq!(counts.of(Outcome::Rejected), 60);
    // The one that came at 5 s is answered when the stall is over, at 10.5 s.
    assert_eq!(counts.longest_ns, 5_500_000_000);
}

/// Whether a fault of the host was observed, and how many Sprites were lost.
#[derive(Default)]
struct Seen {
    closed: Option<Time>,
    outages: u32,
    lost: u32,
    failed: u32,
    last: Time,
}

impl Observer for Seen {
    fn closed(&mut self, at: Time) {
        self.closed = Some(at);
    }

    fn observe(&mut self, at: Time, observation: Observation) {
        self.last = at;
        self.failed += u32::from(matches!(observation, Observation::Ended { outcome: Outcome::Failed, .. }));
        if self.closed.is_none() {
            self.outages += u32::from(matches!(observation, Observation::Host { .. }));
            self.lost += u32::from(matches!(observation, Observation::Sprite { is: State::Failed, .. }));
        }
    }

    fn opened(&mut self, _at: Time) {}
}

#[test]
fn who_is_never_served_fails_ten_minutes_after_the_demand_and_the_run_ends_there() {
    let cases = [
        // Waits for a slot that is never free.
        ("[sprite]\nlifetime = \"2h\"\n[fleet]\nslots = 10\n", ""),
        // Has not even come to its worker.
        ("", r#"fault = [{ at = "10s", kind = "stall", for = "1h" }]"#),
        // Boots fail for ever, and the host is down behind a stall.
        (
            "[latency]\nboot_failures = 1.0\n",
            r#"fault = [{ at = "0s", kind = "stall", for = "20m" }, { at = "0s", kind = "crash", for = "20m" }]"#,
        ),
        // On its way between two workers that never have a Sprite.
        (
            "[fleet]\nworkers = 2\nslots = 1\n[sprite]\nlifetime = \"2h\"\n",
            r#"fault = [{ at = "55s", kind = "stall", for = "2h" }]"#,
        ),
    ];
    for (tables, fault) in cases {
        let exhausted =
            if tables.contains("workers") { r#"{ kind = "spill", hops = 1, cost = "30s" }, "# } else { "" };
        let text = format!(
            r#"
            {fault}
            [pool]
            depth = {{ kind = "fixed", ready = 1 }}
            exhausted = [{exhausted}{{ kind = "wait" }}]
            {tables}
            [[demand]]
            to = 1
            for = "1m"
            arrivals = "even"
            "#
        );
        let scenario = scenario(&text);
        let mut rules = Rules::new(&scenario);
        let ended = run(&scenario, &mut rules);
        rules.finish(&ended);
        let mut seen = Seen::default();
        let ended = run(&scenario, &mut seen);
        assert!(ended.unfinished > 0 && u64::from(seen.failed) >= ended.unfinished, "{text}");
        let limit = Time::from_nanos(660_000_000_000);
        assert_eq!((ended.ended, seen.closed), (limit, Some(limit)), "{text}");
        assert!(seen.last <= limit);
        let crashes = u32::from(text.contains("crash"));
        assert_eq!((seen.outages, seen.lost > 0), (crashes, crashes > 0), "nothing is invented: {text}");
    }
}

#[test]
fn what_a_host_refuses_costs_time_and_nobody_its_vm() {
    let refusing = |refusals: &str| {
        let text = format!(
            r#"
            [fleet]
            slots = 60
            boots = 4
            [tenants]
            count = 20
            [pool]
            depth = {{ kind = "fixed", ready = 0 }}
            exhausted = [{{ kind = "wake" }}, {{ kind = "boot" }}]
            [latency]
            {refusals}
            [sprite]
            lifetime = "100ms"
            idle_after = "1s"
            asleep = 60
            [[demand]]
            to = 10
            for = "60s"
            "#
        );
        let mut seen = Refusals::default();
        run(&scenario(&text), &mut seen);
        assert_eq!((seen.lost, seen.failed), (0, 0), "{refusals}");
        seen
    };
    let none = refusing("");
    assert_eq!(none.refused, 0);
    assert!(none.slept > 20 && none.woken > 20, "{} slept, {} were woken", none.slept, none.woken);
    let never_asleep = refusing("sleep_refusals = 1.0");
    assert!(never_asleep.refused > 100, "it is tried again and again: {}", never_asleep.refused);
    assert_eq!((never_asleep.slept, never_asleep.woken), (0, 0));
    let never_woken = refusing("wake_refusals = 1.0");
    assert!(never_woken.refused > 20 && never_woken.slept > 20, "{}", never_woken.refused);
    assert_eq!(never_woken.woken, 0, "who asks for a sleeper is served by a boot");
}

/// What was refused, who slept and was woken all the same, and what was lost.
#[derive(Default)]
struct Refusals {
    refused: u32,
    slept: u32,
    woken: u32,
    lost: u32,
    failed: u32,
}

impl Observer for Refusals {
    fn observe(&mut self, _at: Time, observation: Observation) {
        match observation {
            Observation::Refused { .. } => self.refused += 1,
            Observation::Sprite { was: State::Idle, is: State::Asleep, .. } => self.slept += 1,
            Observation::Sprite { is: State::Failed, .. } => self.lost += 1,
            Observation::Ended { outcome: Outcome::Woken, .. } => self.woken += 1,
            Observation::Ended { outcome: Outcome::Failed, .. } => self.failed += 1,
            _ => {}
        }
    }

    fn opened(&mut self, _at: Time) {}

    fn closed(&mut self, _at: Time) {}
}
