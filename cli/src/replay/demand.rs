//! What was asked for in the runs of a journal, as a scenario with a trace: every request with its key and
//! how long its use was, whether it was served or not.

use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::path::Path;

use actors::protocol::{End, For, ToAny, ToSprite, ToWorker};
use actors::{ActorId, Duration, Message, OperationKind, Request, Time};
use runtime::Delivery;
use scenarios::Scenario;
use scenarios::scenario::{Demand as Asked, Format, Lifetimes, Trace};
use scenarios::{Distribution, JOURNAL_MARK};

use crate::exit::Failure;

/// The files that are written.
const SCENARIO: &str = "scenario.toml";
const TRACE: &str = "demand.jsonl";

/// See the [module](self).
#[derive(Default)]
pub(super) struct Demand {
    rows: Vec<Row>,
    /// The last run's.
    scenario: Option<Scenario>,
    /// When the first run began, in civil time.
    begun_ns: Option<i64>,
    /// How much later the present run began.
    offset_ns: u64,
    run: Run,
}

/// One request.
struct Row {
    at_ns: u64,
    key: u32,
    /// How long it used its Sprite; of one that was not served nobody knows.
    lifetime_ns: Option<u64>,
}

/// Who is being served in the present run.
#[derive(Default)]
struct Run {
    rows_by_request: BTreeMap<u64, usize>,
    /// Whom each Sprite serves, and since when that uses it.
    serving: BTreeMap<ActorId, (u64, Option<u64>)>,
    last_ns: u64,
}

impl Demand {
    /// Another run begins, which was configured so.
    pub(super) fn begin_run(&mut self, scenario: Scenario) {
        let begins_ns = scenario.epoch().as_unix_nanos();
        let first = *self.begun_ns.get_or_insert(begins_ns);
        // Where the clock was set back, runs still follow each other.
        let after = self.rows.last().map_or(0, |row| row.at_ns);
        self.offset_ns = u64::try_from(begins_ns.saturating_sub(first)).unwrap_or(0).max(after);
        self.scenario = Some(scenario);
        self.run = Run::default();
    }

    /// Takes note of a delivery.
    pub(super) fn see(&mut self, delivery: &Delivery) {
        let Delivery { at_ns, to, message, .. } = *delivery;
        let run = &mut self.run;
        run.last_ns = at_ns;
        match message {
            Message::Worker(ToWorker::Request(Request { id, key, arrived, .. })) => {
                run.rows_by_request.insert(id, self.rows.len());
                let at_ns = self.offset_ns + arrived.since(Time::ZERO).as_nanos();
                self.rows.push(Row { at_ns, key: key.0, lifetime_ns: None });
            }
            Message::Sprite(
                ToSprite::Start { request, .. }
                | ToSprite::Wake { request }
                | ToSprite::Boot { purpose: For::Request(request, _), .. },
            ) => {
                run.serving.insert(to, (request.id, None));
            }
            Message::Any(ToAny::Done { kind: OperationKind::Start, end: End::Done, .. }) => {
                if let Some((_, since)) = run.serving.get_mut(&to) {
                    *since = Some(at_ns);
                }
            }
            Message::Any(ToAny::Done { kind: OperationKind::Run, .. }) => self.is_over(to, at_ns),
            _ => {}
        }
    }

    fn is_over(&mut self, sprite: ActorId, at_ns: u64) {
        let Some((request, Some(since))) = self.run.serving.remove(&sprite) else { return };
        if let Some(row) = self.run.rows_by_request.get(&request).and_then(|row| self.rows.get_mut(*row)) {
            row.lifetime_ns = Some(at_ns.saturating_sub(since));
        }
    }

    /// The run is over, and with it every use.
    pub(super) fn end_run(&mut self) {
        let last_ns = self.run.last_ns;
        let serving: Vec<ActorId> = self.run.serving.keys().copied().collect();
        serving.into_iter().for_each(|sprite| self.is_over(sprite, last_ns));
    }

    /// Writes the scenario and its trace, and gives what to say about it.
    pub(super) fn write(&mut self, folder: &Path) -> Result<String, Failure> {
        let Some(mut scenario) = self.scenario.take().filter(|_| !self.rows.is_empty()) else {
            return Ok("no demand was written: nobody asked for anything in these runs\n".to_owned());
        };
        std::fs::create_dir_all(folder)?;
        let known: Vec<u64> = self.rows.iter().filter_map(|row| row.lifetime_ns).collect();
        let mean_ns = known.iter().sum::<u64>().checked_div(known.len() as u64).unwrap_or(0);
        let mut trace = BufWriter::new(std::fs::File::create(folder.join(TRACE))?);
        writeln!(trace, "{JOURNAL_MARK}")?;
        let first_ns = self.rows.first().map_or(0, |row| row.at_ns);
        for Row { at_ns, key, lifetime_ns } in &self.rows {
            // Of one that was not served nobody knows, so it is as long as the others on average.
            let (at_ns, lifetime_ns) = (at_ns - first_ns, lifetime_ns.unwrap_or(mean_ns));
            writeln!(trace, "{{\"at\":{at_ns},\"key\":{key},\"lifetime\":{lifetime_ns}}}")?;
        }
        trace.flush()?;
        "served".clone_into(&mut scenario.name);
        scenario.sprite.lifetime = Some(Distribution::Constant { constant: Duration::from_nanos(mean_ns) });
        scenario.demand = Asked::Trace(Box::new(Trace {
            format: Some(Format::Journal),
            lifetimes: Lifetimes::Trace,
            ..Trace::of(TRACE)
        }));
        let path = folder.join(SCENARIO);
        std::fs::write(&path, scenario.explain()?)?;
        let (count, path) = (self.rows.len(), path.display());
        Ok(format!(
            "DEMAND  {count} requests: try another policy with `warmpool compare {path} --pool FILE`\n"
        ))
    }
}
