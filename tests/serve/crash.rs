//! Kill the host at any moment: what it has acknowledged is there when it comes back, with its memory where
//! that was on disk, and nothing is there twice. The reader is the test's own: it believes only the answers
//! that it has seen. `WARMPOOL_KILLS=200` kills that often.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::host::Host;

/// Nothing goes to disk unless the load asks for it.
const CONFIG: &str = "[fleet]\nslots = 4096\n\
    [pool]\ndepth = { kind = \"fixed\", ready = 24 }\n\
    [sprite]\nidle_after = \"5ms\"\ncold_after = \"1h\"\n[latency]\nboot = { constant = \"2ms\" }\n";

/// What clients have seen of each name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    /// It was created.
    There(Sprite),
    /// It was deleted.
    Gone,
    /// Its create or delete was never answered: it may be there or not.
    Unclear,
}

/// What clients have seen of one Sprite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sprite {
    key: u64,
    /// Requests that its guest has answered, and those that it may have.
    answered: u64,
    asked: u64,
    memory: Memory,
}

/// Where the memory of a Sprite is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Memory {
    /// In a VM.
    Here,
    /// On disk: that was acknowledged, and it was not used since.
    Saved,
    /// A use or a sleep was never answered.
    Unclear,
}

#[derive(Default)]
struct Books {
    seen: Mutex<BTreeMap<String, Seen>>,
    keys: Mutex<BTreeSet<u64>>,
}

impl Books {
    fn note(&self, name: &str, what: Seen) {
        self.seen.lock().expect("no panic").insert(name.to_owned(), what);
    }
}

#[test]
fn after_kill_9_every_acknowledged_name_is_there_once_and_has_the_memory_that_was_saved() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let books = Books::default();
    let rounds = std::env::var("WARMPOOL_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(8);
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut woken = 0;
    for round in 0..rounds {
        let host = Host::start(folder.path(), CONFIG, &["--backend", "sim"]);
        woken += check(&host, folder.path(), &books);
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let after = Duration::from_micros(random >> 33 & 0x3_ffff);
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for client in 0..3 {
                let (host, books, stop) = (&host, &books, &stop);
                scope.spawn(move || while_it_lives(host, &format!("r{round}-c{client}"), books, stop));
            }
            std::thread::sleep(after);
            let pid = nix::unistd::Pid::from_raw(host.pid().cast_signed());
            nix::sys::signal::kill(pid, Signal::SIGKILL).expect("it is ours");
            stop.store(true, Ordering::Release);
        });
    }
    let host = Host::start(folder.path(), CONFIG, &["--backend", "sim"]);
    woken += check(&host, folder.path(), &books);
    let there =
        books.seen.lock().expect("no panic").values().filter(|seen| matches!(seen, Seen::There(_))).count();
    println!("{rounds} kills, {there} names there, {woken} memories woken after a kill");
    assert!(there > rounds && woken > rounds / 4, "the load made {there} names, {woken} memories were woken");
}

/// Creates names and does all kinds of things to them; notes only what was answered.
fn while_it_lives(host: &Host, prefix: &str, books: &Books, stop: &AtomicBool) {
    for number in 0.. {
        let over = work(host, &format!("{prefix}-{number}"), number, books).is_none();
        if over || stop.load(Ordering::Acquire) {
            return;
        }
    }
}

/// The life of one name; nothing where the host answered no more.
fn work(host: &Host, name: &str, number: u64, books: &Books) -> Option<()> {
    books.note(name, Seen::Unclear);
    let made = host.ask("POST", "/v1/sprites", Some(&format!("{{\"name\":\"{name}\"}}")))?;
    assert_eq!(made.status, 201, "{made:?}");
    let key = made.body["warmpool"]["key"].as_u64().expect("a key is a number");
    assert!(books.keys.lock().expect("no panic").insert(key), "key {key} was given twice");
    let mut sprite = Sprite { key, answered: 0, asked: 0, memory: Memory::Here };
    books.note(name, Seen::There(sprite));
    for step in 0..=number % 3 {
        visit(host, name, &mut sprite, books)?;
        if number % 4 == 3 {
            continue;
        }
        let to = if (number + step).is_multiple_of(2) { "cold" } else { "warm" };
        books.note(name, Seen::There(Sprite { memory: Memory::Unclear, ..sprite }));
        let path = format!("/warmpool/v1/sprites/{name}/sleep");
        let slept = host.ask("POST", &path, Some(&format!("{{\"to\":\"{to}\"}}")))?;
        assert_eq!((slept.status, slept.body["status"].as_str()), (200, Some(to)), "{slept:?}");
        sprite.memory = if to == "cold" { Memory::Saved } else { Memory::Here };
        books.note(name, Seen::There(sprite));
    }
    if number % 5 == 4 {
        books.note(name, Seen::Unclear);
        let gone = host.ask("DELETE", &format!("/v1/sprites/{name}"), None)?;
        assert_eq!(gone.status, 204, "{gone:?}");
        books.note(name, Seen::Gone);
    }
    Some(())
}

