//! Which pages of a copy-on-write mapping were written: they are no longer the file's. Asks `PAGEMAP_SCAN`,
//! and reads the pagemap itself where the kernel has no such call. Changes nothing.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

const PAGE_BYTES: u64 = 4096;
const PAGE_IS_FILE: u64 = 1 << 2;
const PAGE_IS_PRESENT: u64 = 1 << 3;
const PAGE_IS_SWAPPED: u64 = 1 << 4;
/// `_IOWR('f', 16, struct pm_scan_arg)`
pub const PAGEMAP_SCAN: u64 = 0xc060_6610;
const REGIONS: usize = 256;

/// `struct page_region` of linux/fs.h.
#[derive(Clone, Copy, Default)]
#[repr(C)]
struct Region {
    start: u64,
    end: u64,
    categories: u64,
}

/// `struct pm_scan_arg` of linux/fs.h.
#[derive(Default)]
#[repr(C)]
struct ScanArg {
    size: u64,
    flags: u64,
    start: u64,
    end: u64,
    walk_end: u64,
    vec: u64,
    vec_len: u64,
    max_pages: u64,
    category_inverted: u64,
    category_mask: u64,
    category_anyof_mask: u64,
    return_mask: u64,
}

/// What answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    /// `ioctl(PAGEMAP_SCAN)`, Linux 6.7 and later: about 1 ms per 128 MiB.
    Scan,
    /// Reading one 8-byte entry per page.
    Entries,
}

/// This process's page map, open. Open it before the process gives up its file system.
#[derive(Debug)]
pub struct Pagemap {
    file: File,
    means: Means,
}

impl Pagemap {
    /// Open it and find out what the kernel offers.
    ///
    /// # Errors
    /// Where `/proc/self/pagemap` cannot be opened.
    pub fn open() -> io::Result<Self> {
        let mut map = Self { file: File::open("/proc/self/pagemap")?, means: Means::Scan };
        if map.scan(0, 0).is_err() {
            map.means = Means::Entries;
        }
        Ok(map)
    }

    /// What answers here.
    pub fn means(&self) -> Means {
        self.means
    }

    /// Use the slower way although the faster is there.
    pub fn without_scan(mut self) -> Self {
        self.means = Means::Entries;
        self
    }

    /// Offsets, in ascending order, of the pages in `bytes` from `address` that do not belong to the mapped
    /// file.
    ///
    /// # Errors
    /// What the kernel answers.
    pub fn written(&self, address: u64, bytes: u64) -> io::Result<Vec<u64>> {
        let mut pages = match self.means {
            Means::Scan => self.scan(address, address + bytes)?,
            Means::Entries => self.entries(address, bytes)?,
        };
        for page in &mut pages {
            *page -= address;
        }
        Ok(pages)
    }

    fn scan(&self, start: u64, end: u64) -> io::Result<Vec<u64>> {
        let mut pages = Vec::new();
        let mut regions = [Region::default(); REGIONS];
        let mut from = start;
        loop {
            let mut arg = ScanArg {
                size: size_of::<ScanArg>() as u64,
                start: from,
                end,
                vec: regions.as_mut_ptr() as u64,
                vec_len: REGIONS as u64,
                category_inverted: PAGE_IS_FILE,
                category_mask: PAGE_IS_FILE,
                category_anyof_mask: PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
                return_mask: PAGE_IS_PRESENT,
                ..ScanArg::default()
            };
            // SAFETY: `arg` and the regions that it points to live through the call; the kernel writes at
            // most `vec_len` regions.
            let found = unsafe { libc::ioctl(self.file.as_raw_fd(), PAGEMAP_SCAN as _, &mut arg) };
            let found = usize::try_from(found).map_err(|_| io::Error::last_os_error())?;
            for region in regions.iter().take(found) {
                pages.extend((region.start..region.end).step_by(PAGE_BYTES as usize));
            }
            if arg.walk_end >= end || arg.walk_end <= from && found == 0 {
                return Ok(pages);
            }
            from = arg.walk_end;
        }
    }

    fn entries(&self, address: u64, bytes: u64) -> io::Result<Vec<u64>> {
        const FILE_PAGE: u64 = 1 << 61;
        const SWAPPED: u64 = 1 << 62;
        const PRESENT: u64 = 1 << 63;
        let mut pages = Vec::new();
        let mut buffer = [0_u8; 8 * 512];
        let end = address + bytes;
        let mut at = address;
        while at < end {
            let count = ((end - at) / PAGE_BYTES).min(512) as usize;
            let entries = &mut buffer[..8 * count];
            self.file.read_exact_at(entries, at / PAGE_BYTES * 8)?;
            for (i, entry) in entries.chunks_exact(8).enumerate() {
                let entry = entry.first_chunk::<8>().map_or(0, |bytes| u64::from_ne_bytes(*bytes));
                if entry & (PRESENT | SWAPPED) != 0 && entry & FILE_PAGE == 0 {
                    pages.push(at + i as u64 * PAGE_BYTES);
                }
            }
            at += count as u64 * PAGE_BYTES;
        }
        Ok(pages)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::memory::{Mapping, Sharing, memory_file};

    #[test]
    fn both_ways_find_exactly_the_written_pages() {
        let bytes = 4 << 20;
        let file = memory_file(c"test", bytes).unwrap();
        let mapping = Mapping::new(&file, bytes as usize, Sharing::CopyOnWrite).unwrap();
        let mut byte = [0];
        mapping.read(8192, &mut byte);
        // More separate pages than one answer holds.
        let written: Vec<u64> = (0..600).map(|i| i * 4096).filter(|page| page % 8192 == 4096).collect();
        for &page in &written {
            mapping.own_page(page);
        }
        let map = Pagemap::open().unwrap();
        if map.means() == Means::Scan {
            assert_eq!(map.written(mapping.address(), bytes).unwrap(), written);
        } else {
            eprintln!("skipped in part: this kernel has no PAGEMAP_SCAN");
        }
        let map = map.without_scan();
        assert_eq!(map.written(mapping.address(), bytes).unwrap(), written);
    }
}
