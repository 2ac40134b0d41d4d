//! Saving and restoring all state of a vCPU and its VM's clock, in the one order that loses nothing. Knows
//! neither memory nor guest.

use crate::hypervisor::Hypervisor;
use crate::msr::{MSR_TSC_DEADLINE, msr_name, tolerated};
use kvm_bindings::{
    CpuId, KVM_MAX_CPUID_ENTRIES, Msrs, Xsave, kvm_clock_data, kvm_debugregs, kvm_lapic_state, kvm_mp_state,
    kvm_msr_entry, kvm_regs, kvm_sregs, kvm_vcpu_events, kvm_xcrs, kvm_xsave, kvm_xsave2,
};
use kvm_ioctls::{VcpuFd, VmFd};
use serde::{Deserialize, Serialize};

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
    /// Save a VM that stands at an exit whose pending work is completed (entered once more with
    /// `immediate_exit`).
    ///
    /// # Ordering requirements
    /// `KVM_GET_MP_STATE` first: it may change what the other calls see (it takes pending INIT and SIPI in).
    /// `KVM_GET_LAPIC` before `KVM_GET_MSRS`, so that a timer that fires in between is not lost.
    /// `KVM_GET_VCPU_EVENTS` last: each of the calls before it may leave an event pending.
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
    /// - `KVM_SET_CPUID2` first: what the other registers may hold depends on it. It is left out `in_place`,
    ///   where it is the same already and may not change once the vCPU has run.
    /// - `KVM_SET_SREGS` before the local APIC: it carries the APIC base, which switches the APIC's mode.
    /// - `KVM_SET_TSC_KHZ` before the MSRs: the time stamp counter is set in its unit.
    /// - `KVM_SET_LAPIC` before `KVM_SET_MSRS`: the other way round every call succeeds and the TSC deadline
    ///   is lost, because it is dropped while the APIC's timer is not in deadline mode. Within the MSRs the
    ///   deadline comes last, after the counter.
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
        // SAFETY: the wrapper holds as many entries as its header says, and they came from KVM_GET_XSAVE(2)
        // of a host with the same CPU and kernel (the manifest is checked first), so KVM finds as many bytes
        // as it reads.
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
}
