//! Memory files and mappings, over `vm-memory`. Every mapping that the crate makes is one of these, so that
//! it ends exactly when its owner does.

use super::check;
use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;
use vm_memory::mmap::MmapRegionError;
use vm_memory::{ByteValued, FileOffset, MmapRegion, VolatileMemory, VolatileRef, VolatileSlice};

/// Seals of a finished template or state file: no writing, no change of size, no further seals.
pub const SEALS: libc::c_int =
    libc::F_SEAL_WRITE | libc::F_SEAL_GROW | libc::F_SEAL_SHRINK | libc::F_SEAL_SEAL;

/// An anonymous memory file of this size that can be sealed.
///
/// # Errors
/// What `memfd_create` or `ftruncate` answers.
pub fn memory_file(name: &CStr, bytes: u64) -> io::Result<Arc<File>> {
    // SAFETY: the name is a C string that lives through the call.
    let fd =
        check(unsafe { libc::memfd_create(name.as_ptr(), libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING) })?;
    // SAFETY: the call just made this descriptor and nobody else knows it.
    let file = unsafe { File::from_raw_fd(fd) };
    file.set_len(bytes)?;
    Ok(Arc::new(file))
}

/// Add seals. `F_SEAL_WRITE` fails with `EBUSY` while any shared writable mapping lives.
///
/// # Errors
/// What `fcntl(F_ADD_SEALS)` answers.
pub fn seal(fd: &impl AsFd, seals: libc::c_int) -> io::Result<()> {
    // SAFETY: takes no pointer; the descriptor is borrowed for the call.
    check(unsafe { libc::fcntl(fd.as_fd().as_raw_fd(), libc::F_ADD_SEALS, seals) }).map(drop)
}

/// As [`seal`], but where the file is busy try again for a while: a child that another thread forked just
/// before [`Mapping::new`] kept the mapping from it may not have executed its program yet.
///
/// # Errors
/// The last answer.
pub fn seal_patiently(fd: &impl AsFd, seals: libc::c_int) -> io::Result<()> {
    const TRIES: u32 = 200;
    for _ in 1..TRIES {
        match seal(fd, seals) {
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {
                std::thread::sleep(Duration::from_millis(1))
            }
            outcome => return outcome,
        }
    }
    seal(fd, seals)
}

/// The seals that a file has.
///
/// # Errors
/// `EINVAL` where the file cannot have any.
pub fn seals(fd: &impl AsFd) -> io::Result<libc::c_int> {
    // SAFETY: takes no pointer; the descriptor is borrowed for the call.
    check(unsafe { libc::fcntl(fd.as_fd().as_raw_fd(), libc::F_GET_SEALS) })
}

/// How a [`Mapping`] behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// Writes reach the file.
    Shared,
    /// Writes reach a copy of the page that belongs to this mapping alone.
    CopyOnWrite,
    /// No writing.
    ReadOnly,
}

/// A mapped file; unmapped on drop. Access goes through volatile copies, because a guest or another process
/// may write at any time.
#[derive(Debug)]
pub struct Mapping {
    region: MmapRegion,
    writable: bool,
}

impl Mapping {
    /// Map the first `bytes` of a file, which stays open as long as the mapping. Forks share one descriptor.
    ///
    /// # Errors
    /// What `mmap` answers.
    pub fn new(file: &Arc<File>, bytes: usize, sharing: Sharing) -> io::Result<Self> {
        let (protection, flags) = match sharing {
            Sharing::Shared => (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED),
            Sharing::CopyOnWrite => {
                (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_NORESERVE)
            }
            Sharing::ReadOnly => (libc::PROT_READ, libc::MAP_SHARED),
        };
        let file = FileOffset::from_arc(Arc::clone(file), 0);
        let region =
            MmapRegion::build(Some(file), bytes, protection, flags).map_err(|error| match error {
                MmapRegionError::Mmap(error) => error,
                other => io::Error::other(other),
            })?;
        let mapping = Self { region, writable: sharing != Sharing::ReadOnly };
        if sharing == Sharing::Shared {
            // A child that another thread of this process forks would hold the file open for writing until it
            // executes or ends.
            mapping.advise(libc::MADV_DONTFORK)?;
        }
        Ok(mapping)
    }

