//! A host as a service: the public Sprites API over the same four actors that a simulation runs.
//!
//! ```text
//!   client ─▶ door ─▶ api ─▶ sprites ─▶ host ─▶ actors ─▶ machines (KVM or sim)
//!             │       │        └──────▶ store (redb)
//!             │       └ auth, rate, metrics
//!             └ limits of connections, headers and time
//! ```
//!
//! | room | what it does |
//! | --- | --- |
//! | [`config`] | TOML whose `[pool]` is that of a scenario |
//! | [`store`] | names, key numbers, settings and states, on disk before anybody is told |
//! | [`host`] | one request for a Sprite, and its end, through the actors |
//! | [`sprites`] | names and VMs together: create, list, update, delete, visit |
//! | [`api`] | HTTP: the Sprites API, the way to a Sprite, what an operator asks |
//! | [`auth`], [`rate`], [`door`] | who may ask, how often, how much, how slowly |
//! | [`metrics`] | what a monitoring system scrapes |
//!
//! Three rules: a name's record is on disk **before** its create is answered; a name has one VM at most, and
//! nobody else ever has it; what a guest cannot do is answered with 501, never with silence.

#![forbid(unsafe_code)]
#![allow(
    clippy::result_large_err,
    reason = "an error is made once for a request that fails, and is its answer"
)]

pub mod api;
pub mod auth;
pub mod config;
pub mod door;
pub mod host;
mod journal;
pub mod metrics;
pub mod rate;
mod service;
pub mod sprites;
pub mod store;
mod tls;

pub use service::{Running, ServeError, Settings, start};
pub use tls::TlsError;
