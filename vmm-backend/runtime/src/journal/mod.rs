//! Writes down what happened: every delivered message with what its handler did, so that a
//! [replay](crate::replay) finds the same; and every arrival in the form that a scenario replays.
//!
//! Whoever drives only adds to a list in memory; a thread formats and writes it, some hundred times a second.
//! The list is bounded: what does not fit is counted, the count stands in the file where it is missing, and
//! in [`super::Stats`].
//!
//! | file | holds |
//! | --- | --- |
//! | deliveries | [`Record`]s: see [`record`] for the format and its version |
//! | arrivals | lines `{"at":1000,"key":0,"lifetime":0}` in nanoseconds since the opening: the format `journal` of `[demand] trace`, told by a first line that marks it |

mod effects;
mod record;
mod sink;

use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use actors::{ActorId, Request, Time};

use super::error::RuntimeError;
use super::executor::Envelope;
use super::shared::lock;

pub(crate) use effects::Fold;
pub use effects::{Effect, Tally};
pub use record::{Delivery, Header, JournalError, Reader, Record};
use sink::Sink;
pub use sink::segment;

/// Lines and records that wait to be written.
const LINES_MAX: usize = 1 << 17;
const WRITE_EVERY: Duration = Duration::from_millis(5);

/// Which journals are written.
#[derive(Clone, Debug, Default)]
pub struct JournalPaths {
    /// Every delivered message.
    pub deliveries: Option<PathBuf>,
    /// Every request, as a trace to replay.
    pub arrivals: Option<PathBuf>,
    /// What configured the Workers, for the journal's [`Header`].
    pub scenario: String,
    /// The most that each journal may take on disk: then it is kept in several files, of which the oldest are
    /// removed. None: one file without a bound.
    pub bytes_max: Option<u64>,
}

enum Line {
    Record(Record),
    Arrival { at: Time, key: u32, lifetime_ns: u64 },
}

#[derive(Default)]
struct Waiting {
    lines: Vec<Line>,
    overflowed: u64,
    /// Of these, those that have not been noted where they are missing.
    unnoted: u64,
    /// Lines that could not be written, and why the last could not.
    unwritten: u64,
    error: Option<String>,
    closing: bool,
}

/// See the [module](self).
pub(crate) struct Journals {
    waiting: Arc<Mutex<Waiting>>,
    deliveries: bool,
    arrivals: bool,
    writer: Option<JoinHandle<()>>,
}

impl Journals {
    pub(crate) fn open(paths: &JournalPaths, seed: u64) -> Result<Self, RuntimeError> {
        let create = |path: &Option<PathBuf>| match path {
            Some(path) => match Sink::create(path, paths.bytes_max) {
                Ok(file) => Ok(Some(file)),
                Err(source) => Err(RuntimeError::Journal { path: path.clone(), source }),
            },
            None => Ok(None),
        };
        let mut files = Files { deliveries: create(&paths.deliveries)?, arrivals: create(&paths.arrivals)? };
        if let (Some(file), Some(path)) = (&mut files.deliveries, &paths.deliveries) {
            let header = Header { seed, scenario: paths.scenario.clone() };
            let mut bytes = Vec::new();
            record::begin(&mut bytes, &header)
                .and_then(|()| file.append(&bytes))
                .map_err(|source| RuntimeError::Journal { path: path.clone(), source })?;
        }
        if let (Some(file), Some(path)) = (&mut files.arrivals, &paths.arrivals) {
            // What tells the trace from other JSON lines.
            file.append(format!("{}\n", scenarios::JOURNAL_MARK).as_bytes())
                .map_err(|source| RuntimeError::Journal { path: path.clone(), source })?;
        }
        let (deliveries, arrivals) = (files.deliveries.is_some(), files.arrivals.is_some());
        let waiting = Arc::new(Mutex::new(Waiting::default()));
        let writer = if deliveries || arrivals {
            let theirs = Arc::clone(&waiting);
            let thread = std::thread::Builder::new().name("warmpool-journal".into());
            Some(thread.spawn(move || files.write_all(&theirs)).map_err(RuntimeError::Thread)?)
        } else {
            None
        };
        Ok(Self { waiting, deliveries, arrivals, writer })
    }

    /// Whether deliveries are written down, and so must be folded.
    pub(crate) fn wants_deliveries(&self) -> bool {
        self.deliveries
    }

    /// A Worker was made, or made anew.
    pub(crate) fn hosted(&self, id: ActorId) {
        if self.deliveries {
            self.add(Line::Record(Record::Hosted(id)));
        }
    }

    /// A message was handled, with these effects.
    pub(crate) fn delivery(&self, at: Time, envelope: &Envelope, effects: Tally) {
        if self.deliveries {
            let Envelope { to, from, message, .. } = *envelope;
            let at_ns = at.as_nanos();
            self.add(Line::Record(Record::Delivery(Delivery { at_ns, from, to, message, effects })));
        }
    }

