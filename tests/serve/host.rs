//! A host that a test starts: the command `warmpool serve`, a client of one request at a time, and its end.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// See the [module](self). Dropping it kills the host.
pub(crate) struct Host {
    child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) backend: String,
    pub(crate) token: String,
}

/// What a host answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Value,
}

/// The command, on a free port, with its folder and its configuration in `folder`.
pub(crate) fn command(folder: &Path, config: &str, arguments: &[&str]) -> Command {
    std::fs::write(folder.join("host.toml"), config).expect("there is room for a file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_warmpool"));
    command.args(["serve", "--config", "host.toml", "--data", "data", "--listen", "127.0.0.1:0"]);
    command.args(arguments).current_dir(folder).env_remove("WARMPOOL_TOKEN");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

impl Host {
    /// Starts a host and waits until it is ready.
    pub(crate) fn start(folder: &Path, config: &str, arguments: &[&str]) -> Self {
        let mut child = command(folder, config, arguments).spawn().expect("the command starts");
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let mut next = || lines.next().and_then(Result::ok).unwrap_or_default();
        let (address, backend) = (next(), next());
        let address = address.rsplit_once("http://").and_then(|(_, address)| address.parse().ok());
        let Some(address) = address else {
            let mut told = String::new();
            let _ = child.stderr.take().map(|mut errors| errors.read_to_string(&mut told));
            panic!("the host did not start: {told}");
        };
        // What it logs is read by nobody, and must not fill the pipe.
        let errors = child.stderr.take();
        std::thread::spawn(move || errors.map(|mut errors| std::io::copy(&mut errors, &mut std::io::sink())));
        let token = std::fs::read_to_string(folder.join("data/token")).expect("a token was made");
        let backend = backend.split_whitespace().nth(1).unwrap_or_default().trim_end_matches(':').to_owned();
        let host = Self { child, address, backend, token: token.trim().to_owned() };
        let begun = Instant::now();
        while host.ask("GET", "/readyz", None).is_none_or(|answer| answer.status != 200) {
            assert!(begun.elapsed() < Duration::from_secs(60), "it is not ready");
            std::thread::sleep(Duration::from_millis(5));
        }
        host
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal, and waits for the end.
    pub(crate) fn end(mut self, signal: nix::sys::signal::Signal) -> std::process::ExitStatus {
        let pid = nix::unistd::Pid::from_raw(self.pid().cast_signed());
        nix::sys::signal::kill(pid, signal).expect("it is ours");
        self.child.wait().expect("it can be waited for")
    }

    /// One request with the token, on a connection of its own. `None` where there is no whole answer.
    pub(crate) fn ask(&self, method: &str, path: &str, body: Option<&str>) -> Option<Answer> {
        self.ask_with(method, path, &format!("authorization: Bearer {}\r\n", self.token), body)
    }

    /// The same with these headers.
    pub(crate) fn ask_with(
        &self,
        method: &str,
        path: &str,
        headers: &str,
        body: Option<&str>,
    ) -> Option<Answer> {
        let json = body.map_or(String::new(), |body| {
            format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len())
        });
        let host = if headers.contains("host: ") { String::new() } else { "host: test\r\n".to_owned() };
        let head = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n{host}{headers}{json}\r\n");
        self.say(format!("{head}{}", body.unwrap_or_default()).as_bytes())
    }

    /// Sends bytes and reads until the host closes.
    pub(crate) fn say(&self, bytes: &[u8]) -> Option<Answer> {
        let mut stream = TcpStream::connect(self.address).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(60))).ok()?;
        stream.write_all(bytes).ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some(Answer {
            status,
            head: head.to_owned(),
            body: serde_json::from_str(body).unwrap_or(Value::Null),
        })
    }

    /// A request that must be answered so.
    #[track_caller]
    pub(crate) fn must(&self, method: &str, path: &str, body: Option<&str>, status: u16) -> Value {
        let answer = self.ask(method, path, body).unwrap_or_else(|| panic!("{method} {path}: no answer"));
        assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
        answer.body
    }

    /// Every Sprite, page by page.
    pub(crate) fn all(&self) -> Vec<Value> {
        let (mut all, mut token) = (Vec::new(), String::new());
        loop {
            let page = self.must("GET", &format!("/v1/sprites?continuation_token={token}"), None, 200);
            all.extend(page["sprites"].as_array().cloned().unwrap_or_default());
            match page["next_continuation_token"].as_str() {
                Some(next) => token = next.to_owned(),
                None => return all,
            }
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
