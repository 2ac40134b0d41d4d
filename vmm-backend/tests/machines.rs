//! The actors on real VMs: every request that was served has its own acknowledged start, a shard that dies
//! costs its own VMs only, both stages of sleep keep what a user wrote, and nothing is left at the end.
//! Skipped where KVM cannot be used.

#![cfg(all(target_os = "linux", target_arch = "x86_64", not(warmpool_no_kvm)))]
#![allow(clippy::unwrap_used, reason = "a test says by a panic what went wrong")]

#[path = "../runtime/tests/fixtures/mod.rs"]
mod fixtures;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};
use std::time::Duration as Wait;

use actors::protocol::{End, Operation};
use actors::{ActorId, Duration, Key, Observation, OperationKind, Outcome, Request, State, Time, WorkerId};
use fixtures::*;
use microvm::bind;
use microvm::guest::mailbox::hash;
use runtime::{Lost, Machines, Options, Run, run_scenario};
use vmm_backend::machines::{Fit, KvmMachines, MachinesConfig};

/// Real machines; None where KVM cannot be used.
fn machines(config: MachinesConfig) -> Option<Arc<KvmMachines>> {
    if !support::has(&support::Need::Kvm) {
        return None;
    }
    let program = Some(env!("CARGO_BIN_EXE_warmpool-shard").into());
    Some(KvmMachines::launch(MachinesConfig { program, ..config }).unwrap())
}

/// Asks every guest that was started who it is, and notes it by request.
struct Witness {
    machines: Arc<KvmMachines>,
    started: Mutex<BTreeMap<u64, [u64; 4]>>,
}

impl Machines for Witness {
    fn perform(&self, sprite: ActorId, operation: &Operation) -> End {
        let done = self.machines.perform(sprite, operation);
        if let (End::Done, OperationKind::Start, Some(request)) = (done, operation.kind, operation.request) {
            let asked = self.machines.request(sprite, operation.generation, bind::Request::Identity);
            // Its shard may have died since.
            let Ok(identity) = asked else { return done };
            assert_eq!(identity[3], hash(format!("tenant-{}", request.key.0).as_bytes()));
            self.started.lock().unwrap().insert(request.id, identity);
        }
        done
    }

    fn losses(&self) -> Option<Receiver<Lost>> {
        self.machines.losses()
    }
}

/// A run that is over.
struct Ran {
    run: Run,
    seen: Seen,
    /// What each request's guest said of itself.
    started: BTreeMap<u64, [u64; 4]>,
    machines: Arc<KvmMachines>,
}

/// Runs a scenario on real machines; `meanwhile` may do harm.
fn run(text: &str, meanwhile: impl FnOnce(&KvmMachines) + Send) -> Option<Ran> {
    let scenario = scenario(text);
    let fit = Fit::of(&scenario).unwrap();
    // Two sleep in the first stage, the others in the second.
    let kept_max = fit.machines.kept_max.min(2);
    let machines = machines(MachinesConfig { memory_bytes: 16 << 20, kept_max, ..fit.machines })?;
    let witness = Arc::new(Witness { machines: Arc::clone(&machines), started: Mutex::default() });
    let (run, seen) = std::thread::scope(|scope| {
        scope.spawn(|| meanwhile(&machines));
        let options = Options { limits: fit.limits, ..Options::default() };
        run_scenario(&scenario, Arc::clone(&witness) as Arc<_>, Seen::default(), &options).unwrap()
    });
    let started = std::mem::take(&mut *witness.started.lock().unwrap());
    Some(Ran { run, seen, started, machines })
}

fn processes_are_gone(machines: Arc<KvmMachines>) {
    assert_eq!(machines.vms(), 0, "a Sprite's VM was not ended");
    let shards = machines.shards();
    assert_eq!(shards.iter().map(|shard| shard.vms).sum::<usize>(), 0, "a VM is left in a shard");
    drop(Arc::into_inner(machines).expect("nobody else has them"));
    for shard in shards {
        assert!(!Path::new(&format!("/proc/{}", shard.pid)).exists(), "{} is left", shard.pid);
    }
}

const SPIKE: &str = r#"
    [fleet]
    slots = 40
    boots = 2
    [pool]
    depth = { kind = "fixed", ready = 12 }
    exhausted = [{ kind = "wait", deadline = "60s" }, { kind = "boot" }]
    [sprite]
    lifetime = "15ms"
    [tenants]
    count = 5
    [[demand]]
    to = 60
    for = "500ms"
    [[demand]]
    from = 300
    to = 300
    for = "300ms"
    arrivals = { bursts_of = 20 }
    [[demand]]
    from = 60
    to = 60
    for = "500ms"
