//! Both stages of sleep keep the guest's memory; a file that changed is never run.

#![cfg(all(target_os = "linux", target_arch = "x86_64", not(warmpool_no_kvm)))]
#![allow(clippy::unwrap_used, reason = "a test says by a panic what went wrong")]

mod common;

use common::{LIMIT, bind, kvm};
use std::sync::Arc;

use microvm::bind::{Generation, Request};
use microvm::guest::EMBEDDED;
use microvm::saved::{FileKey, SavedError, load, nameless_file, save};
use microvm::sys::pagemap::Pagemap;
use microvm::training::capture;
use microvm::vm::{Phase, Vm, VmError};
use std::fs::File;
use std::os::unix::fs::FileExt;

const PAGES: u64 = 300;

fn fill(kvm: &mut common::Kvm) -> Vm {
    let mut vm = Vm::fork(&kvm.hypervisor, &kvm.template).unwrap();
    vm.start(&mut kvm.runner, Generation(10), &bind("user"), LIMIT).unwrap();
    vm.request(&mut kvm.runner, Request::Add(41), LIMIT).unwrap();
    vm.request(&mut kvm.runner, Request::Put(5, 55), LIMIT).unwrap();
    vm.request(&mut kvm.runner, Request::Touch(PAGES), LIMIT).unwrap();
    vm
}

/// A filled VM that went to sleep, as a file.
fn asleep(kvm: &mut common::Kvm) -> (File, FileKey) {
    let mut vm = fill(kvm);
    vm.sleep().unwrap();
    let file = nameless_file(&std::env::temp_dir()).unwrap();
    let key = FileKey::draw().unwrap();
    save(&mut vm, &Pagemap::open().unwrap(), &file, &key).unwrap();
    (file, key)
}

fn check(kvm: &mut common::Kvm, vm: &mut Vm, identity: [u64; 4], generation: u64) {
    let ask = |vm: &mut Vm, runner: &mut _, request| vm.request(runner, request, LIMIT).unwrap();
    assert_eq!(ask(vm, &mut kvm.runner, Request::Get)[0], 41);
    assert_eq!(ask(vm, &mut kvm.runner, Request::Lookup(5))[..2], [55, 1]);
    assert_eq!(ask(vm, &mut kvm.runner, Request::Sum(PAGES))[0], PAGES * (PAGES + 1) / 2);
    let now = ask(vm, &mut kvm.runner, Request::Identity);
    assert_eq!(now[0], generation);
    assert!(now[1] > identity[1], "the wall clock is that of the wake");
    assert_eq!(now[2..], identity[2..], "the user stays");
}

#[test]
fn the_first_stage_keeps_memory_and_runs_nothing() {
    let Some(mut kvm) = kvm() else { return };
    let mut vm = fill(&mut kvm);
    let identity = vm.request(&mut kvm.runner, Request::Identity, LIMIT).unwrap();
    vm.sleep().unwrap();
    let error = vm.request(&mut kvm.runner, Request::Get, LIMIT).unwrap_err();
    assert!(matches!(error, VmError::Phase { phase: Phase::Asleep, .. }), "{error}");
    vm.wake(&mut kvm.runner, Generation(11), LIMIT).unwrap();
    check(&mut kvm, &mut vm, identity, 11);
}

#[test]
fn the_second_stage_keeps_memory_though_the_vm_is_gone() {
    let Some(mut kvm) = kvm() else { return };
    let pagemap = Pagemap::open().unwrap();
    let mut vm = fill(&mut kvm);
    let identity = vm.request(&mut kvm.runner, Request::Identity, LIMIT).unwrap();
    let mut generation = 10;
    for _ in 0..3 {
        vm.sleep().unwrap();
        let file = nameless_file(&std::env::temp_dir()).unwrap();
        let key = FileKey::draw().unwrap();
        save(&mut vm, &pagemap, &file, &key).unwrap();
        drop(vm);
        let bytes = file.metadata().unwrap().len();
        assert!(bytes < (PAGES + 40) * 4096, "only what was written is saved: {bytes} bytes");
        vm = load(&kvm.hypervisor, &kvm.template, &file, &key).unwrap();
        assert_eq!(vm.phase(), Phase::Asleep);
        let old = vm.wake(&mut kvm.runner, Generation(generation), LIMIT).unwrap_err();
        assert!(matches!(old, VmError::OldGeneration { .. }), "{old}");
        generation += 1;
        vm.wake(&mut kvm.runner, Generation(generation), LIMIT).unwrap();
        check(&mut kvm, &mut vm, identity, generation);
    }
}

