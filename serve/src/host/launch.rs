//! Which host a configuration asks for, and which it gets.

use std::sync::Arc;

use super::contract::Losses;
use super::on_actors::{ActorHost, HostError};
use super::simulated::Simulated;
use crate::config::{Backend, BackendChoice, Loaded};

/// The host that a configuration asks for, and why it is not KVM where that was left open.
///
/// # Errors
/// KVM that was asked for and cannot be had; machines or threads that cannot be made.
pub fn launch(loaded: &Loaded) -> Result<(ActorHost, Losses, Option<String>), HostError> {
    let why_not = match loaded.config.server.backend {
        BackendChoice::Sim => None,
        choice => match on_kvm(loaded) {
            Ok((host, losses)) => return Ok((host, losses, None)),
            Err(HostError::Scenario(error)) => return Err(HostError::Scenario(error)),
            Err(error) if choice == BackendChoice::Kvm => return Err(error),
            Err(error) => Some(error.to_string()),
        },
    };
    let machines = Simulated::new(&loaded.scenario)?;
    let limits = runtime::Limits { slots_max: u32::MAX, ..runtime::Limits::default() };
    let (host, losses) = ActorHost::new(loaded, Backend::Sim, Arc::new(machines), &limits)?;
    Ok((host, losses, why_not))
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn on_kvm(loaded: &Loaded) -> Result<(ActorHost, Losses), HostError> {
    super::kvm::launch(loaded)
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
fn on_kvm(_loaded: &Loaded) -> Result<(ActorHost, Losses), HostError> {
    Err(HostError::NoKvm(vmm_backend::why_not()))
}
