//! What a recorder is told before a run: the fleet's shape, where counting begins, what is paid and what must
//! hold.

use actors::{Duration, Time};

use crate::cost::Prices;
use crate::gate::Gate;
use crate::mark::Mark;

/// The frame of a run's report. All times are counted from the opening of the run
/// ([`actors::Observer::opened`]).
#[derive(Clone, Debug, Default)]
pub struct RunMetadata {
    /// The scenario's name.
    pub name: String,
    /// Which backend ran it: `simulated` or `kvm`.
    pub backend: String,
    /// The seed of the run.
    pub seed: u64,
    /// The region of each worker, as an index into `regions`; its length is the number of workers.
    pub workers: Vec<usize>,
    /// What each worker can hold and do at once; empty where that is not known.
    pub capacity: Vec<Capacity>,
    /// The names of the regions. One nameless region may be left out.
    pub regions: Vec<String>,
    /// Whether a worker keeps a pool per tenant. Observations do not tell pools of one worker apart, so of
    /// such pools it is not known when one was empty, nor when it had recovered.
    pub per_tenant: bool,
    /// What happens before this long after the opening is not counted.
    pub warmup: Duration,
    /// How long requests come, warm-up included, where that is known; else they come until the last one. It
    /// decides how wide bins are; a run that takes longer is still reported whole, in wider bins.
    pub planned: Option<Duration>,
    /// The civil time of the opening, in RFC 3339, where the scenario or its trace gives it.
    pub begins: Option<String>,
    /// When the spike begins. A pool's mean level until then is its usual one, to be back at which is to have
    /// recovered; without it only the target counts.
    pub spike_begin: Option<Time>,
    /// When the spike ends and recovery begins.
    pub spike_end: Option<Time>,
    /// Moments that plots point out: faults, stages of demand.
    pub marks: Vec<Mark>,
    /// What is paid for what.
    pub prices: Prices,
    /// What must hold.
    pub gates: Vec<Gate>,
    /// What a reader should know before the figures.
    pub notes: Vec<String>,
}

/// What a worker can hold and do at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// VMs that it holds.
    pub slots: u32,
    /// Boots that it runs at once; nothing where they are unlimited.
    pub boots: Option<u32>,
}

impl RunMetadata {
    /// The metadata of a run of so many workers in one region, without warm-up, prices and gates.
    pub fn new(name: &str, workers: usize) -> Self {
        Self {
            name: name.to_owned(),
            backend: "simulated".to_owned(),
            workers: vec![0; workers],
            regions: vec!["fleet".to_owned()],
            ..Self::default()
        }
    }
}
