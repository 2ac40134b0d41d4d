//! `warmpool run --backend kvm` as its users meet it: the same report and files as from a simulation, what a
//! host cannot do is said, and however the program ends, no process, file or memory of it is left. Real runs
//! are skipped with a word where there is no KVM.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod common;

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use common::folder_with;

const SHORT: &str = r#"
name = "short"
[fleet]
slots = 24
boots = 2
[pool]
depth = { kind = "fixed", ready = 8 }
exhausted = [{ kind = "wait", deadline = "30s" }, { kind = "boot" }]
[sprite]
lifetime = "10ms"
[[demand]]
to = 60
for = "1s"
[gates]
"failed" = "<= 0"
"#;

/// Sprites fall asleep, more of them than sleep in memory, and the run goes on for an hour.
const LONG: &str = r#"
name = "long"
[fleet]
slots = 24
boots = 2
[pool]
depth = { kind = "fixed", ready = 8 }
[sprite]
lifetime = "1ms"
idle_after = "1ms"
[[demand]]
to = 20
for = "1h"
"#;

fn has_kvm() -> bool {
    support::has(&support::Need::Kvm)
}

fn folder(text: &str) -> tempfile::TempDir {
    folder_with("scenario.toml", text)
}

fn warmpool(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_warmpool"));
    command.args(["run", "scenario.toml", "--backend", "kvm"]).args(arguments).current_dir(folder);
    command
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn a_real_run_gives_the_files_of_a_simulated_one() {
    if !has_kvm() {
        return;
    }
    let folder = folder(SHORT);
    let output =
        warmpool(folder.path(), &["--out", "out", "--journal", "journal"]).output().expect("it starts");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).starts_with("HELD") && said(&output).contains("kvm run"), "{}", said(&output));
    let out = std::fs::read_dir(folder.path().join("out")).expect("the folder is there");
    let names: BTreeSet<_> = out.map(|entry| entry.expect("it can be read").file_name()).collect();
    let all = ["latency.hgrm", "latency.hlog", "report.html", "summary.json", "timeline.csv"];
    assert!(names.iter().eq(all.iter()), "{names:?}");
    let text = std::fs::read_to_string(folder.path().join("out/summary.json")).expect("it is there");
    let summary: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    assert_eq!((&summary["backend"], &summary["digest"]), (&"kvm".into(), &serde_json::Value::Null));
    let outcomes = summary["outcomes"].as_object().expect("outcomes are there");
    let ended: u64 = outcomes.values().filter_map(serde_json::Value::as_u64).sum();
    assert!(ended > 20 && summary["requests"] == ended, "{text}");
    // A guest that boots within a nanosecond is no guest.
    assert!(summary["latency_ns"]["min"].as_u64() > Some(1_000), "{text}");
    // What was written down can be simulated: the same requests at the same times.
    let journal = |name: &str| {
        std::fs::read_to_string(folder.path().join("journal").join(name)).expect("it was written")
    };
    let replayed = Command::new(env!("CARGO_BIN_EXE_warmpool"))
        .args(["replay", "journal"])
        .current_dir(folder.path())
        .output()
        .expect("it starts");
    assert_eq!(replayed.status.code(), Some(0), "{}", said(&replayed));
    let count = said(&replayed).split(' ').find_map(|word| word.parse::<u64>().ok());
    assert!(count > Some(5 * ended), "{}", said(&replayed));
    assert_eq!(journal("arrivals.jsonl").lines().count() as u64, 1 + ended, "its mark, and the requests");
    let replay = "[demand]\ntrace = \"journal/arrivals.jsonl\"\nlifetimes = \"trace\"\n";
    std::fs::write(folder.path().join("replay.toml"), replay).expect("there is room");
    let mut simulated = Command::new(env!("CARGO_BIN_EXE_warmpool"));
    let output = simulated
        .args(["run", "replay.toml", "--json"])
        .current_dir(folder.path())
        .output()
        .expect("it starts");
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    assert_eq!(summary["requests"], ended, "{}", said(&output));
}

