//! Forks of one template: each is its own, and none reaches the template or another.

#![cfg(all(target_os = "linux", target_arch = "x86_64", not(warmpool_no_kvm)))]
#![allow(clippy::unwrap_used, reason = "a test says by a panic what went wrong")]

mod common;

use common::{ANSWERS_ONCE, CLAIMS_ONLY, LIMIT, MEMORY_BYTES, NEVER_ANSWERS, bind, hypervisor, kvm};
use microvm::bind::{Generation, GuestError, Key, Request};
use microvm::guest::mailbox::hash;
use microvm::runner::{RunError, Runner};
use microvm::sys::memory::{Mapping, Sharing};
use microvm::sys::pagemap::Pagemap;
use microvm::template::Template;
use microvm::vm::{Phase, Vm, VmError};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};
use xxhash_rust::xxh3::xxh3_128;

fn bytes(template: &Template) -> u128 {
    let mapping = Mapping::new(template.file(), MEMORY_BYTES as usize, Sharing::ReadOnly).unwrap();
    let mut bytes = vec![0; MEMORY_BYTES as usize];
    mapping.read(0, &mut bytes);
    xxh3_128(&bytes)
}

#[test]
fn clones_compute_their_own_and_leave_the_template_untouched() {
    let Some(mut kvm) = kvm() else { return };
    let before = bytes(&kvm.template);
    let mut vms: Vec<_> = (0..16).map(|_| Vm::fork(&kvm.hypervisor, &kvm.template).unwrap()).collect();
    for (i, vm) in vms.iter_mut().enumerate() {
        let i = i as u64;
        vm.warm(&mut kvm.runner, LIMIT).unwrap();
        vm.start(&mut kvm.runner, Generation(i + 1), &bind("user"), LIMIT).unwrap();
        assert_eq!(vm.request(&mut kvm.runner, Request::Add(i * 100), LIMIT).unwrap()[0], i * 100);
        vm.request(&mut kvm.runner, Request::Put(7, i), LIMIT).unwrap();
        assert_eq!(vm.request(&mut kvm.runner, Request::Touch(i), LIMIT).unwrap()[0], i);
    }
    for (i, vm) in vms.iter_mut().enumerate() {
        let i = i as u64;
        assert_eq!(vm.request(&mut kvm.runner, Request::Get, LIMIT).unwrap()[0], i * 100);
        assert_eq!(vm.request(&mut kvm.runner, Request::Lookup(7), LIMIT).unwrap()[..2], [i, 1]);
        assert_eq!(vm.request(&mut kvm.runner, Request::Sum(16), LIMIT).unwrap()[0], i * (i + 1) / 2);
    }
    drop(vms);
    assert_eq!(bytes(&kvm.template), before);
}

#[test]
fn generation_entropy_and_user_differ_between_clones() {
    let Some(mut kvm) = kvm() else { return };
    let (mut proofs, mut draws) = (HashSet::new(), HashSet::new());
    for turn in 1..=32 {
        let mut vm = Vm::fork(&kvm.hypervisor, &kvm.template).unwrap();
        // The same generation in half of them: entropy alone must tell them apart.
        let generation = Generation(if turn % 2 == 0 { 1 } else { turn });
        let key = format!("user-{turn}");
        let before = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let ack = vm.start(&mut kvm.runner, generation, &bind(&key), LIMIT).unwrap();
        assert_eq!(ack.generation, generation);
        assert!(proofs.insert(ack.proof));
        for value in vm.request(&mut kvm.runner, Request::Random, LIMIT).unwrap() {
            assert!(draws.insert(value));
        }
        let [seen, wall_ns, url, user] = vm.request(&mut kvm.runner, Request::Identity, LIMIT).unwrap();
        assert_eq!(seen, generation.0);
        assert!(u128::from(wall_ns) >= before.as_nanos());
        assert_eq!(url, hash(format!("s3://bucket/{key}").as_bytes()));
        assert_eq!(user, hash(key.as_bytes()));
    }
}

