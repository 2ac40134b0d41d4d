//! Traces: requests that were recorded.
//!
//! ```text
//!   lines ──▶ rows ──▶ in order? ──▶ (sort) ──▶ (minutes) ──▶ replay ──▶ arrivals
//! ```
//!
//! `lines` reads plain and gzip files, `format` guesses what they hold, `rows` reads one request a line, `sort` puts
//! them in order with bounded memory, `minutes` spreads counts over their minute, `replay` scales and speeds up.

mod fields;
mod format;
mod json;
mod lines;
mod minutes;
mod replay;
mod rows;
mod sort;

pub(super) use replay::Replay;
