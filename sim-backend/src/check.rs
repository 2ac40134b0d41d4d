//! Where two runs part: compares their checkpoints, runs both again with the deliveries recorded between the
//! last checkpoint that agrees and the first that does not, and names the first delivery that differs.

use std::fmt;
use std::ops::Range;

use crate::digest::Checkpoint;
use crate::simulation::{Delivery, Run};

/// The first delivery in which two runs differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Deliveries before it, which are the same.
    pub index: u64,
    /// What the one run delivered, if it went on.
    pub one: Option<Delivery>,
    /// What the other run delivered, if it went on.
    pub other: Option<Delivery>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "the runs agree in {} deliveries and part at the next:", self.index)?;
        writeln!(f, "  one:   {}", show(self.one.as_ref()))?;
        write!(f, "  other: {}", show(self.other.as_ref()))
    }
}

fn show(delivery: Option<&Delivery>) -> String {
    match delivery {
        Some(Delivery { at, from, to, message, .. }) => {
            format!("at {at} actor {} to actor {}: {message:?}", from.0, to.0)
        }
        None => "is over".to_owned(),
    }
}

/// Names the first delivery in which two runs differ; `None` when they do not. `again` runs one of them
/// (`false`) or the other (`true`) once more and records the given deliveries.
///
/// # Errors
/// Those of `again`.
pub fn first_difference<E>(
    one: &Run,
    other: &Run,
    mut again: impl FnMut(bool, Range<u64>) -> Result<Run, E>,
) -> Result<Option<Difference>, E> {
    if (one.digest, one.events) == (other.digest, other.events) {
        return Ok(None);
    }
    let window = window(&one.checkpoints, &other.checkpoints);
    let recorded = [again(false, window.clone())?.recorded, again(true, window.clone())?.recorded];
    let [one, other] = &recorded;
    let same = one.iter().zip(other).take_while(|(one, other)| one == other).count();
    Ok(Some(Difference {
        index: window.start + same as u64,
        one: one.get(same).copied(),
        other: other.get(same).copied(),
    }))
}

/// The deliveries after the last common checkpoint that agrees, up to the first that does not.
fn window(one: &[Checkpoint], other: &[Checkpoint]) -> Range<u64> {
    let mut window = 0..u64::MAX;
    for checkpoint in one {
        let Ok(at) = other.binary_search_by_key(&checkpoint.events, |other| other.events) else { continue };
        if other[at].digest == checkpoint.digest {
            window.start = checkpoint.events;
        } else {
            window.end = checkpoint.events;
            break;
        }
    }
    window
}
