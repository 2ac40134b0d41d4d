//! The probes: small scenarios in real time on real VMs, one for each condition.

use std::sync::Arc;
use std::time::Instant;

use actors::protocol::{End, Operation as Asked};
use actors::{ActorId, Duration, OperationKind, Outcome};
use scenarios::Scenario;

use super::figures::{ALONE, CROWD, Figures, KEPT};
use super::stopwatch::{Log, Operation, Stopwatch};
use super::{CalibrateError, Extent, Meter, Plan, Progress, load};
use crate::host::vms_that_fit;
use crate::machines::{KvmMachines, MachinesConfig};
use runtime::{Limits, Machines, Options, run_scenario};

/// Sprites that are ready in the probes that are not about their number.
const READY: u32 = 32;
/// Requests at one instant: fewer than are ready, so that all are served warm.
const CROWD_SIZE: u32 = 24;
/// Slots in those probes.
const SLOTS: u32 = 128;
/// VMs that may be under destruction besides.
const BESIDE: u32 = 24;
/// How long Sprites are used: longer than a start, no whole number of milliseconds.
const LIFETIME: Duration = Duration::from_micros(20_300);
/// Requests a second that never meet each other.
const APART: f64 = 40.0;
/// Parts of the load that the host can bear, in ascending order.
const SWEEP: [f64; 8] = [0.03, 0.06, 0.12, 0.2, 0.3, 0.45, 0.6, 0.8];

/// Measures what the plan says.
pub(super) fn run_all(plan: &Plan, turn: usize, progress: Progress<'_>) -> Result<Figures, CalibrateError> {
    progress(0, "whether the host is quiet");
    let mut figures = Figures::default();
    figures.others = load::others();
    let is_all = plan.extent != Extent::Part;
    let bench = Bench::launch(plan, SLOTS + BESIDE, 0)?;
    bench.drawn_from(plan, turn, &mut figures, progress)?;
    if is_all {
        bench.only_read(plan, &mut figures, progress)?;
    }
    drop(bench);

    progress(800, "sleep and wake");
    let bench = Bench::launch(plan, READY + BESIDE, READY as usize)?;
    bench.sleep(&mut figures, KEPT, plan.extent.seconds(2.0))?;
    drop(bench);
    if is_all {
        many_alive(plan, &mut figures, progress)?;
    }
    progress(1_000, "done");
    Ok(figures)
}

/// Measures what starts and boots take with more and more VMs alive.
fn many_alive(plan: &Plan, figures: &mut Figures, progress: Progress<'_>) -> Result<(), CalibrateError> {
    let fit = vms_that_fit().map_or(u32::MAX, |fit| u32::try_from(fit).unwrap_or(u32::MAX));
    let vms_max = plan.vms_max.min(fit.saturating_sub(SLOTS));
    let most: &[u32] = if plan.extent == Extent::Quick { &[10, 100] } else { &[10, 100, 1_000] };
    let counts = most.iter().map(|count| (*count).min(vms_max)).filter(|count| *count > 0);
    let mut done = 0;
    for (alive, share) in counts.zip([820, 860, 900]) {
        if alive == done {
            break;
        }
        progress(share, "with many VMs alive");
        let bench = Bench::launch(plan, alive + BESIDE, 0)?;
        let watch = bench.run(&steady(alive, 1, APART, plan.extent.seconds(3.0), false), None)?;
        figures.add_all(&format!("{alive} alive"), &watch, &[Operation::Start, Operation::Boot]);
        figures.vms_alive = figures.vms_alive.max(alive);
        done = alive;
    }
    Ok(())
}

