//! What parent and shard share: one board of memory with a cell per VM, and a word in which each set bit is a
//! cell that waits for a runner. 32 VMs per shard is one word, so posting is one atomic OR and one futex
//! wake. Neither side believes what it reads here: values are copied out first and checked after.

use microvm::bind::{Bind, Key};
use microvm::guest::mailbox::{KEY_BYTES_MAX, URL_BYTES_MAX};
use microvm::saved::FileKey;
use microvm::sys::futex;
use microvm::sys::memory::{Mapping, Sharing};
use std::fs::File;
use std::io;
use std::mem::offset_of;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// VMs in one shard: every mapping change notifies all VMs of a process, so they are few.
pub const VMS_PER_SHARD_MAX: usize = 32;
/// Longest message that an answer carries.
pub const TEXT_BYTES_MAX: usize = 384;

/// What a shard is asked to do with the VM of a cell.
pub mod op {
    /// Fork, copy the write set, run ahead. By the control thread.
    pub const BOOT: u32 = 1;
    /// Bind and run. By a runner.
    pub const START: u32 = 2;
    /// One request. By a runner.
    pub const REQUEST: u32 = 3;
    /// First stage of sleep. By a runner.
    pub const SLEEP: u32 = 4;
    /// Wake. By a runner.
    pub const WAKE: u32 = 5;
    /// Second stage of sleep: into the file that comes along, then drop. By the control thread.
    pub const SAVE: u32 = 6;
    /// Back from the file that comes along. By the control thread.
    pub const LOAD: u32 = 7;
    /// As when forked, for the same key. By the control thread.
    pub const RECYCLE: u32 = 8;
    /// Drop. By the reaper.
    pub const STOP: u32 = 9;
}

/// How it went; the number stands in [`Answer::code`].
pub mod code {
    /// Done.
    pub const OK: u32 = 1;
    /// The guest did not answer in time. The VM is dropped.
    pub const TIMED_OUT: u32 = 2;
    /// The guest refused; the VM goes on.
    pub const GUEST: u32 = 3;
    /// Not possible in the VM's phase, or not with this key or generation; the VM goes on.
    pub const REFUSED: u32 = 4;
    /// Anything else; the VM is dropped.
    pub const FAILED: u32 = 5;
}

/// Cell states.
pub(crate) mod cell {
    pub(crate) const IDLE: u32 = 0;
    pub(crate) const POSTED: u32 = 1;
    pub(crate) const DONE: u32 = 2;
    pub(crate) const LOST: u32 = 3;
}

/// Shard states.
pub(crate) mod ready {
    pub(crate) const NOT_YET: u32 = 0;
    pub(crate) const YES: u32 = 1;
    pub(crate) const FAILED: u32 = 2;
}

/// Parent to shard.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct Command {
    /// One of [`op`].
    pub op: u32,
    /// Of a request.
    pub kind: u32,
    /// Of a request.
    pub args: [u64; 2],
    /// Of a start or wake.
    pub generation: u64,
    /// How long the guest has.
    pub limit_ns: u64,
    /// Of a start or recycle.
    pub url_bytes: u32,
    /// Of a start or recycle.
    pub key_bytes: u32,
    /// Of a start.
    pub url: [u8; URL_BYTES_MAX],
    /// Of a start or recycle.
    pub key: [u8; KEY_BYTES_MAX],
    /// Of a start or wake: what the guest must take, and prove that it has.
    pub entropy: [u8; ENTROPY_BYTES],
    /// Of a save or load: the file's.
    pub file_key: [u8; FileKey::BYTES],
}

const ENTROPY_BYTES: usize = 32;
const SECRET_BYTES: usize = KEY_BYTES_MAX + ENTROPY_BYTES + FileKey::BYTES;
const _: () = assert!(offset_of!(Command, key) + SECRET_BYTES == size_of::<Command>());

/// Shard to parent.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct Answer {
    /// One of [`code`].
    pub code: u32,
    /// Bytes used of `text`.
    pub text_bytes: u32,
    /// Proof of an acknowledgement, values of a request.
    pub values: [u64; 4],
    /// What went wrong, in words.
    pub text: [u8; TEXT_BYTES_MAX],
}

