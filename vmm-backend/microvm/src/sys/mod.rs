//! The few system calls that this crate needs beside KVM's, each behind a safe function. Knows nothing of
//! VMs.

pub mod futex;
pub mod kick;
pub mod memory;
pub mod pagemap;
pub mod privileges;
pub mod process;
pub mod socket;

use std::io;

/// Fill `bytes` from the kernel's random generator.
///
/// # Errors
/// What `getrandom` answers.
pub fn random(bytes: &mut [u8; 32]) -> io::Result<()> {
    loop {
        // SAFETY: the pointer and length describe `bytes`, which lives through the call. Requests of up to
        // 256 bytes are answered whole.
        let got = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
        if got == bytes.len() as isize {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        if got < 0 && error.kind() == io::ErrorKind::Interrupted {
            continue;
        }
        return Err(if got < 0 { error } else { io::Error::other("getrandom answered short") });
    }
}

/// Let this process, and those it starts, have as many descriptors open as it is permitted to ask for.
///
/// # Errors
/// What `getrlimit` or `setrlimit` answers.
pub fn raise_descriptor_limit() -> io::Result<()> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the structure lives through the call.
    check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) })?;
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: as above.
    check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) }).map(drop)
}

/// Turn the `-1` of a C library call into the error it left.
///
/// # Errors
/// That error.
pub(crate) fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Make every later thread creation of this thread, and this thread itself, run at this niceness.
///
/// # Errors
/// `EACCES` where the process may not raise its priority.
pub fn set_thread_niceness(niceness: i32) -> io::Result<()> {
    // SAFETY: takes no pointer. On Linux PRIO_PROCESS with 0 means the calling thread.
    check(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, niceness) }).map(drop)
}

/// Make another thread run at this niceness, by the number that this process sees it under.
///
/// # Errors
/// `ESRCH` where there is none; `EACCES` or `EPERM` where this process may not.
pub fn set_niceness_of(thread: i32, niceness: i32) -> std::io::Result<()> {
    if thread <= 0 {
        return Err(std::io::ErrorKind::NotFound.into());
    }
    // SAFETY: takes no pointer.
    check(unsafe { libc::setpriority(libc::PRIO_PROCESS, thread as libc::id_t, niceness) }).map(drop)
}
