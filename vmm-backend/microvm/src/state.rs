//! Saving and restoring all state of a vCPU and its VM's clock, in the one order that loses nothing. Knows neither memory nor
//! guest.

use crate::hypervisor::Hypervisor;
use kvm_bindings::{
    CpuId, KVM_MAX_CPUID_ENTRIES, Msrs, Xsave, kvm_clock_data, kvm_debugregs, kvm_lapic_state, kvm_mp_state,
    kvm_msr_entry, kvm_regs, kvm_sregs, kvm_vcpu_events, kvm_xcrs, kvm_xsave, kvm_xsave2,
};
use kvm_ioctls::{VcpuFd, VmFd};
use serde::{Deserialize, Serialize};

/// `IA32_TSC_DEADLINE`
pub const MSR_TSC_DEADLINE: u32 = 0x6e0;

/// MSRs that KVM lists but that are not carried from a template to its forks, each with its name and reason.
const NOT_CARRIED: &[(u32, &str)] = &[
    // Time that the host took from this very VM; it starts anew with every VM.
    (0x4b56_4d03, "MSR_KVM_STEAL_TIME"),
    // Written by the host to where the guest says; the embedded guest says nowhere.
    (0x4b56_4d02, "MSR_KVM_ASYNC_PF_EN"),
    (0x4b56_4d06, "MSR_KVM_ASYNC_PF_INT"),
    (0x4b56_4d07, "MSR_KVM_ASYNC_PF_ACK"),
];

/// What a Hyper-V machine has beside them. No guest here is told by CPUID that it is on one, so none uses these; two of them are running
/// clocks, one of which cannot be set.
const HYPER_V: std::ops::RangeInclusive<u32> = 0x4000_0000..=0x4000_01ff;

/// MSRs that a host may refuse to set although it lists them, each with its name: read-only there, or present only with a device
/// that VMs here lack. Nothing that a guest can see depends on them.
const TOLERATED: &[(u32, &str)] = &[
    (0x8b, "IA32_BIOS_SIGN_ID"),
    (0x10a, "IA32_ARCH_CAPABILITIES"),
    (0xcf, "IA32_CORE_CAPABILITIES"),
    (0x345, "IA32_PERF_CAPABILITIES"),
];

/// Names of MSRs for messages, beside those of the two lists above.
const NAMES: &[(u32, &str)] = &[
    (0x10, "IA32_TIME_STAMP_COUNTER"),
    (0x1b, "IA32_APIC_BASE"),
    (0x3a, "IA32_FEATURE_CONTROL"),
    (0x3b, "IA32_TSC_ADJUST"),
    (0x48, "IA32_SPEC_CTRL"),
    (0x9e, "IA32_SMBASE"),
    (0x140, "MISC_FEATURES_ENABLES"),
    (0x174, "IA32_SYSENTER_CS"),
    (0x175, "IA32_SYSENTER_ESP"),
    (0x176, "IA32_SYSENTER_EIP"),
    (0x17a, "IA32_MCG_STATUS"),
    (0x17b, "IA32_MCG_CTL"),
    (0x1a0, "IA32_MISC_ENABLE"),
    (0x277, "IA32_PAT"),
    (MSR_TSC_DEADLINE, "IA32_TSC_DEADLINE"),
    (0x34, "SMI_COUNT"),
    (0xce, "PLATFORM_INFO"),
    (0x1d9, "IA32_DEBUGCTL"),
    (0x1db, "LAST_BRANCH_FROM_IP"),
    (0x1dc, "LAST_BRANCH_TO_IP"),
    (0x1dd, "LAST_INT_FROM_IP"),
    (0x1de, "LAST_INT_TO_IP"),
    (0x1fc, "POWER_CTL"),
    (0xda0, "IA32_XSS"),
    (0x11, "MSR_KVM_WALL_CLOCK"),
    (0x12, "MSR_KVM_SYSTEM_TIME"),
    (0x4b56_4d00, "MSR_KVM_WALL_CLOCK_NEW"),
    (0x4b56_4d01, "MSR_KVM_SYSTEM_TIME_NEW"),
    (0x4b56_4d04, "MSR_KVM_PV_EOI_EN"),
    (0x4b56_4d05, "MSR_KVM_POLL_CONTROL"),
    (0xc000_0080, "IA32_EFER"),
    (0xc000_0081, "IA32_STAR"),
    (0xc000_0082, "IA32_LSTAR"),
    (0xc000_0083, "IA32_CSTAR"),
    (0xc000_0084, "IA32_FMASK"),
    (0xc000_0102, "IA32_KERNEL_GS_BASE"),
    (0xc000_0103, "IA32_TSC_AUX"),
    (0xc000_0104, "AMD64_TSC_RATIO"),
    (0xc001_0015, "K7_HWCR"),
    (0xc001_0114, "VM_CR"),
    (0xc001_0117, "VM_HSAVE_PA"),
    (0xc001_011f, "AMD64_VIRT_SPEC_CTRL"),
];

