//! Whether a fleet can hold what is asked of it, before anything is simulated. By Little's law (1961) what is
//! in use is the rate of arrivals times how long each holds its slot, and what is being booted is the rate
//! times the length of a boot. Both are means: demand comes in clusters, so a fleet that just holds on
//! average does not hold all the time.
//!
//! A stage that is shorter than Sprites live never reaches those numbers; what is in use at its end is the
//! sum over all that arrived before, each counted with the chance that it is still there (the M/G/infinity
//! queue).

use std::ops::Range;
use std::sync::Arc;

use actors::policy::{AfterUse, Placement, PoolKey, Step};
use actors::random::Purpose;
use actors::{Duration, Rng, Time};

use crate::distribution::{ByLoad, DistributionError, Sampler};
use crate::scenario::{Demand, Scenario, Stage, WorkerPlan};

/// With more stages than this the arithmetic would take longer than it is worth.
const STAGES_MAX: usize = 1_000;
/// How many pieces of constant rate ramps are cut into, over all stages.
const SLICES: usize = 400;
/// How many lifetimes stand for all of them.
const DRAWS: usize = 4_000;

/// What one stage asks of one worker, and what the worker has.
#[derive(Clone, Debug, PartialEq)]
pub struct StageLoad {
    /// The region, as an index into [`Scenario::regions`].
    pub region: usize,
    /// The workers that are alike in this, counted over the fleet. The first of them speaks for all.
    pub workers: Range<u32>,
    /// The stage, counted from zero.
    pub stage: usize,
    /// When it begins.
    pub begins: Time,
    /// How long it lasts.
    pub length: Duration,
    /// The most requests per second that come to this worker.
    pub rate: f64,
    /// How long one holds a slot, on average.
    pub held: Duration,
    /// How many are in use at the most loaded moment, on average.
    pub in_use: f64,
    /// How many its pools are sure to aim for at some time.
    pub depth: f64,
    /// VMs that it holds.
    pub slots: u32,
    /// How long a boot takes where as many run at once as may, on average.
    pub boot: Duration,
    /// How many boots are under way at the most loaded moment if each request needs one, on average.
    pub booting: f64,
    /// How many may be; `None` for any number.
    pub boots: Option<u32>,
}

/// What a worker is short of in a stage.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shortage {
    /// More are in use than it has slots: some requests find none, whatever the pool does.
    Slots,
    /// What is in use and the pool together need more than its slots: the pool is never full.
    Depth,
    /// More boots are needed than may run: the pool runs empty after so long, and then each request waits for
    /// a boot.
    Boots {
        /// From the beginning of the stage.
        empty_after: Duration,
    },
}

impl StageLoad {
    /// What it is short of: slots first, then boots.
    pub fn shortages(&self) -> Vec<Shortage> {
        let mut found = Vec::new();
        let slots = f64::from(self.slots);
        if self.in_use > slots {
            found.push(Shortage::Slots);
        } else if self.depth > 0.0 && self.in_use + self.depth > slots {
            found.push(Shortage::Depth);
        }
        found.extend(self.boots_missing());
        found
    }

    fn boots_missing(&self) -> Option<Shortage> {
        let boots = f64::from(self.boots?);
        let boot = self.boot.as_secs_f64();
        let missing_per_second = if boot > 0.0 { self.rate - boots / boot } else { 0.0 };
        if self.booting <= boots || missing_per_second <= 0.0 {
            return None;
        }
        let empty_after = Duration::from_secs_f64(self.depth / missing_per_second);
        (empty_after < self.length).then_some(Shortage::Boots { empty_after })
    }
}

