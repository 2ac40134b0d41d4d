//! Writes down what happened: every delivered message, and every arrival in the form that a scenario replays.
//!
//! Whoever drives only adds to a list in memory; a thread formats and writes it, some hundred times a second. The list is
//! bounded: what does not fit is counted, and the count stands in the last line of the file and in [`super::Stats`].
//!
//! | file | a line |
//! | --- | --- |
//! | deliveries | `{"at":1200,"from":0,"to":2,"message":"Pool(Take(...))"}`; `from` is null for the outside |
//! | arrivals | `{"at":1000,"key":0,"lifetime":0}`: the format `journal` of `[demand] trace`, told by a first line that marks it |
//!
//! All times are nanoseconds since the opening.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use actors::{ActorId, Message, Request, Time};

use super::error::RuntimeError;
use super::executor::Envelope;
use super::shared::lock;

/// Lines that wait to be written.
const LINES_MAX: usize = 1 << 17;
const WRITE_EVERY: Duration = Duration::from_millis(5);

/// Which journals are written.
#[derive(Clone, Debug, Default)]
pub struct JournalPaths {
    /// Every delivered message.
    pub deliveries: Option<PathBuf>,
    /// Every request, as a trace to replay.
    pub arrivals: Option<PathBuf>,
}

#[derive(Clone, Copy)]
enum Line {
    Delivery { at: Time, from: ActorId, to: ActorId, message: Message },
    Arrival { at: Time, key: u32, lifetime_ns: u64 },
}

#[derive(Default)]
struct Waiting {
    lines: Vec<Line>,
    overflowed: u64,
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
    pub(crate) fn open(paths: &JournalPaths) -> Result<Self, RuntimeError> {
        let create = |path: &Option<PathBuf>| match path {
            Some(path) => match File::create(path) {
                Ok(file) => Ok(Some(BufWriter::new(file))),
                Err(source) => Err(RuntimeError::Journal { path: path.clone(), source }),
            },
            None => Ok(None),
        };
        let mut files = Files { deliveries: create(&paths.deliveries)?, arrivals: create(&paths.arrivals)? };
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

    pub(crate) fn delivery(&self, at: Time, envelope: &Envelope) {
        if self.deliveries {
            let Envelope { to, from, message, .. } = *envelope;
            self.add(Line::Delivery { at, from, to, message });
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
        if waiting.lines.len() < LINES_MAX {
            waiting.lines.push(line);
        } else {
            waiting.overflowed += 1;
        }
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
        self.begin()?;
        let mut lines = Vec::new();
        loop {
            let (closing, overflowed) = {
                let mut waiting = lock(waiting);
                std::mem::swap(&mut waiting.lines, &mut lines);
                (waiting.closing, waiting.overflowed)
            };
            for line in lines.drain(..) {
                self.write(line)?;
            }
            if closing {
                return self.end(overflowed);
            }
            std::thread::sleep(WRITE_EVERY);
        }
    }

    /// What tells the trace from other JSON lines.
    fn begin(&mut self) -> std::io::Result<()> {
        match &mut self.arrivals {
            Some(file) => writeln!(file, "{}", scenarios::JOURNAL_MARK),
            None => Ok(()),
        }
    }

    fn write(&mut self, line: Line) -> std::io::Result<()> {
        match line {
            Line::Delivery { at, from, to, message } => {
                let Some(file) = &mut self.deliveries else { return Ok(()) };
                write!(file, "{{\"at\":{},\"from\":", at.as_nanos())?;
                match from {
                    ActorId::OUTSIDE => write!(file, "null")?,
                    ActorId(from) => write!(file, "{from}")?,
                }
                write!(file, ",\"to\":{},\"message\":", to.0)?;
                serde_json::to_writer(&mut *file, &format!("{message:?}"))?;
                writeln!(file, "}}")
            }
            Line::Arrival { at, key, lifetime_ns } => {
                let Some(file) = &mut self.arrivals else { return Ok(()) };
                writeln!(file, "{{\"at\":{},\"key\":{key},\"lifetime\":{lifetime_ns}}}", at.as_nanos())
            }
        }
    }

    fn end(&mut self, overflowed: u64) -> std::io::Result<()> {
        if let (Some(file), true) = (&mut self.deliveries, overflowed > 0) {
            writeln!(file, "{{\"overflowed\":{overflowed}}}")?;
        }
        for file in [&mut self.deliveries, &mut self.arrivals].into_iter().flatten() {
            file.flush()?;
        }
        Ok(())
    }
}
