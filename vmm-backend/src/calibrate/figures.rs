//! What was measured, as histograms by operation and condition, and how that becomes a profile.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use actors::Duration;
use hdrhistogram::Histogram;
use scenarios::Distribution;
use scenarios::distribution::ByLoad;
use scenarios::profile::Measured;
use scenarios::scenario::{AfterIdle, Latency, TimerSlack};

use super::load::STOLEN_MAX;
use super::stopwatch::{Mean, Operation, Stopwatch};

/// A number of operations under way that was met less often than this is counted with the number below it.
const SAMPLES_MIN: u64 = 100;
/// Numbers of operations under way that are told apart.
const LEVELS_MAX: usize = 32;
/// Starts are told apart by how long the host had nothing to do before, in milliseconds. Each is twice the
/// one before: what a start takes then grows with the logarithm.
const IDLE_MS: [u64; 5] = [2, 4, 8, 16, 32];
/// The longest that is recorded, in nanoseconds: a minute.
const LONGEST_NS: u64 = 60_000_000_000;

/// The condition under which an operation is alone.
pub(super) const ALONE: &str = "alone";
/// The condition of many requests at one instant.
pub(super) const CROWD: &str = "at one instant";
/// The condition of sleepers that keep everything.
pub(super) const KEPT: &str = "kept";

/// What was measured, by operation and condition: by one measurement, or by several of one host, whose
/// figures are added up.
#[derive(Debug, Default)]
pub struct Figures {
    /// In the order in which conditions were first met.
    rows: Vec<(Operation, String, Histogram<u64>)>,
    /// Of starts, boots and stops, by how many operations were under way; each level holds up to the next.
    levels: BTreeMap<Operation, BTreeMap<usize, Histogram<u64>>>,
    /// Of starts on a host that had nothing to do, by the place in [`IDLE_MS`].
    after_idle: BTreeMap<usize, Histogram<u64>>,
    /// Boots a second at their bound.
    pub(super) boots_per_second: Mean,
    /// The most VMs that were alive at once.
    pub(super) vms_alive: u32,
    /// What other programs did before the measurement began; empty where that was little.
    pub(super) others: String,
    /// The part of the processors' time that the hypervisor gave to others while it was measured what a
    /// simulation draws from.
    pub(super) stolen: f64,
    /// The speed of boots while a crowd is served, as a part of what it is at other times.
    pub(super) boots_beside_starts: Mean,
    /// Boots, and those that failed.
    pub(super) boots: (u64, u64),
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_max(LONGEST_NS, 3).expect("the bounds are in order")
}

impl Figures {
    /// The values of an operation under a condition; a new row where there are none yet.
    fn row(&mut self, operation: Operation, condition: &str) -> &mut Histogram<u64> {
        let known = self.rows.iter().position(|(known, under, _)| *known == operation && under == condition);
        let row = known.unwrap_or_else(|| {
            self.rows.push((operation, condition.to_owned(), histogram()));
            self.rows.len() - 1
        });
        &mut self.rows[row].2
    }

    /// Adds one value.
    pub(super) fn add(&mut self, operation: Operation, condition: &str, value: Duration) {
        self.row(operation, condition).saturating_record(value.as_nanos());
    }

    /// Adds what a probe has measured under a condition.
    pub(super) fn add_all(&mut self, condition: &str, watch: &Stopwatch, which: &[Operation]) {
        for interval in watch.intervals() {
            if which.contains(&interval.operation) {
                self.add(interval.operation, condition, interval.ended.since(interval.began));
            }
        }
    }