impl Scenario {
    /// What each stage asks of each group of workers that are alike, in the order of regions and stages.
    /// Empty for a trace, whose rates are known only when it is read, and for more than 1,000 stages.
    ///
    /// # Errors
    /// A distribution whose file cannot be read.
    pub fn capacity(&self) -> Result<Vec<StageLoad>, DistributionError> {
        let Demand::Stages(stages) = &self.demand else {
            return Ok(Vec::new());
        };
        if stages.len() > STAGES_MAX {
            return Ok(Vec::new());
        }
        let held = self.held()?;
        let in_use = held.in_use(stages);
        let regions = self.regions();
        let mut loads = Vec::new();
        for (workers, plan) in groups(&self.workers()) {
            let region = &regions[plan.region as usize];
            let in_region = f64::from(region.workers.end - region.workers.start);
            let share = region.share / in_region;
            let boots = (plan.boots != u32::MAX).then_some(plan.boots);
            let boot = self.boot_with(plan.boots)?;
            let booting = Held::new(&Sampler::constant(boot), Duration::ZERO).in_use(stages);
            let mut begins = Time::ZERO;
            for (stage, part) in stages.iter().enumerate() {
                let rate = part.from_rate().max(part.to_rate()) * share;
                loads.push(StageLoad {
                    region: plan.region as usize,
                    workers: workers.clone(),
                    stage,
                    begins,
                    length: part.length,
                    rate,
                    held: held.mean,
                    in_use: in_use[stage] * share,
                    depth: self.depth_of(&plan, region.workers.end - region.workers.start),
                    slots: plan.slots,
                    boot,
                    booting: if self.boots_for_each(&plan) { booting[stage] * share } else { 0.0 },
                    boots,
                });
                begins = begins + part.length;
            }
        }
        Ok(loads)
    }

    /// Whether each request takes a Sprite that must be booted: none comes back, and none is woken.
    fn boots_for_each(&self, plan: &WorkerPlan) -> bool {
        let wakes = plan.pool.exhausted.iter().any(|step| matches!(step, Step::Wake(_)));
        self.sprite.after_use == AfterUse::Stop && !wakes
    }

    /// How many Sprites all pools of a worker are sure to aim for.
    fn depth_of(&self, plan: &WorkerPlan, workers: u32) -> f64 {
        let pools = match (plan.pool.key, self.fleet.placement) {
            (PoolKey::Uniform, _) => 1.0,
            (PoolKey::Tenant, Placement::ByKey) => f64::from(self.tenants.count) / f64::from(workers),
            (PoolKey::Tenant, _) => f64::from(self.tenants.count),
        };
        f64::from(plan.pool.depth.guaranteed_depth().ready) * pools
    }

    /// How long a boot takes where so many run at once; one that fails is made again.
    fn boot_with(&self, boots: u32) -> Result<Duration, DistributionError> {
        let levels = self.latency.boot.samplers(self.base())?;
        let busy = (boots.max(1) - 1).min(levels.len() as u32 - 1);
        let mean = levels[busy as usize].mean();
        let kept = 1.0 - self.latency.boot_failures;
        Ok(if kept > 0.0 { mean.scaled(1.0 / kept) } else { Duration::MAX })
    }

    fn held(&self) -> Result<Held, DistributionError> {
        let alone = |by_load: &ByLoad| -> Result<Duration, DistributionError> {
            Ok(by_load.samplers(self.base())?[0].mean())
        };
        let mut around = alone(&self.latency.start)?;
        let Some(lifetime) = &self.sprite.lifetime else {
            return Ok(Held::new(&Sampler::constant(Duration::ZERO), around));
        };
        if self.sprite.after_use == AfterUse::Stop {
            around = around + alone(&self.latency.stop)?;
            if let Some(idle) = self.sprite.idle_after {
                around = around + idle + alone(&self.latency.sleep)?;
            }
        }
        Ok(Held::new(&lifetime.sampler(self.base())?, around))
    }
}

/// How long requests hold their slots.
struct Held {
    mean: Duration,
    /// In seconds, ascending, each with the sum of all up to it.
    sorted: Vec<(f64, f64)>,
}

impl Held {
    /// A lifetime, and what comes before and after it.
    fn new(lifetime: &Sampler, around: Duration) -> Self {
        let mean = lifetime.mean() + around;
        let mut rng = Rng::stream(0, Purpose::Lifetimes, 0);
        let draws = if lifetime.as_constant().is_some() { 1 } else { DRAWS };
        let mut all: Vec<f64> =
            (0..draws).map(|_| (lifetime.sample(&mut rng) + around).as_secs_f64()).collect();
        all.sort_by(f64::total_cmp);
        let mut sum = 0.0;
        let sorted = all.into_iter().map(|held| {
            sum += held;
            (held, sum)
        });
        Self { mean, sorted: sorted.collect() }
    }