/// The name of an MSR, or its number.
pub fn msr_name(index: u32) -> String {
    let known = NAMES.iter().chain(NOT_CARRIED).chain(TOLERATED).find(|(known, _)| *known == index);
    match known {
        Some((_, name)) => format!("{name} ({index:#x})"),
        None => format!("MSR {index:#x}"),
    }
}

/// From the MSRs that KVM lists, those that belong to a vCPU's state.
pub fn carried_msrs(listed: &[u32]) -> Vec<u32> {
    let carried =
        |index: &u32| !HYPER_V.contains(index) && !NOT_CARRIED.iter().any(|(skip, _)| skip == index);
    listed.iter().copied().filter(carried).collect()
}

fn tolerated(index: u32) -> bool {
    TOLERATED.iter().any(|(known, _)| *known == index)
}

/// State could not be saved or restored. The VM is in between and must not run.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// One of the ioctls that carry one piece of state each.
    #[error("{ioctl}: {source}")]
    Ioctl {
        /// Which.
        ioctl: &'static str,
        /// What it answered.
        source: kvm_ioctls::Error,
    },
    /// `KVM_SET_MSRS` or `KVM_GET_MSRS` stopped early.
    #[error(
        "{ioctl} stopped at {msr}, number {done} of {wanted}: this KVM refuses it, and it is not on the tolerated list"
    )]
    MsrRefused {
        /// Which of the two.
        ioctl: &'static str,
        /// The MSR, by name where it is known.
        msr: String,
        /// How many were done before it.
        done: usize,
        /// How many there were.
        wanted: usize,
    },
    /// A list is longer than KVM takes.
    #[error("{what} of {length} entries is longer than KVM takes")]
    TooLong {
        /// Which list.
        what: &'static str,
        /// Its length.
        length: usize,
    },
}

fn ioctl<T>(ioctl: &'static str, result: Result<T, kvm_ioctls::Error>) -> Result<T, StateError> {
    result.map_err(|source| StateError::Ioctl { ioctl, source })
}

/// Everything about a stopped VM with one vCPU, except its memory.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct State {
    /// CPU features.
    pub cpuid: CpuId,
    /// Running, halted or waiting.
    pub mp_state: kvm_mp_state,
    /// General registers.
    pub regs: kvm_regs,
    /// Segment and control registers.
    pub sregs: kvm_sregs,
    /// Floating point and vector registers.
    pub xsave: Xsave,
    /// Extended control registers.
    pub xcrs: kvm_xcrs,
    /// Debug registers.
    pub debug_regs: kvm_debugregs,
    /// Local interrupt controller.
    pub lapic: kvm_lapic_state,
    /// Frequency of the guest's time stamp counter; 0 where KVM does not tell.
    pub tsc_khz: u32,
    /// Model-specific registers, the TSC deadline last.
    pub msrs: Vec<(u32, u64)>,
    /// Pending events.
    pub events: kvm_vcpu_events,
    /// The VM's clock.
    pub clock: kvm_clock_data,
}

