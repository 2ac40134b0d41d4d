//! Which run a file belongs to, and where the run comes from: so that files of different runs are never taken
//! for one, and a report says how it can be made again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

/// Which run a file belongs to, and which files belong to it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// The run, 16 hexadecimal digits: the same for the same scenario and seed, whenever it is simulated;
    /// another for every real run.
    pub run: String,
    /// The other files of the folder, each with the hash of its bytes.
    pub parts: BTreeMap<String, String>,
}

/// Where a run comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// The version of `warmpool` that ran it.
    pub version: String,
    /// The scenario's file, as it was named on the command line.
    pub file: String,
    /// The text of that file.
    pub text: String,
    /// The scenario as it was run: every value in force. Defaults, and what comes from another file, are
    /// marked as such.
    pub scenario: String,
    /// Every `--set`, as it was given.
    pub set: Vec<String>,
    /// The pool policy that was laid over the scenario's.
    pub pool: Option<NamedText>,
    /// The host profile that the simulated host answered by.
    pub host: Option<NamedText>,
    /// What was read in one sense and may have been meant in another.
    pub warnings: Vec<String>,
}

/// A file and its text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NamedText {
    /// The file, as it was named on the command line.
    pub name: String,
    /// What it says.
    pub text: String,
}

/// The hash of some bytes, 16 hexadecimal digits.
pub fn hash(bytes: &[u8]) -> String {
    format!("{:016x}", xxh3_64(bytes))
}
