//! The official Python client against a host with simulated VMs, whatever schemathesis thinks of, and the
//! essentials on real ones.

use std::path::{Path, PathBuf};
use std::process::Command;

use support::{Need, has};

use crate::host::Host;

const PACKAGE: &str = "sprites-py==0.7.2";

/// A Python with a package in it, which comes with a program; or the reason why there is none.
fn python(folder: &Path, package: &'static str, program: &str) -> Option<PathBuf> {
    let remedy = "install python3 with its venv module";
    if !has(&Need::Program { program: "python3".to_owned(), name: "pip", remedy }) {
        return None;
    }
    let venv = folder.join("venv");
    let run = |program: &Path, arguments: &[&str]| {
        Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success())
    };
    let python = venv.join("bin/python");
    let made = run(Path::new("python3"), &["-m", "venv", &venv.to_string_lossy()]);
    let installed =
        made && run(&python, &["-m", "pip", "install", "--quiet", "--disable-pip-version-check", package]);
    let program = venv.join("bin").join(if installed { program } else { "what-was-to-be-installed" });
    let remedy = "let `pip install` reach a package index";
    let need = Need::Program { program: program.to_string_lossy().into_owned(), name: "pip", remedy };
    has(&need).then_some(python)
}

fn passes(python: &Path, host: &Host, part: &str) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/serve/client.py");
    let url = format!("http://{}", host.address);
    let output =
        Command::new(python).arg(script).args([part, &url, &host.token]).output().expect("it starts");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{part}: {told}");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "passed", "{told}");
}

const ROOMY: &str = r#"
[fleet]
slots = 256
[pool]
depth = { kind = "fixed", ready = 40 }
exhausted = [ { kind = "wait", deadline = "60s" } ]
[latency]
boot = { constant = "5ms" }
"#;

const TIGHT: &str = r#"
[server]
capacity_wait = "2s"
[fleet]
slots = 40
[pool]
depth = { kind = "fixed", ready = 40 }
exhausted = [ { kind = "reject", retry_after = "3s" } ]
[latency]
boot = { constant = "5ms" }
"#;

const SLOW: &str = "[limits]\ncreates = 3\ncreates_per = \"10m\"\n";

#[test]
fn the_official_client_does_all_that_this_guest_can() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    // A program that is there once the client's own dependencies are.
    let Some(python) = python(folder.path(), PACKAGE, "httpx") else { return };
    for (config, parts) in
        [(ROOMY, &["life", "burst", "one-name"][..]), (TIGHT, &["full"]), (SLOW, &["rate"])]
    {
        let own = tempfile::tempdir().expect("there is room for a folder");
        let host = Host::start(own.path(), config, &["--backend", "sim"]);
        for part in parts {
            passes(&python, &host, part);
        }
        assert_eq!(host.end(nix::sys::signal::Signal::SIGTERM).code(), Some(0), "it ends in order");
    }
}

/// What schemathesis looks for in each answer.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
    response_schema_conformance,response_headers_conformance";

#[test]
fn whatever_is_asked_no_answer_is_outside_the_schema() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let Some(python) = python(folder.path(), "schemathesis==4.32.0", "schemathesis") else { return };
    let host = Host::start(folder.path(), ROOMY, &["--backend", "sim"]);
    for name in ["a", "b"] {
        host.must("POST", "/v1/sprites", Some(&format!("{{\"name\":\"{name}\"}}")), 201);
    }
    let url = format!("http://{}/openapi.json", host.address);
    let header = format!("Authorization: Bearer {}", host.token);
    let output = Command::new(python.with_file_name("schemathesis"))
        .args(["run", &url, "-H", &header, "--checks", CHECKS, "--max-examples", "30"])
        .args(["--phases", "examples,coverage,fuzzing", "--seed", "1"])
        .current_dir(folder.path())
        .output()
        .expect("it starts");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && told.contains("generated"), "{told}");
    host.must("GET", "/warmpool/v1/status", None, 200);
}

#[test]
fn on_real_microvms_a_guest_keeps_its_own_memory_and_ends_with_its_name() {
    if !has(&Need::Kvm) {
        return;
    }
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let config = "[fleet]\nslots = 8\n[pool]\ndepth = { kind = \"fixed\", ready = 3 }\n";
    let host = Host::start(folder.path(), config, &["--backend", "kvm"]);
    assert_eq!(host.backend, "kvm");
    for name in ["one", "two"] {
        host.must("POST", "/v1/sprites", Some(&format!("{{\"name\":\"{name}\"}}")), 201);
    }
    let visits: Vec<_> =
        ["one", "one", "two", "one"].map(|name| host.must("GET", &format!("/s/{name}/"), None, 200)).into();
    let counts: Vec<_> = visits.iter().map(|visit| visit["requests"].as_u64()).collect();
    assert_eq!(counts, [Some(1), Some(2), Some(1), Some(3)], "{visits:?}");
    assert_eq!(visits[0]["identity"], visits[3]["identity"]);
    assert_ne!(visits[0]["identity"], visits[2]["identity"]);
    host.must("DELETE", "/v1/sprites/one", None, 204);
    let begun = std::time::Instant::now();
    let awake = || {
        let vms = host.must("GET", "/warmpool/v1/status", None, 200)["vms"].clone();
        ["running", "idle", "stopping"].iter().filter_map(|state| vms[state].as_u64()).sum::<u64>()
    };
    while awake() != 1 {
        assert!(begun.elapsed() < std::time::Duration::from_secs(10), "the VM of a deleted Sprite runs on");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let answer = host.ask("GET", "/s/two/", None).expect("it answers");
    assert!(answer.head.contains("warmpool-backend: kvm"), "{answer:?}");
    assert_eq!(host.end(nix::sys::signal::Signal::SIGTERM).code(), Some(0));
}
