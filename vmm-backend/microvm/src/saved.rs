//! The second stage of sleep: a VM's state and the pages it wrote since its fork, in a file without a name.
//! The file ends with its descriptor. It is encrypted and authenticated (AES-256-GCM), part by part, and
//! every part is checked before a byte of it reaches a VM or KVM.
//!
//! Each file has a key of its own, drawn for it and kept by whoever will wake it. So nonces are simply the
//! numbers of parts, and what is left on a disk says nothing once the key is gone.

use crate::bind::{Generation, Key};
use crate::guest::layout::PAGE_BYTES;
use crate::hypervisor::Hypervisor;
use crate::state::State;
use crate::sys::pagemap::Pagemap;
use crate::template::Template;
use crate::vm::{Vm, VmError};
use aes_gcm::aead::{AeadInPlace, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce, Tag};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

/// Largest header accepted: state and one offset per page of 3 GiB stay below it.
const HEADER_BYTES_MAX: u64 = 16 << 20;
const LENGTH_BYTES: usize = 8;
const TAG_BYTES: usize = 16;
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

/// What to remember of a saved VM beside its file: without it the file is of no use to anybody. For one file
/// only, because a second one under the same key would show what they have in common.
#[derive(Clone, PartialEq, Eq)]
pub struct FileKey([u8; FileKey::BYTES]);

impl FileKey {
    /// How long it is.
    pub const BYTES: usize = 32;

    /// Draw one.
    ///
    /// # Errors
    /// What `getrandom` answers.
    pub fn draw() -> io::Result<Self> {
        let mut bytes = [0; Self::BYTES];
        crate::sys::random(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// One that was drawn elsewhere.
    pub const fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }

    fn cipher(&self) -> Aes256Gcm {
        Aes256Gcm::new(&self.0.into())
    }
}

impl std::fmt::Debug for FileKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FileKey(..)")
    }
}

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

/// Write a sleeping VM to a file, under a key that was drawn for it. The VM is to be dropped afterwards: its
/// user must not run twice.
///
/// # Errors
/// The step that failed; the VM may be dropped or woken then.
pub fn save(vm: &mut Vm, pagemap: &Pagemap, to: &File, under: &FileKey) -> Result<(), SavedError> {
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
    let mut encoded = postcard::to_stdvec(&header)?;
    let length = (encoded.len() as u64).to_le_bytes();
    to.write_all_at(&length, 0).map_err(file("pwrite"))?;
    let mut writer = Parts { file: to, at: LENGTH_BYTES as u64, cipher: under.cipher(), number: 0 };
    writer.write(&length, &mut encoded)?;
    let mut buffer = vec![0; CHUNK_PAGES * PAGE_BYTES as usize];
    for chunk in header.pages.chunks(CHUNK_PAGES) {
        for (page, bytes) in chunk.iter().zip(buffer.chunks_exact_mut(PAGE_BYTES as usize)) {
            vm.memory().read(*page, bytes);
        }
        writer.write(&[], &mut buffer[..chunk.len() * PAGE_BYTES as usize])?;
    }
    Ok(())
}

/// Fork the template with a saved VM's state and pages. It comes back asleep; waking it is the caller's.
///
/// # Errors
/// [`SavedError::Changed`] where the file is not what was saved under this key; the step that failed
/// otherwise. No VM is left then.
pub fn load(
    hypervisor: &Arc<Hypervisor>,
    template: &Arc<Template>,
    from: &File,
    under: &FileKey,
) -> Result<Vm, SavedError> {
    let mut length = [0; LENGTH_BYTES];
    read_exact(from, &mut length, 0)?;
    if u64::from_le_bytes(length) > HEADER_BYTES_MAX {
        return Err(SavedError::Changed);
    }
    let mut encoded = vec![0; u64::from_le_bytes(length) as usize];
    let mut reader = Parts { file: from, at: LENGTH_BYTES as u64, cipher: under.cipher(), number: 0 };
    reader.read(&length, &mut encoded)?;
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
    vm.resume_as(Generation(header.generation), header.key);
    Ok(vm)
}

fn fork_over(
    hypervisor: &Arc<Hypervisor>,
    template: &Arc<Template>,
    header: &Header,
    reader: &mut Parts<'_>,
) -> Result<Vm, SavedError> {
    let mut reading = Ok(());
    let vm = Vm::fork_with(hypervisor, template, &header.state, |memory| {
        let mut buffer = vec![0; CHUNK_PAGES * PAGE_BYTES as usize];
        for chunk in header.pages.chunks(CHUNK_PAGES) {
            let bytes = &mut buffer[..chunk.len() * PAGE_BYTES as usize];
            reading = reader.read(&[], bytes);
            if reading.is_err() {
                break;
            }
            for (page, bytes) in chunk.iter().zip(bytes.chunks_exact(PAGE_BYTES as usize)) {
                memory.write(*page, bytes);
            }
        }
        Ok(())
    });
    // Nothing of a part that is not what was saved has reached its memory; the VM is dropped.
    reading?;
    Ok(vm?)
}

/// A file, part after part: each is the content, encrypted, and a tag that only the key's holder can make.
struct Parts<'a> {
    file: &'a File,
    at: u64,
    cipher: Aes256Gcm,
    number: u64,
}

impl Parts<'_> {
    /// Encrypts in place, and writes. `known` stands in the open elsewhere, and must not change either.
    fn write(&mut self, known: &[u8], bytes: &mut [u8]) -> Result<(), SavedError> {
        let nonce = self.next_nonce();
        let sealed = self.cipher.encrypt_in_place_detached(&nonce, known, bytes);
        // A part is a quarter of a megabyte, and the header has a bound far below what one nonce allows.
        let tag = sealed.map_err(|_| file("encryption")(io::ErrorKind::FileTooLarge.into()))?;
        self.file.write_all_at(bytes, self.at).map_err(file("pwrite"))?;
        self.file.write_all_at(&tag, self.at + bytes.len() as u64).map_err(file("pwrite"))?;
        self.at += (bytes.len() + TAG_BYTES) as u64;
        Ok(())
    }

    /// Reads, and decrypts where it is what was written; else there is nothing in `bytes` to be used.
    fn read(&mut self, known: &[u8], bytes: &mut [u8]) -> Result<(), SavedError> {
        let mut tag = [0; TAG_BYTES];
        read_exact(self.file, bytes, self.at)?;
        read_exact(self.file, &mut tag, self.at + bytes.len() as u64)?;
        let (nonce, tag) = (self.next_nonce(), Tag::from(tag));
        let opened = self.cipher.decrypt_in_place_detached(&nonce, known, bytes, &tag);
        opened.map_err(|_| SavedError::Changed)?;
        self.at += (bytes.len() + TAG_BYTES) as u64;
        Ok(())
    }

    fn next_nonce(&mut self) -> Nonce<aes_gcm::aead::consts::U12> {
        let mut nonce = [0; 12];
        nonce[..8].copy_from_slice(&self.number.to_le_bytes());
        self.number += 1;
        nonce.into()
    }
}

/// A file that ends early is a changed file.
fn read_exact(from: &File, bytes: &mut [u8], at: u64) -> Result<(), SavedError> {
    from.read_exact_at(bytes, at).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => SavedError::Changed,
        _ => file("pread")(error),
    })
}
