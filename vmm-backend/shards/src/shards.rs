//! The fleet: what the parent process calls. Every call blocks, has a limit, and may come from any thread;
//! calls for different VMs do not wait for each other. VMs live in shard processes; this side holds only
//! names, files of sleepers and the template.

use crate::config::{Kept, ShardsConfig, Stage, VmId};
use crate::error::ShardsError;
use crate::isolate::Isolation;
use crate::lost::Lost;
use crate::registry::{Place, Registry, whole};
use crate::shard::{NoAnswer, Shard};
use crate::supervisor::{self, Recipe};
use crate::wire::{Answer, Command, VMS_PER_SHARD_MAX, code, op};
use microvm::bind::{Ack, Bind, Entropy, Generation, Key, Request};
use microvm::saved::FileKey;
use microvm::template::Template;
use rustix::event::{EventfdFlags, eventfd};
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, MutexGuard, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

/// One shard as seen from outside.
#[derive(Clone, Copy, Debug)]
pub struct ShardStatus {
    /// Its number.
    pub number: usize,
    /// Its process id.
    pub pid: i32,
    /// VMs in it.
    pub vms: usize,
    /// What isolates it.
    pub isolation: Isolation,
}

/// All shards of one template. Dropping it ends every shard and every VM.
pub struct Shards {
    inner: Arc<Registry>,
    wakeup: OwnedFd,
    supervisor: Option<JoinHandle<()>>,
}

/// Longest that a boot may take, its queue included, and what is as long as a disk makes it: writing a
/// sleeper. Nothing else has to wait for them.
const CONTROL_LIMIT: Duration = Duration::from_secs(30);
/// Longest that a caller waits for the end of a VM, and for one to be read from its file.
const PATIENCE: Duration = Duration::from_secs(1);
/// A first stage of sleep runs nothing.
const SLEEP_LIMIT: Duration = Duration::from_millis(500);

impl Shards {
    /// Start the shards and wait until all are ready. Shards that end later, and their VMs, are told on the
    /// channel.
    ///
    /// # Errors
    /// Where no shard can be started or set up.
    pub fn launch(
        config: ShardsConfig,
        template: &Arc<Template>,
    ) -> Result<(Self, Receiver<Lost>), ShardsError> {
        let bounded = |what, value: usize, max| {
            if (1..=max).contains(&value) { Ok(()) } else { Err(ShardsError::Config { what, value, max }) }
        };
        bounded("vms_per_shard", config.vms_per_shard, VMS_PER_SHARD_MAX)?;
        bounded("runners_per_shard", config.runners_per_shard, VMS_PER_SHARD_MAX)?;
        bounded("vms_max", config.vms_max, 1 << 20)?;
        let count = config.shards();
        let run_ahead = changes_threads_cheaply(&template.manifest().host.kernel);
        let recipe = Recipe::new(template, &config, run_ahead)?;
        let wakeup = eventfd(0, EventfdFlags::CLOEXEC).map_err(|error| ShardsError::Spawn(error.into()))?;
        let theirs = wakeup.try_clone().map_err(ShardsError::Spawn)?;
        let inner = Arc::new(Registry {
            config,
            shards: RwLock::default(),
            vms: Mutex::default(),
            next_vm: AtomicU64::new(1),
            next_generation: AtomicU64::new(1),
            closing: AtomicBool::new(false),
            written: AtomicU64::new(0),
        });
        let (to_receiver, lost) = mpsc::channel();
        let (to_launch, launched) = mpsc::channel();
        let weak = Arc::downgrade(&inner);
        let starting = inner.clone();
        let supervisor = std::thread::Builder::new().name("warmpool-shards".into()).spawn(move || {
            let outcome = supervisor::start_all(&recipe, &starting, count);
            drop(starting);
            let started = outcome.is_ok();
            let _ = to_launch.send(outcome);
            if started {
                supervisor::supervise(&recipe, &weak, &theirs, &to_receiver);
            }
        });
        let supervisor = Some(supervisor.map_err(ShardsError::Spawn)?);
        let fleet = Self { inner, wakeup, supervisor };
        match launched.recv() {
            Ok(outcome) => outcome.map(|()| (fleet, lost)),
            Err(_) => Err(ShardsError::Spawn(io::Error::other("the thread that starts shards panicked"))),
        }
    }

