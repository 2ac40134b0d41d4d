//! What a start, a boot and a wake cost: the bare ioctls as the limit, beside this crate in one process,
//! beside a fleet of shard processes, beside the actors on top of them; quiet and under CPU load; with few
//! and many VMs alive; and what a warm VM costs in memory.
//!
//! `cargo bench -p vmm-backend` runs all of it. `WARMPOOL_BENCH_SAMPLES` (500) sets the samples per figure,
//! `WARMPOOL_BENCH_ALIVE` (10,100,1000) the numbers of VMs alive; arguments choose sections:
//! `hop quiet actors load alive`.

use microvm::bind::{Bind, Generation, Key, Request};
use microvm::guest::mailbox::{Mailbox, Order, kind};
use microvm::guest::{EMBEDDED, layout};
use microvm::hypervisor::Hypervisor;
use microvm::runner::Runner;
use microvm::sys::memory::{Mapping, Sharing, memory_file};
use microvm::template::Template;
use microvm::training::capture;
use microvm::vm::Vm;
use shards::wire::{Answer, BOARD_BYTES, Board, Command, op};
use shards::{Shards, ShardsConfig, Stage, VmId};
use std::error::Error;
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use vmm_backend::calibrate::{Meter, beside_busy_threads};

pub(crate) type Outcome<T = ()> = Result<T, Box<dyn Error>>;

const MEMORY_BYTES: u64 = 128 << 20;
const LIMIT: Duration = Duration::from_secs(5);
/// Between two samples: a start that follows another at once finds warm caches and an awake processor, which
/// flatters.
pub(crate) const PAUSE: Duration = Duration::from_millis(1);

pub(crate) fn main() -> Outcome {
    shards::main_if_shard();
    let sections: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let wanted = |section: &str| sections.is_empty() || sections.iter().any(|wanted| wanted == section);
    let hypervisor = match Hypervisor::open() {
        Ok(hypervisor) => Arc::new(hypervisor),
        Err(error) => {
            println!("skipped: {error}");
            return Ok(());
        }
    };
    let setting = |name: &str, usual: &str| std::env::var(name).unwrap_or_else(|_| usual.into());
    let samples: usize = setting("WARMPOOL_BENCH_SAMPLES", "500").parse()?;
    let alive = setting("WARMPOOL_BENCH_ALIVE", "10,100,1000");
    let alive: Vec<usize> = alive.split(',').map(str::parse).collect::<Result<_, _>>()?;
    let template = capture(&hypervisor, Arc::new(EMBEDDED), MEMORY_BYTES)?;
    let bench =
        Bench { hypervisor, template, bind: Bind::new("s3://bucket/user", Key::new("user")?)?, samples };
    println!("host: {}", bench.hypervisor.host());
    println!(
        "guest: {} MiB, write set {} pages, {samples} samples",
        MEMORY_BYTES >> 20,
        bench.template.write_set().len()
    );
    if wanted("hop") {
        println!("\nto a waiting thread and back, which takes 40 us to answer: what the way costs");
        metered(|| bench.hop())?;
    }
    if wanted("quiet") {
        println!("\nquiet");
        metered(|| bench.all())?;
    }
    if wanted("actors") {
        println!("\nthrough the actors, from the arrival until the acknowledgement is handled");
        metered(|| bench.actors())?;
    }
    if wanted("load") {
        println!("\nunder CPU load: one busy thread per processor");
        metered(|| beside_busy_threads(|| bench.all()))?;
        println!("\nthe same through the actors");
        metered(|| beside_busy_threads(|| bench.actors()))?;
    }
    if wanted("alive") {
        for count in alive {
            metered(|| bench.alive(count))?;
            metered(|| bench.actors_alive(count))?;
        }
    }
    Ok(())
}

/// Says how much of the processors' time the hypervisor gave to others meanwhile: figures of such a time are
/// no figures.
fn metered(measure: impl FnOnce() -> Outcome) -> Outcome {
    let meter = Meter::start();
    measure()?;
    println!("  taken by the hypervisor meanwhile: {:.1} % of the processors' time", meter.stolen() * 100.0);
    Ok(())
}

pub(crate) struct Bench {
    hypervisor: Arc<Hypervisor>,
    template: Arc<Template>,
    bind: Bind,
    pub(crate) samples: usize,
}

