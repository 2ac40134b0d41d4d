//! Why a figure of a run has no value.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a figure has no value. Its `Display` is a few words for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NoValue {
    /// So many requests were not served that this percentile is later than any bound.
    NotServed,
    /// No request was served.
    NothingServed,
    /// No request had the outcome.
    NoneEndedSo,
    /// There was no request.
    NoRequests,
    /// No time was counted.
    NothingCounted,
    /// Pools are per tenant; observations do not tell those of one worker apart.
    PerTenant,
    /// A pool had not recovered when the run ended.
    NotRecovered,
}

impl NoValue {
    /// Whether it stands for a value that is larger than any number.
    pub fn is_beyond_all(self) -> bool {
        self == Self::NotServed
    }
}

impl fmt::Display for NoValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotServed => "not served",
            Self::NothingServed => "no request was served",
            Self::NoneEndedSo => "no request ended so",
            Self::NoRequests => "there was no request",
            Self::NothingCounted => "nothing was counted",
            Self::PerTenant => "not known: pools are per tenant",
            Self::NotRecovered => "not recovered",
        })
    }
}
