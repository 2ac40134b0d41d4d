//! What a shard process is started with.

use microvm::sys::process::{Child, Start, spawn};
use std::ffi::CStr;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;

/// First argument of a shard process.
pub const ARGUMENT: &CStr = c"--warmpool-shard";

/// Second argument of a shard process that was given a user namespace of its own.
pub const OWN_USER_NAMESPACE: &CStr = c"own-user-namespace";

/// Start a shard: `program`, or this very program where there is none, which says what it has to say on
/// `log`. The calling thread must live as long as the shard shall.
///
/// # Errors
/// The system call that failed.
pub(crate) fn shard(
    program: Option<&Path>,
    descriptors: &[BorrowedFd<'_>],
    log: BorrowedFd<'_>,
    own_pid_namespace: bool,
) -> io::Result<Child> {
    let (argument, argument_if_mapped) = (ARGUMENT, OWN_USER_NAMESPACE);
    spawn(&Start { program, argument, argument_if_mapped, descriptors, log, own_pid_namespace })
}