    pub(crate) fn arrival(&self, request: &Request) {
        if self.arrivals {
            let (at, key, lifetime_ns) = (request.arrived, request.key.0, request.lifetime.as_nanos());
            self.add(Line::Arrival { at, key, lifetime_ns });
        }
    }

    fn add(&self, line: Line) {
        let mut waiting = lock(&self.waiting);
        if waiting.lines.len() >= LINES_MAX {
            waiting.overflowed += 1;
            waiting.unnoted += 1;
            return;
        }
        let missing = std::mem::take(&mut waiting.unnoted);
        if missing > 0 && self.deliveries {
            waiting.lines.push(Line::Record(Record::Gap(missing)));
        }
        waiting.lines.push(line);
    }

    /// Lines that did not fit.
    pub(crate) fn overflowed(&self) -> u64 {
        lock(&self.waiting).overflowed
    }

    /// Lines that could not be written, and why the last could not.
    pub(crate) fn unwritten(&self) -> (u64, Option<String>) {
        let waiting = lock(&self.waiting);
        (waiting.unwritten, waiting.error.clone())
    }

    /// Writes what is left.
    pub(crate) fn close(&mut self) -> Result<(), RuntimeError> {
        lock(&self.waiting).closing = true;
        match self.writer.take().map(JoinHandle::join) {
            Some(Ok(())) => match self.unwritten() {
                (_, Some(error)) => Err(RuntimeError::JournalWrite(std::io::Error::other(error))),
                (_, None) => Ok(()),
            },
            Some(Err(_)) => {
                Err(RuntimeError::JournalWrite(std::io::Error::other("the thread that writes panicked")))
            }
            None => Ok(()),
        }
    }
}

struct Files {
    deliveries: Option<Sink>,
    arrivals: Option<Sink>,
}

/// Lines as bytes, for one file.
#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    lines: u64,
}

impl Batch {
    /// Appends it to a file and empties it. Gives what could not be written, and why.
    fn write(&mut self, to: Option<&mut Sink>) -> Option<(u64, std::io::Error)> {
        let (lines, bytes) = (std::mem::take(&mut self.lines), std::mem::take(&mut self.bytes));
        let written = if bytes.is_empty() { Ok(()) } else { to.map_or(Ok(()), |sink| sink.append(&bytes)) };
        self.bytes = bytes;
        self.bytes.clear();
        written.err().map(|error| (lines, error))
    }
}

impl Files {
    /// The life of the thread. What it cannot write it counts, and goes on with what comes then.
    fn write_all(&mut self, waiting: &Mutex<Waiting>) {
        let (mut lines, mut scratch) = (Vec::new(), Vec::new());
        let (mut deliveries, mut arrivals) = (Batch::default(), Batch::default());
        // Records that could not be written. What is written next says so first: more may have been added
        // before they failed.
        let mut lost = 0;
        loop {
            let (closing, missing) = {
                let mut waiting = lock(waiting);
                std::mem::swap(&mut waiting.lines, &mut lines);
                let closing = waiting.closing;
                (closing, if closing { std::mem::take(&mut waiting.unnoted) } else { 0 })
            };
            let noted = lost > 0 && (closing || !lines.is_empty());
            if noted {
                record::write(&mut deliveries.bytes, &Record::Gap(lost), &mut scratch)
                    .expect("memory takes every record");
            }
            for line in lines.drain(..) {
                let (batch, encoded) = match line {
                    Line::Record(record) => {
                        let encoded = record::write(&mut deliveries.bytes, &record, &mut scratch);
                        (&mut deliveries, encoded)
                    }
                    Line::Arrival { at, key, lifetime_ns } => {
                        let at = at.as_nanos();
                        let line = format_args!("{{\"at\":{at},\"key\":{key},\"lifetime\":{lifetime_ns}}}");
                        let encoded = writeln!(arrivals.bytes, "{line}");
                        (&mut arrivals, encoded)
                    }
                };
                encoded.expect("memory takes every line");
                batch.lines += 1;
            }
            if missing > 0 {
                record::write(&mut deliveries.bytes, &Record::Gap(missing), &mut scratch)
                    .expect("memory takes every record");
            }
            let failed = [deliveries.write(self.deliveries.as_mut()), arrivals.write(self.arrivals.as_mut())];
            match &failed[0] {
                Some((lines, _)) => lost += lines,
                None if noted => lost = 0,
                None => {}
            }
            for (lines, error) in failed.into_iter().flatten() {
                let mut waiting = lock(waiting);
                waiting.unwritten += lines;
                waiting.error = Some(error.to_string());
            }
            if closing {
                return;
            }
            std::thread::sleep(WRITE_EVERY);
        }
    }
}
