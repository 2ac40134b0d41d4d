//! `warmpool calibrate`, `run --host` and `twin` as their users meet them. What needs real VMs is skipped
//! with a word where there is no KVM.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod common;

use std::process::Output;

use common::{folder_with, text, warmpool};
use support::Need;

const SHORT: &str = r#"
name = "short"
[fleet]
slots = 24
boots = 2
[pool]
depth = { kind = "fixed", ready = 8 }
[latency]
start = "3s"
[sprite]
lifetime = "10ms"
[[demand]]
to = 60
for = "2s"
"#;

#[track_caller]
fn ends(output: &Output, codes: &[i32]) -> String {
    let out = text(&output.stdout);
    let code = output.status.code().expect("it was not killed");
    assert!(codes.contains(&code), "{code}: {out}{}", text(&output.stderr));
    out
}

fn folder() -> tempfile::TempDir {
    folder_with("short.toml", SHORT)
}

#[test]
fn without_kvm_it_says_so_and_with_it_a_simulation_draws_what_was_measured() {
    let folder = folder();
    let output = warmpool(folder.path(), &["calibrate", "--quick", "--boots", "2", "--out", "host"]);
    if let Err(missing) = support::look(&Need::Kvm) {
        ends(&output, &[103]);
        let says = text(&output.stderr);
        assert!(says.contains("KVM") || says.contains("/dev/kvm"), "{missing}: {says}");
        assert!(!folder.path().join("host").exists());
    }
    if !support::has(&Need::Kvm) {
        return;
    }
    let out = ends(&output, &[0]);
    assert!(out.starts_with("MEASURED"), "{out}");
    let profile = scenarios::Profile::load(&folder.path().join("host")).expect("it reads back");
    assert_eq!((profile.host.version, profile.host.boots, profile.host.guest_memory_mib), (1, 2, 128));
    for operation in ["start", "boot", "create", "sleep", "wake", "stop", "timer", "overhead"] {
        let rows: Vec<_> = profile.measured.iter().filter(|row| row.operation == operation).collect();
        assert!(!rows.is_empty(), "{operation} was not measured");
        for row in rows {
            assert!(row.count > 0 && row.p50_ns <= row.p99_ns && row.p99_ns <= row.p999_ns, "{row:?}");
            assert!(folder.path().join("host").join(&row.histogram).is_file(), "{row:?}");
        }
    }
    // Nothing is left beside the folder.
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 2);

    let output = warmpool(folder.path(), &["run", "short.toml", "--host", "host", "--json"]);
    let summary: serde_json::Value = serde_json::from_str(&ends(&output, &[0])).expect("it is JSON");
    let drawn = summary["latency_ns"]["max"].as_u64().expect("a number");
    let starts = profile.measured.iter().filter(|row| row.operation == "start");
    assert!(drawn < 3_000_000_000 && starts.clone().any(|row| row.p50_ns <= drawn), "{drawn}");
    let explained =
        ends(&warmpool(folder.path(), &["run", "short.toml", "--host", "host", "--explain"]), &[0]);
    assert!(explained.contains("# from host/profile.toml"), "{explained}");

    // A second one replaces it; what is no profile is left alone.
    ends(&warmpool(folder.path(), &["calibrate", "--quick", "--boots", "1", "--out", "host"]), &[0]);
    std::fs::remove_file(folder.path().join("host/profile.toml")).expect("it was there");
    let output = warmpool(folder.path(), &["calibrate", "--quick", "--out", "host"]);
    ends(&output, &[1]);
    assert!(
        text(&output.stderr).contains("holds something else than a host profile"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn a_twin_tells_every_gap_and_keeps_both_runs() {
    if !support::has(&Need::Kvm) {
        return;
    }
    let folder = folder();
    // Whether the prediction holds depends on what else the machine does: both verdicts are right here.
    let output = warmpool(folder.path(), &["twin", "short.toml", "--runs", "2", "--out", "out"]);
    let out = ends(&output, &[0, 99]);
    let within = output.status.code() == Some(0);
    let words = if within { &["WITHIN"][..] } else { &["BEYOND", "NOT DECIDED"] };
    assert!(words.iter().any(|word| out.starts_with(word)), "{out}");
    assert!(text(&output.stderr).contains("by turns with the real runs"), "{}", text(&output.stderr));
    let read = |name: &str| std::fs::read_to_string(folder.path().join("out").join(name)).expect(name);
    let twin: serde_json::Value = serde_json::from_str(&read("twin.json")).expect("it is JSON");
    assert_eq!((twin["prediction"] == "within", &twin["real_runs"]), (within, &2.into()));
    let rows = twin["rows"].as_array().expect("rows");
    let row = |figure: &str| rows.iter().find(|row| row["figure"] == figure).expect(figure);
    assert_eq!(row("requests")["simulated"], row("requests")["real"], "both met the same requests");
    assert!(row("served latency p50")["real"].as_f64().expect("a number") > 0.0);
    assert!(out.contains("measured in 3 parts"), "{out}");
    let profile = scenarios::Profile::load(&folder.path().join("out/host")).expect("it is kept");
    assert_eq!(profile.host.boots, 2, "measured with as many boots as the scenario has");
    for (run, backend) in [("simulated", "simulated"), ("real-1", "kvm"), ("real-2", "kvm")] {
        let summary: serde_json::Value =
            serde_json::from_str(&read(&format!("{run}/summary.json"))).expect("it is JSON");
        assert_eq!(summary["backend"], backend);
    }
    assert!(read("twin.html").contains("Figures side by side"));
}

#[test]
fn a_profile_that_cannot_be_read_is_an_invalid_scenario() {
    let folder = folder();
    let output = warmpool(folder.path(), &["run", "short.toml", "--host", "none.toml"]);
    ends(&output, &[104]);
    assert!(text(&output.stderr).contains("none.toml: there is no such file"), "{}", text(&output.stderr));
    std::fs::write(folder.path().join("bad.toml"), "[host]\nversion = 9\n").expect("written");
    for verb in ["run", "check"] {
        let output = warmpool(folder.path(), &[verb, "short.toml", "--host", "bad.toml"]);
        ends(&output, &[104]);
        assert!(text(&output.stderr).contains("bad.toml:2: `host.version` is 9"), "{}", text(&output.stderr));
    }
}
