//! Traces: requests that were recorded.
//!
//! ```text
//!   lines ──▶ rows ──▶ in order? ──▶ (sort) ──▶ (intervals) ──▶ replay ──▶ arrivals
//! ```
//!
//! `lines` reads the file, `format` tells from its first line what it holds, `rows` reads one request (or one
//! count of requests) a line, `sort` puts them in order with bounded memory, `intervals` spreads counts over
//! their intervals, `replay` scales and speeds up. `look` reads the beginning alone: what the scenario must
//! know of its trace before the run.

mod dates;
mod fields;
mod format;
mod intervals;
mod json;
mod lines;
mod look;
mod replay;
mod rows;
mod sort;

pub use format::JOURNAL_MARK;
pub(crate) use look::{Look, look};
pub(super) use replay::Replay;