#[test]
fn a_generation_is_never_used_twice() {
    let Some(mut kvm) = kvm() else { return };
    let mut vm = Vm::fork(&kvm.hypervisor, &kvm.template).unwrap();
    let error = vm.start(&mut kvm.runner, Generation(0), &bind("user"), LIMIT).unwrap_err();
    assert!(matches!(error, VmError::OldGeneration { asked: 0, current: 0 }), "{error}");
    vm.start(&mut kvm.runner, Generation(5), &bind("user"), LIMIT).unwrap();
    vm.sleep().unwrap();
    for old in [4, 5] {
        let error = vm.wake(&mut kvm.runner, Generation(old), LIMIT).unwrap_err();
        assert!(matches!(error, VmError::OldGeneration { current: 5, .. }), "{error}");
    }
    vm.wake(&mut kvm.runner, Generation(6), LIMIT).unwrap();
}

#[test]
fn entropy_does_not_stay_in_the_mailbox() {
    let Some(mut kvm) = kvm() else { return };
    let mut vm = Vm::fork(&kvm.hypervisor, &kvm.template).unwrap();
    vm.start(&mut kvm.runner, Generation(1), &bind("user"), LIMIT).unwrap();
    use microvm::guest::{layout, mailbox};
    let at = std::mem::offset_of!(mailbox::Mailbox, order) + std::mem::offset_of!(mailbox::Order, entropy);
    let mut entropy = [1; 32];
    vm.memory().read(layout::MAILBOX + at as u64, &mut entropy);
    assert_eq!(entropy, [0; 32]);
}

#[test]
fn a_guest_that_never_acknowledges_is_poisoned_in_time() {
    let Some(hypervisor) = hypervisor() else { return };
    let template = Template::capture_untrained(&hypervisor, Arc::new(NEVER_ANSWERS), MEMORY_BYTES).unwrap();
    let mut vm = Vm::fork(&hypervisor, &Arc::new(template)).unwrap();
    let mut runner = Runner::new().unwrap();
    let limit = Duration::from_millis(50);
    let start = Instant::now();
    let error = vm.start(&mut runner, Generation(1), &bind("user"), limit).unwrap_err();
    assert!(matches!(error, VmError::Run(RunError::TimedOut { .. })), "{error}");
    assert!(start.elapsed() >= limit && start.elapsed() < limit * 40, "{:?}", start.elapsed());
    let error = vm.start(&mut runner, Generation(2), &bind("user"), limit).unwrap_err();
    assert!(matches!(error, VmError::Phase { phase: Phase::Poisoned, .. }), "{error}");
}

#[test]
fn a_guest_that_answers_wrongly_is_poisoned() {
    let Some(hypervisor) = hypervisor() else { return };
    let mut runner = Runner::new().unwrap();
    for (image, timed_out) in [(CLAIMS_ONLY, false), (ANSWERS_ONCE, true)] {
        let template = Template::capture_untrained(&hypervisor, Arc::new(image), MEMORY_BYTES).unwrap();
        let mut vm = Vm::fork(&hypervisor, &Arc::new(template)).unwrap();
        vm.warm(&mut runner, LIMIT).unwrap();
        let error =
            vm.start(&mut runner, Generation(1), &bind("user"), Duration::from_millis(50)).unwrap_err();
        match error {
            VmError::Guest(GuestError::Status { status: 0 }) => assert!(!timed_out),
            VmError::Run(RunError::TimedOut { .. }) => assert!(timed_out),
            other => panic!("{other}"),
        }
        assert_eq!(vm.phase(), Phase::Poisoned);
    }
}

#[test]
fn a_guest_that_faults_ends_at_once_with_its_exit() {
    let Some(hypervisor) = hypervisor() else { return };
    // Reads address 0, which is not mapped; there is no handler, so the machine shuts down.
    let faults = microvm::guest::Image { name: "faults", bytes: &[0x31, 0xc0, 0x8b, 0x00] };
    let error = Template::capture_untrained(&hypervisor, Arc::new(faults), MEMORY_BYTES).unwrap_err();
    assert!(error.to_string().contains("did not reach its checkpoint"), "{error}");
}

