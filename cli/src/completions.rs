//! `warmpool completions`: what a shell needs to complete the command.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::{Cli, Ended, exit, say};

/// Print completions for a shell: `source <(warmpool completions bash)`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The shell
    shell: Shell,
}

/// Runs the verb.
pub(crate) fn completions(args: &Args) -> Ended {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "warmpool", &mut script);
    say(&String::from_utf8_lossy(&script))?;
    Ok(exit::HELD)
}
