//! Depth: how many Sprites a pool aims to have ready or on their way.

mod arrivals;
mod at_least;
mod base_stock;
mod buffer;
mod calendar;
mod check;
mod civil;
mod fixed;
mod forecast;
mod hours;
mod largest_of;
mod needs;
mod on_misses;
mod overlap;
mod panic;
mod schedule;
mod watermark;
mod window;
mod window_quantile;

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Problem;
use crate::protocol::{Levels, Target};
use crate::time::{Duration, Time, WallClock};

pub use at_least::AtLeast;
pub use base_stock::{BaseStock, erlang_b, erlang_servers};
pub use buffer::Buffer;
pub use fixed::Fixed;
pub use forecast::Forecast;
pub use largest_of::LargestOf;
pub use on_misses::OnMisses;
pub use panic::Panic;
pub use schedule::Schedule;
pub use watermark::Watermark;
pub use window::{Day, Window};
pub use window_quantile::WindowQuantile;

/// A depth policy as it stands in a file: `depth = { kind = "fixed", ready = 16 }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Depth {
    /// Always the same.
    Fixed(Fixed),
    /// Order up to `high` when no more than `low` are left.
    Watermark(Watermark),
    /// A share of what is in use, between bounds, in bounded steps.
    Buffer(Buffer),
    /// By the hour and the day.
    Schedule(Schedule),
    /// The smallest that Erlang's loss formula allows at the measured rate.
    BaseStock(BaseStock),
    /// The smallest that would have been enough for recent arrivals.
    WindowQuantile(WindowQuantile),
    /// More after misses, less after idleness.
    OnMisses(OnMisses),
    /// Follow a sudden rise at once, and a fall slowly.
    Panic(Panic),
    /// What the same time of the week has asked for before.
    Forecast(Forecast),
    /// The largest of several policies.
    #[serde(alias = "any-of")]
    LargestOf(LargestOf),
    /// A floor under another policy.
    AtLeast(AtLeast),
}

impl Default for Depth {
    fn default() -> Self {
        Self::Fixed(Fixed { ready: 16 })
    }
}

/// What a policy may look at when it decides.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// Now.
    pub now: Time,
    /// The pool's numbers.
    pub levels: Levels,
    /// Boots ordered that have not ended.
    pub on_order: u32,
    /// From the order of a boot until its Sprite is ready: a moving average over recent boots. `None` before
    /// the first boot has ended.
    pub lead_time: Option<Duration>,
}

/// A depth policy at work in one pool. Calls come in the order of time.
pub trait Controller: fmt::Debug + Send {
    /// A request came for this pool. Called before [`Controller::target`].
    fn demand(&mut self, _now: Time, _missed: bool) {}

    /// What to aim for at this moment. Called after every change of the pool and whenever `changes_at` has
    /// come; it must be cheap, and asking twice at the same time must give the same answer.
    fn target(&mut self, view: &View) -> Target;

    /// The next time at which the target may be another though nothing happens; `None` for never. Asked after
    /// `target`.
    fn changes_at(&self) -> Option<Time> {
        None
    }

    /// Whether this policy wants to know when the number in use falls.
    fn needs_in_use(&self) -> bool {
        false
    }

    /// Whether this policy wants the lead time of boots to be measured.
    fn needs_lead_time(&self) -> bool {
        false
    }
}

/// How many Sprites a policy is sure to aim for at some time, whatever the demand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuaranteedDepth {
    /// The number.
    pub ready: u32,
    /// The parameter that says so, as a dotted path from the policy's table.
    pub key: String,
}

impl GuaranteedDepth {
    fn new(key: &str, ready: u32) -> Self {
        Self { ready, key: key.to_owned() }
    }

    /// The same, seen from one table further out.
    fn under(self, outer: &str) -> Self {
        Self { key: format!("{outer}.{}", self.key), ..self }
    }

    /// The larger of two.
    fn or(self, other: Self) -> Self {
        if other.ready > self.ready { other } else { self }
    }
}

/// A parameterised policy: what every kind provides.
trait PolicyConfig {
    /// Finds the first invalid parameter.
    fn validate(&self) -> Result<(), Problem>;
    /// The depth, where it is the same for ever, whatever happens.
    fn constant_depth(&self) -> Option<u32> {
        None
    }
    /// What it is sure to aim for.
    fn guaranteed_depth(&self) -> GuaranteedDepth;
    /// The policy at work, in a run whose t = 0 is at `epoch`.
    fn controller(&self, epoch: WallClock) -> Box<dyn Controller>;
}

impl Depth {
    fn config(&self) -> &dyn PolicyConfig {
        match self {
            Self::Fixed(config) => config,
            Self::Watermark(config) => config,
            Self::Buffer(config) => config,
            Self::Schedule(config) => config,
            Self::BaseStock(config) => config,
            Self::WindowQuantile(config) => config,
            Self::OnMisses(config) => config,
            Self::Panic(config) => config,
            Self::Forecast(config) => config,
            Self::LargestOf(config) => config,
            Self::AtLeast(config) => config,
        }
    }

    /// Finds the first invalid parameter.
    ///
    /// # Errors
    /// The problem, with the path of its key from this policy's table.
    pub fn validate(&self) -> Result<(), Problem> {
        self.config().validate()
    }

    /// The depth, where it is the same for ever, whatever happens.
    pub fn constant_depth(&self) -> Option<u32> {
        self.config().constant_depth()
    }

    /// How many Sprites it is sure to aim for at some time: a worker without room for them can never hold its
    /// pool.
    pub fn guaranteed_depth(&self) -> GuaranteedDepth {
        self.config().guaranteed_depth()
    }

    /// The policy at work in one pool of a run whose t = 0 is at `epoch`.
    pub fn controller(&self, epoch: WallClock) -> Box<dyn Controller> {
        self.config().controller(epoch)
    }
}

/// How long a boot is taken to last before the first one has been measured.
pub(crate) fn boot_prior() -> Duration {
    Duration::from_secs(1)
}

/// The time zone of hours that name none.
fn utc() -> String {
    "UTC".to_owned()
}

/// For tests of controllers: an empty pool, so many seconds into the run.
#[cfg(test)]
fn test_view(secs: f64) -> View {
    let now = Time::ZERO + Duration::from_secs_f64(secs);
    View { now, levels: Levels::default(), on_order: 0, lead_time: None }
}

#[cfg(test)]
mod tests;
