//! The shards from its caller's side: many VMs, many threads, both stages of sleep, guests that misbehave,
//! and nothing left behind.

#![cfg(all(target_os = "linux", target_arch = "x86_64", not(warmpool_no_kvm)))]
#![allow(clippy::unwrap_used, reason = "a test says by a panic what went wrong")]

mod common;

use common::{ANSWERS_ONCE, LIMIT, MEMORY_BYTES, NEVER_ANSWERS, bind, config, hypervisor, launch};
use microvm::bind::{Key, Request};
use microvm::template::Template;
use microvm::training::capture;
use shards::isolate::Measure;
use shards::{Memory, Shards, ShardsError, Stage, VmId};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::{Duration, Instant};

#[test]
fn a_vm_lives_from_boot_to_stop() {
    let Some((shards, _lost)) = launch(config(4)) else { return };
    let vm = shards.boot().unwrap();
    let error = shards.request(vm, Request::Get, LIMIT).unwrap_err();
    assert!(matches!(error, ShardsError::Refused { .. }), "{error}");
    let first = shards.start(vm, &bind("user"), LIMIT).unwrap();
    assert_eq!(shards.request(vm, Request::Add(41), LIMIT).unwrap()[0], 41);
    assert!(matches!(shards.start(vm, &bind("user"), LIMIT), Err(ShardsError::Refused { .. })));
    shards.sleep(vm, Stage::Kept).unwrap();
    assert!(matches!(shards.request(vm, Request::Get, LIMIT), Err(ShardsError::Refused { .. })));
    let second = shards.wake(vm, LIMIT).unwrap();
    assert!(second.generation > first.generation);
    shards.sleep(vm, Stage::Saved).unwrap();
    assert!(matches!(shards.request(vm, Request::Get, LIMIT), Err(ShardsError::Refused { .. })));
    assert_eq!(shards.shards().iter().map(|shard| shard.vms).sum::<usize>(), 0);
    shards.wake(vm, LIMIT).unwrap();
    assert_eq!(shards.request(vm, Request::Add(1), LIMIT).unwrap()[0], 42);
    shards.stop(vm).unwrap();
    assert!(matches!(shards.stop(vm), Err(ShardsError::Unknown(gone)) if gone == vm));
}

#[test]
fn a_sleeper_goes_from_the_first_stage_to_the_second_and_makes_room() {
    let Some((shards, _lost)) = launch(config(1)) else { return };
    let sleeper = shards.boot().unwrap();
    shards.start(sleeper, &bind("user"), LIMIT).unwrap();
    shards.request(sleeper, Request::Add(7), LIMIT).unwrap();
    shards.sleep(sleeper, Stage::Kept).unwrap();
    assert!(matches!(shards.boot(), Err(ShardsError::Full { vms_max: 1 })));
    shards.sleep(sleeper, Stage::Saved).unwrap();
    let other = shards.boot().unwrap();
    let error = shards.wake(sleeper, LIMIT).unwrap_err();
    assert!(matches!(error, ShardsError::Full { .. }), "{error}");
    shards.stop(other).unwrap();
    shards.wake(sleeper, LIMIT).unwrap();
    assert_eq!(shards.request(sleeper, Request::Get, LIMIT).unwrap()[0], 7);
}

#[test]
fn a_sleeper_that_cannot_be_written_stays_awake() {
    let mut config = config(1);
    config.sleep_directory = "/nonexistent/warmpool".into();
    let Some((shards, _lost)) = launch(config) else { return };
    let vm = shards.boot().unwrap();
    shards.start(vm, &bind("user"), LIMIT).unwrap();
    assert!(matches!(shards.sleep(vm, Stage::Saved), Err(ShardsError::SleepFile { .. })));
    assert_eq!(shards.request(vm, Request::Add(1), LIMIT).unwrap()[0], 1);
}