    /// Bytes mapped.
    pub fn bytes(&self) -> usize {
        self.region.size()
    }

    /// Where it starts in this process.
    pub fn address(&self) -> u64 {
        self.region.as_ptr() as u64
    }

    fn at(&self, offset: u64, bytes: usize) -> VolatileSlice<'_> {
        let slice = usize::try_from(offset).ok().and_then(|offset| self.region.get_slice(offset, bytes).ok());
        slice.unwrap_or_else(|| {
            panic!("access to {bytes:#x} bytes at {offset:#x} of a mapping of {:#x}", self.bytes())
        })
    }

    fn writable_at(&self, offset: u64, bytes: usize) -> VolatileSlice<'_> {
        assert!(self.writable, "write to a read-only mapping");
        self.at(offset, bytes)
    }

    /// Copy bytes out.
    pub fn read(&self, offset: u64, into: &mut [u8]) {
        self.at(offset, into.len()).copy_to(into);
    }

    /// Copy bytes in.
    pub fn write(&self, offset: u64, from: &[u8]) {
        self.writable_at(offset, from.len()).copy_from(from);
    }

    /// Copy a value in.
    pub fn store<T: ByteValued>(&self, offset: u64, value: &T) {
        whole::<T>(&self.writable_at(offset, size_of::<T>())).store(*value);
    }

    /// Copy a value out.
    pub fn load<T: ByteValued>(&self, offset: u64) -> T {
        whole::<T>(&self.at(offset, size_of::<T>())).load()
    }

    /// A word that this process and others change at any time, all of them by atomic operations only.
    pub fn word(&self, offset: u64) -> &AtomicU32 {
        assert!(self.writable, "an atomic word in a read-only mapping");
        let word = usize::try_from(offset).ok().and_then(|offset| self.region.get_atomic_ref(offset).ok());
        word.unwrap_or_else(|| panic!("no aligned word at {offset:#x} of a mapping of {:#x}", self.bytes()))
    }

    /// Write what is already there, which gives a copy-on-write mapping its own copy of the page.
    pub fn own_page(&self, offset: u64) {
        let slice = self.writable_at(offset, 1);
        let byte = whole::<u8>(&slice);
        byte.store(byte.load());
    }

    /// Forget every page that a copy-on-write mapping owns: it reads as the file again.
    ///
    /// # Errors
    /// What `madvise` answers.
    pub fn forget(&self) -> io::Result<()> {
        self.advise(libc::MADV_DONTNEED)
    }

    fn advise(&self, advice: libc::c_int) -> io::Result<()> {
        // SAFETY: the range is exactly this mapping, and nobody holds references to plain memory in it.
        check(unsafe { libc::madvise(self.region.as_ptr().cast(), self.bytes(), advice) }).map(drop)
    }
}

fn whole<'a, T: ByteValued>(slice: &'a VolatileSlice<'a>) -> VolatileRef<'a, T> {
    slice.get_ref(0).expect("a slice of a value's size holds the value")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seals_are_refused_while_a_shared_mapping_lives_and_hold_afterwards() {
        let file = memory_file(c"test", 4096).unwrap();
        let mapping = Mapping::new(&file, 4096, Sharing::Shared).unwrap();
        mapping.write(0, b"template");
        assert_eq!(seal(&file, SEALS).unwrap_err().raw_os_error(), Some(libc::EBUSY));
        drop(mapping);
        seal(&file, SEALS).unwrap();
        assert_eq!(seals(&file).unwrap() & SEALS, SEALS);
        assert!(Mapping::new(&file, 4096, Sharing::Shared).is_err());
        let copy = Mapping::new(&file, 4096, Sharing::CopyOnWrite).unwrap();
        copy.write(0, b"fork");
        let original = Mapping::new(&file, 4096, Sharing::ReadOnly).unwrap();
        let mut bytes = [0; 8];
        original.read(0, &mut bytes);
        assert_eq!(&bytes, b"template");
        copy.forget().unwrap();
        copy.read(0, &mut bytes);
        assert_eq!(&bytes, b"template");
    }

    #[test]
    #[should_panic(expected = "access to")]
    fn access_outside_is_refused() {
        let file = memory_file(c"test", 4096).unwrap();
        Mapping::new(&file, 4096, Sharing::Shared).unwrap().read(4090, &mut [0; 8]);
    }
}
