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

use std::fs::File;
use std::io::{BufWriter, Write};
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
}

enum Line {
    Record(Record),
    Arrival { at: Time, key: u32, lifetime_ns: u64 },
}

#[derive(Default)]
struct Waiting {
    lines: Vec<Line>,
    overflowed: u64,
    /// Of them, those that have not been noted where they are missing.
    unnoted: u64,
    closing: bool,
}

/// See the [module](self).
pub(crate) struct Journals {
    waiting: Arc<Mutex<Waiting>>,
    deliveries: bool,
    arrivals: bool,
    writer: Option<JoinHandle<std::io::Result<()>>>,
}

impl Journals {
    pub(crate) fn open(paths: &JournalPaths, seed: u64) -> Result<Self, RuntimeError> {
        let create = |path: &Option<PathBuf>| match path {
            Some(path) => match File::create(path) {
                Ok(file) => Ok(Some(BufWriter::new(file))),
                Err(source) => Err(RuntimeError::Journal { path: path.clone(), source }),
            },
            None => Ok(None),
        };
        let mut files = Files { deliveries: create(&paths.deliveries)?, arrivals: create(&paths.arrivals)? };
        if let (Some(file), Some(path)) = (&mut files.deliveries, &paths.deliveries) {
            let header = Header { seed, scenario: paths.scenario.clone() };
            record::begin(file, &header)
                .map_err(|source| RuntimeError::Journal { path: path.clone(), source })?;
        }
        if let (Some(file), Some(path)) = (&mut files.arrivals, &paths.arrivals) {
            // What tells the trace from other JSON lines.
            writeln!(file, "{}", scenarios::JOURNAL_MARK)
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

    /// Writes what is left.
    pub(crate) fn close(&mut self) -> Result<(), RuntimeError> {
        lock(&self.waiting).closing = true;
        match self.writer.take().map(JoinHandle::join) {
            Some(Ok(written)) => written.map_err(RuntimeError::JournalWrite),
            Some(Err(_)) => {
                Err(RuntimeError::JournalWrite(std::io::Error::other("the thread that writes panicked")))
            }
            None => Ok(()),
        }
    }
}

struct Files {
    deliveries: Option<BufWriter<File>>,
    arrivals: Option<BufWriter<File>>,
}

impl Files {
    /// The life of the thread.
    fn write_all(&mut self, waiting: &Mutex<Waiting>) -> std::io::Result<()> {
        let (mut lines, mut scratch) = (Vec::new(), Vec::new());
        loop {
            let (closing, missing) = {
                let mut waiting = lock(waiting);
                std::mem::swap(&mut waiting.lines, &mut lines);
                let closing = waiting.closing;
                (closing, if closing { std::mem::take(&mut waiting.unnoted) } else { 0 })
            };
            for line in lines.drain(..) {
                self.write(line, &mut scratch)?;
            }
            if missing > 0 && self.deliveries.is_some() {
                self.write(Line::Record(Record::Gap(missing)), &mut scratch)?;
            }
            if closing {
                return self.flush();
            }
            std::thread::sleep(WRITE_EVERY);
        }
    }

    fn write(&mut self, line: Line, scratch: &mut Vec<u8>) -> std::io::Result<()> {
        match (line, &mut self.deliveries, &mut self.arrivals) {
            (Line::Record(record), Some(file), _) => record::write(file, &record, scratch),
            (Line::Arrival { at, key, lifetime_ns }, _, Some(file)) => {
                writeln!(file, "{{\"at\":{},\"key\":{key},\"lifetime\":{lifetime_ns}}}", at.as_nanos())
            }
            _ => Ok(()),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        for file in [&mut self.deliveries, &mut self.arrivals].into_iter().flatten() {
            file.flush()?;
        }
        Ok(())
    }
}
