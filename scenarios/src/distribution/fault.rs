//! What can be wrong with a recorded distribution, before its file is named.

/// What is wrong with a file whose path is not known here.
#[derive(Debug)]
pub(super) enum Fault {
    /// It holds no value.
    Empty,
    /// It does not say the unit of its values.
    Unit,
    /// A line is not what it should be.
    Line { line: u64, what: String },
    /// It is of a version that this program does not read.
    Version { line: u64, version: String },
}
