//! The host around KVM: limits, memory, kernel features, isolation, the place for sleepers.

use super::{Finding, Wanted};
use crate::host::{WARM_VM_BYTES, is_nested, meminfo};
use microvm::saved::nameless_file;
use microvm::sys::memory::{SEALS, memory_file, seal, seals};
use microvm::sys::pagemap::{Means, Pagemap};
use microvm::sys::privileges::{go_first_when_memory_is_short, no_speculation};
use microvm::sys::process::{Ended, in_a_child};
use shards::changes_threads_cheaply;
use shards::wire::VMS_PER_SHARD_MAX;
use std::io;

/// Descriptors of the parent per shard: socket and process handle.
const DESCRIPTORS_PER_SHARD: u64 = 2;
/// Descriptors of the parent beside those.
const DESCRIPTORS_OTHER: u64 = 64;
/// Of a shard, two per VM and some more.
const DESCRIPTORS_IN_SHARD: u64 = 2 * VMS_PER_SHARD_MAX as u64 + 64;

pub(super) fn examine(wanted: &Wanted) -> Vec<Finding> {
    let kernel = read("/proc/sys/kernel/osrelease");
    vec![
        kernel_finding(&kernel),
        nested(),
        descriptors(wanted),
        memory(wanted),
        huge_pages(),
        sealing(),
        page_map(),
        namespaces(),
        seccomp(),
        priority(),
        speculation(),
        out_of_memory(),
        sleep_directory(wanted),
    ]
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

fn kernel_finding(kernel: &str) -> Finding {
    if changes_threads_cheaply(kernel) {
        return Finding::ok("kernel", format!("{kernel}: forks run ahead"));
    }
    let seen = format!(
        "{kernel}: before 6.13 a vCPU changes threads slowly, so forks do not run ahead and a start takes longer"
    );
    Finding::warn("kernel", seen, "use Linux 6.13 or later")
}

fn nested() -> Finding {
    if !is_nested() {
        return Finding::ok("nested", "no: this is the machine itself");
    }
    let seen = "yes: this host is a virtual machine, so every exit of a guest takes longer";
    Finding::warn("nested", seen, "for the shortest starts take bare metal")
}

fn descriptors(wanted: &Wanted) -> Finding {
    let name = "file descriptors";
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX);
    let shards = wanted.vms.div_ceil(VMS_PER_SHARD_MAX) as u64;
    // Saved sleepers take one each beside the VMs that live.
    let needed = (shards * DESCRIPTORS_PER_SHARD + DESCRIPTORS_OTHER).max(DESCRIPTORS_IN_SHARD);
    let sleepers = limit.saturating_sub(needed);
    let seen = format!(
        "limit {limit}; {} VMs in {shards} shards need {needed}, leaving room for {sleepers} saved sleepers",
        wanted.vms
    );
    if limit < needed {
        Finding::fail(name, seen, format!("`ulimit -n {needed}` or more"))
    } else if sleepers < wanted.vms as u64 {
        Finding::warn(
            name,
            seen,
            format!("`ulimit -n {}` to let as many sleep as may live", needed + wanted.vms as u64),
        )
    } else {
        Finding::ok(name, seen)
    }
}

fn memory(wanted: &Wanted) -> Finding {
    let name = "memory";
    let Some(available) = meminfo("MemAvailable").map(|kib| kib << 10) else {
        return Finding::warn(name, "MemAvailable is not in /proc/meminfo", "mount /proc");
    };
    let needed = wanted.vms as u64 * WARM_VM_BYTES;
    let seen = format!(
        "{} MiB available; {} warm VMs of {} MiB take up to {} MiB, and each page that a user writes comes on top",
        available >> 20,
        wanted.vms,
        wanted.memory_bytes >> 20,
        needed >> 20
    );
    if available < needed {
        let fit = available / WARM_VM_BYTES;
        Finding::fail(name, seen, format!("keep fewer warm (about {fit} fit), or add memory"))
    } else if available / 2 < needed {
        Finding::warn(name, seen, "leave at least as much again for what users write")
    } else {
        Finding::ok(name, seen)
    }
}

fn huge_pages() -> Finding {
    let mode = read("/sys/kernel/mm/transparent_hugepage/shmem_enabled");
    let chosen = mode.split_whitespace().find(|word| word.starts_with('[')).unwrap_or("[unknown]").to_owned();
    let reserved = meminfo("HugePages_Total").unwrap_or(0);
    let seen =
        format!("{reserved} reserved, for shared memory {chosen}; not used: a fork copies single pages");
    if matches!(chosen.as_str(), "[always]" | "[force]") {
        let remedy = "set /sys/kernel/mm/transparent_hugepage/shmem_enabled to `advise`: else the template is made of huge pages and the \
                      kernel splits them for every fork";
        return Finding::warn("huge pages", seen, remedy);
    }
    Finding::ok("huge pages", seen)
}

fn sealing() -> Finding {
    let probe = || -> io::Result<i32> {
        let file = memory_file(c"warmpool-probe", 4096)?;
        seal(&file, SEALS)?;
        seals(&file)
    };
    match probe() {
        Ok(found) if found & SEALS == SEALS => {
            Finding::ok("memfd sealing", "a memory file can be sealed against writing")
        }
        Ok(found) => Finding::fail(
            "memfd sealing",
            format!("seals are {found:#x} after sealing"),
            "use Linux 3.17 or later",
        ),
        Err(error) => Finding::fail("memfd sealing", error.to_string(), "use a kernel with memfd_create"),
    }
}

