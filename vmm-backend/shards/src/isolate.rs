//! What a shard gives up before it holds a user's VM: namespaces, file system, user, capabilities, resources.
//! Each measure is taken where it is permitted, and the parent is told which were and which were not. Runs on
//! the only thread, before any other.

use microvm::sys::privileges::{
    LimitError, become_user, die_with_parent, drop_capabilities, empty_root, go_first_when_memory_is_short,
    no_new_privileges, no_speculation, set_limit, unshare,
};
use std::io;

/// One measure; its number is its bit in the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Measure {
    /// A PID namespace of its own, made by the parent with the process.
    PidNamespace,
    /// No file of the host is reachable: an empty, read-only root.
    MountNamespace,
    /// No network interface.
    NetworkNamespace,
    /// No shared memory or message queue of the host.
    IpcNamespace,
    /// A host name of its own.
    UtsNamespace,
    /// A user namespace of its own.
    UserNamespace,
    /// Not the parent's user, where the parent is root.
    UnprivilegedUser,
    /// No capability, neither now nor by executing anything.
    NoCapabilities,
    /// `PR_SET_NO_NEW_PRIVS`
    NoNewPrivileges,
    /// Bounds on descriptors, file size and core dumps.
    ResourceLimits,
    /// `PR_SET_PDEATHSIG`; the socket to the parent is the second way to notice.
    DiesWithParent,
    /// The system-call filter.
    Seccomp,
    /// Runners have raised priority. Not isolation, but the same privileges decide on it.
    RunnerPriority,
    /// A guest that runs on gives way to others after its first slice. Needs the priority of runners: where
    /// that may be had, the parent may raise it again.
    LowerPriority,
    /// Where the host has no memory left, shards go before the program that started them.
    GoesFirst,
    /// No speculation across what another guest may have prepared, as far as the processor is affected.
    Speculation,
}

impl Measure {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::PidNamespace,
        Self::MountNamespace,
        Self::NetworkNamespace,
        Self::IpcNamespace,
        Self::UtsNamespace,
        Self::UserNamespace,
        Self::UnprivilegedUser,
        Self::NoCapabilities,
        Self::NoNewPrivileges,
        Self::ResourceLimits,
        Self::DiesWithParent,
        Self::Seccomp,
        Self::RunnerPriority,
        Self::LowerPriority,
        Self::GoesFirst,
        Self::Speculation,
    ];

    /// Without these a shard refuses to hold VMs; the others depend on what the host permits.
    pub const REQUIRED: [Self; 5] = [
        Self::NoCapabilities,
        Self::NoNewPrivileges,
        Self::ResourceLimits,
        Self::DiesWithParent,
        Self::Seccomp,
    ];

    pub(crate) fn bit(self) -> u32 {
        1 << self as u32
    }
}

/// Which measures took hold in a shard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Isolation {
    pub(crate) applied: u32,
    pub(crate) missed: u32,
}

impl Isolation {
    /// Whether this one did.
    pub fn has(&self, measure: Measure) -> bool {
        self.applied & measure.bit() != 0
    }

    /// Those that this host did not permit.
    pub fn missed(&self) -> Vec<Measure> {
        Measure::ALL.into_iter().filter(|measure| self.missed & measure.bit() != 0).collect()
    }

    pub(crate) fn note(&mut self, measure: Measure, outcome: io::Result<()>) {
        match outcome {
            Ok(()) => {
                self.applied |= measure.bit();
                self.missed &= !measure.bit();
            }
            Err(_) => self.missed |= measure.bit(),
        }
    }
}

/// The user that a root parent's shard becomes.
const NOBODY: libc::uid_t = 65534;
/// Runners are ahead of everything that makes or ends VMs.
pub(crate) const RUNNER_NICENESS: i32 = -15;
/// A runner whose guest runs on is behind everything.
pub(crate) const SLOW_NICENESS: i32 = 10;
/// In thousandths of the host's memory: enough to go before any program of an ordinary share.
const GO_FIRST: u16 = 500;

