//! The command as its users meet it: exit codes, what is printed, what is written and what is not.

mod common;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::{folder_with, text, warmpool, write};

const SMALL: &str = r#"
name = "small"
[fleet]
workers = 2
[pool]
depth = { kind = "fixed", ready = 8 }
[[demand]]
to = 20
for = "10s"
[[demand]]
to = 60
for = "2s"
[[demand]]
to = 20
for = "10s"
[gates]
"failed" = "<= 0"
"#;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A folder with the small scenario in it.
fn folder() -> tempfile::TempDir {
    folder_with("small.toml", SMALL)
}

#[track_caller]
fn ends(output: &Output, code: i32) {
    assert_eq!(output.status.code(), Some(code), "{}{}", text(&output.stdout), text(&output.stderr));
}

#[test]
fn run_prints_a_verdict_first_and_writes_five_files() {
    let folder = folder();
    let output = warmpool(folder.path(), &["run", "small.toml", "--out", "out"]);
    ends(&output, 0);
    assert!(text(&output.stdout).starts_with("HELD"), "{}", text(&output.stdout));
    let mut names: Vec<String> = std::fs::read_dir(folder.path().join("out"))
        .expect("the folder is there")
        .map(|entry| entry.expect("it can be read").file_name().into_string().expect("names are UTF-8"))
        .collect();
    names.sort();
    assert_eq!(names, ["latency.hgrm", "latency.hlog", "report.html", "summary.json", "timeline.csv"]);
}

#[test]
fn the_page_can_be_made_again() {
    let folder = folder();
    ends(&warmpool(folder.path(), &["run", "small.toml", "--out", "out"]), 0);
    let page = folder.path().join("out/report.html");
    let before = std::fs::read(&page).expect("the page is there");
    std::fs::remove_file(&page).expect("it can be removed");
    ends(&warmpool(folder.path(), &["report", "out"]), 0);
    assert!(before == std::fs::read(&page).expect("the page is there again"), "the pages differ");
    ends(&warmpool(folder.path(), &["report", "nowhere"]), 1);
}

#[test]
fn a_gate_that_fails_has_its_own_code() {
    let folder = folder();
    let output = warmpool(
        folder.path(),
        &["run", "small.toml", "--set", "gates.misses=\"< 0.0001%\"", "--set", "pool.depth.ready=1"],
    );
    ends(&output, 99);
    assert!(text(&output.stdout).starts_with("FAILED"), "{}", text(&output.stdout));
}

#[test]
fn what_cannot_be_names_file_line_key_and_remedy() {
    let folder = folder();
    for (old, new, line, says) in [
        ("ready = 8", "redy = 8", 6, "did you mean `ready`?"),
        ("for = \"2s\"", "for = \"2 parsecs\"", 12, "parsecs"),
        ("to = 60", "to = -60", 11, "is -60"),
        ("{ kind = \"fixed\", ready = 8 }", "{ kind = \"watermark\", low = 9, high = 3 }", 6, "low"),
        ("\"failed\"", "\"faild\"", 17, "failed"),
        ("[fleet]", "[fleet", 3, ""),
    ] {
        assert!(SMALL.contains(old), "{old}");
        write(folder.path(), "bad.toml", &SMALL.replace(old, new));
        let output = warmpool(folder.path(), &["run", "bad.toml"]);
        ends(&output, 104);
        let error = text(&output.stderr);
        assert!(error.starts_with(&format!("error: bad.toml:{line}: ")), "{error}");
        assert!(error.contains(says), "{error}");
    }
    let output = warmpool(folder.path(), &["run", "small.toml", "--set", "fleet.wrkers=3"]);
    ends(&output, 104);
    assert!(text(&output.stderr).contains("--set fleet.wrkers=3"), "{}", text(&output.stderr));
    ends(&warmpool(folder.path(), &["run", "absent.toml"]), 104);
}