impl Bench {
    /// The ways that a command could take to a shard, each a pause after the last.
    fn hop(&self) -> Outcome {
        header();
        let board = Board::new(&memory_file(c"bench", BOARD_BYTES)?)?;
        for spin in [0, 50, 200] {
            let spin = Duration::from_micros(spin);
            let mut times = Vec::new();
            std::thread::scope(|scope| -> Outcome {
                scope.spawn(|| {
                    for _ in 0..self.samples {
                        let slot = board.next();
                        work();
                        board.answer(slot, &Answer::ok([0; 4]));
                    }
                });
                for _ in 0..self.samples {
                    std::thread::sleep(PAUSE);
                    timed(&mut times, || {
                        board.post(0, &Command::new(op::REQUEST, LIMIT), true);
                        board.wait(0, spin, LIMIT, &|| false).ok_or("no answer")
                    })?;
                }
                Ok(())
            })?;
            row(&format!("board and futex, spin {spin:?}"), &mut times);
        }
        let (ours, theirs) = UnixDatagram::pair()?;
        let mut times = Vec::new();
        std::thread::scope(|scope| -> Outcome {
            let answering = scope.spawn(|| -> std::io::Result<()> {
                let mut byte = [0];
                for _ in 0..self.samples {
                    theirs.recv(&mut byte)?;
                    work();
                    theirs.send(&byte)?;
                }
                Ok(())
            });
            for _ in 0..self.samples {
                std::thread::sleep(PAUSE);
                timed(&mut times, || {
                    ours.send(&[1])?;
                    ours.recv(&mut [0])
                })?;
            }
            Ok(answering.join().map_err(|_| "the answering thread panicked")??)
        })?;
        row("socket, blocking", &mut times);
        Ok(())
    }

    fn all(&self) -> Outcome {
        header();
        self.bare()?;
        self.in_process()?;
        self.through_a_shard()
    }

    /// Nothing but memory, registers and `KVM_RUN`: what no layer above can beat.
    fn bare(&self) -> Outcome {
        let mut first = Vec::new();
        let mut ahead = Vec::new();
        for run_ahead in [false, true] {
            for _ in 0..self.samples {
                let file = self.template.file();
                let memory = Mapping::new(file, MEMORY_BYTES as usize, Sharing::CopyOnWrite)?;
                for &page in self.template.write_set() {
                    memory.own_page(page);
                }
                let (vm, mut vcpu) = self.hypervisor.create(&memory)?;
                self.template.state().restore(&vm, &vcpu, false)?;
                let order = layout::MAILBOX + std::mem::offset_of!(Mailbox, order) as u64;
                if run_ahead {
                    memory.store(order, &Order::new(kind::WARM, [0; 2]));
                    vcpu.run()?;
                }
                let mut bind = Order::new(kind::BIND, [0; 2]);
                bind.generation = 1;
                std::thread::sleep(PAUSE);
                let start = Instant::now();
                memory.store(order, &bind);
                vcpu.run()?;
                if run_ahead { &mut ahead } else { &mut first }.push(start.elapsed());
            }
        }
        row("start, bare ioctls, restored ahead", &mut first);
        row("start, bare ioctls, run ahead", &mut ahead);
        Ok(())
    }

    fn in_process(&self) -> Outcome {
        let mut runner = Runner::new()?;
        let (mut forks, mut starts, mut drops) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..self.samples {
            let mut vm = timed(&mut forks, || {
                let mut vm = Vm::fork(&self.hypervisor, &self.template)?;
                vm.warm(&mut runner, LIMIT)?;
                Outcome::Ok(vm)
            })?;
            std::thread::sleep(PAUSE);
            timed(&mut starts, || vm.start(&mut runner, Generation(1), &self.bind, LIMIT))?;
            timed(&mut drops, || drop(vm));
        }
        row("start, in process", &mut starts);
        row("boot, in process", &mut forks);
        row("stop, in process", &mut drops);
        Ok(())
    }

    fn through_a_shard(&self) -> Outcome {
        let (fleet, _lost) = Shards::launch(ShardsConfig::new(8), &self.template)?;
        let mut times: [Vec<Duration>; 9] = Default::default();
        let [boots, starts, misses, requests, sleeps, wakes, saves, loads, stops] = &mut times;
        for _ in 0..self.samples {
            let vm = timed(boots, || fleet.boot())?;
            std::thread::sleep(PAUSE);
            timed(starts, || fleet.start(vm, &self.bind, LIMIT))?;
            std::thread::sleep(PAUSE);
            timed(requests, || fleet.request(vm, Request::Add(1), LIMIT))?;
            timed(sleeps, || fleet.sleep(vm, Stage::Kept))?;
            std::thread::sleep(PAUSE);
            timed(wakes, || fleet.wake(vm, LIMIT))?;
            timed(saves, || fleet.sleep(vm, Stage::Saved))?;
            std::thread::sleep(PAUSE);
            timed(loads, || fleet.wake(vm, LIMIT))?;
            timed(stops, || fleet.stop(vm))?;
            std::thread::sleep(PAUSE);
            let vm = timed(misses, || {
                let vm = fleet.boot()?;
                fleet.start(vm, &self.bind, LIMIT).map(|_| vm)
            })?;
            fleet.stop(vm)?;
        }
        let names = [
            "boot (refill), shard",
            "start, shard",
            "boot + start (miss), shard",
            "request, shard",
            "sleep, first stage",
        ];
        let more = ["wake from first stage", "sleep, second stage", "wake from second stage", "stop, shard"];
        for (name, times) in names.iter().chain(&more).zip(&mut times) {
            row(name, times);
        }
        Ok(())
    }

