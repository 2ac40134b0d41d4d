//! `warmpool replay`: a journal fed to the same actors again; and where they decide otherwise, if they do.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use actors::{ActorId, Worker, WorkerConfig};
use runtime::{End, Reader, ReplayError, replay as replay_all};
use scenarios::Scenario;

use crate::exit::Failure;
use crate::{Ended, exit, say};

/// The journal of deliveries in a folder that `run --journal` wrote.
pub(crate) const DELIVERIES: &str = "deliveries.journal";
/// The trace of requests beside it.
pub(crate) const ARRIVALS: &str = "arrivals.jsonl";

/// Prove that a real run decided as the actors decide: feed its journal to them, without a host, and compare
/// all that they send, perform and observe
///
/// The first delivery after which they do something else is printed, with what they do now.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder that `run --backend kvm --journal` wrote, or the file deliveries.journal in it
    journal: PathBuf,
}

/// Runs the verb.
pub(crate) fn replay(args: &Args) -> Ended {
    let path = if args.journal.is_dir() { args.journal.join(DELIVERIES) } else { args.journal.clone() };
    let bad = |source| Failure::Journal { path: path.clone(), source };
    let file = File::open(&path).map_err(|source| Failure::Unreadable { path: path.clone(), source })?;
    let mut journal = Reader::new(BufReader::new(file)).map_err(|error| bad(error.into()))?;
    let configs = workers_of(&path, &journal.header().scenario)?;
    let mut make = |id: ActorId| configs.get(id.index()).map(|config| Worker::new(config.clone()).into());
    let replayed = match replay_all(&mut journal, &mut make) {
        Ok(replayed) => replayed,
        Err(ReplayError::Differs(difference)) => {
            say(&format!("DIFFERS  {}: {difference}\n", path.display()))?;
            return Ok(exit::DIGESTS_DIFFER);
        }
        Err(error) => return Err(bad(error)),
    };
    let end = match replayed.end {
        End::Whole => String::new(),
        End::Torn => "\n      the journal ends within a record, as when its writer was killed: all before it was replayed".to_owned(),
        End::Gap(missing) => format!(
            "\n      {missing} records are missing after them, since more came at once than could be written: what follows cannot be replayed"
        ),
    };
    let count = replayed.deliveries;
    say(&format!("SAME  {count} deliveries replayed: the actors decide as they did{end}\n"))?;
    Ok(exit::HELD)
}

/// What the Workers of the run were made of.
fn workers_of(path: &Path, scenario: &str) -> Result<Vec<WorkerConfig>, Failure> {
    let name = format!("{}: its scenario", path.display());
    Ok(Scenario::parse(scenario, &name, &[])?.worker_configs())
}
