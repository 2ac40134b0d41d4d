//! Replays the rows of a trace: from t = 0, in the order of time, faster or more often if the scenario says
//! so.

use std::cmp::Reverse;

use actors::random::Purpose;
use actors::{Duration, Rng};

use super::intervals::Intervals;
use super::lines::Lines;
use super::rows::Rows;
use super::sort::{Record, Sorted, Sorter};
use crate::demand::{DemandError, Progress};
use crate::scenario::{Format, Lifetimes, Order, Scenario, Trace};

/// How many rows are sorted between two reports of progress.
const ROWS_PER_REPORT: u64 = 8_192;

/// One arrival of a replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::demand) struct Row {
    /// Nanoseconds from the first row of the trace.
    pub(in crate::demand) at: u64,
    /// Whose, where the trace says so.
    pub(in crate::demand) key: Option<u32>,
    /// How long, where the trace says so and the scenario listens.
    pub(in crate::demand) lifetime: Option<Duration>,
}

/// A trace on its way.
#[derive(Debug)]
pub(in crate::demand) struct Replay {
    rows: Rows,
    source: Source,
    /// Where rows are counts.
    intervals: Option<Intervals>,
    /// When the first row was, on the clock of the trace.
    first: i64,
    speed: f64,
    /// How long after the first row an arrival may be.
    longest: Duration,
    scale: Option<Scale>,
    lifetimes: Lifetimes,
    /// A row that has been read and not given.
    ahead: Option<Row>,
}

#[derive(Debug)]
enum Source {
    /// Straight from the file; the time of the row before.
    File(i64),
    /// The rows in the order of time, and the line of the latest.
    Sorted(Sorted, u64),
}

/// A minute, in nanoseconds.
const MINUTE: u64 = 60_000_000_000;

/// More or fewer arrivals than rows.
#[derive(Debug)]
struct Scale {
    times: f64,
    rng: Rng,
    /// Copies of the current row that are still to come, the last of them first.
    copies: Vec<Row>,
}

