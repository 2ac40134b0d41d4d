//! The figures of a run, as `summary.json` holds them. Field names are a promise to other programs: new ones
//! may come, none changes its meaning without a new `schema` number.

use serde::{Deserialize, Serialize};

use crate::bound::Bound;
use crate::causes::CauseFigures;
use crate::cost::{Cost, Prices};
use crate::empty_periods::EmptyPeriod;
use crate::format;
use crate::identity::{Identity, Provenance};
use crate::mark::Mark;
use crate::outcomes::PerOutcome;
use crate::verdict::{GateResult, Verdict};

/// The number of this layout of `summary.json`.
pub const SCHEMA: u32 = 3;

/// The figures of a run. What happened within the warm-up is not in them, except where said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Summary {
    /// The number of this layout: 3.
    pub schema: u32,
    /// The scenario's name.
    pub name: String,
    /// Which backend ran it: `simulated` or `kvm`.
    pub backend: String,
    /// The seed of the run.
    pub seed: u64,
    /// The digest over every delivered event, 16 hexadecimal digits; null where the backend has none.
    pub digest: Option<String>,
    /// How many events were delivered, warm-up included.
    pub events: u64,
    /// The civil time of the opening, in RFC 3339; null where neither the scenario nor its trace gives it.
    #[serde(default)]
    pub begins: Option<String>,
    /// How long was counted, in seconds: from the end of the warm-up to the end of the run.
    pub duration_s: f64,
    /// For how long of that requests came, in seconds: until the demand's planned end, or else its last
    /// request.
    pub demand_s: f64,
    /// The most requests within one window of time; null where there was none. It does not depend on the bins
    /// of the timeline.
    pub demand_peak: Option<DemandPeak>,
    /// How long the warm-up was, in seconds.
    pub warmup_s: f64,
    /// Whether every gate holds.
    pub verdict: Verdict,
    /// Each gate with its value.
    pub gates: Vec<GateResult>,
    /// Requests that ended; the sum of `outcomes`.
    pub requests: u64,
    /// Requests that arrived but had not ended when the run did. They are in no other figure.
    pub unfinished: u64,
    /// Every request ended in exactly one of these ways.
    pub outcomes: PerOutcome<u64>,
    /// Requests that were neither warm nor woken.
    pub misses: u64,
    /// Misses as a share of requests.
    pub miss_ratio: f64,
    /// Latency from arrival to outcome, in nanoseconds.
    pub latency_ns: LatencyNs,
    /// The pools' levels.
    pub pool: Levels,
    /// From the end of the spike until every pool met its target; null where pools are per tenant.
    pub recovery: Option<Recovery>,
    /// How VMs came to be, and were lost.
    pub boots: Boots,
    /// What was paid for what.
    pub prices: Prices,
    /// What the run cost.
    pub cost: Cost,
    /// A row for each region.
    pub regions: Vec<Region>,
    /// When pools were empty, in the order of time; null where pools are per tenant.
    pub empty_periods: Option<Vec<EmptyPeriod>>,
    /// What the fleet is short of by Little's law, before anything is simulated, each with what to do. Empty
    /// where it can hold, and where that was not looked at.
    pub shortages: Vec<String>,
    /// Why requests were not warm and pools were empty, by cause.
    pub causes: Vec<CauseFigures>,
    /// What bound the run, and what would have been needed; null where nothing missed.
    pub bound: Option<Bound>,
    /// How wide the bins of the workers' strips are, in seconds; they begin at the opening, warm-up included.
    pub strip_width_s: f64,
    /// A row for each worker.
    pub workers: Vec<Worker>,
    /// Moments that plots point out.
    pub marks: Vec<Mark>,
    /// What a reader should know besides.
    pub notes: Vec<String>,
    /// Which run this is, and which files belong to it.
    #[serde(default)]
    pub identity: Identity,
    /// Where the run comes from.
    #[serde(default)]
    pub provenance: Provenance,
}

/// The most requests that arrived within one window of time, wherever it begins.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DemandPeak {
    /// How many.
    pub requests: u64,
    /// How long the window is, in seconds.
    pub window_s: f64,
    /// When the first of them came, in seconds since the opening.
    pub from_s: f64,
}

