//! What this host is: which kernel, KVM and processor, whether it is itself a guest, and how much memory it
//! has. Asks, and changes nothing.

#[cfg(all(target_os = "linux", target_arch = "x86_64", not(warmpool_no_kvm)))]
pub use microvm::hypervisor::Host as HostId;

/// A warm VM costs at most this by MemAvailable, of a size of 128 MiB.
pub(crate) const WARM_VM_BYTES: u64 = 1 << 20;

/// What this host is.
#[cfg(not(all(target_os = "linux", target_arch = "x86_64", not(warmpool_no_kvm))))]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostId {
    /// Kernel release.
    pub kernel: String,
    /// KVM module.
    pub module: String,
    /// Processor.
    pub cpu: String,
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64", not(warmpool_no_kvm))))]
impl HostId {
    /// This host.
    pub fn read() -> Self {
        Self {
            kernel: std::env::consts::OS.to_owned(),
            module: "none".to_owned(),
            cpu: std::env::consts::ARCH.to_owned(),
        }
    }
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64", not(warmpool_no_kvm))))]
impl std::fmt::Display for HostId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "kernel {}, module {}, CPU {}", self.kernel, self.module, self.cpu)
    }
}

/// Whether this host is itself a guest.
pub(crate) fn is_nested() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        const HYPERVISOR_BIT: u32 = 1 << 31;
        std::arch::x86_64::__cpuid(1).ecx & HYPERVISOR_BIT != 0
    }
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// A figure of the host's memory, in KiB where it is one of size.
pub(crate) fn meminfo(field: &str) -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok()
}

/// How many warm VMs fit into the memory that is available now; `None` where the system does not say.
pub(crate) fn vms_that_fit() -> Option<usize> {
    let available = meminfo("MemAvailable")? << 10;
    usize::try_from(available / WARM_VM_BYTES).ok()
}

/// Bytes of memory that this program and its shards may take: what is available, and no more than the control
/// groups that it is in permit. `None` where the system does not say.
#[cfg(all(target_os = "linux", target_arch = "x86_64", not(warmpool_no_kvm)))]
pub(crate) fn memory_available() -> Option<u64> {
    let available = meminfo("MemAvailable")? << 10;
    let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let limit = group_limit(&groups, |path| std::fs::read_to_string(path).ok());
    Some(limit.map_or(available, |limit| available.min(limit)))
}

/// The least limit of memory of these groups, as `/proc/self/cgroup` lists them, and of all above them.
#[cfg(all(target_os = "linux", target_arch = "x86_64", not(warmpool_no_kvm)))]
fn group_limit(groups: &str, read: impl Fn(&str) -> Option<String>) -> Option<u64> {
    let mut least = None;
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let (root, name) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            _ if controllers.split(',').any(|name| name == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => continue,
        };
        let mut path = path.trim_end_matches('/');
        loop {
            // A group without a limit says `max`, or a number beyond all memory.
            let limit: Option<u64> =
                read(&format!("{root}{path}/{name}")).and_then(|text| text.trim().parse().ok());
            least = [least, limit].into_iter().flatten().min();
            match path.rsplit_once('/') {
                Some((above, _)) => path = above,
                None => break,
            }
        }
    }
    least
}

#[cfg(all(test, target_os = "linux", target_arch = "x86_64", not(warmpool_no_kvm)))]
mod tests {
    use super::*;

    #[test]
    fn the_least_limit_of_all_groups_above_counts() {
        let files = [
            ("/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", "700\n"),
            ("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "500\n"),
            ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("/sys/fs/cgroup/c/memory.max", "max\n"),
            ("/sys/fs/cgroup/d/memory.max", "300\n"),
        ];
        let read =
            |path: &str| files.iter().find(|(name, _)| *name == path).map(|(_, text)| (*text).to_owned());
        assert_eq!(group_limit("9:memory:/a/b\n1:cpu:/d\n0::/c\n", read), Some(500));
        assert_eq!(group_limit("0::/d/e\n", read), Some(300));
        assert_eq!(group_limit("0::/c\n", read), None);
        assert!(memory_available() > Some(0));
    }
}
