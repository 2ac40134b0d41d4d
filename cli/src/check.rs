//! `warmpool check`: the same run twice, side by side; and where they part, if they do.

use sim_backend::{Options, first_difference};

use crate::exit;
use crate::jobs::{self, Threads};
use crate::load::ScenarioArgs;
use crate::{Ended, say};

/// Prove that a scenario is deterministic: run it twice at the same time and compare every delivered message
///
/// The digest is the same in any build on any machine. With --expect it is compared with one that was noted
/// elsewhere.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    scenario: ScenarioArgs,

    /// The digest that the run must have, as `run --json` or `check` on another machine prints it
    #[arg(long, value_name = "DIGEST", value_parser = digest)]
    expect: Option<u64>,
}

fn digest(text: &str) -> Result<u64, String> {
    u64::from_str_radix(text, 16).map_err(|_| "a digest is 16 hexadecimal digits".to_owned())
}

/// Runs the verb.
pub(crate) fn check(args: &Args) -> Ended {
    let loaded = args.scenario.load(None)?;
    let twice = [loaded.clone(), loaded.clone()];
    let mut runs = jobs::all(&twice, &Threads::default(), |finished| finished.run)?.into_iter();
    let (Some(one), Some(other)) = (runs.next(), runs.next()) else { unreachable!("two jobs give two runs") };
    let difference = first_difference(&one, &other, |_, record| {
        let options = Options { record, ..Options::default() };
        jobs::one(&loaded, &options).map(|finished| finished.run)
    })?;
    let name = &loaded.scenario.name;
    if let Some(difference) = difference {
        say(&format!("DIFFERS  {name}: {difference}\n"))?;
        return Ok(exit::DIGESTS_DIFFER);
    }
    let (digest, events, seed) = (one.digest, one.events, loaded.scenario.seed);
    if let Some(expected) = args.expect.filter(|&expected| expected != digest) {
        say(&format!(
            "DIFFERS  {name}: two runs agree on digest {digest:016x}, but {expected:016x} was expected\n"
        ))?;
        return Ok(exit::DIGESTS_DIFFER);
    }
    say(&format!(
        "SAME  {name}: digest {digest:016x}, seed {seed}, {events} deliveries, {} requests\n",
        one.requests
    ))?;
    Ok(exit::HELD)
}
