//! Model-specific registers: which belong to a vCPU's state, which a host may refuse, and their names. Sets
//! none.

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

/// What a Hyper-V machine has beside them. No guest here is told by CPUID that it is on one, so none uses
/// these; two of them are running clocks, one of which cannot be set.
const HYPER_V: std::ops::RangeInclusive<u32> = 0x4000_0000..=0x4000_01ff;

/// MSRs that a host may refuse to set although it lists them, each with its name: read-only there, or present
/// only with a device that VMs here lack. Nothing that a guest can see depends on them.
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

/// Whether a host may refuse to set it.
pub(crate) fn tolerated(index: u32) -> bool {
    TOLERATED.iter().any(|(known, _)| *known == index)
}

#[cfg(test)]
mod tests {
    use super::*;

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
