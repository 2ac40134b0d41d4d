//! One VM: a copy-on-write fork of the template from its boot to its stop. Fails closed: what goes wrong
//! while the guest runs poisons the VM, and a poisoned VM does nothing any more but be dropped. Knows no
//! process but its own.

use crate::bind::{Ack, Bind, Entropy, Generation, GuestError, Key, Request, TooLong};
use crate::guest::{Binding, Guest, Rang};
use crate::hypervisor::{Hypervisor, HypervisorError};
use crate::runner::{RunError, Runner, complete_exit, expect_rang};
use crate::state::{State, StateError};
use crate::sys::memory::{Mapping, Sharing};
use crate::sys::pagemap::Pagemap;
use crate::template::Template;
use kvm_ioctls::{VcpuFd, VmFd};
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Something that a VM was asked did not happen.
#[derive(Debug, thiserror::Error)]
pub enum VmError {
    /// The VM could not be made.
    #[error(transparent)]
    Hypervisor(#[from] HypervisorError),
    /// Its state could not be saved or restored.
    #[error(transparent)]
    State(#[from] StateError),
    /// The guest did not come back.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The guest refused.
    #[error(transparent)]
    Guest(#[from] GuestError),
    /// The user's data does not fit.
    #[error(transparent)]
    TooLong(#[from] TooLong),
    /// Mapping, entropy or timer.
    #[error("{call}: {source}")]
    System {
        /// Which system call.
        call: &'static str,
        /// What it answered.
        source: io::Error,
    },
    /// KVM ties a VM to the process that made it; elsewhere its ioctls answer EIO.
    #[error(
        "this VM belongs to process {owner} and was used from process {caller}: a VM cannot be handed to another process"
    )]
    WrongProcess {
        /// Who made it.
        owner: u32,
        /// Who asked.
        caller: u32,
    },
    /// Not what this VM can do now.
    #[error("cannot {asked} a VM that is {phase}")]
    Phase {
        /// What was asked.
        asked: &'static str,
        /// What it is.
        phase: Phase,
    },
    /// The generation was used before.
    #[error("generation {asked} is not newer than {current}, under which this VM ran last")]
    OldGeneration {
        /// What was asked.
        asked: u64,
        /// What it had.
        current: u64,
    },
    /// It ran for somebody else.
    #[error("this VM ran for another key: it is never reused across keys, stop it and boot a new one")]
    OtherKey,
}

pub(crate) fn system(call: &'static str) -> impl Fn(io::Error) -> VmError {
    move |source| VmError::System { call, source }
}

/// Where in its life a VM is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Forked, no user.
    Ready,
    /// Has a user and acknowledged; stands at the doorbell between requests.
    Started,
    /// First stage of sleep: everything kept, nothing runs.
    Asleep,
    /// Something went wrong while it ran.
    Poisoned,
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Ready => "ready (not started)",
            Self::Started => "started",
            Self::Asleep => "asleep",
            Self::Poisoned => "poisoned by an earlier failure",
        })
    }
}

/// A VM with one vCPU. The order of the fields is the order of their end: vCPU and VM before the memory that
/// they use.
#[derive(Debug)]
pub struct Vm {
    vcpu: VcpuFd,
    vm: VmFd,
    memory: Mapping,
    hypervisor: Arc<Hypervisor>,
    template: Arc<Template>,
    process: u32,
    phase: Phase,
    generation: Generation,
    key: Option<Key>,
}

impl Vm {
    /// Fork the template: the full state restored, the pages that a start writes copied ahead, nothing run.
    ///
    /// # Errors
    /// The step that failed.
    pub fn fork(hypervisor: &Arc<Hypervisor>, template: &Arc<Template>) -> Result<Self, VmError> {
        Self::fork_with(hypervisor, template, template.state(), |memory| {
            for &page in template.write_set() {
                memory.own_page(page);
            }
            Ok(())
        })
    }

