//! From files to a scenario: the scenario's own, and those that are laid over some of its tables.

use std::path::{Path, PathBuf};

use crate::document::{Document, read_text};
use crate::error::ScenarioError;
use crate::profile;
use crate::scenario::Scenario;

/// Files that are laid over tables of a scenario.
#[derive(Clone, Copy, Debug, Default)]
pub struct Overlays<'a> {
    /// A file with a `[pool]` table, or the keys of one.
    pub pool: Option<&'a Path>,
    /// A host profile, or its folder, whose `[latency]` and `[timer]` replace the scenario's key by key.
    pub host: Option<&'a Path>,
}

impl Scenario {
    /// Reads a scenario file and lays the overrides (`key=value`) over it. Its first comment says what it is about.
    ///
    /// # Errors
    /// Whatever is wrong with it, with its line, its key and the remedy.
    pub fn load(path: &Path, overrides: &[String]) -> Result<Self, ScenarioError> {
        Self::load_with(path, &Overlays::default(), overrides)
    }

    /// The same, with other files laid over some of its tables before the overrides.
    ///
    /// # Errors
    /// Whatever is wrong with any of them.
    pub fn load_with(
        path: &Path,
        overlays: &Overlays<'_>,
        overrides: &[String],
    ) -> Result<Self, ScenarioError> {
        let text = read_text(path)?;
        let mut document = Document::parse(&text, &path.display().to_string())?;
        if let Some(host) = overlays.host {
            profile::lay_over(&mut document, host)?;
        }
        if let Some(pool) = overlays.pool {
            document.overlay_file("pool", &read_text(pool)?, &pool.display().to_string())?;
        }
        let base = path.parent().map(Path::to_path_buf).unwrap_or_default();
        Self::build(document, base, &text, overrides)
    }

    /// Reads a scenario from a text; `name` stands for its file in errors. Paths in it are taken from the current
    /// folder.
    ///
    /// # Errors
    /// Whatever is wrong with it, with its line, its key and the remedy.
    pub fn parse(text: &str, name: &str, overrides: &[String]) -> Result<Self, ScenarioError> {
        Self::build(Document::parse(text, name)?, PathBuf::new(), text, overrides)
    }
}
