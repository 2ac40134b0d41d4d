//! The parent's handle on one shard: which cells are taken, posting to them, waiting for answers. Decides
//! nothing about VMs.

use crate::config::VmId;
use crate::isolate::{Isolation, Measure};
use crate::wire::{Answer, Board, Command, VMS_PER_SHARD_MAX, op, ready};
use microvm::sys::futex;
use microvm::sys::process::{Child, Ended};
use microvm::sys::socket::send;
use rustix::event::{PollFd, PollFlags, Timespec, poll as poll_now};
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// A shard keeps a guest's limit by itself. Where its answer is this much later still, the shard hangs and is
/// killed.
const GRACE: Duration = Duration::from_secs(2);
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
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Cell {
    Free,
    Reserved,
    Vm(VmId),
}

pub(crate) struct Shard {
    pub(crate) number: usize,
    child: Child,
    board: Board,
    socket: OwnedFd,
    gone: AtomicBool,
    cells: Mutex<Vec<Cell>>,
    slow_operations: AtomicUsize,
    spin: Duration,
}

impl Shard {
    pub(crate) fn new(
        number: usize,
        child: Child,
        board: Board,
        socket: OwnedFd,
        vms_max: usize,
        spin: Duration,
    ) -> Self {
        let cells = Mutex::new(vec![Cell::Free; vms_max.min(VMS_PER_SHARD_MAX)]);
        let (gone, slow_operations) = (AtomicBool::new(false), AtomicUsize::new(0));
        Self { number, child, board, socket, gone, cells, slow_operations, spin }
    }

    pub(crate) fn child(&self) -> &Child {
        &self.child
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    /// Wait until the shard has set itself up; what it could not do otherwise.
    pub(crate) fn wait_ready(&self) -> Result<(), String> {
        let start = Instant::now();
        loop {
            let state = self.board.ready().load(Ordering::Acquire);
            if state == ready::YES {
                return Ok(());
            }
            let text = self.board.setup_text();
            if state != ready::NOT_YET && !text.is_empty() {
                return Err(text);
            }
            if let Some(ended) = self.ended() {
                return Err(format!("the process {ended} before it was ready"));
            }
            if start.elapsed() > SETUP_LIMIT {
                return Err(format!("not ready within {SETUP_LIMIT:?}"));
            }
            futex::wait(self.board.ready(), state, Some(Duration::from_millis(20)));
        }
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

    /// How many cells are taken, and how many slow operations it is at; `None` where no cell is free.
    pub(crate) fn load(&self) -> Option<(usize, usize)> {
        let cells = self.cells();
        let taken = cells.iter().filter(|cell| **cell != Cell::Free).count();
        (taken < cells.len() && !self.is_gone())
            .then(|| (self.slow_operations.load(Ordering::Relaxed), taken))
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

    pub(crate) fn release(&self, slot: usize) {
        self.cells()[slot] = Cell::Free;
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
            // Either its runners are held up by other guests, or the whole process hangs: then its control
            // thread is silent too.
            return self
                .control(slot, &Command::new(op::PING, Duration::ZERO), None)
                .and(Err(NoAnswer::NotBegun));
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
            Ok(()) => self.wait(slot, command.limit() + GRACE),
            Err(error) if is_gone(&error) => Err(NoAnswer::Lost),
            Err(error) => {
                self.board.take_back(slot);
                Err(NoAnswer::NotSent(error))
            }
        };
        self.slow_operations.fetch_sub(1, Ordering::Relaxed);
        outcome
    }

    fn wait(&self, slot: usize, limit: Duration) -> Result<Answer, NoAnswer> {
        let gone = || self.is_gone();
        match self.board.wait(slot, Duration::ZERO, limit, &gone) {
            Some(answer) => Ok(answer),
            None if self.is_gone() => Err(NoAnswer::Lost),
            None => {
                self.child.kill();
                Err(NoAnswer::Stuck)
            }
        }
    }
}

/// Whether nobody is at the other end any more. Anything else, as too many descriptors under way, leaves the
/// process as it was.
fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset | io::ErrorKind::NotConnected
    )
}
