//! Puts the rooms together: from a configuration to a host that answers, and to its orderly end.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use runtime::JournalPaths;
use scenarios::ScenarioError;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::api::{App, router};
use crate::auth::{AuthError, Tokens};
use crate::config::{Backend, Loaded};
use crate::door;
use crate::host::{self, Changes, Host, HostError};
use crate::journal;
use crate::metrics::Metrics;
use crate::rate::Rates;
use crate::sprites::Sprites;
use crate::store::{RedbStore, StoreError};
use crate::tls::{TlsError, acceptor};

/// Why a host cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The configuration is invalid.
    #[error(transparent)]
    Config(#[from] ScenarioError),
    /// The VMs cannot be had.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The tokens cannot be used.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// No folder for the data is known.
    #[error("no folder for the data is known\n  name one with --data, or set HOME")]
    NoFolder,
    /// The certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The address cannot be listened on.
    #[error("{address}: cannot be listened on: {source}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// Threads cannot be had.
    #[error("threads cannot be started: {0}")]
    Threads(#[source] std::io::Error),
}

/// What is laid over the configuration by whoever starts the host.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The folder of the store.
    pub data: Option<PathBuf>,
    /// Where the tokens are.
    pub token_file: Option<PathBuf>,
}

/// A host that was put together and does not answer yet.
pub struct Running {
    runtime: tokio::runtime::Runtime,
    app: Arc<App>,
    changes: Changes,
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    address: SocketAddr,
    tokens: String,
    data: PathBuf,
}

/// Opens the store, starts the VMs and listens.
///
/// # Errors
/// Whatever is missing or invalid, with the remedy.
pub fn start(loaded: Loaded, settings: &Settings) -> Result<Running, ServeError> {
    let server = &loaded.config.server;
    let data = settings.data.clone().or_else(|| server.data.as_deref().map(|data| loaded.path(data)));
    let data = data.or_else(state_folder).ok_or(ServeError::NoFolder)?;
    make_folder(&data).map_err(|source| StoreError::Folder { path: data.clone(), source })?;
    let token_file = settings.token_file.clone();
    let token_file = token_file.or_else(|| server.token_file.as_deref().map(|file| loaded.path(file)));
    let (accepted, tokens) = Tokens::find(token_file.as_deref(), &data)?;
    let tls = match &server.tls {
        Some(tls) => Some(acceptor(&loaded.path(&tls.cert), &loaded.path(&tls.key))?),
        None => None,
    };
    let scheme = if tls.is_some() { "https" } else { "http" };
    let store = RedbStore::open(&data)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 8))
        .enable_all()
        .build()
        .map_err(ServeError::Threads)?;
    let address = server.listen;
    let failed = |source| ServeError::Listen { address, source };
    let listener = runtime.block_on(door::listen(address)).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let sleepers = data.join("sleepers");
    make_folder(&sleepers).map_err(|source| StoreError::Folder { path: sleepers.clone(), source })?;
    let bytes = loaded.config.journal.bytes;
    let journals = if bytes == 0 {
        JournalPaths::default()
    } else {
        // A host that cannot write its journal serves all the same, and says so.
        journal::begin_run(&data, loaded.scenario.explain()?, bytes).unwrap_or_else(|error| {
            tracing::error!("{}: decisions are not written down: {error}", data.display());
            JournalPaths::default()
        })
    };
    let (host, changes, why_not_kvm) = host::launch(&loaded, &sleepers, &journals)?;
    let host: Arc<dyn Host> = Arc::new(host);
    let metrics = Metrics::new(Arc::clone(&host));
    let writes = metrics.store_writes();
    let limits = &loaded.config.limits;
    let cold_after = Duration::from_nanos(loaded.config.sprite.cold_after.as_nanos());
    let wrote = move |changes, _| writes.wrote(changes);
    let sprites = Sprites::open(Box::new(store), Arc::clone(&host), limits.names, cold_after, wrote)?;
    let window = Duration::from_nanos(limits.creates_per.as_nanos());
    let app = App {
        base_url: server.public_url.clone().unwrap_or_else(|| format!("{scheme}://{address}")),
        rates: Rates::new(limits.creates, window, accepted.count()),
        tokens: accepted,
        begun: Instant::now(),
        leaving: AtomicBool::new(false),
        filled: AtomicBool::new(false),
        loaded,
        host,
        sprites: Arc::new(sprites),
        metrics,
        why_not_kvm,
    };
    Ok(Running { runtime, app: Arc::new(app), changes, listener, tls, address, tokens, data })
}

impl Running {
    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it is reached.
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// Which VMs it has.
    pub fn backend(&self) -> Backend {
        self.app.host.backend()
    }

    /// Why it is not KVM, where that was left open.
    pub fn why_not_kvm(&self) -> Option<&str> {
        self.app.why_not_kvm.as_deref()
    }

    /// Where the tokens are.
    pub fn tokens(&self) -> &str {
        &self.tokens
    }

    /// The folder of the store.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Answers until SIGTERM or SIGINT, then refuses what is new, finishes what is under way within the
    /// bound, saves the memory of every Sprite within another, and ends every VM. Gives how many connections
    /// had to be cut off.
    pub fn serve(self) -> usize {
        let Self { runtime, app, changes, listener, tls, .. } = self;
        let cut_off = runtime.block_on(async {
            let (router, limits) = (router(&app), app.loaded.config.limits.clone());
            let drain = Duration::from_nanos(app.loaded.config.server.drain.as_nanos());
            let (watching, keeping) = (Arc::clone(&app.sprites), Arc::clone(&app.sprites));
            tokio::spawn(async move { watching.watch(changes).await });
            tokio::spawn(async move { keeping.keep_time().await });
            let (told, leaving) = (Arc::clone(&app), Arc::clone(&app));
            let turned_away = move || told.metrics.turned_away();
            let stop = async move {
                asked_to_leave().await;
                tracing::info!("leaving: new requests are refused, those under way have {drain:?}");
                leaving.leaving.store(true, Ordering::Release);
                // Whoever comes now is told where it stands, before nobody listens any more.
                tokio::time::sleep((drain / 4).min(Duration::from_millis(500))).await;
            };
            let cut_off = door::serve(listener, tls, router, &limits, drain, turned_away, stop).await;
            let lost = app.sprites.rest(drain).await;
            if lost > 0 {
                tracing::warn!("the memory of {lost} sprites could not be saved and is lost");
            }
            cut_off
        });
        // Tasks that are left are dropped here, and with the last of them the VMs.
        runtime.shutdown_timeout(Duration::from_secs(1));
        drop(app);
        cut_off
    }
}

#[cfg(unix)]
async fn asked_to_leave() {
    use tokio::signal::unix::{SignalKind, signal};
    let (terminate, interrupt) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    match (terminate, interrupt) {
        (Ok(mut terminate), Ok(mut interrupt)) => {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        }
        _ => {
            tracing::error!("signals cannot be watched: this host ends without notice");
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(not(unix))]
async fn asked_to_leave() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Where a program keeps its state: what systemd names, else what the user's desktop names, else the usual
/// place in the home.
fn state_folder() -> Option<PathBuf> {
    let named = |variable| std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(folder) = named("STATE_DIRECTORY") {
        return Some(folder);
    }
    let state = named("XDG_STATE_HOME").or_else(|| named("HOME").map(|home| home.join(".local/state")))?;
    Some(state.join("warmpool"))
}

/// Makes a folder that nobody else may look into, unless it is there.
fn make_folder(path: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}
