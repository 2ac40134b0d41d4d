//! The configuration of a host: TOML whose `[fleet]`, `[pool]` and `[latency]` are those of a scenario, read
//! by the same parser, so that a policy proven in simulation is pasted unchanged. Reads files, opens no
//! socket.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use actors::policy::{PoolKey, PoolPolicy, Prefers, Step};
use actors::{Duration, WallClock};
use scenarios::scenario::{Begins, Demand, Fleet, Latency, SpriteLife, Stage};
use scenarios::{Distribution, HostFile, Scenario, ScenarioError};
use serde::{Deserialize, Serialize};

/// Which VMs a host has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Backend {
    /// Real microVMs on KVM.
    Kvm,
    /// Simulated VMs that answer in real time as `[latency]` says.
    Sim,
}

impl Backend {
    /// The name in files, answers and headers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
            Self::Sim => "sim",
        }
    }
}

/// Which backend is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BackendChoice {
    /// KVM where this host has it, else simulated VMs.
    #[default]
    Auto,
    /// KVM, or an error.
    Kvm,
    /// Simulated VMs.
    Sim,
}

/// `[server]`: where the host is reached, and what it calls itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// Which VMs to use.
    pub backend: BackendChoice,
    /// The folder of the store and, unless `token_file` is given, of the token. The user's state folder, if
    /// not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<PathBuf>,
    /// Where the tokens are, one a line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
    /// A certificate chain and its key, in PEM files: then the address speaks TLS, and nothing else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// What the URLs of Sprites begin with; `http://` and the address, if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_url: Option<String>,
    /// A Sprite is also reached as the host `NAME.domain`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// The organisation that every Sprite is said to belong to.
    pub organization: String,
    /// The region that every Sprite is said to be in.
    pub region: String,
    /// How long a create that asks for `wait_for_capacity` waits at most. The public client gives up after
    /// 120 s.
    pub capacity_wait: Duration,
    /// How long requests under way may take after SIGTERM.
    pub drain: Duration,
}

/// `[server.tls]`: the files of a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The certificate, and those that lead to its issuer.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 7878)),
            backend: BackendChoice::Auto,
            data: None,
            token_file: None,
            tls: None,
            public_url: None,
            domain: None,
            organization: "local".to_owned(),
            region: "local".to_owned(),
            capacity_wait: Duration::from_secs(110),
            drain: Duration::from_secs(20),
        }
    }
}

/// `[limits]`: what a client may ask for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Bytes of a request's body.
    pub body_bytes: u32,
    /// Bytes of a request's line and headers together.
    pub header_bytes: u32,
    /// Headers of a request.
    pub headers: u32,
    /// Connections at once.
    pub connections: u32,
    /// How long a client may take for the headers of a request, and stay connected without one.
    pub header_time: Duration,
    /// How long a client may take for the body.
    pub body_time: Duration,
    /// Creates of one token in every `creates_per`.
    pub creates: u32,
    /// See `creates`.
    pub creates_per: Duration,
    /// Sprites that may exist, running or not.
    pub names: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 64 << 10,
            header_bytes: 16 << 10,
            headers: 64,
            connections: 1_024,
            header_time: Duration::from_secs(20),
            body_time: Duration::from_secs(10),
            creates: 30_000,
            creates_per: Duration::from_secs(60),
            names: 100_000,
        }
    }
}

/// `[sprite]`: how Sprites live between uses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SpriteTable {
    /// How long a Sprite without a request stays awake before it falls asleep and gives its slot back.
    pub idle_after: Duration,
    /// How long it keeps its memory asleep before that goes to disk.
    pub cold_after: Duration,
}

impl Default for SpriteTable {
    fn default() -> Self {
        Self { idle_after: Duration::from_secs(30), cold_after: Duration::from_secs(600) }
    }
}

/// `[journal]`: what is written down of what the actors decide.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Journal {
    /// Bytes that the journals of this run and of those before it may take; 0: none is written.
    pub bytes: u64,
}

impl Default for Journal {
    fn default() -> Self {
        Self { bytes: 1 << 30 }
    }
}