    /// Adds these operations of a probe by how many others were under way, without the time that starts took
    /// from them, which a simulation adds by itself. So crowds have to be measured before, and soon before:
    /// it is their pace that counts here.
    pub(super) fn add_levels(&mut self, watch: &Stopwatch, which: &[Operation]) {
        let busy = watch.busy(self.median(Operation::Spacing, CROWD));
        let lost = 1.0 - self.boots_beside_starts();
        for (interval, beside) in watch.levels() {
            if which.contains(&interval.operation) {
                let took = interval.ended.since(interval.began).as_nanos();
                let by_starts = busy.share(&interval, lost).as_nanos();
                // A start that went faster than the others before it let expect tells nothing of a start by
                // itself.
                let Some(by_itself) = took.checked_sub(by_starts).filter(|left| *left > 0) else { continue };
                let idle = IDLE_MS.iter().rposition(|&least| beside.idle >= Duration::from_millis(least));
                let (levels, level) = match idle {
                    Some(idle) if interval.operation == Operation::Start => (&mut self.after_idle, idle),
                    _ => {
                        let levels = self.levels.entry(interval.operation).or_default();
                        (levels, beside.under_way.min(LEVELS_MAX - 1))
                    }
                };
                levels.entry(level).or_insert_with(histogram).saturating_record(by_itself);
            }
        }
    }

    /// Gives every level enough values, once everything is added up.
    pub(super) fn settle_levels(&mut self) {
        for levels in self.levels.values_mut().chain([&mut self.after_idle]) {
            let mut settled: BTreeMap<usize, Histogram<u64>> = BTreeMap::new();
            for (level, values) in std::mem::take(levels) {
                match settled.last_entry() {
                    Some(mut below) if values.len() < SAMPLES_MIN || below.get().len() < SAMPLES_MIN => {
                        *below.get_mut() += &values;
                    }
                    _ => drop(settled.insert(level, values)),
                }
            }
            *levels = settled;
        }
    }

    /// The speed of boots beside a crowd; full where none was met.
    pub(super) fn boots_beside_starts(&self) -> f64 {
        self.boots_beside_starts.mean().unwrap_or(1.0)
    }

    /// What may have spoilt the figures; empty where nothing was seen.
    pub(super) fn disturbed(&self) -> String {
        if self.others.is_empty() && self.stolen > STOLEN_MAX {
            let stolen = self.stolen * 100.0;
            return format!(
                "the hypervisor gave {stolen:.0} % of the processors' time to others, also in the quietest passes"
            );
        }
        self.others.clone()
    }

    /// Every row, by operation, levels last.
    fn all(&self) -> Vec<(Operation, String, &Histogram<u64>)> {
        let rows =
            self.rows.iter().map(|(operation, condition, values)| (*operation, condition.clone(), values));
        let levels = self.levels.iter().flat_map(|(operation, levels)| {
            levels.iter().map(|(level, values)| (*operation, beside(levels, *level), values))
        });
        let after_idle =
            self.after_idle.iter().map(|(level, values)| (Operation::Start, after_idle(*level), values));
        let mut all: Vec<_> = rows.chain(levels).chain(after_idle).collect();
        all.sort_by_key(|(operation, ..)| *operation);
        all
    }

    /// The files that a profile names, with what they hold.
    pub(super) fn files(&self) -> impl Iterator<Item = (String, String, &Histogram<u64>)> {
        self.all().into_iter().map(|(operation, condition, values)| {
            (file(operation, &condition), format!("{}, {condition}", operation.name()), values)
        })
    }

    /// Whether anything was measured.
    pub(super) fn has(&self, operation: Operation, condition: &str) -> bool {
        self.rows.iter().any(|(known, under, _)| *known == operation && under == condition)
    }

    /// The median under a condition; zero where nothing was measured.
    pub(super) fn median(&self, operation: Operation, condition: &str) -> Duration {
        let row = self.rows.iter().find(|(known, under, _)| *known == operation && under == condition);
        row.map_or(Duration::ZERO, |(_, _, values)| Duration::from_nanos(values.value_at_quantile(0.5)))
    }