#[test]
fn bad_traces_name_their_line() {
    let folder = folder();
    let cases = [
        ("empty.csv", "TIMESTAMP,ContextTokens,GeneratedTokens\n", "empty"),
        (
            "bad.csv",
            "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.0,1,1\nyesterday,1,1\n",
            "bad.csv:3",
        ),
        (
            "back.csv",
            "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.0,1,1\n2023-11-16 18:15:45.0,1,1\n",
            "back.csv:3",
        ),
    ];
    for (name, content, says) in cases {
        write(folder.path(), name, content);
        let scenario = format!("[demand]\ntrace = \"{name}\"\n");
        write(folder.path(), "trace.toml", &scenario);
        let output = warmpool(folder.path(), &["run", "trace.toml"]);
        ends(&output, 104);
        assert!(text(&output.stderr).contains(says), "{}", text(&output.stderr));
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_known_before_the_run() {
    let folder = folder();
    write(folder.path(), "taken", "a file");
    let output = warmpool(folder.path(), &["run", "small.toml", "--out", "taken"]);
    ends(&output, 1);
    assert!(text(&output.stderr).contains("taken"), "{}", text(&output.stderr));
    assert!(output.stdout.is_empty(), "nothing ran: {}", text(&output.stdout));
    ends(&warmpool(folder.path(), &["run", "small.toml", "--out", "/proc/no-such-place"]), 1);
}

/// A limit on the size of files stands for a disk that is full when the files are written.
#[cfg(unix)]
#[test]
fn a_disk_that_is_full_costs_the_files_but_not_the_verdict() {
    let folder = folder();
    let limited = format!(
        "trap '' XFSZ; ulimit -f 8; exec '{}' run small.toml --out out",
        env!("CARGO_BIN_EXE_warmpool")
    );
    let output = Command::new("sh").args(["-c", &limited]).current_dir(folder.path()).output();
    let output = output.expect("a shell starts");
    ends(&output, 1);
    assert!(text(&output.stdout).contains("small"), "no verdict: {}", text(&output.stdout));
    let said = text(&output.stderr);
    assert!(said.contains("cannot write") && said.contains("choose another folder"), "{said}");
    let left = std::fs::read_dir(folder.path().join("out")).expect("the folder was made").count();
    assert_eq!(left, 0, "a file is half-written");
}

#[test]
fn json_is_for_programs() {
    let folder = folder();
    let output = warmpool(folder.path(), &["run", "small.toml", "--json", "--seed", "7"]);
    ends(&output, 0);
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    assert_eq!(summary["seed"], 7);
    let outcomes = summary["outcomes"].as_object().expect("outcomes are there");
    let ended: u64 = outcomes.values().filter_map(serde_json::Value::as_u64).sum();
    assert_eq!(summary["requests"], ended);
    assert!(summary["latency_ns"]["p99"].is_u64());
    assert_eq!(summary["digest"].as_str().map(str::len), Some(16));
}

#[test]
fn explain_gives_a_file_that_means_the_same() {
    let folder = folder();
    let explained = warmpool(folder.path(), &["run", "small.toml", "--explain"]);
    ends(&explained, 0);
    assert!(text(&explained.stdout).contains("# default"));
    write(folder.path(), "again.toml", &text(&explained.stdout));
    let digest = |file| {
        let output = warmpool(folder.path(), &["check", file]);
        ends(&output, 0);
        text(&output.stdout).split_whitespace().skip_while(|word| *word != "digest").nth(1).map(str::to_owned)
    };
    assert_eq!(digest("small.toml"), digest("again.toml"));
}

#[test]
fn check_compares_with_a_digest_from_elsewhere() {
    let folder = folder();
    let output = warmpool(folder.path(), &["check", "small.toml"]);
    ends(&output, 0);
    assert!(text(&output.stdout).starts_with("SAME"), "{}", text(&output.stdout));
    ends(&warmpool(folder.path(), &["check", "small.toml", "--expect", "0000000000000000"]), 100);
}

#[test]
fn several_seeds_give_a_spread_that_threads_do_not_change() {
    let folder = folder();
    let spread = |threads| {
        let output =
            warmpool(folder.path(), &["run", "small.toml", "--seeds", "5", "--json", "--threads", threads]);
        ends(&output, 0);
        text(&output.stdout)
    };
    assert_eq!(spread("1"), spread("3"));
}

#[test]
fn compare_finds_a_starving_delay_and_its_cure() {
    let arguments = [
        "compare",
        "scenarios/replenish-delay.toml",
        "--pool",
        "scenarios/pools/delay-cured.toml",
        "--seeds",
        "3",
        "--json",
        "--set",
        "demand.0.for=\"10m\"",
    ];
    let output = warmpool(&root(), &arguments);
    ends(&output, 0);
    let comparison: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    assert!(comparison.to_string().contains("delay-cured"), "{comparison}");
}

#[test]
fn compare_refuses_scenarios_with_other_requests() {
    let folder = folder();
    write(folder.path(), "other.toml", &SMALL.replace("to = 60", "to = 61"));
    let output =
        warmpool(folder.path(), &["compare", "small.toml", "--scenario", "other.toml", "--seeds", "2"]);
    ends(&output, 1);
    assert!(text(&output.stderr).contains("[demand]"), "{}", text(&output.stderr));
}

#[test]
fn the_four_shapes_meet_the_same_requests() {
    let mut arguments = vec!["compare", "scenarios/sprites.toml", "--seeds", "2", "--json"];
    for shape in ["machines-start-create", "per-tenant", "slow-boot"] {
        arguments.extend(["--scenario", Box::leak(format!("scenarios/{shape}.toml").into_boxed_str())]);
    }
    ends(&warmpool(&root(), &arguments), 0);
}

#[test]
fn scenarios_lists_every_ready_made_one() {
    let output = warmpool(&root(), &["scenarios"]);
    ends(&output, 0);
    let list = text(&output.stdout);
    for name in ["spike", "exhaustion-cliff", "trace-replay", "per-tenant"] {
        assert!(list.contains(&format!("scenarios/{name}.toml")), "{list}");
    }
    assert!(!list.contains("invalid"), "{list}");
}

#[test]
fn help_teaches_and_usage_is_an_error() {
    let folder = folder();
    let output = warmpool(folder.path(), &["--help"]);
    ends(&output, 0);
    for code in ["99", "100", "104"] {
        assert!(text(&output.stdout).contains(code), "{}", text(&output.stdout));
    }
    ends(&warmpool(folder.path(), &["run"]), 1);
    ends(&warmpool(folder.path(), &["completions", "bash"]), 0);
}
