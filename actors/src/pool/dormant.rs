//! The Sprites of one pool whose users have gone but may come back: idle ones and those asleep, found by
//! their key or by who has been there longest.

use std::collections::{BTreeMap, BTreeSet};

use crate::protocol::{ActorId, Key};

/// See the [module](self). However many they are, none of them is looked for one by one.
#[derive(Debug)]
pub(super) struct Dormant {
    /// At most so many asleep; an idle Sprite still has its slot, which bounds it.
    asleep_max: u32,
    sprites: BTreeMap<ActorId, Entry>,
    by_key: BTreeSet<(Key, u64, ActorId)>,
    /// Those asleep, in the order in which they became idle.
    asleep: BTreeMap<u64, ActorId>,
    next: u64,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    key: Key,
    /// Counted up in the order in which they became idle.
    turn: u64,
    asleep: bool,
}

impl Dormant {
    /// Nobody, and room for so many asleep.
    pub(super) fn new(asleep_max: u32) -> Self {
        Self {
            asleep_max,
            sprites: BTreeMap::new(),
            by_key: BTreeSet::new(),
            asleep: BTreeMap::new(),
            next: 0,
        }
    }

    /// Notes that this Sprite is idle or asleep; if it was noted before, only that changes.
    pub(super) fn insert(&mut self, key: Key, sprite: ActorId, asleep: bool) {
        let turn = match self.sprites.get(&sprite) {
            Some(entry) => entry.turn,
            None => {
                self.next += 1;
                self.next
            }
        };
        self.sprites.insert(sprite, Entry { key, turn, asleep });
        self.by_key.insert((key, turn, sprite));
        if asleep {
            self.asleep.insert(turn, sprite);
        }
    }

    /// Whether this Sprite is noted.
    pub(super) fn has(&self, sprite: ActorId) -> bool {
        self.sprites.contains_key(&sprite)
    }

    /// Takes the Sprite of this key that became idle last, and says whether it is asleep.
    pub(super) fn pop(&mut self, key: Key) -> Option<(ActorId, bool)> {
        let all = (key, 0, ActorId(0))..=(key, u64::MAX, ActorId::OUTSIDE);
        let &(_, _, sprite) = self.by_key.range(all).next_back()?;
        self.remove(sprite).map(|entry| (sprite, entry.asleep))
    }

    /// Takes the sleeper that became idle first, if there is one too many.
    pub(super) fn pop_excess(&mut self) -> Option<ActorId> {
        if self.asleep.len() <= self.asleep_max as usize {
            return None;
        }
        let (_, &sprite) = self.asleep.first_key_value()?;
        self.remove(sprite).map(|_| sprite)
    }

    /// Removes a Sprite that was lost, if it is here.
    pub(super) fn forget(&mut self, sprite: ActorId) {
        self.remove(sprite);
    }

    fn remove(&mut self, sprite: ActorId) -> Option<Entry> {
        let entry = self.sprites.remove(&sprite)?;
        self.by_key.remove(&(entry.key, entry.turn, sprite));
        self.asleep.remove(&entry.turn);
        Some(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_finds_only_its_own_and_the_latest_first() {
        let mut dormant = Dormant::new(3);
        dormant.insert(Key(1), ActorId(10), false);
        dormant.insert(Key(2), ActorId(20), false);
        dormant.insert(Key(1), ActorId(11), false);
        dormant.insert(Key(1), ActorId(11), true);
        assert_eq!(dormant.pop_excess(), None, "nobody is here twice");
        assert_eq!(dormant.pop(Key(1)), Some((ActorId(11), true)));
        assert_eq!(dormant.pop(Key(1)), Some((ActorId(10), false)));
        assert_eq!(dormant.pop(Key(1)), None);
        assert_eq!(dormant.pop(Key(3)), None);
    }

    #[test]
    fn idle_sprites_are_no_sleepers() {
        let mut dormant = Dormant::new(1);
        for sprite in 0..3 {
            dormant.insert(Key(sprite), ActorId(sprite), false);
        }
        assert_eq!(dormant.pop_excess(), None);
        dormant.insert(Key(2), ActorId(2), true);
        assert_eq!(dormant.pop_excess(), None, "one may sleep");
        dormant.insert(Key(1), ActorId(1), true);
        assert_eq!(dormant.pop_excess(), Some(ActorId(1)), "it became idle before the other");
    }

    #[test]
    fn the_oldest_leaves_first_and_the_lost_are_forgotten() {
        let mut dormant = Dormant::new(1);
        for sprite in 0..3 {
            dormant.insert(Key(sprite), ActorId(sprite), true);
        }
        dormant.forget(ActorId(0));
        dormant.forget(ActorId(9));
        assert_eq!(dormant.pop_excess(), Some(ActorId(1)));
        assert_eq!(dormant.pop_excess(), None);
    }
}
