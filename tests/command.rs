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
fn a_folder_of_another_run_is_replaced_only_with_force() {
    let folder = folder();
    let run = |more: &[&str]| {
        let all = [&["run", "small.toml", "--out", "out"], more].concat();
        warmpool(folder.path(), &all)
    };
    ends(&run(&[]), 0);
    ends(&run(&[]), 0);
    let summary = folder.path().join("out/summary.json");
    let before = std::fs::read(&summary).expect("it was written");
    for other in [&["--seed", "7"][..], &["--set", "pool.depth.ready=9"], &["--seeds", "2"]] {
        let output = run(other);
        ends(&output, 1);
        let said = text(&output.stderr);
        assert!(said.contains("out holds another run: small, seed 42") && said.contains("--force"), "{said}");
        assert!(output.stdout.is_empty(), "it ran: {}", text(&output.stdout));
    }
    assert!(before == std::fs::read(&summary).expect("it is there"), "it was overwritten");
    ends(&run(&["--seeds", "2", "--force"]), 0);
    ends(&run(&["--seed", "7"]), 1);
    ends(&run(&["--seed", "7", "--force"]), 0);
    assert!(!folder.path().join("out/spread.json").exists(), "files of the other run are left");
}

#[test]
fn a_summary_says_where_its_run_comes_from_and_that_makes_it_again() {
    let folder = folder();
    write(folder.path(), "deeper.toml", "depth = { kind = \"fixed\", ready = 20 }\n");
    let arguments =
        ["run", "small.toml", "--pool", "deeper.toml", "--set", "fleet.workers=3", "--json", "--seed", "9"];
    let output = warmpool(folder.path(), &arguments);
    ends(&output, 0);
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    let from = &summary["provenance"];
    assert_eq!(from["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!((&from["file"], &from["text"]), (&"small.toml".into(), &SMALL.into()));
    assert_eq!(from["set"], serde_json::json!(["fleet.workers=3", "seed=\"9\""]));
    assert_eq!(from["pool"]["name"], "deeper.toml");
    let scenario = from["scenario"].as_str().expect("it is text");
    assert!(scenario.contains("# default") && scenario.contains("# from deeper.toml"), "{scenario}");
    write(folder.path(), "again.toml", scenario);
    let again = warmpool(folder.path(), &["run", "again.toml", "--json"]);
    let again: serde_json::Value = serde_json::from_slice(&again.stdout).expect("it is JSON");
    assert_eq!(summary["digest"], again["digest"]);
    let page = warmpool(folder.path(), &[&arguments[..], &["--out", "out"]].concat());
    ends(&page, 0);
    let page = std::fs::read_to_string(folder.path().join("out/report.html")).expect("it was written");
    assert!(page.contains("Where this run comes from") && page.contains("--set fleet.workers=3"));
}

#[test]
fn several_seeds_judge_each_gate_by_its_share_and_keep_every_seed() {
    let folder = folder();
    let run = |more: &[&str]| {
        let all =
            [&["run", "small.toml", "--seeds", "20", "--set", "gates.requests=\"< 690\""], more].concat();
        warmpool(folder.path(), &all)
    };
    let output = run(&["--json", "--out", "out", "--set", "pool.depth.ready=10"]);
    let spread: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    let table = std::fs::read_to_string(folder.path().join("out/seeds.csv")).expect("it was written");
    assert_eq!(table.lines().count(), 21, "{table}");
    assert!(table.starts_with("seed,gate failed <= 0,gate requests < 690,misses (share),"), "{table}");
    let held = table.lines().skip(1).filter(|row| row.split(',').nth(2) == Some("1")).count();
    assert_eq!(spread["gates"]["gates"][1]["holds"], held);
    assert!(0 < held && held < 19, "the gate holds in some: {held}");
    ends(&output, 99);
    assert!(folder.path().join("out/spread.html").exists());
    let required = format!("gates_held_in={}", held as f64 / 20.0);
    ends(&run(&["--set", "pool.depth.ready=10", "--set", &required]), 0);
    ends(&run(&["--set", "gates_held_in=0"]), 104);
    let single = warmpool(folder.path(), &["run", "small.toml"]);
    assert!(
        text(&single.stdout).contains("seed 42; one seed: `--seeds 20` tells"),
        "{}",
        text(&single.stdout)
    );
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

/// A hundred at once on a pool of eight, of which each worker has one: the rest miss for the depth.
#[test]
fn what_bound_a_run_is_said_below_its_verdict_and_a_gate_may_judge_it() {
    let burst = SMALL.replace("to = 60\nfor = \"2s\"", "from = 50000\nto = 50000\nfor = \"2ms\"").replacen(
        "to = 20\nfor = \"10s\"\n[gates]",
        "from = 20\nto = 20\nfor = \"10s\"\n[gates]",
        1,
    );
    let gate = |cause: &str| {
        format!("{burst}[[gate]]\nfigure = \"misses\"\nbound = \"< 1%\"\ncause = \"{cause}\"\n")
    };
    let folder = folder_with("burst.toml", &gate("depth"));
    let output = warmpool(folder.path(), &["run", "burst.toml", "--out", "out"]);
    ends(&output, 99);
    let said = text(&output.stdout);
    assert!(said.contains("\ncause      depth ("), "{said}");
    assert!(said.contains("misses < 1%, depth"), "{said}");
    let summary = std::fs::read(folder.path().join("out/summary.json")).expect("it was written");
    let summary: serde_json::Value = serde_json::from_slice(&summary).expect("it is JSON");
    assert_eq!(summary["bound"]["cause"], "depth");
    assert_eq!(summary["causes"][0]["cause"], "depth");
    assert!(summary["shortages"].is_array(), "{}", summary["shortages"]);
    write(folder.path(), "other.toml", &gate("refill-holds"));
    ends(&warmpool(folder.path(), &["run", "other.toml"]), 0);
    write(folder.path(), "bad.toml", &gate("deth"));
    let output = warmpool(folder.path(), &["run", "bad.toml"]);
    ends(&output, 104);
    let error = text(&output.stderr);
    assert!(error.contains("`deth` is not a cause") && error.contains("did you mean `depth`?"), "{error}");
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
    assert!(!folder.path().join("out").exists(), "a file is half-written");
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
    ends(&output, 104);
    let error = text(&output.stderr);
    assert!(error.contains("other.toml:") && error.contains("`demand` is not as in small.toml"), "{error}");
}

#[test]
fn a_seed_given_beside_the_file_is_told_as_such() {
    let folder = folder();
    let output =
        warmpool(folder.path(), &["run", "small.toml", "--seed", "18446744073709551615", "--explain"]);
    ends(&output, 0);
    let line =
        text(&output.stdout).lines().find(|line| line.starts_with("seed")).unwrap_or_default().to_owned();
    assert!(line.contains("\"18446744073709551615\"") && !line.contains("default"), "{line}");
}

#[test]
fn the_four_shapes_meet_the_same_requests() {
    let mut arguments = vec!["compare", "scenarios/sprites.toml", "--seeds", "2", "--json"];
    for shape in ["machines-start-create", "per-tenant", "slow-boot"] {
        arguments.extend(["--scenario", Box::leak(format!("scenarios/{shape}.toml").into_boxed_str())]);
    }
    ends(&warmpool(&root(), &arguments), 0);
}

/// Names that a listing begins its entries with.
fn listed(output: &Output) -> Vec<String> {
    let names = text(&output.stdout);
    names.lines().filter(|line| !line.starts_with(' ')).map(str::to_owned).collect()
}

#[test]
fn the_program_carries_every_ready_made_scenario_and_lists_no_pool_file() {
    let elsewhere = tempfile::tempdir().expect("there is room for a folder");
    let output = warmpool(elsewhere.path(), &["scenarios"]);
    ends(&output, 0);
    let from_files = warmpool(&root(), &["scenarios", "scenarios"]);
    ends(&from_files, 0);
    let of_files = listed(&from_files);
    let of_files: Vec<_> = of_files
        .iter()
        .map(|file| file.trim_start_matches("scenarios/").trim_end_matches(".toml").to_owned())
        .collect();
    assert_eq!(listed(&output), of_files);
    assert!(of_files.len() >= 12 && of_files.contains(&"spike".to_owned()), "{of_files:?}");
    let pools = warmpool(&root(), &["scenarios", "scenarios/pools"]);
    ends(&pools, 1);
    assert!(text(&pools.stderr).contains("no file in it is a scenario"), "{}", text(&pools.stderr));
}

#[test]
fn a_ready_made_scenario_runs_from_any_folder_as_its_file_does() {
    let elsewhere = tempfile::tempdir().expect("there is room for a folder");
    let by_name = warmpool(elsewhere.path(), &["check", "spike"]);
    ends(&by_name, 0);
    assert_eq!(text(&by_name.stdout), text(&warmpool(&root(), &["check", "scenarios/spike.toml"]).stdout));
    let shown = warmpool(elsewhere.path(), &["scenarios", "show", "spike"]);
    assert_eq!(shown.stdout, std::fs::read(root().join("scenarios/spike.toml")).expect("it is there"));

    ends(&warmpool(elsewhere.path(), &["scenarios", "copy", "spike", "own"]), 0);
    let copied = std::fs::read(elsewhere.path().join("own/spike.toml")).expect("it was copied");
    assert_eq!(shown.stdout, copied);
    let again = warmpool(elsewhere.path(), &["scenarios", "copy", "spike", "own"]);
    ends(&again, 1);
    assert!(text(&again.stderr).contains("--force"), "{}", text(&again.stderr));
    ends(&warmpool(elsewhere.path(), &["scenarios", "copy", "spike", "own", "--force"]), 0);
    ends(&warmpool(elsewhere.path(), &["scenarios", "copy", "pools/fixed-40", "own"]), 0);
    assert!(elsewhere.path().join("own/fixed-40.toml").exists());

    let pools = ["compare", "spike", "--pool", "fixed-40", "--pool", "own/fixed-40.toml", "--seeds", "2"];
    ends(&warmpool(elsewhere.path(), &pools), 0);
}

#[test]
fn a_file_comes_before_a_ready_made_scenario_and_a_misspelt_name_is_told() {
    let folder = folder();
    write(folder.path(), "spike", SMALL);
    let output = warmpool(folder.path(), &["run", "spike", "--json"]);
    ends(&output, 0);
    assert!(text(&output.stdout).contains("\"name\": \"small\""), "{}", text(&output.stdout));
    for (arguments, says) in [
        (&["run", "spkie"][..], "did you mean `spike`?"),
        (&["run", "scenarios/spike.toml"], "`spike` alone is the ready-made one"),
        (&["compare", "small.toml", "--pool", "imediate"], "did you mean `immediate`?"),
        (&["scenarios", "show", "spkie"], "did you mean `spike`?"),
    ] {
        let output = warmpool(folder.path(), arguments);
        let code = if arguments[0] == "scenarios" { 1 } else { 104 };
        ends(&output, code);
        assert!(text(&output.stderr).contains(says), "{}", text(&output.stderr));
    }
}

#[test]
fn a_scenario_is_read_from_standard_input() {
    let folder = folder();
    let piped = |arguments: &str, input: &str| {
        let line = format!("'{}' {arguments} < {input}", env!("CARGO_BIN_EXE_warmpool"));
        let output = Command::new("sh").args(["-c", &line]).current_dir(folder.path()).output();
        output.expect("a shell starts")
    };
    let output = piped("check -", "small.toml");
    ends(&output, 0);
    assert_eq!(text(&output.stdout), text(&warmpool(folder.path(), &["check", "small.toml"]).stdout));
    write(folder.path(), "wrong.toml", &SMALL.replace("workers = 2", "wrokers = 2"));
    let output = piped("run -", "wrong.toml");
    ends(&output, 104);
    assert!(text(&output.stderr).contains("standard input:4:"), "{}", text(&output.stderr));
}

/// A run of about a minute is interrupted while it simulates.
#[cfg(unix)]
#[test]
fn ctrl_c_in_a_simulation_says_so_and_leaves_nothing() {
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;
    let folder = folder();
    for (arguments, signal) in [
        (&["run", "small.toml", "--set", "demand.0.for=\"2000h\"", "--out", "deep/out"][..], Signal::SIGINT),
        (&["run", "small.toml", "--seeds", "100000", "--out", "deep/out"], Signal::SIGTERM),
        (&["check", "small.toml", "--set", "demand.0.for=\"2000h\""], Signal::SIGINT),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_warmpool"));
        command.args(arguments).current_dir(folder.path());
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let child = command.spawn().expect("it starts");
        std::thread::sleep(std::time::Duration::from_millis(1_000));
        let pid = i32::try_from(child.id()).expect("a process id");
        kill(Pid::from_raw(pid), signal).expect("it runs");
        let output = child.wait_with_output().expect("it ends");
        ends(&output, 130);
        assert!(text(&output.stderr).starts_with("interrupted after "), "{}", text(&output.stderr));
        assert!(!folder.path().join("deep").exists(), "{arguments:?} left a folder");
    }
}

#[test]
fn a_scenario_that_cannot_be_listed_hides_no_other() {
    let folder = folder();
    std::fs::write(folder.path().join("a.toml"), b"# caf\xe9\n").expect("there is room for a file");
    write(folder.path(), "b.toml", "[[demand]]\nto = 1\nfor = \"1s\"\n");
    let output = warmpool(folder.path(), &["scenarios", "."]);
    ends(&output, 0);
    let list = text(&output.stdout);
    let says = |name: &str| {
        let line = list.lines().skip_while(|line| !line.ends_with(name)).nth(1);
        line.unwrap_or_default().trim().to_owned()
    };
    assert_eq!(says("a.toml"), "(it is not UTF-8 text)", "{list}");
    assert!(says("b.toml").contains("does not begin with a comment"), "{list}");
    assert!(list.contains("small.toml"), "{list}");
}

/// The reader is gone before anything is said.
#[cfg(unix)]
#[test]
fn a_reader_that_has_seen_enough_changes_neither_exit_code_nor_files() {
    let folder = folder();
    let broken = "--set 'gates.misses=\"< 0.0001%\"' --set pool.depth.ready=1";
    for (arguments, code) in [
        ("run small.toml --out out", 0),
        (&format!("run small.toml {broken}"), 99),
        ("run small.toml --seeds 2", 0),
        ("run small.toml --explain", 0),
        ("check small.toml", 0),
        ("check small.toml --expect 0", 100),
        ("compare small.toml --scenario small.toml --seeds 2", 0),
        ("report out", 0),
        ("scenarios .", 0),
        ("completions bash", 0),
    ] {
        let piped = format!(
            "{{ sleep 0.2; '{}' {arguments}; echo $? >code; }} | true",
            env!("CARGO_BIN_EXE_warmpool")
        );
        let output = Command::new("sh").args(["-c", &piped]).current_dir(folder.path()).output();
        let output = output.expect("a shell starts");
        assert_eq!(text(&output.stderr), "", "{arguments}");
        let ended = std::fs::read_to_string(folder.path().join("code")).expect("the code was noted");
        assert_eq!(ended.trim(), code.to_string(), "{arguments}");
    }
    assert!(folder.path().join("out/report.html").exists(), "the files are not written");
}

#[cfg(target_os = "linux")]
#[test]
fn what_cannot_be_printed_is_an_error_and_no_panic() {
    let folder = folder();
    for arguments in ["completions bash", "check small.toml", "scenarios .", "run small.toml"] {
        let full = format!("'{}' {arguments} >/dev/full", env!("CARGO_BIN_EXE_warmpool"));
        let output = Command::new("sh").args(["-c", &full]).current_dir(folder.path()).output();
        let output = output.expect("a shell starts");
        ends(&output, 1);
        let said = text(&output.stderr);
        assert!(said.starts_with("error: the output cannot be written"), "{arguments}: {said}");
    }
}

/// Interrupted as soon as a file with a temporary name is there, and later ones.
#[cfg(unix)]
#[test]
fn ctrl_c_while_files_are_written_leaves_all_of_them_or_none() {
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;
    let folder = folder();
    for round in 0..20 {
        let out = folder.path().join(format!("out-{round}"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_warmpool"));
        command.args(["run", "small.toml", "--out"]).arg(&out).current_dir(folder.path());
        let mut child = command.stdout(std::process::Stdio::null()).spawn().expect("it starts");
        let names = || -> Vec<String> {
            let entries = std::fs::read_dir(&out).into_iter().flatten().flatten();
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
        };
        let mut seen = std::collections::BTreeSet::new();
        while seen.len() <= round % 5 && child.try_wait().expect("it can be asked").is_none() {
            seen.extend(names());
        }
        let pid = i32::try_from(child.id()).expect("a process id");
        let _ = kill(Pid::from_raw(pid), if round % 2 == 0 { Signal::SIGINT } else { Signal::SIGTERM });
        child.wait().expect("it ends");
        let left = names();
        assert!(left.iter().all(|name| !name.starts_with('.')), "round {round}: {left:?}");
        assert!(left.is_empty() || left.len() == 5, "round {round}: {left:?}");
    }
}

#[test]
fn prices_beyond_counting_are_refused_and_high_ones_are_readable() {
    let folder = folder();
    let priced = |price: &str, out: &str| {
        let price = format!("cost.idle_vm_second={price}");
        warmpool(folder.path(), &["run", "small.toml", "--set", &price, "--out", out])
    };
    let output = priced("1e308", "refused");
    ends(&output, 104);
    let said = text(&output.stderr);
    assert!(said.contains("cost.idle_vm_second") && said.contains("at most 1e100"), "{said}");
    let output = priced("1e100", "out");
    ends(&output, 0);
    let printed = text(&output.stdout);
    assert!(printed.lines().all(|line| line.chars().count() <= 100), "{printed}");
    ends(&warmpool(folder.path(), &["report", "out"]), 0);
}

#[test]
fn of_pools_per_tenant_no_emptiness_is_claimed_nor_compared() {
    let output = warmpool(&root(), &["run", "scenarios/per-tenant.toml", "--json"]);
    ends(&output, 0);
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    assert!(summary["misses"].as_u64() > Some(0));
    assert_eq!(summary["pool"]["per_tenant"], true);
    assert!(summary["pool"]["empty_seconds"].is_null() && summary["recovery"].is_null(), "{summary}");
    let arguments =
        ["compare", "scenarios/sprites.toml", "--scenario", "scenarios/per-tenant.toml", "--seeds", "2"];
    let output = warmpool(&root(), &arguments);
    ends(&output, 0);
    let printed = text(&output.stdout);
    assert!(
        !printed.contains("\nempty ") && printed.contains("empty and recovery are left out"),
        "{printed}"
    );
}

#[test]
fn a_worker_that_crashed_has_the_misses_that_a_neighbour_served() {
    let output = warmpool(&root(), &["run", "scenarios/worker-crash.toml", "--json"]);
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    let misses: Vec<Option<u64>> =
        (0..4).map(|worker| summary["workers"][worker]["misses"].as_u64()).collect();
    assert_eq!(misses, [Some(0), Some(0), summary["misses"].as_u64(), Some(0)]);
}

#[test]
fn compare_says_where_it_compares_nothing() {
    let folder = folder();
    write(folder.path(), "deeper.toml", "depth = { kind = \"fixed\", ready = 20 }\n");
    let arguments = ["compare", "small.toml", "--pool", "deeper.toml", "--seeds", "2"];
    let apart = warmpool(folder.path(), &arguments);
    assert!(!text(&apart.stdout).contains("is the same as"), "{}", text(&apart.stdout));
    let same = warmpool(folder.path(), &[&arguments[..], &["--set", "pool.depth.ready=20"]].concat());
    ends(&same, 0);
    assert!(text(&same.stdout).contains("B deeper is the same as A small"), "{}", text(&same.stdout));
    let regions =
        "[[region]]\nname = \"own\"\nworkers = 1\npool = { depth = { kind = \"fixed\", ready = 4 } }\n";
    write(folder.path(), "small.toml", &(SMALL.to_owned() + regions));
    let partly = warmpool(folder.path(), &arguments);
    assert!(
        text(&partly.stdout).contains("changes the pools of 1 of 2 workers only"),
        "{}",
        text(&partly.stdout)
    );
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

#[test]
fn what_a_fleet_cannot_hold_and_what_may_be_misread_is_said_before_the_run() {
    let folder = folder();
    let short = "[fleet]\nslots = 500\n[pool]\ndepth = { kind = \"fixed\", ready = 20 }\n[latency]\nboot = \"2s\"\n\
                 [[demand]]\nto = 2.2\nfor = \"10m\"\n";
    write(folder.path(), "short.toml", short);
    let output = warmpool(folder.path(), &["run", "short.toml"]);
    ends(&output, 0);
    let warned = text(&output.stderr);
    assert!(warned.contains("4.40 boots at once needed on average (2.20 a second, 2s each)"), "{warned}");
    assert!(warned.contains("raise `boots` to 5 or more"), "{warned}");
    let explained = text(&warmpool(folder.path(), &["run", "short.toml", "--explain"]).stdout);
    assert!(explained.contains("#   boots  2.20/s x 2s = 4.40 at once, of 4   TOO FEW\n"), "{explained}");
    write(folder.path(), "explained.toml", &explained);
    ends(&warmpool(folder.path(), &["check", "explained.toml"]), 0);
    let enough = warmpool(folder.path(), &["run", "short.toml", "--set", "fleet.boots=5"]);
    assert_eq!(text(&enough.stderr), "");
    // Doubts about a trace are printed, and kept in the summary beside the civil time that it gives.
    write(folder.path(), "counts.csv", "at,count\n2026-01-08T09:00:00Z,3\n2026-01-08T09:01:00Z,4\n");
    write(folder.path(), "trace.toml", "[demand]\ntrace = \"counts.csv\"\nunit = \"rfc3339\"\n");
    let output = warmpool(folder.path(), &["run", "trace.toml", "--json"]);
    assert!(text(&output.stderr).starts_with("warning: counts.csv:1: the column `count` is not read"));
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    let notes = summary["notes"].to_string();
    assert!(
        notes.contains("t = 0 is 2026-01-08T09:00:00Z") && notes.contains("`count` is not read"),
        "{notes}"
    );
}
