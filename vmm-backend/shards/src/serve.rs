//! Inside a shard: setting up, and the four kinds of threads. *Runners* let guests run (start, request,
//! sleep, wake), the *control* thread makes and saves VMs, the *reaper* ends them, the *heart* proves to the
//! parent that the process runs. So nothing that takes long stands in the way of a start.
//!
//! Of the runners one *leads*: it takes what is posted and runs it itself, which costs no hand-over. When a
//! guest takes long, the lead passes to another runner, and the first one finishes that guest alone: at the
//! latest after a slice, and sooner where a caller finds that nobody has begun with what it posted. So a
//! guest in a loop delays nobody for long, and only as many hung guests as there are runners could stop a
//! shard, until their limits end.

use super::isolate::{Isolation, Limits, Measure, SLOW_NICENESS, isolate};
use super::seccomp::{self, Role};
use super::spawn::{ARGUMENT, OWN_USER_NAMESPACE};
use super::wire::{Answer, Board, Command, HEARTBEAT, VMS_PER_SHARD_MAX, code, op};
use microvm::bind::{Entropy, Generation, Request};
use microvm::guest::EMBEDDED;
use microvm::guest::layout::PAGE_BYTES;
use microvm::hypervisor::Hypervisor;
use microvm::runner::{RunError, Runner};
use microvm::saved::{self, FileKey, SavedError};
use microvm::sys::memory::{Mapping, Sharing};
use microvm::sys::pagemap::Pagemap;
use microvm::sys::process::inherited;
use microvm::sys::socket::receive;
use microvm::template::Template;
use microvm::vm::{Phase, Vm, VmError};
use serde::{Deserialize, Serialize};
use std::cell::Cell;
use std::error::Error;
use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};

/// Making and saving VMs yields to the runners.
const CONTROL_NICENESS: i32 = -5;
/// Ending VMs yields to both, but not to the rest of the host: a VM that is not ended yet keeps its memory,
/// and boots wait for it.
const REAPER_NICENESS: i32 = 0;
/// How long a guest may take to run ahead. It has nothing to do there.
const AHEAD_LIMIT: Duration = Duration::from_millis(500);
/// After this long in one guest a runner passes the lead on by itself. Longer than the kernel's tick, because
/// a timer that ends before it makes every run 20 us longer.
const SLICE: Duration = Duration::from_millis(10);
/// A guest's pages are counted when it has run for so long since they were counted last. It can write some
/// hundred pages meanwhile; counting takes a millisecond.
const COUNT_AFTER_US: u64 = 2_000;
/// Address space beside the guests' memory: stacks, heap, the program.
const ADDRESS_BYTES_EXTRA: u64 = 2 << 30;
/// Descriptors beside two per VM.
const DESCRIPTORS_EXTRA: u64 = 64;
/// Room in a saved VM's file beside its pages.
const FILE_BYTES_EXTRA: u64 = 16 << 20;

/// Exit code of a shard in which a thread panicked.
const PANICKED: i32 = 101;

/// What a shard is told at its start.
#[derive(Serialize, Deserialize)]
pub(crate) struct Setup {
    pub runners: usize,
    pub run_ahead: bool,
    /// Bytes that each guest may write.
    pub quota: Option<u64>,
    pub own_pid_namespace: bool,
    pub memory_bytes: u64,
    pub template: Vec<u8>,
}

pub(crate) fn encode_setup(setup: &Setup) -> Result<Vec<u8>, postcard::Error> {
    postcard::to_stdvec(setup)
}

/// Become a shard, and never return, where this process was started as one. Call it first in `main`, before
/// any other thread runs.
pub fn main_if_shard() {
    let is_shard = std::env::args_os().nth(1).is_some_and(|first| first.as_bytes() == ARGUMENT.to_bytes());
    if !is_shard {
        return;
    }
    let Some([socket, board, template, setup, device]) = inherited() else {
        die("was set up before in this process");
    };
    let [board, template, setup] = [board, template, setup].map(|file| Arc::new(File::from(file)));
    let Ok(board) = Board::new(&board) else {
        eprintln!(
            "{} is for processes that a fleet starts, not to be given by hand",
            ARGUMENT.to_string_lossy()
        );
        std::process::exit(2);
    };
    // A thread that panics would leave its command without an answer and its VM in between: better that all
    // end, and are reported.
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        print(panic);
        std::process::exit(PANICKED);
    }));
    match Shard::set_up(board, template, &setup, device) {
        Ok((shard, control)) => shard.serve(&socket, control),
        Err((board, error)) => {
            board.set_ready(Err(&error.to_string()));
            std::process::exit(1);
        }
    }
}

