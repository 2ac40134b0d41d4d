//! Policies are data: each is a `kind` with parameters, one small file of logic, and tests on what it
//! decides.
//!
//! | question | room |
//! | --- | --- |
//! | how many Sprites should be ready? | [`depth`] |
//! | how fast are they ordered? | [`refill`] |
//! | what happens to a request that finds none? | [`exhausted`] |
//! | which worker is asked? | [`placement`] |
//!
//! To add a policy, write its file and name it in its room's enum; nothing else knows the kinds.

pub mod depth;
pub mod exhausted;
pub mod placement;
pub mod refill;

use serde::{Deserialize, Serialize};

use crate::time::Duration;

pub use crate::protocol::Begin;
pub use depth::Depth;
pub use exhausted::Step;
pub use placement::Placement;
pub use refill::{Backoff, Refill};

/// An invalid parameter, found after its text was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The parameter, as a dotted path from where the search began (`"windows.2.depth.low"`); empty for the
    /// whole.
    pub key: String,
    /// What is wrong, as the rest of a sentence that begins with the key: `is 0`.
    pub wrong: String,
    /// What to do about it.
    pub remedy: String,
}

impl Problem {
    /// A problem with the parameter of this name.
    pub fn new(key: impl Into<String>, wrong: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { key: key.into(), wrong: wrong.into(), remedy: remedy.into() }
    }

    /// The same problem, seen from one table further out.
    #[must_use]
    pub fn under(mut self, outer: &str) -> Self {
        self.key = if self.key.is_empty() { outer.to_owned() } else { format!("{outer}.{}", self.key) };
        self
    }
}

/// Which ready Sprite is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Take {
    /// The one that has been ready longest, so that none grows stale.
    #[default]
    Oldest,
    /// The one that became ready last: its memory is warm, and what is not needed grows old and can leave.
    Newest,
}

/// How a uniform pool replaces Sprites that have reached `max_age`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Replace {
    /// An eighth of those that are ready at a time, so that a pool that was filled at once is not empty at
    /// once.
    #[default]
    ByTurns,
    /// All that are old enough.
    AtOnce,
}

/// What distinguishes the Sprites of different pools.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PoolKey {
    /// Nothing: every Sprite serves every request, and a worker has one pool.
    #[default]
    Uniform,
    /// The tenant: a worker has one pool for each.
    Tenant,
}

/// Everything that a pool is told to do: the `[pool]` table of a scenario.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PoolPolicy {
    /// Whether Sprites are alike or belong to tenants.
    pub key: PoolKey,
    /// Whether the pool is full at t = 0.
    pub start: Begin,
    /// Which ready Sprite is taken.
    pub take: Take,
    /// A ready Sprite that grows older than this leaves, and is replaced if the depth asks for it. For
    /// Sprites that return after use this is the keep-alive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Duration>,
    /// How those that are too old are replaced, where Sprites are alike.
    pub replace: Replace,
    /// How many Sprites the pool aims to have ready or on their way.
    pub depth: Depth,
    /// How fast it orders what is missing.
    pub refill: Refill,
    /// How failed boots are ordered again.
    pub backoff: Backoff,
    /// What happens to a request that finds no ready Sprite: steps that are tried in this order.
    pub exhausted: Vec<Step>,
}

impl Default for PoolPolicy {
    fn default() -> Self {
        Self {
            key: PoolKey::default(),
            start: Begin::default(),
            take: Take::default(),
            max_age: None,
            replace: Replace::default(),
            depth: Depth::default(),
            refill: Refill::default(),
            backoff: Backoff::default(),
            exhausted: exhausted::default_steps(),
        }
    }
}

impl PoolPolicy {
    /// Finds the first invalid parameter.
    ///
    /// # Errors
    /// The problem, with the path of its key from this table.
    pub fn validate(&self) -> Result<(), Problem> {
        self.depth.validate().map_err(|problem| problem.under("depth"))?;
        self.refill.validate().map_err(|problem| problem.under("refill"))?;
        self.backoff.validate().map_err(|problem| problem.under("backoff"))?;
        exhausted::validate(&self.exhausted).map_err(|problem| problem.under("exhausted"))?;
        self.batch_is_within_depth()?;
        if self.max_age.is_some_and(Duration::is_zero) {
            return Err(Problem::new(
                "max_age",
                "is 0, so no Sprite is ever ready",
                "give it some time, or leave it out to keep Sprites for ever",
            ));
        }
        Ok(())
    }

    /// A batch that is larger than any deficit would never be ordered. Only depths that never change tell
    /// beforehand.
    fn batch_is_within_depth(&self) -> Result<(), Problem> {
        let (Some(depth), Some(size)) = (self.depth.constant_depth(), self.refill.batch_size()) else {
            return Ok(());
        };
        if depth == 0 || size <= depth {
            return Ok(());
        }
        let wrong = format!("is {size}, above the depth of {depth}, so it is never reached");
        Err(Problem::new("size", wrong, format!("give at most {depth}")).under("refill"))
    }
}

/// What becomes of a Sprite when its user has gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AfterUse {
    /// It stops (or sleeps, if `idle_after` is given) and is never given to anybody else.
    #[default]
    Stop,
    /// It goes back to the pool of its key. Only with pools per tenant: a Sprite never passes from one to
    /// another.
    Return,
}

/// What a request gets whose key has an idle or sleeping Sprite of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Prefers {
    /// A ready Sprite; its own only where the step `wake` of an empty pool finds it.
    #[default]
    Ready,
    /// Its own, and never another while it has one: a ready Sprite makes room for it where the slots are
    /// full, and without room the request is rejected.
    Own,
}

/// How Sprites live once they are assigned: the `[sprite]` table of a scenario, without what only a
/// simulation knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpritePolicy {
    /// What becomes of a Sprite after use.
    pub after_use: AfterUse,
    /// How long it stays idle before it sleeps and gives its slot back; never, if not given.
    pub idle_after: Option<Duration>,
    /// How many Sprites a pool keeps asleep; beyond it the one that slept longest is dropped.
    pub asleep: u32,
    /// What a request gets whose key has a Sprite.
    pub prefers: Prefers,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_above_a_depth_that_never_changes_is_invalid() {
        let pool = |depth, size| PoolPolicy {
            depth,
            refill: Refill::Batch(refill::Batch { size }),
            ..PoolPolicy::default()
        };
        let fixed = Depth::Fixed(depth::Fixed { ready: 8 });
        assert_eq!(pool(fixed.clone(), 8).validate(), Ok(()));
        assert_eq!(pool(fixed, 9).validate().expect_err("invalid").key, "refill.size");
        let marks = Depth::Watermark(depth::Watermark { low: 2, high: 6 });
        assert_eq!(pool(marks.clone(), 6).validate(), Ok(()));
        assert_eq!(pool(marks, 7).validate().expect_err("invalid").key, "refill.size");
    }
}
