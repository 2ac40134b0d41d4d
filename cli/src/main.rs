//! The command `warmpool`. One file for each verb; what several verbs share lies beside them.
//!
//! | file | what |
//! | --- | --- |
//! | `run.rs` `compare.rs` `check.rs` `report.rs` `replay.rs` `scenarios.rs` `calibrate.rs` `twin.rs` `serve.rs` `doctor.rs` `completions.rs` | the verbs |
//! | `exit.rs` | exit codes, and which error gives which |
//! | `gates.rs` | the gates of a scenario |
//! | `load.rs` | a scenario file with its gates, and what a report is told about it |
//! | `source.rs` | where the text of a scenario comes from; `ready_made.rs` has those that the program carries |
//! | `out.rs` | the folder that a verb writes into; `interrupt.rs` sees to it that Ctrl-C leaves nothing in it |
//! | `jobs.rs` | several simulations at once, with a progress bar |
//! | `kvm.rs` | one run on real microVMs |

#![forbid(unsafe_code)]

mod calibrate;
mod capacity;
mod check;
mod compare;
mod completions;
mod doctor;
mod exit;
mod gates;
mod interrupt;
mod jobs;
mod kvm;
mod load;
mod out;
mod ready_made;
mod replay;
mod report;
mod run;
mod scenarios;
mod serve;
mod source;
mod twin;

use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use exit::Failure;

/// Warm pools of microVMs: try a pool's depth, refill and exhaustion policy before you deploy it.
///
/// A scenario file says what is asked of a fleet, what its pools do about it, and what must hold.
/// `warmpool run` simulates it on a deterministic clock and prints a verdict; with `--backend kvm` it runs on
/// real microVMs.
#[derive(Debug, Parser)]
#[command(name = "warmpool", version, propagate_version = true, after_help = exit::help(), max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Run(run::Args),
    Compare(compare::Args),
    Check(check::Args),
    Report(report::Args),
    Replay(replay::Args),
    Scenarios(scenarios::Args),
    Calibrate(calibrate::Args),
    Twin(twin::Args),
    Serve(serve::Args),
    Doctor(doctor::Args),
    Completions(completions::Args),
}

fn main() -> ExitCode {
    // A fleet starts this very program for the processes that hold its VMs.
    vmm_backend::main_if_shard();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(usage) => {
            // Help and version are answers, not errors.
            let failed = usage.use_stderr();
            let _ = usage.print();
            return if failed { exit::FAILED.into() } else { exit::HELD.into() };
        }
    };
    let ended = match cli.verb {
        Verb::Run(args) => run::run(&args),
        Verb::Compare(args) => compare::compare(&args),
        Verb::Check(args) => check::check(&args),
        Verb::Report(args) => report::report(&args),
        Verb::Replay(args) => replay::replay(&args),
        Verb::Scenarios(args) => scenarios::scenarios(&args),
        Verb::Calibrate(args) => calibrate::calibrate(&args),
        Verb::Twin(args) => twin::twin(&args),
        Verb::Serve(args) => serve::serve(&args),
        Verb::Doctor(args) => doctor::doctor(&args),
        Verb::Completions(args) => completions::completions(&args),
    };
    match ended {
        Ok(code) => code.into(),
        Err(failure) => {
            interrupt::remove_what_is_empty();
            exit::explain(&failure);
            failure.code().into()
        }
    }
}

/// What a verb comes to: its exit code, or why it could not be done.
type Ended = Result<exit::Code, Failure>;

/// Prints what a verb has found. A reader that has seen enough, as `head` has, changes nothing: files are
/// still written, and the exit code is that of what was found.
fn say(text: &str) -> Result<(), Failure> {
    let mut out = anstream::stdout();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::Output(error)),
        _ => Ok(()),
    }
}

/// The columns of the terminal, for text that is laid out; `COLUMNS` says otherwise.
pub(crate) fn columns() -> usize {
    let asked = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let terminal = || terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    asked.or_else(terminal).unwrap_or(100)
}

/// What a program reads.
fn json(value: &impl serde::Serialize) -> Result<String, Failure> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}
