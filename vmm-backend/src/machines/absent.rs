//! [`KvmMachines`] where there is no KVM that this project drives: none can be had, and the error says why.

use std::sync::Arc;
use std::sync::mpsc::Receiver;

use actors::ActorId;
use actors::protocol::{End, Operation};
use runtime::{Lost, Machines};

use super::{Failed, MachinesConfig, Visit};

/// Real VMs cannot be had here.
#[derive(Debug, thiserror::Error)]
#[error("{}", crate::why_not())]
pub struct MachinesError;

/// Real VMs for the actors: there are none.
pub enum KvmMachines {}

impl KvmMachines {
    /// # Errors
    /// Always.
    pub fn launch(_config: MachinesConfig) -> Result<Arc<Self>, MachinesError> {
        Err(MachinesError)
    }

    /// Has a Sprite's guest answer a visit.
    ///
    /// # Errors
    /// Always.
    pub fn visit(&self, _sprite: ActorId, _generation: u32) -> Result<Visit, String> {
        match *self {}
    }

    /// What could not be done so far, and why.
    pub fn failures(&self) -> Vec<Failed> {
        match *self {}
    }
}

impl Machines for KvmMachines {
    fn perform(&self, _sprite: ActorId, _operation: &Operation) -> End {
        match *self {}
    }

    fn losses(&self) -> Option<Receiver<Lost>> {
        match *self {}
    }
}