    /// Fork with another state and other pages over the template's: how a VM comes back from a file.
    pub(crate) fn fork_with(
        hypervisor: &Arc<Hypervisor>,
        template: &Arc<Template>,
        state: &State,
        fill: impl FnOnce(&Mapping) -> Result<(), VmError>,
    ) -> Result<Self, VmError> {
        let bytes = usize::try_from(template.manifest().memory_bytes)
            .map_err(|error| system("mmap")(io::Error::other(error)))?;
        let memory = Mapping::new(template.file(), bytes, Sharing::CopyOnWrite).map_err(system("mmap"))?;
        // Before the VM exists, so that no copied page is a mapping change of a VM that runs on it.
        fill(&memory)?;
        let (vm, vcpu) = hypervisor.create(&memory)?;
        state.restore(&vm, &vcpu, false)?;
        Ok(Self {
            vcpu,
            vm,
            memory,
            hypervisor: hypervisor.clone(),
            template: template.clone(),
            process: std::process::id(),
            phase: Phase::Ready,
            generation: Generation(0),
            key: None,
        })
    }

    /// Mark a VM that came back from a file as what it was when it was saved.
    pub(crate) fn resume_as(&mut self, generation: Generation, key: Key) {
        (self.phase, self.generation, self.key) = (Phase::Asleep, generation, Some(key));
    }

    /// Run the guest once around without a user, so that KVM has its pages mapped when the user comes.
    ///
    /// # Errors
    /// Where the guest does not come back within `limit`; the VM is poisoned then.
    pub fn warm(&mut self, runner: &mut Runner, limit: Duration) -> Result<(), VmError> {
        self.expect("warm", Phase::Ready)?;
        self.guest().warm(&self.memory);
        self.round(runner, limit)
    }

    /// Bind the user's data with this generation, fresh entropy and the wall clock, run, and check the
    /// acknowledgement.
    ///
    /// # Errors
    /// Where the guest does not acknowledge correctly within `limit`; the VM is poisoned then and must be
    /// dropped.
    pub fn start(
        &mut self,
        runner: &mut Runner,
        generation: Generation,
        bind: &Bind,
        limit: Duration,
    ) -> Result<Ack, VmError> {
        self.start_with(runner, generation, &draw()?, bind, limit)
    }

    /// As [`Vm::start`], with entropy that somebody else has drawn and can check the acknowledgement by.
    ///
    /// # Errors
    /// As there.
    pub fn start_with(
        &mut self,
        runner: &mut Runner,
        generation: Generation,
        entropy: &Entropy,
        bind: &Bind,
        limit: Duration,
    ) -> Result<Ack, VmError> {
        self.expect("start", Phase::Ready)?;
        if self.key.as_ref().is_some_and(|key| key != bind.key()) {
            return Err(VmError::OtherKey);
        }
        let ack = self.renew(runner, generation, entropy, Some(bind), limit)?;
        self.key = Some(bind.key().clone());
        Ok(ack)
    }

    /// Let the guest do one request.
    ///
    /// # Errors
    /// [`VmError::Guest`] where the guest refuses; it goes on. Any other error poisons the VM.
    pub fn request(
        &mut self,
        runner: &mut Runner,
        request: Request,
        limit: Duration,
    ) -> Result<[u64; 4], VmError> {
        self.expect("send a request to", Phase::Started)?;
        self.guest().ask(&self.memory, request);
        self.round(runner, limit)?;
        Ok(self.guest().answer(&self.memory)?)
    }

    /// First stage of sleep: keep everything, run nothing. The guest stands at its doorbell, so there is
    /// nothing to stop.
    ///
    /// # Errors
    /// Where it is not started.
    pub fn sleep(&mut self) -> Result<(), VmError> {
        self.expect("put to sleep", Phase::Started)?;
        self.phase = Phase::Asleep;
        Ok(())
    }

    /// Give up a first stage of sleep that nobody was told of: the user was never away, so nothing has to be
    /// new.
    ///
    /// # Errors
    /// Where it is not asleep.
    pub fn stay_awake(&mut self) -> Result<(), VmError> {
        self.expect("keep awake", Phase::Asleep)?;
        self.phase = Phase::Started;
        Ok(())
    }

    /// Wake from either stage. Memory and user are kept; generation, entropy and wall clock are new, because
    /// the guest cannot know how long it slept, nor whether another copy of it lived meanwhile.
    ///
    /// # Errors
    /// As [`Vm::start`].
    pub fn wake(
        &mut self,
        runner: &mut Runner,
        generation: Generation,
        limit: Duration,
    ) -> Result<Ack, VmError> {
        self.wake_with(runner, generation, &draw()?, limit)
    }

    /// As [`Vm::wake`], with entropy that somebody else has drawn and can check the acknowledgement by.
    ///
    /// # Errors
    /// As there.
    pub fn wake_with(
        &mut self,
        runner: &mut Runner,
        generation: Generation,
        entropy: &Entropy,
        limit: Duration,
    ) -> Result<Ack, VmError> {
        self.expect("wake", Phase::Asleep)?;
        self.renew(runner, generation, entropy, None, limit)
    }

