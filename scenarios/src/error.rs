//! What a user sees when a scenario is invalid: which file, which line, which key, what is wrong and what to
//! do.

use std::fmt;

/// Where in its sources something stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// Nowhere: a default, or something that is missing.
    #[default]
    Nowhere,
    /// A line of a file, counted from one.
    Line {
        /// The file, as the user named it.
        file: String,
        /// The line.
        line: u32,
    },
    /// A `--set` on the command line, whole as it was given.
    Set(String),
}

impl fmt::Display for Place {
    /// As it stands before a message.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nowhere => Ok(()),
            Self::Line { file, line } => write!(f, "{file}:{line}: "),
            Self::Set(text) => write!(f, "--set {text}: "),
        }
    }
}

/// Why a scenario is invalid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScenarioError {
    /// The scenario file, as the user named it.
    pub path: Box<str>,
    /// The line or the `--set` where the fault lies, if it lies in one.
    pub place: Place,
    /// The key at fault as a dotted path (`"pool.depth.ready"`); empty where there is none.
    pub key: Box<str>,
    /// What is wrong.
    pub message: String,
    /// What to do about it; may be empty.
    pub remedy: Box<str>,
    /// Whether the machine is at fault (a disk that fails), not what the user wrote.
    pub host_fault: bool,
}

impl ScenarioError {
    /// An error of a file as a whole.
    pub(crate) fn of_file(path: &str, message: impl Into<String>, remedy: impl Into<Box<str>>) -> Self {
        Self {
            path: path.into(),
            place: Place::Nowhere,
            key: Box::default(),
            message: message.into(),
            remedy: remedy.into(),
            host_fault: false,
        }
    }

    /// The line of the scenario file, where there is one.
    pub fn line(&self) -> Option<u32> {
        match self.place {
            Place::Line { line, .. } => Some(line),
            Place::Nowhere | Place::Set(_) => None,
        }
    }
}

impl fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.place == Place::Nowhere {
            write!(f, "{}: ", self.path)?;
        }
        write!(f, "{}{}", self.place, self.message)?;
        for line in self.remedy.lines() {
            write!(f, "\n  {line}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ScenarioError {}

/// What was read in one sense and may have been meant in another. A run goes on with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Where the doubt lies.
    pub place: Place,
    /// What was read how.
    pub message: String,
    /// What to do if it was meant otherwise.
    pub remedy: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}\n  {}", self.place, self.message, self.remedy)
    }
}
