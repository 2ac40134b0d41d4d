//! The system calls that a shard may make once it is set up: KVM's, memory, futexes, its socket and files
//! that it was handed. Everything else kills the process. No call here opens, connects, starts or signals
//! anything outside. Of KVM each thread may ask what its role needs, by the request's number.

use microvm::requests;
use microvm::sys::pagemap::PAGEMAP_SCAN;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Len, SeccompCmpOp as Op, SeccompCondition as Condition,
    SeccompFilter, SeccompRule, TargetArch,
};
use std::collections::BTreeMap;

/// What a thread of a shard is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Lets guests run, and counts what they write.
    Runner,
    /// Makes, saves and loads VMs, and has a new one run ahead.
    Control,
    /// Asks nothing of KVM: ends VMs, or only shows that the process runs.
    Other,
}

/// Calls without conditions on their arguments.
const CALLS: &[libc::c_long] = &[
    // Running and timing guests.
    libc::SYS_timer_settime,
    libc::SYS_timer_delete,
    libc::SYS_clock_gettime,
    libc::SYS_gettimeofday,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigprocmask,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_getrandom,
    libc::SYS_getpid,
    libc::SYS_gettid,
    // Memory.
    libc::SYS_munmap,
    libc::SYS_madvise,
    libc::SYS_mremap,
    libc::SYS_brk,
    // Threads that exist already.
    libc::SYS_futex,
    libc::SYS_sched_yield,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    libc::SYS_exit,
    libc::SYS_exit_group,
    // The socket and the files that come through it.
    libc::SYS_recvmsg,
    libc::SYS_read,
    libc::SYS_pread64,
    libc::SYS_write,
    libc::SYS_pwrite64,
    libc::SYS_lseek,
    libc::SYS_close,
];

/// The filter could not be made or installed.
#[derive(Debug, thiserror::Error)]
pub(super) enum SeccompError {
    /// Making it.
    #[error("seccomp filter: {0}")]
    Backend(#[from] seccompiler::BackendError),
    /// Installing it.
    #[error("seccomp(SECCOMP_SET_MODE_FILTER): {0}")]
    Install(#[from] seccompiler::Error),
}

/// Put the filter over this thread. There is no way back.
///
/// # Errors
/// Where the kernel has no seccomp, or the thread cannot take the filter.
pub(super) fn install(role: Role) -> Result<(), SeccompError> {
    Ok(seccompiler::apply_filter(&program(role)?)?)
}

fn program(role: Role) -> Result<BpfProgram, SeccompError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = CALLS.iter().map(|&call| (call, Vec::new())).collect();
    let requests: Vec<u64> = match role {
        Role::Runner => vec![requests::RUN, PAGEMAP_SCAN],
        Role::Control => [requests::RUN, PAGEMAP_SCAN].into_iter().chain(requests::MAKE).collect(),
        Role::Other => Vec::new(),
    };
    let masked = |argument, mask, value| Condition::new(argument, Len::Qword, Op::MaskedEq(mask), value);
    let equal = |argument, value| Condition::new(argument, Len::Dword, Op::Eq, value);
    let one = |condition: Result<Condition, seccompiler::BackendError>| SeccompRule::new(vec![condition?]);
    if !requests.is_empty() {
        let each = requests.into_iter().map(|request| one(equal(1, request)));
        rules.insert(libc::SYS_ioctl, each.collect::<Result<_, _>>()?);
    }
    // A thread's own priority.
    rules.insert(
        libc::SYS_setpriority,
        vec![SeccompRule::new(vec![equal(0, libc::PRIO_PROCESS.into())?, equal(1, 0)?])?],
    );
    let executable = libc::PROT_EXEC as u64;
    for call in [libc::SYS_mmap, libc::SYS_mprotect] {
        rules.insert(call, vec![one(masked(2, executable, 0))?]);
    }
    // The standard library asks whether a descriptor is open before it closes it, in debug builds.
    rules.insert(libc::SYS_fcntl, vec![one(equal(1, libc::F_GETFD as u64))?]);
    let filter =
        SeccompFilter::new(rules, SeccompAction::KillProcess, SeccompAction::Allow, TargetArch::x86_64)?;
    Ok(filter.try_into()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use microvm::hypervisor::Hypervisor;
    use microvm::sys::process::{Ended, in_a_child};

    #[test]
    fn the_filter_compiles() {
        assert!(program(Role::Control).unwrap().len() > CALLS.len());
    }

    /// How a child ends that installs the filter and then does this.
    fn end_after(role: Role, act: impl FnOnce()) -> Ended {
        in_a_child(0, || {
            let installed = install(role).is_ok();
            act();
            if installed { 7 } else { 1 }
        })
        .unwrap()
    }

    #[test]
    fn a_call_that_is_not_listed_ends_the_process() {
        for role in [Role::Runner, Role::Control, Role::Other] {
            let fine = end_after(role, || drop(microvm::sys::random(&mut [0; 32])));
            assert_eq!(fine, Ended::Exited(7));
            let forbidden: [fn(); 5] = [
                || drop(std::fs::File::open("/")),
                || drop(std::os::unix::net::UnixStream::pair()),
                // A terminal's ioctl is none of KVM's.
                || _ = std::io::IsTerminal::is_terminal(&std::io::stdin()),
                || _ = rustix::process::getppid(),
                || _ = rustix::process::setpriority_process(rustix::process::Pid::from_raw(1), 19),
            ];
            for act in forbidden {
                assert_eq!(end_after(role, act), Ended::Killed(libc::SIGSYS), "{role:?}");
            }
        }
    }

    #[test]
    fn each_role_may_ask_of_kvm_what_it_needs_and_nothing_else() {
        if !support::has(&support::Need::Kvm) {
            return;
        }
        let hypervisor = Hypervisor::open().unwrap();
        let make = || drop(hypervisor.kvm().create_vm());
        assert_eq!(end_after(Role::Control, make), Ended::Exited(7));
        assert_eq!(end_after(Role::Runner, make), Ended::Killed(libc::SIGSYS));
        assert_eq!(end_after(Role::Other, make), Ended::Killed(libc::SIGSYS));
        let ask = || _ = hypervisor.kvm().get_api_version();
        assert_eq!(end_after(Role::Control, ask), Ended::Killed(libc::SIGSYS), "nobody needs it any more");
    }
}
