//! `warmpool report`: the pages of a folder again, from its other files.

use std::path::PathBuf;

use reports::folder;

use crate::{Ended, exit, say};

/// Write the pages of a folder again, from the other files that `run`, `compare` or `twin` wrote there with
/// --out
///
/// Files of different runs are refused: each summary has the hashes of the files that belong to it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder
    folder: PathBuf,
}

/// Runs the verb.
pub(crate) fn report(args: &Args) -> Ended {
    let pages = folder::write_pages_again(&args.folder)?;
    say(&pages.iter().map(|page| format!("Written: {}\n", page.display())).collect::<String>())?;
    Ok(exit::HELD)
}
