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
