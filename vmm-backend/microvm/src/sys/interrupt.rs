//! Being asked to end: by Ctrl-C, or by SIGTERM as service managers send it. The first time it is only noted, so that whoever
//! runs can end cleanly; the second time the program ends at once.

use super::check;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

extern "C" fn note(_: libc::c_int) {
    INTERRUPTED.store(true, Ordering::Release);
}

/// From now on SIGINT and SIGTERM are noted in what this gives, once each.
///
/// # Errors
/// What `sigaction` answers.
pub fn watch() -> io::Result<&'static AtomicBool> {
    for signal in [libc::SIGINT, libc::SIGTERM] {
        // SAFETY: all zero is a valid `sigaction`, with an empty mask.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_flags = libc::SA_RESTART | libc::SA_RESETHAND;
        action.sa_sigaction = note as extern "C" fn(libc::c_int) as usize;
        // SAFETY: the handler stores to an atomic, which is safe at any moment; `action` lives through the call.
        check(unsafe { libc::sigaction(signal, &action, std::ptr::null_mut()) })?;
    }
    Ok(&INTERRUPTED)
}
