//! Warm microVMs on KVM: one guest is booted once into a *template*; every warm VM is a copy-on-write *fork* of it with all state restored
//! ahead; a *start* binds a user's data and lets it run, and is over when the guest has acknowledged.
//!
//! ```text
//! parent process                              shard processes, isolated, at most 32 VMs each
//! ┌───────────────────────────┐   board of    ┌───────────────────────────────────────────────┐
//! │ host::Fleet               │   memory,     │ runners   start, request, sleep, wake         │
//! │   boot start request      │───futexes────▶│ control   boot, save to and load from a file  │
//! │   sleep wake stop recycle │               │ reaper    stop                                │
//! │ supervisor: starts shards,│   socket for  │   vm::Vm ── runner::Runner ── KVM_RUN         │
//! │   reports what is lost    │───files──────▶│   template::Template (sealed memory)          │
//! └───────────────────────────┘               └───────────────────────────────────────────────┘
//! ```
//!
//! What to rely on:
//!
//! 1. **A VM is handed out once.** It belongs to the key that it was first started for, and is never reused across keys.
//! 2. **Fail closed.** A guest that does not acknowledge its generation and entropy in time is dropped, never handed out; a VM in which
//!    anything else went wrong is poisoned and does nothing any more.
//! 3. **No two runs are alike.** Each start and each wake has a generation that was never used before, 32 bytes of fresh entropy, and the
//!    wall clock; the guest refuses a mailbox that is not newer than what it has.
//! 4. **What dies takes only its own.** A shard that ends loses its VMs and no others, and the parent is told which. When the
//!    parent ends, however it ends, no shard, file or memory is left.
//!
//! Layers, each of which knows only those before it: [`sys`] (system calls) · [`guest`] (the embedded guest's image and mailbox) ·
//! [`hypervisor`], [`machine`], [`state`], [`runner`] (KVM) · [`template`], [`vm`], [`saved`] (one VM's life) · [`shard`] (the process that
//! holds VMs) · [`host`] (what the parent calls). [`doctor`] tells what the host at hand can do. Which hazard is met by which policy and
//! which test stands in `HAZARDS.md`.
//!
//! None of these knows actors or scenarios, and nothing in them is asynchronous: every call blocks, and has a limit. Beside them,
//! and knowing nothing of KVM, stands [`runtime`]: it hosts the actors on ractor and has their operations done by whatever
//! implements [`runtime::Machines`]. [`machines`] implements it with a fleet, and is the only room that knows both.

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
compile_error!("vmm-backend drives KVM on x86-64 Linux");

pub mod bind;
pub mod calibrate;
pub mod doctor;
pub mod guest;
pub mod host;
pub mod hypervisor;
pub mod machine;
pub mod machines;
pub mod manifest;
pub mod runner;
pub mod runtime;
pub mod saved;
pub mod shard;
pub mod state;
pub mod sys;
pub mod template;
pub mod vm;
