//! One scenario on real microVMs of this host, in real time, and what there is to say about it besides its
//! report.

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use actors::Duration;
use reports::{Recorder, Report, format};
use runtime::{JournalPaths, Options, Run, run_scenario};
use vmm_backend::calibrate::{Meter, STOLEN_MAX};
use vmm_backend::machines::{Fit, KvmMachines};

use crate::exit::Failure;
use crate::interrupt;
use crate::jobs::{Interruption, with_bar};
use crate::load::Loaded;
use crate::replay::{ARRIVALS, DELIVERIES};

/// Runs the scenario; a progress bar says `what` is going on, and journals are written into a folder, where
/// one is given. Gives its report, and a few lines about the host for people.
pub(crate) fn run(loaded: &Loaded, what: &str, journal: Option<&Path>) -> Result<(Report, String), Failure> {
    let scenario = loaded.scenario.explain()?;
    let Fit { machines, limits } = Fit::of(&loaded.scenario)?;
    let interrupted = interrupt::watch()?;
    let machines = KvmMachines::launch(machines).map_err(|error| {
        let remedy =
            "`warmpool doctor` tells what this host can do; without --backend kvm the run is simulated";
        Failure::NoKvm(format!("real microVMs cannot run here: {error}\n  {remedy}"))
    })?;
    let meter = Meter::start();
    let progress = [AtomicU64::new(0)];
    let books = Recorder::new(loaded.metadata("kvm"));
    let ran = with_bar(&|| what.to_owned(), &progress, Interruption::IsSeenByTheWork, || {
        let (progress, interrupted) = (Some(&progress[0]), Some(&*interrupted));
        let journals = journal.map_or_else(JournalPaths::default, |folder| JournalPaths {
            deliveries: Some(folder.join(DELIVERIES)),
            arrivals: Some(folder.join(ARRIVALS)),
            scenario,
            bytes_max: None,
        });
        let options = Options { limits, progress, interrupted, journals };
        run_scenario(&loaded.scenario, Arc::clone(&machines) as Arc<_>, books, &options)
    });
    let failures = machines.failures();
    let (run, books) = ran.inspect_err(|_| {
        for failed in &failures {
            anstream::eprintln!("{failed}");
        }
    })?;
    let mut report = books.finish(run.ended);
    report.summary.set_run(None, run.stats.delivered);
    let mut notes = about_time(&run);
    let stolen = meter.stolen();
    if stolen > STOLEN_MAX {
        let _ = writeln!(
            notes,
            "           the hypervisor gave {} of the processors' time to others: such a run is slower than the host is",
            format::share(stolen)
        );
    }
    if run.stats.journal_overflowed > 0 {
        let lost = run.stats.journal_overflowed;
        let _ = writeln!(
            notes,
            "           {lost} lines of the journal are lost: more came at once than could be written"
        );
    }
    for failed in &failures {
        let _ = writeln!(notes, "           {failed}");
    }
    Ok((report, notes))
}

/// How true the host was to the scenario's time, and what it turned away.
fn about_time(run: &Run) -> String {
    let (arrivals, timers) = (run.arrival_lag, run.stats.timer_lag);
    let late = |by: Duration| format::nanos(by.as_nanos() as f64);
    let mut text = format!(
        "host       requests were let in {} late (p50), {} (p99); latencies count from when they were due\n",
        late(arrivals.p50),
        late(arrivals.p99)
    );
    if timers.count > 0 {
        let (p50, p99) = (late(timers.p50), late(timers.p99));
        let _ = writeln!(text, "           timers fired {p50} late (p50), {p99} (p99)");
    }
    for (count, what) in [
        (run.unfinished, "requests had not ended a minute after the last one came, and have failed"),
        (run.stats.refused, "requests were rejected at the door, because too many were under way"),
        (run.stats.panics + run.stats.operation_panics, "handlers panicked"),
    ] {
        if count > 0 {
            let _ = writeln!(text, "           {count} {what}");
        }
    }
    text
}
