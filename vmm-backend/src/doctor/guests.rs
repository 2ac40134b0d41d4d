//! Which guests can run here: asks KVM, times a loop in ring 0 against the same loop in ring 3, and lets the
//! embedded guest run.

use super::Finding;
use microvm::bind::{Bind, Generation, Key, Request};
use microvm::guest::{EMBEDDED, Guest, Image};
use microvm::hypervisor::{Hypervisor, HypervisorError};
use microvm::machine;
use microvm::runner::{RunError, Runner};
use microvm::sys::memory::{Mapping, Sharing, memory_file};
use microvm::training::capture;
use microvm::vm::Vm;
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Turns of the loop: 5 us where it runs natively, tens of milliseconds where it is emulated.
const TURNS: u32 = 20_000;
const LOOP_LIMIT: Duration = Duration::from_secs(2);
/// Natively both rings take the same time; emulation was measured at thousands of times slower. Everything
/// between is noise.
const EMULATED_FACTOR: u32 = 20;
const PROBE_BYTES: u64 = 4 << 20;
const START_LIMIT: Duration = Duration::from_secs(2);

/// Count down, ring with the reply value, and again.
const LOOP: Image = Image {
    name: "loop",
    bytes: &{
        let [a, b, c, d] = TURNS.to_le_bytes();
        [
            0xb9, a, b, c, d, // mov ecx, TURNS
            0xff, 0xc9, // dec ecx
            0x75, 0xfc, // jnz to the dec
            0xb8, 0x00, 0x00, 0x00, 0xd0, // mov eax, the doorbell
            0xc7, 0x00, 0x02, 0x00, 0x00, 0x00, // mov dword [rax], the reply value
            0xeb, 0xea, // jmp to the start
        ]
    },
};

/// How this KVM runs ring 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ring0 {
    /// On the processor.
    Native,
    /// Instruction by instruction in software; so many times slower than ring 3, or out of time.
    Emulated {
        /// None where the loop did not even end.
        factor: Option<u32>,
    },
}

/// A Linux guest was asked for where it cannot run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this host emulates ring 0 ({}), so a Linux guest cannot come up here: it would take minutes and then fail on instructions that \
     the emulator lacks; use the embedded guest, or a host with hardware virtualisation (bare metal, or nested VT-x or SVM)",
    match .factor { Some(factor) => format!("about {factor} times slower than ring 3"), None => "a short loop did not end".into() }
)]
pub struct LinuxRefused {
    /// As in [`Ring0::Emulated`].
    pub factor: Option<u32>,
}

/// Whether a Linux guest can run on a host that runs ring 0 like this.
///
/// # Errors
/// [`LinuxRefused`] where it cannot.
pub fn linux_guest(ring_0: Ring0) -> Result<(), LinuxRefused> {
    match ring_0 {
        Ring0::Native => Ok(()),
        Ring0::Emulated { factor } => Err(LinuxRefused { factor }),
    }
}

/// Time a loop in ring 0 against the same in ring 3.
///
/// # Errors
/// Where the loop does not even run in ring 3.
pub fn ring_0(hypervisor: &Hypervisor) -> Result<Ring0, Box<dyn Error>> {
    let user = time_loop(hypervisor, 3)?;
    match time_loop(hypervisor, 0) {
        Ok(supervisor) => {
            let factor = u32::try_from(supervisor.as_nanos() / user.as_nanos().max(1)).unwrap_or(u32::MAX);
            let emulated = Ring0::Emulated { factor: Some(factor) };
            Ok(if factor >= EMULATED_FACTOR { emulated } else { Ring0::Native })
        }
        Err(error) => match error.downcast_ref::<RunError>() {
            Some(RunError::TimedOut { .. }) => Ok(Ring0::Emulated { factor: None }),
            _ => Err(error),
        },
    }
}

/// The best of three turns through the loop; the first run also maps pages, and is not counted.
fn time_loop(hypervisor: &Hypervisor, ring: u8) -> Result<Duration, Box<dyn Error>> {
    let file = memory_file(c"warmpool-probe", PROBE_BYTES)?;
    let memory = Mapping::new(&file, PROBE_BYTES as usize, Sharing::Shared)?;
    LOOP.load(&memory)?;
    let (_vm, mut vcpu) = hypervisor.create(&memory)?;
    vcpu.set_cpuid2(hypervisor.cpuid())?;
    let mut registers = machine::special_registers(&vcpu.get_sregs()?);
    let segments = [&mut registers.cs, &mut registers.ss, &mut registers.ds, &mut registers.es];
    for segment in segments {
        segment.dpl = ring;
        segment.selector = segment.selector & !3 | u16::from(ring);
    }
    vcpu.set_sregs(&registers)?;
    vcpu.set_regs(&machine::general_registers(PROBE_BYTES))?;
    let mut runner = Runner::new()?;
    let mut best = Duration::MAX;
    for turn in 0..4 {
        let start = Instant::now();
        runner.run(&mut vcpu, LOOP.doorbell(), LOOP_LIMIT)?;
        if turn > 0 {
            best = best.min(start.elapsed());
        }
    }
    Ok(best)
}

