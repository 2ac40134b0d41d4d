//! What a host writes down of its actors' decisions: it is replayed without a difference, also across a kill
//! and a restart, and is a demand for other policies to be tried on.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::host::Host;

const CONFIG: &str = "[fleet]\nslots = 8\n[pool]\ndepth = { kind = \"fixed\", ready = 2 }\n\
    exhausted = [ { kind = \"reject\" } ]\n\
    [sprite]\nidle_after = \"20ms\"\ncold_after = \"40ms\"\n[latency]\nboot = { constant = \"30ms\" }\n";

fn warmpool(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_warmpool"));
    command.args(arguments).current_dir(folder).output().expect("the command starts")
}

fn said(output: &Output) -> String {
    let (out, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    format!("{out}{errors}")
}

/// Creates, some of which the policy turns away, and uses. Gives how many requests for a Sprite came of it.
fn work(host: &Host, prefix: &str) -> u64 {
    let mut asked = 0;
    for number in 0..12 {
        let name = format!("{prefix}-{number}");
        let made =
            host.ask("POST", "/v1/sprites", Some(&format!("{{\"name\":\"{name}\"}}"))).expect("it answers");
        asked += 1;
        if made.status == 429 {
            std::thread::sleep(Duration::from_millis(40));
            continue;
        }
        assert_eq!(made.status, 201, "{made:?}");
        host.must("GET", &format!("/s/{name}/"), None, 200);
        if number % 2 == 0 {
            std::thread::sleep(Duration::from_millis(60));
        }
        host.must("GET", &format!("/s/{name}/"), None, 200);
        asked += 2;
        if number % 3 == 0 {
            host.must("DELETE", &format!("/v1/sprites/{name}"), None, 204);
        }
    }
    asked
}

#[test]
fn two_runs_with_a_kill_between_them_replay_and_are_a_demand_for_other_policies() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let host = Host::start(folder.path(), CONFIG, &["--backend", "sim"]);
    let mut asked = work(&host, "before");
    // The journal is written some hundred times a second.
    std::thread::sleep(Duration::from_millis(100));
    assert!(!host.end(Signal::SIGKILL).success());
    let host = Host::start(folder.path(), CONFIG, &["--backend", "sim"]);
    asked += work(&host, "after");
    let status = host.must("GET", "/warmpool/v1/status", None, 200);
    assert_eq!((&status["journal"]["missing"], status["journal"]["error"].is_null()), (&0.into(), true));
    assert_eq!(host.end(Signal::SIGTERM).code(), Some(0));

    let replayed = warmpool(folder.path(), &["replay", "data/journal", "--demand", "yesterday"]);
    let text = said(&replayed);
    assert_eq!(replayed.status.code(), Some(0), "{text}");
    assert_eq!(text.matches("SAME  ").count(), 2, "{text}");
    let counts = text.split_whitespace().filter_map(|word| word.parse::<u64>().ok());
    assert!(counts.clone().all(|count| count > 30) && counts.count() == 3, "{text}");

    let run = warmpool(folder.path(), &["run", "yesterday/scenario.toml", "--json"]);
    let summary: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap_or_default();
    assert_eq!(summary["requests"], asked, "{}", said(&run));
    let deeper = "[pool]\ndepth = { kind = \"fixed\", ready = 6 }\n";
    std::fs::write(folder.path().join("deeper.toml"), deeper).expect("there is room");
    let arguments = ["compare", "yesterday/scenario.toml", "--pool", "deeper.toml", "--seeds", "3"];
    let compared = warmpool(folder.path(), &arguments);
    assert_eq!(compared.status.code(), Some(0), "{}", said(&compared));
    assert!(said(&compared).contains("deeper"), "{}", said(&compared));
}

#[test]
fn a_journal_that_was_changed_is_not_believed() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let host = Host::start(folder.path(), CONFIG, &["--backend", "sim"]);
    work(&host, "box");
    assert_eq!(host.end(Signal::SIGTERM).code(), Some(0));
    let path = folder.path().join("data/journal/run-000001/deliveries.journal");
    let mut bytes = std::fs::read(&path).expect("it is there");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).expect("there is room");
    let replayed = warmpool(folder.path(), &["replay", "data/journal"]);
    assert_ne!(replayed.status.code(), Some(0), "{}", said(&replayed));
    assert!(said(&replayed).contains("damaged"), "{}", said(&replayed));
}

/// A small file system, where this user may mount one. It is gone when this is dropped.
struct Small(std::path::PathBuf);

impl Small {
    fn mount(at: &Path, size: &str) -> Option<Self> {
        std::fs::create_dir_all(at).expect("there is room for a folder");
        let size = format!("size={size}");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(at).output();
        mounted.is_ok_and(|output| output.status.success()).then(|| Self(at.to_owned()))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // The folder of the test goes anyway.
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_said_and_counted_and_serving_goes_on() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let journal = folder.path().join("data/journal");
    let Some(_small) = Small::mount(&journal, "64k") else {
        eprintln!("skipped: this user may not mount a small file system");
        return;
    };
    let host = Host::start(folder.path(), CONFIG, &["--backend", "sim"]);
    for round in 0.. {
        work(&host, &format!("r{round}"));
        let status = host.must("GET", "/warmpool/v1/status", None, 200);
        if status["journal"]["missing"].as_u64() > Some(0) {
            assert!(status["journal"]["error"].as_str().is_some_and(|why| why.contains("space")), "{status}");
            break;
        }
        assert!(round < 20, "it is never full: {status}");
    }
    work(&host, "full");
    assert_eq!(host.end(Signal::SIGTERM).code(), Some(0));
    let replayed = warmpool(folder.path(), &["replay", "data/journal"]);
    assert_eq!(replayed.status.code(), Some(0), "{}", said(&replayed));
    assert!(said(&replayed).contains("SAME"), "what was written is whole: {}", said(&replayed));
}

#[cfg(target_os = "linux")]
#[test]
fn a_store_that_cannot_grow_says_so_and_creates_go_on_when_it_can() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let data = folder.path().join("data");
    let Some(_small) = Small::mount(&data, "2m") else {
        eprintln!("skipped: this user may not mount a small file system");
        return;
    };
    let host = Host::start(folder.path(), &format!("{CONFIG}[journal]\nbytes = 0\n"), &["--backend", "sim"]);
    host.must("POST", "/v1/sprites", Some("{\"name\":\"kept\"}"), 201);
    let filler = data.join("filler");
    // As much as there is room for.
    let _ = std::fs::write(&filler, vec![1; 4 << 20]);
    let labels = vec!["x".repeat(120); 32];
    let mut told = None;
    for number in 0..500 {
        let body = serde_json::json!({ "name": format!("box-{number}"), "labels": labels, "wait_for_capacity": true });
        let answer = host.ask("POST", "/v1/sprites", Some(&body.to_string())).expect("it answers");
        if answer.status != 201 {
            told = Some(answer);
            break;
        }
        host.must("DELETE", "/v1/sprites/kept", None, 204);
        host.must("POST", "/v1/sprites", Some("{\"name\":\"kept\",\"wait_for_capacity\":true}"), 201);
    }
    let told = told.expect("the disk is full at last");
    assert_eq!(told.status, 503, "{told:?}");
    assert!(told.body["message"].as_str().is_some_and(|text| text.contains("space")), "{told:?}");
    host.must("GET", "/v1/sprites/kept", None, 200);
    std::fs::remove_file(&filler).expect("it is there");
    host.must("POST", "/v1/sprites", Some("{\"name\":\"after\",\"wait_for_capacity\":true}"), 201);
}
