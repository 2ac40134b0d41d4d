//! The folder that a verb writes into: looked at before a long run, not after it.

use std::path::Path;

use reports::folder;

use crate::exit::Failure;
use crate::interrupt;

/// Makes the folder, if need be, and finds out whether files can be written there. What was made for nothing is removed again when
/// the verb fails or is interrupted.
pub(crate) fn prepare(folder: &Path) -> Result<(), Failure> {
    interrupt::remember(folder);
    Ok(folder::prepare(folder)?)
}