    /// Boot: fork the template. The VM is ready and waits for its start.
    ///
    /// # Errors
    /// [`ShardsError::Full`] where there is no room.
    pub fn boot(&self) -> Result<VmId, ShardsError> {
        let vm = VmId(self.inner.next_vm.fetch_add(1, Ordering::Relaxed));
        let (shard, slot) = self.inner.reserve()?;
        self.control(vm, &shard, slot, &Command::new(op::BOOT, CONTROL_LIMIT), None)
            .inspect_err(|_| shard.release(slot))?;
        let place = Place::Live { shard: Arc::clone(&shard), slot };
        whole(self.inner.vms.lock()).insert(vm, Arc::new(Mutex::new(place)));
        if shard.occupy(slot, vm) {
            return Ok(vm);
        }
        self.inner.forget(&[vm]);
        Err(lost(vm, &shard))
    }

    /// Start: bind the user's data with fresh entropy and a new generation, and let the VM run until it
    /// acknowledges.
    ///
    /// # Errors
    /// [`ShardsError::TimedOut`] and [`ShardsError::Failed`] where the guest does not acknowledge correctly
    /// within `limit`; the VM is gone then.
    pub fn start(&self, vm: VmId, bind: &Bind, limit: Duration) -> Result<Ack, ShardsError> {
        self.with(vm, |place| {
            let command = Command::new(op::START, limit).with_bind(bind);
            self.run_for_ack(vm, place, command)
        })
    }

    /// Let the guest do one request.
    ///
    /// # Errors
    /// [`ShardsError::Guest`] where it refuses.
    pub fn request(&self, vm: VmId, request: Request, limit: Duration) -> Result<[u64; 4], ShardsError> {
        self.with(vm, |place| {
            let mut command = Command::new(op::REQUEST, limit);
            (command.kind, command.args) = request.encode();
            self.run(vm, place, &command).map(|answer| answer.values)
        })
    }

    /// Put a started VM to sleep. A VM in the first stage can go on to the second.
    ///
    /// # Errors
    /// Where it is not started, or its file cannot be made or written; it is as it was, or asleep in the
    /// first stage.
    pub fn sleep(&self, vm: VmId, stage: Stage) -> Result<(), ShardsError> {
        self.with(vm, |place| match stage {
            Stage::Kept => self.run(vm, place, &Command::new(op::SLEEP, SLEEP_LIMIT)).map(drop),
            Stage::Saved => self.save(vm, place),
        })
    }

    /// Wake a VM from either stage. Its memory is as it was; generation, entropy and wall clock are new.
    ///
    /// # Errors
    /// As [`Shards::start`] from the first stage. A saved sleeper stays saved until its guest has
    /// acknowledged, so that it can be woken again, unless its file is no longer what was saved.
    pub fn wake(&self, vm: VmId, limit: Duration) -> Result<Ack, ShardsError> {
        self.with(vm, |place| {
            let Place::Saved { file, key } = place else {
                return self.run_for_ack(vm, place, Command::new(op::WAKE, limit));
            };
            let (shard, slot) = self.inner.reserve()?;
            let load = Command { file_key: *key.bytes(), ..Command::new(op::LOAD, PATIENCE) };
            let loaded = self.control(vm, &shard, slot, &load, Some(file));
            if let Err(error @ ShardsError::Failed { .. }) = loaded {
                // The file is not what was saved, and never will be.
                shard.release(slot);
                self.inner.forget(&[vm]);
                return Err(error);
            }
            match loaded.and_then(|_| self.wake_loaded(vm, &shard, slot, limit)) {
                Ok(ack) => {
                    *place = Place::Live { shard, slot };
                    Ok(ack)
                }
                Err(error) => {
                    shard.release(slot);
                    Err(ShardsError::SleepsOn { vm, source: Box::new(error) })
                }
            }
        })
    }

    /// Wake a VM that was brought into a reserved cell. The cell is empty where that goes wrong.
    fn wake_loaded(
        &self,
        vm: VmId,
        shard: &Arc<Shard>,
        slot: usize,
        limit: Duration,
    ) -> Result<Ack, ShardsError> {
        let renewal = self.renewal()?;
        let command = renewal.ask(Command::new(op::WAKE, limit));
        let woken = judge(vm, shard, shard.run(slot, &command)).and_then(|answer| renewal.check(vm, &answer));
        match woken {
            Ok(ack) if shard.occupy(slot, vm) => Ok(ack),
            Ok(_) => Err(lost(vm, shard)),
            Err(error) if error.ends_vm() && !matches!(error, ShardsError::Unproven { .. }) => Err(error),
            Err(error) => {
                self.control(vm, shard, slot, &Command::new(op::STOP, PATIENCE), None)?;
                Err(error)
            }
        }
    }

