//! What a host refuses, and how: invalid configurations, stores that are not its own, clients that are too
//! large, too slow or too many.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::host::{Host, command};

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("there is room for a folder")
}

/// Ends with this code, and says all of these.
fn refuses(folder: &Path, config: &str, arguments: &[&str], code: i32, told: &[&str]) {
    let output = command(folder, config, arguments).output().expect("it starts");
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{text}");
    for told in told {
        assert!(text.contains(told), "{told:?} is not in: {text}");
    }
}

#[test]
fn an_invalid_configuration_names_line_key_and_remedy() {
    let folder = folder();
    for (config, told) in [
        ("[server]\n\nlissten = 3\n", ["host.toml:3", "lissten", "listen"]),
        ("[pool]\ndepth = { kind = \"fixed\", ready = 400 }\n", ["host.toml:2", "ready", "lower"]),
        ("[demand]\n", ["host.toml:1", "demand", ""]),
    ] {
        refuses(folder.path(), config, &["--backend", "sim"], 104, &told);
    }
    assert!(!folder.path().join("data").exists(), "something was made for an invalid configuration");
}

#[test]
fn a_store_that_is_not_its_own_is_left_as_it_is() {
    let folder = folder();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).expect("there is room");
    let store = data.join("sprites.redb");
    let foreign = "a letter to my sister, which is no store\n".repeat(500);
    std::fs::write(&store, &foreign).expect("there is room");
    refuses(
        folder.path(),
        "",
        &["--backend", "sim"],
        1,
        &["sprites.redb", "no store of warmpool", "nothing was changed"],
    );
    assert_eq!(std::fs::read_to_string(&store).expect("it is there"), foreign);

    std::fs::remove_file(&store).expect("it is there");
    let host = Host::start(folder.path(), "", &["--backend", "sim"]);
    host.must("POST", "/v1/sprites", Some("{\"name\":\"kept\"}"), 201);
    refuses(folder.path(), "", &["--backend", "sim"], 1, &["another program has this store open", "--data"]);
    host.must("GET", "/v1/sprites/kept", None, 200);
}

#[test]
fn sigterm_refuses_what_is_new_finishes_what_is_under_way_and_leaves_in_time() {
    let folder = folder();
    let config = "[server]\ndrain = \"4s\"\n[pool]\ndepth = { kind = \"fixed\", ready = 1 }\n\
        exhausted = [ { kind = \"wait\" } ]\n[latency]\nboot = { constant = \"900ms\" }\n";
    let host = Host::start(folder.path(), config, &["--backend", "sim"]);
    host.must("POST", "/v1/sprites", Some("{\"name\":\"first\"}"), 201);
    let begun = Instant::now();
    let (waiting, refused) = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| host.ask("POST", "/v1/sprites", Some("{\"name\":\"second\"}")));
        std::thread::sleep(Duration::from_millis(150));
        let pid = nix::unistd::Pid::from_raw(host.pid().cast_signed());
        nix::sys::signal::kill(pid, Signal::SIGTERM).expect("it is ours");
        std::thread::sleep(Duration::from_millis(100));
        let refused = host.ask("POST", "/v1/sprites", Some("{\"name\":\"third\"}"));
        (waiting.join().expect("no panic"), refused)
    });
    assert_eq!(waiting.map(|answer| answer.status), Some(201), "what was under way is finished");
    let refused = refused.expect("it is answered");
    assert!(refused.status == 503 && refused.head.contains("retry-after: "), "{refused:?}");
    assert_eq!(host.end(Signal::SIGTERM).code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(6), "it took {:?}", begun.elapsed());
    let host = Host::start(folder.path(), config, &["--backend", "sim"]);
    let names: Vec<_> = host.all().iter().map(|sprite| sprite["name"].clone()).collect();
    assert_eq!(names, ["first", "second"]);
}

