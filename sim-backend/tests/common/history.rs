//! A small history: what became of the requests that arrived at given times.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;

use actors::protocol::Cause;
use actors::{Observation, Observer, Outcome, State, Time};

use super::{Rules, run, scenario};

/// What became of each request, and when VMs were made.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// Outcome and latency in milliseconds, by the request's number.
    pub(crate) ended: BTreeMap<u64, (Outcome, u64)>,
    /// When boots and creates began after the pools were filled, in milliseconds.
    pub(crate) boots_ms: Vec<u64>,
    /// Why each miss found nothing, and why it ended as it did.
    pub(crate) causes: BTreeMap<u64, (Option<Cause>, Option<Cause>)>,
    /// When the depth changed after the pools were filled, in milliseconds, and to what.
    pub(crate) depths: Vec<(u64, u32)>,
    /// When ready Sprites were given up, in milliseconds.
    pub(crate) given_up_ms: Vec<u64>,
    opened: bool,
    /// Failed boots in a row, as they were told.
    pub(crate) failing_streaks: Vec<u32>,
}

fn ms(at: Time) -> u64 {
    at.as_nanos() / 1_000_000
}

impl Observer for History {
    fn opened(&mut self, _at: Time) {
        self.opened = true;
    }

    fn closed(&mut self, _at: Time) {}

    fn observe(&mut self, at: Time, observation: Observation) {
        match observation {
            Observation::Ended { request, outcome, cause, .. } => {
                let latency_ms = at.since(request.arrived).as_nanos() / 1_000_000;
                self.ended.insert(request.id, (outcome, latency_ms));
                if cause.is_some() {
                    self.causes.insert(request.id, (request.missed, cause));
                }
            }
            Observation::Sprite { is: State::Booting, .. } if self.opened => self.boots_ms.push(ms(at)),
            Observation::Sprite { was: State::Ready, is: State::Stopping | State::Stopped, .. } => {
                self.given_up_ms.push(ms(at));
            }
            Observation::Target { is, .. } if self.opened => self.depths.push((ms(at), is.depth)),
            Observation::BootsFailing { streak, .. } => self.failing_streaks.push(streak),
            _ => {}
        }
    }
}

/// Runs a scenario whose requests arrive at these times, in seconds, and checks every rule on the way.
pub(crate) fn history(arrivals: &[f64], text: &str) -> History {
    let mut trace = tempfile::Builder::new().suffix(".csv").tempfile().expect("there is room for a file");
    let mut rows = "at\n".to_owned();
    for at in arrivals {
        writeln!(rows, "{at}").expect("a text takes what it is given");
    }
    trace.write_all(rows.as_bytes()).expect("there is room for a file");
    let text = format!(
        "{text}\n[demand]\ntrace = \"{}\"\nformat = \"csv\"\nunit = \"s\"\ncolumns = {{ at = \"at\" }}\n",
        trace.path().display()
    );
    let scenario = scenario(&text);
    let mut rules = Rules::new(&scenario);
    let ended = run(&scenario, &mut rules);
    rules.finish(&ended);
    let mut history = History::default();
    run(&scenario, &mut history);
    history
}
