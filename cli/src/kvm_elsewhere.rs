//! Where there is no KVM that this project drives: why a run on real microVMs cannot be.

use std::path::Path;

use reports::Report;

use crate::exit::Failure;
use crate::load::Loaded;

/// Says why not.
pub(crate) fn run(
    _loaded: &Loaded,
    _what: &str,
    _journal: Option<&Path>,
) -> Result<(Report, String), Failure> {
    let (system, processor) = (std::env::consts::OS, std::env::consts::ARCH);
    Err(Failure::NoKvm(format!(
        "real microVMs cannot run here: they need KVM on x86-64 Linux, and this is {system} on {processor}\n  \
         without --backend kvm the run is simulated"
    )))
}