    /// `[[measured]]`, by operation.
    pub(super) fn measured(&self) -> Vec<Measured> {
        let row = |(operation, condition, values): (Operation, String, &Histogram<u64>)| Measured {
            operation: operation.name().to_owned(),
            count: values.len(),
            p50_ns: values.value_at_quantile(0.5),
            p99_ns: values.value_at_quantile(0.99),
            p999_ns: values.value_at_quantile(0.999),
            mean_ns: values.mean() as u64,
            histogram: file(operation, &condition),
            condition,
        };
        self.all().into_iter().map(row).collect()
    }

    /// `[latency]`.
    pub(super) fn latency(&self) -> Latency {
        let single = |operation, condition| drawn(operation, condition).into();
        let (boots, failed) = self.boots;
        Latency {
            start_spacing: self.median(Operation::Spacing, CROWD),
            // To three digits: it is an estimate.
            boots_beside_starts: (self.boots_beside_starts() * 1_000.0).round() / 1_000.0,
            start: self.by_load(Operation::Start),
            start_after_idle: self.start_after_idle(),
            boot: self.by_load(Operation::Boot),
            create: single(Operation::Create, ALONE),
            wake: single(Operation::Wake, KEPT),
            sleep: single(Operation::Sleep, KEPT),
            stop: self.by_load(Operation::Stop),
            boot_failures: failed as f64 / boots.max(1) as f64,
            start_failures: 0.0,
            sleep_refusals: 0.0,
            wake_refusals: 0.0,
        }
    }

    fn start_after_idle(&self) -> Vec<AfterIdle> {
        let entry = |&level: &usize| AfterIdle {
            idle: Duration::from_millis(IDLE_MS[level]),
            start: drawn(Operation::Start, &after_idle(level)),
        };
        self.after_idle.keys().map(entry).collect()
    }

    fn by_load(&self, operation: Operation) -> ByLoad {
        let levels = self.levels.get(&operation);
        let last = levels.and_then(|levels| levels.keys().next_back());
        let drawn = levels.zip(last).and_then(|(levels, last)| {
            ByLoad::levels((0..=*last).map(|level| drawn(operation, &beside(levels, level))).collect())
        });
        drawn.unwrap_or_else(|| self::drawn(operation, ALONE).into())
    }

    /// `[timer]`. The runtime's timers wait for moments, not for ticks: whatever grid there is, is part of
    /// how late they are.
    pub(super) fn timer(&self) -> TimerSlack {
        TimerSlack { grid: Duration::ZERO, lag: drawn(Operation::Timer, "sweep") }
    }
}

/// Another measurement of the same host is added value by value, as if both were one. What only tells how
/// quiet the host was is that of the less quiet one.
impl AddAssign for Figures {
    fn add_assign(&mut self, other: Self) {
        for (operation, condition, values) in other.rows {
            *self.row(operation, &condition) += values;
        }
        for (operation, levels) in other.levels {
            add_by_level(self.levels.entry(operation).or_default(), levels);
        }
        add_by_level(&mut self.after_idle, other.after_idle);
        self.boots_per_second += other.boots_per_second;
        self.vms_alive = self.vms_alive.max(other.vms_alive);
        if self.others.is_empty() {
            self.others = other.others;
        }
        self.stolen = self.stolen.max(other.stolen);
        self.boots_beside_starts += other.boots_beside_starts;
        self.boots = (self.boots.0 + other.boots.0, self.boots.1 + other.boots.1);
    }
}

fn add_by_level(levels: &mut BTreeMap<usize, Histogram<u64>>, others: BTreeMap<usize, Histogram<u64>>) {
    for (level, values) in others {
        *levels.entry(level).or_insert_with(histogram) += values;
    }
}

/// The condition that holds for this many others under way.
fn beside(levels: &BTreeMap<usize, Histogram<u64>>, level: usize) -> String {
    // What was never met below the first level that was, is as that.
    let first =
        levels.range(..=level).next_back().or(levels.first_key_value()).map_or(&level, |(first, _)| first);
    match levels.range(first + 1..).next() {
        None => format!("beside {first} or more"),
        Some((next, _)) if *next == first + 1 => format!("beside {first}"),
        Some((next, _)) => format!("beside {first} to {}", next - 1),
    }
}