#[test]
fn a_journal_of_the_spike_replays_without_a_difference() {
    if !has_kvm() {
        return;
    }
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let command = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_warmpool"));
        command.args(arguments).current_dir(folder.path()).output().expect("it starts")
    };
    let ran = command(&["run", "kvm-spike", "--backend", "kvm", "--journal", "journal"]);
    assert!(matches!(ran.status.code(), Some(0 | 99)), "{}", said(&ran));
    let replayed = command(&["replay", "journal"]);
    assert!(replayed.status.success() && said(&replayed).starts_with("SAME"), "{}", said(&replayed));
    // A header that is cut short is no journal.
    let path = folder.path().join("journal/deliveries.journal");
    let bytes = std::fs::read(&path).expect("it was written");
    std::fs::write(&path, &bytes[..100]).expect("there is room");
    let damaged = command(&["replay", "journal"]);
    assert_eq!(damaged.status.code(), Some(104), "{}", said(&damaged));
}

#[test]
fn what_a_host_cannot_do_is_said_with_key_and_remedy() {
    for (text, arguments, says) in [
        (
            SHORT.replace("slots", "workers = 3\nslots"),
            &[][..],
            &["scenario.toml:4: ", "fleet.workers", "set it to 1"],
        ),
        (
            SHORT.replace("slots = 24", "slots = 9000000"),
            &[],
            &["scenario.toml:4: ", "fleet.slots", "lower it"],
        ),
        (SHORT.to_owned(), &["--host", "profile.toml"], &["--host profile.toml", "by itself", "simulate"]),
        (SHORT.to_owned(), &["--seeds", "3"], &["--seeds 3", "never the same", "simulate"]),
    ] {
        let output = warmpool(folder(&text).path(), arguments).output().expect("it starts");
        assert_eq!(output.status.code(), Some(104), "{}", said(&output));
        assert!(says.iter().all(|part| said(&output).contains(part)), "{}", said(&output));
    }
}

/// Sprites of many users fall asleep and are woken again.
const SLEEPY: &str = r#"
name = "sleepy"
[fleet]
slots = 24
boots = 2
[tenants]
count = 160
[pool]
depth = { kind = "fixed", ready = 0 }
exhausted = [{ kind = "wake" }, { kind = "boot" }, { kind = "reject" }]
[sprite]
lifetime = "1ms"
idle_after = "20ms"
asleep = 300
[[demand]]
to = 60
for = "4s"
"#;

/// Runs `SLEEPY` by this shell command, in which `$0` is the program, and gives what it said and its summary.
fn run_short_of(shell: &[&str]) -> (String, serde_json::Value) {
    let folder = folder(SLEEPY);
    let mut command = Command::new(shell[0]);
    command.args(&shell[1..]).arg(env!("CARGO_BIN_EXE_warmpool")).current_dir(folder.path());
    let output = command.output().expect("it starts");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let text = std::fs::read_to_string(folder.path().join("out/summary.json")).expect("it is there");
    (said(&output), serde_json::from_str(&text).expect("it is JSON"))
}