"#;

#[test]
fn every_request_of_a_spike_has_an_acknowledged_start_of_its_own() {
    let Some(Ran { run, seen, started, machines }) = run(SPIKE, |_| {}) else { return };
    let outcomes = seen.outcomes();
    let mut arrivals = scenario(SPIKE).arrivals().unwrap();
    let expected = std::iter::from_fn(|| arrivals.next().unwrap()).count();
    assert_eq!((outcomes.len(), run.unfinished), (expected, 0));
    assert!(outcomes.values().all(|outcome| outcome.is_served()), "{outcomes:?} {:?}", machines.failures());
    for kind in [Outcome::Warm, Outcome::Waited] {
        assert!(outcomes.values().any(|outcome| *outcome == kind), "no request was {}", kind.name());
    }
    assert!(outcomes.keys().eq(started.keys()), "who was served is not who was started");
    let mut generations: Vec<u64> = started.values().map(|identity| identity[0]).collect();
    generations.sort_unstable();
    generations.dedup();
    assert_eq!(generations.len(), expected, "two starts had the same generation");
    let booted = seen.count(|seen| matches!(seen, Observation::Sprite { is: State::Booting, .. }));
    let [ready, failed] = [State::Ready, State::Failed].map(|state| seen.level(state));
    assert!(booted >= expected && ready <= 12 && failed == 0, "{booted} {ready} {failed}");
    assert!(machines.failures().is_empty(), "{:?}", machines.failures());
    processes_are_gone(machines);
}

#[test]
fn a_shard_killed_in_the_burst_costs_its_own_vms_and_the_pool_recovers() {
    let kill = |machines: &KvmMachines| {
        std::thread::sleep(Wait::from_millis(600));
        let shards = machines.shards();
        let victim = shards.iter().max_by_key(|shard| shard.vms).unwrap();
        assert!(victim.vms > 0);
        // SAFETY: numbers only; the process is a shard of this test's fleet.
        assert_eq!(unsafe { libc::kill(victim.pid, libc::SIGKILL) }, 0);
    };
    let Some(Ran { run, seen, started, machines }) = run(SPIKE, kill) else { return };
    let outcomes = seen.outcomes();
    assert_eq!(run.unfinished, 0);
    assert_eq!(outcomes.len(), seen.count(|seen| matches!(seen, Observation::Arrived { .. })));
    let unserved = outcomes.values().filter(|outcome| !outcome.is_served()).count();
    assert!(unserved <= 2, "requests whose VM died try again: {outcomes:?}");
    let unwitnessed =
        outcomes.iter().filter(|(id, outcome)| outcome.is_served() && !started.contains_key(id));
    assert!(unwitnessed.count() <= 2, "requests were served by nobody");
    let lost = seen.count(|seen| matches!(seen, Observation::Sprite { is: State::Failed, .. }));
    assert!(lost > 0, "no Sprite heard of it");
    assert!(machines.failures().iter().any(|failed| failed.what == "shards"), "{:?}", machines.failures());
    assert_eq!(seen.level(State::Ready), 12, "the pool did not recover");
    assert_eq!(run.stats.ended_twice, 0);
    processes_are_gone(machines);
}

#[test]
fn sleepers_are_woken_for_their_own_tenants_from_both_stages() {
    let text = r#"
        [fleet]
        slots = 16
        [pool]
        depth = { kind = "fixed", ready = 0 }
        exhausted = [{ kind = "wake" }, { kind = "boot" }]
        [sprite]
        lifetime = "2ms"
        idle_after = "3ms"
        [tenants]
        count = 6
        [[demand]]
        to = 25
        for = "3s"
    "#;
    let Some(Ran { run, seen, started, machines }) = run(text, |_| {}) else { return };
    let outcomes = seen.outcomes();
    assert_eq!(run.unfinished, 0);
    assert!(outcomes.keys().eq(started.keys()), "who was served is not who was started: {outcomes:?}");
    let woken = outcomes.values().filter(|outcome| **outcome == Outcome::Woken).count();
    assert!(woken > outcomes.len() / 2, "{woken} of {} were woken", outcomes.len());
    let waking = |seen: &Observation| matches!(seen, Observation::Sprite { is: State::Waking, .. });
    assert!(seen.count(waking) > 20, "too few slept");
    assert!(machines.failures().is_empty(), "{:?}", machines.failures());
    processes_are_gone(machines);
}

/// One Sprite's operations, done by hand.
struct Hand<'a>(&'a KvmMachines, ActorId);