#[test]
fn many_threads_use_many_vms_of_many_shards() {
    let mut config = config(64);
    config.vms_per_shard = 16;
    let Some((shards, _lost)) = launch(config) else { return };
    let proofs = Mutex::new(HashSet::new());
    std::thread::scope(|scope| {
        for thread in 0..8_u64 {
            let (shards, proofs) = (&shards, &proofs);
            scope.spawn(move || {
                for turn in 0..12 {
                    let key = format!("{thread}/{turn}");
                    let vm = shards.boot().unwrap();
                    let ack = shards.start(vm, &bind(&key), LIMIT).unwrap();
                    assert!(proofs.lock().unwrap().insert((ack.generation, ack.proof)));
                    let sum = shards.request(vm, Request::Add(thread * 1000 + turn), LIMIT).unwrap()[0];
                    assert_eq!(sum, thread * 1000 + turn);
                    let stage = if turn % 2 == 0 { Stage::Kept } else { Stage::Saved };
                    shards.sleep(vm, stage).unwrap();
                    shards.wake(vm, LIMIT).unwrap();
                    assert_eq!(shards.request(vm, Request::Get, LIMIT).unwrap()[0], sum);
                    shards.stop(vm).unwrap();
                }
            });
        }
    });
    let generations: HashSet<_> = proofs.into_inner().unwrap().into_iter().map(|(g, _)| g).collect();
    assert_eq!(generations.len(), 96);
    assert_eq!(shards.shards().iter().map(|shard| shard.vms).sum::<usize>(), 0);
}

#[test]
fn recycling_through_a_shard_is_for_the_same_key_only() {
    let Some((shards, _lost)) = launch(config(1)) else { return };
    let vm = shards.boot().unwrap();
    shards.start(vm, &bind("mine"), LIMIT).unwrap();
    shards.request(vm, Request::Add(5), LIMIT).unwrap();
    let error = shards.recycle(vm, &Key::new("yours").unwrap()).unwrap_err();
    assert!(matches!(error, ShardsError::Refused { .. }), "{error}");
    shards.recycle(vm, &Key::new("mine").unwrap()).unwrap();
    assert!(matches!(shards.start(vm, &bind("yours"), LIMIT), Err(ShardsError::Refused { .. })));
    shards.start(vm, &bind("mine"), LIMIT).unwrap();
    assert_eq!(shards.request(vm, Request::Get, LIMIT).unwrap()[0], 0);
}

#[test]
fn a_hung_guest_is_dropped_in_time_and_holds_up_nobody() {
    let mut config = config(8);
    config.vms_per_shard = 8;
    let Some((shards, _lost)) = launch(config) else { return };
    let [hung, fine] = [shards.boot().unwrap(), shards.boot().unwrap()];
    for vm in [hung, fine] {
        shards.start(vm, &bind("user"), LIMIT).unwrap();
    }
    let limit = Duration::from_secs(4);
    std::thread::scope(|scope| {
        let hanging = scope.spawn(|| shards.request(hung, Request::Spin(u64::MAX), limit));
        std::thread::sleep(Duration::from_millis(100));
        let start = Instant::now();
        for turn in 1..=20 {
            assert_eq!(shards.request(fine, Request::Add(1), LIMIT).unwrap()[0], turn);
        }
        assert!(start.elapsed() < Duration::from_secs(3), "the hung guest held the shard up");
        let error = hanging.join().unwrap().unwrap_err();
        assert!(matches!(error, ShardsError::TimedOut { vm, .. } if vm == hung), "{error}");
    });
    assert!(matches!(shards.request(hung, Request::Get, LIMIT), Err(ShardsError::Unknown(_))));
    assert_eq!(shards.shards()[0].vms, 1);
    assert_eq!(shards.request(fine, Request::Add(1), LIMIT).unwrap()[0], 21);
}

