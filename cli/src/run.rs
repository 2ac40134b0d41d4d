//! `warmpool run`: a scenario, its verdict, and what it came to.

use std::path::PathBuf;

use reports::{Report, Spread, Summary, Verdict, folder, terminal};

use crate::exit::{self, Failure};
use crate::jobs::{self, Finished, Threads};
use crate::load::{Loaded, ScenarioArgs};
use crate::out;
use crate::{Ended, capacity, columns, exit::Code, json, kvm, say};

/// Run a scenario and print its verdict, then demand, outcomes, latencies, pool and cost
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  warmpool run scenarios/spike.toml
  warmpool run scenarios/spike.toml --out out              five files, among them out/report.html
  warmpool run scenarios/spike.toml --set pool.depth.ready=40 --seeds 20
  warmpool run scenarios/trace-replay.toml --set demand.trace=/data/trace.csv.gz
  warmpool run scenarios/kvm-spike.toml --backend kvm      on real microVMs, in real time")]
pub(crate) struct Args {
    #[command(flatten)]
    scenario: ScenarioArgs,

    /// What the scenario runs on
    #[arg(long, value_enum, value_name = "BACKEND", default_value_t = Backend::Sim)]
    backend: Backend,

    /// Write summary.json, report.html, latency.hlog, latency.hgrm and timeline.csv into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Write what happens into this folder: every message that an actor got with what it did, for `warmpool
    /// replay` (deliveries.journal), and every request as a trace that `demand.trace` takes (arrivals.jsonl).
    /// With --backend kvm
    #[arg(long, value_name = "DIR")]
    journal: Option<PathBuf>,

    /// Print summary.json instead of the summary for people
    #[arg(long)]
    json: bool,

    /// Run with so many seeds, counted up from the scenario's, and print the spread of each figure. Files in
    /// --out are those of the first seed
    #[arg(long, value_name = "N", conflicts_with = "explain", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    seeds: Option<u64>,

    /// Print the scenario with every default in force, and run nothing
    #[arg(long)]
    explain: bool,

    #[command(flatten)]
    threads: Threads,
}

/// What a scenario runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Backend {
    /// A deterministic simulated clock: as fast as it goes, and the same on every machine
    Sim,
    /// Real microVMs on KVM, in real time, with this host as the one worker. It answers by itself: the tables
    /// `latency` and `timer` of the scenario are not used. Guests have 128 MiB; the files of Sprites that
    /// sleep lie in TMPDIR, without a name
    Kvm,
}

/// Runs the verb.
pub(crate) fn run(args: &Args) -> Ended {
    match args.backend {
        Backend::Kvm => only_simulated(args)?,
        Backend::Sim => only_real(args)?,
    }
    let loaded = args.scenario.load(None)?;
    if args.explain {
        say(&(loaded.scenario.explain()? + &capacity::explain(&loaded.scenario)))?;
        return Ok(exit::HELD);
    }
    if args.backend == Backend::Sim {
        capacity::warnings(&loaded.scenario).iter().for_each(|warning| exit::warn(warning));
    }
    if let Some(journal) = &args.journal {
        out::prepare(journal)?;
    }
    if let Some(out) = &args.out {
        // What cannot be written is better known before a long run than after it.
        out::prepare(out)?;
    }
    match args.seeds {
        Some(seeds) if seeds > 1 => spread(args, &loaded, seeds),
        _ => single(args, loaded),
    }
}

/// Refuses what only a simulation can be asked for.
fn only_simulated(args: &Args) -> Result<(), Failure> {
    let refused = |what: String, remedy| Err(Failure::OtherBackend(format!("{what}\n  {remedy}")));
    if let Some(seeds @ 2..) = args.seeds {
        let what = format!("--seeds {seeds}: a real run is never the same twice, whatever its seed");
        return refused(what, "run it several times with --seed, or simulate it");
    }
    if let Some(host) = &args.scenario.host {
        let what =
            format!("--host {}: a real host answers by itself, not as another was measured", host.display());
        return refused(what, "leave it out, or simulate it");
    }
    Ok(())
}

/// Refuses what only a real run can be asked for.
fn only_real(args: &Args) -> Result<(), Failure> {
    match &args.journal {
        Some(folder) => Err(Failure::OtherBackend(format!(
            "--journal {}: a simulation is the same whenever it is run, so there is nothing to write down\n  \
             add --backend kvm, or leave it out",
            folder.display()
        ))),
        None => Ok(()),
    }
}

fn single(args: &Args, loaded: Loaded) -> Ended {
    let (report, notes) = match args.backend {
        Backend::Sim => {
            let mut reports = jobs::all(&[loaded], &args.threads, |finished| finished.report)?;
            (reports.remove(0), String::new())
        }
        Backend::Kvm => kvm::run(&loaded, "running", args.journal.as_deref())?,
    };
    let text =
        if args.json { report.summary.to_json() } else { terminal::render(&report, columns()) + &notes };
    say(&text)?;
    write_folder(args, &report)?;
    Ok(code(report.summary.verdict))
}

fn spread(args: &Args, loaded: &Loaded, seeds: u64) -> Ended {
    let first = loaded.scenario.seed;
    let jobs: Vec<Loaded> = (0..seeds).map(|index| loaded.with_seed(first.wrapping_add(index))).collect();
    let mut kept = jobs::all(&jobs, &args.threads, |Finished { report, .. }| {
        let summary = report.summary.clone();
        (summary, (report.summary.seed == first).then_some(report))
    })?;
    let report = kept[0].1.take();
    let summaries: Vec<Summary> = kept.into_iter().map(|(summary, _)| summary).collect();
    let spread = Spread::new(&summaries, reports::seeds::NEEDED);
    let text = if args.json { json(&spread)? } else { spread.render() };
    say(&text)?;
    if let Some(report) = report {
        write_folder(args, &report)?;
    }
    Ok(code(spread.gates.verdict))
}

/// Writes the folder, when the summary has been printed: what a long run came to is not lost with a full
/// disk. Says where the files are, unless a program reads it.
fn write_folder(args: &Args, report: &Report) -> Result<(), Failure> {
    let Some(out) = &args.out else { return Ok(()) };
    folder::write(out, report)?;
    if !args.json {
        say(&format!("\nWritten to {0}: open {0}/report.html\n", out.display()))?;
    }
    Ok(())
}

fn code(verdict: Verdict) -> Code {
    if verdict == Verdict::Failed { exit::GATE_FAILED } else { exit::HELD }
}