/// Whether everything that a profile draws from is there.
pub(super) fn complete(figures: &Figures) -> Result<(), CalibrateError> {
    let needed = [
        (Operation::Start, "sweep"),
        (Operation::Boot, "sweep"),
        (Operation::Stop, "sweep"),
        (Operation::Timer, "sweep"),
        (Operation::Spacing, CROWD),
        (Operation::Create, ALONE),
        (Operation::Sleep, KEPT),
        (Operation::Wake, KEPT),
    ];
    match needed.into_iter().find(|(operation, condition)| !figures.has(*operation, condition)) {
        Some((operation, condition)) => Err(CalibrateError::Nothing {
            what: format!("{}, {condition}", operation.name()),
            why: "no such operation succeeded".to_owned(),
        }),
        None => Ok(()),
    }
}

/// A host's VMs, ready for probes.
struct Bench {
    machines: Arc<KvmMachines>,
}

impl Bench {
    fn launch(plan: &Plan, vms_max: u32, kept_max: usize) -> Result<Self, CalibrateError> {
        let config = MachinesConfig {
            kept_max,
            memory_bytes: plan.memory_bytes,
            sleep_directory: plan.sleep_directory.clone(),
            program: plan.program.clone(),
            ..MachinesConfig::new(vms_max as usize + kept_max)
        };
        Ok(Self { machines: KvmMachines::launch(config)? })
    }

    fn run(&self, text: &str, lifetime: Option<Duration>) -> Result<Stopwatch, CalibrateError> {
        self.run_as(text, lifetime, false)
    }

    /// Measures what a simulation draws from, but for what sleepers do.
    fn drawn_from(
        &self,
        plan: &Plan,
        turn: usize,
        figures: &mut Figures,
        progress: Progress<'_>,
    ) -> Result<(), CalibrateError> {
        let (boots, extent) = (plan.boots, plan.extent);
        progress(10, "the way there, once");
        // The first VMs in a shard take memory that the host has not given to anybody yet; that comes but
        // once.
        self.run(&filling(boots), None)?;
        figures.vms_alive = SLOTS;

        progress(20, "operations alone");
        let watch = self.run(&steady(READY, 1, APART, extent.seconds(5.0), true), Some(LIFETIME))?;
        let which =
            [Operation::Start, Operation::Boot, Operation::Stop, Operation::Overhead, Operation::Timer];
        figures.add_all(ALONE, &watch, &which);

        progress(80, "many at one instant");
        let alone = figures.median(Operation::Start, ALONE);
        let text = crowd(boots, extent.seconds_of_pass(4.0).max(2.0));
        for watch in self.quietest(&text, turn, extent.passes(2), figures)? {
            let crowds = watch.crowds(CROWD_SIZE, alone);
            for crowd in &crowds {
                figures.add(Operation::Spacing, CROWD, crowd.spacing);
            }
            if let Some(speed) = watch.boot_speed(&crowds) {
                figures.boots_beside_starts.add(speed);
            }
        }

        progress(160, "as much as the host can do");
        let capacity = self.capacity(plan, figures, extent.seconds(2.0))?;
        figures.boots_per_second.add(capacity);

        progress(210, "every load that the host can bear");
        let text = sweep(boots, capacity, extent.seconds_of_pass(1.0));
        for watch in self.quietest(&text, turn, extent.passes(3), figures)? {
            figures.add_all("sweep", &watch, &which);
            figures.add_levels(&watch, &[Operation::Start, Operation::Boot, Operation::Stop]);
            let (boots, failed) = watch.boots();
            figures.boots = (figures.boots.0 + boots, figures.boots.1 + failed);
        }

        progress(600, "creates");
        let watch = self.run_as(&creating(extent.seconds(2.0).max(0.5)), None, true)?;
        figures.add_all(ALONE, &watch, &[Operation::Create]);
        Ok(())
    }