#[test]
fn as_many_hung_guests_as_runners_cost_nobody_else_a_vm() {
    let mut config = config(4);
    config.runners_per_shard = 2;
    let Some((shards, lost)) = launch(config) else { return };
    let vms: Vec<_> = (0..3).map(|_| shards.boot().unwrap()).collect();
    for vm in &vms {
        shards.start(*vm, &bind("user"), LIMIT).unwrap();
    }
    // Long enough for both to come to it on a machine whose every processor one of them keeps busy.
    let hung = Duration::from_secs(6);
    std::thread::scope(|scope| {
        for vm in &vms[..2] {
            let shards = &shards;
            scope.spawn(move || shards.request(*vm, Request::Spin(u64::MAX), hung));
        }
        // Until both are at it, the third is still served.
        let begun = Instant::now();
        let error = loop {
            match shards.request(vms[2], Request::Add(0), Duration::from_millis(100)) {
                Ok(_) => assert!(begun.elapsed() < hung, "nobody was held up"),
                Err(error) => break error,
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        assert!(matches!(error, ShardsError::Busy { .. }), "{error}");
    });
    assert_eq!(shards.request(vms[2], Request::Add(1), LIMIT).unwrap()[0], 1);
    assert!(lost.try_recv().is_err(), "the shard was taken for hung");
}

#[test]
fn a_guest_that_never_acknowledges_is_never_handed_out() {
    let Some(hypervisor) = hypervisor() else { return };
    let template =
        |image| Template::capture_untrained(&hypervisor, Arc::new(image), MEMORY_BYTES).unwrap().into();
    let (shards, _lost) = Shards::launch(config(1), &template(ANSWERS_ONCE)).unwrap();
    let vm = shards.boot().unwrap();
    let start = Instant::now();
    let error = shards.start(vm, &bind("user"), Duration::from_millis(100)).unwrap_err();
    // Where forks do not run ahead, its one answer is to the start, and says nothing.
    assert!(matches!(error, ShardsError::TimedOut { .. } | ShardsError::Failed { .. }), "{error}");
    assert!(start.elapsed() < Duration::from_secs(2));
    assert!(matches!(shards.start(vm, &bind("user"), LIMIT), Err(ShardsError::Unknown(_))));
    assert_eq!(shards.shards()[0].vms, 0);

    let (shards, _lost) = Shards::launch(config(1), &template(NEVER_ANSWERS)).unwrap();
    match shards.boot() {
        Err(ShardsError::TimedOut { .. }) => {}
        // Where forks do not run ahead, the boot succeeds and the start does not.
        Ok(vm) => {
            let error = shards.start(vm, &bind("user"), Duration::from_millis(100)).unwrap_err();
            assert!(matches!(error, ShardsError::TimedOut { .. }), "{error}");
        }
        Err(other) => panic!("{other}"),
    }
    assert_eq!(shards.shards()[0].vms, 0);
}

#[test]
fn shards_are_isolated() {
    let Some((shards, _lost)) = launch(config(1)) else { return };
    let shard = shards.shards()[0];
    for measure in Measure::REQUIRED {
        assert!(shard.isolation.has(measure), "{measure:?}");
    }
    if !shard.isolation.missed().is_empty() {
        eprintln!("note: not permitted here: {:?}", shard.isolation.missed());
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", shard.pid)).unwrap();
    let field = |name: &str| {
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap_or_else(|| panic!("{name} {status}"));
        line.trim_start_matches(':').split_whitespace().next().unwrap().to_owned()
    };
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(field(set), "0000000000000000", "{set}");
    }
    assert_eq!(field("NoNewPrivs"), "1");
    assert_eq!(field("Seccomp"), "2");
    for task in std::fs::read_dir(format!("/proc/{}/task", shard.pid)).unwrap() {
        let status = std::fs::read_to_string(task.unwrap().path().join("status")).unwrap();
        assert!(status.contains("Seccomp:\t2") && status.contains("CapEff:\t0000000000000000"), "{status}");
    }
    if let Ok(directory) = std::fs::read_dir(format!("/proc/{}/fd", shard.pid)) {
        let open: Vec<_> =
            directory.map(|entry| std::fs::read_link(entry.unwrap().path()).unwrap_or_default()).collect();
        assert!(open.len() <= 10, "{open:?}");
        let strange = open.iter().map(|path| path.to_string_lossy()).find(|path| {
            let known = ["/dev/null", "/dev/kvm", "/memfd:warmpool-", "/proc/"];
            path.starts_with('/') && !known.iter().any(|known| path.starts_with(known))
        });
        assert!(strange.is_none(), "{open:?}");
        // Its standard error is a pipe to its parent, and not its parent's own.
        let error = std::fs::read_link(format!("/proc/{}/fd/2", shard.pid)).unwrap();
        assert!(error.to_string_lossy().starts_with("pipe:"), "{error:?}");
        assert_ne!(error, std::fs::read_link("/proc/self/fd/2").unwrap());
    }
}

#[test]
fn speculation_is_off_where_a_process_may_choose() {
    let Some((shards, _lost)) = launch(config(1)) else { return };
    let shard = shards.shards()[0];
    let status = std::fs::read_to_string(format!("/proc/{}/status", shard.pid)).unwrap();
    let lines: Vec<_> = status.lines().filter(|line| line.starts_with("Speculation")).collect();
    let open = |line: &&str| line.ends_with("thread vulnerable") || line.ends_with("conditional enabled");
    if shard.isolation.has(Measure::Speculation) {
        assert!(!lines.iter().any(open), "{lines:?}");
    } else {
        eprintln!("note: the host does not let a process choose: {lines:?}");
    }
}

#[test]
fn shards_go_first_when_memory_is_short() {
    let Some((shards, _lost)) = launch(config(1)) else { return };
    let shard = shards.shards()[0];
    let score = |pid: &str| {
        let text = std::fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).unwrap();
        text.trim().parse::<i32>().unwrap()
    };
    assert!(shard.isolation.has(Measure::GoesFirst));
    assert!(score(&shard.pid.to_string()) >= score("self") + 500);
}

/// The niceness of each runner of a shard, the least first.
fn runners(pid: i32) -> Vec<i64> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let mut all: Vec<i64> = tasks
        .filter_map(|task| {
            let stat = std::fs::read_to_string(task.unwrap().path().join("stat")).ok()?;
            let (name, fields) = stat.split_once('(')?.1.rsplit_once(')')?;
            // Of the fields after the name the sixteenth but one is the niceness, see `man proc`.
            let niceness = fields.split_whitespace().nth(16)?.parse().ok()?;
            name.starts_with("runner-").then_some(niceness)
        })
        .collect();
    all.sort_unstable();
    all
}