    /// For how much of so many seconds a slot is held that is taken at their beginning, on average.
    fn within(&self, seconds: f64) -> f64 {
        let Some((_, total)) = self.sorted.last() else {
            return 0.0;
        };
        let ended = self.sorted.partition_point(|(held, _)| *held <= seconds);
        let sum = ended.checked_sub(1).map_or(0.0, |last| self.sorted[last].1);
        let rest = (self.sorted.len() - ended) as f64 * seconds;
        if *total > 0.0 { (sum + rest) / total * self.mean.as_secs_f64() } else { 0.0 }
    }

    /// How many of the whole fleet are in use at the most loaded moment of each stage, on average.
    fn in_use(&self, stages: &[Stage]) -> Vec<f64> {
        let pieces = (SLICES / stages.len().max(1)).clamp(1, 20);
        // Rate, beginning and end of what came before, in seconds.
        let mut slices: Vec<(f64, f64, f64)> = Vec::new();
        let mut now = 0.0;
        let mut most = Vec::with_capacity(stages.len());
        for stage in stages {
            let (from, to, length) = (stage.from_rate(), stage.to_rate(), stage.length.as_secs_f64());
            let mut most_here = 0.0f64;
            for piece in 0..pieces {
                let part = (piece as f64 + 0.5) / pieces as f64;
                let end = now + length / pieces as f64;
                slices.push((from + (to - from) * part, now, end));
                now = end;
                let in_use: f64 = slices
                    .iter()
                    .map(|(rate, begin, end)| rate * (self.within(now - begin) - self.within(now - end)))
                    .sum();
                most_here = most_here.max(in_use);
            }
            most.push(most_here);
        }
        most
    }
}

