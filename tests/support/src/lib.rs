//! For tests that need what a machine may lack, KVM above all. One rule for everything that may be missing:
//!
//! 1. The test asks [`has`], and returns where the answer is `false`. The reason and the remedy are printed
//!    with the test.
//! 2. When the test program ends, one line counts what it has skipped, and what all programs of this run of
//!    `cargo test` have.
//! 3. `WARMPOOL_REQUIRE_KVM=1` (`_TRACES`, `_BROWSER`, by the [name](Need::name) of the need) makes a skip a
//!    failure.
//!
//! ```
//! if !support::has(&support::Need::Kvm) {
//!     return; // printed: skipped: /dev/kvm may not be opened by this user (...); add the user to the group of /dev/kvm
//! }
//! ```
//!
//! libtest has no hook for the end of a run. The line is printed by a destructor of the program, past
//! libtest's capture of output; the count of the whole run is kept in a file named after the process that
//! started the program, which is `cargo`.

#![forbid(unsafe_code)]

mod kvm;
mod tally;

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Something that a test needs and a machine may lack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// A VM can be made: the device is there, this user may open it, and the kernel makes a VM.
    Kvm,
    /// This file of recorded demand, which lies beside the project and is not part of it.
    Trace(PathBuf),
    /// This command succeeds.
    Command {
        /// Program and arguments. It must leave nothing behind.
        command: Vec<&'static str>,
        /// What it is needed as, for the variable that requires it.
        name: &'static str,
        /// What makes it succeed.
        remedy: &'static str,
    },
    /// This program can be run.
    Program {
        /// What it is called.
        program: String,
        /// What it is needed as, for the variable that requires it: `browser`, `pip`.
        name: &'static str,
        /// How to get it.
        remedy: &'static str,
    },
}

impl Need {
    /// The name that `WARMPOOL_REQUIRE_...` takes, in small letters.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
            Self::Trace(_) => "traces",
            Self::Command { name, .. } | Self::Program { name, .. } => name,
        }
    }
}

/// Why something cannot be used here, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// What was found.
    pub reason: String,
    /// What to do.
    pub remedy: &'static str,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.reason, self.remedy)
    }
}

/// Looks whether it is here. Skips nothing.
///
/// # Errors
/// Why it cannot be used.
pub fn look(need: &Need) -> Result<(), Missing> {
    match need {
        Need::Kvm => kvm::look(),
        Need::Trace(path) => trace(path),
        Need::Command { command, remedy, .. } => succeed(command, remedy),
        Need::Program { program, remedy, .. } => run(program, remedy),
    }
}

/// Whether it is here. Where it is not, the test that asks is to return: it is counted as skipped.
///
/// # Panics
/// Where it is not and the environment requires it.
#[must_use]
pub fn has(need: &Need) -> bool {
    let Err(missing) = look(need) else { return true };
    let variable = format!("WARMPOOL_REQUIRE_{}", need.name().to_uppercase());
    let required = std::env::var_os(&variable).is_some_and(|value| value == "1");
    assert!(!required, "{missing} (required by {variable}=1)");
    println!("skipped: {missing}");
    tally::count(need.name(), &missing);
    false
}

fn trace(path: &Path) -> Result<(), Missing> {
    if path.is_file() {
        return Ok(());
    }
    let reason = format!("there is no {}", path.display());
    Err(Missing { reason, remedy: "name the folder of the recorded traces in WARMPOOL_TRACES" })
}

fn succeed(command: &[&str], remedy: &'static str) -> Result<(), Missing> {
    let text = command.join(" ");
    let (program, arguments) = command.split_first().expect("a command has a program");
    match Command::new(program).args(arguments).stdin(Stdio::null()).output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let says = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            Err(Missing { reason: format!("`{text}` fails ({}): {says}", output.status), remedy })
        }
        Err(error) => Err(Missing { reason: format!("`{text}` cannot be run: {error}"), remedy }),
    }
}

fn run(program: &str, remedy: &'static str) -> Result<(), Missing> {
    let quiet = Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match quiet {
        Ok(_) => Ok(()),
        Err(error) => Err(Missing { reason: format!("`{program}` cannot be run: {error}"), remedy }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_has_a_reason_and_a_remedy() {
        let trace = Need::Trace("/nonexistent/trace.csv".into());
        let program =
            Need::Program { program: "no-such-program".to_owned(), name: "program", remedy: "install it" };
        for (need, reason) in [(trace, "/nonexistent/trace.csv"), (program, "no-such-program")] {
            let missing = look(&need).expect_err("it is not here");
            assert!(missing.reason.contains(reason) && !missing.remedy.is_empty(), "{missing}");
        }
    }

    #[test]
    fn what_is_here_is_found() {
        // It need not know the argument that it is called with.
        let program = std::env::current_exe().expect("this program is here").to_string_lossy().into_owned();
        assert_eq!(look(&Need::Program { program, name: "itself", remedy: "none" }), Ok(()));
        assert_eq!(look(&Need::Trace(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))), Ok(()));
    }
}
