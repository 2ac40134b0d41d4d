//! Where the text of a scenario or a pool policy comes from: a file, what the program carries, or standard
//! input.

use std::io::Read;
use std::path::Path;
use std::sync::OnceLock;

use actors::nearest::suggestion;
use scenarios::{ScenarioError, Text};

use crate::exit::Failure;
use crate::ready_made;

/// The scenario of this name: `-` is standard input; else a file, or a ready-made scenario where there is no
/// such file.
pub(crate) fn scenario(name: &Path) -> Result<Text, Failure> {
    if name == Path::new("-") {
        return standard_input();
    }
    find(name, ready_made::scenario, &ready_made::scenario_names())
}

/// The pool policy of this name: a file, or a ready-made one where there is no such file.
pub(crate) fn pool(name: &Path) -> Result<Text, Failure> {
    find(name, ready_made::pool, &ready_made::pool_names())
}

/// The host profile of this name: a file, or the one in a folder.
pub(crate) fn profile(name: &Path) -> Result<Text, Failure> {
    Ok(Text::read(&if name.is_dir() { name.join("profile.toml") } else { name.to_owned() })?)
}

fn find(
    name: &Path,
    ready_made: impl Fn(&str) -> Option<&'static str>,
    known: &[&str],
) -> Result<Text, Failure> {
    let written = name.display().to_string();
    if !name.exists()
        && let Some(text) = ready_made(&written)
    {
        return Ok(Text::new(&written, text));
    }
    Text::read(name).map_err(|error| {
        let remedy =
            if error.host_fault || name.exists() { error.remedy } else { remedy(name, known).into() };
        ScenarioError { remedy, ..error }.into()
    })
}

/// What to write instead of a name that is neither a file nor ready made.
fn remedy(name: &Path, known: &[&str]) -> String {
    let stem = name.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    match known.iter().find(|known| **known == stem) {
        Some(known) => format!("check the path; `{known}` alone is the ready-made one"),
        None if name.components().count() == 1 => {
            format!("of the ready-made ones, {}", suggestion(&stem, known))
        }
        None => "check the path".to_owned(),
    }
}

/// Read once, however often it is asked for.
fn standard_input() -> Result<Text, Failure> {
    static INPUT: OnceLock<String> = OnceLock::new();
    if INPUT.get().is_none() {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .map_err(|source| Failure::Unreadable { path: "-".into(), source })?;
        let _ = INPUT.set(text);
    }
    Ok(Text::new("standard input", INPUT.get().map_or("", String::as_str)))
}
