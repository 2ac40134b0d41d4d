//! What is asked of KVM once its device is open, as numbers of `ioctl`, for filters of system calls. Numbers
//! and sizes are those of `linux/kvm.h`.

use kvm_bindings::{
    KVMIO, kvm_clock_data, kvm_cpuid2, kvm_debugregs, kvm_enable_cap, kvm_lapic_state, kvm_mp_state,
    kvm_msrs, kvm_regs, kvm_sregs, kvm_userspace_memory_region, kvm_vcpu_events, kvm_xcrs, kvm_xsave,
};
use vmm_sys_util::ioctl::{_IOC_NONE, _IOC_READ, _IOC_WRITE, ioctl_expr};

const fn plain(number: u32) -> u64 {
    ioctl_expr(_IOC_NONE, KVMIO, number, 0)
}

const fn get<T>(number: u32) -> u64 {
    ioctl_expr(_IOC_READ, KVMIO, number, size_of::<T>() as u32)
}

const fn set<T>(number: u32) -> u64 {
    ioctl_expr(_IOC_WRITE, KVMIO, number, size_of::<T>() as u32)
}

const fn exchange<T>(number: u32) -> u64 {
    ioctl_expr(_IOC_READ | _IOC_WRITE, KVMIO, number, size_of::<T>() as u32)
}

/// `KVM_RUN`: all that whoever runs guests needs.
pub const RUN: u64 = plain(0x80);

/// What it takes to make a VM, to save its state and to restore one.
pub const MAKE: [u64; 30] = [
    plain(0x01),                              // KVM_CREATE_VM
    plain(0x04),                              // KVM_GET_VCPU_MMAP_SIZE
    plain(0x41),                              // KVM_CREATE_VCPU
    set::<kvm_userspace_memory_region>(0x46), // KVM_SET_USER_MEMORY_REGION
    set::<kvm_enable_cap>(0xa3),              // KVM_ENABLE_CAP
    set::<kvm_clock_data>(0x7b),              // KVM_SET_CLOCK
    get::<kvm_clock_data>(0x7c),              // KVM_GET_CLOCK
    get::<kvm_regs>(0x81),                    // KVM_GET_REGS
    set::<kvm_regs>(0x82),                    // KVM_SET_REGS
    get::<kvm_sregs>(0x83),                   // KVM_GET_SREGS
    set::<kvm_sregs>(0x84),                   // KVM_SET_SREGS
    exchange::<kvm_msrs>(0x88),               // KVM_GET_MSRS
    set::<kvm_msrs>(0x89),                    // KVM_SET_MSRS
    get::<kvm_lapic_state>(0x8e),             // KVM_GET_LAPIC
    set::<kvm_lapic_state>(0x8f),             // KVM_SET_LAPIC
    set::<kvm_cpuid2>(0x90),                  // KVM_SET_CPUID2
    exchange::<kvm_cpuid2>(0x91),             // KVM_GET_CPUID2
    get::<kvm_mp_state>(0x98),                // KVM_GET_MP_STATE
    set::<kvm_mp_state>(0x99),                // KVM_SET_MP_STATE
    get::<kvm_vcpu_events>(0x9f),             // KVM_GET_VCPU_EVENTS
    set::<kvm_vcpu_events>(0xa0),             // KVM_SET_VCPU_EVENTS
    get::<kvm_debugregs>(0xa1),               // KVM_GET_DEBUGREGS
    set::<kvm_debugregs>(0xa2),               // KVM_SET_DEBUGREGS
    plain(0xa2),                              // KVM_SET_TSC_KHZ
    plain(0xa3),                              // KVM_GET_TSC_KHZ
    get::<kvm_xsave>(0xa4),                   // KVM_GET_XSAVE
    set::<kvm_xsave>(0xa5),                   // KVM_SET_XSAVE
    get::<kvm_xsave>(0xcf),                   // KVM_GET_XSAVE2
    get::<kvm_xcrs>(0xa6),                    // KVM_GET_XCRS
    set::<kvm_xcrs>(0xa7),                    // KVM_SET_XCRS
];