/// Everything that a host is told.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where it is reached.
    pub server: Server,
    /// What a client may ask for.
    pub limits: Limits,
    /// How many VMs it holds and boots at once.
    pub fleet: Fleet,
    /// What its pool does.
    pub pool: PoolPolicy,
    /// How simulated VMs answer.
    pub latency: Latency,
    /// How Sprites live between uses.
    pub sprite: SpriteTable,
    /// What is written down.
    pub journal: Journal,
}

/// A configuration that was checked, with what it was read from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Every value in force.
    pub config: Config,
    /// The host as a scenario without demand; its clock begins now.
    pub scenario: Scenario,
    file: HostFile,
}

impl Loaded {
    /// Reads a configuration, or takes the defaults where none is given.
    ///
    /// # Errors
    /// Whatever is wrong with it, with its line, its key and the remedy.
    pub fn read(path: Option<&Path>) -> Result<Self, ScenarioError> {
        let file = match path {
            Some(path) => HostFile::load(path)?,
            None => HostFile::parse("", "the defaults")?,
        };
        Self::of(file)
    }

    /// Reads a configuration from a text; `name` stands for its file in errors.
    ///
    /// # Errors
    /// Whatever is wrong with it, with its line, its key and the remedy.
    pub fn parse(text: &str, name: &str) -> Result<Self, ScenarioError> {
        Self::of(HostFile::parse(text, name)?)
    }

    fn of(file: HostFile) -> Result<Self, ScenarioError> {
        let config: Config = file.read()?;
        let mut scenario = Scenario::default();
        scenario.fleet = config.fleet.clone();
        scenario.pool = config.pool.clone();
        scenario.latency = config.latency.clone();
        scenario.clock.begins = Begins(now());
        let mut scenario = file.check(scenario)?;
        // What a host cannot know, but a scenario that stands in a journal has to say: a user says when a use
        // is over, and demand is what comes.
        let stage = Stage { from: Some(1.0), to: None, length: Duration::from_secs(1), arrivals: None };
        scenario.demand = Demand::Stages(vec![stage]);
        scenario.sprite = SpriteLife {
            lifetime: Some(Distribution::Constant { constant: Duration::from_secs(1) }),
            idle_after: Some(config.sprite.idle_after),
            asleep: u32::MAX,
            prefers: Prefers::Own,
            ..SpriteLife::default()
        };
        let loaded = Self { config, scenario, file };
        loaded.check()?;
        Ok(loaded)
    }

    /// What a scenario may say and a host cannot do, and what only a host is told.
    fn check(&self) -> Result<(), ScenarioError> {
        let (server, limits) = (&self.config.server, &self.config.limits);
        let fail = |path: &[&str], wrong: &str, remedy: &str| Err(self.file.error_at(path, wrong, remedy));
        if self.config.fleet.workers != 1 {
            let wrong = format!("is {}, but this host is one worker", self.config.fleet.workers);
            return fail(&["fleet", "workers"], &wrong, "set it to 1, or leave it out");
        }
        if self.config.pool.key == PoolKey::Tenant {
            let wrong =
                "is \"tenant\", but every name is a tenant of its own here, and its pool would be empty";
            return fail(&["pool", "key"], wrong, "leave it at \"uniform\"");
        }
        for (key, value, least) in [
            ("body_bytes", limits.body_bytes, 1_024),
            ("header_bytes", limits.header_bytes, 8_192),
            ("headers", limits.headers, 16),
            ("connections", limits.connections, 1),
            ("creates", limits.creates, 1),
            ("names", limits.names, 1),
        ] {
            if value < least {
                let wrong = format!("is {value}");
                return fail(&["limits", key], &wrong, &format!("give at least {least}"));
            }
        }
        for (table, key, value) in [
            ("limits", "header_time", limits.header_time),
            ("limits", "body_time", limits.body_time),
            ("limits", "creates_per", limits.creates_per),
            ("server", "drain", server.drain),
            ("sprite", "idle_after", self.config.sprite.idle_after),
            ("sprite", "cold_after", self.config.sprite.cold_after),
        ] {
            if value < Duration::from_millis(1) || value > Duration::from_secs(86_400) {
                return fail(&[table, key], &format!("is {value}"), "give from 1ms to 24h");
            }
        }
        if server.capacity_wait > Duration::from_secs(86_400) {
            return fail(
                &["server", "capacity_wait"],
                &format!("is {}", server.capacity_wait),
                "give at most 24h",
            );
        }
        let bytes = self.config.journal.bytes;
        if bytes > 0 && bytes < 1 << 20 {
            return fail(
                &["journal", "bytes"],
                &format!("is {bytes}"),
                "give at least 1048576, or 0 for no journal",
            );
        }
        let plain = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        if let Some(url) = &server.public_url
            && !(plain(url) && (url.starts_with("http://") || url.starts_with("https://")))
        {
            return fail(
                &["server", "public_url"],
                &format!("is {url:?}"),
                "give a URL as in \"https://sprites.example.org\"",
            );
        }
        if let Some(domain) = &server.domain
            && !(plain(domain) && !domain.starts_with('.') && !domain.contains(['/', ':']))
        {
            return fail(
                &["server", "domain"],
                &format!("is {domain:?}"),
                "give a domain as in \"sprites.example.org\"",
            );
        }
        Ok(())
    }

