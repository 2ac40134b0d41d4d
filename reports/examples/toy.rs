//! Writes the report of a toy fleet to a folder (`cargo run -p reports --example toy -- out`), to look at the
//! page; or with `--time` says what an observation costs.

#[path = "../tests/toy/mod.rs"]
mod toy;

use std::path::Path;

use actors::{Observation, Observer, Time};
use reports::Recorder;
use toy::Toy;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    match std::env::args().nth(1).as_deref() {
        Some("--time") => time(),
        Some(folder) => write(Path::new(folder))?,
        None => eprintln!("give a folder to write to, or --time"),
    }
    Ok(())
}

fn large() -> Toy {
    Toy {
        name: "fleet of 1,000",
        workers: 1_000,
        demand: vec![(60, 3_000.0), (30, 22_000.0), (90, 3_000.0)],
        crash: Some((120, 400)),
        ..Toy::default()
    }
}

fn write(folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let report = Toy::default().report();
    reports::folder::write(&folder.join("failed"), &report)?;
    anstream::print!("{}", reports::terminal::render(&report, 80));
    let deep = Toy { name: "deep-pool", depth: 64, boots: 16, crash: None, ..Toy::default() };
    reports::folder::write(&folder.join("held"), &deep.report())?;
    reports::folder::write(&folder.join("large"), &large().report())?;
    twin(folder)?;
    compare(folder)
}

/// One seed as the simulated run, two others as the real ones.
fn twin(folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let seeds = [42, 43, 44].map(|seed| Toy { seed, ..Toy::default() }.report());
    let (simulated, reals) = (&seeds[0], &seeds[1..]);
    let twin = reports::Twin::new(&simulated.summary, &[&reals[0].summary, &reals[1].summary]);
    let page = reports::html::twin_page(&twin, simulated, reals);
    reports::folder::write_file(folder, "twin.html", page.as_bytes())?;
    Ok(())
}

fn compare(folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let depths = [("depth 8", 8), ("depth 16", 16), ("depth 24", 24), ("depth 48", 48)];
    let reports: Vec<Vec<reports::Report>> = depths
        .iter()
        .map(|(_, depth)| {
            (1..=6).map(|seed| Toy { seed, depth: *depth, ..Toy::default() }.report()).collect()
        })
        .collect();
    let runs =
        |reports: &[reports::Report]| reports.iter().map(|report| report.summary.clone()).collect::<Vec<_>>();
    let variants: Vec<reports::Variant> = depths
        .iter()
        .zip(&reports)
        .map(|((name, _), reports)| reports::Variant { name: (*name).to_owned(), runs: runs(reports) })
        .collect();
    let comparison = reports::Comparison::new(&variants, reports::seeds::NEEDED)?;
    let first: Vec<&reports::Report> = reports.iter().map(|reports| &reports[0]).collect();
    let page = reports::html::comparison_page(&comparison, &first);
    reports::folder::write_file(folder, "comparison.html", page.as_bytes())?;
    anstream::println!("{}", comparison.render(100));
    anstream::println!("{}", reports::Spread::new(&variants[1].runs, reports::seeds::NEEDED).render(100));
    Ok(())
}

/// A run's observations, kept to be told again.
struct Kept(Vec<(Time, Observation)>);

impl Observer for Kept {
    fn observe(&mut self, at: Time, observation: Observation) {
        self.0.push((at, observation));
    }

    fn opened(&mut self, _at: Time) {}

    fn closed(&mut self, _at: Time) {}
}

/// Nanoseconds that this thread has computed: a busy machine does not change them.
fn computed_ns() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or(0.0)
}

/// A stretch of a run short enough for the processor's cache, told over and over, each time later: so the
/// cost is that of the books, not of reading a long list.
fn time() {
    let small = Toy { demand: vec![(60, 40.0)], ..Toy::default() };
    for (name, toy) in [("4 workers", small), ("1,000 workers", large())] {
        let mut kept = Kept(Vec::new());
        toy.play(&mut kept, |_| ());
        let middle = kept.0.len() / 4;
        let stretch = &kept.0[middle..kept.0.len().min(middle + 4_000)];
        let length = stretch[stretch.len() - 1].0.since(stretch[0].0);
        let rounds = 2_000;
        let best = |tell: &dyn Fn() -> f64| (0..5).map(|_| tell()).fold(f64::MAX, f64::min);
        let all = best(&|| {
            let mut recorder =
                Recorder::new(reports::RunMetadata { planned: Some(length.times(rounds)), ..toy.plan() });
            recorder.opened(Time::ZERO);
            let cost = told(&mut recorder, stretch, length, rounds);
            std::hint::black_box(recorder.finish(Time::ZERO + length.times(rounds)));
            cost
        });
        let nobody = best(&|| told(&mut Nobody, stretch, length, rounds));
        let count = stretch.len() as u64 * rounds;
        println!(
            "{name}: {:.1} ns per observation (and {nobody:.1} to tell it), {count} observations",
            all - nobody
        );
    }
}

/// Hears everything and keeps nothing.
struct Nobody;

impl Observer for Nobody {
    fn observe(&mut self, at: Time, observation: Observation) {
        std::hint::black_box((at, &observation));
    }

    fn opened(&mut self, _at: Time) {}

    fn closed(&mut self, _at: Time) {}
}

/// Nanoseconds per observation when this stretch is told so many times.
fn told(
    to: &mut impl Observer,
    stretch: &[(Time, Observation)],
    length: actors::Duration,
    rounds: u64,
) -> f64 {
    let begun = computed_ns();
    for round in 0..rounds {
        let shift = length.times(round);
        for (at, observation) in stretch {
            let mut observation = *observation;
            if let Observation::Arrived { request, .. } | Observation::Ended { request, .. } =
                &mut observation
            {
                request.arrived = request.arrived + shift;
            }
            to.observe(*at + shift, observation);
        }
    }
    (computed_ns() - begun) / (stretch.len() as u64 * rounds) as f64
}
