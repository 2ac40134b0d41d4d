//! The parent's handle on one shard: which cells are taken, posting to them, waiting for answers. Decides
//! nothing about VMs.

use crate::config::VmId;
use crate::isolate::{Isolation, Measure, RUNNER_NICENESS};
use crate::wire::{Answer, Board, Command, VMS_PER_SHARD_MAX, code, op, ready};
use microvm::sys::process::{Child, Ended};
use microvm::sys::socket::send;
use microvm::sys::{futex, set_niceness_of};
use rustix::event::{PollFd, PollFlags, Timespec, poll as poll_now};
use std::io::{self, PipeReader};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// A shard keeps a guest's limit by itself. Where its answer is this much later still, the shard hangs and is
/// killed.
const GRACE: Duration = Duration::from_millis(500);
const SETUP_LIMIT: Duration = Duration::from_secs(20);

/// Callers of this program that wait for runners.
static WAITING: AtomicUsize = AtomicUsize::new(0);

struct Waiting(usize);

impl Waiting {
    fn begin() -> Self {
        Self(WAITING.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// Whether there are processors for all who wait and for their runners.
    fn has_processors(&self) -> bool {
        static PROCESSORS: OnceLock<usize> = OnceLock::new();
        let processors =
            *PROCESSORS.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from));
        self.0 * 2 <= processors
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        WAITING.fetch_sub(1, Ordering::Relaxed);
    }
}

/// No answer came.
#[derive(Debug)]
pub(crate) enum NoAnswer {
    /// No runner has begun, and none will.
    NotBegun,
    /// It could not be sent.
    NotSent(io::Error),
    /// The process ended.
    Lost,
    /// The process hangs; it has been killed.
    Stuck,
    /// The process runs, but its control thread is held up, as by a disk.
    Late,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Cell {
    Free,
    Reserved,
    Vm(VmId),
    /// Whoever asked for this operation has given up; the cell is free when it has come to its end.
    Abandoned(u32),
}

/// What a shard writes to its standard error. It has none of its parent's, so that it can neither read it nor
/// write what looks like another program's, nor fill it without end.
struct Log(PipeReader);

/// Of its log a shard is heard this much at a time.
const LOG_BYTES: usize = 4096;

impl Log {
    fn new(pipe: PipeReader) -> Self {
        // Where it cannot be changed, which no system is known for, nothing is read from it.
        let _ = rustix::io::ioctl_fionbio(&pipe, true);
        Self(pipe)
    }

    /// Passes on what is there, by lines; does not wait for more.
    fn pass_on(&self, number: usize, to: &mut dyn FnMut(&str)) {
        let mut bytes = [0; LOG_BYTES];
        let Ok(read) = rustix::io::read(&self.0, &mut bytes[..]) else { return };
        for line in String::from_utf8_lossy(&bytes[..read]).lines() {
            let harmless: String = line.chars().filter(|letter| !letter.is_control()).collect();
            to(&format!("shard {number}: {harmless}\n"));
        }
    }
}

pub(crate) struct Shard {
    pub(crate) number: usize,
    child: Child,
    board: Board,
    socket: OwnedFd,
    log: Log,
    gone: AtomicBool,
    cells: Mutex<Vec<Cell>>,
    slow_operations: AtomicUsize,
    spin: Duration,
    started: Instant,
    beats_seen: AtomicU32,
    silent_looks: AtomicU32,
    hung: AtomicBool,
    /// Its runners' threads by number, as they are seen here.
    runners: OnceLock<Vec<i32>>,
}

impl Shard {
    pub(crate) fn new(
        number: usize,
        child: Child,
        board: Board,
        socket: OwnedFd,
        log: PipeReader,
        vms_max: usize,
        spin: Duration,
    ) -> Self {
        let cells = Mutex::new(vec![Cell::Free; vms_max.min(VMS_PER_SHARD_MAX)]);
        let (gone, slow_operations) = (AtomicBool::new(false), AtomicUsize::new(0));
        Self {
            number,
            child,
            board,
            socket,
            log: Log::new(log),
            gone,
            cells,
            slow_operations,
            spin,
            started: Instant::now(),
            beats_seen: AtomicU32::new(0),
            silent_looks: AtomicU32::new(0),
            hung: AtomicBool::new(false),
            runners: OnceLock::new(),
        }
    }