type Slot = Mutex<Option<Vm>>;

struct Shard {
    board: Board,
    hypervisor: Arc<Hypervisor>,
    template: Arc<Template>,
    pagemap: Pagemap,
    run_ahead: bool,
    /// Whether a runner whose guest runs on gives way, and may come back.
    lowers: bool,
    /// Bytes that each guest may write.
    quota: Option<u64>,
    /// For how long each cell's guest has run since its pages were counted.
    uncounted_us: [AtomicU64; VMS_PER_SHARD_MAX],
    slots: [Slot; VMS_PER_SHARD_MAX],
}

type SetupError = Box<dyn Error + Send + Sync>;

impl Shard {
    fn set_up(
        board: Board,
        template: Arc<File>,
        setup: &Arc<File>,
        device: OwnedFd,
    ) -> Result<(Arc<Self>, Control), (Board, SetupError)> {
        let opened = (|| -> Result<_, SetupError> {
            let setup = read_setup(setup)?;
            // What needs the host's files comes before they are given up.
            let hypervisor = Arc::new(Hypervisor::from_device(device)?);
            let template = Template::adopt(&hypervisor, Arc::new(EMBEDDED), template, &setup.template)?;
            // The filter permits no new timer, so the control thread's is made now.
            Ok((setup, hypervisor, template, Pagemap::open()?, Runner::new()?))
        })();
        let (setup, hypervisor, template, pagemap, runner) = match opened {
            Ok(opened) => opened,
            Err(error) => return Err((board, error)),
        };
        let limits = Limits {
            descriptors: 2 * VMS_PER_SHARD_MAX as u64 + DESCRIPTORS_EXTRA,
            file_bytes: setup.memory_bytes + FILE_BYTES_EXTRA,
            address_bytes: (VMS_PER_SHARD_MAX as u64 + 2) * setup.memory_bytes + ADDRESS_BYTES_EXTRA,
        };
        let second = std::env::args_os().nth(2);
        let own_user_namespace = second.is_some_and(|text| text.as_bytes() == OWN_USER_NAMESPACE.to_bytes());
        let mut report = match isolate(limits, own_user_namespace) {
            Ok(report) => report,
            Err(error) => return Err((board, error.into())),
        };
        let namespace =
            if setup.own_pid_namespace { Ok(()) } else { Err(io::ErrorKind::PermissionDenied.into()) };
        report.note(Measure::PidNamespace, namespace);
        let shard = Arc::new(Self {
            board,
            hypervisor,
            template,
            pagemap,
            run_ahead: setup.run_ahead,
            lowers: report.has(Measure::LowerPriority),
            quota: setup.quota,
            uncounted_us: [const { AtomicU64::new(0) }; VMS_PER_SHARD_MAX],
            slots: [const { Mutex::new(None) }; VMS_PER_SHARD_MAX],
        });
        let outcome = shard.start_threads(setup.runners, &mut report);
        let outcome = outcome.and_then(|reaper| {
            let missing = Measure::REQUIRED.into_iter().find(|measure| !report.has(*measure));
            missing
                .map_or(Ok(reaper), |measure| Err(format!("required isolation missing: {measure:?}").into()))
        });
        match outcome {
            Ok(reaper) => {
                let [applied, missed] = shard.board.isolation();
                applied.store(report.applied, Ordering::Relaxed);
                missed.store(report.missed, Ordering::Relaxed);
                shard.board.set_ready(Ok(()));
                Ok((shard, Control { runner, reaper }))
            }
            Err(error) => {
                shard.board.set_ready(Err(&error.to_string()));
                std::process::exit(1);
            }
        }
    }