/// Latencies in nanoseconds over the served requests, over all, and by outcome.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct LatencyNs {
    /// Over all requests: who was not served is later than any bound.
    pub all: AllLatencies,
    /// Over the requests that got a Sprite.
    #[serde(flatten)]
    pub served: LatencyFigures,
    /// Per outcome; null for an outcome that no request had.
    pub by_outcome: PerOutcome<Option<LatencyFigures>>,
}

/// Figures of one latency histogram, in nanoseconds, all zero when it is empty. Least, mean and largest are
/// exact, percentiles are right to three significant digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct LatencyFigures {
    /// Over so many requests.
    pub count: u64,
    /// The shortest.
    pub min: u64,
    /// The mean.
    pub mean: f64,
    /// Half were no longer than this.
    pub p50: u64,
    /// 90 % were no longer than this.
    pub p90: u64,
    /// 95 % were no longer than this.
    pub p95: u64,
    /// 99 % were no longer than this.
    pub p99: u64,
    /// 99.9 % were no longer than this.
    pub p999: u64,
    /// The longest.
    pub max: u64,
}

/// Figures of the latency over all requests, in nanoseconds. Null where it is longer than any bound, because
/// that request was not served; and everywhere when there was no request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AllLatencies {
    /// Over so many requests.
    pub count: u64,
    /// The shortest.
    pub min: Option<u64>,
    /// The mean; null where any was not served.
    pub mean: Option<f64>,
    /// Half were no longer than this.
    pub p50: Option<u64>,
    /// 90 % were no longer than this.
    pub p90: Option<u64>,
    /// 95 % were no longer than this.
    pub p95: Option<u64>,
    /// 99 % were no longer than this.
    pub p99: Option<u64>,
    /// 99.9 % were no longer than this.
    pub p999: Option<u64>,
    /// The longest.
    pub max: Option<u64>,
}

/// The pools' levels over the fleet. A pool here is all pools of one worker together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Levels {
    /// Whether workers keep a pool per tenant. What was ready is counted over all pools of a worker together,
    /// so when one of them was empty, and when it had recovered, is not known, and null.
    pub per_tenant: bool,
    /// Mean number of ready Sprites in the fleet.
    pub ready_mean: f64,
    /// The least number of ready Sprites in the fleet.
    pub ready_least: u64,
    /// The least number of ready Sprites on any one worker.
    pub ready_least_worker: u64,
    /// Mean number of Sprites that the pools aimed to have ready.
    pub target_mean: f64,
    /// Seconds that a pool that aimed for at least one Sprite had none ready, summed over workers; null where
    /// pools are per tenant.
    pub empty_seconds: Option<f64>,
    /// The mean over workers of the share of time that its pool was empty; null where pools are per tenant.
    pub empty_share: Option<f64>,
    /// The longest time that one worker's pool was empty, in seconds; null where pools are per tenant.
    pub empty_longest_s: Option<f64>,
    /// Mean number of Sprites being booted or created.
    pub booting_mean: f64,
    /// Mean number of Sprites in use: starting, running, idle or waking.
    pub in_use_mean: f64,
    /// The largest number of Sprites in use.
    pub in_use_most: u64,
    /// Mean number of Sprites asleep.
    pub asleep_mean: f64,
    /// Mean number of slots held.
    pub slots_mean: f64,
    /// The largest number of slots held at once.
    pub slots_most: u64,
    /// Slots that all workers have together; null where that is not known.
    pub slots: Option<u64>,
    /// Workers that held all their slots at some time.
    pub full_workers: u64,
    /// How long they did, summed over workers, in seconds.
    pub full_seconds: f64,
    /// The largest number of requests that waited at once.
    pub waiting_most: u64,
    /// Time integral of ready Sprites: what readiness costs.
    pub idle_vm_seconds: f64,
    /// Time integral of Sprites in use.
    pub running_vm_seconds: f64,
}

/// How long the pools took to meet their targets again.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Recovery {
    /// The slowest worker's time in seconds; null when it had not recovered by the end of the run.
    pub seconds: Option<f64>,
    /// Whether it is counted from the end of the spike; else from the moment a pool was first empty.
    pub after_spike: bool,
    /// The worker that took longest; null where none had to recover.
    pub worker: Option<u32>,
}

