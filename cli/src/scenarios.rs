//! `warmpool scenarios`: what there is to run, a line each.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use scenarios::scenario::about;

use crate::exit::{self, Failure};
use crate::{Ended, say};

/// List the scenario files of a folder, with one line each
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder
    #[arg(default_value = "scenarios")]
    folder: PathBuf,
}

/// Runs the verb.
pub(crate) fn scenarios(args: &Args) -> Ended {
    let files = files(&args.folder)?;
    if files.is_empty() {
        let folder = args.folder.display();
        return Err(Failure::Usage(format!("{folder}: there is no scenario file (*.toml) in this folder")));
    }
    let list: String =
        files.iter().map(|file| format!("{}\n    {}\n", file.display(), describe(file))).collect();
    say(&list)?;
    Ok(exit::HELD)
}

/// What the file says it is about, or why it does not: one that cannot be read hides none of the others.
fn describe(file: &Path) -> String {
    match std::fs::read_to_string(file) {
        Ok(text) => match about(&text) {
            about if about.is_empty() => {
                "(it does not begin with a comment that says what it is about)".to_owned()
            }
            about => first_sentence(&about).to_owned(),
        },
        Err(error) if error.kind() == ErrorKind::InvalidData => "(it is not UTF-8 text)".to_owned(),
        Err(error) => format!("(it cannot be read: {error})"),
    }
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let unreadable = |source| Failure::Unreadable { path: folder.to_owned(), source };
    let entries = std::fs::read_dir(folder).map_err(unreadable)?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(unreadable)?.path();
        if path.is_file()
            && path.extension().is_some_and(|extension| extension == "toml")
            && !is_manifest(&path)
        {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The folder of the ready-made scenarios is also that of a crate.
fn is_manifest(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "Cargo.toml")
}

fn first_sentence(text: &str) -> &str {
    text.split_once(". ").map_or(text, |(first, _)| first).trim_end_matches('.')
}
