//! From the books of a run that is over to its report.

mod bound;

use actors::{Observer, Time};

use crate::cost::Quantities;
use crate::identity::{Identity, Provenance};
use crate::latency::{Exact, Latencies, at_rank, over_all};
use crate::mark::Mark;
use crate::outcomes::PerOutcome;
use crate::peak::WINDOW_NS;
use crate::recorder::{Class, Recorder};
use crate::report::Report;
use crate::summary::{Boots, DemandPeak, LatencyNs, Levels, Recovery, Region, SCHEMA, Summary, Worker};
use crate::timeline::{Row, Timeline};
use crate::verdict::Verdict;
use crate::workers::NEVER;

impl Recorder {
    /// The run is over: what it came to.
    pub fn finish(mut self, at: Time) -> Report {
        if self.origin == NEVER {
            self.opened(at);
        }
        let end = self.tick(at);
        self.settle_fleet(end);
        self.settle_workers(end);
        self.scopes.finish(end);
        report(self, end)
    }

    /// Ready Sprites in the fleet now: for progress bars and tests.
    pub fn ready(&self) -> u64 {
        self.fleet.class(Class::Ready).count()
    }
}

/// The report of the run, which ended at `end`, in nanoseconds since its opening.
fn report(mut books: Recorder, end: u64) -> Report {
    let from = books.counted_from.min(end);
    if end <= books.counted_from {
        // The warm-up never ended: what was seen of it is forgotten.
        books.workers.iter_mut().for_each(|worker| worker.begin(end, false));
    }
    books.workers.iter_mut().for_each(|worker| worker.end(end));
    let empty_periods = std::mem::take(&mut books.empty_periods).finish(end);
    let timeline = timeline(&books, end);
    let workers = workers(&books, end, seconds(end - from));
    let recorder = std::mem::replace(&mut books.latency, crate::latency::LatencyRecorder::new(None));
    let (latencies, exact) = recorder.finish(end);
    let mut summary = figures(&books, from, end, &latencies, &exact);
    summary.regions = regions(&books, &workers);
    summary.workers = workers;
    summary.causes = books.causes.figures(end, books.run.per_tenant);
    summary.bound = bound::bound(&books, end, &summary);
    summary.empty_periods = of_one_pool(&books, empty_periods);
    summary.notes = [books.run.notes.clone(), notes(&summary, end)].concat();
    let mut scopes = books.scopes.all.iter();
    let gates = books.run.gates.iter().map(|gate| match gate.scope().is_all() {
        true => gate.evaluate(&summary),
        false => {
            scopes.next().map_or_else(|| gate.evaluate(&summary), |books| gate.evaluate_part(&summary, books))
        }
    });
    let gates = gates.collect();
    summary.gates = gates;
    summary.verdict = Verdict::over(&summary.gates);
    Report { summary, timeline, latencies }
}

fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

/// A figure that files show with three decimals.
fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

