//! `warmpool report`: the page of a run again, from the files of its folder.

use std::path::PathBuf;

use reports::folder;

use crate::{Ended, exit, say};

/// Write report.html again from the summary.json, timeline.csv and latency.hlog in a folder that `run --out`
/// wrote
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder
    folder: PathBuf,
}

/// Runs the verb.
pub(crate) fn report(args: &Args) -> Ended {
    let page = folder::write_page_again(&args.folder)?;
    say(&format!("Written: {}\n", page.display()))?;
    Ok(exit::HELD)
}
