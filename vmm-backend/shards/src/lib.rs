//! The processes that hold microVMs, and what their parent calls.
//!
//! ```text
//! parent process                              shard processes, isolated, at most 32 VMs each
//! ┌───────────────────────────┐   board of    ┌───────────────────────────────────────────────┐
//! │ Shards                    │   memory,     │ runners   start, request, sleep, wake         │
//! │   boot start request      │───futexes────▶│ control   boot, save to and load from a file  │
//! │   sleep wake stop recycle │               │ reaper    stop                                │
//! │ supervisor: starts shards,│   socket for  │ heart     beats ten times a second            │
//! │   kills those that hang,  │───files──────▶│   vm::Vm ── runner::Runner ── KVM_RUN         │
//! │   reports what is lost    │               │   template::Template (sealed memory)          │
//! └───────────────────────────┘               └───────────────────────────────────────────────┘
//! ```
//!
//! What to rely on:
//!
//! 1. **A VM is handed out once.** It belongs to the key that it was first started for, and is never reused
//!    across keys.
//! 2. **Fail closed.** A guest that does not acknowledge its generation and entropy in time is dropped, never
//!    handed out; a VM in which anything else went wrong is poisoned and does nothing any more.
//! 3. **No two runs are alike.** Each start and each wake has a generation that was never used before, 32
//!    bytes of fresh entropy, and the wall clock; the guest refuses a mailbox that is not newer than what it
//!    has.
//! 4. **What dies takes only its own.** A shard that ends loses its VMs and no others, and the parent is told
//!    which. When the parent ends, however it ends, no shard, file or memory is left.
//!
//! Nothing here knows actors or scenarios, and nothing is asynchronous: every call blocks, and has a limit.
//! Elsewhere than on x86-64 Linux, and with `--cfg warmpool_no_kvm`, this crate is empty.
//!
//! One VM in a shard, where KVM can be used:
//!
//! ```no_run
//! # #[cfg(all(target_os = "linux", target_arch = "x86_64", not(warmpool_no_kvm)))]
//! # fn one() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use microvm::bind::{Bind, Key};
//! use microvm::guest::EMBEDDED;
//! use microvm::hypervisor::Hypervisor;
//! use microvm::training::capture;
//! use shards::{Shards, ShardsConfig};
//!
//! // A shard is this very program, started again.
//! shards::main_if_shard();
//! let template = capture(&Arc::new(Hypervisor::open()?), Arc::new(EMBEDDED), 2 << 20)?;
//! let (shards, _lost) = Shards::launch(ShardsConfig::new(1), &template)?;
//! let vm = shards.boot()?;
//! let bind = Bind::new("s3://bucket/alice", Key::new("alice")?)?;
//! shards.start(vm, &bind, Duration::from_secs(1))?;
//! shards.stop(vm)?;
//! # Ok(())
//! # }
//! # fn main() {}
//! ```

#![forbid(unsafe_code)]
#![cfg(all(target_os = "linux", target_arch = "x86_64", not(warmpool_no_kvm)))]

mod config;
mod error;
pub mod isolate;
mod lost;
mod registry;
mod seccomp;
mod serve;
mod shard;
mod shards;
pub mod spawn;
mod supervisor;
pub mod wire;

pub use config::{Kept, Memory, ShardsConfig, Stage, VmId};
pub use error::ShardsError;
pub use lost::Lost;
pub use serve::main_if_shard;
pub use shards::{ShardStatus, Shards, changes_threads_cheaply};
