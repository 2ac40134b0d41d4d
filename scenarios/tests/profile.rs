//! Host profiles: what they replace of a scenario, what is said of their faults, and that runs draw from
//! their histograms.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration as Wait, SystemTime};

use actors::protocol::End;
use actors::{Duration, OperationKind, Time};
use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2Serializer;
use hdrhistogram::serialization::interval_log::IntervalLogWriterBuilder;
use scenarios::profile::MeasuredHost;
use scenarios::{AnswerStreams, Answers, Distribution, Profile, Scenario};
use scenarios::{Overlays, Text};
use tempfile::TempDir;

const SCENARIO: &str = "\
[latency]
start = { constant = \"5s\" }
boot = { p50 = \"7s\", p99 = \"9s\" }
create = \"3s\"
[timer]
grid = \"1ms\"
[[demand]]
to = 5
for = \"1m\"
";

const TABLES: &str = "\
[latency]
start = { histogram = \"start.hlog\" }
boot = [\"1ms\", { histogram = \"start.hlog\" }, \"4ms\"]
[timer]
lag = \"80us\"
";

fn host() -> String {
    let host = MeasuredHost { version: 1, ..MeasuredHost::default() };
    let text = toml::to_string(&Profile { host, ..Profile::default() }).expect("a profile");
    text.split("\n[latency]").next().expect("a host").to_owned() + "\n"
}

fn hlog(path: &Path, values_us: &[u64]) {
    let mut histogram = Histogram::<u64>::new(3).expect("digits");
    values_us.iter().for_each(|value| histogram.record(value * 1_000).expect("in range"));
    let (mut bytes, mut serializer) = (Vec::new(), V2Serializer::new());
    let mut builder = IntervalLogWriterBuilder::new();
    let log = builder.with_start_time(SystemTime::UNIX_EPOCH);
    let mut log = log.begin_log_with(&mut bytes, &mut serializer).expect("a header");
    log.write_histogram(&histogram, Wait::ZERO, Wait::from_secs(1), None).expect("written");
    drop(log);
    fs::write(path, bytes).expect("written");
}

/// A scenario in one folder, and a profile with these tables in another.
fn files(tables: &str) -> (TempDir, PathBuf, PathBuf) {
    let dir = tempfile::tempdir().expect("a folder");
    let (file, host_dir) = (dir.path().join("a.toml"), dir.path().join("host"));
    fs::write(&file, SCENARIO).expect("written");
    fs::create_dir(&host_dir).expect("a folder");
    fs::write(host_dir.join("profile.toml"), host() + tables).expect("written");
    hlog(&host_dir.join("start.hlog"), &[100, 200]);
    (dir, file, host_dir)
}

fn load(file: &Path, host: &Path, overrides: &[&str]) -> Result<Scenario, String> {
    let overrides: Vec<String> = overrides.iter().map(|text| (*text).to_owned()).collect();
    let overlays = Overlays { host: Some(host), ..Overlays::default() };
    Text::read(file)
        .and_then(|text| Scenario::load_with(&text, &overlays, &overrides))
        .map_err(|error| error.to_string())
}

#[test]
fn its_tables_replace_those_of_the_scenario_key_by_key_and_overrides_come_last() {
    let (_dir, file, host) = files(TABLES);
    for host in [host.clone(), host.join("profile.toml")] {
        let scenario = load(&file, &host, &["latency.stop=2ms"]).expect("it reads");
        assert_eq!(scenario.latency.boot.as_slice().len(), 3);
        assert_eq!(scenario.latency.create, Distribution::constant(Duration::from_secs(3)).into());
        assert_eq!(scenario.latency.stop, Distribution::constant(Duration::from_millis(2)).into());
        assert_eq!(scenario.timer.grid, Duration::from_millis(1));
        assert_eq!(scenario.timer.lag, Distribution::constant(Duration::from_micros(80)));
    }
    let scenario = load(&file, &host, &["latency.start=1s"]).expect("it reads");
    assert_eq!(scenario.latency.start, Distribution::constant(Duration::from_secs(1)).into());
}

#[test]
fn operations_are_drawn_from_its_histograms_by_what_is_under_way() {
    let (_dir, file, host) = files(TABLES);
    let scenario = load(&file, &host, &[]).expect("it reads");
    let answers = Answers::new(&scenario).expect("the histograms can be read");
    let mut streams = AnswerStreams::new(1, 0);
    let near = |took: Duration, us: u64| took.as_nanos().abs_diff(us * 1_000) < us * 2;
    let mut seen = [false; 2];
    for second in 0..50 {
        let now = Time::from_nanos(second * 1_000_000_000);
        let (took, end) = answers.answer(&mut streams, now, OperationKind::Start);
        assert!(end == End::Done && (near(took, 100) || near(took, 200)), "{took}");
        seen[usize::from(near(took, 200))] = true;
    }
    assert_eq!(seen, [true, true], "both values are drawn");
    let mut boot = |at_us: u64| {
        answers.answer(&mut streams, Time::from_nanos(100_000_000_000 + at_us * 1_000), OperationKind::Boot).0
    };
    assert_eq!(boot(0), Duration::from_millis(1), "alone");
    let beside_one = boot(10);
    assert!(near(beside_one, 100) || near(beside_one, 200), "{beside_one}");
    assert_eq!(boot(20), Duration::from_millis(4), "beside two");
    assert_eq!(boot(30), Duration::from_millis(4), "the last holds beyond");
    assert_eq!(boot(10_000), Duration::from_millis(1), "the others have ended");
}

#[test]
fn a_start_is_drawn_by_how_long_its_host_has_had_nothing_to_do() {
    let after = |idle: &str, start: &str| {
        format!("[[latency.start_after_idle]]\nidle = \"{idle}\"\nstart = \"{start}\"\n")
    };
    let tables = "[latency]\nstart = \"1ms\"\nboot = \"20ms\"\n".to_owned()
        + &after("5ms", "2ms")
        + &after("30ms", "3ms");
    let (_dir, file, host) = files(&tables);
    let scenario = load(&file, &host, &[]).expect("it reads");
    let answers = Answers::new(&scenario).expect("there are no files");
    let mut streams = AnswerStreams::new(1, 0);
    let mut takes = |at_ms: u64, kind| {
        answers.answer(&mut streams, Time::from_nanos(at_ms * 1_000_000), kind).0.as_nanos() / 1_000_000
    };
    assert_eq!(takes(30, OperationKind::Start), 3, "nothing has been since the beginning");
    assert_eq!(takes(33, OperationKind::Start), 1, "one has just ended");
    assert_eq!(takes(38, OperationKind::Start), 1, "four milliseconds are not five");
    assert_eq!(takes(44, OperationKind::Start), 2);
    assert_eq!(takes(80, OperationKind::Boot), 20);
    assert_eq!(takes(96, OperationKind::Start), 1, "the boot is under way");
    assert_eq!(takes(104, OperationKind::Start), 1, "the boot ended at 100");
    assert_eq!(takes(110, OperationKind::Start), 2);
    assert_eq!(takes(500, OperationKind::Start), 3);
}

#[test]
fn explain_says_what_comes_from_where_and_reads_back() {
    let (_dir, file, host) = files(TABLES);
    let scenario = load(&file, &host, &["latency.stop=2ms"]).expect("it reads");
    let text = scenario.explain().expect("TOML can hold it");
    let line = |key: &str| {
        let start = format!("{key} = ");
        let from = text.find("[latency]").expect("the table");
        text[from..].lines().find(|line| line.starts_with(&start)).unwrap_or_else(|| panic!("{key}: {text}"))
    };
    let profile = host.join("profile.toml");
    for key in ["start", "boot", "lag"] {
        assert!(line(key).ends_with(&format!("# from {}", profile.display())), "{}", line(key));
    }
    for key in ["create", "stop", "grid"] {
        assert!(!line(key).contains('#'), "{}", line(key));
    }
    assert!(line("wake").ends_with("# default"), "{}", line("wake"));
    assert_eq!(Scenario::parse(&text, "again.toml", &[]).map(|again| again.latency), Ok(scenario.latency));
}

#[test]
fn faults_name_file_line_key_and_remedy() {
    let line = host().lines().count() + 2;
    for (tables, expected) in [
        (
            "[latency]\nstrat = \"1ms\"\n",
            format!("profile.toml:{line}: unknown key `strat` in [latency]\n  did you mean `start`?"),
        ),
        (
            "[latency]\nboot = [\"1ms\", { histogram = \"none.hlog\" }]\n",
            format!("profile.toml:{line}: `latency.boot.1` is invalid: `"),
        ),
        (
            "[[latency.start_after_idle]]\nidle = \"5ms\"\nstart = \"2ms\"\n[[latency.start_after_idle]]\nidle = \"5ms\"\nstart = \"3ms\"\n",
            format!("profile.toml:{}: `latency.start_after_idle.1.idle` is 5ms, no longer than", line + 3),
        ),
        ("[latency]\nboot = []\n", format!("profile.toml:{line}: `latency.boot` is a list of 0\n  give one")),
        (
            "[timer]\nlag = [\"1ms\"]\n",
            format!("profile.toml:{line}: `timer.lag` is a list\n  give a duration"),
        ),
        (
            "[latencies]\n",
            format!("profile.toml:{}: unknown key `latencies` at the top of the file", line - 1),
        ),
    ] {
        let (_dir, file, host) = files(tables);
        let error = load(&file, &host, &[]).expect_err("it must not read");
        assert!(error.contains(&expected), "{error}\nis not\n{expected}");
    }
    let (_dir, file, host) = files("[latency]\nboot = { histogram = \"none.hlog\" }\n");
    let error = load(&file, &host, &[]).expect_err("it must not read");
    assert!(error.contains("host/none.hlog` cannot be read: No such file"), "{error}");
    assert!(error.contains("\n  give the path of a file"), "{error}");
}

#[test]
fn a_profile_of_another_version_and_what_is_no_profile_are_refused() {
    let (_dir, file, host) = files(TABLES);
    let path = host.join("profile.toml");
    let newer = fs::read_to_string(&path).expect("read").replace("version = 1", "version = 2\nlater = true");
    fs::write(&path, newer).expect("written");
    let error = load(&file, &host, &[]).expect_err("another version");
    assert!(
        error.contains("profile.toml:2: `host.version` is 2, but this program reads version 1\n"),
        "{error}"
    );
    assert!(error.ends_with("make the profile again with `warmpool calibrate` of this version"), "{error}");
    let error = load(&file, &file, &[]).expect_err("a scenario is no profile");
    assert!(error.contains("a.toml: this is no host profile"), "{error}");
    let error = load(&file, Path::new("/none"), &[]).expect_err("no such file");
    assert!(error.contains("/none: there is no such file"), "{error}");
}