impl State {
    /// Save a VM that stands at an exit whose pending work is completed (entered once more with `immediate_exit`).
    ///
    /// # Ordering requirements
    /// `KVM_GET_MP_STATE` first: it may change what the other calls see (it takes pending INIT and SIPI in). `KVM_GET_LAPIC`
    /// before `KVM_GET_MSRS`, so that a timer that fires in between is not lost. `KVM_GET_VCPU_EVENTS` last: each of the calls
    /// before it may leave an event pending.
    ///
    /// # Errors
    /// The ioctl that failed, or the MSR that could not be read.
    pub fn save(hypervisor: &Hypervisor, vm: &VmFd, vcpu: &VcpuFd) -> Result<Self, StateError> {
        let mp_state = ioctl("KVM_GET_MP_STATE", vcpu.get_mp_state())?;
        let regs = ioctl("KVM_GET_REGS", vcpu.get_regs())?;
        let sregs = ioctl("KVM_GET_SREGS", vcpu.get_sregs())?;
        let xsave = save_xsave(vcpu, hypervisor.xsave_bytes())?;
        let xcrs = ioctl("KVM_GET_XCRS", vcpu.get_xcrs())?;
        let debug_regs = ioctl("KVM_GET_DEBUGREGS", vcpu.get_debug_regs())?;
        let lapic = ioctl("KVM_GET_LAPIC", vcpu.get_lapic())?;
        // A host without a stable counter does not tell; then it is not set on restore either.
        let tsc_khz = vcpu.get_tsc_khz().unwrap_or(0);
        let cpuid = ioctl("KVM_GET_CPUID2", vcpu.get_cpuid2(KVM_MAX_CPUID_ENTRIES))?;
        let msrs = save_msrs(vcpu, hypervisor.msr_indices())?;
        let events = ioctl("KVM_GET_VCPU_EVENTS", vcpu.get_vcpu_events())?;
        let mut clock = ioctl("KVM_GET_CLOCK", vm.get_clock())?;
        // The flags are answers; KVM_SET_CLOCK takes none of them.
        clock.flags = 0;
        Ok(Self {
            cpuid,
            mp_state,
            regs,
            sregs,
            xsave,
            xcrs,
            debug_regs,
            lapic,
            tsc_khz,
            msrs,
            events,
            clock,
        })
    }

    /// Restore into a fresh VM, or over the same VM's state in place.
    ///
    /// # Ordering requirements
    /// - `KVM_SET_CPUID2` first: what the other registers may hold depends on it. It is left out `in_place`, where it is the same
    ///   already and may not change once the vCPU has run.
    /// - `KVM_SET_SREGS` before the local APIC: it carries the APIC base, which switches the APIC's mode.
    /// - `KVM_SET_TSC_KHZ` before the MSRs: the time stamp counter is set in its unit.
    /// - `KVM_SET_LAPIC` before `KVM_SET_MSRS`: the other way round every call succeeds and the TSC deadline is lost, because it
    ///   is dropped while the APIC's timer is not in deadline mode. Within the MSRs the deadline comes last, after the counter.
    /// - `KVM_SET_VCPU_EVENTS` after everything that could leave or clear an event.
    ///
    /// # Errors
    /// The ioctl that failed, or the MSR that was refused. The VM must then be dropped.
    pub fn restore(&self, vm: &VmFd, vcpu: &VcpuFd, in_place: bool) -> Result<(), StateError> {
        if !in_place {
            ioctl("KVM_SET_CPUID2", vcpu.set_cpuid2(&self.cpuid))?;
        }
        ioctl("KVM_SET_MP_STATE", vcpu.set_mp_state(self.mp_state))?;
        ioctl("KVM_SET_REGS", vcpu.set_regs(&self.regs))?;
        ioctl("KVM_SET_SREGS", vcpu.set_sregs(&self.sregs))?;
        // SAFETY: the wrapper holds as many entries as its header says, and they came from KVM_GET_XSAVE(2) of a host with the same
        // CPU and kernel (the manifest is checked first), so KVM finds as many bytes as it reads.
        ioctl("KVM_SET_XSAVE", unsafe { vcpu.set_xsave2(&self.xsave) })?;
        ioctl("KVM_SET_XCRS", vcpu.set_xcrs(&self.xcrs))?;
        ioctl("KVM_SET_DEBUGREGS", vcpu.set_debug_regs(&self.debug_regs))?;
        if self.tsc_khz != 0 && vcpu.get_tsc_khz().ok() != Some(self.tsc_khz) {
            ioctl("KVM_SET_TSC_KHZ", vcpu.set_tsc_khz(self.tsc_khz))?;
        }
        ioctl("KVM_SET_LAPIC", vcpu.set_lapic(&self.lapic))?;
        restore_msrs(vcpu, &self.msrs)?;
        ioctl("KVM_SET_VCPU_EVENTS", vcpu.set_vcpu_events(&self.events))?;
        ioctl("KVM_SET_CLOCK", vm.set_clock(&self.clock))
    }
}

