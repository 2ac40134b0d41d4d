//! How arrivals lie in time: for stages and for counts of a trace.

use serde::{Deserialize, Serialize};

/// How arrivals lie in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spread {
    /// Independent of each other.
    #[default]
    Poisson,
    /// As far from each other as the rate allows.
    Even,
    /// So many at the same instant; the instants are Poisson, and the rate of arrivals stays as given.
    BurstsOf(u32),
}
