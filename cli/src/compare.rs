//! `warmpool compare`: pool policies on identical demand and boots.

use std::path::{Path, PathBuf};

use reports::compare::{Variant, letter};
use reports::{Comparison, Report, Verdict, folder, identity};
use scenarios::{Scenario, ScenarioError};

use crate::exit::{self, Failure};
use crate::jobs::{self, Threads};
use crate::load::{Loaded, ScenarioArgs};
use crate::out::Out;
use crate::{Ended, columns, json, say};

/// Run several pool policies on identical demand and boots, and tell the cheapest whose gates hold
///
/// The first is the scenario's own. Each --pool file lays its keys over the scenario's `[pool]`; each
/// --scenario is another whole scenario with the same demand. All meet the same requests and, where they boot
/// alike, the same boots, seed by seed. So differences are paired: each comes with its 95 % confidence
/// interval, and is claimed only where the interval excludes zero.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  warmpool compare replenish-delay --pool delay-cured --seeds 20 --out out
  warmpool compare sprites --scenario per-tenant
  warmpool compare out-before out-after             folders that `run --out` wrote")]
#[command(group(clap::ArgGroup::new("others").required(true).multiple(true).args(["pools", "scenarios", "folders"])))]
pub(crate) struct Args {
    #[command(flatten)]
    scenario: ScenarioArgs,

    /// Folders to compare to the first, which then is a folder too
    #[arg(value_name = "FOLDER", conflicts_with_all = ["pools", "scenarios"])]
    folders: Vec<PathBuf>,

    /// A file with a `[pool]` table, or the keys of one, or the name of a ready-made policy, to lay over the
    /// scenario's own. May be given several
    /// times. `--set`, and the pool of a region or a worker, come after it
    #[arg(long = "pool", value_name = "FILE")]
    pools: Vec<PathBuf>,

    /// Another scenario with the same demand. May be given several times
    #[arg(long = "scenario", value_name = "FILE")]
    scenarios: Vec<PathBuf>,

    /// Over how many seeds, counted up from the scenario's
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(2..=100_000))]
    seeds: u64,

    #[command(flatten)]
    out: Out,

    /// Print the comparison as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    threads: Threads,
}

/// Runs the verb.
pub(crate) fn compare(args: &Args) -> Ended {
    let made = if args.folders.is_empty() { of_policies(args)? } else { of_folders(args)? };
    let Made { comparison, reports } = made;
    let text = if args.json { json(&comparison)? } else { comparison.render(columns()) };
    say(&text)?;
    if let Some(out) = &args.out.out {
        folder::write_comparison(out, &comparison, &reports.iter().collect::<Vec<_>>())?;
        if !args.json {
            say(&format!("\nWritten to {0}: open {0}/{1}\n", out.display(), folder::COMPARISON_PAGE))?;
        }
    }
    Ok(if comparison.verdict() == Verdict::Failed { exit::GATE_FAILED } else { exit::HELD })
}

/// A comparison, and the first run of each variant, whole.
struct Made {
    comparison: Comparison,
    reports: Vec<Report>,
}

/// Runs the policies over all seeds.
fn of_policies(args: &Args) -> Result<Made, Failure> {
    let variants = variants(args)?;
    let unreached = unreached(&variants[..=args.pools.len()]);
    let ids: Vec<String> = variants.iter().map(|(_, loaded)| loaded.run_id()).collect::<Result<_, _>>()?;
    let run_id = identity::hash(format!("{ids:?} {}", args.seeds).as_bytes());
    args.out.prepare(&run_id)?;
    let first = variants[0].1.scenario.seed;
    let jobs: Vec<Loaded> = variants
        .iter()
        .flat_map(|(_, loaded)| (0..args.seeds).map(|index| loaded.with_seed(first.wrapping_add(index))))
        .collect();
    // Of each variant the first run is kept whole, for the page to lay over each other.
    let mut kept = jobs::all(&jobs, &args.threads, |finished| {
        let summary = finished.report.summary.clone();
        (summary, (finished.report.summary.seed == first).then_some(finished.report))
    })?
    .into_iter();
    let mut reports: Vec<Report> = Vec::new();
    let loaded = variants;
    let variants: Vec<Variant> = loaded
        .iter()
        .map(|(name, _)| {
            let runs = kept.by_ref().take(args.seeds as usize).map(|(summary, report)| {
                reports.extend(report);
                summary
            });
            Variant { name: name.clone(), runs: runs.collect() }
        })
        .collect();
    let needed = loaded[0].1.scenario.gates_held_in;
    let mut comparison = Comparison::new(&variants, needed)?;
    comparison.notes.extend(unreached);
    comparison.identity.run = run_id;
    for ((report, (_, loaded)), id) in reports.iter_mut().zip(&loaded).zip(&ids) {
        loaded.sign(report, id)?;
    }
    Ok(Made { comparison, reports })
}

