//! Where a journal goes: a file, or a row of files with a bound on all of them together. What cannot be
//! written is counted and cut off, so that what is there is always whole.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A bounded journal is kept in so many files; the oldest is removed for the next.
const SEGMENTS_MAX: u32 = 8;

/// The file of a journal with this number: the first has the journal's own name, the others add their number.
pub fn segment(path: &Path, number: u32) -> PathBuf {
    if number <= 1 {
        return path.to_owned();
    }
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

/// See the [module](self).
pub(super) struct Sink {
    path: PathBuf,
    file: File,
    /// Which segment is written.
    number: u32,
    /// The oldest that is there.
    first: u32,
    /// Bytes in the segment, all of them whole lines.
    whole: u64,
    segment_bytes: u64,
}

impl Sink {
    /// Makes the first file.
    pub(super) fn create(path: &Path, bytes_max: Option<u64>) -> io::Result<Self> {
        let segment_bytes = bytes_max.map_or(u64::MAX, |bytes| bytes / u64::from(SEGMENTS_MAX));
        let file = File::create(path)?;
        Ok(Self { path: path.to_owned(), file, number: 1, first: 1, whole: 0, segment_bytes })
    }

    /// Appends whole lines, all or none of them.
    pub(super) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.whole > 0 && self.whole.saturating_add(bytes.len() as u64) > self.segment_bytes {
            self.begin_next()?;
        }
        match self.file.write_all(bytes) {
            Ok(()) => {
                self.whole += bytes.len() as u64;
                Ok(())
            }
            Err(error) => {
                // A device has no length, and keeps nothing.
                if let Err(cut) = self.cut() {
                    return Err(io::Error::new(error.kind(), format!("{error}; and then {cut}")));
                }
                Err(error)
            }
        }
    }

    /// Takes back what was written of a line.
    fn cut(&mut self) -> io::Result<()> {
        use std::io::{Seek, SeekFrom};
        if !self.file.metadata()?.is_file() {
            return Ok(());
        }
        self.file.set_len(self.whole)?;
        self.file.seek(SeekFrom::Start(self.whole)).map(drop)
    }

    fn begin_next(&mut self) -> io::Result<()> {
        let next = segment(&self.path, self.number + 1);
        self.file = OpenOptions::new().write(true).create(true).truncate(true).open(next)?;
        (self.number, self.whole) = (self.number + 1, 0);
        if self.number - self.first >= SEGMENTS_MAX {
            let oldest = segment(&self.path, self.first);
            self.first += 1;
            // One that is gone already is what was wanted.
            match std::fs::remove_file(oldest) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bounded_journal_keeps_its_newest_whole_lines() {
        let folder = tempfile::tempdir().expect("there is room");
        let path = folder.path().join("journal");
        let mut sink = Sink::create(&path, Some(8 * 100)).expect("there is room");
        for number in 0..200_u32 {
            sink.append(format!("{number:09}\n").as_bytes()).expect("there is room");
        }
        let files = std::fs::read_dir(folder.path()).expect("it is there").count();
        assert_eq!(files, SEGMENTS_MAX as usize);
        let newest: String = (13..=20)
            .map(|number| std::fs::read_to_string(segment(&path, number)).expect("it is there"))
            .collect();
        let expected: String = (120..200).map(|number| format!("{number:09}\n")).collect();
        assert_eq!(newest, expected);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_a_full_disk_does_not_take_is_told_and_written_as_nothing() {
        let mut sink = Sink::create(Path::new("/dev/full"), None).expect("it is there");
        let error = sink.append(b"line\n").expect_err("it is full");
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!(sink.whole, 0);
    }
}
