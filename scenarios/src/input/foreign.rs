//! What a file is that is not text, told by its first bytes.

/// A file that must become text before it can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Foreign {
    Xz,
    Bzip2,
    Zip,
    Lz4,
    SevenZip,
    Compress,
    Snappy,
    Brotli,
    Tar,
    Utf16,
    Parquet,
    Avro,
    Arrow,
    Sqlite,
    Binary,
}

/// Where which bytes stand in what.
const MARKS: [(usize, &[u8], Foreign); 14] = [
    (0, b"\xfd7zXZ\0", Foreign::Xz),
    (0, b"BZh", Foreign::Bzip2),
    (0, b"PK\x03\x04", Foreign::Zip),
    (0, b"PK\x05\x06", Foreign::Zip),
    (0, b"\x04\x22\x4d\x18", Foreign::Lz4),
    (0, b"7z\xbc\xaf\x27\x1c", Foreign::SevenZip),
    (0, b"\x1f\x9d", Foreign::Compress),
    (0, b"\xff\x06\0\0sNaPpY", Foreign::Snappy),
    (0, b"\xce\xb2\xcf\x81", Foreign::Brotli),
    (257, b"ustar", Foreign::Tar),
    (0, b"PAR1", Foreign::Parquet),
    (0, b"Obj\x01", Foreign::Avro),
    (0, b"ARROW1", Foreign::Arrow),
    (0, b"SQLite format 3\0", Foreign::Sqlite),
];

/// How many bytes are looked at for what no text has.
const LOOK_BYTES: usize = 512;
/// How many zero bytes among them no text has.
const ZEROS_MIN: usize = 8;

impl Foreign {
    /// What a file is that begins like this; `None` for text.
    pub(crate) fn of(head: &[u8]) -> Option<Self> {
        let mark =
            MARKS.iter().find(|(at, mark, _)| head.get(*at..).is_some_and(|rest| rest.starts_with(mark)));
        if let Some((_, _, foreign)) = mark {
            return Some(*foreign);
        }
        if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
            return Some(Self::Utf16);
        }
        let head = &head[..head.len().min(LOOK_BYTES)];
        let zeros = |first: usize| head.iter().skip(first).step_by(2).filter(|byte| **byte == 0).count();
        match (zeros(0), zeros(1)) {
            (0, 0) => None,
            // Every second byte of plain letters in UTF-16 is zero.
            (0, zeros) | (zeros, 0) if zeros >= 2 && zeros * 4 >= head.len() => Some(Self::Utf16),
            // A zero byte or two are damage, which has a line.
            (even, odd) if even + odd >= ZEROS_MIN => Some(Self::Binary),
            _ => None,
        }
    }

    /// What people call it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Xz => "compressed with xz",
            Self::Bzip2 => "compressed with bzip2",
            Self::Zip => "a zip archive",
            Self::Lz4 => "compressed with lz4",
            Self::SevenZip => "a 7z archive",
            Self::Compress => "compressed with compress (.Z)",
            Self::Snappy => "compressed with snappy",
            Self::Brotli => "compressed with brotli",
            Self::Tar => "a tar archive",
            Self::Utf16 => "text in UTF-16",
            Self::Parquet => "a Parquet file",
            Self::Avro => "an Avro file",
            Self::Arrow => "an Arrow file",
            Self::Sqlite => "an SQLite database",
            Self::Binary => "binary, not text",
        }
    }

    /// How it becomes text.
    pub(crate) const fn remedy(self) -> &'static str {
        match self {
            Self::Xz => "decompress it with `xz -dk FILE`; gzip and zstd are read as they are",
            Self::Bzip2 => "decompress it with `bzip2 -dk FILE`; gzip and zstd are read as they are",
            Self::Zip => "take the file out of it with `unzip FILE`, or save a spreadsheet as CSV",
            Self::Lz4 => "decompress it with `lz4 -dk FILE`; gzip and zstd are read as they are",
            Self::SevenZip => "take the file out of it with `7z x FILE`",
            Self::Compress => "decompress it with `gzip -dk FILE`; gzip and zstd are read as they are",
            Self::Snappy | Self::Brotli => "decompress it; gzip and zstd are read as they are",
            Self::Tar => "take the file out of it with `tar -xf FILE`",
            Self::Utf16 => "convert it with `iconv -f UTF-16 -t UTF-8 FILE`",
            Self::Parquet | Self::Avro | Self::Arrow | Self::Sqlite => "export it as CSV or as JSON lines",
            Self::Binary => {
                "give text: CSV, JSON lines, an HdrHistogram log or numbers, plain or in gzip or zstd"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_by_their_first_bytes() {
        for (at, mark, foreign) in MARKS {
            let head = [vec![b'x'; at], mark.to_vec(), b"more".to_vec()].concat();
            assert_eq!(Foreign::of(&head), Some(foreign), "{foreign:?}");
        }
        assert_eq!(Foreign::of(b"\xff\xfea\0t\0\n\0"), Some(Foreign::Utf16));
        assert_eq!(Foreign::of(b"\xfe\xff\0a\0t\0\n"), Some(Foreign::Utf16));
        assert_eq!(Foreign::of(b"a\0t\0\n\0"), Some(Foreign::Utf16));
        assert_eq!(Foreign::of(b"\0a\0t\0\n"), Some(Foreign::Utf16));
        assert_eq!(Foreign::of(b"\x7f\x45\x4c\x46\x02\x01\x01\0\0\0\0\0\0\0\0\0"), Some(Foreign::Binary));
    }

    #[test]
    fn text_is_text() {
        for text in ["", "at\n1\n", "\u{feff}at\n", "Zeit;Schlüssel\n", "BZ,h\n", "{\"at\":1}"] {
            assert_eq!(Foreign::of(text.as_bytes()), None, "{text}");
        }
        assert_eq!(Foreign::of(b"name\nM\xfcller\n"), None, "Latin-1 is refused where it is used");
    }
}
