//! Memories of sleepers as files: one for each key, whole or not there, and what proves that it is what was
//! saved.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use actors::Key;
use xxhash_rust::xxh3::xxh3_128;

use crate::store::Seal;

/// Where the memory of a key is.
pub(super) fn path(folder: &Path, key: Key) -> PathBuf {
    folder.join(format!("key-{}", key.0))
}

/// What proves that bytes are those that were saved.
pub(super) fn seal(bytes: &[u8]) -> Seal {
    Seal(format!("{:032x}", xxh3_128(bytes)))
}

/// Writes a file that is on disk as a whole when this returns, or not at all.
pub(super) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let part = path.with_extension("part");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&part).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    if let Err(error) = written.and_then(|()| std::fs::rename(&part, path)) {
        // Half a file is of no use to anybody.
        let _ = std::fs::remove_file(&part);
        return Err(error);
    }
    sync_folder(path)
}

/// A name in a folder is on disk.
fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if cfg!(unix) => File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}

/// Removes a file, if it is there.
pub(super) fn remove(path: &Path) {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::error!("{}: a memory that nobody needs any more stays: {error}", path.display());
        }
        _ => {}
    }
}

/// Removes the memories of all keys but these, and what a crash has left of a write.
pub(super) fn remove_others(folder: &Path, keys: &BTreeSet<Key>) {
    let kept: BTreeSet<PathBuf> = keys.iter().map(|key| path(folder, *key)).collect();
    let Ok(files) = std::fs::read_dir(folder) else { return };
    for path in files.filter_map(|file| Some(file.ok()?.path())) {
        let is_ours = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("key-"));
        if is_ours && !kept.contains(&path) {
            remove(&path);
        }
    }
}
