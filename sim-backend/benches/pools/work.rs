//! The work that every contender does, and what it gives back.
//!
//! Requests arrive as a Poisson process, each at a pool drawn at random. A request that finds a ready Sprite
//! takes it, and the pool orders one boot; one that finds none is lost. A pool runs four boots at once and
//! queues the others; boots take an exponential time. So each pool is an M/M/4/16 loss system, whose share of
//! misses is known exactly.

use actors::random::Purpose;
use actors::{Duration, Rng};

/// What is simulated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Work {
    /// Pools, each on a worker of its own.
    pub(crate) pools: u32,
    /// Requests, over all pools.
    pub(crate) arrivals: u64,
    /// Names the random streams.
    pub(crate) seed: u64,
}

impl Work {
    /// Ready Sprites that a pool aims for.
    pub(crate) const DEPTH: u32 = 16;
    /// Boots that a pool runs at once.
    pub(crate) const BOOTS: u32 = 4;
    /// Arrivals per boot that could end: below 1, or the pool would run dry and stay so.
    pub(crate) const LOAD: f64 = 0.7;
    /// The mean time of a boot.
    pub(crate) const BOOT: Duration = Duration::from_millis(40);

    /// Arrivals per second over all pools.
    pub(crate) fn rate(&self) -> f64 {
        f64::from(self.pools) * Self::LOAD * f64::from(Self::BOOTS) / Self::BOOT.as_secs_f64()
    }

    /// The mean time between two arrivals.
    pub(crate) fn gap(&self) -> Duration {
        Duration::from_secs_f64(1.0 / self.rate())
    }

    /// One of the streams of random numbers of this work.
    pub(crate) fn stream(&self, purpose: Purpose) -> Rng {
        Rng::stream(self.seed, purpose, 0)
    }

    /// The share of requests that are lost, in the long run: with k boots outstanding as the state of a pool,
    /// arrivals raise it at rate a and boots lower it at rate min(k, 4); lost are those that meet the state
    /// 16 (Kleinrock 1975, Queueing Systems, volume 1, section 3.6).
    pub(crate) fn long_run_miss_share() -> f64 {
        let offered = Self::LOAD * f64::from(Self::BOOTS);
        let (mut weight, mut sum) = (1.0, 1.0);
        for state in 1..=Self::DEPTH {
            weight *= offered / f64::from(state.min(Self::BOOTS));
            sum += weight;
        }
        weight / sum
    }
}

/// What a contender gives back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    /// Requests that arrived.
    pub(crate) requests: u64,
    /// Those of them that found no ready Sprite.
    pub(crate) misses: u64,
}

impl Outcome {
    /// The share of requests that missed.
    pub(crate) fn miss_share(&self) -> f64 {
        self.misses as f64 / self.requests as f64
    }
}

/// An exponential time with this mean.
pub(crate) fn exponential(mean: Duration, rng: &mut Rng) -> Duration {
    mean.scaled(rng.exponential())
}