    /// Measures what is there for people to read.
    fn only_read(
        &self,
        plan: &Plan,
        figures: &mut Figures,
        progress: Progress<'_>,
    ) -> Result<(), CalibrateError> {
        progress(630, "boots in parallel");
        for boots in 1..=plan.boots {
            let watch = self.run(&filling(boots), None)?;
            figures.add_all(&format!("{boots} at once"), &watch, &[Operation::Boot]);
        }

        progress(690, "under CPU load");
        let text = steady(READY, 1, APART, plan.extent.seconds(4.0), true);
        let watch = load::beside_busy_threads(|| self.run(&text, Some(LIFETIME)))?;
        let which = [Operation::Start, Operation::Boot, Operation::Stop, Operation::Timer];
        figures.add_all("CPU load", &watch, &which);

        progress(760, "sleepers that are saved");
        self.sleep(figures, "saved", plan.extent.seconds(2.0))
    }

    /// Runs a probe in passes, some again where the host was not quiet, and gives what was seen in those that
    /// count.
    fn quietest(
        &self,
        text: &str,
        turn: usize,
        (wanted, most): (usize, usize),
        figures: &mut Figures,
    ) -> Result<Vec<Stopwatch>, CalibrateError> {
        let seen = load::quietest(wanted, most, |pass| {
            let meter = Meter::start();
            let watch = self.run(&format!("seed = {}\n{text}", turn + pass + 1), Some(LIFETIME))?;
            Ok::<_, CalibrateError>((meter.stolen(), watch))
        })?;
        let stolen = seen.iter().map(|(stolen, _)| *stolen).sum::<f64>() / seen.len() as f64;
        figures.stolen = figures.stolen.max(stolen);
        Ok(seen.into_iter().map(|(_, watch)| watch).collect())
    }

    fn run_as(
        &self,
        text: &str,
        lifetime: Option<Duration>,
        creates: bool,
    ) -> Result<Stopwatch, CalibrateError> {
        let scenario = Scenario::parse(text, "probe.toml", &[])?;
        let log = Arc::<Log>::default();
        let machines = Clocked { machines: Arc::clone(&self.machines), log: Arc::clone(&log) };
        let limits = Limits { slots_max: u32::MAX, ..Limits::default() };
        let options = Options { limits, ..Options::default() };
        let watch = Stopwatch::new(lifetime, creates, log);
        let (_, watch) = run_scenario(&scenario, Arc::new(machines), watch, &options)?;
        if watch.intervals().is_empty() {
            let failures: Vec<String> = self.machines.failures().iter().map(ToString::to_string).collect();
            return Err(CalibrateError::Nothing { what: text.to_owned(), why: failures.join(", ") });
        }
        Ok(watch)
    }

    /// Requests a second that this host can serve for long: what it serves of more than that.
    fn capacity(&self, plan: &Plan, figures: &mut Figures, seconds: f64) -> Result<f64, CalibrateError> {
        let (count, took) = {
            let watch = self.run(&filling(plan.boots), None)?;
            let ended = watch.intervals().iter().map(|interval| interval.ended).max().unwrap_or_default();
            (watch.intervals().len() as f64, ended.as_secs_f64())
        };
        let boots_alone = count / took.max(1e-3);
        let watch = self.run(&overload(plan.boots, boots_alone, seconds.max(0.5)), Some(LIFETIME))?;
        // Boots without a pause, for when demand is more than the host can do. Starts are late there because
        // everything is.
        figures.add_levels(&watch, &[Operation::Boot, Operation::Stop]);
        let served = watch.ended(Outcome::Warm) + watch.ended(Outcome::Waited);
        Ok((served.saturating_sub(u64::from(READY)) as f64 / seconds.max(0.5)).max(APART))
    }

    /// Sprites that sleep and wake again and again.
    fn sleep(&self, figures: &mut Figures, condition: &str, seconds: f64) -> Result<(), CalibrateError> {
        let watch = self.run(&sleeping(seconds.max(0.5)), None)?;
        figures.add_all(condition, &watch, &[Operation::Wake]);
        for took in watch.sleeps() {
            figures.add(Operation::Sleep, condition, took);
        }
        Ok(())
    }
}