#[test]
fn a_folder_for_sleepers_that_is_full_loses_nobody() {
    if !has_kvm() {
        return;
    }
    // A file system of 256 KiB needs a mount namespace; who is not root has one in a user namespace, where
    // that is permitted.
    let remedy = "run as root, or permit unprivileged user namespaces (sysctl user.max_user_namespaces)";
    let script = "mkdir full && mount -t tmpfs -o size=256k none full && \
                  TMPDIR=full exec \"$0\" run scenario.toml --backend kvm --out out";
    let need = support::Need::Command {
        command: vec![
            "unshare",
            "--user",
            "--map-root-user",
            "--mount",
            "mount",
            "-t",
            "tmpfs",
            "none",
            "/mnt",
        ],
        name: "namespaces",
        remedy,
    };
    if !support::has(&need) {
        return;
    }
    let (said, summary) =
        run_short_of(&["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script]);
    let boots = &summary["boots"];
    assert!(boots["sleeps_refused"].as_u64() > Some(10), "{said}");
    assert_eq!((&boots["lost"], &summary["outcomes"]["failed"]), (&0.into(), &0.into()), "{said}");
    assert!(said.contains("were refused") && said.contains("No space left on device"), "{said}");
}

#[test]
fn a_host_with_two_hundred_descriptors_loses_nobody() {
    if !has_kvm() {
        return;
    }
    let script = "ulimit -n 200; exec \"$0\" run scenario.toml --backend kvm --out out \
                  --set sprite.asleep=2000 --set demand.0.to=150 --set tenants.count=1000";
    let (said, summary) = run_short_of(&["sh", "-c", script]);
    let boots = &summary["boots"];
    assert_eq!((&boots["lost"], &summary["outcomes"]["failed"]), (&0.into(), &0.into()), "{said}");
    assert!(boots["sleeps_refused"].as_u64() > Some(10), "{said}");
    assert!(said.contains("were refused") && said.contains("Too many open files"), "{said}");
}

#[test]
fn what_only_a_real_run_has_is_refused_by_a_simulation() {
    let folder = folder(SHORT);
    let mut command = Command::new(env!("CARGO_BIN_EXE_warmpool"));
    let run = ["run", "scenario.toml", "--journal", "journal"];
    let output = command.args(run).current_dir(folder.path()).output().expect("it starts");
    assert_eq!(output.status.code(), Some(104), "{}", said(&output));
    let says = ["--journal journal", "add --backend kvm"];
    assert!(says.iter().all(|part| said(&output).contains(part)), "{}", said(&output));
    assert!(!folder.path().join("journal").exists(), "a folder was made for nothing");
}

#[test]
fn without_kvm_the_exit_code_and_the_remedy_say_so() {
    // With so few descriptors no VM can be made, whether the host has KVM or not.
    let folder = folder(SHORT);
    let mut command = Command::new("sh");
    let run = "ulimit -n 6; exec \"$0\" run scenario.toml --backend kvm";
    command.args(["-c", run, env!("CARGO_BIN_EXE_warmpool")]).current_dir(folder.path());
    let output = command.output().expect("it starts");
    assert_eq!(output.status.code(), Some(103), "{}", said(&output));
    assert!(said(&output).contains("warmpool doctor"), "{}", said(&output));
}

/// A long run with Sprites asleep in both stages, the leader of a process group of its own.
struct Running {
    child: Child,
    shards: Vec<u32>,
    /// Device and inode of every nameless file that it holds.
    files: BTreeSet<(u64, u64)>,
    folder: tempfile::TempDir,
}

/// Nameless files that a process holds, by kind: those in memory and those of sleepers.
fn nameless(pid: u32, folder: &Path) -> [BTreeSet<(u64, u64)>; 2] {
    let mut found = [BTreeSet::new(), BTreeSet::new()];
    let Ok(all) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return found };
    for entry in all.flatten() {
        let (Ok(target), Ok(file)) = (std::fs::read_link(entry.path()), std::fs::metadata(entry.path()))
        else {
            continue;
        };
        if target.to_string_lossy().starts_with("/memfd:warmpool") {
            found[0].insert((file.dev(), file.ino()));
        } else if target.starts_with(folder) && file.nlink() == 0 {
            found[1].insert((file.dev(), file.ino()));
        }
    }
    found
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(30), "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Whether the process runs; one that only waits to be taken note of has given everything back.
fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.trim().is_empty() && !rest.trim_start().starts_with('Z'))
}

fn children(pid: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    lists
        .flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>())
        .collect()
}

impl Running {
    fn start() -> Self {
        let folder = folder(LONG);
        let sleepers = folder.path().join("sleepers");
        std::fs::create_dir(&sleepers).expect("there is room for a folder");
        let mut command = warmpool(folder.path(), &["--out", "out"]);
        command.env("TMPDIR", &sleepers).process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().expect("it starts");
        let pid = child.id();
        wait_until("Sprites sleep in files", || nameless(pid, &sleepers)[1].len() > 2);
        let [memory, files] = nameless(pid, &sleepers);
        assert!(!memory.is_empty(), "a template is in memory");
        let shards = children(pid);
        assert!(!shards.is_empty(), "VMs are in shards");
        Self { child, shards, files: memory.union(&files).copied().collect(), folder }
    }

