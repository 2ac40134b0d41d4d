//! Ctrl-C, and SIGTERM as service managers send it: noted, so that whoever runs something ends it cleanly and
//! leaves nothing.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use reports::format;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::exit;

static INTERRUPTED: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// Folders that were made for files which are not there yet.
static MADE: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// From now on a signal is noted; the second one ends the program at once.
pub(crate) fn watch() -> std::io::Result<Arc<AtomicBool>> {
    if let Some(watched) = INTERRUPTED.get() {
        return Ok(Arc::clone(watched));
    }
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        flag::register_conditional_default(signal, Arc::clone(&interrupted))?;
        flag::register(signal, Arc::clone(&interrupted))?;
    }
    Ok(Arc::clone(INTERRUPTED.get_or_init(|| interrupted)))
}

/// Whether a signal came.
pub(crate) fn came() -> bool {
    INTERRUPTED.get().is_some_and(|interrupted| interrupted.load(Ordering::Acquire))
}

/// Says that the program was interrupted, and ends it.
pub(crate) fn end(after: Duration) -> ! {
    remove_what_is_empty();
    anstream::eprintln!("interrupted after {}: nothing was written", format::nanos(after.as_nanos() as f64));
    exit::INTERRUPTED.end()
}

/// Notes what of a folder is not there yet.
pub(crate) fn remember(folder: &Path) {
    let missing = folder.ancestors().take_while(|part| !part.as_os_str().is_empty() && !part.exists());
    made().extend(missing.map(Path::to_path_buf));
}

/// Removes the folders that were made for nothing: those that are empty.
pub(crate) fn remove_what_is_empty() {
    for folder in made().drain(..) {
        let _ = std::fs::remove_dir(folder);
    }
}

fn made() -> std::sync::MutexGuard<'static, Vec<PathBuf>> {
    MADE.lock().unwrap_or_else(PoisonError::into_inner)
}
