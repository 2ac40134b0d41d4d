//! Whether KVM can be used: not whether the device is there, but whether a VM can be made.

use super::Missing;

/// Tries it, each time anew: it takes less than a millisecond.
#[cfg(all(target_os = "linux", target_arch = "x86_64", not(warmpool_no_kvm)))]
pub(crate) fn look() -> Result<(), Missing> {
    use std::io;

    /// KVM_CREATE_VM answers EINTR at times without any signal.
    const TRIES: u32 = 16;
    let kvm = kvm_ioctls::Kvm::new().map_err(|error| {
        let error = io::Error::from_raw_os_error(error.errno());
        match error.kind() {
            io::ErrorKind::NotFound => Missing {
                reason: "there is no /dev/kvm".to_owned(),
                remedy: "load kvm_intel or kvm_amd; in a virtual machine, enable nested virtualisation; in a container, pass the device in",
            },
            io::ErrorKind::PermissionDenied => Missing {
                reason: format!("/dev/kvm may not be opened by this user ({error})"),
                remedy: "add the user to the group of /dev/kvm (`ls -l /dev/kvm`)",
            },
            _ => Missing {
                reason: format!("/dev/kvm cannot be opened: {error}"),
                remedy: "look into the kernel's log: the device is there, and KVM does not answer",
            },
        }
    })?;
    let mut tries = 0;
    loop {
        tries += 1;
        match kvm.create_vm() {
            Ok(_) => return Ok(()),
            Err(error) if io::Error::from(error).kind() == io::ErrorKind::Interrupted && tries < TRIES => {}
            Err(error) => {
                return Err(Missing {
                    reason: format!("KVM makes no VM: {}", io::Error::from(error)),
                    remedy: "look into the kernel's log: the device opens, and KVM_CREATE_VM fails",
                });
            }
        }
    }
}

/// Never.
#[cfg(not(all(target_os = "linux", target_arch = "x86_64", not(warmpool_no_kvm))))]
pub(crate) fn look() -> Result<(), Missing> {
    let reason = if cfg!(warmpool_no_kvm) {
        "this was built without KVM".to_owned()
    } else {
        format!("VMs need x86-64 Linux, and this is {} on {}", std::env::consts::OS, std::env::consts::ARCH)
    };
    Err(Missing {
        reason,
        remedy: "build and run the tests on x86-64 Linux, without `--cfg warmpool_no_kvm`",
    })
}