impl Command {
    /// Nothing but the operation and its limit.
    pub fn new(op: u32, limit: Duration) -> Self {
        Self {
            op,
            kind: 0,
            args: [0; 2],
            generation: 0,
            limit_ns: u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX),
            url_bytes: 0,
            key_bytes: 0,
            url: [0; URL_BYTES_MAX],
            key: [0; KEY_BYTES_MAX],
            entropy: [0; ENTROPY_BYTES],
            file_key: [0; FileKey::BYTES],
        }
    }

    /// With a user's key.
    pub fn with_key(mut self, key: &Key) -> Self {
        let bytes = key.as_str().as_bytes();
        self.key[..bytes.len()].copy_from_slice(bytes);
        self.key_bytes = bytes.len() as u32;
        self
    }

    /// With a user's key and URL.
    pub fn with_bind(self, bind: &Bind) -> Self {
        let mut this = self.with_key(bind.key());
        let bytes = bind.url().as_bytes();
        this.url[..bytes.len()].copy_from_slice(bytes);
        this.url_bytes = bytes.len() as u32;
        this
    }

    /// The key, where it is one.
    pub fn read_key(&self) -> Option<Key> {
        let bytes = self.key.get(..usize::try_from(self.key_bytes).ok()?)?;
        Key::new(std::str::from_utf8(bytes).ok()?).ok()
    }

    /// Key and URL, where they are such.
    pub fn read_bind(&self) -> Option<Bind> {
        let bytes = self.url.get(..usize::try_from(self.url_bytes).ok()?)?;
        Bind::new(std::str::from_utf8(bytes).ok()?, self.read_key()?).ok()
    }

    /// How long the guest has.
    pub fn limit(&self) -> Duration {
        Duration::from_nanos(self.limit_ns)
    }
}

impl Answer {
    /// It went well.
    pub fn ok(values: [u64; 4]) -> Self {
        Self { code: code::OK, text_bytes: 0, values, text: [0; TEXT_BYTES_MAX] }
    }

    /// It did not; the text is cut to what fits.
    pub fn error(code: u32, text: &str) -> Self {
        let mut answer = Self { code, ..Self::ok([0; 4]) };
        let bytes = text.len().min(TEXT_BYTES_MAX);
        answer.text[..bytes].copy_from_slice(&text.as_bytes()[..bytes]);
        answer.text_bytes = bytes as u32;
        answer
    }

    /// The text, with what is not UTF-8 replaced.
    pub fn read_text(&self) -> String {
        let bytes = usize::try_from(self.text_bytes).unwrap_or(usize::MAX).min(TEXT_BYTES_MAX);
        String::from_utf8_lossy(&self.text[..bytes]).into_owned()
    }
}

/// How often a shard proves that it runs.
pub(crate) const HEARTBEAT: Duration = Duration::from_millis(100);
/// A runner whose guest has run on waits no longer for its priority than this.
const RAISED_WITHIN: Duration = Duration::from_secs(1);
/// A runner that is awake begins within this time.
const BEGIN_WITHIN: Duration = Duration::from_micros(60);
/// Where no runner has begun after this time, another one takes the lead.
const RELIEF_AFTER: Duration = Duration::from_micros(500);

#[repr(C, align(128))]
struct CellLayout {
    state: u32,
    command: Command,
    answer: Answer,
}

#[repr(C, align(128))]
struct BoardLayout {
    pending: u32,
    far_from_pending: [u32; 31],
    lead: u32,
    far_from_lead: [u32; 31],
    ready: u32,
    applied: u32,
    missed: u32,
    beats: u32,
    lowered: u32,
    setup: Answer,
    cells: [CellLayout; VMS_PER_SHARD_MAX],
}

/// Bytes of a board.
pub const BOARD_BYTES: u64 = size_of::<BoardLayout>() as u64;

/// One side's view of the board.
#[derive(Debug)]
pub struct Board {
    mapping: Mapping,
}

impl Board {
    /// Map it.
    ///
    /// # Errors
    /// What `mmap` answers.
    pub fn new(file: &Arc<File>) -> io::Result<Self> {
        Ok(Self { mapping: Mapping::new(file, BOARD_BYTES as usize, Sharing::Shared)? })
    }

    /// Bits of cells that wait for a runner.
    pub fn pending(&self) -> &AtomicU32 {
        self.mapping.word(offset_of!(BoardLayout, pending) as u64)
    }

    fn lead(&self) -> &AtomicU32 {
        self.mapping.word(offset_of!(BoardLayout, lead) as u64)
    }

    /// Shard: become the runner that takes what is posted; blocks while another one is. The word is odd while
    /// there is a leader, and no two leads have the same; what comes back names this one.
    pub fn take_lead(&self) -> u32 {
        let lead = self.lead();
        loop {
            let word = lead.load(Ordering::Acquire);
            let taken = word.wrapping_add(1);
            if word & 1 == 1 {
                futex::wait(lead, word, None);
            } else if lead.compare_exchange(word, taken, Ordering::AcqRel, Ordering::Acquire).is_ok() {
                return taken;
            }
        }
    }

