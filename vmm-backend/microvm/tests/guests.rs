//! A second guest with a protocol of its own, to see that the trait is all that template, fork, training,
//! start, wake and save know of a guest.

#![cfg(all(target_os = "linux", target_arch = "x86_64", not(warmpool_no_kvm)))]
#![allow(clippy::unwrap_used, reason = "a test says by a panic what went wrong")]

mod common;

use std::sync::Arc;

use common::{LIMIT, MEMORY_BYTES, bind, hypervisor};
use kvm_bindings::{kvm_regs, kvm_sregs};
use microvm::bind::{Ack, Generation, GuestError, Request};
use microvm::guest::{Binding, Guest, Rang, layout};
use microvm::machine::{self, MachineError};
use microvm::runner::Runner;
use microvm::saved::{FileKey, load, nameless_file, save};
use microvm::sys::memory::Mapping;
use microvm::sys::pagemap::Pagemap;
use microvm::template::Template;
use microvm::training::capture;
use microvm::vm::{Phase, Vm, VmError};

/// Where it keeps what it is told: a generation, a word of entropy, and the sum of both, which it works out.
const WORDS: u64 = layout::STACK;
const BOOTED: u32 = 0x77;
const SUMMED: u32 = 0x78;

/// Adds two words for ever. It knows no mailbox, no order and no request.
const ADDER: [u8; 35] = [
    0xb9, 0x00, 0x00, 0x00, 0xd0, // mov ecx, the doorbell
    0xc7, 0x01, 0x77, 0x00, 0x00, 0x00, // mov dword [rcx], booted
    0xbb, 0x00, 0x00, 0x07, 0x00, // mov ebx, the words
    0x48, 0x8b, 0x03, // mov rax, [rbx]
    0x48, 0x03, 0x43, 0x08, // add rax, [rbx + 8]
    0x48, 0x89, 0x43, 0x10, // mov [rbx + 16], rax
    0xc7, 0x01, 0x78, 0x00, 0x00, 0x00, // mov dword [rcx], summed
    0xeb, 0xe8, // jmp to the mov ebx
];

#[derive(Debug)]
struct Adder {
    /// Whether the host believes it.
    believed: bool,
}

impl Guest for Adder {
    fn name(&self) -> &'static str {
        "adder"
    }
    fn protocol(&self) -> &'static str {
        "sums"
    }
    fn check_memory(&self, bytes: u64) -> Result<(), MachineError> {
        machine::check_memory(bytes)
    }
    fn load(&self, memory: &Mapping) -> Result<(), MachineError> {
        machine::load(memory, self.name(), &ADDER)
    }
    fn registers(&self, fresh: &kvm_sregs, memory_bytes: u64) -> (kvm_sregs, kvm_regs) {
        (machine::special_registers(fresh), machine::general_registers(memory_bytes))
    }
    fn doorbell(&self) -> u64 {
        layout::DOORBELL
    }
    fn rang(&self, value: u32) -> Rang {
        match value {
            BOOTED => Rang::Checkpoint,
            SUMMED => Rang::Reply,
            _ => Rang::Unknown,
        }
    }
    fn warm(&self, memory: &Mapping) {
        memory.store(WORDS, &[0_u64; 3]);
    }
    fn bind(&self, memory: &Mapping, binding: &Binding<'_>) {
        memory.store(WORDS, &[binding.generation.0, word(binding), 0]);
    }
    fn acknowledged(&self, memory: &Mapping, binding: &Binding<'_>) -> Result<Ack, GuestError> {
        let [.., proof] = memory.load::<[u64; 3]>(WORDS);
        memory.store(WORDS + 8, &0_u64);
        let right = proof == binding.generation.0.wrapping_add(word(binding)) && self.believed;
        if right {
            Ok(Ack { generation: binding.generation, proof })
        } else {
            Err(GuestError::Acknowledgement)
        }
    }
    fn ask(&self, _memory: &Mapping, _request: Request) {}
    fn answer(&self, _memory: &Mapping) -> Result<[u64; 4], GuestError> {
        Err(GuestError::Unknown)
    }
}

fn word(binding: &Binding<'_>) -> u64 {
    binding.entropy.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

#[test]
fn another_guest_with_another_protocol_lives_from_template_to_wake() {
    let Some(hypervisor) = hypervisor() else { return };
    let template = capture(&hypervisor, Arc::new(Adder { believed: true }), MEMORY_BYTES).unwrap();
    assert!(template.write_set().contains(&WORDS), "training has found the page that a start writes");
    let mut runner = Runner::new().unwrap();
    let mut vm = Vm::fork(&hypervisor, &template).unwrap();
    vm.warm(&mut runner, LIMIT).unwrap();
    let first = vm.start(&mut runner, Generation(1), &bind("user"), LIMIT).unwrap();
    let refused = vm.request(&mut runner, Request::Get, LIMIT).unwrap_err();
    assert!(matches!(refused, VmError::Guest(GuestError::Unknown)), "{refused}");
    vm.sleep().unwrap();
    let file = nameless_file(&std::env::temp_dir()).unwrap();
    let key = FileKey::draw().unwrap();
    save(&mut vm, &Pagemap::open().unwrap(), &file, &key).unwrap();
    drop(vm);
    let mut vm = load(&hypervisor, &template, &file, &key).unwrap();
    let second = vm.wake(&mut runner, Generation(2), LIMIT).unwrap();
    assert_ne!(first.proof, second.proof);
}

#[test]
fn a_guest_whose_acknowledgement_is_wrong_is_poisoned_whatever_its_protocol() {
    let Some(hypervisor) = hypervisor() else { return };
    let guest = Arc::new(Adder { believed: false });
    let template = Arc::new(Template::capture_untrained(&hypervisor, guest, MEMORY_BYTES).unwrap());
    let mut vm = Vm::fork(&hypervisor, &template).unwrap();
    let mut runner = Runner::new().unwrap();
    let error = vm.start(&mut runner, Generation(1), &bind("user"), LIMIT).unwrap_err();
    assert!(matches!(error, VmError::Guest(GuestError::Acknowledgement)), "{error}");
    assert_eq!(vm.phase(), Phase::Poisoned);
}