/// A share, with six decimals.
fn rounded_share(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

/// The mean of a level over so long a time; zero over no time.
fn mean(integral: f64, ns: u64) -> f64 {
    if ns == 0 { 0.0 } else { rounded(integral / ns as f64) }
}

fn figures(books: &Recorder, from: u64, end: u64, latencies: &Latencies, exact: &[Exact; 8]) -> Summary {
    let outcomes = PerOutcome::from_fn(|outcome| exact[outcome as usize].count);
    let requests = outcomes.total();
    let misses = outcomes.misses();
    let pool = levels(books, end - from);
    let boots = Boots {
        begun: books.counts.boots,
        failed: books.counts.boots_failed,
        creates: outcomes.created,
        wakes: books.counts.wakes,
        lost: books.counts.lost,
        starts_refused: books.counts.starts_refused,
        sleeps_refused: books.counts.sleeps_refused,
        wakes_refused: books.counts.wakes_refused,
        longest_failing_streak: books.counts.streak,
        hosts_down: books.counts.hosts_down,
    };
    let cost = books.run.prices.bill(&Quantities {
        idle_vm_seconds: pool.idle_vm_seconds,
        misses,
        boots: boots.begun,
        rejected: outcomes.rejected,
    });
    Summary {
        schema: SCHEMA,
        name: books.run.name.clone(),
        backend: books.run.backend.clone(),
        seed: books.run.seed,
        digest: None,
        events: 0,
        begins: books.run.begins.clone(),
        duration_s: seconds(end - from),
        demand_s: seconds(demand_end(books, end).saturating_sub(from)),
        demand_peak: books.peak.most().map(|(requests, from)| DemandPeak {
            requests,
            window_s: seconds(WINDOW_NS),
            from_s: seconds(from),
        }),
        warmup_s: books.run.warmup.as_secs_f64(),
        verdict: Verdict::NoGates,
        gates: Vec::new(),
        requests,
        unfinished: books.counts.arrived.saturating_sub(requests),
        misses,
        miss_ratio: if requests == 0 { 0.0 } else { misses as f64 / requests as f64 },
        outcomes,
        latency_ns: latency(latencies, exact),
        pool,
        recovery: of_one_pool(books, recovery(books, end)),
        boots,
        prices: books.run.prices,
        cost,
        regions: Vec::new(),
        empty_periods: None,
        shortages: Vec::new(),
        causes: Vec::new(),
        bound: None,
        strip_width_s: seconds(books.strips.width),
        workers: Vec::new(),
        marks: marks(books),
        notes: Vec::new(),
        identity: Identity::default(),
        provenance: Provenance::default(),
    }
}

/// When requests have come for the last time: what the run takes after that is no demand.
fn demand_end(books: &Recorder, end: u64) -> u64 {
    books.run.planned.map_or(books.arrived_last, |planned| planned.as_nanos()).min(end)
}

fn latency(latencies: &Latencies, exact: &[Exact; 8]) -> LatencyNs {
    let served = actors::Outcome::ALL
        .into_iter()
        .filter(|outcome| outcome.is_served())
        .fold(Exact::default(), |sum, outcome| sum.merged(exact[outcome as usize]));
    let unserved = actors::Outcome::ALL.into_iter().filter(|outcome| !outcome.is_served());
    let unserved = unserved.map(|outcome| exact[outcome as usize].count).sum();
    let histogram = latencies.served();
    let served = served.figures(&histogram);
    LatencyNs {
        all: over_all(&served, unserved, |rank| at_rank(&histogram, rank)),
        served,
        by_outcome: PerOutcome::from_fn(|outcome| {
            latencies.totals.get(outcome).as_ref().map(|part| exact[outcome as usize].figures(part))
        }),
    }
}

/// What is known of every pool only where each worker has one.
fn of_one_pool<T>(books: &Recorder, value: T) -> Option<T> {
    (!books.run.per_tenant).then_some(value)
}

fn levels(books: &Recorder, ns: u64) -> Levels {
    let totals = &books.totals;
    let empty: u128 = books.workers.iter().map(|worker| u128::from(worker.counted.empty)).sum();
    let full: u128 = books.workers.iter().map(|worker| u128::from(worker.counted.full)).sum();
    let vm_seconds = |integral: u128| rounded(integral as f64 / 1e9);
    let whole = ns as f64 * books.workers.len() as f64;
    let share = if whole == 0.0 { 0.0 } else { rounded_share(empty as f64 / whole) };
    let longest = books.workers.iter().map(|worker| worker.empty_longest).max().unwrap_or(0);
    Levels {
        per_tenant: books.run.per_tenant,
        ready_mean: mean(totals.ready as f64, ns),
        ready_least: books.counts.ready_least,
        ready_least_worker: books
            .workers
            .iter()
            .map(|worker| u64::from(worker.counted.least))
            .min()
            .unwrap_or(0),
        target_mean: mean(totals.target as f64, ns),
        empty_seconds: of_one_pool(books, vm_seconds(empty)),
        empty_share: of_one_pool(books, share),
        empty_longest_s: of_one_pool(books, seconds(longest)),
        booting_mean: mean(totals.booting as f64, ns),
        in_use_mean: mean(totals.in_use as f64, ns),
        in_use_most: books.counts.in_use_most,
        asleep_mean: mean(totals.asleep as f64, ns),
        slots_mean: mean((totals.ready + totals.booting + totals.in_use + totals.stopping) as f64, ns),
        slots_most: books.counts.held_most.max(0) as u64,
        slots: (!books.run.capacity.is_empty())
            .then(|| books.run.capacity.iter().map(|capacity| u64::from(capacity.slots)).sum()),
        full_workers: books.workers.iter().filter(|worker| worker.counted.full > 0).count() as u64,
        full_seconds: vm_seconds(full),
        waiting_most: books.counts.waiting_most,
        idle_vm_seconds: vm_seconds(totals.ready),
        running_vm_seconds: vm_seconds(totals.in_use),
    }
}

/// The slowest worker decides; one that has not recovered is slower than all.
fn recovery(books: &Recorder, end: u64) -> Recovery {
    let after_spike = books.run.spike_end.is_some();
    let mut slowest = Recovery { seconds: Some(0.0), after_spike, worker: None };
    if books.run.spike_end.is_some_and(|spike_end| spike_end.as_nanos() > end) {
        return Recovery { seconds: None, ..slowest };
    }
    for (index, worker) in books.workers.iter().enumerate() {
        match worker.longest_recovery(end) {
            None => return Recovery { seconds: None, after_spike, worker: Some(index as u32) },
            Some(ns) if slowest.seconds.is_some_and(|known| seconds(ns) > known) => {
                slowest = Recovery { seconds: Some(seconds(ns)), after_spike, worker: Some(index as u32) };
            }
            Some(_) => {}
        }
    }
    slowest
}

fn workers(books: &Recorder, end: u64, counted_s: f64) -> Vec<Worker> {
    let per_second = |integral: u64| {
        if counted_s == 0.0 { 0.0 } else { rounded(integral as f64 / 1e9 / counted_s) }
    };
    let rows = books.workers.iter().zip(&books.run.workers).enumerate();
    rows.map(|(index, (worker, region))| {
        let (level_strip, empty_strip) = books.strips.texts(index, end);
        Worker {
            region: *region,
            requests: worker.requests,
            misses: worker.requests.saturating_sub(worker.at_once),
            boots: u64::from(worker.boots),
            ready_mean: per_second(worker.counted.ready),
            ready_least: u64::from(worker.counted.least),
            target_mean: per_second(worker.counted.target),
            empty_seconds: of_one_pool(books, rounded(seconds(worker.counted.empty))),
            recovery_s: of_one_pool(books, worker.longest_recovery(end)).flatten().map(seconds),
            level_strip,
            empty_strip: of_one_pool(books, empty_strip).unwrap_or_default(),
        }
    })
    .collect()
}

fn regions(books: &Recorder, workers: &[Worker]) -> Vec<Region> {
    let known = books.run.regions.len();
    let most = books.run.workers.iter().map(|region| region + 1).max().unwrap_or(0).max(known);
    let mut regions: Vec<Region> = (0..most)
        .map(|index| Region {
            name: books.run.regions.get(index).cloned().unwrap_or_else(|| format!("region {index}")),
            empty_seconds: of_one_pool(books, 0.0),
            ..Region::default()
        })
        .collect();
    for worker in workers {
        let region = &mut regions[worker.region];
        region.workers += 1;
        region.requests += worker.requests;
        region.misses += worker.misses;
        region.ready_mean = rounded(region.ready_mean + worker.ready_mean);
        region.target_mean = rounded(region.target_mean + worker.target_mean);
        let empty = region.empty_seconds.zip(worker.empty_seconds);
        region.empty_seconds = empty.map(|(before, more)| rounded(before + more));
    }
    regions
}

/// The run's known marks, the end of the spike and the outages that were seen, in the order of time.
fn marks(books: &Recorder) -> Vec<Mark> {
    let mut marks = books.run.marks.clone();
    for (moment, label) in [(books.run.spike_begin, "spike begins"), (books.run.spike_end, "spike ends")] {
        let Some(moment) = moment else { continue };
        marks.push(Mark { from_s: moment.as_secs_f64(), to_s: None, label: label.to_owned() });
    }
    marks.extend(books.outages.iter().cloned());
    marks.sort_by(|a, b| a.from_s.total_cmp(&b.from_s).then_with(|| a.label.cmp(&b.label)));
    marks
}

fn notes(summary: &Summary, end: u64) -> Vec<String> {
    let mut notes = Vec::new();
    if summary.duration_s == 0.0 && end > 0 {
        notes.push("the run ended within its warm-up: nothing was counted".to_owned());
    }
    let mut note = |count: u64, one: &str, many: &str| match count {
        0 => {}
        1 => notes.push(format!("1 {one}")),
        count => notes.push(format!("{count} {many}")),
    };
    note(
        summary.unfinished,
        "request had not ended when the run did; it is in no figure",
        "requests had not ended when the run did; they are in no figure",
    );
    note(summary.boots.hosts_down, "outage of a host", "outages of hosts");
    note(summary.boots.lost, "Sprite lost its VM", "Sprites lost their VM");
    let Boots { starts_refused, sleeps_refused, wakes_refused, .. } = summary.boots;
    note(
        starts_refused,
        "start was refused, and tried elsewhere",
        "starts were refused, and tried elsewhere",
    );
    note(
        sleeps_refused,
        "sleep was refused: the Sprite stayed awake",
        "sleeps were refused: the Sprites stayed awake",
    );
    note(wakes_refused, "wake was refused: the Sprite slept on", "wakes were refused: the Sprites slept on");
    match summary.boots.longest_failing_streak {
        0 | 1 => {}
        streak => notes.push(format!("boots of one pool failed {streak} times in a row")),
    }
    notes
}

fn timeline(books: &Recorder, end: u64) -> Timeline {
    let width = books.series.width;
    let row = |(index, bin): (usize, &crate::series::Bin)| {
        let from = index as u64 * width;
        let to = (from + width).min(end);
        let level = |integral: u64| mean(integral as f64, to.saturating_sub(from));
        let [warm, waited, booted, created, spilled, woken, rejected, failed] = bin.outcomes;
        Row {
            from_s: seconds(from),
            to_s: seconds(to),
            arrivals: bin.arrivals,
            warm,
            waited,
            booted,
            created,
            spilled,
            woken,
            rejected,
            failed,
            misses: waited + booted + created + spilled + rejected + failed,
            ready_mean: level(bin.levels.ready),
            ready_least: bin.ready_least,
            target: level(bin.levels.target),
            booting: level(bin.levels.booting),
            in_use: level(bin.levels.in_use),
            waiting: level(bin.levels.waiting),
            slots: level(bin.levels.slots()),
            waiting_most: bin.waiting_most,
            latency_p99_ns: books.series.p99(index),
            latency_max_ns: bin.latency_most,
        }
    };
    let mut rows: Vec<Row> = books.series.bins.iter().enumerate().map(row).collect();
    // A run that ends with a bin has opened one more, in which nothing can have happened but its last moment.
    if let [.., before, last] = rows.as_mut_slice()
        && last.to_s <= last.from_s
    {
        let moment = last.clone();
        absorb(before, &moment);
        rows.pop();
    }
    Timeline { rows }
}

/// Adds the run's last moment to its last bin.
fn absorb(row: &mut Row, moment: &Row) {
    row.arrivals += moment.arrivals;
    row.warm += moment.warm;
    row.waited += moment.waited;
    row.booted += moment.booted;
    row.created += moment.created;
    row.spilled += moment.spilled;
    row.woken += moment.woken;
    row.rejected += moment.rejected;
    row.failed += moment.failed;
    row.misses += moment.misses;
    row.ready_least = row.ready_least.min(moment.ready_least);
    row.waiting_most = row.waiting_most.max(moment.waiting_most);
    row.latency_max_ns = row.latency_max_ns.max(moment.latency_max_ns);
    row.latency_p99_ns = row.latency_p99_ns.max(moment.latency_p99_ns);
}