/// Notes how long the machines themselves take.
struct Clocked {
    machines: Arc<KvmMachines>,
    log: Arc<Log>,
}

impl Machines for Clocked {
    fn perform(&self, sprite: ActorId, asked: &Asked) -> End {
        if !matches!(asked.kind, OperationKind::Start | OperationKind::Sleep) {
            return self.machines.perform(sprite, asked);
        }
        let begun = Instant::now();
        let end = self.machines.perform(sprite, asked);
        let took = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.log.note(sprite, asked.kind, Duration::from_nanos(took));
        end
    }
}

fn fleet(ready: u32, boots: u32) -> String {
    let slots = ready.max(SLOTS.min(ready * 4));
    format!(
        "[fleet]\nslots = {slots}\nboots = {boots}\n[pool]\ndepth = {{ kind = \"fixed\", ready = {ready} }}\n"
    )
}

fn life() -> String {
    format!("[sprite]\nlifetime = \"{LIFETIME}\"\n")
}

fn stage(rate: f64, seconds: f64, arrivals: &str) -> String {
    format!(
        "[[demand]]\nfrom = {rate:?}\nto = {rate:?}\nfor = \"{seconds:.3}s\"\narrivals = \"{arrivals}\"\n"
    )
}

/// Requests that never meet.
fn steady(ready: u32, boots: u32, rate: f64, seconds: f64, used: bool) -> String {
    // A Sprite that is taken holds a slot besides those that are ready.
    let ready = if used { ready } else { ready.max(2) };
    let used = if used { life() } else { String::new() };
    fleet(ready, boots) + &used + &stage(rate, seconds, "even")
}

/// Pools that begin empty: so many boots at once until all are ready, and one request.
fn filling(boots: u32) -> String {
    let empty = "start = \"empty\"\n";
    fleet(SLOTS, boots) + empty + &stage(1.0, 1.0, "even")
}

/// More than the host can do, for a pool whose requests wait.
fn overload(boots: u32, rate: f64, seconds: f64) -> String {
    let wait = "exhausted = [{ kind = \"wait\", queue = 64 }]\n";
    fleet(READY, boots) + wait + &life() + &stage(rate, seconds, "poisson")
}

/// Every load, the lightest ones longest.
fn sweep(boots: u32, capacity: f64, seconds: f64) -> String {
    let wait = "exhausted = [{ kind = \"wait\", queue = 64 }]\n";
    let stages = SWEEP.iter().map(|part| {
        let longer = (0.25 / part).clamp(1.0, 4.0);
        stage(part * capacity, seconds * longer, "poisson")
    });
    fleet(READY, boots) + wait + &life() + &stages.collect::<String>()
}

/// Many requests at one instant, again and again.
fn crowd(boots: u32, seconds: f64) -> String {
    fleet(READY, boots)
        + &life()
        + &format!(
            "[[demand]]\nfrom = {rate}\nto = {rate}\nfor = \"{seconds:.3}s\"\narrivals = {{ bursts_of = {CROWD_SIZE} }}\n",
            rate = 5 * CROWD_SIZE
        )
}

/// No request finds a Sprite, and each has one created.
fn creating(seconds: f64) -> String {
    let create = "[fleet]\nslots = 16\n[pool]\ndepth = { kind = \"fixed\", ready = 0 }\nexhausted = [{ kind = \"create\" }]\n";
    create.to_owned() + &stage(10.0, seconds, "even")
}

/// No request finds a ready Sprite; all but the first wake one.
fn sleeping(seconds: f64) -> String {
    let wake = "[fleet]\nslots = 16\n[pool]\ndepth = { kind = \"fixed\", ready = 0 }\nexhausted = [{ kind = \"wake\" }, { kind = \"boot\" }]\n\
                [sprite]\nlifetime = \"1ms\"\nidle_after = \"1ms\"\n";
    wake.to_owned() + &stage(30.0, seconds, "even")
}
