//! `warmpool doctor`: what this host can do for warm VMs, and what not, with the remedy for each.

use std::path::PathBuf;

use anstyle::{AnsiColor, Style};
use vmm_backend::doctor::{Verdict, Wanted, examine};

use crate::{Ended, exit, say};

/// Tell what this host can do for warm VMs and what not, with the remedy for each
///
/// Nothing on the host is changed. The exit code is 0 where warm VMs can run, also with warnings, and 103
/// where not.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How many VMs are to be alive at once
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    vms: usize,

    /// Memory of each VM in MiB
    #[arg(long, value_name = "MIB", default_value_t = 128, value_parser = clap::value_parser!(u64).range(1..=1_048_576))]
    memory: u64,

    /// Where Sprites that sleep are kept; the folder for temporary files, if not given
    #[arg(long, value_name = "DIR")]
    sleep_directory: Option<PathBuf>,
}

/// Runs the verb.
pub(crate) fn doctor(args: &Args) -> Ended {
    let sleep_directory = args.sleep_directory.clone().unwrap_or_else(std::env::temp_dir);
    let findings = examine(&Wanted { vms: args.vms, memory_bytes: args.memory << 20, sleep_directory });
    let count = |verdict| findings.iter().filter(|finding| finding.verdict == verdict).count();
    let (fails, warnings) = (count(Verdict::Fail), count(Verdict::Warn));
    let bold = Style::new().bold();
    let verdict = if fails == 0 { "ABLE" } else { "UNABLE" };
    let says = if fails == 0 { "warm VMs can run on this host" } else { "warm VMs cannot run on this host" };
    let mut text = format!("{bold}{verdict:8}{says}{bold:#}; {fails} failures, {warnings} warnings\n\n");
    for finding in &findings {
        let style = match finding.verdict {
            Verdict::Ok => AnsiColor::Green.on_default(),
            Verdict::Warn => AnsiColor::Yellow.on_default(),
            Verdict::Fail => AnsiColor::Red.on_default().bold(),
        };
        text += &format!("{style}{:<8}{style:#}{}: {}\n", finding.verdict, finding.name, finding.seen);
        if !finding.remedy.is_empty() {
            text += &format!("        {}\n", finding.remedy);
        }
    }
    say(&text)?;
    Ok(if fails == 0 { exit::HELD } else { exit::UNABLE })
}
