//! What the tests share: a template, a runner, guests that misbehave.

#![allow(dead_code, reason = "every test file uses a part")]
#![allow(clippy::unwrap_used, reason = "a test says by a panic what went wrong")]

use microvm::bind::{Bind, Key};
use microvm::guest::{EMBEDDED, Image};
use microvm::hypervisor::Hypervisor;
use microvm::runner::Runner;
use microvm::template::Template;
use microvm::training::capture;
use std::sync::Arc;
use std::time::Duration;

/// Far longer than any guest here needs.
pub(crate) const LIMIT: Duration = Duration::from_secs(10);
pub(crate) const MEMORY_BYTES: u64 = 16 << 20;

/// Rings for the checkpoint and then turns for ever.
pub(crate) const NEVER_ANSWERS: Image = Image {
    name: "never answers",
    bytes: &[
        0xb8, 0x00, 0x00, 0x00, 0xd0, // mov eax, the doorbell
        0xc7, 0x00, 0x01, 0x00, 0x00, 0x00, // mov dword [rax], checkpoint
        0xeb, 0xfe, // jmp to itself
    ],
};

/// As above, but answers its first order, which is to run ahead.
pub(crate) const ANSWERS_ONCE: Image = Image {
    name: "answers once",
    bytes: &[
        0xb8, 0x00, 0x00, 0x00, 0xd0, // mov eax, the doorbell
        0xc7, 0x00, 0x01, 0x00, 0x00, 0x00, // mov dword [rax], checkpoint
        0xc7, 0x00, 0x02, 0x00, 0x00, 0x00, // mov dword [rax], reply
        0xeb, 0xfe, // jmp to itself
    ],
};

/// Rings for every order without having done anything.
pub(crate) const CLAIMS_ONLY: Image = Image {
    name: "claims only",
    bytes: &[
        0xb8, 0x00, 0x00, 0x00, 0xd0, // mov eax, the doorbell
        0xc7, 0x00, 0x01, 0x00, 0x00, 0x00, // mov dword [rax], checkpoint
        0xc7, 0x00, 0x02, 0x00, 0x00, 0x00, // mov dword [rax], reply
        0xeb, 0xf8, // jmp to the reply
    ],
};

pub(crate) struct Kvm {
    pub(crate) hypervisor: Arc<Hypervisor>,
    pub(crate) template: Arc<Template>,
    pub(crate) runner: Runner,
}

/// KVM with a template of the embedded guest; None where KVM cannot be used.
pub(crate) fn kvm() -> Option<Kvm> {
    let hypervisor = hypervisor()?;
    let template = capture(&hypervisor, Arc::new(EMBEDDED), MEMORY_BYTES).unwrap();
    Some(Kvm { hypervisor, template, runner: Runner::new().unwrap() })
}

pub(crate) fn hypervisor() -> Option<Arc<Hypervisor>> {
    if !support::has(&support::Need::Kvm) {
        return None;
    }
    Some(Arc::new(Hypervisor::open().unwrap()))
}

pub(crate) fn bind(key: &str) -> Bind {
    Bind::new(format!("s3://bucket/{key}"), Key::new(key).unwrap()).unwrap()
}
