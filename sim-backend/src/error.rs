//! Why a scenario cannot be simulated to its end.

use scenarios::{DemandError, DistributionError};

/// A file that the scenario names cannot be read to its end.
#[derive(Debug, thiserror::Error)]
pub enum SimulationError {
    /// The demand cannot be read to its end.
    #[error(transparent)]
    Demand(#[from] DemandError),
    /// A recorded distribution cannot be read.
    #[error("{0}\n  {remedy}", remedy = .0.remedy())]
    Distribution(#[from] DistributionError),
}

impl SimulationError {
    /// Whether the machine is at fault (a disk that is full), not what the user wrote.
    pub fn is_host_fault(&self) -> bool {
        match self {
            Self::Demand(error) => error.is_host_fault(),
            Self::Distribution(_) => false,
        }
    }
}
