//! The Sprites of one pool whose users have gone but may come back: idle ones and those asleep, found by their key or
//! by who has been there longest.

use std::collections::BTreeMap;

use crate::protocol::{ActorId, Key};

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Dormant {
    /// At most so many.
    max: u32,
    by_key: BTreeMap<(Key, u64), Entry>,
    by_age: BTreeMap<u64, Key>,
    next: u64,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    sprite: ActorId,
    asleep: bool,
}

impl Dormant {
    /// Nobody, and room for so many.
    pub(super) fn new(max: u32) -> Self {
        Self { max, by_key: BTreeMap::new(), by_age: BTreeMap::new(), next: 0 }
    }

    /// Notes that this Sprite is idle or asleep; if it was noted before, only that changes.
    pub(super) fn insert(&mut self, key: Key, sprite: ActorId, asleep: bool) {
        let known =
            self.by_key.range_mut((key, 0)..=(key, u64::MAX)).find(|(_, entry)| entry.sprite == sprite);
        if let Some((_, entry)) = known {
            entry.asleep = asleep;
            return;
        }
        self.by_key.insert((key, self.next), Entry { sprite, asleep });
        self.by_age.insert(self.next, key);
        self.next += 1;
    }

    /// Takes the Sprite of this key that became idle last, and says whether it is asleep.
    pub(super) fn pop(&mut self, key: Key) -> Option<(ActorId, bool)> {
        let (&place, &entry) = self.by_key.range((key, 0)..=(key, u64::MAX)).next_back()?;
        self.remove(place);
        Some((entry.sprite, entry.asleep))
    }

    /// Takes the Sprite that has been here longest, if there is one too many.
    pub(super) fn pop_excess(&mut self) -> Option<ActorId> {
        if self.by_age.len() <= self.max as usize {
            return None;
        }
        let (&age, &key) = self.by_age.first_key_value()?;
        self.remove((key, age)).map(|entry| entry.sprite)
    }

    /// Removes a Sprite that was lost.
    pub(super) fn forget(&mut self, sprite: ActorId) {
        let place = self.by_key.iter().find(|(_, entry)| entry.sprite == sprite).map(|(&place, _)| place);
        if let Some(place) = place {
            self.remove(place);
        }
    }

    fn remove(&mut self, place: (Key, u64)) -> Option<Entry> {
        self.by_age.remove(&place.1);
        self.by_key.remove(&place)
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
