//! The folder of a run, a comparison, a twin or a spread: files that are written whole or not at all, that
//! say which run they belong to, and that are read back so that a page can be made again.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::compare::{Comparison, letter};
use crate::identity::{Identity, hash};
use crate::report::Report;
use crate::seed_table::SeedTable;
use crate::spread::Spread;
use crate::summary::Summary;
use crate::timeline::Timeline;
use crate::twin::Twin;
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

/// Several variants side by side, for programs; the runs of its first seed lie in folders A, B, and so on.
pub const COMPARISON: &str = "comparison.json";
/// The page of a comparison.
pub const COMPARISON_PAGE: &str = "comparison.html";
/// A simulation beside real runs, for programs; the runs lie in folders.
pub const TWIN: &str = "twin.json";
/// The page of a twin.
pub const TWIN_PAGE: &str = "twin.html";
/// How far figures spread over seeds, for programs.
pub const SPREAD: &str = "spread.json";
/// The page of a spread.
pub const SPREAD_PAGE: &str = "spread.html";
/// Every seed's figures, for spreadsheets.
pub const SEEDS: &str = "seeds.csv";

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
    /// A file is not the one that was written with the others.
    #[error("{} is not of the run of {whole}, or was changed; run the scenario again with --out", path.display())]
    OtherRun {
        /// The file.
        path: PathBuf,
        /// The file that lists the others.
        whole: &'static str,
    },
    /// The folder holds the files of another run.
    #[error("{} holds another run: {holds}; choose another folder, or replace it with --force", path.display())]
    Taken {
        /// The folder.
        path: PathBuf,
        /// What it holds.
        holds: String,
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

/// Makes the folder, if need be, and finds out whether files can be written there: before a long run, not
/// after it.
///
/// # Errors
/// Where the folder cannot be made, or nothing can be written into it.
pub fn prepare(folder: &Path) -> Result<(), FolderError> {
    let _batch = Batch::new(folder)?;
    let trial = temporary(folder).map(drop);
    trial.map_err(|source| FolderError::Write { path: folder.to_owned(), source })
}

/// Finds out whether the folder may be written: whether it holds no other run than this one.
///
/// # Errors
/// Where it holds another run, or files of one that cannot be told.
pub fn is_free_for(folder: &Path, run: &str) -> Result<(), FolderError> {
    let taken = |holds: String| Err(FolderError::Taken { path: folder.to_owned(), holds });
    for name in [SPREAD, COMPARISON, TWIN, SUMMARY] {
        let Ok(bytes) = fs::read(folder.join(name)) else { continue };
        return match serde_json::from_slice::<Whole>(&bytes) {
            Ok(whole) if whole.identity.run == run => Ok(()),
            Ok(whole) => {
                let seed = whole.seed.map_or_else(String::new, |seed| format!(", seed {seed}"));
                taken(format!("{}{seed} ({name})", whole.name.or(whole.scenario).unwrap_or_default()))
            }
            Err(_) => taken(format!("its {name} is damaged or of another version")),
        };
    }
    match ALL.iter().find(|name| folder.join(name).exists()) {
        Some(name) => taken(format!("its {name} belongs to none that can be told")),
        None => Ok(()),
    }
}

/// Every file that is written.
const ALL: [&str; 12] = [
    SUMMARY,
    PAGE,
    HLOG,
    HGRM,
    TIMELINE,
    COMPARISON,
    COMPARISON_PAGE,
    TWIN,
    TWIN_PAGE,
    SPREAD,
    SPREAD_PAGE,
    SEEDS,
];

/// Removes the files of the run that the folder holds. Files that this program does not write stay.
///
/// # Errors
/// Where one cannot be removed.
pub fn clear(folder: &Path) -> Result<(), FolderError> {
    for name in ALL {
        let path = folder.join(name);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound && folder.is_dir() => {
                return Err(FolderError::Write { path, source });
            }
            _ => {}
        }
    }
    Ok(())
}

/// Writes the five files of a run. They are all complete before the first one gets its name.
///
/// # Errors
/// Where the folder or a file cannot be written; then no file is half-written, and none is left behind.
pub fn write(folder: &Path, report: &Report) -> Result<(), FolderError> {
    let mut files = Batch::new(folder)?;
    files.add_run(report)?;
    files.name_all()
}

/// Writes the first run of several seeds, and how far all of them spread.
///
/// # Errors
/// Where the folder or a file cannot be written.
pub fn write_spread(
    folder: &Path,
    first: &Report,
    spread: &Spread,
    seeds: &SeedTable,
) -> Result<(), FolderError> {
    let mut files = Batch::new(folder)?;
    files.add_run(first)?;
    files.add(SEEDS, |file| seeds.write(file).map_err(io::Error::from))?;
    let mut spread = spread.clone();
    spread.identity.parts = files.hashes(&[SEEDS, SUMMARY]);
    files.add(SPREAD, |file| write_json(file, &spread))?;
    files.add(SPREAD_PAGE, |file| file.write_all(html::spread_page(&spread, seeds).as_bytes()))?;
    files.name_all()
}