    /// Make the VM as it was when forked, in place, for the same key only: pages are forgotten and state
    /// restored, but what one tenant left in caches and predictors is not another's to see.
    ///
    /// # Errors
    /// [`VmError::OtherKey`]; any failure on the way poisons the VM.
    pub fn recycle(&mut self, key: &Key) -> Result<(), VmError> {
        self.here()?;
        if !matches!(self.phase, Phase::Started | Phase::Asleep) {
            return Err(VmError::Phase { asked: "recycle", phase: self.phase });
        }
        if self.key.as_ref() != Some(key) {
            return Err(VmError::OtherKey);
        }
        self.phase = Phase::Poisoned;
        complete_exit(&mut self.vcpu)?;
        self.memory.forget().map_err(system("madvise(MADV_DONTNEED)"))?;
        for &page in self.template.write_set() {
            self.memory.own_page(page);
        }
        self.template.state().restore(&self.vm, &self.vcpu, true)?;
        self.phase = Phase::Ready;
        Ok(())
    }

    /// Complete the pending exit and save state: for the second stage of sleep.
    pub(crate) fn save_state(&mut self) -> Result<State, VmError> {
        self.expect("save", Phase::Asleep)?;
        self.phase = Phase::Poisoned;
        complete_exit(&mut self.vcpu)?;
        self.phase = Phase::Asleep;
        Ok(State::save(&self.hypervisor, &self.vm, &self.vcpu)?)
    }

    /// Offsets of the pages written since the fork, in ascending order.
    ///
    /// # Errors
    /// What the page map answers.
    pub fn written(&self, pagemap: &Pagemap) -> io::Result<Vec<u64>> {
        pagemap.written(self.memory.address(), self.memory.bytes() as u64)
    }

    /// Where it is in its life.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Under which generation it runs; 0 before its start.
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// Whose it is.
    pub fn key(&self) -> Option<&Key> {
        self.key.as_ref()
    }

    /// Its memory, to copy from.
    pub fn memory(&self) -> &Mapping {
        &self.memory
    }

    /// Its template.
    pub fn template(&self) -> &Arc<Template> {
        &self.template
    }

    /// Its vCPU, to look at.
    pub fn vcpu(&self) -> &VcpuFd {
        &self.vcpu
    }

    fn renew(
        &mut self,
        runner: &mut Runner,
        generation: Generation,
        entropy: &Entropy,
        bind: Option<&Bind>,
        limit: Duration,
    ) -> Result<Ack, VmError> {
        if generation <= self.generation {
            return Err(VmError::OldGeneration { asked: generation.0, current: self.generation.0 });
        }
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let wall_ns = u64::try_from(wall.as_nanos()).unwrap_or(u64::MAX);
        let binding = Binding { generation, entropy: *entropy.bytes(), wall_ns, user: bind };
        self.generation = generation;
        self.guest().bind(&self.memory, &binding);
        self.round(runner, limit)?;
        let ack = self.guest().acknowledged(&self.memory, &binding);
        self.phase = if ack.is_ok() { Phase::Started } else { Phase::Poisoned };
        Ok(ack?)
    }

    /// Run the guest until it replies to what was written. Poisoned meanwhile, and for good where it does
    /// not.
    fn round(&mut self, runner: &mut Runner, limit: Duration) -> Result<(), VmError> {
        let phase = std::mem::replace(&mut self.phase, Phase::Poisoned);
        let value = runner.run(&mut self.vcpu, self.template.guest().doorbell(), limit)?;
        expect_rang(self.guest(), value, Rang::Reply)?;
        self.phase = phase;
        Ok(())
    }

    fn guest(&self) -> &dyn Guest {
        &**self.template.guest()
    }

    fn expect(&self, asked: &'static str, wanted: Phase) -> Result<(), VmError> {
        self.here()?;
        if self.phase == wanted { Ok(()) } else { Err(VmError::Phase { asked, phase: self.phase }) }
    }

    fn here(&self) -> Result<(), VmError> {
        let caller = std::process::id();
        if caller == self.process {
            Ok(())
        } else {
            Err(VmError::WrongProcess { owner: self.process, caller })
        }
    }
}
fn draw() -> Result<Entropy, VmError> {
    Entropy::draw().map_err(system("getrandom"))
}
