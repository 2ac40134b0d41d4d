//! Memory files and mappings. Owns every mapping that the crate makes, so that a mapping ends exactly when its owner does.

use super::check;
use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

/// Seals of a finished template or state file: no writing, no change of size, no further seals.
pub const SEALS: libc::c_int =
    libc::F_SEAL_WRITE | libc::F_SEAL_GROW | libc::F_SEAL_SHRINK | libc::F_SEAL_SEAL;

/// An anonymous memory file of this size that can be sealed.
///
/// # Errors
/// What `memfd_create` or `ftruncate` answers.
pub fn memory_file(name: &CStr, bytes: u64) -> io::Result<OwnedFd> {
    // SAFETY: the name is a C string that lives through the call.
    let fd =
        check(unsafe { libc::memfd_create(name.as_ptr(), libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING) })?;
    // SAFETY: the call just made this descriptor and nobody else knows it.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    let bytes = i64::try_from(bytes).map_err(io::Error::other)?;
    // SAFETY: takes no pointer; the descriptor is ours.
    check(unsafe { libc::ftruncate(fd.as_raw_fd(), bytes) })?;
    Ok(fd)
}

/// Add seals. `F_SEAL_WRITE` fails with `EBUSY` while any shared writable mapping lives.
///
/// # Errors
/// What `fcntl(F_ADD_SEALS)` answers.
pub fn seal(fd: &impl AsFd, seals: libc::c_int) -> io::Result<()> {
    // SAFETY: takes no pointer; the descriptor is borrowed for the call.
    check(unsafe { libc::fcntl(fd.as_fd().as_raw_fd(), libc::F_ADD_SEALS, seals) }).map(drop)
}

/// As [`seal`], but where the file is busy try again for a while: a child that another thread forked just before
/// [`Mapping::new`] kept the mapping from it may not have executed its program yet.
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

/// Values that may be copied to and from memory which others write: integers in a `repr(C)` struct.
///
/// # Safety
/// Every pattern of bytes must be a valid value.
pub unsafe trait Plain: Copy {}

/// A mapped file; unmapped on drop. Access goes through copies, because a guest or another process may write at any time.
#[derive(Debug)]
pub struct Mapping {
    start: NonNull<u8>,
    bytes: usize,
    writable: bool,
}

// SAFETY: the mapping is plain memory that belongs to the process, not to a thread.
unsafe impl Send for Mapping {}
// SAFETY: all access is by volatile or bytewise copies through raw pointers; no reference into the memory is ever made.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Map the first `bytes` of a file.
    ///
    /// # Errors
    /// What `mmap` answers.
    pub fn new(fd: &impl AsFd, bytes: usize, sharing: Sharing) -> io::Result<Self> {
        let (protection, flags) = match sharing {
            Sharing::Shared => (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED),
            Sharing::CopyOnWrite => {
                (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_NORESERVE)
            }
            Sharing::ReadOnly => (libc::PROT_READ, libc::MAP_SHARED),
        };
        let fd = fd.as_fd().as_raw_fd();
        // SAFETY: the kernel chooses the address, so no existing mapping is touched.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), bytes, protection, flags, fd, 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast()).ok_or_else(|| io::Error::other("mmap answered address 0"))?;
        let mapping = Self { start, bytes, writable: sharing != Sharing::ReadOnly };
        if sharing == Sharing::Shared {
            // A child that another thread of this process forks would hold the file open for writing until it executes or ends.
            // SAFETY: the range is exactly this mapping; the advice concerns children only.
            check(unsafe { libc::madvise(start.as_ptr().cast(), bytes, libc::MADV_DONTFORK) })?;
        }
        Ok(mapping)
    }

    /// Bytes mapped.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Where it starts in this process.
    pub fn address(&self) -> u64 {
        self.start.as_ptr() as u64
    }

    fn at(&self, offset: u64, bytes: usize) -> NonNull<u8> {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        let end = offset.saturating_add(bytes);
        assert!(end <= self.bytes, "access to {offset:#x}..{end:#x} of a mapping of {:#x} bytes", self.bytes);
        // SAFETY: `offset` was just found to lie within the mapping.
        unsafe { self.start.add(offset) }
    }

    /// A pointer to a `T` at this offset, checked for bounds and alignment.
    fn pointer<T>(&self, offset: u64) -> *mut T {
        let pointer = self.at(offset, size_of::<T>()).as_ptr().cast::<T>();
        assert!(pointer.is_aligned(), "offset {offset:#x} is not aligned for its type");
        pointer
    }

    /// Copy bytes out.
    pub fn read(&self, offset: u64, into: &mut [u8]) {
        let from = self.at(offset, into.len());
        // SAFETY: `at` checked that the source lies in the mapping; the target is a Rust slice, so they do not overlap.
        unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), into.as_mut_ptr(), into.len()) }
    }

    /// Copy bytes in.
    pub fn write(&self, offset: u64, from: &[u8]) {
        assert!(self.writable, "write to a read-only mapping");
        let to = self.at(offset, from.len());
        // SAFETY: `at` checked that the target lies in the mapping, which is writable; the source is a Rust slice.
        unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), to.as_ptr(), from.len()) }
    }

    /// Copy a value in.
    pub fn store<T: Plain>(&self, offset: u64, value: &T) {
        assert!(self.writable, "write to a read-only mapping");
        // SAFETY: `pointer` checked bounds and alignment; the mapping is writable; `T` has no drop glue (it is `Copy`).
        unsafe { self.pointer::<T>(offset).write_volatile(*value) }
    }

    /// Copy a value out.
    pub fn load<T: Plain>(&self, offset: u64) -> T {
        // SAFETY: `pointer` checked bounds and alignment; any bytes make a valid `T` (`Plain`).
        unsafe { self.pointer::<T>(offset).read_volatile() }
    }

    /// A word that this process and others change at any time.
    pub fn word(&self, offset: u64) -> &AtomicU32 {
        assert!(self.writable, "an atomic word in a read-only mapping");
        // SAFETY: `pointer` checked bounds and alignment; the mapping outlives the reference that borrows it; everybody changes the
        // word by atomic operations only.
        unsafe { AtomicU32::from_ptr(self.pointer(offset)) }
    }

    /// Write what is already there, which gives a copy-on-write mapping its own copy of the page.
    pub fn own_page(&self, offset: u64) {
        assert!(self.writable, "write to a read-only mapping");
        let byte = self.at(offset, 1).as_ptr();
        // SAFETY: `at` checked that the byte lies in the mapping, which is writable. Volatile, so that the write is not dropped.
        unsafe { byte.write_volatile(byte.read_volatile()) }
    }

    /// Forget every page that a copy-on-write mapping owns: it reads as the file again.
    ///
    /// # Errors
    /// What `madvise` answers.
    pub fn forget(&self) -> io::Result<()> {
        // SAFETY: the range is exactly this mapping, and nobody holds references into it.
        check(unsafe { libc::madvise(self.start.as_ptr().cast(), self.bytes, libc::MADV_DONTNEED) }).map(drop)
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the range is exactly this mapping, made in `new` and unmapped only here.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.bytes) };
    }
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