/// Writes a comparison, and the first run of each variant into a folder of its letter.
///
/// # Errors
/// Where a folder or a file cannot be written.
pub fn write_comparison(
    folder: &Path,
    comparison: &Comparison,
    reports: &[&Report],
) -> Result<(), FolderError> {
    let mut comparison = comparison.clone();
    let letters: Vec<String> = (0..reports.len()).map(letter).collect();
    comparison.identity.parts = write_runs(folder, &letters, reports)?;
    let mut files = Batch::new(folder)?;
    files.add(COMPARISON, |file| write_json(file, &comparison))?;
    let page = html::comparison_page(&comparison, reports);
    files.add(COMPARISON_PAGE, |file| file.write_all(page.as_bytes()))?;
    files.name_all()
}

/// Writes a twin, and its runs into folders: `simulated`, `real-1`, `real-2`, and so on.
///
/// # Errors
/// Where a folder or a file cannot be written.
pub fn write_twin(
    folder: &Path,
    twin: &Twin,
    simulated: &Report,
    reals: &[Report],
) -> Result<(), FolderError> {
    let mut twin = twin.clone();
    let reports: Vec<&Report> = std::iter::once(simulated).chain(reals).collect();
    twin.identity.parts = write_runs(folder, &twin_folders(reals.len()), &reports)?;
    let mut files = Batch::new(folder)?;
    files.add(TWIN, |file| write_json(file, &twin))?;
    let page = html::twin_page(&twin, simulated, reals);
    files.add(TWIN_PAGE, |file| file.write_all(page.as_bytes()))?;
    files.name_all()
}

fn twin_folders(reals: usize) -> Vec<String> {
    std::iter::once("simulated".to_owned()).chain((1..=reals).map(|real| format!("real-{real}"))).collect()
}

/// Writes each run into its folder. Gives the hashes of their summaries, which have those of their other
/// files.
fn write_runs(
    folder: &Path,
    names: &[String],
    reports: &[&Report],
) -> Result<BTreeMap<String, String>, FolderError> {
    let mut parts = BTreeMap::new();
    for (name, report) in names.iter().zip(reports) {
        let inside = folder.join(name);
        let mut files = Batch::new(&inside)?;
        files.add_run(report)?;
        for (file, hash) in files.hashes(&[SUMMARY]) {
            parts.insert(format!("{name}/{file}"), hash);
        }
        files.name_all()?;
    }
    Ok(parts)
}

/// Writes the pages of a folder again, from its other files. Gives the pages.
///
/// # Errors
/// Those of [`read`] and [`write()`], and where files are of different runs.
pub fn write_pages_again(folder: &Path) -> Result<Vec<PathBuf>, FolderError> {
    let mut pages: Vec<(&str, String)> = Vec::new();
    if folder.join(COMPARISON).exists() {
        let comparison: Comparison = read_json(folder, COMPARISON)?;
        let letters: Vec<String> = (0..comparison.variants.len()).map(letter).collect();
        let reports = read_runs(folder, COMPARISON, &comparison.identity, &letters)?;
        let reports: Vec<&Report> = reports.iter().collect();
        pages.push((COMPARISON_PAGE, html::comparison_page(&comparison, &reports)));
    }
    if folder.join(TWIN).exists() {
        let twin: Twin = read_json(folder, TWIN)?;
        let mut reports =
            read_runs(folder, TWIN, &twin.identity, &twin_folders(twin.real_runs as usize))?.into_iter();
        if let Some(simulated) = reports.next() {
            let reals: Vec<Report> = reports.collect();
            pages.push((TWIN_PAGE, html::twin_page(&twin, &simulated, &reals)));
        }
    }
    if folder.join(SPREAD).exists() {
        let spread: Spread = read_json(folder, SPREAD)?;
        let table = read_part(folder, SEEDS, SPREAD, &spread.identity)?;
        let seeds =
            SeedTable::read(&table).map_err(|why| FolderError::Content { path: folder.join(SEEDS), why })?;
        read_part(folder, SUMMARY, SPREAD, &spread.identity)?;
        pages.push((SPREAD_PAGE, html::spread_page(&spread, &seeds)));
    }
    if pages.is_empty() || folder.join(SUMMARY).exists() {
        pages.push((PAGE, html::page(&read(folder)?)));
    }
    let mut files = Batch::new(folder)?;
    for (name, page) in &pages {
        files.add(name, |file| file.write_all(page.as_bytes()))?;
    }
    files.name_all()?;
    Ok(pages.iter().map(|(name, _)| folder.join(name)).collect())
}

fn read_runs(
    folder: &Path,
    whole: &'static str,
    identity: &Identity,
    names: &[String],
) -> Result<Vec<Report>, FolderError> {
    let read_one = |name: &String| {
        read_part(folder, &format!("{name}/{SUMMARY}"), whole, identity)?;
        read(&folder.join(name))
    };
    names.iter().map(read_one).collect()
}

