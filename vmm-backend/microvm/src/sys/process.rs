//! Starting a process that is given nothing of the parent's but the descriptors that it needs, in a PID
//! namespace of its own where that is permitted; seeing it end; and trying something in a child. Knows
//! nothing of VMs.

use super::check;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// The first descriptor that the process is given; they follow in the order of [`spawn`]'s list.
pub const FIRST_DESCRIPTOR: RawFd = 3;

/// A started process. Killed and reaped when dropped.
#[derive(Debug)]
pub struct Child {
    pid: libc::pid_t,
    handle: OwnedFd,
    reaped: AtomicBool,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// With this exit code.
    Exited(i32),
    /// By this signal.
    Killed(i32),
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exited(code) => write!(f, "exited with code {code}"),
            Self::Killed(signal) if *signal == libc::SIGSYS => {
                f.write_str("killed by its system-call filter")
            }
            Self::Killed(signal) => write!(f, "killed by signal {signal}"),
        }
    }
}

impl Child {
    /// Its process id as the parent sees it.
    pub fn pid(&self) -> libc::pid_t {
        self.pid
    }

    /// Readable once the process has ended.
    pub fn handle(&self) -> BorrowedFd<'_> {
        use std::os::fd::AsFd;
        self.handle.as_fd()
    }

    /// End it at once. By its handle, so that a process id used anew is never hit.
    pub fn kill(&self) {
        let handle = self.handle.as_raw_fd();
        // SAFETY: numbers and a null pointer only. A process that has ended already answers ESRCH, which is
        // as well.
        unsafe {
            libc::syscall(libc::SYS_pidfd_send_signal, handle, libc::SIGKILL, std::ptr::null::<u8>(), 0)
        };
    }

    /// Wait for its end and take it off the process table.
    pub fn reap(&self) -> Ended {
        let mut status = 0;
        while !self.reaped.swap(true, Ordering::AcqRel) {
            // SAFETY: the status lives through the call; the child is ours and was not reaped before.
            let pid = unsafe { libc::waitpid(self.pid, &mut status, 0) };
            if pid != self.pid && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted {
                self.reaped.store(false, Ordering::Release);
            }
            // Any other error: somebody else of this program reaped it, and how it ended is not known.
        }
        ended(status)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.reaped.load(Ordering::Acquire) {
            self.kill();
            self.reap();
        }
    }
}

#[repr(C)]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// Everything that the new process touches between its birth and `execve`, prepared before, because no
/// allocation is safe there.
struct Prepared {
    program: OwnedFd,
    name: CString,
    null: File,
    log: OwnedFd,
    sources: Vec<OwnedFd>,
    /// Make the parent's user the root of a new user namespace: only then its rights survive the exec. Groups
    /// must be given up first.
    maps: [(&'static CStr, CString); 3],
}

/// What to start.
#[derive(Clone, Copy, Debug)]
pub struct Start<'a> {
    /// The program; this very program, where there is none.
    pub program: Option<&'a Path>,
    /// Its first argument.
    pub argument: &'static CStr,
    /// Its second argument, where it is given a user namespace of its own.
    pub argument_if_mapped: &'static CStr,
    /// Its descriptors, from [`FIRST_DESCRIPTOR`] on.
    pub descriptors: &'a [BorrowedFd<'a>],
    /// Its standard error. Standard input and output are `/dev/null`.
    pub log: BorrowedFd<'a>,
    /// Whether it gets a PID namespace of its own.
    pub own_pid_namespace: bool,
}

/// Start a process. The parent-death signal is bound to the calling *thread*: it must live as long as the
/// process shall. With a PID namespace of its own the process cannot see any other.
///
/// # Errors
/// The system call that failed.
pub fn spawn(wanted: &Start<'_>) -> io::Result<Child> {
    let Start { program, descriptors, own_pid_namespace, .. } = *wanted;
    let program = program.unwrap_or(Path::new("/proc/self/exe"));
    let name = CString::new(program.as_os_str().as_bytes())?;
    // Above every target, so that putting one in place never overwrites another that is still needed.
    let above = FIRST_DESCRIPTOR + descriptors.len() as RawFd + 8;
    let duplicate = |fd: BorrowedFd<'_>| -> io::Result<OwnedFd> {
        // SAFETY: takes no pointer; the descriptor is borrowed for the call.
        let fd = check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, above) })?;
        // SAFETY: the call just made this descriptor and nobody else knows it.
        Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    };
    use std::os::fd::AsFd;
    let prepared = Prepared {
        program: duplicate(File::open(program)?.as_fd())?,
        name,
        null: File::options().read(true).write(true).open("/dev/null")?,
        maps: identity_maps()?,
        log: duplicate(wanted.log)?,
        sources: descriptors.iter().map(|fd| duplicate(*fd)).collect::<io::Result<_>>()?,
    };
    let namespaces = if own_pid_namespace { libc::CLONE_NEWPID as u64 } else { 0 };
    let mut started = start(wanted, &prepared, namespaces);
    if own_pid_namespace
        && started.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
    {
        // Who may not do it directly may in a user namespace of its own.
        started = start(wanted, &prepared, namespaces | libc::CLONE_NEWUSER as u64);
    }
    let (pid, handle) = started?;
    Ok(Child { pid, handle, reaped: AtomicBool::new(false) })
}

