//! Several runs at once: parallel over runs, never inside one, so that threads cannot change a result.

use std::io::IsTerminal;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use reports::{Recorder, Report};
use sim_backend::{Options, Run, SimulationError, simulate};

use crate::exit::Failure;
use crate::interrupt;
use crate::load::Loaded;

/// Work that is over by then shows no bar.
const SHORT: Duration = Duration::from_millis(300);
/// How often the bar moves, and an interruption is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How much a bar counts for one run.
const THOUSANDTHS: u64 = 1_000;

/// The argument for how many threads run at once.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Threads {
    /// How many runs at once; as many as there are cores, if not given. It does not change any result
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
}

impl Threads {
    fn count(&self) -> usize {
        let given = self.threads.or_else(|| std::thread::available_parallelism().ok());
        given.map_or(1, NonZeroUsize::get)
    }
}

/// A run that is over, and its report.
pub(crate) struct Finished {
    pub(crate) report: Report,
    pub(crate) run: Run,
}

/// Simulates one scenario and keeps its books.
pub(crate) fn one(job: &Loaded, options: &Options<'_>) -> Result<Finished, SimulationError> {
    let mut books = Recorder::new(job.metadata("simulated"));
    let run = simulate(&job.scenario, options, &mut books)?;
    let mut report = books.finish(run.ended);
    report.summary.set_run(Some(run.digest), run.events);
    Ok(Finished { report, run })
}

/// Simulates every job, shows how far they are, and gives what was kept of each, in their order. What is kept
/// decides how much memory many runs take.
pub(crate) fn all<T: Send>(
    jobs: &[Loaded],
    threads: &Threads,
    keep: impl Fn(Finished) -> T + Sync,
) -> Result<Vec<T>, Failure> {
    let shares: Vec<AtomicU64> = jobs.iter().map(|_| AtomicU64::new(0)).collect();
    let results: Vec<Mutex<Option<Result<T, SimulationError>>>> =
        jobs.iter().map(|_| Mutex::new(None)).collect();
    let next = AtomicUsize::new(0);
    interrupt::watch()?;
    let what = if jobs.len() == 1 { "simulating".to_owned() } else { format!("{} runs", jobs.len()) };
    with_bar(&|| what.clone(), &shares, Interruption::EndsTheProgram, || {
        let work = || {
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(job) = jobs.get(index) else { return };
                let options = Options { progress: Some(&shares[index]), ..Options::default() };
                let finished = one(job, &options).map(&keep);
                shares[index].store(THOUSANDTHS, Ordering::Relaxed);
                *results[index].lock().expect("nobody panics while holding it") = Some(finished);
            }
        };
        std::thread::scope(|scope| {
            let count = threads.count().min(jobs.len());
            let threads: Vec<_> = (0..count).map(|_| scope.spawn(work)).collect();
            threads.into_iter().for_each(ended);
        });
    });
    let finished = results.into_iter().map(|result| {
        let result = result.into_inner().expect("every thread has ended");
        Ok(result.expect("every job was taken by a thread")?)
    });
    finished.collect()
}

/// Waits until a thread is gone, and passes its panic on. A scope only waits until its work is done; but
/// whoever writes files next must be the only thread that a signal can reach.
fn ended(thread: ScopedJoinHandle<'_, ()>) {
    thread.join().unwrap_or_else(|panic| resume_unwind(panic));
}

/// What is done at the moment, in a few words.
type What<'a> = &'a (dyn Fn() -> String + Sync);

/// Who ends work that is interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interruption {
    /// The program ends, with all of the work.
    EndsTheProgram,
    /// The work looks for it and ends by itself.
    IsSeenByTheWork,
}

/// Does the work, and shows on the terminal how far its parts are; each share is in thousandths.
pub(crate) fn with_bar<T>(
    what: What<'_>,
    shares: &[AtomicU64],
    interruption: Interruption,
    work: impl FnOnce() -> T,
) -> T {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let bar = scope.spawn(|| show(what, shares, interruption, &over));
        let done = catch_unwind(AssertUnwindSafe(work));
        over.store(true, Ordering::Relaxed);
        bar.thread().unpark();
        ended(bar);
        done.unwrap_or_else(|panic| resume_unwind(panic))
    })
}

/// A bar on a terminal, until the work is over; short work never shows one.
fn show(what: What<'_>, shares: &[AtomicU64], interruption: Interruption, over: &AtomicBool) {
    let begun = Instant::now();
    let mut bar = None;
    while !over.load(Ordering::Relaxed) {
        if interruption == Interruption::EndsTheProgram && interrupt::came() {
            bar.iter().for_each(ProgressBar::finish_and_clear);
            interrupt::end(begun.elapsed());
        }
        if bar.is_none() && begun.elapsed() > SHORT && std::io::stderr().is_terminal() {
            bar = Some(new_bar(shares.len()));
        }
        if let Some(bar) = &bar {
            bar.set_prefix(what());
            bar.set_position(shares.iter().map(|share| share.load(Ordering::Relaxed)).sum());
        }
        std::thread::park_timeout(LOOK_EVERY);
    }
    bar.iter().for_each(ProgressBar::finish_and_clear);
}

fn new_bar(parts: usize) -> ProgressBar {
    let style =
        ProgressStyle::with_template("{prefix} [{bar:40}] {percent:>3}%  {elapsed} gone, {eta} to go")
            .expect("the template is well formed")
            .progress_chars("=> ");
    let length = parts as u64 * THOUSANDTHS;
    let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr());
    bar.set_style(style);
    bar
}
