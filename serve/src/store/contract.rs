//! The trait that a store has, what is asked of it, and why it may fail.

use std::path::PathBuf;

use super::record::Record;

/// The version of the format that this program writes and reads.
pub const VERSION: u64 = 1;

/// One change. It holds as a whole or not at all.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Add a record whose name nobody has.
    Insert(Record),
    /// Replace the record of this name, if it still has the revision before the new one's.
    Replace(Record),
    /// Remove the record of this name, if it still has this revision.
    Remove {
        /// Whose.
        name: String,
        /// The revision that was seen.
        revision: u64,
    },
    /// Key numbers below this one may be in use from now on.
    Keys(u32),
}

/// How a change ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// It is on disk.
    Done,
    /// The record was not as it was thought to be; nothing was changed.
    Conflict,
}

/// What a store holds when it is opened.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    /// Every record, in the order of names.
    pub records: Vec<Record>,
    /// The first key number that was never in use.
    pub next_key: u32,
}

/// Keeps records. Calls block.
pub trait Store: Send {
    /// Everything that it holds.
    ///
    /// # Errors
    /// A store that cannot be read.
    fn load(&mut self) -> Result<Contents, StoreError>;

    /// Does the changes in order, all of them on disk when it comes back.
    ///
    /// # Errors
    /// A store that cannot be written: then none of them is done.
    fn apply(&mut self, changes: &[Change]) -> Result<Vec<Applied>, StoreError>;
}

/// Why a store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder cannot be made or used.
    #[error("{path}: the data folder cannot be used: {source}")]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Another program has it open.
    #[error("{path}: another program has this store open\n  end it, or name another folder with --data")]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// It is damaged, or not a store of this program.
    #[error(
        "{path}: this is no store of warmpool, or it is damaged: {why}\n\
         \x20 nothing was changed; move the file away and start again, or bring back a copy"
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What was found.
        why: String,
    },
    /// It has another format.
    #[error(
        "{path}: the store has format {found}, but this program reads format {VERSION}\n\
         \x20 use the program that wrote it; nothing was changed"
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u64,
    },
    /// It cannot be written now.
    #[error(
        "{path}: the store cannot be written: {why}\n\
         \x20 free space on its disk; the host goes on when there is some"
    )]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        why: String,
    },
    /// The thread that writes has ended.
    #[error("the store is closed")]
    Closed,
}
