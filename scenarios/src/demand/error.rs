//! Why there are no further arrivals: what a user sees when a trace cannot be replayed.

use std::io;

use crate::error::ScenarioError;

/// Why there are no further arrivals. The first line of each message says what is wrong, the second what to
/// do.
#[derive(Debug, thiserror::Error)]
pub enum DemandError {
    /// The scenario names a distribution that cannot be drawn from.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// The trace cannot be opened.
    #[error(
        "{path}: the trace cannot be opened: {source}\n  give its path from the folder of the scenario, or --set demand.trace=FILE"
    )]
    Open {
        /// The trace.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The trace is not text.
    #[error("{path}: the trace is {what}\n  {remedy}")]
    Foreign {
        /// The trace.
        path: String,
        /// What it is.
        what: &'static str,
        /// How it becomes text.
        remedy: &'static str,
    },
    /// Reading failed on the way.
    #[error(
        "{path}:{line}: the trace cannot be read any further: {source}\n  check the file; if it is compressed, test it with `gzip -t` or `zstd -t`"
    )]
    Read {
        /// The trace.
        path: String,
        /// The line that could not be read.
        line: u64,
        /// Why.
        source: io::Error,
    },
    /// A line is not what it should be.
    #[error("{path}:{line}: {message}\n  {remedy}")]
    Row {
        /// The trace.
        path: String,
        /// The line, counted from one.
        line: u64,
        /// What is wrong with it.
        message: String,
        /// What to do about it.
        remedy: String,
    },
    /// A row lies before the row above it.
    #[error(
        "{path}:{line}: this row arrives {at} and the row above it {above}: the trace is not in the order of time\n  have it sorted with `order = \"sort\"` in [demand]"
    )]
    OutOfOrder {
        /// The trace.
        path: String,
        /// The line, counted from one.
        line: u64,
        /// When it arrives, from the trace's first row.
        at: String,
        /// When the row above it does.
        above: String,
    },
    /// There is no request in the trace.
    #[error(
        "{path}: the trace is empty: it holds no request\n  name a trace with rows, or describe the demand with [[demand]] stages"
    )]
    Empty {
        /// The trace.
        path: String,
    },
    /// Sorting needs a temporary file, and it cannot be written or read.
    #[error(
        "the trace must be sorted in a temporary file, which fails: {source}\n  make room in {folder}, or name another folder with the variable TMPDIR"
    )]
    Spill {
        /// Why.
        source: io::Error,
        /// Where temporary files lie.
        folder: String,
    },
}

impl DemandError {
    /// Whether the machine is at fault (a disk that is full), not what the user wrote.
    pub fn is_host_fault(&self) -> bool {
        use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
        match self {
            Self::Spill { .. } => true,
            Self::Scenario(error) => error.host_fault,
            Self::Read { source, .. } => !matches!(source.kind(), InvalidData | InvalidInput | UnexpectedEof),
            Self::Open { .. }
            | Self::Foreign { .. }
            | Self::Row { .. }
            | Self::OutOfOrder { .. }
            | Self::Empty { .. } => false,
        }
    }

    /// The line of the trace, where there is one.
    pub fn line(&self) -> Option<u64> {
        match self {
            Self::Read { line, .. } | Self::Row { line, .. } | Self::OutOfOrder { line, .. } => Some(*line),
            Self::Scenario(error) => error.line().map(u64::from),
            Self::Open { .. } | Self::Foreign { .. } | Self::Empty { .. } | Self::Spill { .. } => None,
        }
    }

    pub(super) fn spill(source: io::Error) -> Self {
        Self::Spill { source, folder: std::env::temp_dir().display().to_string() }
    }
}
