//! Giving up what a process may do: namespaces, file system, user, capabilities, resources. Decides nothing.

use super::check;
use std::ffi::CStr;
use std::io;

/// Leave the namespaces of these kinds for new ones.
///
/// # Errors
/// What `unshare` answers.
pub fn unshare(flags: libc::c_int) -> io::Result<()> {
    // SAFETY: takes no pointer. Of what it can make the thread lose, none is memory or a descriptor.
    check(unsafe { libc::unshare(flags) }).map(drop)
}

fn prctl(option: libc::c_int, value: u64) -> io::Result<()> {
    // SAFETY: the options used here take numbers only.
    check(unsafe { libc::prctl(option, value, 0, 0, 0) }).map(drop)
}

fn mount(
    source: &CStr,
    target: &CStr,
    kind: Option<&CStr>,
    flags: libc::c_ulong,
    data: Option<&CStr>,
) -> io::Result<()> {
    let kind = kind.map_or(std::ptr::null(), CStr::as_ptr);
    let data = data.map_or(std::ptr::null(), |data| data.as_ptr().cast());
    // SAFETY: every pointer is null, where the call allows it, or a C string that lives through the call.
    check(unsafe { libc::mount(source.as_ptr(), target.as_ptr(), kind, flags, data) }).map(drop)
}

/// Make an empty, read-only file system the root and let go of the old one. `/proc` serves as the place
/// because it exists wherever this program works.
///
/// # Errors
/// The first call that is not permitted.
pub fn empty_root() -> io::Result<()> {
    let hardened = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
    mount(c"none", c"/", None, libc::MS_REC | libc::MS_PRIVATE, None)?;
    mount(c"tmpfs", c"/proc", Some(c"tmpfs"), hardened, Some(c"size=4k,mode=0555"))?;
    // SAFETY: the paths are C strings; with both the same, the old root ends up on top of the new one and is
    // detached next.
    unsafe {
        check(libc::chdir(c"/proc".as_ptr()))?;
        check(libc::syscall(libc::SYS_pivot_root, c".".as_ptr(), c".".as_ptr()) as libc::c_int)?;
        check(libc::umount2(c".".as_ptr(), libc::MNT_DETACH))?;
        check(libc::chdir(c"/".as_ptr()))?;
    }
    mount(c"none", c"/", None, hardened | libc::MS_REMOUNT | libc::MS_RDONLY | libc::MS_BIND, None)
}

/// Become this user and its group, for good, and leave all other groups.
///
/// # Errors
/// What the system answers.
pub fn become_user(user: libc::uid_t) -> io::Result<()> {
    // SAFETY: numbers only, and a null list of length 0. The C library changes all threads.
    unsafe {
        check(libc::setgroups(0, std::ptr::null()))?;
        check(libc::setresgid(user, user, user))?;
        check(libc::setresuid(user, user, user)).map(drop)
    }
}

/// Empty the bounding, ambient, effective, permitted and inheritable sets of this thread.
///
/// # Errors
/// What `capset` answers.
pub fn drop_capabilities() -> io::Result<()> {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: i32,
    }
    const VERSION_3: u32 = 0x2008_0522;
    // The bounding set can be emptied only by who still has CAP_SETPCAP; an unprivileged process cannot gain
    // from it anyway once it has no new privileges.
    for capability in 0..64 {
        let _ = prctl(libc::PR_CAPBSET_DROP, capability);
    }
    let _ = prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL as u64);
    let header = Header { version: VERSION_3, pid: 0 };
    let empty = [0_u32; 6];
    // SAFETY: version 3 reads two entries of three words, and `empty` holds six words; both live through the
    // call.
    check(unsafe { libc::syscall(libc::SYS_capset, &header, &empty) as libc::c_int }).map(drop)
}

/// Gain nothing by executing a program, for good.
///
/// # Errors
/// What `prctl` answers.
pub fn no_new_privileges() -> io::Result<()> {
    prctl(libc::PR_SET_NO_NEW_PRIVS, 1)
}

/// Be killed when the thread that has started this process ends.
///
/// # Errors
/// What `prctl` answers.
pub fn die_with_parent() -> io::Result<()> {
    prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as u64)
}

/// A limit that could not be set.
#[derive(Debug, thiserror::Error)]
#[error(
    "{name} cannot be set to {wanted}: {source}; its hard limit here is {hard}: raise that for whoever starts \
     this program"
)]
pub struct LimitError {
    /// Which, as in `man setrlimit`.
    pub name: &'static str,
    /// What it should have been.
    pub wanted: u64,
    /// What whoever started this process permits at most; `unlimited` is the largest number.
    pub hard: u64,
    /// What the system answered.
    pub source: io::Error,
}

/// Bound a resource of this process.
///
/// # Errors
/// What `setrlimit` answers.
pub fn set_limit(
    name: &'static str,
    resource: libc::__rlimit_resource_t,
    value: u64,
) -> Result<(), LimitError> {
    let limit = libc::rlimit { rlim_cur: value, rlim_max: value };
    // SAFETY: the structure lives through the call.
    check(unsafe { libc::setrlimit(resource, &limit) }).map(drop).map_err(|source| {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: the structure lives through the call, which cannot fail for a resource that exists.
        unsafe { libc::getrlimit(resource, &mut limit) };
        LimitError { name, wanted: value, hard: limit.rlim_max, source }
    })
}

/// Have the kernel end this process before others where memory is short: by so many thousandths of all
/// memory.
///
/// # Errors
/// Where `/proc` is not there, or the file cannot be written.
pub fn go_first_when_memory_is_short(thousandths: u16) -> io::Result<()> {
    std::fs::write("/proc/self/oom_score_adj", thousandths.to_string())
}

/// Keep this thread and those that it makes from speculating across what an attacker may have prepared: over
/// stores whose address is not known yet, and through branches. For good.
///
/// # Errors
/// Where the processor is affected and the kernel does not let a process choose.
pub fn no_speculation() -> io::Result<()> {
    for which in [libc::PR_SPEC_STORE_BYPASS, libc::PR_SPEC_INDIRECT_BRANCH] {
        // SAFETY: both options take numbers only.
        let now = check(unsafe { libc::prctl(libc::PR_GET_SPECULATION_CTRL, which as u64, 0, 0, 0) })?;
        let now = now as libc::c_uint;
        let disabled = libc::PR_SPEC_DISABLE | libc::PR_SPEC_FORCE_DISABLE;
        if now == libc::PR_SPEC_NOT_AFFECTED || now & disabled != 0 {
            continue;
        }
        let (which, how) = (which as u64, u64::from(libc::PR_SPEC_FORCE_DISABLE));
        // SAFETY: as above.
        check(unsafe { libc::prctl(libc::PR_SET_SPECULATION_CTRL, which, how, 0, 0) })?;
    }
    Ok(())
}
