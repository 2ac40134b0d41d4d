//! The lines of a file with their numbers. No line may be longer than a bound, so that a file that is
//! no trace at all does not fill the memory.

use std::fmt;
use std::io::{BufRead, Read};
use std::path::Path;

use crate::demand::{DemandError, Progress};
use crate::input::{Input, InputError};

/// The longest line, in bytes.
const LINE_BYTES_MAX: usize = 1 << 20;

/// Reads a file line by line.
pub(super) struct Lines {
    input: Input,
    /// The file, as errors name it.
    pub(super) path: String,
    /// What lines begin with that are left out; nothing for none.
    comment: Vec<u8>,
    line: Vec<u8>,
    number: u64,
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines")
            .field("path", &self.path)
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

impl Lines {
    /// Opens a file. Lines that begin with `comment` are left out.
    pub(super) fn open(path: &Path, comment: Option<&str>) -> Result<Self, DemandError> {
        let name = path.display().to_string();
        let input = Input::open(path).map_err(|error| match error {
            InputError::Io(source) => DemandError::Open { path: name.clone(), source },
            InputError::Foreign(foreign) => {
                DemandError::Foreign { path: name.clone(), what: foreign.name(), remedy: foreign.remedy() }
            }
        })?;
        Ok(Self::new(input, name, comment))
    }

    fn new(input: Input, path: String, comment: Option<&str>) -> Self {
        let comment = comment.unwrap_or_default().as_bytes().to_vec();
        Self { input, path, comment, line: Vec::new(), number: 0 }
    }

    /// Goes on to the next line that is not empty; says whether there is one.
    pub(super) fn advance(&mut self) -> Result<bool, DemandError> {
        loop {
            self.number += 1;
            self.line.clear();
            let limit = LINE_BYTES_MAX as u64 + 1;
            let read = (&mut self.input).take(limit).read_until(b'\n', &mut self.line);
            if let Err(source) = read {
                return Err(DemandError::Read { path: self.path.clone(), line: self.number, source });
            }
            if self.line.is_empty() {
                return Ok(false);
            }
            if self.line.len() > LINE_BYTES_MAX {
                let message = format!("this line is longer than {} KiB", LINE_BYTES_MAX >> 10);
                return Err(self.fault(message, "check that the file is a trace: one request a line"));
            }
            if self.number == 1 && self.line.starts_with(b"\xef\xbb\xbf") {
                self.line.drain(..3);
            }
            while self.line.last().is_some_and(u8::is_ascii_whitespace) {
                self.line.pop();
            }
            let is_comment = !self.comment.is_empty() && self.line.starts_with(&self.comment);
            if !self.line.is_empty() && !is_comment {
                return Ok(true);
            }
        }
    }

    /// The current line, without its end.
    pub(super) fn line(&self) -> &[u8] {
        &self.line
    }

    /// The number of the current line, counted from one.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// An error about the current line.
    pub(super) fn fault(&self, message: impl Into<String>, remedy: impl Into<String>) -> DemandError {
        let (message, remedy) = (message.into(), remedy.into());
        DemandError::Row { path: self.path.clone(), line: self.number, message, remedy }
    }

    /// How much of the file has been read.
    pub(super) fn progress(&self) -> Progress {
        let (read, total) = self.input.progress();
        Progress { read, total }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;

    fn all(bytes: &[u8]) -> Result<Vec<(u64, String)>, DemandError> {
        let bytes = bytes.to_vec();
        let total = bytes.len() as u64;
        let input = Input::new(Box::new(std::io::Cursor::new(bytes)), total).expect("text");
        let mut lines = Lines::new(input, "t".to_owned(), Some("//"));
        let mut all = Vec::new();
        while lines.advance()? {
            all.push((lines.number(), String::from_utf8_lossy(lines.line()).into_owned()));
        }
        assert_eq!(lines.progress(), Progress { read: total, total });
        Ok(all)
    }

    #[test]
    fn lines_have_their_numbers_whatever_ends_them() {
        let expected = vec![(1, "a".to_owned()), (3, "b".to_owned()), (5, "c".to_owned())];
        assert_eq!(all(b"\xef\xbb\xbfa\r\n\r\nb\n//x\nc").expect("lines"), expected);
        assert_eq!(all(b"").expect("no lines"), []);
    }

    #[test]
    fn gzip_is_told_by_its_first_bytes_and_may_have_several_members() {
        let mut bytes = Vec::new();
        for part in ["a\nb", "c\nd\n"] {
            let mut encoder = GzEncoder::new(&mut bytes, Compression::fast());
            encoder.write_all(part.as_bytes()).expect("in memory");
            encoder.finish().expect("in memory");
        }
        let lines: Vec<String> = all(&bytes).expect("lines").into_iter().map(|(_, line)| line).collect();
        assert_eq!(lines, ["a", "bc", "d"]);
        bytes.truncate(bytes.len() - 4);
        let error = all(&bytes).expect_err("cut off");
        assert!(error.to_string().contains("gzip -t") && !error.is_host_fault(), "{error}");
    }

    #[test]
    fn endless_lines_are_refused() {
        let error = all(&vec![b'x'; 2 << 20]).expect_err("too long");
        assert_eq!(error.line(), Some(1));
    }
}