    pub(crate) fn child(&self) -> &Child {
        &self.child
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    /// Wait until the shard has set itself up; what it could not do otherwise.
    pub(crate) fn wait_ready(&self) -> Result<(), String> {
        loop {
            let state = self.board.ready().load(Ordering::Acquire);
            if let Some(readiness) = self.readiness() {
                return readiness;
            }
            futex::wait(self.board.ready(), state, Some(Duration::from_millis(20)));
        }
    }

    /// Whether the shard has set itself up, or why it has not; `None` while it is at it.
    pub(crate) fn readiness(&self) -> Option<Result<(), String>> {
        let state = self.board.ready().load(Ordering::Acquire);
        if state == ready::YES {
            return Some(Ok(()));
        }
        let text = self.board.setup_text();
        if state != ready::NOT_YET && !text.is_empty() {
            return Some(Err(text));
        }
        if let Some(ended) = self.ended() {
            return Some(Err(format!("the process {ended} before it was ready")));
        }
        let late = self.started.elapsed() > SETUP_LIMIT;
        late.then(|| Err(format!("not ready within {SETUP_LIMIT:?}")))
    }

    /// Raises the priority of runners that have lowered it for a guest that ran on, and are done with it.
    pub(crate) fn raise_runners(&self) {
        let lowered = self.board.lowered().load(Ordering::Acquire);
        if lowered == 0 {
            return;
        }
        let runners = self.runners.get_or_init(|| runners_of(self.child.pid()));
        for (number, thread) in runners.iter().enumerate() {
            if lowered & 1 << number != 0 {
                // Where that cannot be done it goes on as it is: late, but not never.
                let _ = set_niceness_of(*thread, RUNNER_NICENESS);
            }
        }
        self.board.have_raised(lowered);
    }

    /// Writes to this program's standard error what the shard has written to its own.
    pub(crate) fn pass_log_on(&self) {
        self.log.pass_on(self.number, &mut |line| eprint!("{line}"));
    }

    /// The supervisor looks, about every heartbeat: whether the shard has not run for so many looks. Looks
    /// are counted and not time, so that a parent that was itself held up blames nobody.
    pub(crate) fn is_hung(&self, looks_max: u32) -> bool {
        let beats = self.board.beats().load(Ordering::Relaxed);
        if self.beats_seen.swap(beats, Ordering::Relaxed) != beats {
            self.silent_looks.store(0, Ordering::Relaxed);
            return false;
        }
        self.silent_looks.fetch_add(1, Ordering::Relaxed) + 1 >= looks_max
    }

    /// Whether it has missed a heartbeat, so that nothing new should be put there while there is a choice.
    fn is_silent(&self) -> bool {
        self.silent_looks.load(Ordering::Relaxed) > 1
    }

    /// End it, because it does not run.
    pub(crate) fn kill_as_hung(&self) {
        self.hung.store(true, Ordering::Release);
        self.child.kill();
    }

    /// Whether it was ended for that.
    pub(crate) fn was_hung(&self) -> bool {
        self.hung.load(Ordering::Acquire)
    }

    /// How the process ended, where it has.
    fn ended(&self) -> Option<Ended> {
        let handle = self.child.handle();
        let mut poll = [PollFd::from_borrowed_fd(handle, PollFlags::IN)];
        let ready = poll_now(&mut poll, Some(&Timespec::default()));
        (ready == Ok(1)).then(|| self.child.reap())
    }

    pub(crate) fn isolation(&self) -> Isolation {
        let [applied, missed] = self.board.isolation().map(|word| word.load(Ordering::Relaxed));
        let all = Measure::ALL.iter().fold(0, |bits, measure| bits | measure.bit());
        Isolation { applied: applied & all, missed: missed & all }
    }

    fn cells(&self) -> MutexGuard<'_, Vec<Cell>> {
        // Nothing panics while it is held.
        self.cells.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it misses heartbeats, how many slow operations it is at, and how many cells are taken; `None`
    /// where no cell is free.
    pub(crate) fn load(&self) -> Option<(bool, usize, usize)> {
        let cells = self.cells();
        let taken = cells.iter().filter(|cell| **cell != Cell::Free).count();
        (taken < cells.len() && !self.is_gone())
            .then(|| (self.is_silent(), self.slow_operations.load(Ordering::Relaxed), taken))
    }

    pub(crate) fn vms(&self) -> usize {
        self.cells().iter().filter(|cell| matches!(cell, Cell::Vm(_))).count()
    }

    pub(crate) fn reserve(&self) -> Option<usize> {
        let mut cells = self.cells();
        if self.is_gone() {
            return None;
        }
        let slot = cells.iter().position(|cell| *cell == Cell::Free)?;
        cells[slot] = Cell::Reserved;
        Some(slot)
    }

    /// Write down whose cell it is; false where the shard went meanwhile.
    pub(crate) fn occupy(&self, slot: usize, vm: VmId) -> bool {
        let mut cells = self.cells();
        cells[slot] = Cell::Vm(vm);
        !self.is_gone()
    }

    /// The cell is free, unless something in it has still to end.
    pub(crate) fn release(&self, slot: usize) {
        let cell = &mut self.cells()[slot];
        if !matches!(cell, Cell::Abandoned(_)) {
            *cell = Cell::Free;
        }
    }

    /// What was given up on has ended meanwhile: its cell is free, or the VM in it is ended first.
    pub(crate) fn clear_abandoned(&self) {
        let mut cells = self.cells();
        for (slot, cell) in cells.iter_mut().enumerate() {
            let Cell::Abandoned(op) = *cell else { continue };
            let Some(answer) = self.board.answered(slot) else { continue };
            if op == op::LOAD && answer.code == code::OK {
                *cell = Cell::Abandoned(op::STOP);
                self.board.post(slot, &Command::new(op::STOP, Duration::ZERO), false);
                // Where it cannot be sent, the shard ends soon, or the cell is lost to it.
                let _ = send(&self.socket, slot as u8, None);
            } else {
                *cell = Cell::Free;
            }
        }
    }

    /// The process ended: no cell is free any more, who waits is woken, and these VMs are lost.
    pub(crate) fn lose(&self) -> Vec<VmId> {
        let mut cells = self.cells();
        self.gone.store(true, Ordering::Release);
        self.board.lose_all();
        let lost =
            cells.iter().filter_map(|cell| if let Cell::Vm(vm) = cell { Some(*vm) } else { None }).collect();
        cells.fill(Cell::Free);
        lost
    }

    /// Have a runner do it. The caller turns only where it does not take the processor from those who are to
    /// answer: each caller wants one, and each runner.
    pub(crate) fn run(&self, slot: usize, command: &Command) -> Result<Answer, NoAnswer> {
        if self.is_gone() {
            return Err(NoAnswer::Lost);
        }
        let waiting = Waiting::begin();
        let spin = if waiting.has_processors() { self.spin } else { Duration::ZERO };
        self.board.post(slot, command, true);
        let gone = || self.is_gone();
        if let Some(answer) = self.board.wait(slot, spin, command.limit(), &gone) {
            return Ok(answer);
        }
        if !self.is_gone() && self.board.withdraw(slot) {
            // Its runners are held up by other guests, or the process does not run; then its heart does not
            // beat either.
            return Err(NoAnswer::NotBegun);
        }
        // It may have begun late, and the guest has its whole limit from then on.
        self.wait(slot, command.limit() + GRACE)
    }

    /// Have the control thread do it.
    pub(crate) fn control(
        &self,
        slot: usize,
        command: &Command,
        file: Option<BorrowedFd<'_>>,
    ) -> Result<Answer, NoAnswer> {
        if self.is_gone() {
            return Err(NoAnswer::Lost);
        }
        self.slow_operations.fetch_add(1, Ordering::Relaxed);
        self.board.post(slot, command, false);
        let outcome = match send(&self.socket, slot as u8, file) {
            Ok(()) => self.wait_for_control(slot, command),
            Err(error) if is_gone(&error) => Err(NoAnswer::Lost),
            Err(error) => {
                self.board.take_back(slot);
                Err(NoAnswer::NotSent(error))
            }
        };
        self.slow_operations.fetch_sub(1, Ordering::Relaxed);
        outcome
    }

    /// An end and a load can be given up on: what they lead to is known.
    fn wait_for_control(&self, slot: usize, command: &Command) -> Result<Answer, NoAnswer> {
        let gone = || self.is_gone();
        if matches!(command.op, op::STOP | op::LOAD) {
            if let Some(answer) = self.board.wait(slot, Duration::ZERO, command.limit(), &gone) {
                return Ok(answer);
            }
            if !self.is_gone() && !self.is_silent() {
                self.cells()[slot] = Cell::Abandoned(command.op);
                return Err(NoAnswer::Late);
            }
        }
        self.wait(slot, command.limit() + GRACE)
    }

    fn wait(&self, slot: usize, limit: Duration) -> Result<Answer, NoAnswer> {
        let gone = || self.is_gone();
        match self.board.wait(slot, Duration::ZERO, limit, &gone) {
            Some(answer) => Ok(answer),
            None if self.is_gone() => Err(NoAnswer::Lost),
            None => {
                self.kill_as_hung();
                Err(NoAnswer::Stuck)
            }
        }
    }
}

/// The runners of a shard: threads by the numbers in their names.
fn runners_of(pid: i32) -> Vec<i32> {
    let mut found: Vec<(usize, i32)> = std::fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|task| {
            let name = std::fs::read_to_string(task.path().join("comm")).ok()?;
            let number = name.trim().strip_prefix("runner-")?.parse().ok()?;
            Some((number, task.file_name().to_str()?.parse().ok()?))
        })
        .collect();
    found.sort_unstable();
    found.into_iter().map(|(_, thread)| thread).collect()
}

/// Whether nobody is at the other end any more. Anything else, as too many descriptors under way, leaves the
/// process as it was.
fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset | io::ErrorKind::NotConnected
    )
}

#[cfg(test)]
#[path = "shard_tests.rs"]
mod tests;