    /// Start runners, heart and reaper; each puts its own filter over itself, and then this thread does.
    fn start_threads(
        self: &Arc<Self>,
        runners: usize,
        report: &mut Isolation,
    ) -> Result<mpsc::Sender<Reaping>, SetupError> {
        let (to_reaper, reaping) = mpsc::channel::<Reaping>();
        let all_set = Arc::new(Barrier::new(runners + 3));
        for number in 0..runners {
            let (shard, all_set, to_reaper) = (self.clone(), all_set.clone(), to_reaper.clone());
            std::thread::Builder::new().name(format!("runner-{number}")).stack_size(256 << 10).spawn(
                move || {
                    let turn = Rc::new(Turn { number: number as u32, ..Turn::default() });
                    let runner = shard.runner(&turn);
                    confine(Role::Runner);
                    all_set.wait();
                    match runner {
                        Ok(runner) => shard.run(runner, &turn, &to_reaper),
                        Err(error) => die(&format!("timer_create: {error}")),
                    }
                },
            )?;
        }
        let (shard, set) = (self.clone(), all_set.clone());
        std::thread::Builder::new().name("heart".into()).stack_size(64 << 10).spawn(move || {
            confine(Role::Other);
            set.wait();
            loop {
                shard.board.beats().fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(HEARTBEAT);
            }
        })?;
        let (shard, set) = (self.clone(), all_set.clone());
        std::thread::Builder::new().name("reaper".into()).stack_size(256 << 10).spawn(move || {
            // Lowering one's own priority is always permitted.
            let _ = microvm::sys::set_thread_niceness(REAPER_NICENESS);
            confine(Role::Other);
            set.wait();
            for (slot, vm, answer) in reaping {
                // The cell is free with the answer, and by then its VM is gone, and so is its memory.
                drop(vm);
                shard.board.answer(slot, &answer);
            }
        })?;
        all_set.wait();
        let _ = microvm::sys::set_thread_niceness(CONTROL_NICENESS);
        let filtered = seccomp::install(Role::Control);
        report.note(Measure::Seccomp, filtered.as_ref().copied().map_err(|_| io::ErrorKind::Other.into()));
        filtered?;
        Ok(to_reaper)
    }

    /// After its first slice a guest is not urgent any more: another runner leads, and this one is behind
    /// whatever else wants its processor.
    fn runner(self: &Arc<Self>, turn: &Rc<Turn>) -> io::Result<Runner> {
        let (shard, turn) = (self.clone(), turn.clone());
        Ok(Runner::new()?.on_slow(SLICE, move || {
            if shard.lowers && !turn.is_slow.replace(true) {
                // Lowering one's own priority is always permitted.
                let _ = microvm::sys::set_thread_niceness(SLOW_NICENESS);
            }
            shard.board.end_lead(turn.lead.get());
            match turn.guest.get().and_then(|guest| shard.over_quota(guest)) {
                None => ControlFlow::Continue(()),
                Some(_) => ControlFlow::Break(()),
            }
        }))
    }

    /// What a guest in this memory has written, where that is more than it may.
    fn over_quota(&self, (address, bytes): (u64, u64)) -> Option<u64> {
        let quota = self.quota?;
        let pages = self.pagemap.written(address, bytes).ok()?;
        let written = pages.len() as u64 * PAGE_BYTES;
        (written > quota).then_some(written)
    }

    /// After a run: the error that ends a guest which has written more than it may.
    fn judge_quota(&self, slot: usize, guest: (u64, u64), ran: Duration) -> Option<Answer> {
        let quota = self.quota?;
        let ran_us = u64::try_from(ran.as_micros()).unwrap_or(u64::MAX);
        let uncounted = &self.uncounted_us[slot];
        if uncounted.fetch_add(ran_us, Ordering::Relaxed).saturating_add(ran_us) < COUNT_AFTER_US {
            return None;
        }
        uncounted.store(0, Ordering::Relaxed);
        let written = self.over_quota(guest)?;
        let (written, quota) = (written >> 20, quota >> 20);
        let text = format!("its guest has written {written} MiB, and may write {quota} MiB (its quota)");
        Some(Answer::error(code::FAILED, &text))
    }

