//! What the public API does not have and whoever operates a host needs: health, readiness, metrics, and the
//! pool's level.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use actors::{Outcome, State as Vm};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::app::App;
use super::errors::{ApiError, ErrorBody};
use crate::metrics::state_name;

/// What a host is doing.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct StatusBody {
    /// `kvm`: real microVMs. `sim`: simulated VMs that answer in real time.
    pub(crate) backend: &'static str,
    /// Why it is not KVM, where that was left open.
    pub(crate) why_not_kvm: Option<String>,
    /// The version of this program.
    pub(crate) version: &'static str,
    /// How long it has been up.
    pub(crate) uptime_ms: u64,
    /// Whether the pool has been at its target since the host began.
    pub(crate) ready: bool,
    /// Whether it refuses requests because it is about to leave.
    pub(crate) leaving: bool,
    /// The pool.
    pub(crate) pool: PoolBody,
    /// Requests for a Sprite, by how they ended.
    pub(crate) outcomes: BTreeMap<&'static str, u64>,
    /// Those that the first Sprite asked for served at once.
    pub(crate) hits: u64,
    /// All others.
    pub(crate) misses: u64,
    /// Sprites by name, running or not.
    pub(crate) sprites: SpritesBody,
    /// VMs in each state.
    pub(crate) vms: BTreeMap<&'static str, u64>,
    /// The journal of decisions.
    pub(crate) journal: JournalBody,
    /// What could not be done so far and why.
    pub(crate) failures: Vec<String>,
}

/// The journal of decisions.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct JournalBody {
    /// Where it is; null where none is written.
    pub(crate) path: Option<String>,
    /// Records that are missing in it: its disk did not take them, or they came too fast.
    pub(crate) missing: u64,
    /// Why its disk did not take the last of them.
    pub(crate) error: Option<String>,
}

/// The pool's level.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct PoolBody {
    /// Sprites that can be taken now.
    pub(crate) ready: u64,
    /// It orders when no more than so many are ready or on their way.
    pub(crate) reorder_at: u32,
    /// The depth that it aims for.
    pub(crate) target: u32,
    /// Requests that wait.
    pub(crate) waiting: u64,
    /// VMs that this host may hold.
    pub(crate) slots: u32,
    /// Slots that are held.
    pub(crate) slots_held: u64,
    /// Boots that have failed in a row.
    pub(crate) boots_failing: u32,
}

/// Sprites by their state.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct SpritesBody {
    /// They are awake.
    pub(crate) running: usize,
    /// They sleep and keep their memory.
    pub(crate) warm: usize,
    /// They hold nothing: their memory is on disk, or the next request begins anew.
    pub(crate) cold: usize,
}

/// What this host is doing: its backend, its pool, hits and misses.
#[utoipa::path(
    get, path = "/warmpool/v1/status", tag = "operating",
    responses(
        (status = 200, description = "The host", body = StatusBody),
        (status = 401, description = "No valid token", body = ErrorBody),
        (status = 503, description = "The host is leaving", body = ErrorBody),
    )
)]
pub(crate) async fn status(State(app): State<Arc<App>>) -> Json<StatusBody> {
    let (level, counts, totals) = (app.host.level(), app.host.counts(), app.sprites.totals());
    let journal = app.host.journal();
    let alive = Vm::ALL.into_iter().filter(|state| !matches!(state, Vm::Stopped | Vm::Failed));
    Json(StatusBody {
        backend: app.host.backend().name(),
        why_not_kvm: app.why_not_kvm.clone(),
        version: env!("CARGO_PKG_VERSION"),
        uptime_ms: u64::try_from(app.begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        ready: app.is_filled(),
        leaving: app.leaving.load(Ordering::Acquire),
        pool: PoolBody {
            ready: level.of(Vm::Ready),
            reorder_at: level.target.reorder_at,
            target: level.target.depth,
            waiting: level.waiting,
            slots: level.slots,
            slots_held: level.slots_held(),
            boots_failing: level.boots_failing,
        },
        outcomes: Outcome::ALL.into_iter().map(|outcome| (outcome.name(), counts.of(outcome))).collect(),
        hits: counts.hits(),
        misses: counts.misses(),
        sprites: SpritesBody { running: totals.running, warm: totals.warm, cold: totals.cold },
        vms: alive.map(|state| (state_name(state), level.of(state))).collect(),
        journal: JournalBody {
            path: journal.path.map(|path| path.display().to_string()),
            missing: journal.missing,
            error: journal.error,
        },
        failures: app.host.failures(),
    })
}

/// What a monitoring system scrapes, in the Prometheus text format.
#[utoipa::path(
    get, path = "/metrics", tag = "operating",
    responses(
        (status = 200, description = "The metrics", body = String,
            content_type = "application/openmetrics-text"),
        (status = 401, description = "No valid token", body = ErrorBody),
        (status = 503, description = "The host is leaving", body = ErrorBody),
    )
)]
pub(crate) async fn metrics(State(app): State<Arc<App>>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(CONTENT_TYPE, kind)], app.metrics.encode()).into_response()
}

/// Whether the program answers at all.
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether requests should come here: the pool has been filled once, and the host is not about to leave.
pub(crate) async fn readyz(State(app): State<Arc<App>>) -> Result<&'static str, ApiError> {
    if app.leaving.load(Ordering::Acquire) {
        return Err(ApiError::unavailable("this host is leaving", 1));
    }
    if !app.is_filled() {
        let level = app.host.level();
        let message =
            format!("the pool is being filled: {} of {} are ready", level.of(Vm::Ready), level.target.depth);
        return Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", message).after(1));
    }
    Ok("ready\n")
}

impl App {
    /// Whether the pool has been at its target once.
    fn is_filled(&self) -> bool {
        if self.filled.load(Ordering::Acquire) {
            return true;
        }
        let level = self.host.level();
        let filled = level.of(Vm::Ready) >= u64::from(level.target.depth)
            || self.host.counts().readied >= u64::from(level.target.depth);
        self.filled.fetch_or(filled, Ordering::AcqRel);
        filled
    }
}