impl Hand<'_> {
    fn does(&self, kind: OperationKind, key: u32) -> bool {
        let (id, lifetime) = (u64::from(self.1.0), Duration::ZERO);
        let request = Request { id, arrived: Time::ZERO, lifetime, key: Key(key), tries: 0, missed: None };
        let operation = Operation { kind, generation: 1, worker: WorkerId(0), request: Some(request) };
        self.0.perform(self.1, &operation) == End::Done
    }

    fn asks(&self, request: bind::Request) -> u64 {
        self.0.request(self.1, 1, request).unwrap()[0]
    }
}

#[test]
fn sleepers_of_both_stages_keep_what_their_user_wrote_and_serve_nobody_else() {
    let config = MachinesConfig { kept_max: 1, memory_bytes: 16 << 20, ..MachinesConfig::new(4) };
    let Some(machines) = machines(config) else { return };
    let [first, second] = [Hand(&machines, ActorId(3)), Hand(&machines, ActorId(4))];
    let in_shards = || machines.shards().iter().map(|shard| shard.vms).sum::<usize>();
    for (hand, key) in [(&first, 7), (&second, 8)] {
        for kind in [OperationKind::Boot, OperationKind::Start] {
            assert!(hand.does(kind, key));
        }
        assert_eq!(hand.asks(bind::Request::Add(u64::from(key))), u64::from(key));
        assert!(hand.does(OperationKind::Sleep, key));
    }
    assert_eq!((in_shards(), machines.vms()), (1, 2), "one sleeps in each stage");
    for (hand, key) in [(&first, 7), (&second, 8)] {
        assert!(!hand.does(OperationKind::Start, key), "it sleeps");
        assert!(hand.does(OperationKind::Wake, key));
        assert!(!hand.does(OperationKind::Start, key + 1), "it is another tenant's");
        assert!(hand.does(OperationKind::Start, key));
        assert_eq!(hand.asks(bind::Request::Get), u64::from(key));
        // It comes back to its pool and is taken again: a new generation, the same memory.
        let before = hand.asks(bind::Request::Identity);
        assert!(hand.does(OperationKind::Start, key));
        assert!(hand.asks(bind::Request::Identity) > before);
        assert_eq!(hand.asks(bind::Request::Get), u64::from(key));
    }
    // Room in the first stage comes back with whoever leaves it.
    assert!(first.does(OperationKind::Sleep, 7) && first.does(OperationKind::Stop, 7));
    assert!(second.does(OperationKind::Sleep, 8));
    assert_eq!((in_shards(), machines.vms()), (1, 1), "it sleeps in the first stage");
    assert!(second.does(OperationKind::Detach, 8) && second.does(OperationKind::Detach, 8), "twice is once");
    assert!(!second.does(OperationKind::Wake, 8) && !first.does(OperationKind::Start, 7), "they are gone");
    processes_are_gone(machines);
}

#[test]
fn a_cold_create_can_be_started() {
    let Some(machines) = machines(MachinesConfig { memory_bytes: 16 << 20, ..MachinesConfig::new(2) }) else {
        return;
    };
    let hand = Hand(&machines, ActorId(3));
    assert!(hand.does(OperationKind::Create, 1) && hand.does(OperationKind::Start, 1));
    assert_eq!(hand.asks(bind::Request::Add(5)), 5);
    // There is room for one more, and not for two.
    let [second, third] = [Hand(&machines, ActorId(4)), Hand(&machines, ActorId(5))];
    assert!(second.does(OperationKind::Boot, 1) && !third.does(OperationKind::Boot, 1));
    assert!(machines.failures()[0].last.contains("no room"), "{:?}", machines.failures());
    assert!(hand.does(OperationKind::Stop, 1) && second.does(OperationKind::Detach, 1));
    assert!(third.does(OperationKind::Detach, 1), "what never was has nothing to end");
    processes_are_gone(machines);
}

#[test]
fn an_interrupted_run_ends_at_once_and_leaves_nothing() {
    let scenario = scenario(&SPIKE.replace("for = \"500ms\"", "for = \"10m\""));
    let fit = Fit::of(&scenario).unwrap();
    let Some(machines) = machines(MachinesConfig { memory_bytes: 16 << 20, ..fit.machines }) else { return };
    let interrupted = std::sync::atomic::AtomicBool::new(false);
    let error = std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Wait::from_millis(300));
            interrupted.store(true, std::sync::atomic::Ordering::Release);
        });
        let options = Options { interrupted: Some(&interrupted), ..Options::default() };
        run_scenario(&scenario, Arc::clone(&machines) as Arc<_>, Seen::default(), &options).err().unwrap()
    });
    assert!(error.to_string().contains("interrupted") && error.is_host_fault(), "{error}");
    processes_are_gone(machines);
}