    /// Bring a sleeping VM to the second stage, if it is not there yet, and copy its file to `to`, which is
    /// on disk when this returns. Gives what [`Shards::adopt`] needs to wake it after this parent has ended.
    ///
    /// # Errors
    /// As [`Shards::sleep`]; [`ShardsError::SleepFile`] where the copy cannot be written. It sleeps on.
    pub fn keep(&self, vm: VmId, to: &Path) -> Result<Kept, ShardsError> {
        self.with(vm, |place| {
            if matches!(place, Place::Live { .. }) {
                self.save(vm, place)?;
            }
            let Place::Saved { file, key } = place else { return Err(ShardsError::Unknown(vm)) };
            copy_whole(file, to)
                .map_err(|source| ShardsError::SleepFile { directory: to.to_owned(), source })?;
            Ok(Kept { key: key.clone(), generation: self.inner.next_generation.load(Ordering::Relaxed) })
        })
    }

    /// Take over a VM that another parent kept in a file, under the same template. It sleeps in the second
    /// stage; its file is checked when it wakes.
    pub fn adopt(&self, file: File, kept: &Kept) -> VmId {
        let vm = VmId(self.inner.next_vm.fetch_add(1, Ordering::Relaxed));
        // No generation is given twice, whichever parent gave it.
        self.inner.next_generation.fetch_max(kept.generation, Ordering::Relaxed);
        let place = Place::Saved { file, key: kept.key.clone() };
        whole(self.inner.vms.lock()).insert(vm, Arc::new(Mutex::new(place)));
        vm
    }

    /// Make a VM as it was when booted, in place, for the same key only. It is ready for a start with that
    /// key.
    ///
    /// # Errors
    /// [`ShardsError::Refused`] for any other key.
    pub fn recycle(&self, vm: VmId, key: &Key) -> Result<(), ShardsError> {
        self.with(vm, |place| match place {
            Place::Live { shard, slot } => {
                let command = Command::new(op::RECYCLE, PATIENCE).with_key(key);
                let outcome = self.control(vm, shard, *slot, &command, None);
                self.tidy(vm, place, outcome).map(drop)
            }
            Place::Saved { .. } => {
                Err(ShardsError::Refused { vm, text: "saved to a file: wake it first".into() })
            }
            Place::Gone => Err(ShardsError::Unknown(vm)),
        })
    }

    /// End a VM, after what is being done with it, if anything, has come to its end or limit. Its memory is
    /// back when this returns.
    ///
    /// # Errors
    /// [`ShardsError::Unknown`] where it has ended already.
    pub fn stop(&self, vm: VmId) -> Result<(), ShardsError> {
        self.with(vm, |place| {
            whole(self.inner.vms.lock()).remove(&vm);
            match std::mem::replace(place, Place::Gone) {
                Place::Live { shard, slot } => {
                    let outcome = self.control(vm, &shard, slot, &Command::new(op::STOP, PATIENCE), None);
                    shard.release(slot);
                    outcome.map(drop)
                }
                Place::Saved { .. } => Ok(()),
                Place::Gone => Err(ShardsError::Unknown(vm)),
            }
        })
    }

    /// Whether this VM is there, awake or asleep.
    pub fn holds(&self, vm: VmId) -> bool {
        whole(self.inner.vms.lock()).contains_key(&vm)
    }

    /// Every shard that lives.
    pub fn shards(&self) -> Vec<ShardStatus> {
        let status = |shard: &Arc<Shard>| ShardStatus {
            number: shard.number,
            pid: shard.child().pid(),
            vms: shard.vms(),
            isolation: shard.isolation(),
        };
        self.inner.shards().iter().map(status).collect()
    }

    fn with<T>(
        &self,
        vm: VmId,
        act: impl FnOnce(&mut Place) -> Result<T, ShardsError>,
    ) -> Result<T, ShardsError> {
        let place = whole(self.inner.vms.lock()).get(&vm).cloned().ok_or(ShardsError::Unknown(vm))?;
        let mut place: MutexGuard<'_, Place> = whole(place.lock());
        act(&mut place)
    }

