//! Why a run on this host cannot be, or could not go on.

use std::path::PathBuf;

use actors::Duration;
use scenarios::{DemandError, DistributionError, ScenarioError};

/// Why a run on this host cannot be, or could not go on.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The scenario asks for what this host cannot do.
    #[error("{0}")]
    Unsupported(#[from] ScenarioError),
    /// The demand cannot be read, or not any further.
    #[error("{0}")]
    Demand(#[from] DemandError),
    /// A distribution of latencies cannot be drawn from.
    #[error("{0}\n  {remedy}", remedy = .0.remedy())]
    Distribution(#[from] DistributionError),
    /// The pools could not be filled before the first request.
    #[error(
        "the pools could not be filled: {failures} boots failed, each of them {tries} times; check the host with `warmpool doctor`"
    )]
    Fill {
        /// Boots that failed in spite of all tries.
        failures: u64,
        /// How often each was tried.
        tries: u32,
    },
    /// The pools were not full in time.
    #[error(
        "the pools were not full after {seconds} s: lower [pool] depth, or check the host with `warmpool doctor`"
    )]
    FillTime {
        /// How long was waited.
        seconds: u64,
    },
    /// Somebody asked for the run to end.
    #[error("interrupted after {after}: nothing was reported, and no VM is left")]
    Interrupted {
        /// How far it had come.
        after: Duration,
    },
    /// A thread cannot be started.
    #[error("a thread cannot be started: {0}")]
    Thread(#[source] std::io::Error),
    /// The actors' runtime cannot be made.
    #[error("the actors' runtime cannot be made: {0}")]
    Runtime(String),
    /// A journal cannot be made.
    #[error("{path}: the journal cannot be written: {source}")]
    Journal {
        /// Which.
        path: PathBuf,
        /// What the system answered.
        source: std::io::Error,
    },
    /// A journal could not be written to its end.
    #[error("a journal could not be written to its end: {0}")]
    JournalWrite(#[source] std::io::Error),
}

impl RuntimeError {
    /// Whether the fault lies in the host and not in the scenario or a file that it names.
    pub fn is_host_fault(&self) -> bool {
        match self {
            Self::Unsupported(error) => error.host_fault,
            Self::Demand(error) => error.is_host_fault(),
            Self::Distribution(_) => false,
            _ => true,
        }
    }
}
