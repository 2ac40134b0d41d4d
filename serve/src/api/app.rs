//! What every call works with.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use crate::auth::Tokens;
use crate::config::Loaded;
use crate::host::Host;
use crate::metrics::Metrics;
use crate::rate::Rates;
use crate::sprites::Sprites;

/// The header that says which VMs a host has.
pub const BACKEND_HEADER: &str = "warmpool-backend";

/// Everything that answering a request takes.
pub struct App {
    pub(crate) loaded: Loaded,
    pub(crate) base_url: String,
    pub(crate) host: Arc<dyn Host>,
    pub(crate) sprites: Arc<Sprites>,
    pub(crate) tokens: Tokens,
    pub(crate) rates: Rates,
    pub(crate) metrics: Metrics,
    pub(crate) begun: Instant,
    /// Why it is not KVM, where that was left open.
    pub(crate) why_not_kvm: Option<String>,
    /// Requests are refused, since the host is about to leave.
    pub(crate) leaving: AtomicBool,
    /// The pool has been at its target once.
    pub(crate) filled: AtomicBool,
}
