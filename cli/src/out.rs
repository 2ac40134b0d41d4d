//! The folder that a verb writes into: looked at before a long run, not after it.

use std::path::{Path, PathBuf};

use reports::folder;

use crate::exit::Failure;
use crate::interrupt;

/// The arguments for the folder.
#[derive(Debug, clap::Args)]
pub(crate) struct Out {
    /// Write what it came to into this folder: figures, pages, and every run as summary.json, report.html,
    /// timeline.csv, latency.hlog and latency.hgrm
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,

    /// Replace another run that is in the folder of --out
    #[arg(long, requires = "out")]
    force: bool,
}

impl Out {
    /// Makes the folder, and finds out whether the files of this run may and can be written there. What was
    /// made for nothing is removed again when the verb fails or is interrupted.
    pub(crate) fn prepare(&self, run: &str) -> Result<(), Failure> {
        let Some(out) = &self.out else { return Ok(()) };
        prepare(out)?;
        match folder::is_free_for(out, run) {
            Err(_) if self.force => Ok(folder::clear(out)?),
            free => Ok(free?),
        }
    }
}

/// Makes any folder, and finds out whether files can be written there.
pub(crate) fn prepare(folder: &Path) -> Result<(), Failure> {
    interrupt::remember(folder);
    Ok(folder::prepare(folder)?)
}
