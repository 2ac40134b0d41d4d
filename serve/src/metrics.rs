//! What a monitoring system scrapes, in the Prometheus text format: the pool's level against its target,
//! outcomes with their reasons, latencies by stage, and what went wrong.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use actors::{Outcome, State};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::host::Host;

/// What the counted answers are told apart by.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answer {
    call: &'static str,
    status: u16,
}

/// Seconds; a warm create takes a few tenths of a millisecond.
const BOUNDS_S: [f64; 16] = [
    0.0001, 0.0002, 0.0004, 0.0007, 0.001, 0.0015, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0,
    30.0,
];

/// See the [module](self).
pub struct Metrics {
    registry: Registry,
    answers: Family<Answer, Counter>,
    create: Histogram,
    stages: [Histogram; 2],
    writes: StoreWrites,
    turned_away: Counter,
}

/// What the thread that writes the store tells.
#[derive(Clone, Default)]
pub struct StoreWrites {
    writes: Counter<u64, AtomicU64>,
    changes: Counter<u64, AtomicU64>,
}

impl StoreWrites {
    /// So many changes were written at once.
    pub fn wrote(&self, changes: usize) {
        self.writes.inc();
        self.changes.inc_by(changes as u64);
    }
}

impl Metrics {
    /// The metrics of this host.
    pub fn new(host: Arc<dyn Host>) -> Self {
        let mut registry = Registry::with_prefix("warmpool");
        let histogram = || Histogram::new(BOUNDS_S);
        let metrics = Self {
            answers: Family::default(),
            create: histogram(),
            stages: [histogram(), histogram()],
            writes: StoreWrites::default(),
            turned_away: Counter::default(),
            registry: Registry::default(),
        };
        registry.register("answers", "Answers to API calls", metrics.answers.clone());
        registry.register(
            "create_seconds",
            "Creates that were answered with 201, from the request to the answer",
            metrics.create.clone(),
        );
        let [start, record] = &metrics.stages;
        registry.register("create_start_seconds", "The part of a create until its Sprite ran", start.clone());
        registry.register(
            "create_record_seconds",
            "The part of a create until its record was on disk",
            record.clone(),
        );
        registry.register("store_writes", "Writes of the store", metrics.writes.writes.clone());
        registry.register("store_changes", "Changes written to the store", metrics.writes.changes.clone());
        registry.register(
            "connections_turned_away",
            "Connections beyond the limit",
            metrics.turned_away.clone(),
        );
        registry.register_collector(Box::new(OfHost(host)));
        Self { registry, ..metrics }
    }

    /// Whom the thread that writes the store tells.
    pub fn store_writes(&self) -> StoreWrites {
        self.writes.clone()
    }

    /// An API call was answered.
    pub fn answered(&self, call: &'static str, status: u16) {
        self.answers.get_or_create(&Answer { call, status }).inc();
    }

    /// A create was answered with 201.
    pub fn created(&self, whole: Duration, stages: crate::sprites::Stages) {
        self.create.observe(whole.as_secs_f64());
        self.stages[0].observe(stages.start.as_secs_f64());
        self.stages[1].observe(stages.record.as_secs_f64());
    }

    /// A connection was closed because there were too many.
    pub fn turned_away(&self) {
        self.turned_away.inc();
    }

    /// All of it.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = text::encode(&mut text, &self.registry);
        text
    }
}

/// What the host's books say when it is asked.
struct OfHost(Arc<dyn Host>);

impl fmt::Debug for OfHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OfHost")
    }
}

impl Collector for OfHost {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let (level, counts) = (self.0.level(), self.0.counts());
        let mut backend =
            encoder.encode_descriptor("backend", "Which VMs this host has", None, MetricType::Gauge)?;
        backend.encode_family(&[("backend", self.0.backend().name())])?.encode_gauge(&1u64)?;
        let mut vms = encoder.encode_descriptor("vms", "VMs in each state", None, MetricType::Gauge)?;
        for state in State::ALL.into_iter().filter(|state| !matches!(state, State::Stopped | State::Failed)) {
            vms.encode_family(&[("state", state_name(state))])?.encode_gauge(&level.of(state))?;
        }
        let mut requests = encoder.encode_descriptor(
            "requests",
            "Requests for a Sprite, by how they ended",
            None,
            MetricType::Counter,
        )?;
        for outcome in Outcome::ALL {
            let labels = [("outcome", outcome.name())];
            let mut one = requests.encode_family(&labels)?;
            one.encode_counter::<NoLabelSet, u64, u64>(&counts.of(outcome), None)?;
        }
        for (name, help, value) in [
            ("pool_ready", "Sprites that can be taken now", level.of(State::Ready)),
            (
                "pool_reorder_at",
                "The pool orders when no more than so many are ready or on their way",
                u64::from(level.target.reorder_at),
            ),
            ("pool_target", "The depth that the pool aims for", u64::from(level.target.depth)),
            ("pool_waiting", "Requests that wait for a Sprite", level.waiting),
            ("slots", "VMs that this host may hold", u64::from(level.slots)),
            ("slots_held", "Slots that are held", level.slots_held()),
            ("boots_failing", "Boots that have failed in a row", u64::from(level.boots_failing)),
        ] {
            encoder.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value)?;
        }
        let missing = self.0.journal().missing;
        for (name, help, value) in [
            ("journal_missing", "Records that are missing in the journal of decisions", missing),
            ("vms_readied", "VMs that became ready", counts.readied),
            (
                "vms_lost",
                "VMs that were lost: failed boots and starts, guests that ended by themselves",
                counts.lost,
            ),
        ] {
            let mut one = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            one.encode_counter::<NoLabelSet, u64, u64>(&value, None)?;
        }
        Ok(())
    }
}

/// The name of a state in metrics and answers.
pub const fn state_name(state: State) -> &'static str {
    match state {
        State::Stopped => "stopped",
        State::Booting => "booting",
        State::Ready => "ready",
        State::Starting => "starting",
        State::Running => "running",
        State::Idle => "idle",
        State::Asleep => "asleep",
        State::Waking => "waking",
        State::Stopping => "stopping",
        State::Failed => "failed",
    }
}
