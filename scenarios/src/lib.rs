//! What to run: scenario files, the demand that they describe, and the traces that they replay.
//!
//! ```text
//!   file.toml ──▶ Document ──▶ Scenario ──▶ workers()    who there is, with which pool
//!   --host profile ──▲           │
//!   --set ───────────▲           ├────────▶ arrivals()   requests in the order of time, from stages or a trace
//!                                └────────▶ faults()     what goes wrong when
//! ```
//!
//! A [`Scenario`] is data: it reads no clock and starts nothing. Every fault of a file is a [`ScenarioError`]
//! that names the line, the key and the remedy. The same scenario gives the same arrivals on every machine.
//!
//! The format is described in this crate's README.md.
//!
//! ```
//! use scenarios::Scenario;
//!
//! let scenario = Scenario::parse("[[demand]]\nto = 2\nfor = \"3s\"\narrivals = \"even\"\n", "calm.toml", &[])?;
//! let mut arrivals = scenario.arrivals()?;
//! let mut count = 0;
//! while arrivals.next()?.is_some() {
//!     count += 1;
//! }
//! assert_eq!(count, 6);
//!
//! let error = Scenario::parse("[pool]\ndept = 1\n", "typo.toml", &[]).expect_err("there is no such key");
//! assert!(error.to_string().starts_with("typo.toml:2: "), "{error}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod answers;
pub mod capacity;
mod decimal;
pub mod demand;
pub mod distribution;
mod document;
mod error;
pub mod faults;
mod fleet;
mod host_file;
mod input;
mod load;
pub mod profile;
pub mod scenario;

pub use answers::{AnswerStreams, Answers};
pub use demand::{Arrival, Arrivals, DRAIN, DemandError, JOURNAL_MARK, Progress};
pub use distribution::{Distribution, DistributionError, Sampler};
pub use error::{Place, ScenarioError, Warning};
pub use faults::Faults;
pub use host_file::HostFile;
pub use load::{Overlays, Text};
pub use profile::Profile;
pub use scenario::{Effect, Fault, RegionPlan, Scenario, WorkerPlan};
