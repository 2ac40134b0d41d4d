//! TLS with files: a client that trusts the certificate is served, and nobody is without it.

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use support::{Need, has};

use crate::host::command;

const CONFIG: &str =
    "[server.tls]\ncert = \"cert.pem\"\nkey = \"key.pem\"\n[limits]\nheader_time = \"400ms\"\n";

fn run(folder: &Path, program: &str, arguments: &[&str]) -> (bool, String) {
    let output = Command::new(program).args(arguments).current_dir(folder).output().expect("it starts");
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn with_a_certificate_the_address_speaks_tls_and_nothing_else() {
    let tools = ["openssl", "curl"].map(|program| Need::Program {
        program: program.to_owned(),
        name: "tls",
        remedy: "install openssl and curl",
    });
    if !tools.iter().all(has) {
        return;
    }
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let folder = folder.path();
    let request = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -keyout key.pem \
        -out cert.pem -subj /CN=localhost -addext subjectAltName=DNS:localhost";
    assert!(run(folder, "openssl", &request.split_whitespace().collect::<Vec<_>>()).0);

    let mut child = command(folder, CONFIG, &["--backend", "sim"]).spawn().expect("it starts");
    let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    let line = lines.next().and_then(Result::ok).unwrap_or_default();
    let address = line.rsplit_once("https://").and_then(|(_, address)| address.parse::<SocketAddr>().ok());
    let address = address.unwrap_or_else(|| panic!("{line}"));
    let url = format!("https://localhost:{}/healthz", address.port());
    let resolve = format!("localhost:{}:127.0.0.1", address.port());
    let curl = |more: &[&str]| run(folder, "curl", &[&["-s", "--resolve", &resolve, &url], more].concat());
    assert_eq!(curl(&["--cacert", "cert.pem"]), (true, "ok\n".to_owned()));
    assert!(!curl(&[]).0, "nobody else has signed it");
    let plain = format!("http://127.0.0.1:{}/healthz", address.port());
    let (is_served, text) = run(folder, "curl", &["-s", &plain]);
    assert!(!is_served && !text.contains("ok"), "without TLS: {text}");

    let mut silent = TcpStream::connect(address).expect("it listens");
    silent.set_read_timeout(Some(Duration::from_secs(10))).expect("it can be set");
    let begun = Instant::now();
    // The host closes it, with or without a word.
    let _ = silent.read_to_end(&mut Vec::new());
    assert!(begun.elapsed() < Duration::from_secs(5), "a client that says nothing stays connected");
    child.kill().expect("it is ours");
    child.wait().expect("it is ours");

    std::fs::write(folder.join("key.pem"), "no key\n").expect("there is room");
    let output = command(folder, CONFIG, &["--backend", "sim"]).output().expect("it starts");
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("key.pem") && text.contains("private key"), "{text}");
}
