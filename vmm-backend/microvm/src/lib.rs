//! One microVM's life on KVM: a guest is booted once into a *template*; every VM is a copy-on-write *fork* of
//! it with all state restored ahead; a *start* binds a user's data and lets it run, and is over when the
//! guest has acknowledged.
//!
//! Layers, each of which knows only those before it: [`sys`] (system calls) · [`guest`] (what differs between
//! guests; the embedded one) · [`hypervisor`], [`machine`], [`state`], [`runner`] (KVM) · [`template`],
//! [`vm`], [`training`], [`saved`] (one VM's life).
//!
//! This crate knows no actor, no scenario and no other process, and nothing in it is asynchronous: every call
//! blocks, and has a limit. It is the only one with unsafe code. Elsewhere than on x86-64 Linux, and with
//! `--cfg warmpool_no_kvm`, it is empty.
//!
//! One VM, where KVM can be used:
//!
//! ```no_run
//! # #[cfg(all(target_os = "linux", target_arch = "x86_64", not(warmpool_no_kvm)))]
//! # fn one() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use microvm::bind::{Bind, Generation, Key};
//! use microvm::guest::EMBEDDED;
//! use microvm::hypervisor::Hypervisor;
//! use microvm::runner::Runner;
//! use microvm::training::capture;
//! use microvm::vm::Vm;
//!
//! let hypervisor = Arc::new(Hypervisor::open()?);
//! let template = capture(&hypervisor, Arc::new(EMBEDDED), 2 << 20)?;
//! let mut vm = Vm::fork(&hypervisor, &template)?;
//! let bind = Bind::new("s3://bucket/alice", Key::new("alice")?)?;
//! let ack = vm.start(&mut Runner::new()?, Generation(1), &bind, Duration::from_secs(1))?;
//! assert_eq!(ack.generation, Generation(1));
//! # Ok(())
//! # }
//! # fn main() {}
//! ```

#![cfg(all(target_os = "linux", target_arch = "x86_64", not(warmpool_no_kvm)))]

pub mod bind;
pub mod guest;
pub mod hypervisor;
pub mod kept;
pub mod machine;
pub mod manifest;
pub mod msr;
pub mod requests;
pub mod runner;
pub mod saved;
pub mod state;
pub mod sys;
pub mod template;
pub mod training;
pub mod vm;
