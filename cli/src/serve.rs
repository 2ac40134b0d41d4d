//! `warmpool serve`: this host as a service.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::PathBuf;

use ::serve::config::{BackendChoice, Loaded};
use ::serve::{ServeError, Settings};

use crate::Ended;
use crate::exit::{Failure, HELD};

/// Serve Sprites on this host: the public Sprites API, over the same pool and policies that a scenario
/// simulates.
///
/// Without arguments it listens on loopback, keeps its store in the user's state folder and makes a token
/// there. VMs are real microVMs where this host has KVM, else simulated ones that answer in real time; which
/// it is stands in every answer. SIGTERM and Ctrl-C end it in order.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// TOML whose tables fleet, pool and latency are those of a scenario; server and limits are the host's
    /// own
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// The address to listen on, instead of the configuration's
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,

    /// The folder of the store and of the token, instead of the configuration's
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,

    /// The tokens, one a line, in a file that is yours alone. The variable WARMPOOL_TOKEN comes before it
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,

    /// Which VMs to use, instead of the configuration's choice
    #[arg(long, value_enum)]
    backend: Option<Backend>,

    /// Print the configuration with every default in force, and end
    #[arg(long)]
    explain: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Backend {
    /// Real microVMs, or an error
    Kvm,
    /// Simulated VMs that answer in real time as the table latency says
    Sim,
}

pub(crate) fn serve(args: &Args) -> Ended {
    let mut loaded = Loaded::read(args.config.as_deref())?;
    let server = &mut loaded.config.server;
    server.listen = args.listen.unwrap_or(server.listen);
    if let Some(backend) = args.backend {
        server.backend = match backend {
            Backend::Kvm => BackendChoice::Kvm,
            Backend::Sim => BackendChoice::Sim,
        };
    }
    if args.explain {
        crate::say(&loaded.explain()?)?;
        return Ok(HELD);
    }
    let filter = tracing_subscriber::EnvFilter::try_from_env("WARMPOOL_LOG");
    let filter = filter.unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    // Somebody else may have set a logger, as tests do.
    let ansi = std::io::stderr().is_terminal();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(ansi);
    let _ = log.with_writer(std::io::stderr).try_init();
    let settings = Settings { data: args.data.clone(), token_file: args.token_file.clone() };
    let running = ::serve::start(loaded, &settings)?;
    let (address, backend) = (running.address(), running.backend().name());
    let mut text = format!("warmpool serves on {}\nbackend  {backend}", running.url());
    if let Some(why) = running.why_not_kvm() {
        text.push_str(&format!(": {why}"));
    }
    text.push_str(&format!("\ntoken    {}\ndata     {}\n", running.tokens(), running.data().display()));
    if !address.ip().is_loopback() && running.url().starts_with("http:") {
        text.push_str("warning  this address is reached from elsewhere, and without TLS: whoever listens on the way reads the token; give `server.tls`, or put a proxy before it\n");
    }
    crate::say(&text)?;
    let cut_off = running.serve();
    if cut_off > 0 {
        tracing::warn!("{cut_off} connections were cut off: they took longer than `server.drain`");
    }
    Ok(HELD)
}

impl From<ServeError> for Failure {
    fn from(error: ServeError) -> Self {
        match error {
            ServeError::Config(error) | ServeError::Host(::serve::host::HostError::Scenario(error)) => {
                Self::Scenario(error)
            }
            ServeError::Host(error @ ::serve::host::HostError::NoKvm(_)) => Self::NoKvm(format!(
                "{error}\n  `warmpool doctor` tells what this host can do; --backend sim serves simulated VMs"
            )),
            error => Self::Serve(error),
        }
    }
}
