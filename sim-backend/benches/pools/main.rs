//! How fast are pools simulated, next to a loop written by hand and to two libraries for such simulations?
//!
//! ```text
//! cargo bench -p sim-backend --bench pools               compares, at one pool and at 1,000
//! cargo bench -p sim-backend --bench pools -- --large    100 million arrivals: does memory grow?
//! ```
//!
//! Rounds are interleaved, each with its own seed, so that a busy machine disturbs all contenders alike, and
//! times are those of the thread on its processor. Ratios are taken within rounds. Because the rounds are
//! independent, their misses also say whether all contenders simulate the same system.

mod hand;
mod statistics;
mod usage;
mod warmpool;
mod with_simcore;
mod with_simrs;
mod work;

use std::process::{Command, ExitCode};

use statistics::{Mean, median, range};
use work::{Outcome, Work};

/// A program that does the work.
struct Contender {
    name: &'static str,
    run: fn(&Work) -> Outcome,
}

const HAND: usize = 0;
const SIMCORE: usize = 3;
const WARMPOOL: usize = 4;

const CONTENDERS: [Contender; 5] = [
    Contender { name: "hand", run: hand::run },
    Contender { name: "hand-tuned", run: hand::run_tuned },
    Contender { name: "simrs", run: with_simrs::run },
    Contender { name: "simcore", run: with_simcore::run },
    Contender { name: "warmpool", run: warmpool::run },
];

/// A size of the work, and how many times as long as the loop by hand warmpool may take.
struct Size {
    pools: u32,
    ratio_max: f64,
}

const SIZES: [Size; 2] = [Size { pools: 1, ratio_max: 3.0 }, Size { pools: 1_000, ratio_max: 2.5 }];
const ARRIVALS: u64 = 1_000_000;
const ROUNDS: u64 = 7;

/// A contender whose misses are further from those of the loop by hand than so many standard errors of the
/// difference does other work. Seeds are fixed, so one that has passed passes again.
const ERRORS_MAX: f64 = 4.0;

const LARGE: Work = Work { pools: 1_000, arrivals: 100_000_000, seed: 1 };
const LARGE_GROWTH_MAX_MIB: f64 = 64.0;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    if has("--peak") {
        return peak(&arguments);
    }
    // Cargo passes `--bench` when it benches and leaves it out when it tests.
    if has("--test") || !has("--bench") {
        println!("nothing is measured in tests: run `cargo bench -p sim-backend --bench pools`");
        return ExitCode::SUCCESS;
    }
    let good = if has("--large") { large() } else { compare() };
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Compares the contenders at every size. `false` when they do not simulate the same system; a missed aim is
/// only printed, because times depend on the machine.
fn compare() -> bool {
    println!(
        "{ARRIVALS} Poisson arrivals, load {}, depth {}, {} boots at once per pool, exponential boots, no waiting; \
         {ROUNDS} rounds",
        Work::LOAD,
        Work::DEPTH,
        Work::BOOTS,
    );
    println!(
        "misses of a pool in the long run: {:.4} % (it begins full)",
        Work::long_run_miss_share() * 100.0
    );
    let mut good = true;
    for size in &SIZES {
        good &= compare_at(size);
    }
    good
}

/// What the rounds of one contender gave.
#[derive(Default)]
struct Rounds {
    ns_per_arrival: Vec<f64>,
    miss_shares: Vec<f64>,
}

