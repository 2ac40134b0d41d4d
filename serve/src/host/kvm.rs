//! Real microVMs behind the host.

use std::sync::Arc;
use std::sync::mpsc::Receiver;

use actors::ActorId;
use actors::protocol::{End, Operation};
use runtime::{Lost, Machines};
use vmm_backend::machines::{Fit, KvmMachines};

use super::contract::{Guests, Lease, Losses, Visit, VisitError};
use super::on_actors::{ActorHost, HostError};
use crate::config::{Backend, Loaded};

/// The microVMs of this host.
struct Kvm(Arc<KvmMachines>);

impl Machines for Kvm {
    fn perform(&self, sprite: ActorId, operation: &Operation) -> End {
        self.0.perform(sprite, operation)
    }

    fn losses(&self) -> Option<Receiver<Lost>> {
        self.0.losses()
    }
}

impl Guests for Kvm {
    fn visit(&self, lease: Lease) -> Result<Visit, VisitError> {
        let visit = self.0.visit(lease.sprite, lease.generation).map_err(VisitError)?;
        let vmm_backend::machines::Visit { generation, requests, began_unix_ns, identity } = visit;
        Ok(Visit { generation, requests, began_unix_ns, identity })
    }

    fn failures(&self) -> Vec<String> {
        self.0.failures().iter().map(ToString::to_string).collect()
    }
}

/// Boots the template, starts the shards and begins to fill the pool.
pub(super) fn launch(loaded: &Loaded) -> Result<(ActorHost, Losses), HostError> {
    let Fit { machines, limits } = Fit::of(&loaded.scenario)?;
    let machines = KvmMachines::launch(machines).map_err(|error| HostError::NoKvm(error.to_string()))?;
    ActorHost::new(loaded, Backend::Kvm, Arc::new(Kvm(machines)), &limits)
}
