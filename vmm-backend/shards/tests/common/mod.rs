//! What the tests of shards share: shards of one template.

#![allow(dead_code, unused_imports, reason = "every test file uses a part")]
#![allow(clippy::unwrap_used, reason = "a test says by a panic what went wrong")]

#[path = "../../../microvm/tests/common/mod.rs"]
mod vms;

use microvm::guest::EMBEDDED;
use microvm::training::capture;
use shards::{Lost, Shards, ShardsConfig};
use std::sync::Arc;
pub(crate) use vms::*;

pub(crate) fn config(vms_max: usize) -> ShardsConfig {
    let mut config = ShardsConfig::new(vms_max);
    config.program = Some(env!("CARGO_BIN_EXE_shard").into());
    config
}

/// Shards for the embedded guest; None where KVM cannot be used.
pub(crate) fn launch(config: ShardsConfig) -> Option<(Shards, std::sync::mpsc::Receiver<Lost>)> {
    let hypervisor = hypervisor()?;
    let template = capture(&hypervisor, Arc::new(EMBEDDED), MEMORY_BYTES).unwrap();
    Some(Shards::launch(config, &template).unwrap())
}