fn compare_at(size: &Size) -> bool {
    let mut all: [Rounds; CONTENDERS.len()] = Default::default();
    for seed in 1..=ROUNDS {
        let work = Work { pools: size.pools, arrivals: ARRIVALS, seed };
        for (contender, rounds) in CONTENDERS.iter().zip(&mut all) {
            let before = usage::thread_ns();
            let outcome = (contender.run)(&work);
            let took = usage::thread_ns() - before;
            rounds.ns_per_arrival.push(took as f64 / outcome.requests as f64);
            rounds.miss_shares.push(outcome.miss_share());
        }
    }
    println!("\n{} pool{}", size.pools, plural(size.pools));
    println!(
        "{:10} {:>12} {:>17} {:>9} {:>10} {:>20}",
        "", "ns/arrival", "from - to", "x hand", "peak MiB", "misses +- s.e."
    );
    let misses_by_hand = Mean::of(&all[HAND].miss_shares);
    let mut good = true;
    for (contender, rounds) in CONTENDERS.iter().zip(&all) {
        let (least, most) = range(&rounds.ns_per_arrival);
        let misses = Mean::of(&rounds.miss_shares);
        let agrees = misses.errors_from(&misses_by_hand) <= ERRORS_MAX;
        good &= agrees;
        println!(
            "{:10} {:12.1} {:>17} {:9.2} {:10} {:>20}{}",
            contender.name,
            median(&rounds.ns_per_arrival),
            format!("{least:.1} - {most:.1}"),
            ratio(rounds, &all[HAND]),
            peak_of(contender, size).map_or("?".to_owned(), |mib| format!("{mib:.1}")),
            format!("{:.4} +- {:.4} %", misses.mean * 100.0, misses.error * 100.0),
            if agrees { "" } else { "  NOT THE SAME SYSTEM" },
        );
    }
    let (by_hand, by_simcore) = (ratio(&all[WARMPOOL], &all[HAND]), ratio(&all[WARMPOOL], &all[SIMCORE]));
    tell("times hand", by_hand, size.ratio_max);
    tell("times simcore", by_simcore, 1.0);
    good
}

/// How many times as long one takes as another: the median over rounds.
fn ratio(one: &Rounds, other: &Rounds) -> f64 {
    let pairs = one.ns_per_arrival.iter().zip(&other.ns_per_arrival);
    median(&pairs.map(|(one, other)| one / other).collect::<Vec<_>>())
}

fn tell(what: &str, is: f64, most: f64) {
    let verdict = if is <= most { "met" } else { "MISSED" };
    println!("aim: warmpool at most {most:.1} {what}: {is:.2}, {verdict}");
}

fn plural(count: u32) -> &'static str {
    if count == 1 { "" } else { "s" }
}

/// The most memory that a contender ever holds, measured in a process of its own; `None` where the system
/// does not tell.
fn peak_of(contender: &Contender, size: &Size) -> Option<f64> {
    let program = std::env::current_exe().ok()?;
    let output =
        Command::new(program).args(["--peak", contender.name, &size.pools.to_string()]).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

/// `--peak NAME POOLS`: does the work once and prints the most memory that this process ever held, in MiB.
fn peak(arguments: &[String]) -> ExitCode {
    let [_, name, pools] = arguments else { return ExitCode::FAILURE };
    let contender = CONTENDERS.iter().find(|contender| contender.name == name);
    let (Some(contender), Ok(pools)) = (contender, pools.parse()) else { return ExitCode::FAILURE };
    (contender.run)(&Work { pools, arrivals: ARRIVALS, seed: 1 });
    match usage::peak_mib() {
        Some(mib) => println!("{mib}"),
        None => return ExitCode::FAILURE,
    }
    ExitCode::SUCCESS
}

/// A long run of a large fleet. `false` when its memory grows with the requests.
fn large() -> bool {
    println!("{} arrivals at {} pools, each on a worker of its own", LARGE.arrivals, LARGE.pools);
    let mut marks = Vec::new();
    let before = usage::thread_ns();
    let outcome = warmpool::run_watched(&LARGE, |arrived| {
        if arrived == 0 || arrived == LARGE.arrivals / 100 {
            marks.push(usage::peak_mib());
        }
    });
    let ns_per_arrival = (usage::thread_ns() - before) as f64 / outcome.requests as f64;
    marks.push(usage::peak_mib());
    println!("{} requests, {ns_per_arrival:.1} ns each", outcome.requests);
    let [Some(tables), Some(one_percent), Some(end)] = marks[..] else {
        println!("this system does not tell how much memory a process has held");
        return true;
    };
    println!("peak MiB: {tables:.1} when pools are full, {one_percent:.1} after 1 %, {end:.1} at the end");
    let growth = end - tables;
    let good = growth < LARGE_GROWTH_MAX_MIB;
    println!(
        "aim: less than {LARGE_GROWTH_MAX_MIB} MiB beyond the tables: {growth:.1}, {}",
        if good { "met" } else { "MISSED" }
    );
    good
}
