//! Random numbers that are the same on every machine.
//!
//! A stream is named by the run's seed and by what it is for, never shared between purposes: so two policies
//! that are compared meet the same arrivals and the same boots, whatever else they draw. Only IEEE arithmetic
//! and the pure-Rust `libm` are used to shape the numbers; the platform's `ln` and `exp` differ between
//! machines.

use rand::Rng as _;
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::time::Duration;

/// What a stream is for. Together with the seed and an index it names the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Purpose {
    /// When requests arrive.
    Arrivals = 1,
    /// Which key (tenant) a request has.
    Keys = 2,
    /// How long a request uses its Sprite.
    Lifetimes = 3,
    /// Which region a request comes from.
    Regions = 4,
    /// Which worker it is sent to.
    Placement = 5,
    /// How long boots take.
    Boots = 6,
    /// Which boots fail.
    BootFailures = 7,
    /// How long creates take.
    Creates = 8,
    /// How long starts take.
    Starts = 9,
    /// Which starts fail.
    StartFailures = 10,
    /// How long it takes to put a Sprite to sleep.
    Sleeps = 11,
    /// How long waking takes.
    Wakes = 12,
    /// How long stopping takes.
    Stops = 13,
    /// How late timers fire.
    TimerLag = 14,
    /// What an actor draws for itself, as the jitter of its back-off.
    Actor = 15,
    /// Which boots an injected fault makes fail.
    Faults = 16,
    /// Which sleeps the host refuses.
    SleepRefusals = 17,
    /// Which wakes the host refuses.
    WakeRefusals = 18,
}

/// One stream of random numbers (xoshiro256++).
#[derive(Clone, Debug)]
pub struct Rng(Xoshiro256PlusPlus);

impl Rng {
    /// The stream for one purpose of one thing (a worker, an actor) in the run with this seed.
    pub fn stream(seed: u64, purpose: Purpose, index: u64) -> Self {
        let mut state = mix(seed ^ 0x9e37_79b9_7f4a_7c15);
        state = mix(state ^ purpose as u64);
        state = mix(state ^ index);
        Self(Xoshiro256PlusPlus::seed_from_u64(state))
    }

    /// The next 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Uniform in [0, 1): 53 random bits.
    pub fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Uniform in 0..bound (Lemire 2019, without its rejection step: the bias is below bound / 2^64). Zero
    /// for a bound of zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(bound)) >> 64) as u64
    }

    /// Whether an event of this probability happens.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.uniform() < probability
    }

    /// Exponential with mean 1, by inversion.
    pub fn exponential(&mut self) -> f64 {
        -libm::log(1.0 - self.uniform())
    }

    /// Standard normal, by Marsaglia's polar method (one of the pair is dropped, so that a stream has no
    /// memory).
    pub fn normal(&mut self) -> f64 {
        loop {
            let x = 2.0 * self.uniform() - 1.0;
            let y = 2.0 * self.uniform() - 1.0;
            let square = x * x + y * y;
            if square < 1.0 && square > 0.0 {
                return x * (-2.0 * libm::log(square) / square).sqrt();
            }
        }
    }

    /// A duration drawn evenly from `[duration * (1 - spread), duration]`, for back-off with jitter.
    pub fn jittered(&mut self, duration: Duration, spread: f64) -> Duration {
        duration.scaled(1.0 - spread * self.uniform())
    }
}

/// The finaliser of splitmix64 (Steele, Lea and Flood 2014): every input bit reaches every output bit.
pub const fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_stable_and_separate() {
        let first = |purpose, index| Rng::stream(42, purpose, index).bits();
        assert_eq!(first(Purpose::Arrivals, 0), first(Purpose::Arrivals, 0));
        assert_ne!(first(Purpose::Arrivals, 0), first(Purpose::Arrivals, 1));
        assert_ne!(first(Purpose::Arrivals, 0), first(Purpose::Boots, 0));
        // A golden value: if it changes, every recorded digest of every scenario does.
        assert_eq!(first(Purpose::Arrivals, 0), GOLDEN);
    }

    const GOLDEN: u64 = 6_831_660_897_198_942_066;

    #[test]
    fn moments_are_right() {
        let mut rng = Rng::stream(1, Purpose::Boots, 0);
        let n = 200_000;
        let (mut exponential, mut normal, mut square) = (0.0, 0.0, 0.0);
        for _ in 0..n {
            exponential += rng.exponential();
            let z = rng.normal();
            normal += z;
            square += z * z;
        }
        let n = f64::from(n);
        assert!((exponential / n - 1.0).abs() < 0.01);
        assert!((normal / n).abs() < 0.01);
        assert!((square / n - 1.0).abs() < 0.02);
    }

    #[test]
    fn below_reaches_every_value_and_no_other() {
        let mut rng = Rng::stream(7, Purpose::Placement, 0);
        let mut seen = [0; 5];
        for _ in 0..1_000 {
            seen[rng.below(5) as usize] += 1;
        }
        assert!(seen.iter().all(|&count| count > 100), "{seen:?}");
        assert_eq!(rng.below(0), 0);
    }
}
