//! [`KvmMachines`] on KVM: each operation is done by the [`Shards`], and what went wrong is noted.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actors::protocol::{End, Operation};
use actors::{ActorId, Key, OperationKind};

use crate::host::memory_available;

use super::directory::{Directory, Life};
use super::failures::Failures;
use super::{Failed, MachinesConfig, Resume, Visit};
use microvm::bind::{self, Bind, TooLong};
use microvm::guest::EMBEDDED;
use microvm::hypervisor::{Hypervisor, HypervisorError};
use microvm::kept::{bring_back, keep};
use microvm::sys;
use microvm::template::Template;
use microvm::training::{CaptureError, capture};
use runtime::{Lost, Machines};
use shards::{Kept, Memory, ShardStatus, Shards, ShardsConfig, ShardsError, Stage, VmId};

/// A guest that has not acknowledged after this long is dropped. The embedded one takes a tenth of a
/// millisecond. With what a shard may be late, no start takes longer than two seconds.
const ACKNOWLEDGE_LIMIT: Duration = Duration::from_millis(750);

/// Where in a guest's memory stands when it began.
const BEGAN: u64 = 0x6265_6761_6e00_0000;

/// Real VMs cannot be had here.
#[derive(Debug, thiserror::Error)]
pub enum MachinesError {
    /// KVM cannot be used.
    #[error(transparent)]
    Hypervisor(#[from] HypervisorError),
    /// The template cannot be made.
    #[error(transparent)]
    Template(#[from] CaptureError),
    /// The shards cannot be started.
    #[error(transparent)]
    Shards(#[from] ShardsError),
    /// The thread that tells of lost VMs cannot be started.
    #[error("a thread cannot be started: {0}")]
    Thread(#[source] std::io::Error),
}

/// Why an operation was not done.
#[derive(Debug, thiserror::Error)]
enum OperationError {
    #[error(transparent)]
    Shards(#[from] ShardsError),
    #[error("the image cannot be booted anew: {0}")]
    Template(#[from] CaptureError),
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

impl OperationError {
    /// Whether the VM is as it was.
    fn end(&self) -> End {
        match self {
            Self::Shards(error) if !error.ends_vm() => End::Refused,
            _ => End::Lost,
        }
    }
}

/// Real VMs for the actors. Dropping it ends every VM and every shard.
pub struct KvmMachines {
    config: MachinesConfig,
    hypervisor: Arc<Hypervisor>,
    shards: Shards,
    directory: Arc<Directory>,
    failures: Arc<Failures>,
    /// Sleepers in the first stage.
    kept: AtomicUsize,
    losses: Mutex<Option<Receiver<Lost>>>,
    /// Sleepers from before this run, which nobody has woken yet.
    adopted: Mutex<BTreeMap<Key, VmId>>,
}

impl KvmMachines {
    /// Opens KVM, boots the template and starts the shards.
    ///
    /// # Errors
    /// What this host lacks, or what cannot be started.
    pub fn launch(config: MachinesConfig) -> Result<Arc<Self>, MachinesError> {
        // Every sleeper in the second stage holds a file. Where it is not permitted, that many fewer can
        // sleep.
        let _ = sys::raise_descriptor_limit();
        let hypervisor = Arc::new(Hypervisor::open()?);
        let template = template_of(&hypervisor, &config)?;
        let shards = ShardsConfig {
            sleep_directory: config.sleep_directory.clone(),
            program: config.program.clone(),
            vms_per_shard: config.vms_per_shard,
            memory: Memory {
                quota: config.memory_quota,
                budget: config.memory_budget.or_else(|| Some(memory_available()? / 10 * 9)),
                overcommit: config.overcommit,
            },
            ..ShardsConfig::new(config.vms_max)
        };
        let (shards, lost) = Shards::launch(shards, &template)?;
        let (directory, failures) = (Arc::<Directory>::default(), Arc::<Failures>::default());
        let (sender, losses) = mpsc::channel();
        let (known, noted) = (Arc::clone(&directory), Arc::clone(&failures));
        std::thread::Builder::new()
            .name("warmpool-lost".to_owned())
            .spawn(move || tell_losses(&known, &noted, &lost, &sender))
            .map_err(MachinesError::Thread)?;
        let (kept, losses) = (AtomicUsize::new(0), Mutex::new(Some(losses)));
        let adopted = Mutex::default();
        Ok(Arc::new(Self { config, hypervisor, shards, directory, failures, kept, losses, adopted }))
    }

    /// What could not be done so far, and why.
    pub fn failures(&self) -> Vec<Failed> {
        self.failures.all()
    }

    /// The processes that hold the VMs.
    pub fn shards(&self) -> Vec<ShardStatus> {
        self.shards.shards()
    }

    /// VMs that Sprites have, asleep or not.
    pub fn vms(&self) -> usize {
        self.directory.len()
    }

    /// Has a Sprite's guest do something for its user.
    ///
    /// # Errors
    /// [`ShardsError::Unknown`] where the Sprite has no such VM; [`ShardsError::Guest`] where the guest
    /// refuses.
    pub fn request(
        &self,
        sprite: ActorId,
        generation: u32,
        request: bind::Request,
    ) -> Result<[u64; 4], ShardsError> {
        let unknown = ShardsError::Unknown(VmId(0));
        let resident = self.directory.find((sprite, generation)).ok_or(unknown)?;
        self.shards.request(resident.vm, request, ACKNOWLEDGE_LIMIT)
    }

    /// Has a Sprite's guest answer a visit: it counts it in its own memory and says who it is.
    ///
    /// # Errors
    /// In words, why it does not answer.
    pub fn visit(&self, sprite: ActorId, generation: u32) -> Result<Visit, String> {
        let ask = |request| self.request(sprite, generation, request).map_err(|error| error.to_string());
        let [requests, ..] = ask(bind::Request::Add(1))?;
        let [generation, bound_unix_ns, _, identity] = ask(bind::Request::Identity)?;
        let began_unix_ns = match ask(bind::Request::Lookup(BEGAN))? {
            [began, 1, ..] => began,
            _ => {
                ask(bind::Request::Put(BEGAN, bound_unix_ns))?;
                bound_unix_ns
            }
        };
        Ok(Visit { generation, requests, began_unix_ns, identity })
    }

    /// Writes the memory of a Sprite that sleeps to a named file, which is on disk when this returns, and
    /// gives up what else it held. Gives what [`Self::adopt`] needs to wake it in another run.
    ///
    /// # Errors
    /// In words, why it cannot; it sleeps on.
    pub fn save(&self, sprite: ActorId, generation: u32, to: &Path) -> Result<Kept, String> {
        let resident = self.directory.find((sprite, generation)).ok_or("the Sprite has no VM")?;
        let mut life = resident.life();
        let Life::Asleep(key, stage) = *life else { return Err("the Sprite is awake".to_owned()) };
        let kept = self.shards.keep(resident.vm, to).map_err(|error| error.to_string())?;
        self.no_longer_kept(stage);
        *life = Life::Asleep(key, Stage::Saved);
        Ok(kept)
    }

    /// Whether a Sprite sleeps in the second stage.
    pub fn is_saved(&self, sprite: ActorId, generation: u32) -> bool {
        let resident = self.directory.find((sprite, generation));
        resident.is_some_and(|resident| matches!(*resident.life(), Life::Asleep(_, Stage::Saved)))
    }

    /// Takes a sleeper over that an earlier run has saved: the next `Wake` of its key finds it.
    pub fn adopt(&self, key: Key, file: File, kept: &Kept) {
        let vm = self.shards.adopt(file, kept);
        self.adopted().insert(key, vm);
    }

    /// Ends a sleeper from an earlier run that nobody has woken.
    pub fn discard(&self, key: Key) {
        if let Some(vm) = self.adopted().remove(&key) {
            // It holds a file and nothing else.
            let _ = self.shards.stop(vm);
        }
    }

    fn adopted(&self) -> std::sync::MutexGuard<'_, BTreeMap<Key, VmId>> {
        self.adopted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A Sprite that has never had a VM here is woken: it gets the sleeper of its key.
    fn enter_adopted(&self, name: (ActorId, u32), key: Option<Key>) {
        if let Some(key) = key
            && self.directory.find(name).is_none()
            && let Some(vm) = self.adopted().remove(&key)
        {
            self.directory.enter_asleep(name, vm, key);
        }
    }

    fn attempt(&self, sprite: ActorId, operation: &Operation) -> Result<(), OperationError> {
        let name = (sprite, operation.generation);
        let key = operation.request.map(|request| request.key);
        match operation.kind {
            OperationKind::Boot => self.boot(name),
            OperationKind::Create => {
                capture(&self.hypervisor, Arc::new(EMBEDDED), self.config.memory_bytes)?;
                self.boot(name)
            }
            OperationKind::Start => {
                let key = key.ok_or(OperationError::Nobody)?;
                self.with(name, |vm, life| self.start(vm, life, key))
            }
            OperationKind::Sleep => self.with(name, |vm, life| self.sleep(vm, life)),
            OperationKind::Wake => {
                self.enter_adopted(name, key);
                self.with(name, |vm, life| self.wake(vm, life))
            }
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
        let vm = self.shards.boot()?;
        self.directory.enter(name, vm);
        // A shard that died before the entry told of a VM that nobody knew yet.
        if self.shards.holds(vm) {
            return Ok(());
        }
        self.directory.remove(name);
        Err(ShardsError::Unknown(vm).into())
    }

    fn start(&self, vm: VmId, life: &mut Life, key: Key) -> Result<(), OperationError> {
        match *life {
            Life::Ready => {
                self.shards.start(vm, &self.bind(key)?, ACKNOWLEDGE_LIMIT)?;
            }
            Life::Used(tenant) | Life::Renewed(tenant) | Life::Woken(tenant) | Life::Asleep(tenant, _)
                if tenant != key =>
            {
                return Err(OperationError::OtherTenant(vm));
            }
            Life::Woken(_) => {}
            Life::Used(_) if self.config.resume == Resume::AsItIs => {}
            Life::Used(_) => {
                // Its memory stays, since it is this tenant's; generation, entropy and clock are new.
                self.shards.sleep(vm, Stage::Kept)?;
                *life = Life::Renewed(key);
                self.shards.wake(vm, ACKNOWLEDGE_LIMIT)?;
            }
            Life::Renewed(_) => {
                self.shards.wake(vm, ACKNOWLEDGE_LIMIT)?;
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
        let (Life::Used(key) | Life::Renewed(key)) = *life else { return Err(OperationError::Life(vm)) };
        let room = |kept: usize| (kept < self.config.kept_max).then_some(kept + 1);
        let kept = self.kept.fetch_update(Ordering::AcqRel, Ordering::Acquire, room).is_ok();
        let stage = if kept { Stage::Kept } else { Stage::Saved };
        let asleep_already = kept && *life == Life::Renewed(key);
        if !asleep_already && let Err(error) = self.shards.sleep(vm, stage) {
            self.no_longer_kept(stage);
            return Err(error.into());
        }
        *life = Life::Asleep(key, stage);
        Ok(())
    }

    fn wake(&self, vm: VmId, life: &mut Life) -> Result<(), OperationError> {
        let Life::Asleep(key, stage) = *life else { return Err(OperationError::Life(vm)) };
        self.shards.wake(vm, ACKNOWLEDGE_LIMIT)?;
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
        let stopped = self.shards.stop(resident.vm);
        if let Life::Asleep(_, stage) = std::mem::replace(&mut *life, Life::Over) {
            self.no_longer_kept(stage);
        }
        match stopped {
            // It is gone, which is what was asked for, or will be when its shard comes to it.
            Err(ShardsError::Busy { .. }) => Ok(()),
            Err(error) if error.ends_vm() => Ok(()),
            other => Ok(other?),
        }
    }
}

impl Machines for KvmMachines {
    fn perform(&self, sprite: ActorId, operation: &Operation) -> End {
        let Err(error) = self.attempt(sprite, operation) else { return End::Done };
        let end = error.end();
        self.failures.note(operation.kind, end, &error);
        end
    }

    fn losses(&self) -> Option<Receiver<Lost>> {
        self.losses.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The template of an earlier run where it can be used, else a new one.
fn template_of(hypervisor: &Arc<Hypervisor>, config: &MachinesConfig) -> Result<Arc<Template>, CaptureError> {
    if let Some(path) = &config.template_file
        && let Ok(template) = bring_back(hypervisor, Arc::new(EMBEDDED), config.memory_bytes, path)
    {
        return Ok(template);
    }
    let template = capture(hypervisor, Arc::new(EMBEDDED), config.memory_bytes)?;
    if let Some(path) = &config.template_file {
        // Without it this run goes well; what it saves cannot be woken in the next, which says so then.
        let _ = keep(&template, path);
    }
    Ok(template)
}

/// Tells each Sprite whose VM went with a shard, until the shards ends.
fn tell_losses(
    directory: &Directory,
    failures: &Failures,
    lost: &Receiver<shards::Lost>,
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
