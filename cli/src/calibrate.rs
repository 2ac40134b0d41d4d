//! `warmpool calibrate`: how this host answers, measured, for simulations.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use anstyle::{AnsiColor, Style};
use scenarios::Profile;
use scenarios::profile::Measured;
use vmm_backend::calibrate::{self, CalibrateError, Extent, Plan, Progress};

use crate::exit::{self, Failure};
use crate::jobs::{Interruption, with_bar};
use crate::{Ended, json, say};

/// Measure how this host's VMs answer, and write a host profile for `run --host`
///
/// Boot, create, start, sleep, wake and stop on the way that a request takes in production: alone, in
/// parallel, under CPU load, with many VMs alive; and how late timers are, and what the runtime adds. It
/// takes one or two minutes; the quieter the host is meanwhile, the better the profile. Where there is no KVM
/// the exit code is 103.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  warmpool calibrate --out host
  warmpool run spike --host host")]
pub(crate) struct Args {
    /// Write the host profile, profile.toml and its histograms, as this folder. A profile that is there is
    /// replaced
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Take some seconds instead of minutes. The tails are then not worth much
    #[arg(long)]
    quick: bool,

    /// How many boots run at once, as `[fleet] boots` of the scenarios that are to be simulated [default:
    /// processors]
    #[arg(long, value_name = "N", default_value_t = Plan::default().boots, hide_default_value = true, value_parser = clap::value_parser!(u32).range(1..=16))]
    boots: u32,

    /// The most VMs to have alive. As many as fit into memory, at most
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    vms: u32,

    /// Memory of each VM in MiB
    #[arg(long, value_name = "MIB", default_value_t = 128, value_parser = clap::value_parser!(u64).range(1..=65_536))]
    memory: u64,

    /// Print the profile as JSON
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub(crate) fn calibrate(args: &Args) -> Ended {
    if let Some(out) = &args.out {
        calibrate::prepare(out)?;
    }
    let plan = Plan {
        extent: if args.quick { Extent::Quick } else { Extent::Full },
        boots: args.boots,
        vms_max: args.vms,
        memory_bytes: args.memory << 20,
        ..Plan::default()
    };
    let calibration = watched("measuring", |progress| calibrate::calibrate(&plan, progress))?;
    if let Some(out) = &args.out {
        calibrate::write(out, &calibration)?;
    }
    let profile = &calibration.profile;
    let text = if args.json { json(profile)? } else { render(profile, args.vms, args.quick) };
    say(&text)?;
    match &args.out {
        _ if args.json => {}
        Some(folder) => say(&format!(
            "\nWritten to {0}: simulate this host with `warmpool run FILE --host {0}`\n",
            folder.display()
        ))?,
        None => say("\nNothing was written: `--out DIR` keeps it for `warmpool run FILE --host DIR`\n")?,
    }
    Ok(exit::HELD)
}

/// Measures, with a bar on a terminal that says what is measured now.
pub(crate) fn watched<T>(
    what: &str,
    measure: impl FnOnce(Progress<'_>) -> Result<T, CalibrateError>,
) -> Result<T, CalibrateError> {
    let (share, now) = ([AtomicU64::new(0)], Mutex::new(String::new()));
    let now = || now.lock().unwrap_or_else(PoisonError::into_inner);
    with_bar(&|| format!("{what} {}", now()), &share, Interruption::EndsTheProgram, || {
        measure(&|thousandths, what| {
            *now() = what.to_owned();
            share[0].store(thousandths, Ordering::Relaxed);
        })
    })
}

fn render(profile: &Profile, vms: u32, quick: bool) -> String {
    let host = &profile.host;
    let bold = Style::new().bold();
    let find = |operation: &str, condition: &str| {
        profile.measured.iter().find(|row| row.operation == operation && row.condition == condition)
    };
    let mut text = String::new();
    let p =
        |row: Option<&Measured>, of: fn(&Measured) -> u64| row.map_or("-".to_owned(), |row| time(of(row)));
    let (start, boot) = (find("start", "alone"), find("boot", "alone"));
    text += &format!(
        "{bold}MEASURED{bold:#}  a warm start takes {} (p99 {}), a boot {} (p99 {}); {:.0} requests a second can be refilled\n\n",
        p(start, |row| row.p50_ns),
        p(start, |row| row.p99_ns),
        p(boot, |row| row.p50_ns),
        p(boot, |row| row.p99_ns),
        host.boots_per_second
    );
    let nested = if host.nested { ", itself a guest" } else { "" };
    text += &format!(
        "{}, kernel {}, {}{nested}; {} processors, {} MiB; guests of {} MiB, {} boots at once\n",
        host.cpu, host.kernel, host.kvm, host.processors, host.memory_mib, host.guest_memory_mib, host.boots
    );
    let warn = AnsiColor::Yellow.on_default();
    if !host.disturbed.is_empty() {
        text +=
            &format!("{warn}disturbed{warn:#}  {}: measure again when the host is quiet\n", host.disturbed);
    }
    if quick {
        text += &format!("{warn}quick{warn:#}  few values each: medians hold, tails do not\n");
    } else if host.vms_alive < vms {
        text += &format!("{warn}bounded{warn:#}  memory holds {} VMs, not {vms}\n", host.vms_alive);
    }
    text += &format!(
        "\n{bold}{:<10}{:<20}{:>8}{:>12}{:>12}{:>12}{bold:#}\n",
        "operation", "condition", "count", "p50", "p99", "p99.9"
    );
    for row in &profile.measured {
        text += &format!(
            "{:<10}{:<20}{:>8}{:>12}{:>12}{:>12}\n",
            row.operation,
            row.condition,
            row.count,
            time(row.p50_ns),
            time(row.p99_ns),
            time(row.p999_ns)
        );
    }
    text
}

/// A time to three digits.
fn time(ns: u64) -> String {
    reports::format::nanos(ns as f64)
}

impl From<CalibrateError> for Failure {
    fn from(error: CalibrateError) -> Self {
        if error.is_unable() {
            Self::NoKvm(format!("{error}\n  `warmpool doctor` tells what this host lacks"))
        } else {
            Self::Usage(error.to_string())
        }
    }
}

impl From<calibrate::FolderError> for Failure {
    fn from(error: calibrate::FolderError) -> Self {
        Self::Usage(error.to_string())
    }
}