    fn slot(&self, slot: usize) -> MutexGuard<'_, Option<Vm>> {
        // A panic ends the process, so a poisoned lock is never seen.
        self.slots[slot].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A runner's life.
    fn run(&self, mut runner: Runner, turn: &Turn, to_reaper: &mpsc::Sender<Reaping>) {
        loop {
            turn.lead.set(self.board.take_lead());
            while self.board.leads(turn.lead.get()) {
                let slot = self.board.next();
                let Some(command) = self.board.command(slot) else { continue };
                let mut held = self.slot(slot);
                let guest = held.as_ref().map(|vm| (vm.memory().address(), vm.memory().bytes() as u64));
                turn.guest.set(guest);
                let begun = Instant::now();
                let mut answer = run_command(&mut runner, held.as_mut(), &command);
                if let Some(over) = guest.and_then(|guest| self.judge_quota(slot, guest, begun.elapsed())) {
                    answer = over;
                }
                if answer.code != code::TIMED_OUT && poisoned(held.as_ref()) {
                    answer.code = code::FAILED;
                }
                // A VM that failed is never handed out again; its end is slow, so the reaper sees to it, and
                // answers then.
                if matches!(answer.code, code::TIMED_OUT | code::FAILED) && held.is_some() {
                    let _ = to_reaper.send((slot, held.take(), answer));
                } else {
                    drop(held);
                    self.board.answer(slot, &answer);
                }
                if turn.is_slow.take() {
                    // Others lead meanwhile.
                    self.board.end_lead(turn.lead.get());
                    self.board.wait_to_be_raised(turn.number);
                }
            }
        }
    }

    /// The control thread's life: until the parent is gone.
    fn serve(&self, socket: &OwnedFd, control: Control) -> ! {
        let Control { mut runner, reaper } = control;
        loop {
            let (slot, file) = match receive(socket) {
                Ok(Some((slot, file))) if usize::from(slot) < VMS_PER_SHARD_MAX => (usize::from(slot), file),
                Ok(Some((slot, _))) => die(&format!("cell {slot} does not exist")),
                Ok(None) => std::process::exit(0),
                Err(error) => die(&format!("recvmsg: {error}")),
            };
            let Some(command) = self.board.command(slot) else { continue };
            let mut held = self.slot(slot);
            if command.op == op::STOP {
                let _ = reaper.send((slot, held.take(), Answer::ok([0; 4])));
                continue;
            }
            let mut answer = self.control(&mut runner, &mut held, &command, file);
            if poisoned(held.as_ref()) {
                answer.code = code::FAILED;
            }
            let dropped = match command.op {
                op::SAVE => answer.code == code::OK,
                _ => answer.code == code::FAILED,
            };
            if dropped && held.is_some() {
                let _ = reaper.send((slot, held.take(), answer));
            } else {
                drop(held);
                self.board.answer(slot, &answer);
            }
        }
    }

    fn control(
        &self,
        runner: &mut Runner,
        held: &mut Option<Vm>,
        command: &Command,
        file: Option<OwnedFd>,
    ) -> Answer {
        let file = file.map(File::from).ok_or("no file came with the command");
        match (command.op, held.as_mut()) {
            (op::BOOT, None) => match self.boot(runner) {
                Ok(vm) => {
                    *held = Some(vm);
                    Answer::ok([0; 4])
                }
                Err(error) => vm_error(&error),
            },
            (op::LOAD, None) => {
                let key = FileKey::from_bytes(command.file_key);
                match file.map(|file| saved::load(&self.hypervisor, &self.template, &file, &key)) {
                    Ok(Ok(vm)) => {
                        *held = Some(vm);
                        Answer::ok([0; 4])
                    }
                    Ok(Err(error)) => saved_error(&error),
                    Err(text) => Answer::error(code::REFUSED, text),
                }
            }
            (op::SAVE, Some(vm)) => {
                let key = FileKey::from_bytes(command.file_key);
                match file.map(|file| save(vm, &self.pagemap, &file, &key)) {
                    Ok(Ok(())) => Answer::ok([0; 4]),
                    Ok(Err(error)) => saved_error(&error),
                    Err(text) => Answer::error(code::REFUSED, text),
                }
            }
            (op::RECYCLE, Some(vm)) => match command.read_key().map(|key| vm.recycle(&key)) {
                Some(Ok(())) => Answer::ok([0; 4]),
                Some(Err(error)) => vm_error(&error),
                None => Answer::error(code::FAILED, "the key on the board is none"),
            },
            (op, held) => misfit(op, held.is_some()),
        }
    }

    fn boot(&self, runner: &mut Runner) -> Result<Vm, VmError> {
        let mut vm = Vm::fork(&self.hypervisor, &self.template)?;
        if self.run_ahead {
            vm.warm(runner, AHEAD_LIMIT)?;
        }
        Ok(vm)
    }
}

