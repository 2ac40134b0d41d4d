//! `warmpool replay`: journals fed to the same actors again, run by run; where they decide otherwise, if they
//! do; and the demand of those runs as a scenario.

mod demand;

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use actors::{ActorId, Worker, WorkerConfig};
use runtime::{End, Reader, ReplayError, replay_and_see, segment};
use scenarios::Scenario;

use crate::exit::Failure;
use crate::{Ended, exit, say};
use demand::Demand;

/// The journal of deliveries in a folder that `run --journal` wrote, or in that of one run of `serve`.
pub(crate) const DELIVERIES: &str = "deliveries.journal";
/// The trace of requests beside it.
pub(crate) const ARRIVALS: &str = "arrivals.jsonl";
/// What the folders of runs begin with, in the journal of a host that serves.
const RUN: &str = "run-";

/// Prove that a real run decided as the actors decide: feed its journal to them, without a host, and compare
/// all that they send, perform and observe
///
/// The first delivery after which they do something else is printed, with what they do now. The journal of
/// `serve` holds a folder for each run of the host; they are replayed one after the other.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder `journal` in the data folder of `serve`, a folder that `run --backend kvm --journal` wrote,
    /// or a file deliveries.journal
    journal: PathBuf,

    /// Write what was asked for in these runs, served or not, as scenario.toml and demand.jsonl to this
    /// folder: `run` and `compare` then answer what another policy would have done
    #[arg(long, value_name = "DIR")]
    demand: Option<PathBuf>,
}

/// Runs the verb.
pub(crate) fn replay(args: &Args) -> Ended {
    let mut demand = Demand::default();
    let mut code = exit::HELD;
    for path in journals_in(&args.journal)? {
        let ended = replay_one(&path, &mut demand)?;
        if ended != exit::HELD {
            code = ended;
        }
    }
    if let Some(folder) = &args.demand {
        say(&demand.write(folder)?)?;
    }
    Ok(code)
}

/// The journals that a path stands for, in the order of their runs.
fn journals_in(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    let unreadable = |source| Failure::Unreadable { path: path.to_owned(), source };
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries: Result<Vec<_>, _> = std::fs::read_dir(path).map_err(unreadable)?.collect();
    let entries = entries.map_err(unreadable)?.into_iter();
    let is_run = |name: &std::ffi::OsStr| name.to_str().is_some_and(|name| name.starts_with(RUN));
    let mut runs: Vec<PathBuf> = entries
        .filter(|entry| is_run(&entry.file_name()))
        .map(|entry| entry.path().join(DELIVERIES))
        .collect();
    runs.sort();
    if runs.is_empty() {
        runs.push(path.join(DELIVERIES));
    }
    Ok(runs)
}

fn replay_one(path: &Path, demand: &mut Demand) -> Ended {
    let bad = |source| Failure::Journal { path: path.to_owned(), source };
    let unreadable = |source| Failure::Unreadable { path: path.to_owned(), source };
    let (mut whole, mut number): (Box<dyn Read>, u32) = match File::open(path) {
        Ok(file) => (Box::new(file), 2),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && later_segments(path) => {
            say(&format!(
                "CUT  {}: its beginning was removed when the journal reached its bound, and what follows \
                 cannot be replayed without it\n",
                path.display()
            ))?;
            return Ok(exit::HELD);
        }
        Err(error) => return Err(unreadable(error)),
    };
    while let Ok(file) = File::open(segment(path, number)) {
        whole = Box::new(whole.chain(file));
        number += 1;
    }
    let mut journal = Reader::new(BufReader::new(whole)).map_err(|error| bad(error.into()))?;
    let name = format!("{}: its scenario", path.display());
    let scenario = Scenario::parse(&journal.header().scenario, &name, &[])?;
    let configs: Vec<WorkerConfig> = scenario.worker_configs();
    demand.begin_run(scenario);
    let mut make = |id: ActorId| configs.get(id.index()).map(|config| Worker::new(config.clone()).into());
    let replayed = match replay_and_see(&mut journal, &mut make, &mut |delivery| demand.see(delivery)) {
        Ok(replayed) => replayed,
        Err(ReplayError::Differs(difference)) => {
            say(&format!("DIFFERS  {}: {difference}\n", path.display()))?;
            return Ok(exit::DIGESTS_DIFFER);
        }
        Err(error) => return Err(bad(error)),
    };
    demand.end_run();
    let end = match replayed.end {
        End::Whole => String::new(),
        End::Torn => "\n      the journal ends within a record, as when its writer was killed: all before it was replayed".to_owned(),
        End::Gap(missing) => format!(
            "\n      {missing} records are missing after them, since more came at once than could be written, or the disk was full: what follows cannot be replayed"
        ),
    };
    let count = replayed.deliveries;
    say(&format!("SAME  {count} deliveries replayed: the actors decide as they did{end}\n"))?;
    Ok(exit::HELD)
}

/// Whether later parts of a journal are there.
fn later_segments(path: &Path) -> bool {
    let Some((folder, name)) = path.parent().zip(path.file_name().and_then(|name| name.to_str())) else {
        return false;
    };
    let prefix = format!("{name}.");
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    files.into_iter().any(|file| file.file_name().to_str().is_some_and(|name| name.starts_with(&prefix)))
}
