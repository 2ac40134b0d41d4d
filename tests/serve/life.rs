//! A named Sprite between its uses: idle, warm, cold, and after the host was killed. Its guest counts
//! requests in its own memory, so that one sees whether that survived. One body, on simulated and on real
//! microVMs.

use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::Value;
use support::{Need, has};

use crate::host::Host;

const CONFIG: &str = "[fleet]\nslots = 4\n[pool]\ndepth = { kind = \"fixed\", ready = 2 }\n\
    [sprite]\nidle_after = \"200ms\"\ncold_after = \"300ms\"\n[latency]\nboot = { constant = \"5ms\" }\n";
/// Sprites sleep only when they are told to.
const WAKEFUL: &str = "[fleet]\nslots = 2\n[pool]\ndepth = { kind = \"fixed\", ready = 2 }\n\
    [sprite]\nidle_after = \"1h\"\ncold_after = \"1h\"\n[latency]\nboot = { constant = \"5ms\" }\n";

fn create(host: &Host, name: &str) -> Value {
    host.must("POST", "/v1/sprites", Some(&format!("{{\"name\":\"{name}\"}}")), 201)
}

fn visit(host: &Host, name: &str) -> Value {
    host.must("GET", &format!("/s/{name}/"), None, 200)
}

fn see(host: &Host, name: &str) -> Value {
    host.must("GET", &format!("/v1/sprites/{name}"), None, 200)
}

fn sleep(host: &Host, name: &str, to: &str) -> Value {
    let path = format!("/warmpool/v1/sprites/{name}/sleep");
    host.must("POST", &path, Some(&format!("{{\"to\":\"{to}\"}}")), 200)
}

