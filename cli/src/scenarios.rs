//! `warmpool scenarios`: what there is to run, a line each; and the text of what is ready made.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use actors::nearest::suggestion;
use scenarios::scenario::about;

use crate::exit::{self, Failure};
use crate::ready_made;
use crate::{Ended, columns, say};

/// List the ready-made scenarios, or those of a folder, with one line each
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "\
Examples:
  warmpool scenarios
  warmpool scenarios show spike
  warmpool scenarios copy spike .                   then change spike.toml, and run it
  warmpool scenarios copy pools/delay-cured .       a pool policy, for `run` and `compare --pool`
  warmpool scenarios my-folder")]
pub(crate) struct Args {
    /// A folder of scenario files, instead of the ready-made ones
    folder: Option<PathBuf>,

    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Print the file of a ready-made scenario or pool policy
    Show {
        /// Its name; that of a pool policy begins with `pools/`
        name: String,
    },
    /// Write the file of a ready-made scenario or pool policy into a folder
    Copy {
        /// Its name; that of a pool policy begins with `pools/`
        name: String,
        /// The folder, which is made if need be
        folder: PathBuf,
        /// Replace a file that is there
        #[arg(long)]
        force: bool,
    },
}

/// Runs the verb.
pub(crate) fn scenarios(args: &Args) -> Ended {
    match (&args.verb, &args.folder) {
        (Some(Verb::Show { name }), _) => say(find(name)?)?,
        (Some(Verb::Copy { name, folder, force }), _) => copy(name, folder, *force)?,
        (None, Some(folder)) => list_folder(folder)?,
        (None, None) => {
            let lines = ready_made::scenarios().map(|(name, text)| entry(name, &describe(text)));
            say(&lines.collect::<String>())?;
        }
    }
    Ok(exit::HELD)
}

/// The text of what is ready made.
fn find(name: &str) -> Result<&'static str, Failure> {
    ready_made::any(name).ok_or_else(|| {
        let pools = ready_made::pool_names().into_iter().map(|pool| format!("pools/{pool}"));
        let known: Vec<String> =
            ready_made::scenario_names().into_iter().map(str::to_owned).chain(pools).collect();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        Failure::Usage(format!("`{name}` is not ready made\n  {}", suggestion(name, &known)))
    })
}

fn copy(name: &str, folder: &Path, force: bool) -> Result<(), Failure> {
    let text = find(name)?;
    let file = format!("{}.toml", name.rsplit('/').next().unwrap_or(name));
    let path = folder.join(&file);
    if path.exists() && !force {
        let there = path.display();
        return Err(Failure::Usage(format!(
            "{there} is there already\n  remove it, or add --force to replace it"
        )));
    }
    reports::folder::write_file(folder, &file, text.as_bytes())?;
    say(&format!("Written: {}\n", path.display()))
}

fn list_folder(folder: &Path) -> Result<(), Failure> {
    let lines: String = files(folder)?.iter().filter_map(|file| line(file)).collect();
    if lines.is_empty() {
        let folder = folder.display();
        return Err(Failure::Usage(format!(
            "{folder}: no file in it is a scenario\n  a scenario is a file *.toml that says its `demand`"
        )));
    }
    say(&lines)
}

/// The entry of a file, or why it has none to show: one that cannot be read hides none of the others. Nothing
/// for a file that is no scenario.
fn line(file: &Path) -> Option<String> {
    let name = file.display().to_string();
    let says = match std::fs::read_to_string(file) {
        Ok(text) if is_scenario(&text) => describe(&text),
        Ok(_) => return None,
        Err(error) if error.kind() == ErrorKind::InvalidData => "(it is not UTF-8 text)".to_owned(),
        Err(error) => format!("(it cannot be read: {error})"),
    };
    Some(entry(&name, &says))
}

/// Pool policies, host profiles and manifests are TOML too, but only a scenario has a demand. What is not
/// TOML is taken for a scenario with a mistake, which `run` names.
fn is_scenario(text: &str) -> bool {
    text.parse::<toml::Table>().map_or(true, |table| table.contains_key("demand"))
}

/// What the text says that it is about.
fn describe(text: &str) -> String {
    match about(text) {
        about if about.is_empty() => {
            "(it does not begin with a comment that says what it is about)".to_owned()
        }
        about => first_sentence(&about).to_owned(),
    }
}

/// A name, and below it what is said about it.
fn entry(name: &str, says: &str) -> String {
    let lines = reports::terminal::wrapped(says, columns().saturating_sub(INDENT.len()));
    let says: String = lines.iter().map(|line| format!("{INDENT}{line}\n")).collect();
    format!("{name}\n{says}")
}

/// What stands before a description.
const INDENT: &str = "    ";

fn files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let unreadable = |source| Failure::Unreadable { path: folder.to_owned(), source };
    let entries = std::fs::read_dir(folder).map_err(unreadable)?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(unreadable)?.path();
        if path.is_file() && path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn first_sentence(text: &str) -> &str {
    text.split_once(". ").map_or(text, |(first, _)| first).trim_end_matches('.')
}
