//! The second stage of sleep: a VM's state and the pages it wrote since its fork, in a file without a name.
//! The file ends with its descriptor. Its digest is kept by whoever will wake it, not in the file, so that a
//! changed file is never run.

use crate::bind::{Generation, Key};
use crate::guest::layout::PAGE_BYTES;
use crate::hypervisor::Hypervisor;
use crate::state::State;
use crate::sys::pagemap::Pagemap;
use crate::template::Template;
use crate::vm::{Vm, VmError};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use xxhash_rust::xxh3::Xxh3;

/// Largest header accepted: state and one offset per page of 3 GiB stay below it.
const HEADER_BYTES_MAX: u64 = 16 << 20;
const LENGTH_BYTES: u64 = 8;
/// Pages copied per system call.
const CHUNK_PAGES: usize = 64;

/// A VM could not be saved to a file or brought back.
#[derive(Debug, thiserror::Error)]
pub enum SavedError {
    /// The VM's part failed.
    #[error(transparent)]
    Vm(#[from] VmError),
    /// Reading or writing the file failed.
    #[error("{call} of a sleeping VM's file: {source}")]
    File {
        /// Which.
        call: &'static str,
        /// What it answered.
        source: io::Error,
    },
    /// The page map cannot be read.
    #[error("cannot find the pages that the VM wrote: {0}")]
    Pagemap(#[source] io::Error),
    /// The header cannot be encoded or decoded.
    #[error("header of a sleeping VM's file: {0}")]
    Header(#[from] postcard::Error),
    /// The content is not what was saved.
    #[error("a sleeping VM's file changed since it was saved: refusing to wake it")]
    Changed,
    /// Forked from another template than the one here.
    #[error("a sleeping VM's file belongs to template {found:#x}, not to {here:#x}")]
    OtherTemplate {
        /// What the file says.
        found: u64,
        /// What is here.
        here: u64,
    },
}

fn file(call: &'static str) -> impl Fn(io::Error) -> SavedError {
    move |source| SavedError::File { call, source }
}

/// What to remember of a saved VM beside its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest(pub u128);

#[derive(Serialize, Deserialize)]
struct Header {
    template: u64,
    generation: u64,
    key: Key,
    state: State,
    pages: Vec<u64>,
}

/// A file in this directory that has no name and ends with its descriptor.
///
/// # Errors
/// Where the directory's file system has no nameless files, and a named one cannot be made and removed
/// either.
pub fn nameless_file(directory: &Path) -> io::Result<File> {
    let nameless =
        OpenOptions::new().read(true).write(true).mode(0o600).custom_flags(libc::O_TMPFILE).open(directory);
    match nameless {
        Err(error)
            if matches!(error.raw_os_error(), Some(libc::EOPNOTSUPP | libc::EISDIR | libc::ENOENT)) =>
        {
            let mut unique = [0; 32];
            crate::sys::random(&mut unique)?;
            let name: String = unique.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
            let path = directory.join(format!(".warmpool-{name}"));
            let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
            std::fs::remove_file(&path)?;
            Ok(file)
        }
        outcome => outcome,
    }
}

/// Write a sleeping VM to a file. The VM is to be dropped afterwards: its user must not run twice.
///
/// # Errors
/// The step that failed; the VM may be dropped or woken then.
pub fn save(vm: &mut Vm, pagemap: &Pagemap, to: &File) -> Result<Digest, SavedError> {
    let state = vm.save_state()?;
    let pages = vm.written(pagemap).map_err(SavedError::Pagemap)?;
    let key = vm.key().cloned().ok_or(VmError::Phase { asked: "save", phase: vm.phase() })?;
    let header = Header {
        template: vm.template().manifest().identity,
        generation: vm.generation().0,
        key,
        state,
        pages,
    };
    let encoded = postcard::to_stdvec(&header)?;
    let mut writer = Hashed { file: to, at: 0, hash: Xxh3::new() };
    writer.write(&(encoded.len() as u64).to_le_bytes())?;
    writer.write(&encoded)?;
    let mut buffer = vec![0; CHUNK_PAGES * PAGE_BYTES as usize];
    for chunk in header.pages.chunks(CHUNK_PAGES) {
        for (page, bytes) in chunk.iter().zip(buffer.chunks_exact_mut(PAGE_BYTES as usize)) {
            vm.memory().read(*page, bytes);
        }
        writer.write(&buffer[..chunk.len() * PAGE_BYTES as usize])?;
    }
    Ok(Digest(writer.hash.digest128()))
}

/// Fork the template with a saved VM's state and pages. It comes back asleep; waking it is the caller's.
///
/// # Errors
/// [`SavedError::Changed`] where the file is not what was saved; the step that failed otherwise. No VM is
/// left then.
pub fn load(
    hypervisor: &Arc<Hypervisor>,
    template: &Arc<Template>,
    from: &File,
    digest: Digest,
) -> Result<Vm, SavedError> {
    let mut reader = Hashed { file: from, at: 0, hash: Xxh3::new() };
    let mut length = [0; LENGTH_BYTES as usize];
    reader.read(&mut length)?;
    let length = u64::from_le_bytes(length);
    if length > HEADER_BYTES_MAX {
        return Err(SavedError::Changed);
    }
    let mut encoded = vec![0; length as usize];
    reader.read(&mut encoded)?;
    let header: Header = postcard::from_bytes(&encoded).map_err(|_| SavedError::Changed)?;
    let (found, here) = (header.template, template.manifest().identity);
    if found != here {
        return Err(SavedError::OtherTemplate { found, here });
    }
    let last = template.manifest().memory_bytes - PAGE_BYTES;
    if header.pages.iter().any(|page| *page > last || !page.is_multiple_of(PAGE_BYTES)) {
        return Err(SavedError::Changed);
    }
    let mut vm = fork_over(hypervisor, template, &header, &mut reader)?;
    // The digest covers every byte that went into the VM, and is compared before the VM can run.
    if Digest(reader.hash.digest128()) != digest {
        return Err(SavedError::Changed);
    }
    vm.resume_as(Generation(header.generation), header.key);
    Ok(vm)
}

fn fork_over(
    hypervisor: &Arc<Hypervisor>,
    template: &Arc<Template>,
    header: &Header,
    reader: &mut Hashed<'_>,
) -> Result<Vm, SavedError> {
    let mut reading = Ok(());
    let vm = Vm::fork_with(hypervisor, template, &header.state, |memory| {
        let mut buffer = vec![0; CHUNK_PAGES * PAGE_BYTES as usize];
        for chunk in header.pages.chunks(CHUNK_PAGES) {
            let bytes = &mut buffer[..chunk.len() * PAGE_BYTES as usize];
            reading = reader.read(bytes);
            if reading.is_err() {
                break;
            }
            for (page, bytes) in chunk.iter().zip(bytes.chunks_exact(PAGE_BYTES as usize)) {
                memory.write(*page, bytes);
            }
        }
        Ok(())
    });
    // A file that ends early is a changed file, whatever the fork made of the rest.
    reading?;
    Ok(vm?)
}

struct Hashed<'a> {
    file: &'a File,
    at: u64,
    hash: Xxh3,
}

impl Hashed<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), SavedError> {
        self.file.write_all_at(bytes, self.at).map_err(file("pwrite"))?;
        self.hash.update(bytes);
        self.at += bytes.len() as u64;
        Ok(())
    }

    fn read(&mut self, bytes: &mut [u8]) -> Result<(), SavedError> {
        match self.file.read_exact_at(bytes, self.at) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(SavedError::Changed),
            outcome => outcome.map_err(file("pread"))?,
        }
        self.hash.update(bytes);
        self.at += bytes.len() as u64;
        Ok(())
    }
}