/// Take every measure but the system-call filter, which has to wait for the threads.
///
/// # Ordering requirements
/// Namespaces and the empty root need capabilities, so they come before these are dropped. Priority too;
/// threads made later inherit it. Becoming another user clears the parent-death signal, so that is set after
/// it.
///
/// # Errors
/// The limit that could not be set; without it a shard holds no VM.
pub fn isolate(limits: Limits, own_user_namespace: bool) -> Result<Isolation, LimitError> {
    let mut report = Isolation::default();
    report.note(Measure::GoesFirst, go_first_when_memory_is_short(GO_FIRST));
    let root = rustix::process::geteuid().is_root();
    let mapped_user = mapped_user();
    if own_user_namespace {
        report.note(Measure::UserNamespace, Ok(()));
    }
    let mut mounts = unshare(libc::CLONE_NEWNS);
    if mounts.is_err() && !report.has(Measure::UserNamespace) {
        // Who may not do it directly may in a user namespace of its own.
        report.note(Measure::UserNamespace, unshare(libc::CLONE_NEWUSER));
        mounts = unshare(libc::CLONE_NEWNS);
    }
    report.note(Measure::MountNamespace, mounts.and_then(|()| empty_root()));
    report.note(Measure::NetworkNamespace, unshare(libc::CLONE_NEWNET));
    report.note(Measure::IpcNamespace, unshare(libc::CLONE_NEWIPC));
    report.note(Measure::UtsNamespace, unshare(libc::CLONE_NEWUTS));
    report.note(Measure::RunnerPriority, microvm::sys::set_thread_niceness(RUNNER_NICENESS));
    limits.apply()?;
    report.note(Measure::ResourceLimits, Ok(()));
    // The parent raises it again, and may do so where it could give this process its own.
    let lower = if report.has(Measure::RunnerPriority) { Ok(()) } else { Err(denied()) };
    report.note(Measure::LowerPriority, lower);
    report.note(Measure::Speculation, no_speculation());
    let unprivileged = if root && mapped_user == Some(0) { become_user(NOBODY) } else { Ok(()) };
    report.note(Measure::UnprivilegedUser, unprivileged);
    if !report.has(Measure::UserNamespace) {
        report.note(Measure::UserNamespace, unshare(libc::CLONE_NEWUSER));
    }
    report.note(Measure::NoCapabilities, drop_capabilities());
    report.note(Measure::NoNewPrivileges, no_new_privileges());
    report.note(Measure::DiesWithParent, die_with_parent());
    Ok(report)
}

fn denied() -> io::Error {
    io::ErrorKind::PermissionDenied.into()
}

/// Who root of this user namespace is outside of it.
fn mapped_user() -> Option<libc::uid_t> {
    let map = std::fs::read_to_string("/proc/self/uid_map").ok()?;
    map.split_whitespace().nth(1)?.parse().ok()
}

/// Bounds on a shard's resources.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Open descriptors.
    pub descriptors: u64,
    /// Bytes of any file that it writes.
    pub file_bytes: u64,
    /// Bytes of address space.
    pub address_bytes: u64,
}

impl Limits {
    fn apply(self) -> Result<(), LimitError> {
        set_limit("RLIMIT_CORE", libc::RLIMIT_CORE, 0)?;
        set_limit("RLIMIT_FSIZE", libc::RLIMIT_FSIZE, self.file_bytes)?;
        set_limit("RLIMIT_AS", libc::RLIMIT_AS, self.address_bytes)?;
        set_limit("RLIMIT_MEMLOCK", libc::RLIMIT_MEMLOCK, 0)?;
        set_limit("RLIMIT_MSGQUEUE", libc::RLIMIT_MSGQUEUE, 0)?;
        set_limit("RLIMIT_NOFILE", libc::RLIMIT_NOFILE, self.descriptors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use microvm::sys::process::{Ended, in_a_child};

    #[test]
    fn a_limit_that_cannot_be_set_is_named_with_its_value_and_what_to_raise() {
        let limits = Limits { descriptors: 100, file_bytes: 1 << 30, address_bytes: 64 << 30 };
        let ended = in_a_child(0, || {
            // Root may raise any limit.
            let root = rustix::process::geteuid().is_root();
            if root && become_user(NOBODY).is_err() || set_limit("", libc::RLIMIT_NOFILE, 50).is_err() {
                return 1;
            }
            let said = limits.apply().map_err(|error| error.to_string()).unwrap_err();
            let all = ["RLIMIT_NOFILE", "set to 100", "hard limit here is 50", "raise"];
            if all.iter().all(|part| said.contains(part)) { 7 } else { 2 }
        });
        assert_eq!(ended.unwrap(), Ended::Exited(7));
    }
}
