//! What isolation and neighbours cost, measured; each prints its figures. They want a quiet machine:
//! `cargo test --release -p shards --test figures -- --ignored --nocapture --test-threads 1`.

#![cfg(all(target_os = "linux", target_arch = "x86_64", not(warmpool_no_kvm)))]
#![allow(clippy::unwrap_used, reason = "a test says by a panic what went wrong")]

mod common;

use common::{LIMIT, bind, config, launch};
use microvm::bind::Request;
use shards::Shards;
use shards::isolate::Measure;
use std::time::{Duration, Instant};

/// How long starts take, one every few milliseconds, each of a VM of its own: p50, p90 and p99.
fn starts(shards: &Shards, count: usize) -> [Duration; 3] {
    let mut took: Vec<Duration> = (0..count)
        .map(|_| {
            let vm = shards.boot().unwrap();
            std::thread::sleep(Duration::from_millis(2));
            let begun = Instant::now();
            shards.start(vm, &bind("user"), LIMIT).unwrap();
            let took = begun.elapsed();
            shards.stop(vm).unwrap();
            took
        })
        .collect();
    took.sort_unstable();
    [count / 2, count * 9 / 10, count * 99 / 100].map(|at| took[at])
}

#[test]
#[ignore = "measures; wants a quiet machine"]
fn two_guests_that_spin_beside_starts_elsewhere() {
    let mut config = config(12);
    config.vms_per_shard = 4;
    let Some((shards, _lost)) = launch(config) else { return };
    if !shards.shards()[0].isolation.has(Measure::LowerPriority) {
        return eprintln!("skipped: no raised priority here; run as root, or `ulimit -e 35`");
    }
    let alone = starts(&shards, 500);
    let spinning = Duration::from_secs(60);
    let vms: Vec<_> = (0..2).map(|_| shards.boot().unwrap()).collect();
    for vm in &vms {
        shards.start(*vm, &bind("spins"), LIMIT).unwrap();
    }
    let beside = std::thread::scope(|scope| {
        for vm in &vms {
            let shards = &shards;
            scope.spawn(move || shards.request(*vm, Request::Spin(u64::MAX), spinning));
        }
        std::thread::sleep(Duration::from_millis(200));
        let beside = starts(&shards, 500);
        for shard in shards.shards() {
            // Their callers wait for a minute otherwise.
            rustix::process::kill_process(
                rustix::process::Pid::from_raw(shard.pid).unwrap(),
                rustix::process::Signal::KILL,
            )
            .unwrap();
        }
        beside
    });
    println!("starts: alone {alone:?}, beside two guests that spin {beside:?} (p50, p90, p99)");
    // At the urgency of starts they cost them 3.2 to 8.1 ms.
    assert!(beside[1] < Duration::from_millis(3), "{alone:?} {beside:?}");
}

#[test]
#[ignore = "measures; wants a quiet machine"]
fn a_process_for_each_vm() {
    for vms_per_shard in [32, 1] {
        let mut config = config(64);
        config.vms_per_shard = vms_per_shard;
        let available = || {
            let text = std::fs::read_to_string("/proc/meminfo").unwrap();
            let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:")).unwrap();
            line.split_whitespace().next().unwrap().parse::<i64>().unwrap()
        };
        let (before, begun) = (available(), Instant::now());
        let Some((shards, _lost)) = launch(config) else { return };
        let launched = begun.elapsed();
        let vms: Vec<_> = (0..60).map(|_| shards.boot().unwrap()).collect();
        std::thread::sleep(Duration::from_millis(200));
        let used = before - available();
        let start = starts(&shards, 300);
        println!(
            "{vms_per_shard} VMs per process: launch of {} processes {launched:?}; 60 warm VMs {} KiB each; \
             starts {start:?} (p50, p90, p99)",
            shards.shards().len(),
            used / 60
        );
        drop(vms);
    }
}
