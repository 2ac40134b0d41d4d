//! From files to a scenario: the scenario's own, and those that are laid over some of its tables.

use std::path::{Path, PathBuf};

use crate::demand::trace::{Look, look};
use crate::document::{Document, read_text};
use crate::error::ScenarioError;
use crate::profile;
use crate::scenario::{Demand, Scenario};

/// The text of a scenario or a pool policy, from a file or from elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    name: String,
    content: String,
    base: PathBuf,
}

impl Text {
    /// Reads a file. Paths in it are taken from its folder.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(path: &Path) -> Result<Self, ScenarioError> {
        let base = path.parent().map(Path::to_path_buf).unwrap_or_default();
        Ok(Self { name: path.display().to_string(), content: read_text(path)?, base })
    }

    /// A text that is in no file; errors call it `name`. Paths in it are taken from the current folder.
    pub fn new(name: &str, content: &str) -> Self {
        Self { name: name.to_owned(), content: content.to_owned(), base: PathBuf::new() }
    }

    /// What errors call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text itself.
    pub fn content(&self) -> &str {
        &self.content
    }
}

/// What is laid over tables of a scenario.
#[derive(Clone, Copy, Debug, Default)]
pub struct Overlays<'a> {
    /// A `[pool]` table, or the keys of one.
    pub pool: Option<&'a Text>,
    /// A host profile, or its folder, whose `[latency]` and `[timer]` replace the scenario's key by key.
    pub host: Option<&'a Path>,
}

impl Scenario {
    /// Reads a scenario file and lays the overrides (`key=value`) over it. Its first comment says what it is
    /// about.
    ///
    /// # Errors
    /// Whatever is wrong with it, with its line, its key and the remedy.
    pub fn load(path: &Path, overrides: &[String]) -> Result<Self, ScenarioError> {
        Self::load_with(&Text::read(path)?, &Overlays::default(), overrides)
    }

    /// The same from a text, with others laid over some of its tables before the overrides.
    ///
    /// # Errors
    /// Whatever is wrong with any of them.
    pub fn load_with(
        text: &Text,
        overlays: &Overlays<'_>,
        overrides: &[String],
    ) -> Result<Self, ScenarioError> {
        let mut document = Document::parse(&text.content, &text.name)?;
        if let Some(host) = overlays.host {
            profile::lay_over(&mut document, host)?;
        }
        if let Some(pool) = overlays.pool {
            document.overlay_file("pool", &pool.content, &pool.name)?;
        }
        let scenario = Self::build(document, text.base.clone(), &text.content, overrides)?;
        Ok(scenario.with_trace_looked_at())
    }

    /// Reads a scenario from a text; `name` stands for its file in errors. Paths in it are taken from the
    /// current folder.
    ///
    /// # Errors
    /// Whatever is wrong with it, with its line, its key and the remedy.
    pub fn parse(text: &str, name: &str, overrides: &[String]) -> Result<Self, ScenarioError> {
        let document = Document::parse(text, name)?;
        Self::build(document, PathBuf::new(), text, overrides).map(Self::with_trace_looked_at)
    }

    /// The scenario with what the beginning of its trace says.
    fn with_trace_looked_at(mut self) -> Self {
        if let Demand::Trace(trace) = &self.demand {
            let Look { begins, warnings } = look(trace, self.base());
            self.learn(begins, warnings);
        }
        self
    }
}