pub(super) fn examine() -> Vec<Finding> {
    let hypervisor = match Hypervisor::open() {
        Ok(hypervisor) => Arc::new(hypervisor),
        Err(error) => return vec![device(&error)],
    };
    let module = hypervisor.host().module.clone();
    let mut findings = vec![
        Finding::ok("kvm device", "/dev/kvm opens and has what VMs here need"),
        Finding::ok("kvm module", format!("{module}; {}", hypervisor.host())),
        extensions(&hypervisor),
    ];
    match ring_0(&hypervisor) {
        Ok(ring_0) => findings.extend([ring_0_finding(ring_0), linux_finding(ring_0)]),
        Err(error) => findings.push(Finding::fail(
            "ring 0",
            format!("a loop of a few instructions does not run: {error}"),
            "this KVM cannot run 64-bit guests; look into the kernel log",
        )),
    }
    findings.push(embedded(&hypervisor));
    findings
}

fn device(error: &HypervisorError) -> Finding {
    let remedy = match error {
        HypervisorError::Open(source) if source.errno() == libc::ENOENT => {
            "load kvm_intel or kvm_amd; in a virtual machine, switch nested virtualisation on for it; in a container, pass /dev/kvm in"
        }
        HypervisorError::Open(source) if source.errno() == libc::EACCES => {
            "add this user to the group of /dev/kvm (`ls -l /dev/kvm`)"
        }
        _ => "use a newer kernel",
    };
    Finding::fail("kvm device", error.to_string(), remedy)
}

fn extensions(hypervisor: &Hypervisor) -> Finding {
    let vcpus = hypervisor.kvm().get_max_vcpus();
    let xsave = hypervisor.xsave_bytes();
    let seen = format!(
        "all required ones; XSAVE area of {} bytes, {} MSRs in a vCPU's state, {vcpus} vCPUs per VM",
        if xsave == 0 { 4096 } else { xsave },
        hypervisor.msr_indices().len()
    );
    Finding::ok("kvm capabilities", seen)
}

fn ring_0_finding(ring_0: Ring0) -> Finding {
    match ring_0 {
        Ring0::Native => Finding::ok("ring 0", "runs at the speed of ring 3"),
        Ring0::Emulated { factor } => {
            let seen = factor.map_or("emulated: a short loop did not end in time".into(), |factor| {
                format!("emulated: about {factor} times slower than ring 3, doorbell included")
            });
            Finding::warn(
                "ring 0",
                seen,
                "nothing for the embedded guest, which runs in ring 3; for others take another host",
            )
        }
    }
}

fn linux_finding(ring_0: Ring0) -> Finding {
    match linux_guest(ring_0) {
        Ok(()) => Finding::ok("guest: linux", "ring 0 is native, so a Linux guest can run here"),
        Err(refused) => Finding::warn("guest: linux", "refused", refused.to_string()),
    }
}

fn embedded(hypervisor: &Arc<Hypervisor>) -> Finding {
    let name = "guest: embedded";
    match start_embedded(hypervisor) {
        Ok((boot, start)) => Finding::ok(
            name,
            format!("runs: boot {} us, start {} us (once, cold)", boot.as_micros(), start.as_micros()),
        ),
        Err(error) => {
            Finding::fail(name, error.to_string(), "this is the guest that must run everywhere: report it")
        }
    }
}

fn start_embedded(hypervisor: &Arc<Hypervisor>) -> Result<(Duration, Duration), Box<dyn Error>> {
    let template = capture(hypervisor, Arc::new(EMBEDDED), PROBE_BYTES)?;
    let mut runner = Runner::new()?;
    let begin = Instant::now();
    let mut vm = Vm::fork(hypervisor, &template)?;
    vm.warm(&mut runner, START_LIMIT)?;
    let boot = begin.elapsed();
    let begin = Instant::now();
    vm.start(&mut runner, Generation(1), &Bind::new("", Key::new("")?)?, START_LIMIT)?;
    let start = begin.elapsed();
    let [sum, ..] = vm.request(&mut runner, Request::Add(42), START_LIMIT)?;
    if sum == 42 { Ok((boot, start)) } else { Err(format!("the guest adds 0 and 42 to {sum}").into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linux_guest_is_refused_where_ring_0_is_emulated_and_only_there() {
        assert_eq!(linux_guest(Ring0::Native), Ok(()));
        let refused = linux_guest(Ring0::Emulated { factor: Some(4900) }).unwrap_err();
        assert!(refused.to_string().contains("4900 times slower"));
        assert!(linux_guest(Ring0::Emulated { factor: None }).is_err());
    }
}