/// One request to a guest, which counts it.
fn visit(host: &Host, name: &str, sprite: &mut Sprite, books: &Books) -> Option<()> {
    sprite.asked += 1;
    sprite.memory = Memory::Unclear;
    books.note(name, Seen::There(*sprite));
    let answer = host.ask("GET", &format!("/s/{name}/"), None)?;
    assert_eq!(answer.status, 200, "{name}: {answer:?}");
    let requests = answer.body["requests"].as_u64().expect("a count is a number");
    assert!((sprite.answered + 1..=sprite.asked).contains(&requests), "{name}: {sprite:?}, but {answer:?}");
    assert_eq!(answer.body["identity"], format!("{:016x}", sprite.key), "{name}: somebody else's guest");
    (sprite.answered, sprite.asked, sprite.memory) = (requests, requests, Memory::Here);
    books.note(name, Seen::There(*sprite));
    Some(())
}

/// What the host has against what was seen, and what was unclear is clear from now on. Wakes every memory
/// that is there, and gives how many.
fn check(host: &Host, folder: &Path, books: &Books) -> usize {
    let mut listed = BTreeMap::new();
    for sprite in host.all() {
        let name = sprite["name"].as_str().expect("it is text").to_owned();
        assert_eq!(sprite["status"], "cold", "{sprite}");
        let about = &sprite["warmpool"];
        let has_memory = about["has_memory"].as_bool().expect("it is yes or no");
        assert!(has_memory || about["memory_lost_at"].is_string(), "nobody says that it is lost: {sprite}");
        let key = about["key"].as_u64().expect("a key is a number");
        assert!(listed.insert(name, (key, has_memory)).is_none(), "listed twice: {sprite}");
    }
    let distinct: BTreeSet<_> = listed.values().map(|(key, _)| key).collect();
    assert_eq!(distinct.len(), listed.len(), "two names have one key");
    let kept = listed.values().filter(|(_, has_memory)| *has_memory).count();
    let vms = host.must("GET", "/warmpool/v1/status", None, 200)["vms"].clone();
    let held = ["running", "idle", "asleep"].map(|state| vms[state].as_u64());
    assert_eq!(held, [Some(0), Some(0), Some(kept as u64)], "a VM without a name is left: {vms}");
    let files = std::fs::read_dir(folder.join("data/sleepers")).expect("it is there").count();
    assert_eq!(files, kept, "a file without a name is left, or one is missing");

    let seen = books.seen.lock().expect("no panic").clone();
    for (name, seen) in seen {
        let there = listed.remove(&name);
        let mut sprite = match (seen, there) {
            (Seen::There(sprite), Some((key, _))) if sprite.key == key => sprite,
            (Seen::Gone | Seen::Unclear, None) => {
                books.note(&name, Seen::Gone);
                continue;
            }
            (Seen::Unclear, Some((key, _))) => {
                Sprite { key, answered: 0, asked: 99, memory: Memory::Unclear }
            }
            (seen, there) => panic!("{name} was {seen:?}, but there is {there:?}"),
        };
        match (sprite.memory, there.is_some_and(|(_, has_memory)| has_memory)) {
            (Memory::Saved | Memory::Unclear, true) => {
                visit(host, &name, &mut sprite, books).expect("it answers");
            }
            (Memory::Here | Memory::Unclear, false) => {
                (sprite.answered, sprite.asked, sprite.memory) = (0, 0, Memory::Here);
                books.note(&name, Seen::There(sprite));
            }
            (memory, has_memory) => panic!("{name}: {memory:?}, but has_memory is {has_memory}"),
        }
    }
    assert!(listed.is_empty(), "nobody asked for {listed:?}");
    kept
}
