//! Runs the actors of a warm pool on a virtual clock, as fast as the machine allows and always in the same
//! way.
//!
//! ```text
//!   Scenario ── arrivals ──▶ front door ─▶ Workers, Pools, Refillers, Sprites ── observations ──▶ Observer
//!                                                  │            ▲
//!                                 operations, timers            │ ends, firings
//!                                                  ▼            │
//!                                            virtual clock (queue, timers, hosts, faults)
//! ```
//!
//! Ordering is fixed by two rules, given in `queue`. Randomness comes in separate streams per purpose and
//! worker, so that two policies meet the same arrivals and the same boots. Every delivery folds into a
//! [digest](Run::digest): the same scenario and seed give the same digest in any build on any machine, and
//! [`first_difference`] names where two runs part when they do not.
//!
//! Memory does not grow with the number of requests: what is kept belongs to actors, to requests that have
//! not ended, and to timers that are armed.
//!
//! A day that is over in a moment, seen by an observer that counts:
//!
//! ```
//! use actors::{Observation, Observer, Outcome, Time};
//! use scenarios::Scenario;
//! use sim_backend::{Options, simulate};
//!
//! #[derive(Default)]
//! struct Warm(u64);
//!
//! impl Observer for Warm {
//!     fn opened(&mut self, _at: Time) {}
//!     fn closed(&mut self, _at: Time) {}
//!     fn observe(&mut self, _at: Time, observation: Observation) {
//!         if let Observation::Ended { outcome: Outcome::Warm, .. } = observation {
//!             self.0 += 1;
//!         }
//!     }
//! }
//!
//! let text = "[[demand]]\nto = 1\nfor = \"1m\"\narrivals = \"even\"\n";
//! let scenario = Scenario::parse(text, "calm.toml", &[])?;
//! let mut warm = Warm::default();
//! let run = simulate(&scenario, &Options::default(), &mut warm)?;
//! assert_eq!((run.requests, warm.0), (60, 60));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod check;
mod contention;
mod core;
mod digest;
mod error;
mod faults;
mod heap;
mod hosts;
mod queue;
mod regions;
mod simulation;
mod timers;

pub use check::{Difference, first_difference};
pub use digest::Checkpoint;
pub use error::SimulationError;
pub use simulation::{Delivery, Options, Run, simulate};
