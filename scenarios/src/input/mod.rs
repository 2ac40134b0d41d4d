//! The bytes of a trace, a list of samples or a histogram: plain, gzip or zstd. What else a file is, is told
//! by its first bytes, so that nobody has to guess from garbled text.

mod foreign;
mod zstd;

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::read::MultiGzDecoder;

pub(crate) use foreign::Foreign;
use zstd::ZstdDecoder;

/// The size of a read, in bytes.
const READ_BYTES: usize = 1 << 16;

/// Why a file cannot be read from.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InputError {
    /// It cannot be opened, or not read.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// It is not text.
    #[error("the file is {}", .0.name())]
    Foreign(Foreign),
}

/// A file that gives its bytes as they were before they were compressed.
pub(crate) struct Input {
    bytes: Box<dyn BufRead + Send>,
    read: Arc<AtomicU64>,
    total: u64,
}

/// Counts the bytes that are read.
struct Counted {
    inner: Box<dyn Read + Send>,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

impl Input {
    /// Opens a file.
    pub(crate) fn open(path: &Path) -> Result<Self, InputError> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(std::io::Error::other("it is a folder").into());
        }
        Self::new(Box::new(file), metadata.len())
    }

    /// Reads from anything that has so many bytes.
    pub(crate) fn new(inner: Box<dyn Read + Send>, total: u64) -> Result<Self, InputError> {
        let read = Arc::new(AtomicU64::new(0));
        let counted = Counted { inner, read: Arc::clone(&read) };
        let mut raw = BufReader::with_capacity(READ_BYTES, counted);
        let head = raw.fill_buf()?;
        let mut bytes: Box<dyn BufRead + Send> = if head.starts_with(&[0x1f, 0x8b]) {
            Box::new(BufReader::with_capacity(READ_BYTES, MultiGzDecoder::new(raw)))
        } else if zstd::is_frame(head) {
            Box::new(BufReader::with_capacity(READ_BYTES, ZstdDecoder::new(raw)))
        } else {
            Box::new(raw)
        };
        // A broken beginning is told when it is read, with its line.
        match bytes.fill_buf().ok().and_then(Foreign::of) {
            Some(foreign) => Err(InputError::Foreign(foreign)),
            None => Ok(Self { bytes, read, total }),
        }
    }

    /// Bytes read of the file as it lies on the disk, and all that it has.
    pub(crate) fn progress(&self) -> (u64, u64) {
        (self.read.load(Ordering::Relaxed), self.total)
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.bytes.read(buffer)
    }
}

impl BufRead for Input {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        self.bytes.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.bytes.consume(amount);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};
    use std::io::Write;

    fn read(bytes: Vec<u8>) -> Result<String, InputError> {
        let total = bytes.len() as u64;
        let mut input = Input::new(Box::new(std::io::Cursor::new(bytes)), total)?;
        let mut text = String::new();
        input.read_to_string(&mut text)?;
        assert_eq!(input.progress(), (total, total));
        Ok(text)
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).expect("in memory");
        encoder.finish().expect("in memory")
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        compress_to_vec(bytes, CompressionLevel::Fastest)
    }

    #[test]
    fn gzip_and_zstd_are_read_whole_in_any_number_of_parts() {
        assert_eq!(read(b"at\n1\n".to_vec()).expect("plain"), "at\n1\n");
        assert_eq!(read([gzip(b"at\n"), gzip(b"1\n")].concat()).expect("gzip"), "at\n1\n");
        let skipped = [&[0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"xyz"].concat();
        let parts = [skipped.clone(), zstd(b"at\n"), zstd(b"1\n"), skipped].concat();
        assert_eq!(read(parts).expect("zstd"), "at\n1\n");
        let long = "0123456789\n".repeat(200_000);
        assert!(read(zstd(long.as_bytes())).expect("zstd") == long);
    }

    #[test]
    fn what_is_cut_off_or_damaged_is_an_error_of_the_file() {
        for whole in [gzip(b"at\n1\n2\n3\n"), zstd(b"at\n1\n2\n3\n")] {
            let cut = whole[..whole.len() - 3].to_vec();
            let Err(InputError::Io(error)) = read(cut) else { panic!("cut off") };
            assert!(
                matches!(error.kind(), std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::InvalidData),
                "{error:?}"
            );
        }
        let mut damaged = zstd(b"at\n1\n2\n3\n");
        let last = damaged.len() - 1;
        damaged[last] ^= 1;
        let Err(InputError::Io(error)) = read(damaged) else { panic!("the checksum differs") };
        assert!(error.to_string().contains("checksum"), "{error}");
    }

    #[test]
    fn what_is_inside_is_told_as_well() {
        let mut tar = vec![0u8; 512];
        tar[257..262].copy_from_slice(b"ustar");
        assert!(matches!(read(gzip(&tar)), Err(InputError::Foreign(Foreign::Tar))));
        assert!(matches!(read(zstd(b"\xff\xfea\0t\0")), Err(InputError::Foreign(Foreign::Utf16))));
    }
}
