//! `warmpool twin`: one scenario simulated with this host's profile and for real, side by side.

use std::path::Path;

use reports::{Prediction, Report, Summary, Twin, folder, identity};
use scenarios::Profile;
use vmm_backend::calibrate::{self, CalibrateError, Calibration, Extent, Figures, Meter, Plan};
use vmm_backend::machines::Fit;

use crate::calibrate::watched;
use crate::exit::{self, Failure};
use crate::jobs;
use crate::load::{Loaded, ScenarioArgs};
use crate::out::Out;
use crate::{Ended, columns, json, kvm, say};

/// Run a scenario simulated and on this host's real microVMs, and tell how well the simulation has predicted
/// it
///
/// The simulation answers as the host profile says. Without --host the profile is measured now, by turns with
/// the real runs: a part before each, and one after the last. What the neighbours of a host do changes its
/// pace by the minute, and so both meet the same. With --host it is that of another time: the test of a
/// forecast, and fair where the host is quiet. Real runs differ among themselves, so there are five by
/// default. The prediction holds where, wherever the real figures lie within their 95 % intervals, misses lie
/// within one percentage point and the latency's p50 and p99 within 15 %. Where the real runs spread too wide
/// to tell, it is not decided. If it does not hold, or is not decided, the exit code is 99.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  warmpool twin kvm-spike --out out
  warmpool calibrate --boots 2 --out host
  warmpool twin kvm-spike --host host --out out")]
pub(crate) struct Args {
    #[command(flatten)]
    scenario: ScenarioArgs,

    /// Real runs that count. Where the hypervisor gives the processors to others meanwhile, up to twice as
    /// many are made, and the quietest count, each with the part of the profile that was measured before it
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=99))]
    runs: u32,

    #[command(flatten)]
    out: Out,

    /// Print twin.json instead of the table for people
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub(crate) fn twin(args: &Args) -> Ended {
    // What is wrong with the scenario is better known before anything is measured than after it: also what
    // shows only when its demand is read to the end, and what this host cannot do.
    let loaded = args.scenario.load(None)?;
    // Two real runs are never the same, so no twin replaces another unasked.
    let run_id = identity::hash(format!("{:?}", std::time::SystemTime::now()).as_bytes());
    args.out.prepare(&run_id)?;
    let mut simulated = simulate(&loaded)?;
    Fit::of(&loaded.scenario)?;
    let boots = loaded.scenario.workers().first().map_or(1, |plan| plan.boots).clamp(1, 16);
    let plan = Plan { extent: Extent::Part, boots, ..Plan::default() };
    let (kept, about_profile);
    if let Some(host) = &args.scenario.host {
        warn_of_another_host(host, boots)?;
        kept = run_for_real(&loaded, args.runs as usize, None)?;
        about_profile = "that of --host; without --host it is measured by turns with the real runs,\n\
             which is the fairer test on a host that is not quiet"
            .to_owned();
    } else {
        anstream::eprintln!("no --host: measuring this host by turns with the real runs");
        kept = run_for_real(&loaded, args.runs as usize, Some(&plan))?;
        let calibration = Calibration::of(&plan, kept.parts)?;
        simulated = simulate_on(args, &calibration)?;
        about_profile = format!(
            "measured in {} parts, before each real run and after the last\n{}",
            kept.runs.len() + 1,
            calibration.profile.host.disturbed
        );
    }
    let mut notes = format!("profile    {}\n", about_profile.trim_end().replace('\n', "\n           "));
    let mut reals = Vec::new();
    for ((mut report, said), run) in kept.runs.into_iter().zip(1..) {
        loaded.sign(&mut report, &identity::hash(format!("{run_id} {run}").as_bytes()))?;
        reals.push(report);
        notes += &format!("real run {run}\n{said}");
    }
    if kept.left_out > 0 {
        notes += &format!(
            "left out   {} more, during which others had more of the processors' time\n",
            kept.left_out
        );
    }
    tell(args, &run_id, &simulated, &reals, &notes)
}

/// What was done for real and counts.
struct Kept {
    /// The runs' reports, and what is to be said of each.
    runs: Vec<(Report, String)>,
    /// Parts of the profile: one for each run, and the last.
    parts: Vec<Figures>,
    /// How many runs do not count.
    left_out: usize,
}

/// Runs the scenario for real until so many runs count. With a plan a part of the profile is measured before
/// each, and one after the last, so that both have met the same pace of a host that changes it by the minute.
fn run_for_real(loaded: &Loaded, wanted: usize, plan: Option<&Plan>) -> Result<Kept, Failure> {
    let mut turns = 0;
    let kept = calibrate::quietest(wanted, 2 * wanted, |before| {
        turns = before + 1;
        let meter = Meter::start();
        // A part and its run count together or not at all: one without the other is the unpaired test again.
        let part = plan.map(|plan| measure(plan, before)).transpose()?;
        let run = kvm::run(loaded, &format!("real run {turns} of {}", wanted.max(turns)), None)?;
        Ok::<_, Failure>((meter.stolen(), (run, part)))
    })?;
    let (runs, mut parts): (Vec<_>, Vec<_>) = kept.into_iter().map(|(_, both)| both).unzip();
    parts.push(plan.map(|plan| measure(plan, turns)).transpose()?);
    Ok(Kept { left_out: turns - runs.len(), runs, parts: parts.into_iter().flatten().collect() })
}

fn measure(plan: &Plan, turn: usize) -> Result<Figures, CalibrateError> {
    watched(&format!("measuring, part {}:", turn + 1), |progress| calibrate::measure(plan, turn, progress))
}

fn simulate(loaded: &Loaded) -> Result<Report, Failure> {
    let mut report = jobs::one(loaded, &sim_backend::Options::default())?.report;
    loaded.sign(&mut report, &loaded.run_id()?)?;
    Ok(report)
}

/// Simulates the scenario on the host that was measured now. Its profile is kept where anything is.
fn simulate_on(args: &Args, calibration: &Calibration) -> Result<Report, Failure> {
    // The profile's files are read when the simulation begins, so the folder has to live until then.
    let mut aside = None;
    let host = match &args.out.out {
        Some(out) => out.join("host"),
        None => aside.insert(tempfile::tempdir()?).path().join("host"),
    };
    calibrate::write(&host, calibration)?;
    simulate(&args.scenario.load_on(&host)?)
}

/// Writes what is to be kept, and says how well the real runs were predicted.
fn tell(args: &Args, run_id: &str, simulated: &Report, reals: &[Report], notes: &str) -> Ended {
    let summaries: Vec<&Summary> = reals.iter().map(|real| &real.summary).collect();
    let mut twin = Twin::new(&simulated.summary, &summaries);
    twin.identity.run = run_id.to_owned();
    let text = if args.json { json(&twin)? } else { twin.render(columns()) + "\n" + notes };
    say(&text)?;
    if let Some(out) = &args.out.out {
        folder::write_twin(out, &twin, simulated, reals)?;
    }
    if let (Some(out), false) = (&args.out.out, args.json) {
        say(&format!("\nWritten to {0}: open {0}/twin.html\n", out.display()))?;
    }
    Ok(if twin.prediction == Prediction::Within { exit::HELD } else { exit::GATE_FAILED })
}

/// A profile of another host says nothing about this one, and one of other boots little: they slow down all
/// else.
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
    let here = vmm_backend::HostId::read();
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
