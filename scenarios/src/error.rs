//! What a user sees when a scenario is invalid: which file, which line, which key, what is wrong and what to do.

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
        match &self.place {
            Place::Nowhere => write!(f, "{}: {}", self.path, self.message)?,
            Place::Line { file, line } => write!(f, "{file}:{line}: {}", self.message)?,
            Place::Set(text) => write!(f, "--set {text}: {}", self.message)?,
        }
        for line in self.remedy.lines() {
            write!(f, "\n  {line}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ScenarioError {}

/// The known name that is most like what was written, if one is like it at all.
pub(crate) fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let likeness = |name: &str| {
        strsim::normalized_damerau_levenshtein(&written.to_lowercase(), &name.to_lowercase())
            .max(strsim::jaro_winkler(written, name) - 0.3)
    };
    known
        .into_iter()
        .map(|name| (likeness(name), name))
        .filter(|(likeness, _)| *likeness >= 0.5)
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, name)| name)
}

/// What to write instead: the nearest known name, or all of them where none is near.
pub(crate) fn suggestion(written: &str, known: &[&str]) -> String {
    match nearest(written, known.iter().copied()) {
        Some(name) => format!("did you mean `{name}`?"),
        None if known.is_empty() => String::new(),
        None => {
            let names: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
            format!("known here: {}", names.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_offered_and_otherwise_all() {
        assert_eq!(suggestion("redy", &["ready"]), "did you mean `ready`?");
        assert_eq!(suggestion("round-robbin", &["random", "round-robin"]), "did you mean `round-robin`?");
        assert_eq!(suggestion("zzz", &["low", "high"]), "known here: `low`, `high`");
        assert_eq!(suggestion("zzz", &[]), "");
    }
}
