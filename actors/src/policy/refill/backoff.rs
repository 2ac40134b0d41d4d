//! Back-off: failed boots are ordered again later and later, with a bound and jitter, so that a pool whose
//! boots keep failing neither spins nor falls in step with its neighbours.

use serde::{Deserialize, Serialize};

use crate::policy::Problem;
use crate::random::Rng;
use crate::time::Duration;

/// How failed boots are ordered again.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Backoff {
    /// The wait after the first failure in a row; it doubles with each further one.
    pub first: Duration,
    /// The longest wait.
    pub longest: Duration,
    /// Which share of the wait is drawn at random, from 0 (none) to 1 (all of it).
    pub jitter: f64,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_millis(100), longest: Duration::from_secs(30), jitter: 0.5 }
    }
}

impl Backoff {
    /// Finds the first invalid parameter.
    ///
    /// # Errors
    /// The problem, with its key.
    pub fn validate(&self) -> Result<(), Problem> {
        if self.first.is_zero() {
            return Err(Problem::new("first", "is 0, so failing boots would spin", "wait at least a little"));
        }
        if self.longest < self.first {
            let wrong = format!("is shorter than `first` ({})", self.first);
            return Err(Problem::new("longest", wrong, "make it at least as long"));
        }
        if !(0.0..=1.0).contains(&self.jitter) {
            return Err(Problem::new("jitter", format!("is {}", self.jitter), "give a share from 0 to 1"));
        }
        Ok(())
    }
}

/// A back-off at work in one pool.
#[derive(Clone, Debug)]
pub struct BackoffState {
    policy: Backoff,
    streak: u32,
}

impl BackoffState {
    /// No failure yet.
    pub fn new(policy: Backoff) -> Self {
        Self { policy, streak: 0 }
    }

    /// Failures in a row.
    pub fn streak(&self) -> u32 {
        self.streak
    }

    /// A boot failed; gives the wait before what failed is ordered again.
    pub fn failed(&mut self, rng: &mut Rng) -> Duration {
        let doublings = self.streak.min(62);
        self.streak = self.streak.saturating_add(1);
        let wait = self.policy.first.times(1 << doublings).min(self.policy.longest);
        rng.jittered(wait, self.policy.jitter)
    }

    /// A boot succeeded; says whether that ended a streak of failures.
    pub fn succeeded(&mut self) -> bool {
        std::mem::take(&mut self.streak) > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Purpose;

    #[test]
    fn waits_double_up_to_the_bound_and_start_over() {
        let policy =
            Backoff { first: Duration::from_millis(100), longest: Duration::from_millis(500), jitter: 0.0 };
        let mut state = BackoffState::new(policy);
        let mut rng = Rng::stream(1, Purpose::Actor, 0);
        let mut waits = || state.failed(&mut rng).as_nanos() / 1_000_000;
        assert_eq!([waits(), waits(), waits(), waits()], [100, 200, 400, 500]);
        assert!(state.succeeded());
        assert!(!state.succeeded());
        assert_eq!(state.failed(&mut rng), Duration::from_millis(100));
    }

    #[test]
    fn jitter_only_shortens() {
        let policy = Backoff { jitter: 0.5, ..Backoff::default() };
        let mut rng = Rng::stream(1, Purpose::Actor, 0);
        for _ in 0..100 {
            let wait = BackoffState::new(policy).failed(&mut rng);
            assert!(wait <= policy.first && wait >= policy.first.scaled(0.5), "{wait}");
        }
    }

    #[test]
    fn what_is_invalid_is_named() {
        let key = |policy: Backoff| policy.validate().expect_err("invalid").key;
        assert_eq!(key(Backoff { first: Duration::ZERO, ..Backoff::default() }), "first");
        assert_eq!(key(Backoff { longest: Duration::from_nanos(1), ..Backoff::default() }), "longest");
        assert_eq!(key(Backoff { jitter: 1.5, ..Backoff::default() }), "jitter");
        assert_eq!(key(Backoff { jitter: f64::NAN, ..Backoff::default() }), "jitter");
    }
}
