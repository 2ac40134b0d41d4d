//! Exhausted: what happens to a request that finds no ready Sprite. An ordered list of steps; each runs to
//! its own end or deadline, then the next. A list that ends without an answer rejects.

use serde::{Deserialize, Serialize};

use super::Problem;
use crate::time::Duration;

/// The most steps a list may have.
pub const STEPS_MAX: usize = 8;

/// One step as it stands in a file: `{ kind = "wait", deadline = "200ms" }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Step {
    /// Wait for a Sprite of this pool, first come first served. Each waiting request adds one boot to the
    /// refill.
    Wait(Wait),
    /// Make a VM for this request, ahead of the pool's own boots.
    Boot(AtOnce),
    /// A cold create: pull the image, build the filesystem, boot. It takes a slot, but none of the worker's
    /// boots.
    Create(AtOnce),
    /// Ask the neighbours' pools, one after the other around the ring of the region's workers, never twice.
    Spill(SpillTo),
    /// Take an idle or sleeping Sprite of the same key.
    Wake(Wake),
    /// Turn it away.
    Reject(Reject),
}

/// Parameters of `wait`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Wait {
    /// How long at most; without it, until it is served.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Duration>,
    /// How many requests may wait at this step; one more goes on to the next step at once.
    pub queue: u32,
}

impl Default for Wait {
    fn default() -> Self {
        Self { deadline: None, queue: 1_000 }
    }
}

/// Parameters of `boot` and `create`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AtOnce {
    /// How many requests of this pool may have one under way; one more goes on to the next step at once.
    pub at_once: u32,
}

impl Default for AtOnce {
    fn default() -> Self {
        Self { at_once: 1_000_000 }
    }
}

/// Parameters of `spill`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SpillTo {
    /// How many neighbours are asked at most.
    pub hops: u8,
    /// How long one hop between two workers takes; at most one hour, in whole microseconds.
    pub cost: Duration,
}

impl Default for SpillTo {
    fn default() -> Self {
        Self { hops: 1, cost: Duration::from_millis(1) }
    }
}

impl SpillTo {
    /// One hop in microseconds.
    pub fn hop_us(&self) -> u32 {
        (self.cost.as_nanos() / 1_000).min(u64::from(u32::MAX)) as u32
    }
}

/// `wake` has no parameters.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wake {}

/// Parameters of `reject`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Reject {
    /// When the user is told to come again. Simulated users do not.
    pub retry_after: Duration,
}

impl Default for Reject {
    fn default() -> Self {
        Self { retry_after: Duration::from_secs(1) }
    }
}

/// Wait a little for a refill, then boot.
pub(super) fn default_steps() -> Vec<Step> {
    vec![
        Step::Wait(Wait { deadline: Some(Duration::from_millis(200)), ..Wait::default() }),
        Step::Boot(AtOnce::default()),
    ]
}

/// Finds the first invalid step.
pub(super) fn validate(steps: &[Step]) -> Result<(), Problem> {
    if steps.len() > STEPS_MAX {
        return Err(Problem::new(
            "",
            format!("has {} steps", steps.len()),
            format!("at most {STEPS_MAX} are tried"),
        ));
    }
    for (index, step) in steps.iter().enumerate() {
        let last = index + 1 == steps.len();
        let problem = match step {
            Step::Wait(wait) if wait.queue == 0 => Some((
                "queue",
                "is 0, so nobody can wait",
                "leave the step out, or let the queue hold one or more",
            )),
            Step::Wait(wait) if wait.deadline.is_some_and(Duration::is_zero) => {
                Some(("deadline", "is 0, so nobody can wait", "leave the step out, or give it some time"))
            }
            Step::Boot(limit) | Step::Create(limit) if limit.at_once == 0 => {
                Some(("at_once", "is 0, so the step does nothing", "leave it out, or allow one or more"))
            }
            Step::Spill(spill) if spill.hops == 0 => {
                Some(("hops", "is 0, so nobody is asked", "leave the step out, or allow one or more hops"))
            }
            Step::Spill(spill) if spill.cost > Duration::from_secs(3_600) => {
                Some(("cost", "is longer than an hour", "give the time that one hop takes"))
            }
            Step::Spill(spill) if !spill.cost.as_nanos().is_multiple_of(1_000) => {
                Some(("cost", "is not a whole number of microseconds", "round it to microseconds"))
            }
            Step::Reject(_) if !last => {
                Some(("", "rejects, so the steps after it are never tried", "move it to the end"))
            }
            _ => None,
        };
        if let Some((key, wrong, remedy)) = problem {
            return Err(Problem::new(key, wrong, remedy).under(&index.to_string()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem_of(steps: &[Step]) -> String {
        validate(steps).expect_err("invalid").key
    }

    #[test]
    fn steps_that_do_nothing_are_named() {
        let wait = |deadline: Option<Duration>, queue| Step::Wait(Wait { deadline, queue });
        assert_eq!(problem_of(&[wait(None, 0)]), "0.queue");
        assert_eq!(problem_of(&[wait(None, 1), wait(Some(Duration::ZERO), 1)]), "1.deadline");
        assert_eq!(problem_of(&[Step::Boot(AtOnce { at_once: 0 })]), "0.at_once");
        assert_eq!(problem_of(&[Step::Spill(SpillTo { hops: 0, cost: Duration::ZERO })]), "0.hops");
        assert_eq!(problem_of(&[Step::Reject(Reject::default()), Step::Wake(Wake {})]), "0");
        assert_eq!(problem_of(&vec![Step::Wake(Wake {}); STEPS_MAX + 1]), "");
        assert_eq!(validate(&default_steps()), Ok(()));
    }
}
