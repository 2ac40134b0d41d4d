//! How long an operation takes that the others on its host slow down: one distribution, or one for each
//! number of operations that are under way when it begins.
//!
//! ```toml
//! boot = "36ms"                                   # whatever else goes on
//! boot = ["36ms", "41ms", { p50 = "60ms", p99 = "90ms" }]   # alone, beside one other, beside two or more
//! ```

use std::fmt;
use std::path::Path;

use actors::invalid;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{Distribution, DistributionError, Sampler};

/// The longest list; a host runs no more operations at once that would make a difference.
const LEVELS_MAX: usize = 64;

/// One distribution, or one for each number of operations under way. Never empty.
#[derive(Clone, Debug, PartialEq)]
pub struct ByLoad(Vec<Distribution>);

impl ByLoad {
    /// One for each number of operations under way, from none; the last holds beyond. `None` where there is
    /// none.
    pub fn levels(levels: Vec<Distribution>) -> Option<Self> {
        (1..=LEVELS_MAX).contains(&levels.len()).then_some(Self(levels))
    }

    /// The distributions, from that of an operation alone.
    pub fn as_slice(&self) -> &[Distribution] {
        &self.0
    }

    /// Makes all of them ready to be drawn from. Files are looked up from the folder `base`.
    ///
    /// # Errors
    /// As [`Distribution::sampler`].
    pub fn samplers(&self, base: &Path) -> Result<Box<[Sampler]>, DistributionError> {
        self.0.iter().map(|distribution| distribution.sampler(base)).collect()
    }
}

impl From<Distribution> for ByLoad {
    fn from(always: Distribution) -> Self {
        Self(vec![always])
    }
}

impl Serialize for ByLoad {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [always] => always.serialize(serializer),
            levels => levels.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for ByLoad {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = ByLoad;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "a duration in quotes, a table such as { p50 = \"36ms\", p99 = \"120ms\" }, or a list of these",
                )
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<ByLoad, E> {
                super::constant(text).map(ByLoad::from)
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<ByLoad, A::Error> {
                Distribution::deserialize(MapAccessDeserializer::new(map)).map(ByLoad::from)
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, items: A) -> Result<ByLoad, A::Error> {
                let levels = Vec::deserialize(SeqAccessDeserializer::new(items))?;
                let count = levels.len();
                ByLoad::levels(levels).ok_or_else(|| {
                    let remedy = format!(
                        "give one distribution for each number of operations under way, from 1 to {LEVELS_MAX} of them"
                    );
                    invalid(&format_args!("is a list of {count}"), &remedy)
                })
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}