    /// Starts while this many VMs are alive, and what they cost.
    fn alive(&self, count: usize) -> Outcome {
        println!("\n{count} VMs alive");
        let before = available_kib()?;
        // One more shard's worth of room, so that refilling never waits for a stop.
        let (fleet, _lost) = Shards::launch(ShardsConfig::new(count + 32), &self.template)?;
        let shards = available_kib()?;
        let start = Instant::now();
        let (mut vms, mut boots) = (Vec::with_capacity(count), Vec::with_capacity(count));
        for _ in 0..count {
            vms.push(timed(&mut boots, || fleet.boot())?);
        }
        let took = start.elapsed();
        settle();
        let full = available_kib()?;
        println!(
            "  {} shards of {} KiB each; {count} boots in {took:.2?}, {:.0} us each",
            fleet.shards().len(),
            before.saturating_sub(shards) / fleet.shards().len() as u64,
            took.as_secs_f64() * 1e6 / count as f64
        );
        println!(
            "  memory by MemAvailable: {} KiB per warm VM, shards included {} KiB",
            shards.saturating_sub(full) / count as u64,
            before.saturating_sub(full) / count as u64
        );
        header();
        row("boot, one after another", &mut boots);
        let (mut starts, mut refills) = (Vec::new(), Vec::new());
        for turn in 0..self.samples {
            // Another VM of another shard each time.
            let at = (turn * 37) % vms.len();
            std::thread::sleep(PAUSE);
            timed(&mut starts, || fleet.start(vms[at], &self.bind, LIMIT))?;
            fleet.stop(vms[at])?;
            vms[at] = timed(&mut refills, || fleet.boot())?;
        }
        row("start, shard", &mut starts);
        row("boot (refill), shard", &mut refills);
        self.refilling(&fleet, &mut vms)?;
        let start = Instant::now();
        for vm in vms {
            fleet.stop(vm)?;
        }
        println!("  {count} stops in {:.2?}", start.elapsed());
        drop(fleet);
        memory_back(before)
    }

    /// Starts while another thread boots and stops without pause.
    fn refilling(&self, fleet: &Shards, vms: &mut [VmId]) -> Outcome {
        let done = AtomicBool::new(false);
        let mut starts = Vec::new();
        std::thread::scope(|scope| -> Outcome {
            let churn = scope.spawn(|| {
                let mut boots = Vec::new();
                while !done.load(Ordering::Relaxed) {
                    let vm = timed(&mut boots, || fleet.boot())?;
                    fleet.stop(vm)?;
                }
                Ok::<_, shards::ShardsError>(boots)
            });
            let outcome = (|| -> Outcome {
                for turn in 0..self.samples {
                    let at = (turn * 37) % vms.len();
                    std::thread::sleep(PAUSE);
                    timed(&mut starts, || fleet.start(vms[at], &self.bind, LIMIT))?;
                    fleet.stop(vms[at])?;
                    vms[at] = fleet.boot()?;
                }
                Ok(())
            })();
            done.store(true, Ordering::Relaxed);
            let mut boots = churn.join().map_err(|_| "the refilling thread panicked")??;
            row("start, shard, during refill", &mut starts);
            row("boot, shard, without pause", &mut boots);
            outcome
        })
    }
}

/// As long as a guest takes.
fn work() {
    let start = Instant::now();
    while start.elapsed() < Duration::from_micros(40) {
        std::hint::spin_loop();
    }
}

fn timed<T>(times: &mut Vec<Duration>, act: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let outcome = act();
    times.push(start.elapsed());
    outcome
}

pub(crate) fn header() {
    println!("  {:<36} {:>9} {:>9} {:>9} {:>9}   us", "", "p50", "p99", "p99.9", "max");
}

pub(crate) fn row(name: &str, times: &mut [Duration]) {
    times.sort_unstable();
    let Some(last) = times.len().checked_sub(1) else { return };
    let at = |share: f64| times[((times.len() as f64 * share) as usize).min(last)].as_secs_f64() * 1e6;
    println!("  {name:<36} {:>9.1} {:>9.1} {:>9.1} {:>9.1}", at(0.5), at(0.99), at(0.999), at(1.0));
}

/// Kernel memory of ended VMs comes back a little later.
fn settle() {
    std::thread::sleep(Duration::from_millis(1500));
}

/// Waits until the memory of ended VMs is back, which the kernel frees in its own time, and tells how long
/// that took.
pub(crate) fn memory_back(before: u64) -> Outcome {
    let (begun, enough) = (Instant::now(), Duration::from_secs(60));
    let missing = || Ok::<_, Box<dyn Error>>(before.saturating_sub(available_kib()?));
    let at_once = missing()?;
    while missing()? > before / 1_000 && begun.elapsed() < enough {
        std::thread::sleep(Duration::from_millis(250));
    }
    let (left, after) = (missing()?, begun.elapsed());
    println!(
        "  memory not back at the end: {at_once} KiB, and {left} KiB {:.0} s later",
        after.as_secs_f64()
    );
    Ok(())
}

pub(crate) fn available_kib() -> Outcome<u64> {
    let text = std::fs::read_to_string("/proc/meminfo")?;
    let line = text
        .lines()
        .find(|line| line.starts_with("MemAvailable:"))
        .ok_or("/proc/meminfo has no MemAvailable")?;
    Ok(line.split_whitespace().nth(1).ok_or("MemAvailable has no value")?.parse()?)
}