    fn signal(&self, signal: &str, to: &str) {
        let sent = Command::new("kill").args([signal, "--", to]).status().expect("it starts");
        assert!(sent.success());
    }

    /// Waits for its end and for that of everything it made.
    fn nothing_is_left(self) -> Output {
        let Self { child, shards, files, folder } = self;
        let output = child.wait_with_output().expect("it ends");
        for shard in shards {
            wait_until("no shard is left", || !is_alive(shard));
        }
        let sleepers = folder.path().join("sleepers");
        assert_eq!(std::fs::read_dir(&sleepers).expect("it is there").count(), 0, "a file has a name");
        let processes = std::fs::read_dir("/proc").expect("it is there").flatten();
        for pid in processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok()) {
            let [memory, asleep] = nameless(pid, &sleepers);
            let held = memory.union(&asleep).find(|file| files.contains(file));
            assert!(held.is_none(), "process {pid} holds memory or a file of the run");
        }
        output
    }
}

#[test]
fn shards_that_hang_in_the_spike_leave_no_request_without_an_answer() {
    if !has_kvm() {
        return;
    }
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let mut command = Command::new(env!("CARGO_BIN_EXE_warmpool"));
    command.args(["run", "kvm-spike", "--backend", "kvm", "--out", "out"]).current_dir(folder.path());
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let pid = child.id();
    wait_until("its shards are there", || children(pid).len() >= 5);
    let signal = |signal: &str, to: u32| {
        let sent = Command::new("kill").args([signal, &to.to_string()]).status().expect("it starts");
        assert!(sent.success());
    };
    // One for good before the spike, and one in it.
    std::thread::sleep(Duration::from_secs(6));
    signal("-STOP", children(pid)[1]);
    std::thread::sleep(Duration::from_secs(6));
    signal("-STOP", children(pid)[2]);
    let output = child.wait_with_output().expect("it ends");
    assert!(matches!(output.status.code(), Some(0 | 99)), "{}", said(&output));
    let text = std::fs::read_to_string(folder.path().join("out/summary.json")).expect("it is there");
    let summary: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    let outcomes = &summary["outcomes"];
    assert_eq!((&outcomes["rejected"], &outcomes["failed"]), (&0.into(), &0.into()), "{}", said(&output));
    assert!(summary["latency_ns"]["max"].as_u64() < Some(2_500_000_000), "{text}");
    assert!(said(&output).contains("2 shards failed; the last: shard"), "{}", said(&output));
    assert!(said(&output).contains("did not run for a second"), "{}", said(&output));
}

#[test]
fn killing_the_program_leaves_no_process_no_file_and_no_memory() {
    if !has_kvm() {
        return;
    }
    let running = Running::start();
    running.signal("-KILL", &running.child.id().to_string());
    let output = running.nothing_is_left();
    assert_eq!(output.status.code(), None, "{}", said(&output));
}

#[test]
fn an_interrupt_of_the_whole_terminal_ends_the_run_cleanly() {
    if !has_kvm() {
        return;
    }
    let running = Running::start();
    // As a terminal does: every process of the group hears of it.
    running.signal("-INT", &format!("-{}", running.child.id()));
    let out = running.folder.path().join("out");
    let shards = running.shards.clone();
    let left = std::fs::read_dir(&out).map_or(0, Iterator::count);
    let output = running.nothing_is_left();
    assert_eq!(output.status.code(), Some(130), "{}", said(&output));
    let said = said(&output);
    assert!(said.starts_with("error: interrupted after") && !said.contains("shard"), "{said} {shards:?}");
    assert_eq!(left, 0, "nothing is written of a run without an end");
}
