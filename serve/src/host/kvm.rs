//! Real microVMs behind the host.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use actors::protocol::{End, Operation};
use actors::{ActorId, Key};
use runtime::{JournalPaths, Lost, Machines};
use vmm_backend::machines::{Fit, Kept, KvmMachines, MachinesConfig, Resume};

use super::contract::{Changes, Guests, Lease, Visit, VisitError};
use super::on_actors::{ActorHost, HostError};
use super::saved;
use crate::config::{Backend, Loaded};
use crate::store::Seal;

/// The microVMs of this host, and where the memories of sleepers are saved.
struct Kvm(Arc<KvmMachines>, PathBuf);

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

    fn save(&self, lease: Lease, key: Key) -> Result<Seal, VisitError> {
        let path = saved::path(&self.1, key);
        let kept = self.0.save(lease.sprite, lease.generation, &path).map_err(VisitError)?;
        Ok(Seal(kept.to_text()))
    }

    fn is_saved(&self, lease: Lease) -> bool {
        self.0.is_saved(lease.sprite, lease.generation)
    }

    fn adopt(&self, key: Key, seal: &Seal) -> Result<(), VisitError> {
        let path = saved::path(&self.1, key);
        let fail = |why: &dyn std::fmt::Display| VisitError(format!("{}: {why}", path.display()));
        let Some(kept) = Kept::from_text(&seal.0) else {
            return Err(fail(&"it was saved by another backend"));
        };
        let file = File::open(&path).map_err(|error| fail(&error))?;
        self.0.adopt(key, file, &kept);
        Ok(())
    }

    fn discard(&self, key: Key) {
        self.0.discard(key);
        saved::remove(&saved::path(&self.1, key));
    }

    fn discard_others(&self, keys: &BTreeSet<Key>) {
        saved::remove_others(&self.1, keys);
    }

    fn failures(&self) -> Vec<String> {
        self.0.failures().iter().map(ToString::to_string).collect()
    }
}

/// Boots the template, starts the shards and begins to fill the pool.
pub(super) fn launch(
    loaded: &Loaded,
    sleepers: &Path,
    journals: &JournalPaths,
) -> Result<(ActorHost, Changes), HostError> {
    let Fit { machines, limits } = Fit::of(&loaded.scenario)?;
    let machines = MachinesConfig {
        sleep_directory: sleepers.to_owned(),
        template_file: Some(sleepers.join("template")),
        resume: Resume::AsItIs,
        ..machines
    };
    let machines = KvmMachines::launch(machines).map_err(|error| HostError::NoKvm(error.to_string()))?;
    ActorHost::new(
        loaded,
        Backend::Kvm,
        Arc::new(Kvm(machines, sleepers.to_owned())),
        &limits,
        journals.clone(),
    )
}