/// Reads what the folders of runs hold.
fn of_folders(args: &Args) -> Result<Made, Failure> {
    let folders = std::iter::once(&args.scenario.file).chain(&args.folders);
    let named: Vec<(String, Report)> =
        folders.map(|folder| Ok((stem(folder), folder::read(folder)?))).collect::<Result<_, Failure>>()?;
    let (mut names, reports): (Vec<String>, Vec<Report>) = named.into_iter().unzip();
    distinguish(&mut names);
    let ids: Vec<&str> = reports.iter().map(|report| report.summary.identity.run.as_str()).collect();
    let run_id = identity::hash(format!("{ids:?}").as_bytes());
    args.out.prepare(&run_id)?;
    let summaries = reports.iter().map(|report| vec![report.summary.clone()]);
    let variants: Vec<Variant> =
        names.into_iter().zip(summaries).map(|(name, runs)| Variant { name, runs }).collect();
    let mut comparison = Comparison::new(&variants, reports::seeds::NEEDED)?;
    comparison.identity.run = run_id;
    Ok(Made { comparison, reports })
}

/// The scenario's own policy and those of the files, each under the name of its file.
fn variants(args: &Args) -> Result<Vec<(String, Loaded)>, Failure> {
    let first = args.scenario.load(None)?;
    let name = if args.scenario.file == Path::new("-") {
        first.scenario.name.clone()
    } else {
        stem(&args.scenario.file)
    };
    let mut variants = vec![(name, first)];
    for pool in &args.pools {
        variants.push((stem(pool), args.scenario.load(Some(pool))?));
    }
    for file in &args.scenarios {
        let other = args.scenario.load_other(file)?;
        same_requests(&variants[0].1.scenario, &other.scenario)
            .map_err(|table| differs(&args.scenario.file, &other.scenario, table))?;
        variants.push((stem(file), other));
    }
    let (mut names, loaded): (Vec<String>, Vec<Loaded>) = variants.into_iter().unzip();
    distinguish(&mut names);
    Ok(names.into_iter().zip(loaded).collect())
}

/// Which of the policies that are laid over the first reach only a part of the fleet, for what a region or a
/// worker says of its own pool comes after them.
fn unreached(variants: &[(String, Loaded)]) -> Vec<String> {
    let own = variants[0].1.scenario.workers();
    let told = |index: usize, (name, loaded): &(String, Loaded)| {
        let workers = loaded.scenario.workers();
        let changed = workers.iter().zip(&own).filter(|(other, own)| other.pool != own.pool).count();
        (0 < changed && changed < own.len()).then(|| {
            let (letter, all) = (letter(index), own.len());
            format!(
                "{letter} {name} changes the pools of {changed} of {all} workers only: the others have what it changes from their \
                 region or by themselves"
            )
        })
    };
    variants.iter().enumerate().skip(1).filter_map(|(index, variant)| told(index, variant)).collect()
}

/// Names the table in which two scenarios differ, if their requests are not the same.
fn same_requests(one: &Scenario, other: &Scenario) -> Result<(), &'static str> {
    let tables = [
        ("demand", one.demand == other.demand),
        ("tenants", one.tenants == other.tenants),
        ("sprite.lifetime", one.sprite.lifetime == other.sprite.lifetime),
        (
            "region",
            one.regions()
                .iter()
                .map(|region| region.share)
                .eq(other.regions().iter().map(|region| region.share)),
        ),
        ("warmup", one.warmup == other.warmup),
    ];
    tables.iter().find(|(_, same)| !same).map_or(Ok(()), |(table, _)| Err(table))
}

fn differs(one: &Path, other: &Scenario, table: &str) -> ScenarioError {
    let path: Vec<&str> = table.split('.').collect();
    let wrong = format!("is not as in {}, so the two do not meet the same requests", one.display());
    other.error_at(&path, &wrong, "make them the same, or run each by itself")
}

fn stem(file: &Path) -> String {
    file.file_stem().map_or_else(|| file.display().to_string(), |stem| stem.to_string_lossy().into_owned())
}

/// Numbers names that are the same.
fn distinguish(names: &mut [String]) {
    for index in 1..names.len() {
        let name = names[index].clone();
        let same = names[..index].iter().filter(|other| **other == name).count();
        if same > 0 {
            names[index] = format!("{name} ({})", same + 1);
        }
    }
}