    /// Shard: whether this lead still holds.
    pub fn leads(&self, lead: u32) -> bool {
        self.lead().load(Ordering::Acquire) == lead
    }

    /// Shard: end this lead, where it still holds, so that another runner takes it.
    pub fn end_lead(&self, lead: u32) {
        if lead & 1 == 1 {
            let next = lead.wrapping_add(1);
            if self.lead().compare_exchange(lead, next, Ordering::AcqRel, Ordering::Acquire).is_ok() {
                futex::wake(self.lead(), 1);
            }
        }
    }

    /// Whether the shard is set up.
    pub(crate) fn ready(&self) -> &AtomicU32 {
        self.mapping.word(offset_of!(BoardLayout, ready) as u64)
    }

    /// Bits of the isolation measures that took hold, and of those that did not.
    pub(crate) fn isolation(&self) -> [&AtomicU32; 2] {
        [offset_of!(BoardLayout, applied), offset_of!(BoardLayout, missed)]
            .map(|at| self.mapping.word(at as u64))
    }

    /// Counted up by the shard every [`HEARTBEAT`], for as long as it runs.
    pub(crate) fn beats(&self) -> &AtomicU32 {
        self.mapping.word(offset_of!(BoardLayout, beats) as u64)
    }

    /// Bits of the runners that have lowered their priority and wait for the parent to raise it.
    pub(crate) fn lowered(&self) -> &AtomicU32 {
        self.mapping.word(offset_of!(BoardLayout, lowered) as u64)
    }

    /// Shard: have the parent raise this runner's priority again, and wait until it has; not for ever.
    pub(crate) fn wait_to_be_raised(&self, runner: u32) {
        let bit = 1 << runner;
        let mut lowered = self.lowered().fetch_or(bit, Ordering::AcqRel) | bit;
        let begun = Instant::now();
        while lowered & bit != 0 && begun.elapsed() < RAISED_WITHIN {
            futex::wait(self.lowered(), lowered, Some(RAISED_WITHIN));
            lowered = self.lowered().load(Ordering::Acquire);
        }
    }

    /// Parent: these runners have their priority again.
    pub(crate) fn have_raised(&self, runners: u32) {
        self.lowered().fetch_and(!runners, Ordering::AcqRel);
        futex::wake(self.lowered(), i32::MAX);
    }

    /// Say how the setup went.
    pub(crate) fn set_ready(&self, outcome: Result<(), &str>) {
        if let Err(text) = outcome {
            let answer = Answer::error(code::FAILED, text);
            self.mapping.write(offset_of!(BoardLayout, setup) as u64, answer.as_bytes());
        }
        let state = if outcome.is_ok() { ready::YES } else { ready::FAILED };
        self.ready().store(state, Ordering::Release);
        futex::wake(self.ready(), i32::MAX);
    }

    /// Why the setup failed.
    pub(crate) fn setup_text(&self) -> String {
        self.read::<Answer>(offset_of!(BoardLayout, setup) as u64).read_text()
    }

    /// A copy of what stands there.
    fn read<T: FromBytes + IntoBytes>(&self, offset: u64) -> T {
        let mut value = T::new_zeroed();
        self.mapping.read(offset, value.as_mut_bytes());
        value
    }

    fn cell(slot: usize, field: usize) -> u64 {
        assert!(slot < VMS_PER_SHARD_MAX, "cell {slot} does not exist");
        (offset_of!(BoardLayout, cells) + slot * size_of::<CellLayout>() + field) as u64
    }

    /// A cell's state, to wait on.
    pub fn state(&self, slot: usize) -> &AtomicU32 {
        self.mapping.word(Self::cell(slot, offset_of!(CellLayout, state)))
    }

    /// Parent: put a command into a cell, and for a runner also its bit into the pending word.
    pub fn post(&self, slot: usize, command: &Command, to_runner: bool) {
        self.mapping.write(Self::cell(slot, offset_of!(CellLayout, command)), command.as_bytes());
        self.state(slot).store(cell::POSTED, Ordering::Release);
        if to_runner {
            self.pending().fetch_or(1 << slot, Ordering::SeqCst);
            futex::wake(self.pending(), 1);
        }
    }

    /// Parent: take back a command that the control thread was never told of.
    pub(crate) fn take_back(&self, slot: usize) {
        self.state(slot).store(cell::IDLE, Ordering::Release);
    }

    /// Parent: take a command back; false where a runner has begun with it.
    pub fn withdraw(&self, slot: usize) -> bool {
        let waited = self.pending().fetch_and(!(1 << slot), Ordering::AcqRel) & 1 << slot != 0;
        if waited {
            self.state(slot).store(cell::IDLE, Ordering::Release);
        }
        waited
    }