/// The condition that the host had nothing to do for so long.
fn after_idle(level: usize) -> String {
    format!("after {} ms idle", IDLE_MS[level])
}

/// The file of a row.
fn file(operation: Operation, condition: &str) -> String {
    format!("{}-{}.hlog", operation.name(), condition.replace(' ', "-"))
}

fn drawn(operation: Operation, condition: &str) -> Distribution {
    Distribution::Histogram { histogram: file(operation, condition), unit: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_that_were_rarely_met_are_counted_with_the_one_below() {
        let mut figures = Figures::default();
        let levels = [(0, 500), (1, 3), (2, 200), (3, 7)].map(|(value, count)| {
            let mut level = histogram();
            level.record_n((value as u64 + 1) * 1_000, count).unwrap();
            (value, level)
        });
        figures.levels.insert(Operation::Boot, levels.into_iter().collect());
        figures.settle_levels();
        let counts: Vec<_> =
            figures.levels[&Operation::Boot].iter().map(|(level, values)| (*level, values.len())).collect();
        assert_eq!(counts, [(0, 503), (2, 207)]);
        let low = drawn(Operation::Boot, "beside 0 to 1");
        let high = drawn(Operation::Boot, "beside 2 or more");
        assert_eq!(figures.by_load(Operation::Boot).as_slice(), [low.clone(), low, high]);
    }

    /// A part of a measurement: starts beside crowds, boots at two levels, starts after idling.
    fn part(us: u64, boots: [(usize, u64); 2]) -> Figures {
        let mut figures = Figures { vms_alive: 128, boots: (10, 1), ..Figures::default() };
        figures.add(Operation::Start, "sweep", Duration::from_micros(us));
        for (level, count) in boots {
            let levels = figures.levels.entry(Operation::Boot).or_default();
            levels.entry(level).or_insert_with(histogram).record_n(us * 1_000, count).unwrap();
        }
        figures.after_idle.entry(1).or_insert_with(histogram).record_n(us * 1_000, 60).unwrap();
        figures.boots_per_second.add(us as f64);
        figures
    }

    #[test]
    fn parts_add_up_to_what_one_measurement_of_the_same_values_gives() {
        let mut sum = part(100, [(0, 150), (3, 60)]);
        let mut second = part(300, [(0, 150), (3, 60)]);
        second.add(Operation::Create, ALONE, Duration::from_micros(7));
        second.boots_beside_starts.add(0.25);
        second.others = "busy".to_owned();
        assert!(!sum.has(Operation::Create, ALONE));
        sum += second;
        assert!(sum.has(Operation::Create, ALONE), "what only one of them has is there");
        assert_eq!(sum.median(Operation::Start, "sweep").as_nanos() / 1_000, 100);
        assert_eq!(sum.measured().iter().map(|row| row.count).sum::<u64>(), 2 + 1 + 2 * 210 + 2 * 60);
        assert_eq!((sum.boots_per_second.mean(), sum.boots_beside_starts()), (Some(200.0), 0.25));
        assert_eq!((sum.vms_alive, sum.boots, sum.disturbed()), (128, (20, 2), "busy".to_owned()));
        // Each part alone has too few of a level to tell it apart; together they have enough.
        sum.settle_levels();
        let counts: Vec<_> =
            sum.levels[&Operation::Boot].iter().map(|(level, values)| (*level, values.len())).collect();
        assert_eq!(counts, [(0, 300), (3, 120)]);
    }

    #[test]
    fn figures_that_nobody_has_spoilt_are_not_said_to_be() {
        let mut figures = Figures { stolen: STOLEN_MAX, ..Figures::default() };
        assert_eq!(figures.disturbed(), "");
        figures += Figures { stolen: 0.08, ..Figures::default() };
        assert!(figures.disturbed().contains("gave 8 %"), "{}", figures.disturbed());
    }
}
