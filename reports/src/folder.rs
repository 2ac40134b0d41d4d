//! The folder of a run: five files, written whole or not at all, and read back so that a page can be made again.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::report::Report;
use crate::summary::Summary;
use crate::timeline::Timeline;
use crate::undisturbed::Undisturbed;
use crate::{hgrm, hlog, html};

/// The figures, for programs.
pub const SUMMARY: &str = "summary.json";
/// The page, for people.
pub const PAGE: &str = "report.html";
/// Every latency over time, for HdrHistogram's tools.
pub const HLOG: &str = "latency.hlog";
/// The latency distribution, for HdrHistogram's plotters.
pub const HGRM: &str = "latency.hgrm";
/// The fleet over time, for spreadsheets.
pub const TIMELINE: &str = "timeline.csv";

/// Why a folder could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// A file has the folder's name.
    #[error("{} is a file, not a folder: remove it, or choose another folder", .0.display())]
    NotAFolder(PathBuf),
    /// The folder cannot be made.
    #[error("cannot make the folder {}: {source}; {}", path.display(), remedy(source))]
    Make {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file cannot be written. The files that were there before are untouched.
    #[error("cannot write {}: {source}; {}", path.display(), remedy(source))]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file cannot be read.
    #[error("cannot read {}: {source}; give the folder that `warmpool run --out` wrote", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{} is damaged or of another version: {why}; run the scenario again with --out", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "the disk is full: free some space, or choose a folder on another disk"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "choose a folder that you may write to"
        }
        io::ErrorKind::NotADirectory => "a part of the path is a file: choose another folder",
        _ => "choose another folder with --out",
    }
}

/// Makes the folder, if need be, and finds out whether files can be written there: before a long run, not after it.
///
/// # Errors
/// Where the folder cannot be made, or nothing can be written into it.
pub fn prepare(folder: &Path) -> Result<(), FolderError> {
    let _batch = Batch::new(folder)?;
    let trial = temporary(folder).map(drop);
    trial.map_err(|source| FolderError::Write { path: folder.to_owned(), source })
}

/// Writes the five files of a run. They are all complete before the first one gets its name.
///
/// # Errors
/// Where the folder or a file cannot be written; then no file is half-written, and none is left behind.
pub fn write(folder: &Path, report: &Report) -> Result<(), FolderError> {
    let mut files = Batch::new(folder)?;
    files.add(SUMMARY, |file| file.write_all(report.summary.to_json().as_bytes()))?;
    files.add(TIMELINE, |file| report.timeline.write(file).map_err(io::Error::from))?;
    files.add(HLOG, |file| hlog::write(&report.latencies, &report.summary.name, file))?;
    files.add(HGRM, |file| hgrm::write(&report.latencies.served(), file))?;
    files.add(PAGE, |file| file.write_all(html::page(report).as_bytes()))?;
    files.name_all()
}

/// Writes the page again, from the other files of the folder.
///
/// # Errors
/// Those of [`read`] and [`write()`].
pub fn write_page_again(folder: &Path) -> Result<PathBuf, FolderError> {
    let report = read(folder)?;
    let mut files = Batch::new(folder)?;
    files.add(PAGE, |file| file.write_all(html::page(&report).as_bytes()))?;
    files.name_all()?;
    Ok(folder.join(PAGE))
}

/// Writes any one file into a folder, which is made if need be, whole or not at all.
///
/// # Errors
/// Where the folder or the file cannot be written.
pub fn write_file(folder: &Path, name: &str, content: &[u8]) -> Result<(), FolderError> {
    let mut files = Batch::new(folder)?;
    files.add(name, |file| file.write_all(content))?;
    files.name_all()
}

/// Reads the report of a run back from its folder.
///
/// # Errors
/// Where a file is missing, damaged or of another version.
pub fn read(folder: &Path) -> Result<Report, FolderError> {
    let read = |name: &str| {
        let path = folder.join(name);
        fs::read(&path).map_err(|source| FolderError::Read { path, source })
    };
    let content = |name: &str, why: String| FolderError::Content { path: folder.join(name), why };
    let bytes = read(SUMMARY)?;
    let damaged = |error: serde_json::Error| content(SUMMARY, error.to_string());
    let Layout { schema } = serde_json::from_slice(&bytes).map_err(damaged)?;
    if schema != crate::summary::SCHEMA {
        return Err(content(SUMMARY, format!("its schema is {schema}, not {}", crate::summary::SCHEMA)));
    }
    let summary: Summary = serde_json::from_slice(&bytes).map_err(damaged)?;
    let timeline =
        Timeline::read(read(TIMELINE)?.as_slice()).map_err(|error| content(TIMELINE, error.to_string()))?;
    let latencies = hlog::read(&read(HLOG)?).map_err(|error| content(HLOG, error.to_string()))?;
    Ok(Report { summary, timeline, latencies })
}

/// What a summary of any version says about itself.
#[derive(serde::Deserialize)]
struct Layout {
    schema: u32,
}

/// Files that get their names together. Until then they have temporary ones, and are removed if anything fails.
struct Batch<'a> {
    folder: &'a Path,
    files: Vec<(PathBuf, NamedTempFile)>,
    /// The last field: it is over when no file has a temporary name any more.
    _undisturbed: Undisturbed,
}

impl<'a> Batch<'a> {
    fn new(folder: &'a Path) -> Result<Self, FolderError> {
        if folder.is_file() {
            return Err(FolderError::NotAFolder(folder.to_owned()));
        }
        fs::create_dir_all(folder).map_err(|source| FolderError::Make { path: folder.to_owned(), source })?;
        Ok(Self { folder, files: Vec::new(), _undisturbed: Undisturbed::new() })
    }

    fn add(
        &mut self,
        name: &str,
        fill: impl FnOnce(&mut io::BufWriter<&mut NamedTempFile>) -> io::Result<()>,
    ) -> Result<(), FolderError> {
        let path = self.folder.join(name);
        let written = temporary(self.folder).and_then(|mut file| {
            let mut buffered = io::BufWriter::new(&mut file);
            fill(&mut buffered)?;
            buffered.flush()?;
            drop(buffered);
            file.as_file().sync_all()?;
            Ok(file)
        });
        let file = written.map_err(|source| FolderError::Write { path: path.clone(), source })?;
        self.files.push((path, file));
        Ok(())
    }

    fn name_all(self) -> Result<(), FolderError> {
        for (path, file) in self.files {
            file.persist(&path).map_err(|error| FolderError::Write { path, source: error.error })?;
        }
        Ok(())
    }
}

/// A temporary file beside its future name, with the rights of an ordinary new file.
fn temporary(folder: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".warmpool-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder)
}
