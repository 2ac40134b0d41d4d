//! Worker, Pool, Refiller and Sprite: the four actors of a warm pool of microVMs.
//!
//! The actors are state machines without I/O: no clock, no thread, no async, no hash order. A backend hosts
//! them, delivers messages and timers, and does the work that they ask for. So the same actors run on a
//! simulated clock, to try a policy, and on a real host, to serve with it.
//!
//! Read [`protocol`] first: it is the contract. [`backend`] is the boundary to a backend, [`policy`] what an
//! operator may choose.
//!
//! A policy at work, without any backend:
//!
//! ```
//! use actors::Time;
//! use actors::policy::refill::{Batch, Refill};
//!
//! let mut controller = Refill::Batch(Batch { size: 4 }).controller();
//! assert_eq!(controller.allow(Time::ZERO, 3, 10), 0, "three are missing: the batch is not full");
//! assert_eq!(controller.allow(Time::ZERO, 4, 9), 4);
//! ```

#![forbid(unsafe_code)]
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod backend;
mod invalid;
pub mod nearest;
pub mod policy;
mod pool;
pub mod protocol;
pub mod random;
mod refiller;
mod sprite;
#[cfg(test)]
mod tests;
pub mod time;
mod worker;

pub use backend::{Actor, AnyActor, Backend, Context, Observer};
pub use invalid::invalid;
pub use protocol::{
    ActorId, Cause, Key, Message, Observation, Operation, OperationKind, Outcome, Request, State, WorkerId,
};
pub use random::Rng;
pub use time::{Duration, Time, WallClock};
pub use worker::{Worker, WorkerConfig};
