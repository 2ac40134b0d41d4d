//! How many creates a token may ask for: a count in every window of time, for each token by itself.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::auth::Caller;

/// Where a token stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Creates in a window.
    pub limit: u32,
    /// The window in seconds, rounded up.
    pub window_s: u64,
    /// Creates that are left in this window.
    pub remaining: u32,
    /// Seconds until the next window begins, rounded up.
    pub reset_s: u64,
    /// Whether this create is within the limit.
    pub allowed: bool,
}

/// See the [module](self).
pub struct Rates {
    limit: u32,
    window: Duration,
    tokens: Vec<Mutex<Option<Window>>>,
}

#[derive(Clone, Copy)]
struct Window {
    begun: Instant,
    count: u32,
}

impl Rates {
    /// For so many tokens.
    pub fn new(limit: u32, window: Duration, tokens: usize) -> Self {
        Self { limit, window, tokens: (0..tokens).map(|_| Mutex::new(None)).collect() }
    }

    /// Counts a create, if it is within the limit.
    pub fn count(&self, caller: Caller, now: Instant) -> Standing {
        let mut state = self.tokens[caller.0].lock().unwrap_or_else(PoisonError::into_inner);
        let mut window = match *state {
            Some(window) if now.saturating_duration_since(window.begun) < self.window => window,
            _ => Window { begun: now, count: 0 },
        };
        let allowed = window.count < self.limit;
        window.count += u32::from(allowed);
        *state = Some(window);
        let left = self.window.saturating_sub(now.saturating_duration_since(window.begun));
        let seconds =
            |duration: Duration| u64::try_from(duration.as_millis().div_ceil(1_000)).unwrap_or(u64::MAX);
        Standing {
            limit: self.limit,
            window_s: seconds(self.window),
            remaining: self.limit - window.count,
            reset_s: seconds(left).max(1),
            allowed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_token_has_its_own_count_in_each_window() {
        let rates = Rates::new(2, Duration::from_secs(10), 2);
        let begun = Instant::now();
        let at = |caller, seconds| rates.count(Caller(caller), begun + Duration::from_secs(seconds));
        assert_eq!((at(0, 0).allowed, at(0, 1).allowed), (true, true));
        let third = at(0, 4);
        assert_eq!((third.allowed, third.remaining, third.reset_s, third.window_s), (false, 0, 6, 10));
        assert!(at(1, 4).allowed, "another token is not to blame");
        assert!(at(0, 10).allowed, "a new window has begun");
    }
}