fn page_map() -> Finding {
    match Pagemap::open() {
        Ok(map) if map.means() == Means::Scan => {
            Finding::ok("PAGEMAP_SCAN", "there: written pages are found in one call")
        }
        Ok(_) => Finding::warn(
            "PAGEMAP_SCAN",
            "not there: written pages are found by reading /proc/self/pagemap, which takes longer",
            "use Linux 6.7 or later",
        ),
        Err(error) => Finding::fail("PAGEMAP_SCAN", format!("/proc/self/pagemap: {error}"), "mount /proc"),
    }
}

/// Whether this process may make a namespace of this kind: a child tries and ends at once.
fn permitted(flag: libc::c_int) -> io::Result<()> {
    in_a_child(flag, || 0).map(drop)
}

fn namespaces() -> Finding {
    let root = rustix::process::geteuid().is_root();
    // Who is not root gets the others through a user namespace.
    let with = if root { 0 } else { libc::CLONE_NEWUSER };
    let kinds = [
        ("user", libc::CLONE_NEWUSER),
        ("mount", libc::CLONE_NEWNS | with),
        ("network", libc::CLONE_NEWNET | with),
        ("ipc", libc::CLONE_NEWIPC | with),
        ("uts", libc::CLONE_NEWUTS | with),
        ("pid", libc::CLONE_NEWPID | with),
    ];
    let (can, cannot): (Vec<_>, Vec<_>) = kinds.into_iter().partition(|(_, flags)| permitted(*flags).is_ok());
    let names =
        |kinds: &[(&str, libc::c_int)]| kinds.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    if cannot.is_empty() {
        return Finding::ok("namespaces", format!("permitted: {}", names(&can)));
    }
    Finding::warn(
        "namespaces",
        format!("permitted: {}; not permitted: {}", names(&can), names(&cannot)),
        "run as root, or permit unprivileged user namespaces (sysctl user.max_user_namespaces, and \
         kernel.apparmor_restrict_unprivileged_userns=0 on Ubuntu); shards run without these otherwise",
    )
}

fn seccomp() -> Finding {
    let actions = read("/proc/sys/kernel/seccomp/actions_avail");
    if actions.split_whitespace().any(|action| action == "kill_process") {
        return Finding::ok("seccomp", "filters can kill a process");
    }
    let seen = if actions.is_empty() { "not there".into() } else { format!("actions: {actions}") };
    Finding::fail(
        "seccomp",
        seen,
        "use a kernel with CONFIG_SECCOMP_FILTER, 4.14 or later; shards refuse to run without",
    )
}

fn priority() -> Finding {
    let name = "priority";
    // A thread of its own, because a raised priority can be lowered again but the thread may have had another
    // one.
    let raised = std::thread::spawn(|| microvm::sys::set_thread_niceness(-15)).join();
    match raised {
        Ok(Ok(())) => Finding::ok(
            name,
            "runners may have raised priority, and a guest that runs on gives way after its first slice",
        ),
        _ => Finding::warn(
            name,
            "runners may not have raised priority: under CPU load, also that of guests that run on, starts have \
             tails of milliseconds",
            "give CAP_SYS_NICE, or `ulimit -e 35`",
        ),
    }
}

fn speculation() -> Finding {
    let name = "speculation";
    // It cannot be undone, so a child tries.
    match in_a_child(0, || libc::c_int::from(no_speculation().is_err())) {
        Ok(Ended::Exited(0)) => {
            Finding::ok(name, "off in shards: over unknown stores, and through branches that others prepared")
        }
        _ => Finding::warn(
            name,
            "the kernel does not let a process switch it off, and the processor is affected: guests of different \
             tenants on one processor may learn of each other",
            "see /sys/devices/system/cpu/vulnerabilities; boot with `spec_store_bypass_disable=prctl \
             spectre_v2_user=prctl`, or give each tenant processors of its own",
        ),
    }
}

fn out_of_memory() -> Finding {
    let name = "out of memory";
    match in_a_child(0, || libc::c_int::from(go_first_when_memory_is_short(500).is_err())) {
        Ok(Ended::Exited(0)) => {
            Finding::ok(name, "the kernel ends shards before the program that started them")
        }
        _ => Finding::warn(
            name,
            "/proc/self/oom_score_adj cannot be written: the kernel may end the program before its shards",
            "mount /proc, writable for this user",
        ),
    }
}

fn sleep_directory(wanted: &Wanted) -> Finding {
    let name = "sleep directory";
    let directory = wanted.sleep_directory.display();
    match nameless_file(&wanted.sleep_directory) {
        Ok(_) => Finding::ok(name, format!("{directory}: nameless files can be made")),
        Err(error) => Finding::fail(
            name,
            format!("{directory}: {error}"),
            "name a directory that this user may write to",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn more_vms_than_fit_are_a_failure_with_a_number() {
        let wanted = Wanted { vms: 1 << 40, ..Wanted::default() };
        let finding = memory(&wanted);
        assert_eq!(finding.verdict, Verdict::Fail);
        assert!(finding.remedy.contains("fit"), "{finding}");
    }

    #[test]
    fn what_guests_may_do_to_each_other_and_to_the_host_is_said_with_a_remedy() {
        for finding in [priority(), speculation(), out_of_memory()] {
            assert_ne!(finding.verdict, Verdict::Fail, "{finding}");
            assert_eq!(finding.verdict == Verdict::Warn, !finding.remedy.is_empty(), "{finding}");
        }
        // What a process itself finds out here holds in the child that the doctor asks.
        assert_eq!(out_of_memory().verdict, Verdict::Ok);
    }

    #[test]
    fn a_directory_that_is_not_there_is_a_failure() {
        let wanted = Wanted { sleep_directory: "/nonexistent/warmpool".into(), ..Wanted::default() };
        assert_eq!(sleep_directory(&wanted).verdict, Verdict::Fail);
    }
}
