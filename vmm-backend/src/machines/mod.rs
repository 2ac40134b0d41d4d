//! The runtime's operations, done on real VMs: every boot, create, start, sleep, wake and stop that the actors ask for goes to a
//! [`Fleet`] on KVM. This is where the two halves of this crate meet; neither knows the other.
//!
//! | operation | what is done |
//! | --- | --- |
//! | `Boot` | fork the template in a shard, with all state restored and the write set copied ahead |
//! | `Create` | the long way round, as far as one host has it: the image is loaded into fresh memory, booted from its first instruction, captured, sealed and trained; then a VM is forked as by a boot. There is one image and it is part of this program, so nothing is pulled and no filesystem is built |
//! | `Start` | bind the tenant's key and the URL of its objects with a new generation, fresh entropy and the wall clock; over when the guest has acknowledged. A VM that has this tenant already keeps its memory and is given all but the key anew |
//! | `Sleep` | the first stage while fewer than [`MachinesConfig::kept_max`] sleep in it, else the second: what it wrote goes to a nameless file and the VM's place is free |
//! | `Wake` | from either stage, with a new generation that the guest must acknowledge. The start that follows finds it acknowledged |
//! | `Stop`, `Detach` | end the VM and wait until its memory is back. A VM that is not there has nothing to end |
//!
//! It fails closed: whatever is not acknowledged in time has failed, its VM is never handed out again and is ended by the
//! `Detach` that follows.

mod directory;
mod failures;
mod fit;

pub use failures::Failed;
pub use fit::{Fit, MEMORY_BYTES};

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actors::protocol::Operation;
use actors::{ActorId, Key, OperationKind};

use self::directory::{Directory, Life};
use self::failures::Failures;
use crate::bind::{self, Bind, TooLong};
use crate::guest::EMBEDDED;
use crate::host::{self, Fleet, FleetConfig, FleetError, ShardStatus, Stage, VmId};
use crate::hypervisor::{Hypervisor, HypervisorError};
use crate::runtime::{Lost, Machines};
use crate::sys;
use crate::template::{Template, TemplateError};

/// A guest that has not acknowledged after this long is dropped. The embedded one takes a tenth of a millisecond.
const ACKNOWLEDGE_LIMIT: Duration = Duration::from_secs(2);

/// What is to be held, and where.
#[derive(Clone, Debug)]
pub struct MachinesConfig {
    /// VMs that may be alive at once: those that hold slots, those that are being destroyed, and sleepers of the first stage.
    pub vms_max: usize,
    /// Sleepers in the first stage at most; beyond them a Sprite sleeps in the second.
    pub kept_max: usize,
    /// Memory of each guest in bytes.
    pub memory_bytes: u64,
    /// Where the nameless files of sleepers in the second stage are made.
    pub sleep_directory: PathBuf,
    /// Where tenants have their objects: a start binds `{object_store}/tenant-{key}`.
    pub object_store: String,
    /// The program to start as shards; none: this program. See [`FleetConfig::program`].
    pub program: Option<PathBuf>,
}

impl MachinesConfig {
    /// Room for this many VMs of the usual size, none of them asleep in the first stage.
    pub fn new(vms_max: usize) -> Self {
        Self {
            vms_max,
            kept_max: 0,
            memory_bytes: MEMORY_BYTES,
            sleep_directory: std::env::temp_dir(),
            object_store: "s3://warmpool".to_owned(),
            program: None,
        }
    }
}

