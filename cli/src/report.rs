//! `warmpool report`: the page of a run again, from the files of its folder.

use std::io::Write;
use std::path::PathBuf;

use reports::folder;

use crate::Ended;
use crate::exit;

/// Write report.html again from the summary.json, timeline.csv and latency.hlog in a folder that `run --out` wrote
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder
    folder: PathBuf,
}

/// Runs the verb.
pub(crate) fn report(args: &Args) -> Ended {
    let page = folder::write_page_again(&args.folder)?;
    writeln!(anstream::stdout(), "Written: {}", page.display())?;
    Ok(exit::HELD)
}