    /// Have a runner do it; a VM that did not survive it is forgotten.
    fn run(&self, vm: VmId, place: &mut Place, command: &Command) -> Result<Answer, ShardsError> {
        match place {
            Place::Live { shard, slot } => {
                let outcome = judge(vm, shard, shard.run(*slot, command));
                self.tidy(vm, place, outcome)
            }
            Place::Saved { .. } => {
                Err(ShardsError::Refused { vm, text: "saved to a file: wake it first".into() })
            }
            Place::Gone => Err(ShardsError::Unknown(vm)),
        }
    }

    fn run_for_ack(&self, vm: VmId, place: &mut Place, command: Command) -> Result<Ack, ShardsError> {
        let renewal = self.renewal()?;
        let answer = self.run(vm, place, &renewal.ask(command))?;
        renewal.check(vm, &answer).inspect_err(|_| {
            // Nobody may use it, so nobody may find it.
            self.inner.forget(&[vm]);
            if let Place::Live { shard, slot } = std::mem::replace(place, Place::Gone) {
                let _ = self.control(vm, &shard, slot, &Command::new(op::STOP, PATIENCE), None);
                shard.release(slot);
            }
        })
    }

    /// A generation that nobody has had, and entropy that only this process knows before the guest.
    fn renewal(&self) -> Result<Renewal, ShardsError> {
        let generation = Generation(self.inner.next_generation.fetch_add(1, Ordering::Relaxed));
        Ok(Renewal { generation, entropy: Entropy::draw().map_err(ShardsError::Entropy)? })
    }

    fn save(&self, vm: VmId, place: &mut Place) -> Result<(), ShardsError> {
        let (shard, slot) = match place {
            Place::Live { shard, slot } => (shard.clone(), *slot),
            Place::Saved { .. } => {
                return Err(ShardsError::Refused { vm, text: "saved to a file already".into() });
            }
            Place::Gone => return Err(ShardsError::Unknown(vm)),
        };
        let directory = &self.inner.config.sleep_directory;
        let file = microvm::saved::nameless_file(directory)
            .map_err(|source| ShardsError::SleepFile { directory: directory.clone(), source })?;
        let key = FileKey::draw().map_err(ShardsError::Entropy)?;
        let command = Command { file_key: *key.bytes(), ..Command::new(op::SAVE, CONTROL_LIMIT) };
        let outcome = self.control(vm, &shard, slot, &command, Some(&file));
        self.tidy(vm, place, outcome)?;
        shard.release(slot);
        *place = Place::Saved { file, key };
        Ok(())
    }

    fn control(
        &self,
        vm: VmId,
        shard: &Arc<Shard>,
        slot: usize,
        command: &Command,
        file: Option<&File>,
    ) -> Result<Answer, ShardsError> {
        judge(vm, shard, shard.control(slot, command, file.map(AsFd::as_fd)))
    }

    /// Forget a VM that did not survive what was done with it.
    fn tidy(
        &self,
        vm: VmId,
        place: &mut Place,
        outcome: Result<Answer, ShardsError>,
    ) -> Result<Answer, ShardsError> {
        if let Err(error) = &outcome
            && error.ends_vm()
        {
            let place = std::mem::replace(place, Place::Gone);
            // A shard that ends keeps its cells taken, so that its report names every VM that goes with it.
            if let Place::Live { shard, slot } = place
                && !error.ends_shard()
            {
                shard.release(slot);
            }
            self.inner.forget(&[vm]);
        }
        outcome
    }
}

impl Drop for Shards {
    fn drop(&mut self) {
        self.inner.closing.store(true, Ordering::Release);
        let one = 1_u64.to_ne_bytes();
        // It cannot fail for a counter that nobody else writes.
        let _ = rustix::io::write(&self.wakeup, &one);
        if let Some(supervisor) = self.supervisor.take() {
            let _ = supervisor.join();
        }
        // All at once, then one by one: they tear their VMs down side by side.
        let shards = std::mem::take(&mut *self.inner.shards_mut());
        for shard in &shards {
            shard.child().kill();
        }
        for shard in &shards {
            shard.child().reap();
            shard.lose();
        }
    }
}