#[test]
fn a_guest_that_runs_on_gives_way_after_its_first_slice_and_only_meanwhile() {
    let Some((shards, _lost)) = launch(config(1)) else { return };
    let shard = shards.shards()[0];
    if !shard.isolation.has(Measure::LowerPriority) {
        return eprintln!("skipped: no raised priority here; run as root, or `ulimit -e 35`");
    }
    let vm = shards.boot().unwrap();
    shards.start(vm, &bind("user"), LIMIT).unwrap();
    assert!(runners(shard.pid).iter().all(|niceness| *niceness == -15), "{:?}", runners(shard.pid));
    std::thread::scope(|scope| {
        let spin = scope.spawn(|| shards.request(vm, Request::Spin(u64::MAX), Duration::from_secs(1)));
        let begun = Instant::now();
        while runners(shard.pid).last() != Some(&10) {
            assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", runners(shard.pid));
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(runners(shard.pid)[0], -15, "others are as urgent as before");
        spin.join().unwrap().unwrap_err();
    });
    let begun = Instant::now();
    while runners(shard.pid).last() != Some(&-15) {
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", runners(shard.pid));
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn impossible_fleets_are_refused_with_the_bound() {
    let Some(hypervisor) = hypervisor() else { return };
    let template = capture(&hypervisor, Arc::new(microvm::guest::EMBEDDED), MEMORY_BYTES).unwrap();
    for (vms_max, vms_per_shard) in [(0, 32), (8, 0), (8, 33)] {
        let mut config = config(vms_max);
        config.vms_per_shard = vms_per_shard;
        let error = Shards::launch(config, &template).err().unwrap();
        assert!(matches!(error, ShardsError::Config { .. }), "{error}");
    }
    let mut config = config(1);
    config.program = Some("/bin/true".into());
    let error = Shards::launch(config, &template).err().unwrap();
    assert!(matches!(error, ShardsError::Setup { .. }), "{error}");
}

fn descriptors(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

fn available_mib() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap();
    let line = text.lines().find(|line| line.starts_with("MemAvailable:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() >> 10
}

/// `WARMPOOL_BOOTS=10000` for the full count. What a VM costs is more than half a MiB, so that one in four
/// leaking would show above the bound at the usual count.
#[test]
fn descriptors_and_memory_are_back_after_many_boots() {
    let boots: usize = std::env::var("WARMPOOL_BOOTS").ok().map_or(2000, |count| count.parse().unwrap());
    let Some((shards, _lost)) = launch(config(64)) else { return };
    let round = |count: usize| {
        let vms: Vec<VmId> = (0..count).map(|_| shards.boot().unwrap()).collect();
        for (i, vm) in vms.iter().enumerate() {
            if i % 4 == 0 {
                shards.start(*vm, &bind("user"), LIMIT).unwrap();
            }
            if i % 16 == 0 {
                shards.sleep(*vm, Stage::Saved).unwrap();
            }
        }
        vms.into_iter().for_each(|vm| shards.stop(vm).unwrap());
    };
    round(64);
    let pids: Vec<u32> = shards.shards().iter().map(|shard| shard.pid as u32).collect();
    let count = || pids.iter().chain([&std::process::id()]).map(|pid| descriptors(*pid)).collect::<Vec<_>>();
    let shards_only = |counts: &[usize]| counts[..pids.len()].to_vec();
    let (before, memory_before) = (count(), available_mib());
    for _ in 0..boots.div_ceil(64) {
        round(64);
    }
    assert_eq!(shards_only(&count()), shards_only(&before));
    let bound = (boots as u64 / 8).max(150);
    // Other programs of this machine use memory too, so give it some time to come back.
    let patience = Instant::now();
    loop {
        let missing = memory_before.saturating_sub(available_mib());
        if missing < bound {
            break;
        }
        assert!(
            patience.elapsed() < Duration::from_secs(20),
            "{missing} MiB are missing after {boots} boots"
        );
        std::thread::sleep(Duration::from_millis(500));
    }
}

#[test]
fn a_cell_is_free_when_its_vm_is_gone() {
    // Six hundred times a VM is made where another has just ended: by a stop, by a file, and by its guest's
    // time out.
    let Some((shards, _lost)) = launch(config(32)) else { return };
    let cells: Vec<_> = (0..32).map(|_| shards.boot().unwrap()).collect();
    for vm in cells {
        shards.stop(vm).unwrap();
    }
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let shards = &shards;
            scope.spawn(move || {
                for turn in 0..75 {
                    let vms: Vec<_> = (0..4).map(|_| shards.boot().unwrap()).collect();
                    for (index, &vm) in vms.iter().enumerate() {
                        match (thread + turn + index) % 3 {
                            0 => shards.stop(vm).unwrap(),
                            1 => {
                                shards.start(vm, &bind("user"), LIMIT).unwrap();
                                shards.sleep(vm, Stage::Saved).unwrap();
                                shards.stop(vm).unwrap();
                            }
                            _ => {
                                shards.start(vm, &bind("user"), LIMIT).unwrap();
                                let spin = Request::Spin(u64::MAX);
                                let error = shards.request(vm, spin, Duration::from_millis(1)).unwrap_err();
                                if matches!(error, ShardsError::Busy { .. }) {
                                    shards.stop(vm).unwrap();
                                }
                            }
                        }
                    }
                }
            });
        }
    });
}

#[test]
fn guests_that_write_beyond_their_quota_are_ended_and_nobody_else_is() {
    let mut config = config(24);
    config.vms_per_shard = 8;
    config.memory = Memory { quota: Some(1 << 20), ..Memory::default() };
    let Some((shards, lost)) = launch(config) else { return };
    let vms: Vec<_> = (0..24).map(|_| shards.boot().unwrap()).collect();
    for vm in &vms {
        shards.start(*vm, &bind("user"), LIMIT).unwrap();
    }
    // One of three writes all that it can; the others a quarter of their quota.
    let (greedy, modest): (Vec<_>, Vec<_>) = vms.iter().partition(|vm| vm.0 % 3 == 0);
    for vm in &modest {
        shards.request(*vm, Request::Touch(64), LIMIT).unwrap();
    }
    for vm in &greedy {
        let begun = Instant::now();
        let error = loop {
            assert!(begun.elapsed() < Duration::from_secs(5), "{vm} was not ended");
            if let Err(error) = shards.request(*vm, Request::Touch(u64::MAX), LIMIT) {
                break error;
            }
        };
        assert!(matches!(error, ShardsError::Failed { .. }), "{error}");
        assert!(error.to_string().contains("may write 1 MiB (its quota)"), "{error}");
        assert!(!shards.holds(*vm));
    }
    for vm in &modest {
        assert_eq!(shards.request(*vm, Request::Sum(64), LIMIT).unwrap()[0], 64 * 65 / 2);
    }
    assert!(lost.try_recv().is_err(), "no shard ended");
}

#[test]
fn sixty_four_guests_that_write_all_they_have_cost_themselves_and_nobody_else() {
    const GUEST_BYTES: u64 = 128 << 20;
    let Some(hypervisor) = hypervisor() else { return };
    let template = capture(&hypervisor, Arc::new(microvm::guest::EMBEDDED), GUEST_BYTES).unwrap();
    let mut config = config(65);
    config.memory = Memory { quota: Some(16 << 20), budget: Some(1040 << 20), overcommit: 1.0 };
    let (shards, lost) = Shards::launch(config, &template).unwrap();
    let vms: Vec<_> = (0..65).map(|_| shards.boot().unwrap()).collect();
    for vm in &vms {
        shards.start(*vm, &bind("user"), LIMIT).unwrap();
    }
    let (bystander, greedy) = vms.split_first().unwrap();
    shards.request(*bystander, Request::Add(1), LIMIT).unwrap();
    std::thread::scope(|scope| {
        for part in greedy.chunks(8) {
            let shards = &shards;
            scope.spawn(move || {
                for vm in part {
                    let limit = Duration::from_secs(10);
                    let error = shards.request(*vm, Request::Touch(u64::MAX), limit).unwrap_err();
                    assert!(error.to_string().contains("may write 16 MiB (its quota)"), "{error}");
                }
            });
        }
    });
    assert!(lost.try_recv().is_err(), "no shard ended");
    assert_eq!(shards.request(*bystander, Request::Add(1), LIMIT).unwrap()[0], 2);
    assert_eq!(shards.shards().iter().map(|shard| shard.vms).sum::<usize>(), 1);
}

#[test]
fn beyond_the_budget_no_vm_is_made_and_those_that_there_are_go_on() {
    let mut config = config(16);
    config.memory = Memory { budget: Some(4 * MEMORY_BYTES), ..Memory::default() };
    let Some((shards, _lost)) = launch(config) else { return };
    let begun = Instant::now();
    let mut vms = Vec::new();
    let error = loop {
        assert!(begun.elapsed() < Duration::from_secs(20), "{} VMs were made", vms.len());
        match shards.boot() {
            Ok(vm) => vms.push(vm),
            Err(error) => break error,
        }
        let vm = *vms.last().unwrap();
        shards.start(vm, &bind("user"), LIMIT).unwrap();
        shards.request(vm, Request::Touch(u64::MAX), LIMIT).unwrap();
        // What was written is looked up ten times a second.
        std::thread::sleep(Duration::from_millis(250));
    };
    assert!(matches!(error, ShardsError::Memory { vms: 4..=6, .. }), "{error}");
    assert!(error.to_string().contains("raise the budget"), "{error}");
    for vm in &vms {
        shards.request(*vm, Request::Add(1), LIMIT).unwrap();
    }
    // A guest that ends gives back what it wrote.
    while vms.len() > 1 {
        shards.stop(vms.pop().unwrap()).unwrap();
    }
    std::thread::sleep(Duration::from_millis(500));
    shards.boot().unwrap();
}