/// Reads a file that must be the one that was written with the whole.
fn read_part(
    folder: &Path,
    name: &str,
    whole: &'static str,
    identity: &Identity,
) -> Result<Vec<u8>, FolderError> {
    let bytes = read_bytes(folder, name)?;
    match identity.parts.get(name) {
        Some(known) if *known == hash(&bytes) => Ok(bytes),
        _ => Err(FolderError::OtherRun { path: folder.join(name), whole }),
    }
}

fn read_bytes(folder: &Path, name: &str) -> Result<Vec<u8>, FolderError> {
    let path = folder.join(name);
    fs::read(&path).map_err(|source| FolderError::Read { path, source })
}

fn read_json<T: serde::de::DeserializeOwned>(folder: &Path, name: &str) -> Result<T, FolderError> {
    let content =
        |error: serde_json::Error| FolderError::Content { path: folder.join(name), why: error.to_string() };
    serde_json::from_slice(&read_bytes(folder, name)?).map_err(content)
}

fn write_json(file: &mut impl io::Write, value: &impl serde::Serialize) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *file, value)?;
    file.write_all(b"\n")
}

/// What any of the files says that lists others.
#[derive(serde::Deserialize)]
struct Whole {
    name: Option<String>,
    scenario: Option<String>,
    seed: Option<u64>,
    identity: Identity,
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
    let content = |name: &str, why: String| FolderError::Content { path: folder.join(name), why };
    let bytes = read_bytes(folder, SUMMARY)?;
    let damaged = |error: serde_json::Error| content(SUMMARY, error.to_string());
    let Layout { schema } = serde_json::from_slice(&bytes).map_err(damaged)?;
    if schema != crate::summary::SCHEMA {
        return Err(content(SUMMARY, format!("its schema is {schema}, not {}", crate::summary::SCHEMA)));
    }
    let mut summary: Summary = serde_json::from_slice(&bytes).map_err(damaged)?;
    let part = |name: &str| read_part(folder, name, SUMMARY, &summary.identity);
    let timeline =
        Timeline::read(part(TIMELINE)?.as_slice()).map_err(|error| content(TIMELINE, error.to_string()))?;
    let latencies = hlog::read(&part(HLOG)?).map_err(|error| content(HLOG, error.to_string()))?;
    summary.identity.parts.clear();
    Ok(Report { summary, timeline, latencies })
}

/// What a summary of any version says about itself.
#[derive(serde::Deserialize)]
struct Layout {
    schema: u32,
}

/// Files that get their names together. Until then they have temporary ones, and are removed if anything
/// fails.
struct Batch<'a> {
    folder: &'a Path,
    files: Vec<(PathBuf, NamedTempFile)>,
    hashes: BTreeMap<String, String>,
    /// The last field: it is over when no file has a temporary name any more.
    _undisturbed: Undisturbed,
}

impl<'a> Batch<'a> {
    fn new(folder: &'a Path) -> Result<Self, FolderError> {
        if folder.is_file() {
            return Err(FolderError::NotAFolder(folder.to_owned()));
        }
        fs::create_dir_all(folder).map_err(|source| FolderError::Make { path: folder.to_owned(), source })?;
        Ok(Self { folder, files: Vec::new(), hashes: BTreeMap::new(), _undisturbed: Undisturbed::new() })
    }

    /// Adds the five files of a run. The page is made of what the others say, so it is no part that is
    /// hashed.
    fn add_run(&mut self, report: &Report) -> Result<(), FolderError> {
        self.add(TIMELINE, |file| report.timeline.write(file).map_err(io::Error::from))?;
        self.add(HLOG, |file| hlog::write(&report.latencies, &report.summary.name, file))?;
        self.add(HGRM, |file| hgrm::write(&report.latencies.served(), file))?;
        let mut summary = report.summary.clone();
        summary.identity.parts = self.hashes(&[TIMELINE, HLOG, HGRM]);
        self.add(SUMMARY, |file| file.write_all(summary.to_json().as_bytes()))?;
        self.add(PAGE, |file| file.write_all(html::page(report).as_bytes()))
    }

    /// Adds a file that is filled in memory first, so that its hash is known.
    fn add(
        &mut self,
        name: &str,
        fill: impl FnOnce(&mut Vec<u8>) -> io::Result<()>,
    ) -> Result<(), FolderError> {
        let path = self.folder.join(name);
        let mut content = Vec::new();
        let written = fill(&mut content).and_then(|()| temporary(self.folder)).and_then(|mut file| {
            file.write_all(&content)?;
            file.as_file().sync_all()?;
            Ok(file)
        });
        let file = written.map_err(|source| FolderError::Write { path: path.clone(), source })?;
        self.hashes.insert(name.to_owned(), hash(&content));
        self.files.push((path, file));
        Ok(())
    }

    /// The hashes of files that were added.
    fn hashes(&self, names: &[&str]) -> BTreeMap<String, String> {
        let known = |name: &&str| Some(((*name).to_owned(), self.hashes.get(*name)?.clone()));
        names.iter().filter_map(known).collect()
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
