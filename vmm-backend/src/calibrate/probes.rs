//! The probes: small scenarios in real time on real VMs, one for each condition.

use std::sync::Arc;
use std::time::Instant;

use actors::protocol::Operation as Asked;
use actors::{ActorId, Duration, OperationKind, Outcome};
use scenarios::Scenario;

use super::figures::{ALONE, CROWD, Figures, KEPT};
use super::stopwatch::{Log, Operation, Stopwatch};
use super::{CalibrateError, Meter, Plan, Progress, load};
use crate::doctor::vms_that_fit;
use crate::machines::{KvmMachines, MachinesConfig};
use crate::runtime::{Limits, Machines, Options, run_scenario};

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

/// Measures everything.
pub(super) fn run_all(plan: &Plan, progress: Progress<'_>) -> Result<Figures, CalibrateError> {
    progress(0, "whether the host is quiet");
    let mut figures = Figures::default();
    figures.disturbed = load::others();
    let seconds = |full: f64| if plan.quick { full / 10.0 } else { full };
    let passes = |full| if plan.quick { 1 } else { full };
    let bench = Bench::launch(plan, SLOTS + BESIDE, 0)?;

    progress(10, "the way there, once");
    // The first VMs in a shard take memory that the host has not given to anybody yet; that comes but once.
    bench.run(&filling(plan.boots), None)?;

    progress(20, "operations alone");
    let text = steady(READY, 1, APART, seconds(5.0), true);
    let watch = bench.run(&text, Some(LIFETIME))?;
    figures.add_all(
        ALONE,
        &watch,
        &[Operation::Start, Operation::Boot, Operation::Stop, Operation::Overhead, Operation::Timer],
    );

    for boots in 1..=plan.boots {
        progress(100 + 30 * u64::from(boots) / u64::from(plan.boots), "boots in parallel");
        let watch = bench.run(&filling(boots), None)?;
        figures.add_all(&format!("{boots} at once"), &watch, &[Operation::Boot]);
    }

    progress(140, "many at one instant");
    let alone = figures.median(Operation::Start, ALONE);
    let watches = bench.quietest(&crowd(plan.boots, seconds(4.0).max(2.0)), passes(2), &mut figures)?;
    let mut speeds = Vec::new();
    for watch in &watches {
        let crowds = watch.crowds(CROWD_SIZE, alone);
        for crowd in &crowds {
            figures.add(Operation::Spacing, CROWD, crowd.spacing);
        }
        speeds.extend(watch.boot_speed(&crowds));
    }
    figures.boots_beside_starts =
        if speeds.is_empty() { 1.0 } else { speeds.iter().sum::<f64>() / speeds.len() as f64 };

    progress(220, "as much as the host can do");
    let capacity = bench.capacity(plan, &mut figures, seconds(2.0))?;
    figures.boots_per_second = capacity;

    progress(270, "every load that the host can bear");
    let text = sweep(plan.boots, capacity, seconds(1.0));
    let which = [Operation::Start, Operation::Boot, Operation::Stop, Operation::Timer, Operation::Overhead];
    for watch in bench.quietest(&text, passes(3), &mut figures)? {
        figures.add_all("sweep", &watch, &which);
        figures.add_levels(&watch, &[Operation::Start, Operation::Boot, Operation::Stop]);
        let (boots, failed) = watch.boots();
        figures.boots = (figures.boots.0 + boots, figures.boots.1 + failed);
    }
    if figures.stolen > load::STOLEN_MAX && figures.disturbed.is_empty() {
        figures.disturbed = format!(
            "the hypervisor gave {:.0} % of the processors' time to others, also in the quietest passes",
            figures.stolen * 100.0
        );
    }

    progress(650, "under CPU load");
    let text = steady(READY, 1, APART, seconds(4.0), true);
    let watch = load::beside_busy_threads(|| bench.run(&text, Some(LIFETIME)))?;
    let which = [Operation::Start, Operation::Boot, Operation::Stop, Operation::Timer];
    figures.add_all("CPU load", &watch, &which);

    progress(720, "creates");
    let watch = bench.run_as(&creating(seconds(2.0).max(0.5)), None, true)?;
    figures.add_all(ALONE, &watch, &[Operation::Create]);

    progress(760, "sleep and wake");
    bench.sleep(&mut figures, "saved", seconds(2.0))?;
    drop(bench);
    Bench::launch(plan, READY + BESIDE, READY as usize)?.sleep(&mut figures, KEPT, seconds(2.0))?;

    figures.vms_alive = SLOTS;
    let fit = vms_that_fit().map_or(u32::MAX, |fit| u32::try_from(fit).unwrap_or(u32::MAX));
    let vms_max = plan.vms_max.min(fit.saturating_sub(SLOTS));
    let most: &[u32] = if plan.quick { &[10, 100] } else { &[10, 100, 1_000] };
    let counts = most.iter().map(|count| (*count).min(vms_max)).filter(|count| *count > 0);
    let mut done = 0;
    for (alive, share) in counts.zip([820, 860, 900]) {
        if alive == done {
            break;
        }
        progress(share, "with many VMs alive");
        let bench = Bench::launch(plan, alive + BESIDE, 0)?;
        let watch = bench.run(&steady(alive, 1, APART, seconds(3.0), false), None)?;
        figures.add_all(&format!("{alive} alive"), &watch, &[Operation::Start, Operation::Boot]);
        figures.vms_alive = figures.vms_alive.max(alive);
        done = alive;
    }
    figures.settle_levels();
    complete(&figures)?;
    progress(1_000, "done");
    Ok(figures)
}

/// Whether everything that a profile draws from is there.
fn complete(figures: &Figures) -> Result<(), CalibrateError> {
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

    /// Runs a probe until the host was quiet meanwhile so many times, and gives what was seen then.
    fn quietest(
        &self,
        text: &str,
        passes: usize,
        figures: &mut Figures,
    ) -> Result<Vec<Stopwatch>, CalibrateError> {
        let seen = load::quietest(passes, |pass| {
            let meter = Meter::start();
            let watch = self.run(&format!("seed = {}\n{text}", pass + 1), Some(LIFETIME))?;
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
        // Boots without a pause, for when demand is more than the host can do. Starts are late there because everything is.
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
    fn perform(&self, sprite: ActorId, asked: &Asked) -> bool {
        if !matches!(asked.kind, OperationKind::Start | OperationKind::Sleep) {
            return self.machines.perform(sprite, asked);
        }
        let begun = Instant::now();
        let ok = self.machines.perform(sprite, asked);
        let took = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.log.note(sprite, asked.kind, Duration::from_nanos(took));
        ok
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
