//! What a run of a warm pool came to: from observations to histograms, timelines, cost, gates and a verdict,
//! and from those to the terminal, to HTML and to files that other tools read.
//!
//! ```text
//!   Observation ──▶ Recorder ──▶ Report { Summary, Timeline, Latencies } ──▶ terminal, html, folder (five files)
//!                                            │
//!                                Summaries of several runs ──▶ Comparison, Spread
//! ```
//!
//! This crate knows no backend and no scenario: a simulated run and a real one are recorded by the same code,
//! so that they can be laid side by side. Nothing here reads a clock: equal observations give equal bytes in
//! every output.
//!
//! ```
//! use actors::{Observation, Observer, Outcome, Request, Time, WorkerId};
//! use reports::recorder::Recorder;
//! use reports::run_metadata::RunMetadata;
//!
//! let (worker, request) = (WorkerId(0), Request::default());
//! let mut books = Recorder::new(RunMetadata::new("one request", 1));
//! books.opened(Time::ZERO);
//! books.observe(Time::ZERO, Observation::Arrived { worker, request });
//! let ended = Observation::Ended { worker, request, outcome: Outcome::Warm, cause: None };
//! books.observe(Time::from_nanos(60_000), ended);
//! let summary = books.finish(Time::from_nanos(1_000_000_000)).summary;
//! assert_eq!((summary.requests, summary.outcomes.warm, summary.misses), (1, 1, 0));
//! ```

#![forbid(unsafe_code)]

pub mod bound;
pub mod causes;
pub mod compare;
pub mod cost;
pub mod empty_periods;
pub mod figure;
pub mod folder;
pub mod format;
pub mod gate;
pub mod hgrm;
pub mod hlog;
pub mod html;
pub mod identity;
pub mod latency;
pub mod mark;
pub mod outcomes;
pub mod recorder;
pub mod report;
pub mod run_metadata;
pub mod scope;
pub mod seed_table;
pub mod seeds;
pub mod spread;
pub mod summary;
pub mod terminal;
pub mod timeline;
pub mod twin;

pub mod no_value;
pub mod unit;
pub mod verdict;

mod finish;
mod integral;
mod ladder;
mod peak;
mod series;
mod stats;
mod strip;
mod undisturbed;
mod value;
mod wording;
mod workers;

pub use compare::{Comparison, Variant};
pub use cost::{Cost, Prices};
pub use empty_periods::EmptyPeriod;
pub use figure::Figure;
pub use folder::FolderError;
pub use gate::{Gate, GateError};
pub use identity::{Identity, NamedText, Provenance};
pub use latency::Latencies;
pub use mark::Mark;
pub use no_value::NoValue;
pub use outcomes::PerOutcome;
pub use recorder::Recorder;
pub use report::Report;
pub use run_metadata::{Capacity, RunMetadata};
pub use scope::{Place, Scope};
pub use seed_table::SeedTable;
pub use spread::Spread;
pub use summary::Summary;
pub use timeline::Timeline;
pub use twin::Twin;
pub use unit::Unit;
pub use verdict::{GateResult, Prediction, Verdict};