/// Real VMs cannot be had here.
#[derive(Debug, thiserror::Error)]
pub enum MachinesError {
    /// KVM cannot be used.
    #[error(transparent)]
    Hypervisor(#[from] HypervisorError),
    /// The template cannot be made.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The shards cannot be started.
    #[error(transparent)]
    Fleet(#[from] FleetError),
    /// The thread that tells of lost VMs cannot be started.
    #[error("a thread cannot be started: {0}")]
    Thread(#[source] std::io::Error),
}

/// Why an operation was not done.
#[derive(Debug, thiserror::Error)]
enum OperationError {
    #[error(transparent)]
    Fleet(#[from] FleetError),
    #[error("the image cannot be booted anew: {0}")]
    Template(#[from] TemplateError),
    #[error(transparent)]
    TooLong(#[from] TooLong),
    #[error("the Sprite has no VM (any more)")]
    NoVm,
    #[error("{0} belongs to another tenant")]
    OtherTenant(VmId),
    #[error("{0} cannot do that now")]
    Life(VmId),
    #[error("nobody's request was to be started")]
    Nobody,
}

/// Real VMs for the actors. Dropping it ends every VM and every shard.
pub struct KvmMachines {
    config: MachinesConfig,
    hypervisor: Arc<Hypervisor>,
    fleet: Fleet,
    directory: Arc<Directory>,
    failures: Arc<Failures>,
    /// Sleepers in the first stage.
    kept: AtomicUsize,
    losses: Mutex<Option<Receiver<Lost>>>,
}

impl KvmMachines {
    /// Opens KVM, boots the template and starts the shards.
    ///
    /// # Errors
    /// What this host lacks, or what cannot be started.
    pub fn launch(config: MachinesConfig) -> Result<Arc<Self>, MachinesError> {
        // Every sleeper in the second stage holds a file. Where it is not permitted, that many fewer can sleep.
        let _ = sys::raise_descriptor_limit();
        let hypervisor = Arc::new(Hypervisor::open()?);
        let template = Template::capture(&hypervisor, &EMBEDDED, config.memory_bytes)?;
        let fleet = FleetConfig {
            sleep_directory: config.sleep_directory.clone(),
            program: config.program.clone(),
            ..FleetConfig::new(config.vms_max)
        };
        let (fleet, lost) = Fleet::launch(fleet, &template)?;
        let (directory, failures) = (Arc::<Directory>::default(), Arc::<Failures>::default());
        let (sender, losses) = mpsc::channel();
        let (known, noted) = (Arc::clone(&directory), Arc::clone(&failures));
        std::thread::Builder::new()
            .name("warmpool-lost".to_owned())
            .spawn(move || tell_losses(&known, &noted, &lost, &sender))
            .map_err(MachinesError::Thread)?;
        let (kept, losses) = (AtomicUsize::new(0), Mutex::new(Some(losses)));
        Ok(Arc::new(Self { config, hypervisor, fleet, directory, failures, kept, losses }))
    }

    /// What could not be done so far, and why.
    pub fn failures(&self) -> Vec<Failed> {
        self.failures.all()
    }

    /// The processes that hold the VMs.
    pub fn shards(&self) -> Vec<ShardStatus> {
        self.fleet.shards()
    }

    /// VMs that Sprites have, asleep or not.
    pub fn vms(&self) -> usize {
        self.directory.len()
    }

    /// Has a Sprite's guest do something for its user.
    ///
    /// # Errors
    /// [`FleetError::Unknown`] where the Sprite has no such VM; [`FleetError::Guest`] where the guest refuses.
    pub fn request(
        &self,
        sprite: ActorId,
        generation: u32,
        request: bind::Request,
    ) -> Result<[u64; 4], FleetError> {
        let unknown = FleetError::Unknown(VmId(0));
        let resident = self.directory.find((sprite, generation)).ok_or(unknown)?;
        self.fleet.request(resident.vm, request, ACKNOWLEDGE_LIMIT)
    }

    fn attempt(&self, sprite: ActorId, operation: &Operation) -> Result<(), OperationError> {
        let name = (sprite, operation.generation);
        let key = operation.request.map(|request| request.key);
        match operation.kind {
            OperationKind::Boot => self.boot(name),
            OperationKind::Create => {
                Template::capture(&self.hypervisor, &EMBEDDED, self.config.memory_bytes)?;
                self.boot(name)
            }
            OperationKind::Start => {
                let key = key.ok_or(OperationError::Nobody)?;
                self.with(name, |vm, life| self.start(vm, life, key))
            }
            OperationKind::Sleep => self.with(name, |vm, life| self.sleep(vm, life)),
            OperationKind::Wake => self.with(name, |vm, life| self.wake(vm, life)),
            OperationKind::Stop | OperationKind::Detach => self.stop(name),
            // The user works; nobody asks for it here.
            OperationKind::Run => Ok(()),
        }
    }

    fn with(
        &self,
        name: (ActorId, u32),
        act: impl FnOnce(VmId, &mut Life) -> Result<(), OperationError>,
    ) -> Result<(), OperationError> {
        let resident = self.directory.find(name).ok_or(OperationError::NoVm)?;
        act(resident.vm, &mut resident.life())
    }

    fn boot(&self, name: (ActorId, u32)) -> Result<(), OperationError> {
        let vm = self.fleet.boot()?;
        self.directory.enter(name, vm);
        // A shard that died before the entry told of a VM that nobody knew yet.
        if self.fleet.holds(vm) {
            return Ok(());
        }
        self.directory.remove(name);
        Err(FleetError::Unknown(vm).into())
    }

    fn start(&self, vm: VmId, life: &mut Life, key: Key) -> Result<(), OperationError> {
        match *life {
            Life::Ready => {
                self.fleet.start(vm, &self.bind(key)?, ACKNOWLEDGE_LIMIT)?;
            }
            Life::Used(tenant) | Life::Woken(tenant) | Life::Asleep(tenant, _) if tenant != key => {
                return Err(OperationError::OtherTenant(vm));
            }
            Life::Woken(_) => {}
            Life::Used(_) => {
                // Its memory stays, since it is this tenant's; generation, entropy and clock are new.
                self.fleet.sleep(vm, Stage::Kept)?;
                self.fleet.wake(vm, ACKNOWLEDGE_LIMIT)?;
            }
            Life::Asleep(..) | Life::Over => return Err(OperationError::Life(vm)),
        }
        *life = Life::Used(key);
        Ok(())
    }

    fn bind(&self, key: Key) -> Result<Bind, TooLong> {
        let tenant = format!("tenant-{}", key.0);
        Bind::new(format!("{}/{tenant}", self.config.object_store), bind::Key::new(tenant)?)
    }

    fn sleep(&self, vm: VmId, life: &mut Life) -> Result<(), OperationError> {
        let Life::Used(key) = *life else { return Err(OperationError::Life(vm)) };
        let room = |kept: usize| (kept < self.config.kept_max).then_some(kept + 1);
        let kept = self.kept.fetch_update(Ordering::AcqRel, Ordering::Acquire, room).is_ok();
        let stage = if kept { Stage::Kept } else { Stage::Saved };
        if let Err(error) = self.fleet.sleep(vm, stage) {
            self.no_longer_kept(stage);
            return Err(error.into());
        }
        *life = Life::Asleep(key, stage);
        Ok(())
    }

    fn wake(&self, vm: VmId, life: &mut Life) -> Result<(), OperationError> {
        let Life::Asleep(key, stage) = *life else { return Err(OperationError::Life(vm)) };
        self.fleet.wake(vm, ACKNOWLEDGE_LIMIT)?;
        self.no_longer_kept(stage);
        *life = Life::Woken(key);
        Ok(())
    }

    fn no_longer_kept(&self, stage: Stage) {
        if stage == Stage::Kept {
            self.kept.fetch_sub(1, Ordering::AcqRel);
        }
    }

    fn stop(&self, name: (ActorId, u32)) -> Result<(), OperationError> {
        let Some(resident) = self.directory.remove(name) else { return Ok(()) };
        let mut life = resident.life();
        let stopped = self.fleet.stop(resident.vm);
        if let Life::Asleep(_, stage) = std::mem::replace(&mut *life, Life::Over) {
            self.no_longer_kept(stage);
        }
        match stopped {
            // It is gone, which is what was asked for.
            Err(error) if error.ends_vm() => Ok(()),
            other => Ok(other?),
        }
    }
}

impl Machines for KvmMachines {
    fn perform(&self, sprite: ActorId, operation: &Operation) -> bool {
        let done = self.attempt(sprite, operation);
        if let Err(error) = &done {
            self.failures.note(operation.kind, error);
        }
        done.is_ok()
    }

    fn losses(&self) -> Option<Receiver<Lost>> {
        self.losses.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Tells each Sprite whose VM went with a shard, until the fleet ends.
fn tell_losses(
    directory: &Directory,
    failures: &Failures,
    lost: &Receiver<host::Lost>,
    sprites: &Sender<Lost>,
) {
    for lost in lost {
        failures.note_shard(&lost);
        for (sprite, generation) in directory.owners(&lost.vms) {
            // Nobody may be interested any more, which is as well.
            let _ = sprites.send(Lost { sprite, generation });
        }
    }
}