#[test]
fn recycling_is_for_the_same_key_only_and_leaves_nothing() {
    let Some(mut kvm) = kvm() else { return };
    let mut vm = Vm::fork(&kvm.hypervisor, &kvm.template).unwrap();
    let mine = Key::new("mine").unwrap();
    let error = vm.recycle(&mine).unwrap_err();
    assert!(matches!(error, VmError::Phase { phase: Phase::Ready, .. }), "{error}");
    vm.start(&mut kvm.runner, Generation(1), &bind("mine"), LIMIT).unwrap();
    vm.request(&mut kvm.runner, Request::Add(41), LIMIT).unwrap();
    vm.request(&mut kvm.runner, Request::Touch(100), LIMIT).unwrap();
    let draw = vm.request(&mut kvm.runner, Request::Random, LIMIT).unwrap();
    assert!(matches!(vm.recycle(&Key::new("yours").unwrap()), Err(VmError::OtherKey)));
    assert_eq!(vm.request(&mut kvm.runner, Request::Get, LIMIT).unwrap()[0], 41);

    vm.recycle(&mine).unwrap();
    assert_eq!(vm.phase(), Phase::Ready);
    let pagemap = Pagemap::open().unwrap();
    assert_eq!(vm.written(&pagemap).unwrap(), kvm.template.write_set());
    let other = vm.start(&mut kvm.runner, Generation(2), &bind("yours"), LIMIT).unwrap_err();
    assert!(matches!(other, VmError::OtherKey), "{other}");
    let old = vm.start(&mut kvm.runner, Generation(1), &bind("mine"), LIMIT).unwrap_err();
    assert!(matches!(old, VmError::OldGeneration { .. }), "{old}");
    vm.start(&mut kvm.runner, Generation(2), &bind("mine"), LIMIT).unwrap();
    assert_eq!(vm.request(&mut kvm.runner, Request::Get, LIMIT).unwrap()[0], 0);
    assert_eq!(vm.request(&mut kvm.runner, Request::Sum(100), LIMIT).unwrap()[0], 0);
    assert_ne!(vm.request(&mut kvm.runner, Request::Random, LIMIT).unwrap(), draw);
}

#[test]
fn the_write_set_is_what_a_start_writes() {
    let Some(mut kvm) = kvm() else { return };
    let pagemap = Pagemap::open().unwrap();
    let mut vm = Vm::fork(&kvm.hypervisor, &kvm.template).unwrap();
    let ahead = vm.written(&pagemap).unwrap();
    assert!(!ahead.is_empty());
    assert_eq!(ahead, kvm.template.write_set());
    vm.start(&mut kvm.runner, Generation(1), &bind("user"), LIMIT).unwrap();
    assert_eq!(vm.written(&pagemap).unwrap(), ahead, "a start copied a page that was not copied ahead");
    vm.request(&mut kvm.runner, Request::Touch(3), LIMIT).unwrap();
    assert_eq!(vm.written(&pagemap).unwrap().len(), ahead.len() + 3);
    assert_eq!(vm.written(&pagemap.without_scan()).unwrap().len(), ahead.len() + 3);
}

#[test]
fn a_vm_is_refused_in_another_process() {
    let Some(mut kvm) = kvm() else { return };
    let mut vm = Vm::fork(&kvm.hypervisor, &kvm.template).unwrap();
    vm.start(&mut kvm.runner, Generation(1), &bind("user"), LIMIT).unwrap();
    let owner = std::process::id();
    // SAFETY: the child touches only what it already has, and ends without running any destructor.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let refused = matches!(
            vm.request(&mut kvm.runner, Request::Get, LIMIT),
            Err(VmError::WrongProcess { owner: o, caller }) if o == owner && caller != owner
        );
        let raw = matches!(vm.vcpu().get_regs(), Err(error) if error.errno() == libc::EIO);
        // SAFETY: ends this process.
        unsafe { libc::_exit(i32::from(refused) | i32::from(raw) << 1) };
    }
    let mut status = 0;
    // SAFETY: the child is ours.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    assert_eq!(libc::WEXITSTATUS(status), 3, "bit 0: refused with its error; bit 1: KVM answers EIO");
    assert_eq!(vm.request(&mut kvm.runner, Request::Add(1), LIMIT).unwrap()[0], 1);
}
