//! The folder of a profile: `profile.toml` and the histograms that it names. Written aside and then renamed,
//! so that it is there whole or not at all.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::IntervalLogWriterBuilder;
use scenarios::profile::FILE;

use super::Calibration;

/// The folder cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// There is something else under its name.
    #[error("{} holds something else than a host profile: remove it, or choose another folder", .0.display())]
    Taken(PathBuf),
    /// The system refuses.
    #[error("cannot write {}: {source}; choose another folder with --out", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A profile that TOML cannot hold.
    #[error("the profile cannot be written as TOML: {0}")]
    Toml(#[from] toml::ser::Error),
}

fn failed(path: &Path) -> impl Fn(io::Error) -> FolderError + '_ {
    |source| FolderError::Write { path: path.to_owned(), source }
}

/// Finds out whether a profile can be written there: before a minute of measuring, not after it.
///
/// # Errors
/// As [`write()`].
pub fn prepare(folder: &Path) -> Result<(), FolderError> {
    let empty = fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none());
    if folder.exists() && !empty && !folder.join(FILE).is_file() {
        return Err(FolderError::Taken(folder.to_owned()));
    }
    let aside = aside(folder)?;
    fs::remove_dir(&aside).map_err(failed(&aside))
}

/// Writes the profile. One that was there before is replaced.
///
/// # Errors
/// Where the folder cannot be written, or holds something else; what was there before is still there then.
pub fn write(folder: &Path, calibration: &Calibration) -> Result<(), FolderError> {
    prepare(folder)?;
    let aside = aside(folder)?;
    let written = fill(&aside, calibration).and_then(|()| put_in_place(&aside, folder));
    if written.is_err() {
        // What went wrong is told; whether this succeeds as well changes nothing.
        let _ = fs::remove_dir_all(&aside);
    }
    written
}

/// A new folder beside the one to be.
fn aside(folder: &Path) -> Result<PathBuf, FolderError> {
    let parent = match folder.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let aside = parent.join(format!(".{name}.{}", std::process::id()));
    fs::create_dir_all(&aside).map_err(failed(&aside))?;
    Ok(aside)
}

fn put_in_place(aside: &Path, folder: &Path) -> Result<(), FolderError> {
    let before = aside.with_extension("before");
    if folder.exists() {
        fs::rename(folder, &before).map_err(failed(folder))?;
    }
    fs::rename(aside, folder).map_err(failed(folder))?;
    if before.exists() {
        fs::remove_dir_all(&before).map_err(failed(&before))?;
    }
    Ok(())
}

fn fill(folder: &Path, calibration: &Calibration) -> Result<(), FolderError> {
    for (name, title, values) in calibration.figures.files() {
        let path = folder.join(name);
        let bytes = log_of(&title, values).map_err(failed(&path))?;
        write_synced(&path, &bytes)?;
    }
    let text = text_of(calibration)?;
    write_synced(&folder.join(FILE), text.as_bytes())
}

fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), FolderError> {
    let written = fs::File::create(path).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.map_err(failed(path))
}

fn text_of(calibration: &Calibration) -> Result<String, FolderError> {
    let head = "\
# A host, as `warmpool calibrate` has measured it. `warmpool run FILE --host` with this file or its folder lays [latency] and
# [timer] over those of a scenario; the rest is there to be read. A list holds one distribution for each number of boots
# (of stops: stops) under way when one begins, from none; the last holds beyond.

";
    Ok(head.to_owned() + &toml::to_string(&calibration.profile)?)
}

/// One histogram as an interval log of one interval, in nanoseconds.
fn log_of(title: &str, values: &Histogram<u64>) -> io::Result<Vec<u8>> {
    let (mut bytes, mut serializer) = (Vec::new(), V2DeflateSerializer::new());
    let mut log = IntervalLogWriterBuilder::new()
        .add_comment(&format!("{title}, in nanoseconds"))
        .add_comment("[Histogram log format version 1.3]")
        .with_start_time(UNIX_EPOCH)
        .with_max_value_divisor(1e6)
        .begin_log_with(&mut bytes, &mut serializer)?;
    log.write_histogram(values, Duration::ZERO, Duration::from_secs(1), None).map_err(io::Error::other)?;
    drop(log);
    Ok(bytes)
}

/// This moment in UTC, as in `2026-01-05T08:00:00Z`.
pub(super) fn now() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    scenarios::profile::utc(seconds)
}
