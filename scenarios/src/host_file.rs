//! The configuration of a host that serves: some tables are those of a scenario, in the very same format;
//! others belong to the program that reads it. Errors are those of a scenario file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::document::{Document, read_text};
use crate::error::ScenarioError;
use crate::scenario::{Scenario, explain};

/// A configuration that was read but not yet understood.
#[derive(Clone, Debug)]
pub struct HostFile {
    document: Arc<Document>,
    base: PathBuf,
}

impl HostFile {
    /// Reads a file. Paths in it are taken from its folder.
    ///
    /// # Errors
    /// A file that cannot be read or is not TOML.
    pub fn load(path: &Path) -> Result<Self, ScenarioError> {
        let mut file = Self::parse(&read_text(path)?, &path.display().to_string())?;
        file.base = path.parent().map(Path::to_path_buf).unwrap_or_default();
        Ok(file)
    }

    /// Reads a text; `name` stands for its file in errors.
    ///
    /// # Errors
    /// A text that is not TOML.
    pub fn parse(text: &str, name: &str) -> Result<Self, ScenarioError> {
        Ok(Self { document: Arc::new(Document::parse(text, name)?), base: PathBuf::new() })
    }

    /// Reads the whole file as one typed value.
    ///
    /// # Errors
    /// Whatever is wrong with it, with its line, its key and the remedy.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, ScenarioError> {
        self.document.read()
    }

    /// Checks a scenario whose fleet, pool and latencies stand in this file, without a demand. Gives it as if
    /// it had been read from the file, so that later errors have their lines.
    ///
    /// # Errors
    /// The first value that is invalid.
    pub fn check(&self, scenario: Scenario) -> Result<Scenario, ScenarioError> {
        scenario.of_host(Arc::clone(&self.document), self.base.clone())
    }

    /// The folder from which the paths in the file are taken.
    pub fn base(&self) -> &Path {
        &self.base
    }

    /// An error about a key, with its line. What is wrong reads as the rest of a sentence that begins with
    /// the key.
    pub fn error_at(&self, path: &[&str], wrong: &str, remedy: &str) -> ScenarioError {
        self.document.error(path, wrong, remedy)
    }

    /// A value that was read from this file, whole, with every default in force and marked.
    ///
    /// # Errors
    /// A value that TOML cannot hold.
    pub fn explain(&self, value: &impl Serialize) -> Result<String, ScenarioError> {
        explain::explain(value, &self.document.stem(), Some(&self.document), false)
    }
}
