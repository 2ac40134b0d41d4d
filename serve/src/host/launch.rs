//! Which host a configuration asks for, and which it gets.

use std::sync::Arc;

use std::path::Path;

use runtime::JournalPaths;

use super::contract::Changes;
use super::on_actors::{ActorHost, HostError};
use super::simulated::Simulated;
use crate::config::{Backend, BackendChoice, Loaded};

/// The host that a configuration asks for, whose sleepers are saved in a folder, and why it is not KVM where
/// that was left open.
///
/// # Errors
/// KVM that was asked for and cannot be had; machines or threads that cannot be made.
pub fn launch(
    loaded: &Loaded,
    sleepers: &Path,
    journals: &JournalPaths,
) -> Result<(ActorHost, Changes, Option<String>), HostError> {
    let why_not = match loaded.config.server.backend {
        BackendChoice::Sim => None,
        choice => match on_kvm(loaded, sleepers, journals) {
            Ok((host, changes)) => return Ok((host, changes, None)),
            Err(HostError::Scenario(error)) => return Err(HostError::Scenario(error)),
            Err(error) if choice == BackendChoice::Kvm => return Err(error),
            Err(error) => Some(error.to_string()),
        },
    };
    let machines = Simulated::new(&loaded.scenario, sleepers)?;
    let limits = runtime::Limits { slots_max: u32::MAX, ..runtime::Limits::default() };
    let (host, changes) =
        ActorHost::new(loaded, Backend::Sim, Arc::new(machines), &limits, journals.clone())?;
    Ok((host, changes, why_not))
}

#[cfg(all(target_os = "linux", target_arch = "x86_64", not(warmpool_no_kvm)))]
fn on_kvm(
    loaded: &Loaded,
    sleepers: &Path,
    journals: &JournalPaths,
) -> Result<(ActorHost, Changes), HostError> {
    super::kvm::launch(loaded, sleepers, journals)
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64", not(warmpool_no_kvm))))]
fn on_kvm(
    _loaded: &Loaded,
    _sleepers: &Path,
    _journals: &JournalPaths,
) -> Result<(ActorHost, Changes), HostError> {
    Err(HostError::NoKvm(vmm_backend::why_not()))
}