#[test]
fn two_wakes_of_one_file_draw_different_numbers() {
    let Some(mut kvm) = kvm() else { return };
    let (file, key) = asleep(&mut kvm);
    let mut draw = || {
        let mut vm = load(&kvm.hypervisor, &kvm.template, &file, &key).unwrap();
        vm.wake(&mut kvm.runner, Generation(11), LIMIT).unwrap();
        vm.request(&mut kvm.runner, Request::Random, LIMIT).unwrap()
    };
    assert_ne!(draw(), draw());
}

#[test]
fn a_changed_file_is_refused() {
    let Some(mut kvm) = kvm() else { return };
    let (file, key) = asleep(&mut kvm);
    let bytes = file.metadata().unwrap().len();
    let load = |key: &FileKey| load(&kvm.hypervisor, &kvm.template, &file, key);
    assert!(matches!(load(&FileKey::draw().unwrap()), Err(SavedError::Changed)));
    for at in [0, 9, 3000, bytes / 2, bytes - 1] {
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).unwrap();
        file.write_all_at(&[byte[0] ^ 0x10], at).unwrap();
        let error = load(&key).expect_err("a changed file");
        assert!(matches!(error, SavedError::Changed), "{at}: {error}");
        file.write_all_at(&byte, at).unwrap();
    }
    assert!(load(&key).is_ok(), "unchanged again");
    file.set_len(bytes - 4096).unwrap();
    assert!(matches!(load(&key), Err(SavedError::Changed)));
    file.set_len(bytes).unwrap();
    assert!(matches!(load(&key), Err(SavedError::Changed)), "the last page is now zero");
}

#[test]
fn a_file_says_nothing_without_its_key() {
    const SECRET: u64 = 0x2174_6572_6365_7321;
    let Some(mut kvm) = kvm() else { return };
    let mut vm = fill(&mut kvm);
    vm.request(&mut kvm.runner, Request::Put(9, SECRET), LIMIT).unwrap();
    vm.sleep().unwrap();
    let holds = |bytes: &[u8]| bytes.windows(8).any(|eight| eight == SECRET.to_le_bytes());
    let pagemap = Pagemap::open().unwrap();
    let written = vm.written(&pagemap).unwrap();
    let mut page = [0; 4096];
    let in_memory = written.iter().any(|at| {
        vm.memory().read(*at, &mut page);
        holds(&page)
    });
    assert!(in_memory, "the guest keeps what it was told");
    let [one, other] = [(); 2].map(|()| {
        let file = nameless_file(&std::env::temp_dir()).unwrap();
        save(&mut vm, &pagemap, &file, &FileKey::draw().unwrap()).unwrap();
        let mut bytes = vec![0; usize::try_from(file.metadata().unwrap().len()).unwrap()];
        file.read_exact_at(&mut bytes, 0).unwrap();
        bytes
    });
    assert!(!holds(&one) && !holds(&other));
    let same = one.iter().zip(&other).skip(8).filter(|(one, other)| one == other).count();
    assert!(same < one.len() / 100, "{same} of {} bytes are the same under two keys", one.len());
}

#[test]
fn a_file_of_another_template_is_refused() {
    let Some(mut kvm) = kvm() else { return };
    let (file, key) = asleep(&mut kvm);
    let other = capture(&kvm.hypervisor, Arc::new(EMBEDDED), common::MEMORY_BYTES).unwrap();
    let error = load(&kvm.hypervisor, &other, &file, &key).expect_err("another template");
    assert!(matches!(error, SavedError::OtherTemplate { .. }), "{error}");
}
