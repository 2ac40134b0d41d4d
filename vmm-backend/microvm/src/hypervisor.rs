//! The open KVM device and what the host is: asked once, used by every VM of the process. Makes bare VMs;
//! knows no template.

use crate::msr::carried_msrs;
use kvm_bindings::{
    CpuId, KVM_CAP_SPLIT_IRQCHIP, KVM_MAX_CPUID_ENTRIES, kvm_enable_cap, kvm_userspace_memory_region,
};
use kvm_ioctls::{Cap, Kvm, VcpuFd, VmFd};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};

use crate::sys::memory::Mapping;

/// Interrupt lines of the I/O APIC that a split irqchip leaves to user space.
const IRQ_LINES: u64 = 24;
/// KVM_CREATE_VM answers EINTR at times without any signal; more often in a row than this is no accident.
const CREATE_VM_TRIES: u32 = 16;

/// The KVM device or the host cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HypervisorError {
    /// The device cannot be opened.
    #[error(
        "cannot open /dev/kvm: {0}; load the KVM module for this CPU and give this user access to the device"
    )]
    Open(#[source] kvm_ioctls::Error),
    /// Not the interface that has been stable since Linux 2.6.22.
    #[error("KVM_GET_API_VERSION answered {0}, not 12")]
    ApiVersion(i32),
    /// The kernel lacks something that every VM here needs.
    #[error("KVM lacks {0}; a Linux kernel of version 5.15 or later has it")]
    Missing(&'static str),
    /// `KVM_GET_SUPPORTED_CPUID`
    #[error("KVM_GET_SUPPORTED_CPUID: {0}")]
    SupportedCpuid(#[source] kvm_ioctls::Error),
    /// `KVM_GET_MSR_INDEX_LIST`
    #[error("KVM_GET_MSR_INDEX_LIST: {0}")]
    MsrIndexList(#[source] kvm_ioctls::Error),
    /// `KVM_CREATE_VM`
    #[error("KVM_CREATE_VM, tried {tries} times: {source}")]
    CreateVm {
        /// How often.
        tries: u32,
        /// The last answer.
        source: kvm_ioctls::Error,
    },
    /// `KVM_ENABLE_CAP(KVM_CAP_SPLIT_IRQCHIP)`
    #[error("KVM_ENABLE_CAP(KVM_CAP_SPLIT_IRQCHIP): {0}")]
    SplitIrqchip(#[source] kvm_ioctls::Error),
    /// `KVM_SET_USER_MEMORY_REGION`
    #[error("KVM_SET_USER_MEMORY_REGION: {0}")]
    MemoryRegion(#[source] kvm_ioctls::Error),
    /// `KVM_CREATE_VCPU`
    #[error("KVM_CREATE_VCPU: {0}")]
    CreateVcpu(#[source] kvm_ioctls::Error),
}

/// What must be the same on the host that made a template and on the one that forks it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Kernel release, as `uname -r` tells.
    pub kernel: String,
    /// KVM module: `kvm_intel`, `kvm_amd`, `kvm_pvm`, or `built-in`.
    pub module: String,
    /// CPU vendor, family, model, stepping and brand.
    pub cpu: String,
}

impl Host {
    /// This host. Reads `/proc` and `/sys`, so it comes before a process gives up its file system.
    pub fn read() -> Self {
        let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let modules = ["kvm_pvm", "kvm_intel", "kvm_amd"];
        let loaded = modules.into_iter().find(|name| std::path::Path::new("/sys/module").join(name).exists());
        Self {
            kernel: kernel.trim().to_owned(),
            module: loaded.unwrap_or("built-in").to_owned(),
            cpu: cpu_model(),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "kernel {}, module {}, CPU {}", self.kernel, self.module, self.cpu)
    }
}

fn cpu_model() -> String {
    use std::arch::x86_64::__cpuid;
    let text = |words: &[u32]| -> String {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        String::from_utf8_lossy(&bytes).trim_matches(['\0', ' ']).to_owned()
    };
    let leaf = __cpuid(0);
    let vendor = text(&[leaf.ebx, leaf.edx, leaf.ecx]);
    let signature = __cpuid(1).eax;
    let mut brand = Vec::new();
    if __cpuid(0x8000_0000).eax >= 0x8000_0004 {
        for leaf in 0x8000_0002..=0x8000_0004_u32 {
            let part = __cpuid(leaf);
            brand.extend([part.eax, part.ebx, part.ecx, part.edx]);
        }
    }
    format!("{vendor} {signature:#x} {}", text(&brand))
}

/// The open device, with what every fork would otherwise ask again.
#[derive(Debug)]
pub struct Hypervisor {
    kvm: Kvm,
    host: Host,
    cpuid: CpuId,
    msr_indices: Vec<u32>,
    xsave_bytes: usize,
}

impl Hypervisor {
    /// Open `/dev/kvm`.
    ///
    /// # Errors
    /// Where the device is missing or lacks what VMs here need.
    pub fn open() -> Result<Self, HypervisorError> {
        Self::from_kvm(Kvm::new().map_err(HypervisorError::Open)?)
    }

    /// Take over a device that somebody else opened. The device may cross processes, VMs may not.
    ///
    /// # Errors
    /// As [`Hypervisor::open`].
    pub fn from_device(device: OwnedFd) -> Result<Self, HypervisorError> {
        // SAFETY: the descriptor is owned and handed over, so nothing else closes it. That it is a KVM device
        // is found out by the calls that follow: any other file answers them with an error.
        Self::from_kvm(unsafe { Kvm::from_raw_fd(device.into_raw_fd()) })
    }

    fn from_kvm(kvm: Kvm) -> Result<Self, HypervisorError> {
        let version = kvm.get_api_version();
        if version != 12 {
            return Err(HypervisorError::ApiVersion(version));
        }
        let required = [
            (Cap::SplitIrqchip, "KVM_CAP_SPLIT_IRQCHIP"),
            (Cap::UserMemory, "KVM_CAP_USER_MEMORY"),
            (Cap::ImmediateExit, "KVM_CAP_IMMEDIATE_EXIT"),
            (Cap::Xcrs, "KVM_CAP_XCRS"),
            (Cap::Debugregs, "KVM_CAP_DEBUGREGS"),
            (Cap::VcpuEvents, "KVM_CAP_VCPU_EVENTS"),
            (Cap::MpState, "KVM_CAP_MP_STATE"),
            (Cap::AdjustClock, "KVM_CAP_ADJUST_CLOCK"),
        ];
        for (capability, name) in required {
            if !kvm.check_extension(capability) {
                return Err(HypervisorError::Missing(name));
            }
        }
        let cpuid =
            kvm.get_supported_cpuid(KVM_MAX_CPUID_ENTRIES).map_err(HypervisorError::SupportedCpuid)?;
        let list = kvm.get_msr_index_list().map_err(HypervisorError::MsrIndexList)?;
        let msr_indices = carried_msrs(list.as_slice());
        let xsave_bytes = usize::try_from(kvm.check_extension_int(Cap::Xsave2)).unwrap_or(0);
        Ok(Self { kvm, host: Host::read(), cpuid, msr_indices, xsave_bytes })
    }

    /// The device.
    pub fn kvm(&self) -> &Kvm {
        &self.kvm
    }

    /// What this host is.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// CPU features that KVM offers to guests here.
    pub fn cpuid(&self) -> &CpuId {
        &self.cpuid
    }

    /// The MSRs that belong to a vCPU's state here.
    pub fn msr_indices(&self) -> &[u32] {
        &self.msr_indices
    }

    /// Bytes that `KVM_GET_XSAVE2` wants; 0 where only `KVM_GET_XSAVE` is there.
    pub fn xsave_bytes(&self) -> usize {
        self.xsave_bytes
    }

    /// A VM over this memory and one vCPU, nothing restored yet.
    ///
    /// # Errors
    /// The variant names the ioctl.
    pub fn create(&self, memory: &Mapping) -> Result<(VmFd, VcpuFd), HypervisorError> {
        let vm = create_vm(|| self.kvm.create_vm())?;
        // The split irqchip comes before the memory and the vCPU: a full one makes the memory slot a hundred
        // times slower, none at all makes the vCPU slower, and it cannot be enabled once a vCPU exists.
        let split =
            kvm_enable_cap { cap: KVM_CAP_SPLIT_IRQCHIP, args: [IRQ_LINES, 0, 0, 0], ..Default::default() };
        vm.enable_cap(&split).map_err(HypervisorError::SplitIrqchip)?;
        let region = kvm_userspace_memory_region {
            slot: 0,
            flags: 0,
            guest_phys_addr: 0,
            memory_size: memory.bytes() as u64,
            userspace_addr: memory.address(),
        };
        // SAFETY: the region is exactly a mapping whose owner keeps it until the VM is gone (see the field
        // order of `Vm` and of the template's boot).
        unsafe { vm.set_user_memory_region(region) }.map_err(HypervisorError::MemoryRegion)?;
        let vcpu = vm.create_vcpu(0).map_err(HypervisorError::CreateVcpu)?;
        Ok((vm, vcpu))
    }
}

/// `KVM_CREATE_VM`, again where it was interrupted, a bounded number of times.
fn create_vm<T>(mut create: impl FnMut() -> Result<T, kvm_ioctls::Error>) -> Result<T, HypervisorError> {
    let mut tries = 1;
    loop {
        match create() {
            Ok(vm) => return Ok(vm),
            Err(error) if error.errno() == libc::EINTR && tries < CREATE_VM_TRIES => tries += 1,
            Err(source) => return Err(HypervisorError::CreateVm { tries, source }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kvm_ioctls::Error;

    #[test]
    fn interrupted_vm_creation_is_tried_again_but_not_for_ever() {
        let mut calls = 0;
        let mut after = |interruptions: u32| {
            calls = 0;
            create_vm(|| {
                calls += 1;
                if calls > interruptions { Ok(calls) } else { Err(Error::new(libc::EINTR)) }
            })
        };
        assert_eq!(after(3).unwrap(), 4);
        let error = after(1000).unwrap_err();
        assert!(matches!(error, HypervisorError::CreateVm { tries: CREATE_VM_TRIES, .. }), "{error}");
    }

    #[test]
    fn other_errors_of_vm_creation_are_not_tried_again() {
        let error = create_vm(|| -> Result<(), _> { Err(Error::new(libc::ENOMEM)) }).unwrap_err();
        assert!(matches!(error, HypervisorError::CreateVm { tries: 1, .. }), "{error}");
    }
}