/// Waits until a Sprite has this status.
#[track_caller]
fn becomes(host: &Host, name: &str, status: &str) -> Value {
    let begun = Instant::now();
    loop {
        let sprite = see(host, name);
        if sprite["status"] == status {
            return sprite;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{name} does not become {status}: {sprite}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn saved(folder: &Path) -> Vec<String> {
    let files = std::fs::read_dir(folder.join("data/sleepers")).expect("it is there");
    let names = files.map(|file| file.expect("it can be read").file_name().to_string_lossy().into_owned());
    names.filter(|name| name != "template").collect()
}

/// Runs a body on each backend that is to be had.
fn on_each(body: fn(&str)) {
    body("sim");
    if has(&Need::Kvm) {
        body("kvm");
    }
}

#[test]
fn an_idle_sprite_becomes_warm_then_cold_and_wakes_with_its_memory_from_both() {
    on_each(|backend| {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let host = Host::start(folder.path(), CONFIG, &["--backend", backend]);
        let made = create(&host, "box");
        let first = visit(&host, "box");
        let warm = becomes(&host, "box", "warm");
        assert!(warm["last_warming_at"].is_string() && made["last_warming_at"].is_null(), "{warm}");
        let page = host.must("GET", "/v1/sprites", None, 200);
        assert_eq!((&page["running"], &page["warm"], &page["cold"]), (&0.into(), &1.into(), &0.into()));
        let second = visit(&host, "box");
        assert_eq!(see(&host, "box")["status"], "running");
        let cold = becomes(&host, "box", "cold");
        assert_eq!(cold["warmpool"]["has_memory"], true, "{cold}");
        assert_eq!(saved(folder.path()).len(), 1);
        let third = visit(&host, "box");
        for (number, answer) in [&first, &second, &third].into_iter().enumerate() {
            assert_eq!(answer["requests"], number + 1, "{answer}");
            assert_eq!(answer["beginnings"], 1, "{answer}");
            assert_eq!(answer["began_at"], first["began_at"], "{answer}");
            assert_eq!(answer["identity"], first["identity"], "{answer}");
        }
        assert!(third["generation"].as_u64() > second["generation"].as_u64(), "{third}");
        assert!(second["generation"].as_u64() > first["generation"].as_u64(), "{second}");
        assert!(saved(folder.path()).is_empty(), "a memory that was woken stays on disk");
        let status = host.must("GET", "/warmpool/v1/status", None, 200);
        assert_eq!(status["outcomes"]["woken"], 2, "{status}");
    });
}

#[test]
fn after_kill_9_a_cold_sprite_has_its_memory_and_one_that_was_warm_or_awake_says_that_it_has_lost_it() {
    on_each(|backend| {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let host = Host::start(folder.path(), WAKEFUL, &["--backend", backend]);
        for name in ["cold", "warm", "awake"] {
            create(&host, name);
            for _ in 0..3 {
                visit(&host, name);
            }
            match name {
                "awake" => {}
                to => assert_eq!(sleep(&host, name, to)["status"], to),
            }
        }
        let before = ["cold", "warm", "awake"].map(|name| see(&host, name));
        assert!(!host.end(Signal::SIGKILL).success());
        // What a crash may leave behind: a file that no record names.
        std::fs::write(folder.path().join("data/sleepers/key-999"), b"left over").expect("there is room");
        let host = Host::start(folder.path(), WAKEFUL, &["--backend", backend]);
        assert_eq!(saved(folder.path()).len(), 1, "only what can be woken is kept");
        for (name, before) in ["cold", "warm", "awake"].iter().zip(&before) {
            let after = see(&host, name);
            assert_eq!(after["status"], "cold");
            assert_eq!(
                (&after["id"], &after["warmpool"]["key"]),
                (&before["id"], &before["warmpool"]["key"])
            );
            let is_kept = *name == "cold";
            assert_eq!(after["warmpool"]["has_memory"], is_kept, "{after}");
            assert_eq!(after["warmpool"]["memory_lost_at"].is_null(), is_kept, "{after}");
            let answer = visit(&host, name);
            let expected = if is_kept { (4, 1) } else { (1, 2) };
            assert_eq!(
                (&answer["requests"], &answer["beginnings"]),
                (&expected.0.into(), &expected.1.into())
            );
            sleep(&host, name, "warm");
        }
        // Asked to leave, the host saves what sleeps and what is awake.
        visit(&host, "awake");
        assert_eq!(host.end(Signal::SIGTERM).code(), Some(0));
        let host = Host::start(folder.path(), WAKEFUL, &["--backend", backend]);
        let counts = ["cold", "warm", "awake"].map(|name| {
            let count = visit(&host, name)["requests"].clone();
            sleep(&host, name, "warm");
            count
        });
        assert_eq!(counts, [5, 2, 3], "nobody has lost a request");
        assert!(saved(folder.path()).is_empty());
    });
}

#[test]
fn requests_for_a_name_never_get_another_sprite_at_whatever_moment_they_come() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let config = "[fleet]\nslots = 3\n[pool]\ndepth = { kind = \"fixed\", ready = 3 }\n\
        [sprite]\nidle_after = \"5ms\"\ncold_after = \"10ms\"\n\
        [latency]\nboot = { constant = \"1ms\" }\nsleep = { constant = \"6ms\" }\nwake = { constant = \"2ms\" }\n";
    let host = Host::start(folder.path(), config, &["--backend", "sim"]);
    create(&host, "box");
    let mut random = 7_u64;
    for number in 1..=200 {
        let answer = visit(&host, "box");
        assert_eq!((&answer["requests"], &answer["beginnings"]), (&number.into(), &1.into()), "{answer}");
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        std::thread::sleep(Duration::from_micros(random >> 33 & 0x7fff));
    }
    let status = host.must("GET", "/warmpool/v1/status", None, 200);
    let failed = ["rejected", "failed"].map(|outcome| status["outcomes"][outcome].clone());
    assert_eq!(failed, [0, 0], "{status}");
    assert!(status["outcomes"]["woken"].as_u64() > Some(20), "it slept: {status}");
}

#[test]
fn a_sprite_is_kept_awake_put_to_sleep_restarted_and_deleted_in_any_state() {
    on_each(|backend| {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let host = Host::start(folder.path(), CONFIG, &["--backend", backend]);
        let made = create(&host, "box");
        visit(&host, "box");
        let awake = "/warmpool/v1/sprites/box/awake";
        let kept = host.must("PUT", awake, Some("{\"seconds\":60}"), 200);
        assert!(kept["warmpool"]["awake_for_ms"].as_u64() > Some(50_000), "{kept}");
        std::thread::sleep(Duration::from_millis(600));
        assert_eq!(see(&host, "box")["status"], "running", "it was told to stay awake");
        host.must("PUT", awake, Some("{\"seconds\":0}"), 200);
        becomes(&host, "box", "warm");
        host.must("PUT", awake, Some("{\"seconds\":1}"), 200);
        assert_eq!(see(&host, "box")["status"], "running", "it is woken to be kept awake");
        becomes(&host, "box", "warm");
        assert_eq!(sleep(&host, "box", "cold")["status"], "cold");
        host.must("PUT", awake, Some("{\"seconds\":86401}"), 400);
        host.must("POST", "/warmpool/v1/sprites/none/sleep", Some("{}"), 404);

        let restarted = host.must("POST", "/warmpool/v1/sprites/box/restart", None, 200);
        assert_eq!(restarted["warmpool"]["key"], made["warmpool"]["key"]);
        assert!(restarted["warmpool"]["memory_lost_at"].is_string(), "{restarted}");
        let answer = visit(&host, "box");
        assert_eq!((&answer["requests"], &answer["beginnings"]), (&1.into(), &2.into()), "{answer}");

        for (name, to) in [("a", "running"), ("b", "warm"), ("c", "cold")] {
            create(&host, name);
            if to != "running" {
                sleep(&host, name, to);
            }
        }
        for name in ["box", "a", "b", "c"] {
            host.must("DELETE", &format!("/v1/sprites/{name}"), None, 204);
        }
        let begun = Instant::now();
        loop {
            let vms = host.must("GET", "/warmpool/v1/status", None, 200)["vms"].clone();
            let held = ["running", "idle", "asleep", "starting", "waking", "stopping"];
            if held.iter().all(|state| vms[state] == 0) {
                break;
            }
            assert!(begun.elapsed() < Duration::from_secs(10), "VMs of deleted Sprites are left: {vms}");
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(saved(folder.path()).is_empty());
    });
}
