//! A runtime that is gone leaves no thread, no descriptor, no VM and no actor. Alone in its process, so that
//! counts are exact.

#![allow(clippy::unwrap_used)]

mod fixtures;

use std::sync::Arc;

use actors::{Duration, Key};
use fixtures::*;
use runtime::{Config, JournalPaths};

fn count(folder: &str) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

fn live_and_die(shut_down: bool) {
    let (seen, machines) = (Seen::default(), Arc::new(Obedient::default()));
    let null = || Some("/dev/null".into());
    let journals = JournalPaths { deliveries: null(), arrivals: null(), ..JournalPaths::default() };
    let config = worker(8, 2, pool("depth = { kind = \"fixed\", ready = 4 }"));
    let runtime = full(&Config { journals, ..Config::default() }, config, machines.clone(), &seen);
    for _ in 0..10 {
        runtime.submit(WORKER, Key(0), Duration::from_millis(1));
        runtime.submit_and_start(WORKER, Key(0), Duration::ZERO);
    }
    if shut_down {
        runtime.shutdown().unwrap();
    } else {
        drop(runtime);
    }
    assert_eq!(machines.alive(), 0, "a VM is left");
    assert_eq!(Arc::strong_count(&machines), 1, "something still holds the machines");
    assert_eq!(Arc::strong_count(&seen.0), 1, "something still holds the observer");
}

#[test]
fn a_runtime_leaves_nothing_behind() {
    live_and_die(true);
    let (threads, files) = (count("/proc/self/task"), count("/proc/self/fd"));
    for round in 0..30 {
        live_and_die(round % 2 == 0);
    }
    assert_eq!((count("/proc/self/task"), count("/proc/self/fd")), (threads, files));
}