/// Workers that follow each other and are alike, with what they are.
fn groups(plans: &[WorkerPlan]) -> Vec<(Range<u32>, WorkerPlan)> {
    let mut groups: Vec<(Range<u32>, WorkerPlan)> = Vec::new();
    let is_like = |one: &WorkerPlan, other: &WorkerPlan| {
        let same_pool = Arc::ptr_eq(&one.pool, &other.pool) || one.pool == other.pool;
        (one.region, one.slots, one.boots) == (other.region, other.slots, other.boots) && same_pool
    };
    for (plan, index) in plans.iter().zip(0u32..) {
        match groups.last_mut() {
            Some((workers, last)) if is_like(last, plan) => workers.end = index + 1,
            _ => groups.push((index..index + 1, plan.clone())),
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loads(text: &str) -> Vec<StageLoad> {
        let scenario = Scenario::parse(text, "a.toml", &[]).unwrap_or_else(|error| panic!("{error}"));
        scenario.capacity().expect("no files")
    }

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() <= expected.abs() * 1e-3, "{found} is not {expected}");
    }

    #[test]
    fn slots_are_rate_times_life() {
        let all = loads(
            "[fleet]\nworkers = 2\nslots = 64\n[latency]\nstart = \"0s\"\n[sprite]\nlifetime = \"40s\"\n[[demand]]\nto = 5\nfor = \"10m\"",
        );
        let [load] = all.as_slice() else { panic!("two workers alike, one stage") };
        assert_eq!((load.workers.clone(), load.stage, load.slots), (0..2, 0, 64));
        close(load.rate, 2.5);
        close(load.in_use, 100.0);
        assert_eq!(load.shortages(), [Shortage::Slots]);
    }

    #[test]
    fn a_stage_shorter_than_a_life_does_not_fill_up() {
        let all = loads(
            "[fleet]\nslots = 110\n[latency]\nstart = \"0s\"\n[sprite]\nlifetime = \"40s\"\n[[demand]]\nto = 10\nfor = \"10s\"\n\
             [[demand]]\nfrom = 0\nto = 0\nfor = \"1m\"",
        );
        close(all[0].in_use, 100.0);
        // They leave one by one from the fortieth second on.
        close(all[1].in_use, 100.0);
        assert_eq!(all[0].shortages(), [Shortage::Depth], "100 in use and 16 ready are more than 110");
        assert_eq!(all[1].begins, Time::ZERO + Duration::from_secs(10));
    }

    #[test]
    fn in_use_follows_any_lifetime_and_any_ramp() {
        // Exponential lifetimes of 10 s at a constant rate: 1 - exp(-t / 10) of 10 times the rate.
        let all = loads(
            "[latency]\nstart = \"0s\"\n[sprite]\nlifetime = { exponential = \"10s\" }\n[[demand]]\nto = 10\nfor = \"10s\"",
        );
        let expected = 100.0 * (1.0 - libm::exp(-1.0));
        assert!((all[0].in_use / expected - 1.0).abs() < 0.02, "{} {expected}", all[0].in_use);
        // A ramp from 0 to 10 in 10 s with longer lifetimes: all 50 that came.
        let all = loads(
            "[latency]\nstart = \"0s\"\n[sprite]\nlifetime = \"40s\"\n[[demand]]\nfrom = 0\nto = 10\nfor = \"10s\"",
        );
        close(all[0].in_use, 50.0);
    }

    #[test]
    fn boots_are_rate_times_boot() {
        let text = "[fleet]\nslots = 500\n[pool]\ndepth = { kind = \"fixed\", ready = 20 }\n[latency]\nboot = \"2s\"\n\
                    [[demand]]\nto = 2.2\nfor = \"24h\"";
        let [load] = &loads(text)[..] else { panic!("one stage") };
        close(load.booting, 4.4);
        assert_eq!(load.boots, Some(4));
        let [Shortage::Boots { empty_after }] = load.shortages()[..] else { panic!("{load:?}") };
        // 0.2 a second are missing, and 20 are ready.
        close(empty_after.as_secs_f64(), 100.0);
        let short = loads(&text.replace("24h", "99s"));
        assert_eq!(short[0].shortages(), [], "it ends before the pool is empty");
        let unlimited = loads(&text.replace("slots = 500", "slots = 500\nboots = \"unlimited\""));
        assert_eq!((unlimited[0].boots, unlimited[0].shortages()), (None, vec![]));
        // Of two hundred requests at one instant no more than two hundred boots are under way.
        let burst = loads("[latency]\nboot = \"10s\"\n[[demand]]\nto = 200000\nfor = \"1ms\"");
        close(burst[0].booting, 200.0);
        let after = loads(
            "[latency]\nboot = \"10s\"\n[[demand]]\nto = 200000\nfor = \"1ms\"\n[[demand]]\nfrom = 0\nto = 0\nfor = \"1m\"",
        );
        assert_eq!(after[1].shortages(), [], "nobody comes any more");
        // Beside others a boot takes longer; failed ones are made again.
        let slower = loads(&text.replace("\"2s\"", "[\"1s\", \"2s\", \"3s\"]\nboot_failures = 0.25"));
        assert_eq!(slower[0].boot, Duration::from_secs(4));
        let returned = loads(
            &text
                .replace("[[demand]]", "[sprite]\nlifetime = \"1s\"\nafter_use = \"return\"\n[[demand]]")
                .replace("[pool]", "[pool]\nkey = \"tenant\""),
        );
        close(returned[0].booting + 1.0, 1.0);
    }

    #[test]
    fn regions_and_workers_have_their_own_part() {
        let all = loads(
            "[fleet]\nworkers = 4\n[[region]]\nname = \"a\"\nworkers = 1\nshare = 0.7\n[[worker]]\nindex = 2\nslots = 8\n\
             pool = { depth = { kind = \"fixed\", ready = 4 } }\n[[demand]]\nto = 10\nfor = \"1m\"",
        );
        let of: Vec<(usize, Range<u32>, u32)> =
            all.iter().map(|load| (load.region, load.workers.clone(), load.slots)).collect();
        assert_eq!(of, [(0, 0..1, 64), (1, 1..2, 64), (1, 2..3, 8), (1, 3..4, 64)]);
        close(all[0].rate, 7.0);
        close(all[1].rate, 1.0);
        assert_eq!((all[1].depth, all[2].depth), (16.0, 4.0));
    }

    #[test]
    fn tenants_have_a_depth_each() {
        let text = "[fleet]\nworkers = 4\nplacement = \"by-key\"\n[pool]\nkey = \"tenant\"\ndepth = { kind = \"fixed\", ready = 2 }\n\
                    [tenants]\ncount = 40\n[[demand]]\nto = 1\nfor = \"1m\"";
        assert_eq!(loads(text)[0].depth, 20.0);
        assert_eq!(loads(&text.replace("by-key", "random"))[0].depth, 80.0);
    }

    #[test]
    fn a_trace_says_nothing_beforehand() {
        assert_eq!(loads("[demand]\ntrace = \"README.md\""), []);
    }
}