    /// Shard: what a cell asks; `None` where nothing is posted.
    pub fn command(&self, slot: usize) -> Option<Command> {
        let posted = self.state(slot).load(Ordering::Acquire) == cell::POSTED;
        posted.then(|| self.read(Self::cell(slot, offset_of!(CellLayout, command))))
    }

    /// Shard: answer, and wake who waits.
    pub fn answer(&self, slot: usize, answer: &Answer) {
        // What is secret stays no longer than it is needed. It lies together.
        let key = offset_of!(CellLayout, command) + offset_of!(Command, key);
        self.mapping.write(Self::cell(slot, key), &[0; SECRET_BYTES]);
        self.mapping.write(Self::cell(slot, offset_of!(CellLayout, answer)), answer.as_bytes());
        self.state(slot).store(cell::DONE, Ordering::Release);
        futex::wake(self.state(slot), 1);
    }

    /// Shard: the next cell that waits for a runner; blocks.
    pub fn next(&self) -> usize {
        let pending = self.pending();
        loop {
            let bits = pending.load(Ordering::Acquire);
            if bits == 0 {
                futex::wait(pending, 0, None);
                continue;
            }
            let slot = bits.trailing_zeros();
            if pending.fetch_and(!(1 << slot), Ordering::AcqRel) & 1 << slot != 0 {
                return slot as usize;
            }
        }
    }

    /// Parent: wait for the answer to what was posted; `None` after `limit`, or as soon as `gone` says that
    /// nobody will answer.
    ///
    /// A caller turns while a runner is at its command, up to `spin`, because most answers come sooner than a
    /// sleeping thread wakes. It does not turn while nobody has begun: then the runner may be waiting for
    /// this very processor.
    pub fn wait(
        &self,
        slot: usize,
        spin: Duration,
        limit: Duration,
        gone: &dyn Fn() -> bool,
    ) -> Option<Answer> {
        let start = Instant::now();
        let state = self.state(slot);
        if self.turn(slot, spin, start) {
            return Some(self.take(slot));
        }
        let waits = || self.pending().load(Ordering::Acquire) & 1 << slot != 0;
        let mut relieve = waits();
        loop {
            let now = state.load(Ordering::Acquire);
            if now == cell::DONE {
                return Some(self.take(slot));
            }
            let mut left = limit.checked_sub(start.elapsed())?;
            if gone() {
                return None;
            }
            if relieve {
                match RELIEF_AFTER.checked_sub(start.elapsed()) {
                    Some(sooner) => left = left.min(sooner),
                    None => {
                        relieve = false;
                        if waits() {
                            // The leader is held up by another guest. Where it only woke late, this does no
                            // harm.
                            self.end_lead(self.lead().load(Ordering::Acquire));
                        }
                    }
                }
            }
            futex::wait(state, now, Some(left));
        }
    }

    /// Look again and again, whether it is done; false where it is time to sleep.
    fn turn(&self, slot: usize, spin: Duration, start: Instant) -> bool {
        const LOOKS_PER_CLOCK: u32 = 64;
        loop {
            for _ in 0..LOOKS_PER_CLOCK {
                if self.state(slot).load(Ordering::Acquire) == cell::DONE {
                    return true;
                }
                std::hint::spin_loop();
            }
            let elapsed = start.elapsed();
            let begun = self.pending().load(Ordering::Acquire) & 1 << slot == 0;
            if elapsed >= spin || elapsed >= BEGIN_WITHIN && !begun {
                return false;
            }
        }
    }

    /// Parent: the shard is gone; wake who waits. Changes the words, so that a wait that is just beginning
    /// sees it too.
    pub fn lose_all(&self) {
        for slot in 0..VMS_PER_SHARD_MAX {
            self.state(slot).store(cell::LOST, Ordering::Release);
            futex::wake(self.state(slot), i32::MAX);
        }
        self.ready().store(ready::FAILED, Ordering::Release);
        futex::wake(self.ready(), i32::MAX);
    }

    /// Parent: the answer, where it has come; does not wait.
    pub(crate) fn answered(&self, slot: usize) -> Option<Answer> {
        (self.state(slot).load(Ordering::Acquire) == cell::DONE).then(|| self.take(slot))
    }

    fn take(&self, slot: usize) -> Answer {
        let answer = self.read(Self::cell(slot, offset_of!(CellLayout, answer)));
        self.state(slot).store(cell::IDLE, Ordering::Release);
        answer
    }
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
