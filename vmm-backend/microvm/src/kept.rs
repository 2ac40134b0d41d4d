//! A template in a file, so that what was forked from it can be woken after the program has ended: sleepers
//! hold only the pages that they wrote themselves.
//!
//! ```text
//!   length of the description ─ description ─ (offset ─ page) for each page that is not zero ─ digest
//! ```

use crate::guest::Guest;
use crate::guest::layout::PAGE_BYTES;
use crate::hypervisor::Hypervisor;
use crate::sys::memory::{SEALS, memory_file, seal_patiently};
use crate::template::{Template, TemplateError};
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_128;

/// Bytes of the digest at the end.
const DIGEST_BYTES: usize = 16;
const PAGE: usize = PAGE_BYTES as usize;
/// Pages read at once.
const CHUNK_PAGES: usize = 256;

/// A template could not be kept or brought back.
#[derive(Debug, thiserror::Error)]
pub enum KeptError {
    /// The file cannot be read or written.
    #[error("a template's file: {0}")]
    File(#[from] io::Error),
    /// It is not what was written.
    #[error("a template's file changed since it was written")]
    Changed,
    /// It may not be used here.
    #[error(transparent)]
    Template(#[from] TemplateError),
}

/// Writes a template to a file that is on disk as a whole when this returns, or not at all.
///
/// # Errors
/// What the file system answers; a description that cannot be encoded.
pub fn keep(template: &Template, path: &Path) -> Result<(), KeptError> {
    let bytes = encode(template)?;
    let part = path.with_extension("part");
    let write = || {
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).mode(0o600).open(&part)?;
        let mut writer = BufWriter::new(&file);
        writer.write_all(&bytes)?;
        writer.write_all(&xxh3_128(&bytes).to_le_bytes())?;
        writer.flush()?;
        file.sync_all()?;
        std::fs::rename(&part, path)?;
        path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    };
    Ok(write()?)
}

fn encode(template: &Template) -> Result<Vec<u8>, KeptError> {
    let description = template.description()?;
    let mut bytes = (description.len() as u64).to_le_bytes().to_vec();
    bytes.extend(&description);
    let (memory, end) = (template.file(), template.manifest().memory_bytes);
    let mut buffer = vec![0; CHUNK_PAGES * PAGE];
    let mut at = 0;
    while at < end {
        let length = usize::try_from(end - at).unwrap_or(usize::MAX).min(buffer.len());
        memory.read_exact_at(&mut buffer[..length], at)?;
        for (page, offset) in buffer[..length].chunks(PAGE).zip((at..).step_by(PAGE)) {
            if page.iter().any(|byte| *byte != 0) {
                bytes.extend(offset.to_le_bytes());
                bytes.extend(page);
            }
        }
        at += length as u64;
    }
    Ok(bytes)
}

/// Brings a template back that was kept on this host, by a program with the same guest.
///
/// # Errors
/// [`KeptError::Changed`] where the file is not what was written; [`KeptError::Template`] where it was made
/// elsewhere or by another version.
pub fn bring_back(
    hypervisor: &Hypervisor,
    guest: Arc<dyn Guest>,
    memory_bytes: u64,
    path: &Path,
) -> Result<Arc<Template>, KeptError> {
    let bytes = std::fs::read(path)?;
    let (bytes, digest) = bytes.split_last_chunk::<DIGEST_BYTES>().ok_or(KeptError::Changed)?;
    if xxh3_128(bytes).to_le_bytes() != *digest {
        return Err(KeptError::Changed);
    }
    let (length, rest) = bytes.split_first_chunk::<8>().ok_or(KeptError::Changed)?;
    let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| KeptError::Changed)?;
    let (description, pages) = rest.split_at_checked(length).ok_or(KeptError::Changed)?;
    let file = memory_file(c"warmpool-template", memory_bytes)?;
    for entry in pages.chunks(8 + PAGE) {
        let (offset, page) = entry.split_first_chunk::<8>().ok_or(KeptError::Changed)?;
        let offset = u64::from_le_bytes(*offset);
        if page.len() != PAGE || offset.checked_add(PAGE_BYTES).is_none_or(|end| end > memory_bytes) {
            return Err(KeptError::Changed);
        }
        file.write_all_at(page, offset)?;
    }
    seal_patiently(&file, SEALS)?;
    let template = Template::adopt(hypervisor, guest, file, description)?;
    // A program of another version may give its guests another size.
    if template.manifest().memory_bytes != memory_bytes {
        return Err(KeptError::Changed);
    }
    Ok(template)
}