/// What a runner is at.
#[derive(Default)]
struct Turn {
    /// Which runner it is.
    number: u32,
    /// The lead that it took last.
    lead: Cell<u32>,
    /// Its guest has run for longer than a slice.
    is_slow: Cell<bool>,
    /// Address and bytes of the guest's memory.
    guest: Cell<Option<(u64, u64)>>,
}

/// What the control thread has of its own.
struct Control {
    runner: Runner,
    reaper: mpsc::Sender<Reaping>,
}

/// A cell, the VM in it that is to end, if there is one, and the answer when it has.
type Reaping = (usize, Option<Vm>, Answer);

fn save(vm: &mut Vm, pagemap: &Pagemap, file: &File, key: &FileKey) -> Result<(), SavedError> {
    let was_awake = vm.phase() == Phase::Started;
    if was_awake {
        vm.sleep()?;
    }
    let saved = saved::save(vm, pagemap, file, key);
    if saved.is_err() && was_awake && vm.phase() == Phase::Asleep {
        // Nothing was written that anybody will read: it stays awake, as if it had not been asked.
        vm.stay_awake()?;
    }
    saved
}

fn run_command(runner: &mut Runner, vm: Option<&mut Vm>, command: &Command) -> Answer {
    let Some(vm) = vm else { return misfit(command.op, false) };
    let (generation, limit) = (Generation(command.generation), command.limit());
    let entropy = Entropy::from_bytes(command.entropy);
    let outcome = match command.op {
        op::START => match command.read_bind() {
            Some(bind) => {
                vm.start_with(runner, generation, &entropy, &bind, limit).map(|ack| [ack.proof, 0, 0, 0])
            }
            None => return Answer::error(code::FAILED, "the bind on the board is none"),
        },
        op::WAKE => vm.wake_with(runner, generation, &entropy, limit).map(|ack| [ack.proof, 0, 0, 0]),
        op::SLEEP => vm.sleep().map(|()| [0; 4]),
        op::REQUEST => match Request::decode(command.kind, command.args) {
            Some(request) => vm.request(runner, request, limit),
            None => return Answer::error(code::REFUSED, "no such request"),
        },
        other => return misfit(other, true),
    };
    outcome.map_or_else(|error| vm_error(&error), Answer::ok)
}

/// Whether something went wrong in it that it cannot recover from, whatever the answer says.
fn poisoned(vm: Option<&Vm>) -> bool {
    vm.is_some_and(|vm| vm.phase() == Phase::Poisoned)
}

fn misfit(op: u32, held: bool) -> Answer {
    let state = if held { "holds a VM already" } else { "holds no VM" };
    Answer::error(code::REFUSED, &format!("operation {op} is not for a cell that {state}"))
}

fn vm_error(error: &VmError) -> Answer {
    let code = match error {
        VmError::Run(RunError::TimedOut { .. }) => code::TIMED_OUT,
        VmError::Guest(_) => code::GUEST,
        VmError::Phase { .. } | VmError::OldGeneration { .. } | VmError::OtherKey => code::REFUSED,
        _ => code::FAILED,
    };
    Answer::error(code, &error.to_string())
}

fn saved_error(error: &SavedError) -> Answer {
    // A file that cannot be written leaves the VM asleep, one that cannot be read now can be read later; only
    // these are final.
    let code = match error {
        SavedError::Changed | SavedError::OtherTemplate { .. } => code::FAILED,
        SavedError::Vm(VmError::Run(_)) => code::FAILED,
        _ => code::REFUSED,
    };
    Answer::error(code, &error.to_string())
}

fn read_setup(file: &Arc<File>) -> Result<Setup, SetupError> {
    let bytes = usize::try_from(file.metadata()?.len())?;
    let mapping = Mapping::new(file, bytes, Sharing::ReadOnly)?;
    let mut encoded = vec![0; bytes];
    mapping.read(0, &mut encoded);
    Ok(postcard::from_bytes(&encoded)?)
}

/// Put the filter of its role over this thread; without it there is no shard.
fn confine(role: Role) {
    if let Err(error) = seccomp::install(role) {
        die(&error.to_string());
    }
}

fn die(message: &str) -> ! {
    eprintln!("shard: {message}");
    std::process::exit(1)
}