/// What is new about a VM that starts or wakes.
struct Renewal {
    generation: Generation,
    entropy: Entropy,
}

impl Renewal {
    fn ask(&self, command: Command) -> Command {
        Command { generation: self.generation.0, entropy: *self.entropy.bytes(), ..command }
    }

    /// The shard is not believed: its answer must follow from what was drawn here.
    fn check(&self, vm: VmId, answer: &Answer) -> Result<Ack, ShardsError> {
        let (generation, proof) = (self.generation, answer.values[0]);
        if proof == self.entropy.proof(generation) {
            Ok(Ack { generation, proof })
        } else {
            Err(ShardsError::Unproven { vm })
        }
    }
}

fn lost(vm: VmId, shard: &Shard) -> ShardsError {
    ShardsError::ShardLost { vm, shard: shard.number }
}

/// Copies a sleeper's file to a name. A file of this name is there as a whole or not at all.
fn copy_whole(file: &File, to: &Path) -> io::Result<()> {
    let part = to.with_extension("part");
    let copy = || {
        let mut from = file.try_clone()?;
        from.seek(SeekFrom::Start(0))?;
        let mut options = OpenOptions::new();
        let mut copy = options.write(true).create(true).truncate(true).mode(0o600).open(&part)?;
        io::copy(&mut from, &mut copy)?;
        copy.sync_all()?;
        std::fs::rename(&part, to)?;
        to.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    };
    copy().inspect_err(|_| {
        // Half a file is of no use to anybody.
        let _ = std::fs::remove_file(&part);
    })
}

/// An answer, or what its absence means.
fn judge(vm: VmId, shard: &Shard, outcome: Result<Answer, NoAnswer>) -> Result<Answer, ShardsError> {
    let shard = shard.number;
    let answer = match outcome {
        Ok(answer) => answer,
        Err(NoAnswer::NotBegun | NoAnswer::Late) => return Err(ShardsError::Busy { vm, shard }),
        Err(NoAnswer::Lost) => return Err(ShardsError::ShardLost { vm, shard }),
        Err(NoAnswer::NotSent(source)) => return Err(ShardsError::NotSent { vm, shard, source }),
        Err(NoAnswer::Stuck) => return Err(ShardsError::ShardStuck { vm, shard }),
    };
    let text = answer.read_text();
    match answer.code {
        code::OK => Ok(answer),
        code::TIMED_OUT => Err(ShardsError::TimedOut { vm, text }),
        code::GUEST => Err(ShardsError::Guest { vm, text }),
        code::REFUSED => Err(ShardsError::Refused { vm, text }),
        _ => Err(ShardsError::Failed { vm, text }),
    }
}

/// Whether a vCPU may run on one thread and then on another at no cost. Linux before 6.13 waits for an RCU
/// grace period then, which takes milliseconds; there a fork does not run ahead on the thread that made it.
pub fn changes_threads_cheaply(kernel: &str) -> bool {
    let mut numbers = kernel.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().unwrap_or(0));
    let version: (u32, u32) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    version >= (6, 13)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_that_does_not_prove_an_acknowledgement_is_not_believed() {
        let renewal = |byte| Renewal { generation: Generation(3), entropy: Entropy::from_bytes([byte; 32]) };
        let proof = renewal(1).entropy.proof(Generation(3));
        let answer = Answer::ok([proof, 0, 0, 0]);
        assert_eq!(renewal(1).check(VmId(1), &answer).unwrap().proof, proof);
        assert_eq!(renewal(1).ask(Command::new(op::WAKE, Duration::ZERO)).entropy, [1; 32]);
        let error = renewal(2).check(VmId(1), &answer).unwrap_err();
        assert!(matches!(error, ShardsError::Unproven { .. }) && error.ends_vm(), "{error}");
        let before = Renewal { generation: Generation(2), ..renewal(1) };
        before.check(VmId(1), &answer).unwrap_err();
    }

    #[test]
    fn kernels_are_told_apart() {
        for (kernel, cheap) in [
            ("6.18.44-fc", true),
            ("6.13", true),
            ("7.0.1", true),
            ("6.12.9", false),
            ("5.15.0-91", false),
            ("", false),
        ] {
            assert_eq!(changes_threads_cheaply(kernel), cheap, "{kernel}");
        }
    }
}
