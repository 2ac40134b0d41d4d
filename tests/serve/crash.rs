//! Kill the host at any moment: what it has acknowledged is there when it comes back, and nothing is there
//! twice. The reader is the test's own: it believes only the answers that it has seen.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::host::Host;

const CONFIG: &str = "[fleet]\nslots = 4096\n\
    [pool]\ndepth = { kind = \"fixed\", ready = 24 }\n[latency]\nboot = { constant = \"2ms\" }\n";

/// What clients have seen of each name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    /// It was created with this key.
    There(u64),
    /// It was deleted.
    Gone,
    /// A request about it was never answered: it may be there or not.
    Unclear,
}

#[test]
fn after_kill_9_every_acknowledged_name_is_there_once_and_begins_anew() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let seen = Mutex::new(BTreeMap::<String, Seen>::new());
    let keys = Mutex::new(BTreeSet::new());
    let rounds = std::env::var("WARMPOOL_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(8);
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for round in 0..rounds {
        let host = Host::start(folder.path(), CONFIG, &["--backend", "sim"]);
        check(&host, &seen);
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let after = Duration::from_micros(random >> 33 & 0x3_ffff);
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for client in 0..3 {
                let (host, seen, keys, stop) = (&host, &seen, &keys, &stop);
                scope.spawn(move || work(host, &format!("r{round}-c{client}"), seen, keys, stop));
            }
            std::thread::sleep(after);
            let pid = nix::unistd::Pid::from_raw(host.pid().cast_signed());
            nix::sys::signal::kill(pid, Signal::SIGKILL).expect("it is ours");
            stop.store(true, Ordering::Release);
        });
    }
    let host = Host::start(folder.path(), CONFIG, &["--backend", "sim"]);
    check(&host, &seen);
    let names: Vec<_> = seen.lock().expect("no panic").clone().into_iter().collect();
    let there: Vec<_> = names.iter().filter(|(_, seen)| matches!(seen, Seen::There(_))).collect();
    assert!(there.len() > rounds as usize, "the load made {} names", there.len());
    let (name, _) = there[0];
    let visit = host.must("GET", &format!("/s/{name}/"), None, 200);
    assert_eq!((&visit["requests"], &visit["beginnings"]), (&1.into(), &2.into()), "{visit}");
    let status = host.must("GET", "/warmpool/v1/status", None, 200);
    assert_eq!(status["sprites"]["running"], 1, "{status}");
    let awake = ["running", "idle"].iter().filter_map(|state| status["vms"][state].as_u64()).sum::<u64>();
    assert_eq!(awake, 1, "a VM without a name is left: {status}");
}

/// Creates names and deletes every third, and notes only what was answered.
fn work(
    host: &Host,
    prefix: &str,
    seen: &Mutex<BTreeMap<String, Seen>>,
    keys: &Mutex<BTreeSet<u64>>,
    stop: &AtomicBool,
) {
    for number in 0.. {
        if stop.load(Ordering::Acquire) {
            return;
        }
        let name = format!("{prefix}-{number}");
        let note = |what| seen.lock().expect("no panic").insert(name.clone(), what);
        note(Seen::Unclear);
        let Some(made) = host.ask("POST", "/v1/sprites", Some(&format!("{{\"name\":\"{name}\"}}"))) else {
            return;
        };
        assert_eq!(made.status, 201, "{made:?}");
        let key = made.body["warmpool"]["key"].as_u64().expect("a key is a number");
        assert!(keys.lock().expect("no panic").insert(key), "key {key} was given twice");
        note(Seen::There(key));
        if number % 3 == 0 {
            note(Seen::Unclear);
            let Some(gone) = host.ask("DELETE", &format!("/v1/sprites/{name}"), None) else { return };
            assert_eq!(gone.status, 204, "{gone:?}");
            note(Seen::Gone);
        }
    }
}

/// What the host lists against what was seen. What was unclear is clear from now on.
fn check(host: &Host, seen: &Mutex<BTreeMap<String, Seen>>) {
    let mut seen = seen.lock().expect("no panic");
    let mut listed = BTreeMap::new();
    for sprite in host.all() {
        let name = sprite["name"].as_str().expect("it is text").to_owned();
        let key = sprite["warmpool"]["key"].as_u64().expect("a key is a number");
        assert_eq!(sprite["status"], "cold", "{sprite}");
        assert!(sprite["warmpool"]["memory_lost_at"].is_string(), "{sprite}");
        assert!(listed.insert(name, key).is_none(), "listed twice: {sprite}");
    }
    let distinct: BTreeSet<_> = listed.values().collect();
    assert_eq!(distinct.len(), listed.len(), "two names have one key");
    for (name, seen) in seen.iter_mut() {
        match (*seen, listed.remove(name)) {
            (Seen::There(key), there) => assert_eq!(there, Some(key), "{name} was acknowledged"),
            (Seen::Gone, there) => assert_eq!(there, None, "{name} was deleted"),
            (Seen::Unclear, Some(key)) => *seen = Seen::There(key),
            (Seen::Unclear, None) => *seen = Seen::Gone,
        }
    }
    assert!(listed.is_empty(), "nobody asked for {listed:?}");
}
