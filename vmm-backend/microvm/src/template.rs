//! The template: one VM booted once, its memory in a sealed file, its state and write set beside it.
//! Read-only from then on; every warm VM is a copy-on-write fork of it. Starts no VM for users.

use crate::guest::{Guest, Rang};
use crate::hypervisor::{Hypervisor, HypervisorError};
use crate::machine::MachineError;
use crate::manifest::{FORMAT, Manifest, ManifestError};
use crate::runner::{RunError, Runner, complete_exit, expect_rang};
use crate::state::{State, StateError};
use crate::sys::memory::{Mapping, SEALS, Sharing, memory_file, seal_patiently, seals};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Longest boot of a template. The embedded guest takes well under a millisecond.
const BOOT_LIMIT: Duration = Duration::from_secs(5);

/// The template could not be made or may not be used.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// The machine cannot be laid out.
    #[error(transparent)]
    Machine(#[from] MachineError),
    /// A VM could not be made.
    #[error(transparent)]
    Hypervisor(#[from] HypervisorError),
    /// The guest did not reach its checkpoint.
    #[error("the template's guest did not reach its checkpoint: {0}")]
    Boot(#[source] RunError),
    /// Its state could not be saved.
    #[error("cannot save the template's state: {0}")]
    State(#[from] StateError),
    /// Memory file, mapping or seal.
    #[error("{call}: {source}")]
    Memory {
        /// Which system call.
        call: &'static str,
        /// What it answered.
        source: io::Error,
    },
    /// Made elsewhere, or by another version.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// Somebody could still write to it.
    #[error("template memory has seals {found:#x} but needs {needed:#x} (no writing, no resizing): refusing to fork what may change", needed = SEALS)]
    Unsealed {
        /// The seals it has.
        found: i32,
    },
    /// Not a template's description.
    #[error("template description cannot be read: {0}")]
    Description(#[from] postcard::Error),
}

fn memory(call: &'static str) -> impl Fn(io::Error) -> TemplateError {
    move |source| TemplateError::Memory { call, source }
}

/// What goes beside the memory when a template is handed to another process.
#[derive(Serialize, Deserialize)]
struct Description {
    manifest: Manifest,
    state: State,
    write_set: Vec<u64>,
}

/// A captured guest.
#[derive(Debug)]
pub struct Template {
    guest: Arc<dyn Guest>,
    manifest: Manifest,
    state: State,
    file: Arc<File>,
    write_set: Vec<u64>,
}

impl Template {
    /// Boot the guest once and capture it. Its write set is not known: [`crate::training`] finds it.
    ///
    /// # Ordering requirements
    /// Boot to the checkpoint; complete the doorbell write (else the saved state holds half an instruction);
    /// save; drop VM and mapping; then seal, because `F_SEAL_WRITE` fails while a shared writable mapping
    /// lives.
    ///
    /// # Errors
    /// The step that failed.
    pub fn capture_untrained(
        hypervisor: &Arc<Hypervisor>,
        guest: Arc<dyn Guest>,
        memory_bytes: u64,
    ) -> Result<Self, TemplateError> {
        guest.check_memory(memory_bytes)?;
        let file = memory_file(c"warmpool-template", memory_bytes).map_err(memory("memfd_create"))?;
        let state = boot(hypervisor, &*guest, &file, memory_bytes)?;
        seal_patiently(&file, SEALS).map_err(memory("fcntl(F_ADD_SEALS)"))?;
        let mut identity = [0; 32];
        crate::sys::random(&mut identity).map_err(memory("getrandom"))?;
        let manifest = Manifest {
            format: FORMAT,
            host: hypervisor.host().clone(),
            guest: guest.name().to_owned(),
            protocol: guest.protocol().to_owned(),
            memory_bytes,
            identity: identity.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes)),
        };
        Ok(Self { guest, manifest, state, file, write_set: Vec::new() })
    }

    /// Take over a template that another process made.
    ///
    /// # Errors
    /// Where it is foreign ([`ManifestError`]), could still change ([`TemplateError::Unsealed`]) or cannot be
    /// read.
    pub fn adopt(
        hypervisor: &Hypervisor,
        guest: Arc<dyn Guest>,
        file: Arc<File>,
        description: &[u8],
    ) -> Result<Arc<Self>, TemplateError> {
        let Description { manifest, state, write_set } = postcard::from_bytes(description)?;
        manifest.check(hypervisor.host(), guest.protocol())?;
        guest.check_memory(manifest.memory_bytes)?;
        let found = seals(&file).map_err(memory("fcntl(F_GET_SEALS)"))?;
        if found & SEALS != SEALS {
            return Err(TemplateError::Unsealed { found });
        }
        Ok(Arc::new(Self { guest, manifest, state, file, write_set }))
    }

    /// Manifest, state and write set, for [`Template::adopt`].
    ///
    /// # Errors
    /// Where it cannot be encoded.
    pub fn description(&self) -> Result<Vec<u8>, TemplateError> {
        let (manifest, state) = (self.manifest.clone(), self.state.clone());
        Ok(postcard::to_stdvec(&Description { manifest, state, write_set: self.write_set.clone() })?)
    }

    /// The same template, with the pages that a start writes.
    pub(crate) fn with_write_set(self, write_set: Vec<u64>) -> Self {
        Self { write_set, ..self }
    }

    /// What it boots, and how to talk to it.
    pub fn guest(&self) -> &Arc<dyn Guest> {
        &self.guest
    }

    /// What it says about itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The captured state.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The sealed memory.
    pub fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// Offsets of the pages that a start writes, in ascending order.
    pub fn write_set(&self) -> &[u64] {
        &self.write_set
    }
}

/// Run the image to its checkpoint in shared memory, and save the state. The VM and the mapping are gone when
/// this returns.
fn boot(
    hypervisor: &Hypervisor,
    guest: &dyn Guest,
    file: &Arc<File>,
    memory_bytes: u64,
) -> Result<State, TemplateError> {
    let bytes = usize::try_from(memory_bytes).map_err(io::Error::other).map_err(memory("mmap"))?;
    let mapping = Mapping::new(file, bytes, Sharing::Shared).map_err(memory("mmap"))?;
    guest.load(&mapping)?;
    let (vm, mut vcpu) = hypervisor.create(&mapping)?;
    let ioctl = |ioctl| move |source| StateError::Ioctl { ioctl, source };
    vcpu.set_cpuid2(hypervisor.cpuid()).map_err(ioctl("KVM_SET_CPUID2"))?;
    let fresh = vcpu.get_sregs().map_err(ioctl("KVM_GET_SREGS"))?;
    let (special, general) = guest.registers(&fresh, memory_bytes);
    vcpu.set_sregs(&special).map_err(ioctl("KVM_SET_SREGS"))?;
    vcpu.set_regs(&general).map_err(ioctl("KVM_SET_REGS"))?;
    let mut runner = Runner::new().map_err(memory("timer_create"))?;
    let value = runner.run(&mut vcpu, guest.doorbell(), BOOT_LIMIT).map_err(TemplateError::Boot)?;
    expect_rang(guest, value, Rang::Checkpoint).map_err(TemplateError::Boot)?;
    complete_exit(&mut vcpu).map_err(TemplateError::Boot)?;
    Ok(State::save(hypervisor, &vm, &vcpu)?)
    // The vCPU and the VM go before the mapping: locals are dropped in reverse order.
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::EMBEDDED;
    use crate::sys::memory::seal;
    use crate::training::capture;
    use crate::vm::Vm;
    use std::sync::atomic::{AtomicBool, Ordering};

    const MEMORY_BYTES: u64 = 4 << 20;

    /// A template with its hypervisor, or None where KVM cannot be used.
    fn template() -> Option<(Arc<Hypervisor>, Arc<Template>)> {
        if !support::has(&support::Need::Kvm) {
            return None;
        }
        let hypervisor = Arc::new(Hypervisor::open().unwrap());
        let template = capture(&hypervisor, Arc::new(EMBEDDED), MEMORY_BYTES).unwrap();
        Some((hypervisor, template))
    }

    fn changed(template: &Template, change: impl FnOnce(&mut Description)) -> Vec<u8> {
        let mut description = postcard::from_bytes(&template.description().unwrap()).unwrap();
        change(&mut description);
        postcard::to_stdvec(&description).unwrap()
    }

    fn file(template: &Template) -> Arc<File> {
        Arc::clone(template.file())
    }

    #[test]
    fn an_adopted_template_is_the_same() {
        let Some((hypervisor, template)) = template() else { return };
        let description = template.description().unwrap();
        let adopted =
            Template::adopt(&hypervisor, Arc::new(EMBEDDED), file(&template), &description).unwrap();
        assert_eq!(adopted.manifest(), template.manifest());
        assert_eq!(adopted.write_set(), template.write_set());
        assert_eq!(adopted.description().unwrap(), description);
        assert!(Vm::fork(&hypervisor, &adopted).is_ok());
    }

    #[test]
    fn a_foreign_template_is_refused() {
        let Some((hypervisor, template)) = template() else { return };
        let adopt = |description: Vec<u8>| {
            Template::adopt(&hypervisor, Arc::new(EMBEDDED), file(&template), &description).unwrap_err()
        };
        let error = adopt(changed(&template, |d| d.manifest.host.kernel = "2.4.0".into()));
        assert!(
            matches!(error, TemplateError::Manifest(ManifestError::Foreign { what: "kernel", .. })),
            "{error}"
        );
        let error = adopt(changed(&template, |d| d.manifest.host.module = "kvm_other".into()));
        assert!(
            matches!(error, TemplateError::Manifest(ManifestError::Foreign { what: "KVM module", .. })),
            "{error}"
        );
        let error = adopt(changed(&template, |d| d.manifest.host.cpu = "Z80".into()));
        assert!(
            matches!(error, TemplateError::Manifest(ManifestError::Foreign { what: "CPU model", .. })),
            "{error}"
        );
        let error = adopt(changed(&template, |d| d.manifest.format += 1));
        assert!(matches!(error, TemplateError::Manifest(ManifestError::Format { .. })), "{error}");
        let error = adopt(changed(&template, |d| d.manifest.protocol = "morse".into()));
        assert!(matches!(error, TemplateError::Manifest(ManifestError::Protocol { .. })), "{error}");
        let error = adopt(vec![1, 2, 3]);
        assert!(matches!(error, TemplateError::Description(_)), "{error}");
    }

    #[test]
    fn memory_that_could_still_change_is_refused() {
        let Some((hypervisor, template)) = template() else { return };
        let description = template.description().unwrap();
        let open = memory_file(c"test", MEMORY_BYTES).unwrap();
        let error = Template::adopt(&hypervisor, Arc::new(EMBEDDED), open, &description).unwrap_err();
        assert!(matches!(error, TemplateError::Unsealed { found: 0 }), "{error}");
        let partly = memory_file(c"test", MEMORY_BYTES).unwrap();
        seal(&partly, libc::F_SEAL_GROW | libc::F_SEAL_SHRINK).unwrap();
        assert!(Template::adopt(&hypervisor, Arc::new(EMBEDDED), partly, &description).is_err());
    }

    #[test]
    fn a_fork_in_another_thread_does_not_keep_a_template_from_being_sealed() {
        let Some((hypervisor, _)) = template() else { return };
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    // SAFETY: the child only sleeps for a moment, as one on its way to another program would,
                    // and ends.
                    unsafe {
                        let child = libc::fork();
                        if child == 0 {
                            libc::usleep(2000);
                            libc::_exit(0);
                        }
                        libc::waitpid(child, std::ptr::null_mut(), 0);
                    }
                }
            });
            let outcome = (0..20).try_for_each(|_| {
                Template::capture_untrained(&hypervisor, Arc::new(EMBEDDED), MEMORY_BYTES).map(drop)
            });
            done.store(true, Ordering::Relaxed);
            outcome.unwrap();
        });
    }

    #[test]
    fn nobody_can_map_a_finished_template_for_writing() {
        let Some((_, template)) = template() else { return };
        assert_eq!(seals(&template.file()).unwrap() & SEALS, SEALS);
        assert!(Mapping::new(template.file(), MEMORY_BYTES as usize, Sharing::Shared).is_err());
        let error = seal(&template.file(), libc::F_SEAL_GROW).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EPERM));
    }

    #[test]
    fn impossible_memory_is_refused_before_anything_is_made() {
        let Some((hypervisor, _)) = template() else { return };
        let error = Template::capture_untrained(&hypervisor, Arc::new(EMBEDDED), 4096).unwrap_err();
        assert!(matches!(error, TemplateError::Machine(MachineError::Memory { bytes: 4096 })), "{error}");
    }
}
