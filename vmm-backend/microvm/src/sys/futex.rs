//! Waiting on a word that two processes share, and waking who waits. The word's meaning is the caller's.

use std::sync::atomic::AtomicU32;
use std::time::Duration;

/// Sleep while the word holds `expected`, at most for `limit`. Comes back early without reason at times: look
/// at the word.
pub fn wait(word: &AtomicU32, expected: u32, limit: Option<Duration>) {
    let limit = limit.map(|limit| libc::timespec {
        tv_sec: i64::try_from(limit.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(limit.subsec_nanos()),
    });
    let limit = limit.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: the word and the time live through the call. Every outcome (woken, changed, interrupted, timed
    // out) means the same to the caller, so the result is of no interest.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAIT, expected, limit) };
}

/// Wake up to `count` waiters.
pub fn wake(word: &AtomicU32, count: i32) {
    // SAFETY: the word lives through the call; waking touches no memory.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, count) };
}
