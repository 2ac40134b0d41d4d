//! The store on redb: one file, every batch of changes one transaction that is on disk when it ends.

use std::path::{Path, PathBuf};

use redb::{Database, DatabaseError, ReadableDatabase, ReadableTable, StorageError, TableDefinition};

use super::contract::{Applied, Change, Contents, Store, StoreError, VERSION};
use super::record::Record;

const RECORDS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("sprites");
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
const FORMAT: &str = "format";
const NEXT_KEY: &str = "next-key";
/// The name of the file in the data folder.
const FILE: &str = "sprites.redb";

/// The store on redb; see the module.
pub struct RedbStore {
    path: PathBuf,
    /// None after a write has failed: it is opened again by the next.
    database: Option<Database>,
}

impl RedbStore {
    /// Opens the store of a data folder, or makes one there.
    ///
    /// # Errors
    /// A file that is in use, damaged, foreign or of another format. It is left as it is.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        let path = folder.join(FILE);
        let fresh = std::fs::metadata(&path).map_or(true, |file| file.len() == 0);
        let database = open(&path)?;
        let mut store = Self { path, database: Some(database) };
        if fresh {
            store.write(|transaction| {
                transaction.open_table(RECORDS)?;
                transaction.open_table(META)?.insert(FORMAT, VERSION)?;
                Ok(())
            })?;
        }
        match store.meta(FORMAT)? {
            Some(VERSION) => Ok(store),
            Some(found) => Err(StoreError::Version { path: store.path.clone(), found }),
            None => Err(store.unreadable(&"it names no format")),
        }
    }

    fn unreadable(&self, why: &dyn std::fmt::Display) -> StoreError {
        StoreError::Unreadable { path: self.path.clone(), why: why.to_string() }
    }

    fn database(&mut self) -> Result<&Database, StoreError> {
        if self.database.is_none() {
            self.database = Some(open(&self.path)?);
        }
        self.database.as_ref().ok_or(StoreError::Closed)
    }

    fn meta(&mut self, key: &str) -> Result<Option<u64>, StoreError> {
        let read = |database: &Database| -> Result<Option<u64>, redb::Error> {
            match database.begin_read()?.open_table(META) {
                Ok(meta) => Ok(meta.get(key)?.map(|value| value.value())),
                Err(redb::TableError::TableDoesNotExist(_)) => Ok(None),
                Err(error) => Err(error.into()),
            }
        };
        read(self.database()?).map_err(|error| self.unreadable(&error))
    }

    fn write<T>(
        &mut self,
        act: impl FnOnce(&redb::WriteTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, StoreError> {
        let write = |database: &Database| -> Result<T, redb::Error> {
            let transaction = database.begin_write()?;
            let done = act(&transaction)?;
            transaction.commit()?;
            Ok(done)
        };
        write(self.database()?).map_err(|error| {
            // After an error of its disk redb refuses everything until it is opened again.
            self.database = None;
            StoreError::Unwritable { path: self.path.clone(), why: error.to_string() }
        })
    }
}

fn open(path: &Path) -> Result<Database, StoreError> {
    let owned = path.to_owned();
    own(path).map_err(|error| StoreError::Unwritable { path: owned.clone(), why: error.to_string() })?;
    Database::create(path).map_err(|error| match error {
        DatabaseError::DatabaseAlreadyOpen => StoreError::InUse { path: owned },
        DatabaseError::Storage(StorageError::Io(error))
            if !matches!(
                error.kind(),
                std::io::ErrorKind::InvalidData | std::io::ErrorKind::UnexpectedEof
            ) =>
        {
            StoreError::Unwritable { path: owned, why: error.to_string() }
        }
        other => StoreError::Unreadable { path: owned, why: other.to_string() },
    })
}

/// Nobody else may read the file: it holds the keys of saved memories.
fn own(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    drop(file);
    Ok(())
}

/// A record as it is stored. JSON, so that it can be read by people and by later versions.
fn bytes(record: &Record) -> Vec<u8> {
    serde_json::to_vec(record).expect("a record has no map and no number that JSON cannot hold")
}

fn revision(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
    name: &str,
) -> Result<Option<u64>, redb::Error> {
    let Some(stored) = table.get(name)? else { return Ok(None) };
    let record: Result<Record, _> = serde_json::from_slice(stored.value());
    record
        .map(|record| Some(record.revision))
        .map_err(|error| redb::Error::Corrupted(format!("the record of {name:?}: {error}")))
}

impl Store for RedbStore {
    fn load(&mut self) -> Result<Contents, StoreError> {
        let next_key = self.meta(NEXT_KEY)?.unwrap_or(0);
        let read = |database: &Database| -> Result<Vec<Vec<u8>>, redb::Error> {
            let table = database.begin_read()?.open_table(RECORDS)?;
            table.iter()?.map(|entry| Ok(entry?.1.value().to_vec())).collect()
        };
        let stored = read(self.database()?).map_err(|error| self.unreadable(&error))?;
        let records: Result<Vec<Record>, _> =
            stored.iter().map(|bytes| serde_json::from_slice(bytes)).collect();
        let records = records.map_err(|error| self.unreadable(&error))?;
        let next_key = u32::try_from(next_key).map_err(|error| self.unreadable(&error))?;
        Ok(Contents { records, next_key })
    }

    fn apply(&mut self, changes: &[Change]) -> Result<Vec<Applied>, StoreError> {
        self.write(|transaction| {
            let mut records = transaction.open_table(RECORDS)?;
            let mut meta = transaction.open_table(META)?;
            changes
                .iter()
                .map(|change| {
                    let (name, expected) = match change {
                        Change::Insert(record) => (&record.name, None),
                        Change::Replace(record) => (&record.name, Some(record.revision.wrapping_sub(1))),
                        Change::Remove { name, revision } => (name, Some(*revision)),
                        Change::Keys(next) => {
                            meta.insert(NEXT_KEY, u64::from(*next))?;
                            return Ok(Applied::Done);
                        }
                    };
                    if revision(&records, name)? != expected {
                        return Ok(Applied::Conflict);
                    }
                    match change {
                        Change::Insert(record) | Change::Replace(record) => {
                            records.insert(name.as_str(), bytes(record).as_slice())?;
                        }
                        Change::Remove { .. } | Change::Keys(_) => {
                            records.remove(name.as_str())?;
                        }
                    }
                    Ok(Applied::Done)
                })
                .collect()
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::store::{Access, Life};

    fn record(name: &str, key: u32) -> Record {
        Record {
            name: name.to_owned(),
            id: format!("sprite-{key}"),
            key,
            revision: 1,
            access: Access::Sprite,
            labels: vec!["ä".to_owned()],
            life: Life::Running,
            beginnings: 1,
            memory_lost_ms: None,
            created_ms: 1,
            updated_ms: 2,
            last_running_ms: Some(3),
            seal: None,
            last_warming_ms: None,
        }
    }

    #[test]
    fn a_change_holds_only_on_the_revision_that_was_seen() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = RedbStore::open(folder.path()).unwrap();
        let first = record("box", 7);
        let next = Record { revision: 2, ..first.clone() };
        let skipped = Record { revision: 4, ..first.clone() };
        let remove = |revision| Change::Remove { name: "box".to_owned(), revision };
        let applied = store.apply(&[
            Change::Replace(next.clone()),
            Change::Insert(first.clone()),
            Change::Insert(record("box", 8)),
            Change::Replace(skipped),
            Change::Replace(next.clone()),
            remove(1),
            Change::Insert(record("other", 9)),
            Change::Keys(4_096),
        ]);
        use Applied::{Conflict, Done};
        assert_eq!(applied.unwrap(), [Conflict, Done, Conflict, Conflict, Done, Conflict, Done, Done]);
        drop(store);
        let contents = RedbStore::open(folder.path()).unwrap().load().unwrap();
        assert_eq!((contents.records, contents.next_key), (vec![next, record("other", 9)], 4_096));
        let mut store = RedbStore::open(folder.path()).unwrap();
        assert_eq!(store.apply(&[remove(2), remove(2)]).unwrap(), [Done, Conflict]);
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_may_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        std::fs::write(&path, b"").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        drop(RedbStore::open(folder.path()).unwrap());
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn another_format_a_damaged_record_and_a_second_program_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = RedbStore::open(folder.path()).unwrap();
        assert!(matches!(RedbStore::open(folder.path()), Err(StoreError::InUse { .. })));
        store
            .write(|transaction| {
                transaction.open_table(RECORDS)?.insert("box", &b"{"[..])?;
                Ok(())
            })
            .unwrap();
        assert!(matches!(store.load(), Err(StoreError::Unreadable { .. })));
        store
            .write(|transaction| {
                transaction.open_table(META)?.insert(FORMAT, VERSION + 1)?;
                Ok(())
            })
            .unwrap();
        drop(store);
        let error = RedbStore::open(folder.path()).err().unwrap();
        assert!(matches!(error, StoreError::Version { found, .. } if found == VERSION + 1), "{error}");
    }
}