    /// The configuration whole, with every default in force, as a file that reads back to the same.
    ///
    /// # Errors
    /// A value that TOML cannot hold.
    pub fn explain(&self) -> Result<String, ScenarioError> {
        self.file.explain(&self.config)
    }

    /// A path of the configuration, from the file's folder.
    pub fn path(&self, path: &Path) -> PathBuf {
        self.file.base().join(path)
    }

    /// When a client that was turned away by the policy may come again, in whole seconds.
    pub fn retry_after_s(&self) -> u64 {
        let rejects = self.config.pool.exhausted.iter().find_map(|step| match step {
            Step::Reject(reject) => Some(reject.retry_after),
            _ => None,
        });
        rejects.map_or(1, |after| after.as_nanos().div_ceil(1_000_000_000).max(1))
    }
}

/// Civil time, which schedules follow.
fn now() -> WallClock {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    WallClock::from_unix_nanos(i64::try_from(since.as_nanos()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn errors_name_line_key_and_remedy() {
        for (text, line, key, remedy) in [
            ("[pool]\ndepth = { kind = \"fixd\", ready = 4 }\n", 2, "pool.depth.kind", "fixed"),
            ("[server]\nlisten = \"127.0.0.1:1\"\nlissen = 3\n", 3, "server.lissen", "listen"),
            ("[fleet]\nworkers = 2\n", 2, "fleet.workers", "set it to 1"),
            ("[pool]\nkey = \"tenant\"\n", 2, "pool.key", "uniform"),
            ("[limits]\n\nnames = 0\n", 3, "limits.names", "at least 1"),
            (
                "[fleet]\nslots = 4\n[pool]\ndepth = { kind = \"fixed\", ready = 40 }\n",
                4,
                "pool.depth.ready",
                "lower",
            ),
            ("[server]\npublic_url = \"sprites\"\n", 2, "server.public_url", "https://"),
        ] {
            let error = Loaded::parse(text, "host.toml").unwrap_err();
            assert_eq!((error.line(), &*error.key), (Some(line), key), "{error}");
            assert!(error.to_string().contains(remedy), "{error}");
        }
    }

    #[test]
    fn what_is_explained_reads_back_to_the_same() {
        let text = "[pool]\ndepth = { kind = \"fixed\", ready = 7 }\n\
            exhausted = [ { kind = \"reject\", retry_after = \"1500ms\" } ]\n[fleet]\nslots = 9\n";
        let loaded = Loaded::parse(text, "host.toml").unwrap();
        assert_eq!(loaded.retry_after_s(), 2);
        let explained = loaded.explain().unwrap();
        assert!(
            explained.contains("ready = 7") && explained.contains("listen = \"127.0.0.1:7878\"  # default"),
            "{explained}"
        );
        assert_eq!(Loaded::parse(&explained, "again.toml").unwrap().config, loaded.config);
    }

    #[test]
    fn the_pool_of_a_scenario_is_pasted_unchanged() {
        let pool = "[pool]\ndepth = { kind = \"watermark\", low = 2, high = 6 }\n\
            refill = { kind = \"batch\", size = 3 }\n";
        let scenario =
            Scenario::parse(&format!("{pool}[[demand]]\nto = 1\nfor = \"1s\"\n"), "run.toml", &[]).unwrap();
        assert_eq!(Loaded::parse(pool, "host.toml").unwrap().config.pool, scenario.pool);
    }
}
