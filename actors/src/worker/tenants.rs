//! The pools of one worker where each tenant has its own, and who of them can make room when the host is
//! full.

use std::collections::{BTreeMap, BTreeSet};

use crate::protocol::{ActorId, Key};
use crate::time::Time;

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Tenants {
    rows: BTreeMap<Key, Row>,
    /// Tenants with ready Sprites, the one longest without a request first.
    displaceable: BTreeSet<(Time, Key)>,
}

#[derive(Clone, Copy, Debug)]
struct Row {
    pool: ActorId,
    asked: Time,
    spare: u32,
}

impl Tenants {
    pub(super) fn add(&mut self, key: Key, pool: ActorId) {
        self.rows.insert(key, Row { pool, asked: Time::ZERO, spare: 0 });
    }

    pub(super) fn pool(&self, key: Key) -> Option<ActorId> {
        self.rows.get(&key).map(|row| row.pool)
    }

    pub(super) fn pools(&self) -> impl Iterator<Item = &ActorId> {
        self.rows.values().map(|row| &row.pool)
    }

    /// Notes a request of this tenant and gives its pool, if it has one.
    pub(super) fn asked(&mut self, key: Key, now: Time) -> Option<ActorId> {
        let row = self.rows.get_mut(&key)?;
        if row.spare > 0 {
            self.displaceable.remove(&(row.asked, key));
            self.displaceable.insert((now, key));
        }
        row.asked = now;
        Some(row.pool)
    }

    pub(super) fn set_spare(&mut self, key: Key, spare: u32) {
        let Some(row) = self.rows.get_mut(&key) else { return };
        row.spare = spare;
        if spare > 0 {
            self.displaceable.insert((row.asked, key));
        } else {
            self.displaceable.remove(&(row.asked, key));
        }
    }

    /// A pool that has a ready Sprite to give for a request of `key`: the one longest without a request of
    /// its own.
    pub(super) fn pop_displaceable(&mut self, key: Key) -> Option<ActorId> {
        let &(_, victim) = self.displaceable.iter().find(|(_, candidate)| *candidate != key)?;
        let row = self.rows.get(&victim)?;
        let (pool, spare) = (row.pool, row.spare);
        self.set_spare(victim, spare - 1);
        Some(pool)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tenant_longest_without_a_request_makes_room() {
        let mut tenants = Tenants::default();
        for key in 0..3 {
            tenants.add(Key(key), ActorId(key + 10));
            tenants.asked(Key(key), Time::from_nanos(u64::from(key) + 1));
        }
        assert_eq!(tenants.pop_displaceable(Key(2)), None, "nobody has a ready Sprite yet");
        tenants.set_spare(Key(0), 1);
        tenants.set_spare(Key(1), 2);
        tenants.asked(Key(0), Time::from_nanos(9));
        assert_eq!(tenants.pop_displaceable(Key(2)), Some(ActorId(11)));
        assert_eq!(tenants.pop_displaceable(Key(1)), Some(ActorId(10)), "never the asking tenant's own");
        assert_eq!(tenants.pop_displaceable(Key(2)), Some(ActorId(11)));
        assert_eq!(tenants.pop_displaceable(Key(2)), None);
    }
}
