//! `warmpool twin`: one scenario simulated with this host's profile and for real, side by side.

use std::io::Write;
use std::path::{Path, PathBuf};

use reports::html::twin_page;
use reports::{Summary, Twin, folder};
use scenarios::Profile;
use vmm_backend::calibrate::{self, Extent, Meter, Plan};

use crate::calibrate::watched;
use crate::exit::{self, Failure};
use crate::jobs;
use crate::load::ScenarioArgs;
use crate::{Ended, json, kvm};

/// Run a scenario simulated and on this host's real microVMs, and tell how well the simulation has predicted it
///
/// The simulation answers as the host profile says: that of --host, or one that is measured quickly now. Real runs differ among
/// themselves, so there are three by default. The prediction holds where, of their medians, misses lie within one percentage
/// point and the latency's p50 and p99 within 15 %; else the exit code is 99.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  warmpool calibrate --out host
  warmpool twin scenarios/kvm-spike.toml --host host --out out")]
pub(crate) struct Args {
    #[command(flatten)]
    scenario: ScenarioArgs,

    /// Real runs that count. Where the hypervisor gives the processors to others meanwhile, up to twice as many are made, and
    /// the quietest count
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=99))]
    runs: u32,

    /// Write twin.json, twin.html, the runs that count (simulated, real-1, ...; the first real one is the quietest) and a profile
    /// that was measured now (host) into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Print twin.json instead of the table for people
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub(crate) fn twin(args: &Args) -> Ended {
    if let Some(out) = &args.out {
        folder::prepare(out)?;
    }
    // What is wrong with the scenario is better known before a calibration than after it.
    let mut loaded = args.scenario.load(None)?;
    let mut aside = None;
    let boots = loaded.scenario.workers().first().map_or(1, |plan| plan.boots).clamp(1, 16);
    if args.scenario.host.is_none() {
        anstream::eprintln!(
            "no --host: measuring this host quickly; `warmpool calibrate --out DIR` does it well, and once"
        );
        // The profile's files are read when the simulation begins, so the folder has to live until then.
        let folder = match &args.out {
            Some(out) => out.join("host"),
            None => aside.insert(tempfile::tempdir()?).path().join("host"),
        };
        let plan = Plan { extent: Extent::Quick, boots, ..Plan::default() };
        let calibration = watched("measuring", |progress| calibrate::calibrate(&plan, progress))?;
        calibrate::write(&folder, &calibration)?;
        loaded = args.scenario.load_on(&folder)?;
    } else if let Some(host) = &args.scenario.host {
        warn_of_another_host(host, boots)?;
    }
    let simulated = jobs::one(&loaded, &sim_backend::Options::default())?.report;
    let (wanted, mut ran) = (args.runs as usize, 0);
    let kept = calibrate::quietest(wanted, 2 * wanted, |before| {
        ran = before + 1;
        let meter = Meter::start();
        let run = kvm::run(&loaded, &format!("real run {ran} of {}", wanted.max(ran)), None)?;
        Ok::<_, Failure>((meter.stolen(), run))
    })?;
    let (mut reals, mut notes) = (Vec::new(), String::new());
    for ((_, (report, said)), run) in kept.into_iter().zip(1..) {
        reals.push(report);
        notes += &format!("real run {run}\n{said}");
    }
    if ran > reals.len() {
        let left_out = ran - reals.len();
        notes +=
            &format!("left out   {left_out} more, during which others had more of the processors' time\n");
    }
    let summaries: Vec<&Summary> = reals.iter().map(|real| &real.summary).collect();
    let twin = Twin::new(&simulated.summary, &summaries);
    if let Some(out) = &args.out {
        folder::write(&out.join("simulated"), &simulated)?;
        for (real, run) in reals.iter().zip(1..) {
            folder::write(&out.join(format!("real-{run}")), real)?;
        }
        folder::write_file(out, "twin.json", json(&twin)?.as_bytes())?;
        folder::write_file(out, "twin.html", twin_page(&twin, &simulated, &reals).as_bytes())?;
    }
    let text = if args.json { json(&twin)? } else { twin.render() + "\n" + &notes };
    anstream::stdout().write_all(text.as_bytes())?;
    if let (Some(out), false) = (&args.out, args.json) {
        writeln!(anstream::stdout(), "\nWritten to {0}: open {0}/twin.html", out.display())?;
    }
    Ok(if twin.within { exit::HELD } else { exit::GATE_FAILED })
}

/// A profile of another host says nothing about this one, and one of other boots little: they slow down all else.
fn warn_of_another_host(host: &Path, boots: u32) -> Result<(), Failure> {
    let there = Profile::load(host)?.host;
    if there.boots != boots {
        anstream::eprintln!(
            "{}: measured with {} boots at once, and the scenario has {boots}: calibrate with --boots {boots}",
            host.display(),
            there.boots
        );
    }
    if !there.disturbed.is_empty() {
        anstream::eprintln!("{}: {}: calibrate again when it is quiet", host.display(), there.disturbed);
    }
    let here = vmm_backend::hypervisor::Host::read();
    if (&there.kernel, &there.cpu, &there.kvm) != (&here.kernel, &here.cpu, &here.module) {
        anstream::eprintln!(
            "{}: measured on another host ({}, {}, {}); this one is {here}",
            host.display(),
            there.cpu,
            there.kernel,
            there.kvm
        );
    }
    Ok(())
}
