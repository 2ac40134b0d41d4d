//! `warmpool run`: a scenario, its verdict, and what it came to.

use std::path::{Path, PathBuf};

use reports::{SeedTable, Spread, Summary, Verdict, folder, identity, terminal};

use crate::exit::{self, Failure};
use crate::jobs::{self, Finished, Threads};
use crate::load::{Loaded, ScenarioArgs};
use crate::out::{self, Out};
use crate::{Ended, capacity, columns, exit::Code, json, kvm, say};

/// Run a scenario and print its verdict, then demand, outcomes, latencies, pool and cost
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  warmpool run spike
  warmpool run spike --out out              five files, among them out/report.html
  warmpool run spike --set pool.depth.ready=40 --seeds 20
  warmpool run trace-replay --set demand.trace=/data/trace.csv.gz
  warmpool run kvm-spike --backend kvm      on real microVMs, in real time")]
pub(crate) struct Args {
    #[command(flatten)]
    scenario: ScenarioArgs,

    /// What the scenario runs on
    #[arg(long, value_enum, value_name = "BACKEND", default_value_t = Backend::Sim)]
    backend: Backend,

    /// A file with a `[pool]` table, or the keys of one, or the name of a ready-made policy, to lay over the
    /// scenario's own. `--set`, and the pool of a region or a worker, come after it
    #[arg(long, value_name = "FILE")]
    pool: Option<PathBuf>,

    #[command(flatten)]
    out: Out,

    /// Write what happens into this folder: every message that an actor got with what it did, for `warmpool
    /// replay` (deliveries.journal), and every request as a trace that `demand.trace` takes (arrivals.jsonl).
    /// With --backend kvm
    #[arg(long, value_name = "DIR")]
    journal: Option<PathBuf>,

    /// Print summary.json instead of the summary for people
    #[arg(long)]
    json: bool,

    /// Run with so many seeds, counted up from the scenario's: in how many each gate holds, and how far each
    /// figure spreads. With --out also seeds.csv, spread.json and spread.html; the other files are those of
    /// the first seed
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
    let loaded = args.scenario.load(args.pool.as_deref())?;
    if args.explain {
        say(&(loaded.scenario.explain()? + &capacity::explain(&loaded.scenario)))?;
        return Ok(exit::HELD);
    }
    let shortages = match args.backend {
        Backend::Sim => capacity::warnings(&loaded.scenario),
        Backend::Kvm => Vec::new(),
    };
    shortages.iter().for_each(|shortage| exit::warn(shortage));
    // In the summary each is one line.
    let shortages = shortages.iter().map(|shortage| shortage.replace("\n  ", "; ")).collect();
    if let Some(journal) = &args.journal {
        out::prepare(journal)?;
    }
    // Two real runs are never the same, so none replaces another unasked.
    let run_id = match (args.backend, args.seeds) {
        (Backend::Kvm, _) => identity::hash(format!("{:?}", std::time::SystemTime::now()).as_bytes()),
        (Backend::Sim, Some(seeds @ 2..)) => {
            identity::hash(format!("{} {seeds}", loaded.run_id()?).as_bytes())
        }
        (Backend::Sim, _) => loaded.run_id()?,
    };
    args.out.prepare(&run_id)?;
    match args.seeds {
        Some(seeds) if seeds > 1 => spread(args, &loaded, seeds, run_id, shortages),
        _ => single(args, loaded, &run_id, shortages),
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

fn single(args: &Args, loaded: Loaded, run_id: &str, shortages: Vec<String>) -> Ended {
    let (mut report, notes) = match args.backend {
        Backend::Sim => {
            let mut reports =
                jobs::all(std::slice::from_ref(&loaded), &args.threads, |finished| finished.report)?;
            (reports.remove(0), String::new())
        }
        Backend::Kvm => kvm::run(&loaded, "running", args.journal.as_deref())?,
    };
    report.summary.shortages = shortages;
    loaded.sign(&mut report, run_id)?;
    let text =
        if args.json { report.summary.to_json() } else { terminal::render(&report, columns()) + &notes };
    say(&text)?;
    if let Some(out) = &args.out.out {
        folder::write(out, &report)?;
        written(args, out, folder::PAGE)?;
    }
    Ok(code(report.summary.verdict))
}

fn spread(args: &Args, loaded: &Loaded, seeds: u64, run_id: String, shortages: Vec<String>) -> Ended {
    let first = loaded.scenario.seed;
    let jobs: Vec<Loaded> = (0..seeds).map(|index| loaded.with_seed(first.wrapping_add(index))).collect();
    let mut kept = jobs::all(&jobs, &args.threads, |Finished { report, .. }| {
        let summary = report.summary.clone();
        (summary, (report.summary.seed == first).then_some(report))
    })?;
    let report = kept[0].1.take();
    let summaries: Vec<Summary> = kept.into_iter().map(|(summary, _)| summary).collect();
    let mut spread = Spread::new(&summaries, loaded.scenario.gates_held_in);
    spread.identity.run = run_id;
    let text = if args.json { json(&spread)? } else { spread.render(columns()) };
    say(&text)?;
    if let (Some(out), Some(mut report)) = (&args.out.out, report) {
        report.summary.shortages = shortages;
        loaded.sign(&mut report, &loaded.run_id()?)?;
        folder::write_spread(out, &report, &spread, &SeedTable::new(&summaries))?;
        written(args, out, folder::SPREAD_PAGE)?;
    }
    Ok(code(spread.gates.verdict))
}

/// Says where the files are, unless a program reads it. They are written when the summary has been printed:
/// what a long run came to is not lost with a full disk.
fn written(args: &Args, out: &Path, page: &str) -> Result<(), Failure> {
    if args.json {
        return Ok(());
    }
    say(&format!("\nWritten to {0}: open {0}/{page}\n", out.display()))
}

fn code(verdict: Verdict) -> Code {
    if verdict == Verdict::Failed { exit::GATE_FAILED } else { exit::HELD }
}
