//! A real trace against an independent replay of it, to the request.

mod common;

use std::path::{Path, PathBuf};

use actors::Outcome;
use common::{Counts, run, scenario};

/// The trace, where it lies beside the project.
fn trace() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/traces");
    let folder = std::env::var_os("WARMPOOL_TRACES").map_or(beside, PathBuf::from);
    let path = folder.join("azure-llm-conv.csv");
    support::has(&support::Need::Trace(path.clone())).then_some(path)
}

fn replay(refill: &str, exhausted: &str) -> Option<Counts> {
    let trace = trace()?;
    let text = format!(
        r#"
        [fleet]
        slots = 100000
        boots = "unlimited"
        [pool]
        depth = {{ kind = "fixed", ready = 30 }}
        refill = {refill}
        exhausted = [ {exhausted} ]
        [latency]
        start = "0s"
        boot = "2.5s"
        [demand]
        trace = "{}"
        "#,
        trace.display()
    );
    let mut counts = Counts::default();
    run(&scenario(&text), &mut counts);
    assert_eq!(counts.requests(), 19_366);
    Some(counts)
}

#[test]
fn misses_are_those_of_the_reference() {
    for (refill, misses) in [
        (r#"{ kind = "immediate" }"#, 20),
        (r#"{ kind = "delay", hold = "1s" }"#, 7_487),
        (r#"{ kind = "rate", per_second = 5.0, burst = 5 }"#, 2_772),
        (r#"{ kind = "delay", hold = "1s", longest = "2s", low = 10 }"#, 708),
    ] {
        let Some(counts) = replay(refill, r#"{ kind = "boot" }"#) else { return };
        assert_eq!(counts.misses(), misses, "{refill}");
    }
}

#[test]
fn waits_are_those_of_the_reference() {
    let Some(counts) = replay(r#"{ kind = "immediate" }"#, r#"{ kind = "wait", queue = 100000 }"#) else {
        return;
    };
    assert_eq!(counts.of(Outcome::Waited), 37);
    assert_eq!(counts.misses(), 37);
    assert_eq!(counts.longest_ns, 419_955_000);
}
