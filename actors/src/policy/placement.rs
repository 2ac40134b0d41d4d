//! Placement: which worker of a region is asked first.

use serde::{Deserialize, Serialize};

use crate::protocol::Key;
use crate::random::{Rng, mix};

/// A placement policy as it stands in a file: `placement = "round-robin"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Placement {
    /// Each worker in turn.
    #[default]
    RoundRobin,
    /// Any worker.
    Random,
    /// The worker with the least load: see [`Choice::set_load`].
    LeastLoaded,
    /// The less loaded of two workers drawn at random (Mitzenmacher 2001).
    TwoChoices,
    /// Always the same worker for one key.
    ByKey,
}

/// A placement policy at work over the workers of one region, which are counted from zero here. Workers that
/// are down are passed over.
#[derive(Clone, Debug)]
pub struct Choice {
    policy: Placement,
    /// A tournament tree over (load, worker): the leaf of worker `i` stands at `leaves + i`, a parent holds
    /// the smaller of its two children, the root stands at 1.
    tree: Vec<(i64, u32)>,
    leaves: usize,
    workers: u32,
    up: u32,
    next: u32,
}

/// A worker with this load is down.
const DOWN: i64 = i64::MAX;

impl Choice {
    /// All workers are up and have no load.
    pub fn new(policy: Placement, workers: u32) -> Self {
        let leaves = (workers.max(1) as usize).next_power_of_two();
        let mut tree = vec![(DOWN, 0); 2 * leaves];
        for worker in 0..workers {
            tree[leaves + worker as usize] = (0, worker);
        }
        for node in (1..leaves).rev() {
            tree[node] = tree[2 * node].min(tree[2 * node + 1]);
        }
        Self { policy, tree, leaves, workers, up: workers, next: 0 }
    }

    /// Whether this policy looks at loads at all; where it does not, nobody needs to tell it.
    pub fn needs_loads(&self) -> bool {
        matches!(self.policy, Placement::LeastLoaded | Placement::TwoChoices)
    }

    /// The load of a worker: its Sprites in use, VMs that are being made for requests and requests that wait,
    /// less its ready Sprites.
    pub fn set_load(&mut self, worker: u32, load: i64) {
        if self.is_up(worker) {
            self.set(worker, load);
        }
    }

    /// A worker goes down, or comes back without load.
    pub fn set_up(&mut self, worker: u32, up: bool) {
        if up != self.is_up(worker) {
            self.up = if up { self.up + 1 } else { self.up - 1 };
            self.set(worker, if up { 0 } else { DOWN });
        }
    }

    fn is_up(&self, worker: u32) -> bool {
        self.load(worker) != DOWN
    }

    fn load(&self, worker: u32) -> i64 {
        self.tree[self.leaves + worker as usize].0
    }

    fn set(&mut self, worker: u32, load: i64) {
        let mut node = self.leaves + worker as usize;
        self.tree[node].0 = load;
        while node > 1 {
            node /= 2;
            self.tree[node] = self.tree[2 * node].min(self.tree[2 * node + 1]);
        }
    }

    /// The worker for a request with this key; `None` when every worker is down.
    pub fn choose(&mut self, key: Key, rng: &mut Rng) -> Option<u32> {
        if self.up == 0 {
            return None;
        }
        Some(match self.policy {
            Placement::RoundRobin => {
                let worker = self.first_up_from(self.next);
                self.next = if worker + 1 < self.workers { worker + 1 } else { 0 };
                worker
            }
            Placement::Random => self.any(rng),
            Placement::LeastLoaded => self.tree[1].1,
            Placement::TwoChoices => {
                let (one, other) = (self.any(rng), self.any(rng));
                if self.load(other) < self.load(one) { other } else { one }
            }
            Placement::ByKey => self.first_up_from(Self::home(key, self.workers)),
        })
    }

    /// Where `by-key` sends a key as long as that worker is up.
    pub fn home(key: Key, workers: u32) -> u32 {
        (mix(u64::from(key.0) + 1) % u64::from(workers.max(1))) as u32
    }

    fn any(&self, rng: &mut Rng) -> u32 {
        self.first_up_from(rng.below(u64::from(self.workers)) as u32)
    }

    fn first_up_from(&self, start: u32) -> u32 {
        if self.up == self.workers {
            return start;
        }
        (0..self.workers)
            .map(|step| (start + step) % self.workers)
            .find(|&worker| self.is_up(worker))
            .expect("somebody is up, or nobody would have been asked")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Purpose;

    fn choices(choice: &mut Choice, count: usize) -> Vec<u32> {
        let mut rng = Rng::stream(1, Purpose::Placement, 0);
        (0..count).map(|key| choice.choose(Key(key as u32), &mut rng).expect("somebody is up")).collect()
    }

    #[test]
    fn round_robin_takes_turns_and_passes_over_the_dead() {
        let mut choice = Choice::new(Placement::RoundRobin, 3);
        assert_eq!(choices(&mut choice, 4), [0, 1, 2, 0]);
        choice.set_up(1, false);
        assert_eq!(choices(&mut choice, 3), [2, 0, 2]);
        choice.set_up(1, true);
        assert_eq!(choices(&mut choice, 3), [0, 1, 2]);
    }

    #[test]
    fn least_loaded_is_least_loaded() {
        let mut choice = Choice::new(Placement::LeastLoaded, 5);
        for (worker, load) in [(0, 3), (1, -2), (2, 0), (3, -2), (4, 9)] {
            choice.set_load(worker, load);
        }
        assert_eq!(choices(&mut choice, 2), [1, 1]);
        choice.set_load(1, 4);
        assert_eq!(choices(&mut choice, 1), [3]);
        choice.set_up(3, false);
        choice.set_load(3, -100);
        assert_eq!(choices(&mut choice, 1), [2]);
    }

    #[test]
    fn two_choices_never_takes_the_most_loaded_of_two() {
        let mut choice = Choice::new(Placement::TwoChoices, 4);
        for worker in 0..4 {
            choice.set_load(worker, i64::from(worker));
        }
        let mut count = [0_i32; 4];
        for worker in choices(&mut choice, 1_600) {
            count[worker as usize] += 1;
        }
        // The larger of two independent draws from 4: 7, 5, 3 and 1 sixteenths.
        for (worker, expected) in [700, 500, 300, 100].into_iter().enumerate() {
            assert!((count[worker] - expected).abs() < 80, "{count:?}");
        }
    }

    #[test]
    fn by_key_is_stable_and_spreads() {
        let mut choice = Choice::new(Placement::ByKey, 8);
        let first = choices(&mut choice, 64);
        assert_eq!(first, choices(&mut choice, 64));
        assert!((0..8).all(|worker| first.contains(&worker)), "{first:?}");
    }

    #[test]
    fn nobody_up_is_nobody() {
        let mut choice = Choice::new(Placement::Random, 2);
        choice.set_up(0, false);
        choice.set_up(1, false);
        assert_eq!(choice.choose(Key(0), &mut Rng::stream(1, Purpose::Placement, 0)), None);
    }
}