fn identity_maps() -> io::Result<[(&'static CStr, CString); 3]> {
    // SAFETY: both take nothing and cannot fail.
    let (user, group) = unsafe { (libc::geteuid(), libc::getegid()) };
    Ok([
        (c"/proc/self/setgroups", CString::new("deny")?),
        (c"/proc/self/gid_map", CString::new(format!("0 {group} 1"))?),
        (c"/proc/self/uid_map", CString::new(format!("0 {user} 1"))?),
    ])
}

fn start(wanted: &Start<'_>, prepared: &Prepared, namespaces: u64) -> io::Result<(libc::pid_t, OwnedFd)> {
    let mut handle: RawFd = -1;
    let arguments = CloneArgs {
        flags: libc::CLONE_PIDFD as u64 | namespaces,
        pidfd: &raw mut handle as u64,
        exit_signal: libc::SIGCHLD as u64,
        ..CloneArgs::default()
    };
    let maps = namespaces & libc::CLONE_NEWUSER as u64 != 0;
    let second = if maps { wanted.argument_if_mapped.as_ptr() } else { std::ptr::null() };
    let argv = [prepared.name.as_ptr(), wanted.argument.as_ptr(), second, std::ptr::null()];
    let envp = [std::ptr::null::<libc::c_char>()];
    // SAFETY: without CLONE_VM the child has a copy of all memory, as after `fork`, and goes on here alone;
    // it makes system calls only, on what was prepared, until it is another program or gone.
    let pid = unsafe {
        let pid = libc::syscall(libc::SYS_clone3, &arguments, size_of::<CloneArgs>());
        if pid == 0 {
            become_program(prepared, maps, &argv, &envp);
        }
        pid
    };
    if pid < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel just made this descriptor for us.
    Ok((pid as libc::pid_t, unsafe { OwnedFd::from_raw_fd(handle) }))
}

/// The child's way to its new program. Never returns.
///
/// # Safety
/// Only in a child that was just cloned, with null-terminated lists.
unsafe fn become_program(
    prepared: &Prepared,
    maps: bool,
    argv: &[*const libc::c_char; 4],
    envp: &[*const libc::c_char; 1],
) -> ! {
    // SAFETY: every call here is safe between clone and exec; pointers are to what was prepared and to this
    // stack.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &none, std::ptr::null_mut());
        // Ctrl-C reaches every process of the terminal: only the parent decides what it means.
        libc::signal(libc::SIGINT, libc::SIG_IGN);
        libc::signal(libc::SIGTERM, libc::SIG_IGN);
        for (path, map) in prepared.maps.iter().filter(|_| maps) {
            let file = libc::open(path.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
            libc::write(file, map.as_ptr().cast(), map.as_bytes().len());
            libc::close(file);
        }
        let null = prepared.null.as_raw_fd();
        let mut fine = libc::dup2(null, 0) >= 0 && libc::dup2(null, 1) >= 0;
        fine &= libc::dup2(prepared.log.as_raw_fd(), 2) >= 0;
        let mut target = FIRST_DESCRIPTOR;
        for source in &prepared.sources {
            fine &= libc::dup2(source.as_raw_fd(), target) >= 0;
            target += 1;
        }
        if fine {
            let flags = libc::AT_EMPTY_PATH;
            let program = prepared.program.as_raw_fd();
            // Mark the rest to be closed by the exec rather than closing it: the program's descriptor is
            // among them.
            libc::syscall(libc::SYS_close_range, target, u32::MAX, libc::CLOSE_RANGE_CLOEXEC);
            libc::syscall(libc::SYS_execveat, program, c"".as_ptr(), argv.as_ptr(), envp.as_ptr(), flags);
        }
        libc::_exit(127)
    }
}

/// The descriptors that this process was given by [`spawn`]. The first call gets them, any other `None`.
pub fn inherited<const N: usize>() -> Option<[OwnedFd; N]> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    if TAKEN.swap(true, Ordering::AcqRel) {
        return None;
    }
    // SAFETY: a process that was started by `spawn` has these descriptors open, and nothing owns them yet;
    // they are taken once. Whoever starts the program by hand gets errors from their first use.
    let taken = std::array::from_fn(|i| unsafe { OwnedFd::from_raw_fd(FIRST_DESCRIPTOR + i as RawFd) });
    Some(taken)
}

/// Do something in a child that is a copy of this process with one thread, made with these flags of `clone`,
/// and see how it ends: with what `act` returns, or earlier. `act` must not wait for a lock that another
/// thread may hold.
///
/// # Errors
/// What `clone` or `waitpid` answers.
pub fn in_a_child(flags: libc::c_int, act: impl FnOnce() -> libc::c_int) -> io::Result<Ended> {
    let flags = flags as u64 | libc::SIGCHLD as u64;
    // SAFETY: without CLONE_VM the child has a copy of all memory, as after `fork`, and ends here.
    let pid = unsafe {
        let pid = libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0);
        if pid == 0 {
            libc::_exit(act());
        }
        check(pid as libc::c_int)?
    };
    let mut status = 0;
    // SAFETY: the child is ours, was just made and is reaped only here; the status lives through the call.
    check(unsafe { libc::waitpid(pid, &mut status, 0) })?;
    Ok(ended(status))
}

fn ended(status: libc::c_int) -> Ended {
    if libc::WIFSIGNALED(status) {
        Ended::Killed(libc::WTERMSIG(status))
    } else {
        Ended::Exited(libc::WEXITSTATUS(status))
    }
}