#[test]
fn large_slow_and_many_clients_are_turned_away_and_others_are_served() {
    let folder = folder();
    let config =
        "[limits]\nbody_bytes = 2048\nconnections = 20\nheader_time = \"400ms\"\nbody_time = \"400ms\"\n";
    let host = Host::start(folder.path(), config, &["--backend", "sim"]);
    let large = format!("{{\"name\":\"{}\"}}", "x".repeat(4_000));
    host.must("POST", "/v1/sprites", Some(&large), 413);
    host.must("POST", "/v1/sprites", Some("{\"name\":"), 400);
    host.must("POST", "/v1/sprites", Some("{\"name\":3}"), 400);
    host.must("POST", "/v1/sprites", Some("[\"list\"]"), 400);
    let chunked =
        "POST /v1/sprites HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\nconnection: close\r\n";
    let authorization = format!("authorization: Bearer {}\r\n\r\n", host.token);
    let bytes = format!("{chunked}{authorization}1000\r\n{}\r\n0\r\n\r\n", "x".repeat(4_096));
    assert_eq!(host.say(bytes.as_bytes()).map(|answer| answer.status), Some(413));
    let many = "x: y\r\n".repeat(100);
    assert_eq!(host.ask_with("GET", "/healthz", &many, None).map(|answer| answer.status), Some(431));
    let slow = format!("{chunked}{authorization}");
    assert_eq!(host.say(slow.as_bytes()).map(|answer| answer.status), Some(408), "a body that never comes");

    let begun = Instant::now();
    let idle: Vec<_> = (0..20)
        .map(|_| {
            let mut stream = TcpStream::connect(host.address).expect("it listens");
            stream.write_all(b"GET /healthz HTTP/1.1\r\nhost").expect("it reads");
            stream
        })
        .collect();
    std::thread::sleep(Duration::from_millis(100));
    let answer = host.ask("GET", "/healthz", None).expect("it is told why");
    assert!(answer.status == 503 && answer.head.contains("retry-after: 1"), "{answer:?}");
    for mut stream in idle {
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("it can be set");
        // The host closes it, with or without a word.
        let _ = stream.read_to_end(&mut Vec::new());
    }
    assert!(begun.elapsed() < Duration::from_secs(8), "slow clients held it for {:?}", begun.elapsed());
    host.must("GET", "/v1/sprites", None, 200);
}

#[test]
fn no_path_header_or_name_reaches_another_sprite_or_comes_in_without_a_token() {
    let folder = folder();
    let config = "[server]\ndomain = \"s.test\"\n";
    let host = Host::start(folder.path(), config, &["--backend", "sim"]);
    host.must("POST", "/v1/sprites", Some("{\"name\":\"mine\"}"), 201);
    host.must("POST", "/v1/sprites", Some("{\"name\":\"open\",\"url_settings\":{\"auth\":\"public\"}}"), 201);
    let with = format!("authorization: Bearer {}\r\n", host.token);
    let status =
        |path: &str, headers: &str| host.ask_with("GET", path, headers, None).map(|answer| answer.status);
    for path in [
        "/v1/sprites",
        "/v1/sprites/mine",
        "/s/mine/",
        "/s/mine/../open/",
        "/s/other/",
        "/metrics",
        "/warmpool/v1/status",
    ] {
        assert_eq!(status(path, ""), Some(401), "{path}");
        assert_eq!(status(path, "authorization: Bearer wrong-token-of-nobody\r\n"), Some(401), "{path}");
    }
    assert_eq!(status("/s/open/", ""), Some(200), "it is public");
    assert_eq!(status("/", "host: open.s.test\r\n"), Some(200), "by host");
    assert_eq!(
        status("/s/open/", "host: mine.s.test\r\n"),
        Some(401),
        "the host comes first, and that one is private"
    );
    assert_eq!(status("/", &format!("host: mine.s.test\r\n{with}")), Some(200));
    for path in [
        "/s/%6dine/..%2fopen",
        "/s/mine%2f..%2fopen/",
        "/s/..%2fopen/",
        "/v1/sprites/mine%00",
        "/v1/sprites/Mine",
    ] {
        let answer = host.ask_with("GET", path, &with, None).expect("it answers");
        let is_mine = answer.status == 200 && answer.body["sprite"] == "mine";
        assert!(answer.status == 404 || is_mine, "{path}: {answer:?}");
    }
    host.must("POST", "/v1/sprites/mine/exec?cmd=ls", None, 501);
    host.must("GET", "/v1/sprites/nobody/exec", None, 404);
    host.must("GET", "/v1/sprites/mine/nonsense", None, 404);
    host.must("DELETE", "/v1/sprites", None, 405);
    host.must("GET", "/v1/sprites?max_results=0", None, 400);
    host.must("GET", "/v1/sprites?max_results=many", None, 400);
    host.must("GET", "/v1/sprites?continuation_token=%21", None, 400);
    let document = host.must("GET", "/openapi.json", None, 200);
    let paths: Vec<_> =
        document["paths"].as_object().into_iter().flatten().map(|(path, _)| path.as_str()).collect();
    let own = ["sprites/{name}/awake", "sprites/{name}/restart", "sprites/{name}/sleep", "status"];
    let own = own.map(|path| format!("/warmpool/v1/{path}"));
    assert_eq!(paths[..3], ["/metrics", "/v1/sprites", "/v1/sprites/{name}"]);
    assert_eq!(paths[3..], own);
}