/// How VMs came to be, and were lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Boots {
    /// Boots and creates that began.
    pub begun: u64,
    /// Boots and creates that failed.
    pub failed: u64,
    /// Creates that served a request.
    pub creates: u64,
    /// Sprites that were woken.
    pub wakes: u64,
    /// Sprites that lost their VM after it was up.
    pub lost: u64,
    /// Starts that the host refused: the request was tried elsewhere.
    pub starts_refused: u64,
    /// Sleeps that the host refused: the Sprite stayed awake.
    pub sleeps_refused: u64,
    /// Wakes that the host refused: the Sprite slept on.
    pub wakes_refused: u64,
    /// The longest streak of failed boots at one pool.
    pub longest_failing_streak: u32,
    /// How often a host went down.
    pub hosts_down: u64,
}

/// The workers of one region together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Region {
    /// Its name.
    pub name: String,
    /// How many workers it has.
    pub workers: u64,
    /// Requests that arrived there, also those that a neighbour served or that had not ended.
    pub requests: u64,
    /// Of which misses.
    pub misses: u64,
    /// Mean number of ready Sprites.
    pub ready_mean: f64,
    /// Mean number of Sprites aimed for.
    pub target_mean: f64,
    /// Seconds that a pool was empty, summed over its workers; null where pools are per tenant.
    pub empty_seconds: Option<f64>,
}

/// One worker.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Worker {
    /// Its region, as an index into `regions`.
    pub region: usize,
    /// Requests that arrived there, also those that a neighbour served or that had not ended.
    pub requests: u64,
    /// Of which misses.
    pub misses: u64,
    /// Boots and creates that began.
    pub boots: u64,
    /// Mean number of ready Sprites.
    pub ready_mean: f64,
    /// The least number of ready Sprites.
    pub ready_least: u64,
    /// Mean number of Sprites aimed for.
    pub target_mean: f64,
    /// Seconds that its pool was empty; null where pools are per tenant.
    pub empty_seconds: Option<f64>,
    /// Its own recovery in seconds; null when it had not recovered, and where pools are per tenant.
    pub recovery_s: Option<f64>,
    /// One character per bin: the least level as a share of the mean target in tenths, 0 to 9, `+` from 95 %
    /// up, and `-` where the pool aimed for nothing.
    pub level_strip: String,
    /// One character per bin: the share of time its pool was empty in tenths, 0 to 9 and `+`; any emptiness
    /// is at least 1. Without any character where pools are per tenant.
    pub empty_strip: String,
}

impl DemandPeak {
    /// In words: `390 a second at most, over 1s from 1m 30s`.
    pub fn says(&self) -> String {
        let rate = format::number(self.requests as f64 / self.window_s);
        let (window, from) = (format::seconds(self.window_s), format::seconds(self.from_s));
        format!("{rate} a second at most, over {window} from {from}")
    }
}

impl Summary {
    /// Requests per second while they came; nothing where they all came at one moment.
    pub fn rate(&self) -> Option<f64> {
        (self.demand_s > 0.0).then(|| self.requests as f64 / self.demand_s)
    }

    /// Sets what only the backend knows.
    pub fn set_run(&mut self, digest: Option<u64>, events: u64) {
        self.digest = digest.map(|digest| format!("{digest:016x}"));
        self.events = events;
    }

    /// The file `summary.json`.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("a summary has only names for keys");
        text.push('\n');
        text
    }

    /// Reads `summary.json`.
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// The JSON schema of `summary.json`, as the file `summary.schema.json` holds it.
    pub fn schema() -> String {
        let schema = schemars::generate::SchemaSettings::draft2020_12()
            .with_transform(schemars::transform::RecursiveTransform(join_lines))
            .into_generator()
            .into_root_schema_for::<Self>();
        let mut text = serde_json::to_string_pretty(&schema).expect("a schema has only names for keys");
        text.push('\n');
        text
    }
}

/// How the source breaks a description into lines is no part of the schema.
fn join_lines(schema: &mut schemars::Schema) {
    if let Some(serde_json::Value::String(description)) = schema.get_mut("description") {
        *description = description.replace('\n', " ");
    }
}
