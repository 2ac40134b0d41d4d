//! The smaller tables of a scenario: how the simulated host answers, how Sprites live, timers, tenants, cost,
//! gates.

use std::fmt;

use actors::policy::{AfterUse, Prefers};
use actors::{Duration, WallClock, invalid};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::distribution::{ByLoad, Distribution};

/// `[latency]`: how long the work of a simulated host takes, and how often it fails.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Latency {
    /// How long after a start or wake the next one of the same host begins at the earliest.
    pub start_spacing: Duration,
    /// The speed of boots and creates meanwhile, as a part of what it is at other times, from 0 to 1.
    pub boots_beside_starts: f64,
    /// Bind a user's data and let the VM run.
    pub start: ByLoad,
    /// The same on a host that has done nothing for a while, whose caches are cold and whose processors
    /// sleep: by how long, from the shortest.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub start_after_idle: Vec<AfterIdle>,
    /// Make a VM from the template.
    pub boot: ByLoad,
    /// Make a VM cold: pull the image, build the filesystem, boot.
    pub create: ByLoad,
    /// Bring a sleeping VM back.
    pub wake: ByLoad,
    /// Put an idle VM to sleep.
    pub sleep: ByLoad,
    /// Destroy a VM.
    pub stop: ByLoad,
    /// The share of boots and creates that fail, from 0 to 1.
    pub boot_failures: f64,
    /// The share of starts that fail, from 0 to 1.
    pub start_failures: f64,
    /// The share of sleeps that the host refuses, from 0 to 1: the Sprite stays awake and tries again later.
    pub sleep_refusals: f64,
    /// The share of wakes that the host refuses, from 0 to 1: the Sprite sleeps on, and its request goes on.
    pub wake_refusals: f64,
}

/// An entry of `start_after_idle`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AfterIdle {
    /// The host has done nothing for at least so long, and for less than the next entry says.
    pub idle: Duration,
    /// How long a start takes then.
    pub start: Distribution,
}

impl Default for Latency {
    fn default() -> Self {
        let ms = Duration::from_millis;
        Self {
            start_spacing: Duration::ZERO,
            boots_beside_starts: 1.0,
            start: Distribution::constant(Duration::from_micros(60)).into(),
            boot: Distribution::lognormal(ms(36), ms(120)).into(),
            start_after_idle: Vec::new(),
            create: Distribution::lognormal(ms(2_100), ms(9_000)).into(),
            wake: Distribution::constant(ms(1)).into(),
            sleep: Distribution::ZERO.into(),
            stop: Distribution::ZERO.into(),
            boot_failures: 0.0,
            start_failures: 0.0,
            sleep_refusals: 0.0,
            wake_refusals: 0.0,
        }
    }
}

/// `[sprite]`: how Sprites live once they are assigned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SpriteLife {
    /// How long a request uses its Sprite. Without it a started Sprite leaves the model at once and holds no
    /// slot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifetime: Option<Distribution>,
    /// How long a Sprite stays idle after use before it sleeps; without it, it stops at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_after: Option<Duration>,
    /// What becomes of a Sprite after use.
    pub after_use: AfterUse,
    /// How many Sprites a pool keeps asleep.
    pub asleep: u32,
    /// What a request gets whose tenant has an idle or sleeping Sprite.
    pub prefers: Prefers,
}

impl Default for SpriteLife {
    fn default() -> Self {
        Self {
            lifetime: None,
            idle_after: None,
            after_use: AfterUse::default(),
            asleep: 1_000,
            prefers: Prefers::default(),
        }
    }
}

/// `[timer]`: how late the timers of a simulated host fire.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TimerSlack {
    /// Timers fire at multiples of this, rounded up; zero for an exact clock.
    pub grid: Duration,
    /// How much later still.
    pub lag: Distribution,
}

impl Default for TimerSlack {
    fn default() -> Self {
        Self { grid: Duration::ZERO, lag: Distribution::ZERO }
    }
}

/// `[clock]`: which civil time the run begins at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Clock {
    /// The civil time of t = 0, which schedules and forecasts follow.
    pub begins: Begins,
}

/// A date-time with its offset, such as 2026-01-05T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begins(pub WallClock);

/// 2262-01-01T00:00:00Z. Civil time is counted in 64 bits of nanoseconds, which end in April of that year;
/// what happens after the demand has its place in between.
const CIVIL_TIME_END: i64 = 9_214_646_400_000_000_000;

impl Begins {
    /// How long a run may last before civil time ends.
    pub(crate) fn time_left(self) -> Duration {
        let nanos = i128::from(CIVIL_TIME_END) - i128::from(self.0.as_unix_nanos());
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
    }
}

impl Default for Begins {
    /// A Monday at midnight.
    fn default() -> Self {
        Self(WallClock::from_unix_nanos(1_767_571_200_000_000_000))
    }
}

impl fmt::Display for Begins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_nanosecond(i128::from(self.0.as_unix_nanos())) {
            Ok(timestamp) => timestamp.fmt(f),
            Err(_) => write!(f, "{}ns", self.0.as_unix_nanos()),
        }
    }
}

impl Serialize for Begins {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Begins {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let timestamp: jiff::Timestamp = text.parse().map_err(|_| {
            let wrong = format_args!("is {text:?}");
            invalid::<D::Error>(
                &wrong,
                "give a date and time with its offset, such as \"2026-01-05T00:00:00Z\"",
            )
        })?;
        match i64::try_from(timestamp.as_nanosecond()) {
            Ok(nanos) => Ok(Self(WallClock::from_unix_nanos(nanos))),
            Err(_) => Err(invalid(&format_args!("is {text:?}"), "give a year from 1678 to 2261")),
        }
    }
}

/// `[tenants]`: who the requests come from, where a trace does not say.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tenants {
    /// How many there are.
    pub count: u32,
    /// The exponent of Zipf's law: tenant k is asked for in proportion to 1 / k^skew. Zero: all alike.
    pub skew: f64,
}

impl Default for Tenants {
    fn default() -> Self {
        Self { count: 1, skew: 0.0 }
    }
}

/// `[cost]`: what things cost, in whatever currency the user thinks in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cost {
    /// One ready Sprite for one second.
    pub idle_vm_second: f64,
    /// One request that was not served warm.
    pub miss: f64,
    /// One boot.
    pub boot: f64,
    /// One request that was turned away, on top of the miss that it is.
    pub rejected: f64,
}

/// `[gates]`: what must hold for a run to pass, in the order of the file. What they mean is not known here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gates(pub Vec<(String, String)>);

impl Serialize for Gates {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (figure, bound) in &self.0 {
            map.serialize_entry(figure, bound)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Gates {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Gates;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table of gates, such as \"latency p99\" = \"< 250ms\"")
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Gates, A::Error> {
                let mut gates = Vec::new();
                while let Some(gate) = map.next_entry()? {
                    gates.push(gate);
                }
                Ok(Gates(gates))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

/// One of `[[gate]]`: a gate on a part of a run. What its figure and its bound mean is not known here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateEntry {
    /// The figure.
    pub figure: String,
    /// Its bound.
    pub bound: String,
    /// In this region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Or on this worker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<u32>,
    /// Or in the worst region, or on the worst worker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worst: Option<Worst>,
    /// What happens from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Duration>,
    /// What happens before then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Duration>,
    /// Of the requests that end so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// Of the requests that miss, or are not served, because of this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
}

/// What is told apart to judge the worst of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Worst {
    /// Each region.
    Region,
    /// Each worker.
    Worker,
}
