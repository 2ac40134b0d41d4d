//! Exit codes: every one that the command can end with, and which error gives which. Scripts rely on them.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

use reports::FolderError;
use scenarios::ScenarioError;
use sim_backend::SimulationError;

/// How the command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Code(u8);

/// The run ended and every gate holds (or there is none).
pub(crate) const HELD: Code = Code(0);
/// Anything that is not named here: a full disk, an unwritable folder, a wrong command line.
pub(crate) const FAILED: Code = Code(1);
/// The run ended, but a gate does not hold; or it was not shown that a simulation predicts its real twin.
pub(crate) const GATE_FAILED: Code = Code(99);
/// Two runs that must be the same differ.
pub(crate) const DIGESTS_DIFFER: Code = Code(100);
/// This machine cannot do what was asked; `warmpool doctor` says why.
pub(crate) const UNABLE: Code = Code(103);
/// The scenario, or a file that it names, is invalid.
pub(crate) const INVALID: Code = Code(104);

/// Ctrl-C or SIGTERM; nothing was written.
pub(crate) const INTERRUPTED: Code = Code(130);

/// Every code with what it means, as `--help` and the README say it.
const MEANINGS: [(Code, &str); 7] = [
    (HELD, "every gate holds, or there is none"),
    (FAILED, "anything that is not named here, such as a full disk or a wrong command line"),
    (GATE_FAILED, "a gate does not hold, or it was not shown that a simulation predicts its real twin"),
    (DIGESTS_DIFFER, "two runs that must be the same differ"),
    (UNABLE, "this machine cannot do what was asked: see `warmpool doctor`"),
    (INVALID, "the scenario, or a file that it names, is invalid"),
    (INTERRUPTED, "interrupted by Ctrl-C or SIGTERM"),
];

/// What `--help` says about them.
pub(crate) fn help() -> String {
    let lines = MEANINGS.map(|(code, meaning)| format!("\n  {:>3}  {meaning}", code.0));
    "Exit codes:".to_owned() + &lines.concat()
}

impl Code {
    /// Ends the program at once.
    pub(crate) fn end(self) -> ! {
        std::process::exit(self.0.into())
    }
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code.0)
    }
}

/// Why a verb could not be done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("{0}")]
    Scenario(#[from] ScenarioError),
    #[error("{0}")]
    Simulation(#[from] SimulationError),
    #[error("{0}")]
    Folder(#[from] FolderError),
    #[error("{path}: cannot be read: {source}")]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("the output cannot be written: {0}")]
    Output(#[from] std::io::Error),
    #[error("{0}")]
    Comparison(#[from] reports::compare::CompareError),
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    #[error("{0}")]
    Usage(String),
    /// What only the other backend can be asked for; with the remedy.
    #[error("{0}")]
    OtherBackend(String),
    /// Real microVMs cannot be had on this machine; with the remedy.
    #[error("{0}")]
    NoKvm(String),
    #[error("{0}")]
    Runtime(#[from] runtime::RuntimeError),
    /// A journal cannot be replayed.
    #[error("{}: {source}", path.display())]
    Journal { path: PathBuf, source: runtime::ReplayError },
    #[error("{0}")]
    Serve(::serve::ServeError),
}

impl Failure {
    pub(crate) fn code(&self) -> Code {
        match self {
            Self::Scenario(error) if !error.host_fault => INVALID,
            Self::Simulation(error) if !error.is_host_fault() => INVALID,
            Self::OtherBackend(_) => INVALID,
            Self::Journal { source, .. } if !source.is_host_fault() => INVALID,
            Self::NoKvm(_) => UNABLE,
            Self::Runtime(runtime::RuntimeError::Interrupted { .. }) => INTERRUPTED,
            Self::Runtime(error) if !error.is_host_fault() => INVALID,
            _ => FAILED,
        }
    }
}

/// Tells the user what may go wrong, or may have been meant otherwise: once, however often a scenario is
/// read.
pub(crate) fn warn(warning: &dyn std::fmt::Display) {
    static SAID: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let warning = warning.to_string();
    let style = anstyle::AnsiColor::Yellow.on_default().bold();
    if SAID.lock().unwrap_or_else(PoisonError::into_inner).insert(warning.clone()) {
        anstream::eprintln!("{style}warning{style:#}: {warning}");
    }
}

/// Tells the user what went wrong.
pub(crate) fn explain(failure: &Failure) {
    let style = anstyle::AnsiColor::Red.on_default().bold();
    anstream::eprintln!("{style}error{style:#}: {failure}");
}