impl Replay {
    /// Opens a trace, sorts it if need be, and reads its first row.
    pub(in crate::demand) fn open(
        trace: &Trace,
        scenario: &Scenario,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Self, DemandError> {
        let (seed, longest) = (scenario.seed, scenario.longest_demand());
        let lines = Lines::open(&scenario.base().join(&trace.trace), trace.comment.as_deref())?;
        let mut rows = Rows::new(lines, trace)?;
        if let Some(key) = trace.unread_in(rows.format()) {
            let wrong = format!("is not for traces in the format `{}`", rows.format().name());
            let remedy = "leave it out, or name another `format`";
            return Err(scenario.error_at(&["demand", key], &wrong, remedy).into());
        }
        let is_2019 = rows.format() == Format::AzureFunctions2019;
        let source = match (rows.format(), trace.order) {
            (Format::AzureFunctions2019, _) => sorted_minutes(&mut rows, progress)?,
            (Format::AzureFunctions2021, _) | (_, Order::Sort) => sorted(&mut rows, progress)?,
            (_, Order::Check) => Source::File(i64::MIN),
        };
        let intervals = (is_2019 || rows.has_counts()).then(|| {
            let length = if is_2019 { Some(MINUTE) } else { trace.interval.map(Duration::as_nanos) };
            Intervals::new(length, trace.arrivals, seed, rows.lines.path.clone())
        });
        let rng = Rng::stream(seed, Purpose::Arrivals, 1);
        let scale = (trace.scale != 1.0).then(|| Scale { times: trace.scale, rng, copies: Vec::new() });
        let mut this = Self {
            rows,
            source,
            intervals,
            first: 0,
            speed: trace.speed,
            longest,
            scale,
            lifetimes: trace.lifetimes,
            ahead: None,
        };
        let begin = this.begin()?;
        this.first = begin.unwrap_or(0);
        let Some(first) = this.pull()? else {
            return Err(DemandError::Empty { path: this.rows.lines.path });
        };
        // Minutes count from midnight, long before the first request; other intervals begin where the trace
        // does.
        this.first = begin.filter(|_| !is_2019).unwrap_or(first.at);
        this.ahead = Some(this.row(first)?);
        Ok(this)
    }

    /// How far the file has been read.
    pub(in crate::demand) fn progress(&self) -> Progress {
        self.rows.progress()
    }

    /// The next arrival; `None` after the last.
    pub(in crate::demand) fn next(&mut self) -> Result<Option<Row>, DemandError> {
        if self.scale.is_none() {
            return self.next_row();
        }
        loop {
            let copy = self.scale.as_mut().and_then(|scale| scale.copies.pop());
            if copy.is_some() {
                return Ok(copy);
            }
            let Some(row) = self.next_row()? else {
                return Ok(None);
            };
            let next = self.next_row()?;
            self.ahead = next;
            if let Some(scale) = &mut self.scale {
                scale.copy(row, next.map_or(row.at, |next| next.at));
            }
        }
    }

    fn next_row(&mut self) -> Result<Option<Row>, DemandError> {
        if let Some(row) = self.ahead.take() {
            return Ok(Some(row));
        }
        self.pull()?.map(|record| self.row(record)).transpose()
    }

    /// When the first interval of a trace of counts begins.
    fn begin(&mut self) -> Result<Option<i64>, DemandError> {
        let Self { rows, source, intervals, first, .. } = self;
        match intervals {
            Some(intervals) => intervals.begin(&mut || source.next(rows, *first)),
            None => Ok(None),
        }
    }

    fn pull(&mut self) -> Result<Option<Record>, DemandError> {
        let Self { rows, source, intervals, first, .. } = self;
        match intervals {
            Some(intervals) => intervals.next(&mut || source.next(rows, *first)),
            None => Ok(source.next(rows, *first)?.map(|(record, _)| record)),
        }
    }

    fn row(&self, record: Record) -> Result<Row, DemandError> {
        let since = record.at.abs_diff(self.first);
        let at = if self.speed == 1.0 { since } else { (since as f64 / self.speed) as u64 };
        if at > self.longest.as_nanos() {
            return Err(self.too_late());
        }
        // A Sprite that was used for no time was used all the same.
        let used = |lifetime: Duration| lifetime.max(Duration::from_nanos(1));
        let lifetime = record.lifetime.filter(|_| self.lifetimes == Lifetimes::Trace).map(used);
        Ok(Row { at, key: record.key, lifetime })
    }

    fn too_late(&self) -> DemandError {
        let line = match self.source {
            Source::File(_) => self.rows.lines.number(),
            Source::Sorted(_, latest) => latest,
        };
        DemandError::Row {
            path: self.rows.lines.path.clone(),
            line,
            message: format!("this lies more than {} after the first request", self.longest),
            remedy: "check `unit` and `speed` in [demand]: it lasts 100 years at most, and from `clock.begins` not beyond \
                     the year 2261"
                .to_owned(),
        }
    }
}

impl Source {
    /// The next row in the order of time, and its line.
    fn next(&mut self, rows: &mut Rows, first: i64) -> Result<Option<(Record, u64)>, DemandError> {
        match self {
            Self::File(before) => {
                let Some(record) = rows.next()? else {
                    return Ok(None);
                };
                if record.at < *before {
                    return Err(out_of_order(&rows.lines, record.at, *before, first));
                }
                *before = record.at;
                Ok(Some((record, rows.lines.number())))
            }
            Self::Sorted(sorted, latest) => Ok(sorted.next()?.map(|record| (record, *latest))),
        }
    }
}

impl Scale {
    /// Lays the copies of a row: the first where the row is, the others at random until the next row.
    fn copy(&mut self, row: Row, until: u64) {
        let whole = self.times as u64;
        let part = self.times - whole as f64;
        let count = whole + u64::from(part > 0.0 && self.rng.chance(part));
        let length = until.saturating_sub(row.at);
        self.copies.extend((1..count).map(|_| Row { at: row.at + self.rng.below(length), ..row }));
        self.copies.sort_unstable_by_key(|copy| Reverse(copy.at));
        if count > 0 {
            self.copies.push(row);
        }
    }
}

fn sorted(rows: &mut Rows, progress: &mut dyn FnMut(Progress)) -> Result<Source, DemandError> {
    let mut sorter = Sorter::new();
    let mut count = 0u64;
    let (mut latest, mut line) = (i64::MIN, 0);
    while let Some(record) = rows.next()? {
        if record.at > latest {
            (latest, line) = (record.at, rows.lines.number());
        }
        sorter.push(record)?;
        count += 1;
        if count.is_multiple_of(ROWS_PER_REPORT) {
            progress(rows.progress());
        }
    }
    sorter.finish().map(|sorted| Source::Sorted(sorted, line))
}

/// Counts per minute, whose rows are functions and whose columns are minutes. The minutes stand in the
/// heading.
fn sorted_minutes(rows: &mut Rows, progress: &mut dyn FnMut(Progress)) -> Result<Source, DemandError> {
    let mut sorter = Sorter::new();
    let mut push = |minute: u32, key: u32, count: u32| {
        let at = i64::from(minute) * MINUTE as i64;
        sorter.push(Record { at, key: Some(key), lifetime: None, count })
    };
    while rows.next_counts(&mut push)? {
        progress(rows.progress());
    }
    sorter.finish().map(|sorted| Source::Sorted(sorted, 1))
}

fn out_of_order(lines: &Lines, at: i64, above: i64, first: i64) -> DemandError {
    let words = |time: i64| {
        let distance = Duration::from_nanos(time.abs_diff(first));
        if time < first {
            format!("{distance} before the first")
        } else {
            format!("{distance} after the first")
        }
    };
    DemandError::OutOfOrder {
        path: lines.path.clone(),
        line: lines.number(),
        at: words(at),
        above: words(above),
    }
}
