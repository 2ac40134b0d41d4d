//! Processes that die: a shard takes only its own VMs, and the parent takes everything with it.

#![cfg(all(target_os = "linux", target_arch = "x86_64", not(warmpool_no_kvm)))]
#![allow(clippy::unwrap_used, reason = "a test says by a panic what went wrong")]

mod common;

use common::{LIMIT, bind, config, launch};
use microvm::bind::Request;
use microvm::sys::process::Ended;
use shards::{Lost, ShardsError, Stage, VmId};
use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn kill(pid: i32) {
    // SAFETY: numbers only; the process is a shard of this test's shards, or this test's child.
    assert_eq!(unsafe { libc::kill(pid, libc::SIGKILL) }, 0);
}

fn gone(pid: i32) -> bool {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(10) {
        let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        if state.is_empty() || state.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z'))
        {
            return true;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}

/// Whether every thread of a process is stopped.
fn stopped(pid: i32) -> bool {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    tasks
        .map(|task| std::fs::read_to_string(task.unwrap().path().join("stat")).unwrap())
        .all(|stat| stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('T')))
}

#[test]
fn a_shard_killed_in_a_burst_takes_only_its_own_vms_and_is_replaced() {
    let mut config = config(32);
    config.vms_per_shard = 8;
    let Some((shards, lost)) = launch(config) else { return };
    let vms: Vec<VmId> = (0..32).map(|_| shards.boot().unwrap()).collect();
    for vm in &vms {
        shards.start(*vm, &bind("user"), LIMIT).unwrap();
        shards.request(*vm, Request::Add(vm.0), LIMIT).unwrap();
    }
    // A saved sleeper is in no shard.
    shards.sleep(vms[0], Stage::Saved).unwrap();
    let victim = shards.shards()[1];
    let failed = std::thread::scope(|scope| {
        let bursts: Vec<_> = vms[1..]
            .chunks(8)
            .map(|vms| {
                let shards = &shards;
                scope.spawn(move || {
                    let mut failed = HashSet::new();
                    for turn in 0..60 {
                        for vm in vms {
                            match shards.request(*vm, Request::Get, LIMIT) {
                                Ok([value, ..]) => assert_eq!(value, vm.0, "turn {turn}"),
                                Err(ShardsError::ShardLost { .. } | ShardsError::Unknown(_)) => {
                                    failed.insert(*vm);
                                }
                                Err(other) => panic!("{other}"),
                            }
                        }
                    }
                    failed
                })
            })
            .collect();
        std::thread::sleep(Duration::from_millis(10));
        kill(victim.pid);
        bursts.into_iter().flat_map(|burst| burst.join().unwrap()).collect::<HashSet<_>>()
    });
    let report: Lost = lost.recv_timeout(Duration::from_secs(10)).unwrap();
    assert_eq!(
        (report.shard, report.pid, report.ended),
        (victim.number, victim.pid, Ended::Killed(libc::SIGKILL))
    );
    assert_eq!(report.vms.len(), victim.vms);
    assert!(failed.iter().all(|vm| report.vms.contains(vm)), "a VM of another shard failed");
    for vm in &vms {
        match shards.request(*vm, Request::Get, LIMIT) {
            Ok([value, ..]) => assert!(value == vm.0 && !report.vms.contains(vm)),
            Err(ShardsError::Unknown(_)) => assert!(report.vms.contains(vm)),
            Err(ShardsError::Refused { .. }) => assert_eq!(*vm, vms[0]),
            Err(other) => panic!("{other}"),
        }
    }
    shards.wake(vms[0], LIMIT).unwrap();
    assert_eq!(shards.request(vms[0], Request::Get, LIMIT).unwrap()[0], vms[0].0);
    // A new shard takes its place, and there is room again.
    let start = Instant::now();
    while shards.shards().len() < 4 {
        assert!(start.elapsed() < Duration::from_secs(10), "the shard was not replaced");
        std::thread::sleep(Duration::from_millis(5));
    }
    let room = 32 - (vms.len() - report.vms.len());
    for _ in 0..room {
        let vm = shards.boot().unwrap();
        shards.start(vm, &bind("user"), LIMIT).unwrap();
    }
    assert!(lost.try_recv().is_err(), "no other shard ended");
}

#[test]
fn a_stopped_shard_is_noticed_and_killed() {
    let Some((shards, lost)) = launch(config(2)) else { return };
    let vm = shards.boot().unwrap();
    shards.start(vm, &bind("user"), LIMIT).unwrap();
    let pid = shards.shards()[0].pid;
    // SAFETY: numbers only; the process is this test's shard.
    assert_eq!(unsafe { libc::kill(pid, libc::SIGSTOP) }, 0);
    let start = Instant::now();
    while !stopped(pid) {
        assert!(start.elapsed() < Duration::from_secs(10), "the shard does not stop");
        std::thread::sleep(Duration::from_millis(1));
    }
    // Nothing was begun, so nothing is lost by asking.
    let error = shards.request(vm, Request::Get, Duration::from_millis(100)).unwrap_err();
    assert!(matches!(error, ShardsError::Busy { .. }), "{error}");
    let report = lost.recv_timeout(Duration::from_secs(10)).unwrap();
    assert!(start.elapsed() < Duration::from_secs(2), "noticed after {:?}", start.elapsed());
    assert!(report.hung);
    assert_eq!(report.ended, Ended::Killed(libc::SIGKILL));
    assert_eq!(report.vms, [vm]);
    assert!(matches!(shards.request(vm, Request::Get, LIMIT), Err(ShardsError::Unknown(_))));
}

#[test]
fn an_idle_shard_that_hangs_is_noticed_and_replaced_while_others_serve() {
    let mut config = config(4);
    config.vms_per_shard = 2;
    let Some((shards, lost)) = launch(config) else { return };
    let [one, other] = [(); 2].map(|()| shards.boot().unwrap());
    for vm in [one, other] {
        shards.start(vm, &bind("user"), LIMIT).unwrap();
    }
    let hung = shards.shards()[0].pid;
    // SAFETY: numbers only; the process is this test's shard.
    assert_eq!(unsafe { libc::kill(hung, libc::SIGSTOP) }, 0);
    let start = Instant::now();
    let mut worst = Duration::ZERO;
    let report = loop {
        if let Ok(report) = lost.try_recv() {
            break report;
        }
        assert!(start.elapsed() < Duration::from_secs(5), "nobody noticed");
        for vm in [one, other] {
            let asked = Instant::now();
            if shards.request(vm, Request::Get, Duration::from_millis(20)).is_ok() {
                worst = worst.max(asked.elapsed());
            }
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    assert!(start.elapsed() < Duration::from_secs(2), "noticed after {:?}", start.elapsed());
    assert!(report.hung && report.pid == hung && report.vms.len() == 1, "{report:?}");
    assert!(worst < Duration::from_millis(500), "who was not hung took {worst:?}");
    while shards.shards().len() < 2 {
        assert!(start.elapsed() < Duration::from_secs(10), "no new shard took its place");
        std::thread::sleep(Duration::from_millis(1));
    }
    let survivor = if report.vms == [one] { other } else { one };
    shards.request(survivor, Request::Get, LIMIT).unwrap();
}

#[test]
fn dropping_a_fleet_leaves_no_process_and_no_file() {
    let directory = std::env::temp_dir().join(format!("warmpool-test-{}", std::process::id()));
    std::fs::create_dir(&directory).unwrap();
    let mut config = config(40);
    config.sleep_directory = directory.clone();
    if let Some((shards, _lost)) = launch(config) {
        let vm = shards.boot().unwrap();
        shards.start(vm, &bind("user"), LIMIT).unwrap();
        shards.sleep(vm, Stage::Saved).unwrap();
        assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 0, "the file has a name");
        let pids: Vec<i32> = shards.shards().iter().map(|shard| shard.pid).collect();
        drop(shards);
        for pid in pids {
            assert!(
                !std::path::Path::new(&format!("/proc/{pid}")).exists(),
                "{pid} is still there, or not reaped"
            );
        }
    }
    std::fs::remove_dir(&directory).unwrap();
}

/// Not a test by itself: the parent that the next test kills.
#[test]
#[ignore = "run by another test"]
fn parent_that_is_killed() {
    if std::env::var_os("WARMPOOL_TEST_PARENT").is_none() {
        return;
    }
    let Some((shards, _lost)) = launch(config(40)) else { return };
    for _ in 0..10 {
        let vm = shards.boot().unwrap();
        shards.start(vm, &bind("user"), LIMIT).unwrap();
    }
    let vm = shards.boot().unwrap();
    shards.start(vm, &bind("user"), LIMIT).unwrap();
    for shard in shards.shards() {
        println!("shard {}", shard.pid);
    }
    println!("ready");
    // Be killed while a guest runs.
    let _ = shards.request(vm, Request::Spin(u64::MAX), Duration::from_secs(60));
}

#[test]
fn killing_the_parent_leaves_no_shard() {
    if !support::has(&support::Need::Kvm) {
        return;
    }
    let mut parent = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "parent_that_is_killed", "--nocapture"])
        .env("WARMPOOL_TEST_PARENT", "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(parent.stdout.take().unwrap());
    let mut shards = Vec::new();
    for line in output.lines() {
        let line = line.unwrap();
        match line.split_once("shard ") {
            Some((_, pid)) => shards.push(pid.trim().parse().unwrap()),
            None if line.contains("ready") => break,
            None => {}
        }
    }
    assert_eq!(shards.len(), 2);
    std::thread::sleep(Duration::from_millis(50));
    parent.kill().unwrap();
    parent.wait().unwrap();
    for pid in shards {
        assert!(gone(pid), "shard {pid} outlived its parent");
    }
}
