//! Requests in the order of time, from stages or from a trace. Nothing is kept per request. Keys and
//! lifetimes are drawn per arrival, from streams of their own, so that all policies meet the same requests.

mod error;
mod population;
mod stages;
pub(crate) mod trace;

use std::ops::Range;

use actors::random::Purpose;
use actors::{Duration, Key, Request, Rng, Time};

use crate::distribution::Sampler;
use crate::scenario::{Demand, Lifetimes, Scenario};

pub use error::DemandError;
use population::{Population, Regions};
use stages::Stages;
pub use trace::JOURNAL_MARK;
use trace::Replay;

/// How long after the end of the demand requests may still end, on any backend; those that have not by then
/// have failed.
pub const DRAIN: Duration = Duration::from_secs(600);

/// How far a trace has been read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes read of the file, as it lies on the disk.
    pub read: u64,
    /// Its bytes; zero where they are not known.
    pub total: u64,
}

/// One request and where it arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The request.
    pub request: Request,
    /// The region that it comes to, as an index into [`Scenario::regions`].
    pub region: u32,
}

/// The requests of a scenario, in the order of time.
#[derive(Debug)]
pub struct Arrivals {
    source: Source,
    lifetimes: Sampler,
    lifetime_rng: Rng,
    population: Population,
    regions: Regions,
    next_id: u64,
}

#[derive(Debug)]
enum Source {
    Stages(Stages),
    Trace(Box<Replay>),
}

impl Arrivals {
    pub(crate) fn new(scenario: &Scenario, progress: &mut dyn FnMut(Progress)) -> Result<Self, DemandError> {
        let seed = scenario.seed;
        let source = match &scenario.demand {
            Demand::Stages(stages) => Source::Stages(Stages::new(stages, seed)),
            Demand::Trace(trace) => Source::Trace(Box::new(Replay::open(trace, scenario, progress)?)),
        };
        Ok(Self {
            source,
            lifetimes: scenario.lifetimes()?,
            lifetime_rng: Rng::stream(seed, Purpose::Lifetimes, 0),
            population: Population::new(&scenario.tenants, seed),
            regions: Regions::new(&scenario.regions(), seed),
            next_id: 0,
        })
    }

    /// The next request; `None` after the last.
    ///
    /// # Errors
    /// A trace that cannot be read any further.
    #[allow(clippy::should_implement_trait)]
    #[inline]
    pub fn next(&mut self) -> Result<Option<Arrival>, DemandError> {
        let (at, key, lifetime) = match &mut self.source {
            Source::Stages(stages) => match stages.next() {
                Some(at) => (at, None, None),
                None => return Ok(None),
            },
            Source::Trace(trace) => match trace.next()? {
                Some(row) => (Time::from_nanos(row.at), row.key, row.lifetime),
                None => return Ok(None),
            },
        };
        let key = match key {
            Some(key) => Key(key),
            None => self.population.draw(),
        };
        let lifetime = match lifetime {
            Some(lifetime) => lifetime,
            None => self.lifetimes.sample(&mut self.lifetime_rng),
        };
        let request = Request { id: self.next_id, arrived: at, lifetime, key, tries: 0, missed: None };
        self.next_id += 1;
        Ok(Some(Arrival { request, region: self.regions.draw() }))
    }

    /// How far the trace has been read; `None` for stages.
    pub fn progress(&self) -> Option<Progress> {
        match &self.source {
            Source::Stages(_) => None,
            Source::Trace(trace) => Some(trace.progress()),
        }
    }
}

impl Scenario {
    /// The requests, in the order of time.
    ///
    /// # Errors
    /// A trace that cannot be read.
    pub fn arrivals(&self) -> Result<Arrivals, DemandError> {
        self.arrivals_with(&mut |_| {})
    }

    /// The same, telling how far the trace has been read where it must be read whole before the first
    /// arrival.
    ///
    /// # Errors
    /// A trace that cannot be read.
    pub fn arrivals_with(&self, progress: &mut dyn FnMut(Progress)) -> Result<Arrivals, DemandError> {
        Arrivals::new(self, progress)
    }

    /// What lifetimes are drawn from; all are zero without `[sprite] lifetime`.
    fn lifetimes(&self) -> Result<Sampler, DemandError> {
        match &self.sprite.lifetime {
            Some(lifetime) => Ok(lifetime.sampler(self.base()).map_err(|error| {
                self.error_at(&["sprite", "lifetime"], &error.to_string(), &error.remedy())
            })?),
            None => Ok(Sampler::constant(Duration::ZERO)),
        }
    }

    /// Whether requests use their Sprites for any time at all.
    pub fn has_lifetimes(&self) -> bool {
        let recorded = matches!(&self.demand, Demand::Trace(trace) if trace.lifetimes == Lifetimes::Trace);
        recorded || self.sprite.lifetime.is_some()
    }

    /// How long the stages last; `None` for a trace, which says so only by ending.
    pub fn planned_length(&self) -> Option<Duration> {
        self.demand.planned_length()
    }

    /// How many requests the stages bring on average; `None` for a trace.
    pub fn expected_requests(&self) -> Option<f64> {
        self.demand.expected_requests()
    }

    /// When the spike begins and ends: the last stage that reaches the highest rate. `None` where the rate
    /// never changes, and for a trace.
    pub fn spike(&self) -> Option<Range<Time>> {
        self.demand.spike()
    }
}
