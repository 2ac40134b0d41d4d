//! Everything that a run came to.

use crate::latency::Latencies;
use crate::summary::Summary;
use crate::timeline::Timeline;

/// Everything that a run came to: what the five files of `--out` are made from.
#[derive(Clone, Debug)]
pub struct Report {
    /// The figures.
    pub summary: Summary,
    /// The fleet over time.
    pub timeline: Timeline,
    /// Every latency, to three digits.
    pub latencies: Latencies,
}
