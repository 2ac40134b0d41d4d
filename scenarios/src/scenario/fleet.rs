//! `[fleet]`, `[[region]]` and `[[worker]]`: which workers there are, and what is different about some of
//! them.

use std::fmt;

use actors::invalid;
use actors::policy::{Placement, PoolPolicy};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// How many boots a worker runs at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Boots(u32);

impl Boots {
    /// As many as are asked for.
    pub const UNLIMITED: Self = Self(u32::MAX);

    /// So many at once.
    pub const fn at_once(count: u32) -> Self {
        Self(count)
    }

    /// The number; `u32::MAX` for any number.
    pub const fn count(self) -> u32 {
        self.0
    }
}

impl Serialize for Boots {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if *self == Self::UNLIMITED {
            serializer.serialize_str("unlimited")
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Boots {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Boots;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number, or \"unlimited\"")
            }

            fn visit_i64<E: de::Error>(self, count: i64) -> Result<Boots, E> {
                let count = u32::try_from(count);
                count
                    .map(Boots)
                    .map_err(|_| invalid(&"is out of range", "give a number from 1 to 4294967295"))
            }

            fn visit_u64<E: de::Error>(self, count: u64) -> Result<Boots, E> {
                self.visit_i64(i64::try_from(count).unwrap_or(-1))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Boots, E> {
                if text == "unlimited" {
                    return Ok(Boots::UNLIMITED);
                }
                Err(invalid(&format_args!("is {text:?}"), "give a whole number, or \"unlimited\""))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// `[fleet]`: the workers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Fleet {
    /// How many workers there are.
    pub workers: u32,
    /// How many VMs a worker holds: warm, starting and running ones.
    pub slots: u32,
    /// How many boots a worker runs at once.
    pub boots: Boots,
    /// Which worker of a region is asked first.
    pub placement: Placement,
}

impl Default for Fleet {
    fn default() -> Self {
        Self { workers: 1, slots: 64, boots: Boots(4), placement: Placement::default() }
    }
}

/// `[[region]]`: some of the fleet's workers, with a share of the demand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Region {
    /// Its name in reports.
    pub name: String,
    /// How many of the fleet's workers it has. Regions take theirs in the order of the file.
    pub workers: u32,
    /// Which share of the demand comes to it, from 0 to 1; in proportion to its workers, if not given.
    #[serde(default)]
    pub share: Option<f64>,
    /// VMs that its workers hold, where it differs from the fleet's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slots: Option<u32>,
    /// Boots that its workers run at once, where it differs from the fleet's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boots: Option<Boots>,
    /// What its pools are told, where it differs: `[pool]` with the region's own keys laid over it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<PoolPolicy>,
}

/// `[[worker]]`: what is different about one worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkerOverride {
    /// Which worker, counted from zero over the fleet.
    pub index: u32,
    /// VMs that it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slots: Option<u32>,
    /// Boots that it runs at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boots: Option<Boots>,
    /// What its pools are told: its region's pool with the worker's own keys laid over it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<PoolPolicy>,
}