fn save_xsave(vcpu: &VcpuFd, bytes: usize) -> Result<Xsave, StateError> {
    let beyond = bytes.saturating_sub(size_of::<kvm_xsave>()).div_ceil(size_of::<u32>());
    let too_long = |_| StateError::TooLong { what: "the XSAVE area", length: bytes };
    if beyond == 0 {
        let xsave = ioctl("KVM_GET_XSAVE", vcpu.get_xsave())?;
        return Xsave::from_header(kvm_xsave2 { len: 0, xsave }).map_err(too_long);
    }
    let mut xsave = Xsave::new(beyond).map_err(too_long)?;
    // SAFETY: the wrapper was made with as many entries as KVM_CAP_XSAVE2 asks beyond `kvm_xsave`.
    ioctl("KVM_GET_XSAVE2", unsafe { vcpu.get_xsave2(&mut xsave) })?;
    Ok(xsave)
}

fn msr_entries(msrs: &[(u32, u64)]) -> Result<Msrs, StateError> {
    let entries: Vec<_> =
        msrs.iter().map(|&(index, data)| kvm_msr_entry { index, data, ..Default::default() }).collect();
    Msrs::from_entries(&entries).map_err(|_| StateError::TooLong { what: "the MSR list", length: msrs.len() })
}

fn save_msrs(vcpu: &VcpuFd, indices: &[u32]) -> Result<Vec<(u32, u64)>, StateError> {
    let mut saved = Vec::with_capacity(indices.len());
    let mut rest = indices;
    while !rest.is_empty() {
        let wanted: Vec<_> = rest.iter().map(|&index| (index, 0)).collect();
        let mut entries = msr_entries(&wanted)?;
        let done = ioctl("KVM_GET_MSRS", vcpu.get_msrs(&mut entries))?;
        saved.extend(entries.as_slice().iter().take(done).map(|entry| (entry.index, entry.data)));
        rest = after_refusal("KVM_GET_MSRS", rest, done, |index| *index)?;
    }
    // A stable sort: the deadline goes to the end, the others keep KVM's order.
    saved.sort_by_key(|&(index, _)| index == MSR_TSC_DEADLINE);
    Ok(saved)
}

/// Set MSRs in the given order.
///
/// # Errors
/// [`StateError::MsrRefused`] names the MSR at which KVM stopped, unless that one is tolerated.
pub fn restore_msrs(vcpu: &VcpuFd, msrs: &[(u32, u64)]) -> Result<(), StateError> {
    let mut rest = msrs;
    while !rest.is_empty() {
        let done = ioctl("KVM_SET_MSRS", vcpu.set_msrs(&msr_entries(rest)?))?;
        rest = after_refusal("KVM_SET_MSRS", rest, done, |(index, _)| *index)?;
    }
    Ok(())
}

/// What is still to do after KVM did `done` of `list`: nothing, or what follows a tolerated MSR.
fn after_refusal<'a, T>(
    ioctl: &'static str,
    list: &'a [T],
    done: usize,
    index: impl Fn(&T) -> u32,
) -> Result<&'a [T], StateError> {
    match list.get(done) {
        None => Ok(&[]),
        Some(entry) if tolerated(index(entry)) => Ok(&list[done + 1..]),
        Some(entry) => {
            Err(StateError::MsrRefused { ioctl, msr: msr_name(index(entry)), done, wanted: list.len() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_count_is_an_error_that_names_the_msr() {
        let list = [0x10, 0x277, 0x174];
        let error = after_refusal("KVM_SET_MSRS", &list, 1, |index| *index).unwrap_err();
        assert_eq!(
            error.to_string(),
            "KVM_SET_MSRS stopped at IA32_PAT (0x277), number 1 of 3: this KVM refuses it, and it is not on the tolerated list"
        );
    }

    #[test]
    fn a_tolerated_msr_is_stepped_over_and_the_rest_is_done() {
        let list = [0x10, 0x8b, 0x174];
        assert_eq!(after_refusal("KVM_SET_MSRS", &list, 1, |index| *index).unwrap(), [0x174]);
        assert!(after_refusal("KVM_SET_MSRS", &list, 3, |index| *index).unwrap().is_empty());
    }

    #[test]
    fn what_no_guest_can_use_is_not_carried() {
        let [hyper_v_time, steal_time, poll_control] = [0x4000_0020, 0x4b56_4d03, 0x4b56_4d05];
        assert_eq!(carried_msrs(&[0x10, hyper_v_time, steal_time, poll_control]), [0x10, poll_control]);
    }

    #[test]
    fn the_lists_do_not_overlap() {
        for (index, name) in TOLERATED {
            assert!(!NOT_CARRIED.iter().any(|(other, _)| other == index), "{name} is on two lists");
        }
    }
}
