//! Where a host writes down what its actors decide: a folder for each run, numbered, with a bound on all of
//! them together. Writes nothing itself.
//!
//! ```text
//!   DATA/journal/run-000007/deliveries.journal, deliveries.journal.2, ...
//! ```

use std::io;
use std::path::{Path, PathBuf};

use runtime::JournalPaths;

/// The folder in the data folder.
const FOLDER: &str = "journal";
/// What the folders of runs begin with.
const RUN: &str = "run-";
/// The journal in the folder of a run.
const DELIVERIES: &str = "deliveries.journal";

/// Makes the folder of the next run, and removes the oldest runs where all of them together take more than
/// half of the bound. The other half is for the new run.
///
/// # Errors
/// What the file system answers.
pub(crate) fn begin_run(data: &Path, scenario: String, bytes_max: u64) -> io::Result<JournalPaths> {
    let folder = data.join(FOLDER);
    std::fs::create_dir_all(&folder)?;
    let mut runs = Vec::new();
    for entry in std::fs::read_dir(&folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if let Some(number) = name.to_str().and_then(|name| name.strip_prefix(RUN)?.parse::<u64>().ok()) {
            runs.push((number, entry.path(), bytes_of(&entry.path())?));
        }
    }
    runs.sort();
    let next = runs.last().map_or(1, |(number, ..)| number + 1);
    let mut bytes: u64 = runs.iter().map(|(.., bytes)| bytes).sum();
    for (_, path, size) in runs {
        if bytes <= bytes_max / 2 {
            break;
        }
        std::fs::remove_dir_all(path)?;
        bytes -= size;
    }
    let run = folder.join(format!("{RUN}{next:06}"));
    std::fs::create_dir(&run)?;
    Ok(JournalPaths {
        deliveries: Some(run.join(DELIVERIES)),
        arrivals: None,
        scenario,
        bytes_max: Some(bytes_max / 2),
    })
}

fn bytes_of(folder: &Path) -> io::Result<u64> {
    let files: io::Result<Vec<PathBuf>> =
        std::fs::read_dir(folder)?.map(|file| file.map(|file| file.path())).collect();
    files?.iter().map(|file| Ok(std::fs::metadata(file)?.len())).sum()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn runs_are_numbered_on_and_the_oldest_leave_at_the_bound() {
        let data = tempfile::tempdir().unwrap();
        let begin = || begin_run(data.path(), String::new(), 1_000).unwrap().deliveries.unwrap();
        for number in 1..=4 {
            let path = begin();
            assert!(path.ends_with(format!("run-{number:06}/{DELIVERIES}")), "{}", path.display());
            std::fs::write(path, [0; 200]).unwrap();
        }
        begin();
        let left = std::fs::read_dir(data.path().join(FOLDER)).unwrap();
        let mut left: Vec<_> = left.map(|run| run.unwrap().file_name().into_string().unwrap()).collect();
        left.sort();
        assert_eq!(left, ["run-000003", "run-000004", "run-000005"]);
    }
}
