//! The repository keeps its own rules: which room may use which, how long a file may be, what may not stand in it.

use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every file of the rooms, without what was built.
fn files(ending: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("the folder can be read") {
            let path = entry.expect("the entry can be read").path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                folders.push(path);
            } else if name.ends_with(ending) {
                let text = std::fs::read_to_string(&path).expect("sources are text");
                found.push((path, text));
            }
        }
    }
    assert!(!found.is_empty(), "no file ends with {ending}");
    found
}

#[test]
fn arrows_between_rooms_point_one_way() {
    let tree = |package: &str| {
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        let arguments = ["tree", "--offline", "--package", package, "--edges", "normal", "--prefix", "none"];
        let output = Command::new(cargo).args(arguments).current_dir(root()).output().expect("cargo runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).expect("names are UTF-8");
        let names = text.lines().filter_map(|line| line.split(' ').next());
        names.map(str::to_owned).collect::<Vec<_>>()
    };
    let rooms = [
        "actors",
        "scenarios",
        "sim-backend",
        "microvm",
        "shards",
        "runtime",
        "vmm-backend",
        "reports",
        "cli",
    ];
    for (package, rooms_below, runtimes_below) in [
        ("actors", &[][..], &[][..]),
        ("scenarios", &["actors"], &[]),
        ("reports", &["actors"], &[]),
        ("sim-backend", &["actors", "scenarios"], &[]),
        ("microvm", &[], &["kvm-ioctls"]),
        ("shards", &["microvm"], &["kvm-ioctls"]),
        ("runtime", &["actors", "scenarios"], &["tokio", "ractor"]),
        (
            "vmm-backend",
            &["actors", "scenarios", "microvm", "shards", "runtime"],
            &["tokio", "ractor", "kvm-ioctls"],
        ),
    ] {
        for used in tree(package).iter().filter(|used| *used != package).map(String::as_str) {
            let forbidden = |all: &[&str], allowed: &[&str]| all.contains(&used) && !allowed.contains(&used);
            assert!(!forbidden(&rooms, rooms_below), "{package} must not use {used}");
            assert!(
                !forbidden(&["tokio", "ractor", "kvm-ioctls"], runtimes_below),
                "{package} must not use {used}"
            );
        }
    }
}

#[test]
fn files_have_one_job_and_say_it() {
    for (path, text) in files(".rs") {
        let lines = text.lines().count();
        assert!(lines <= 800, "{} has {lines} lines: it has more than one job", path.display());
        let first = text.lines().next().unwrap_or_default();
        assert!(first.starts_with("//!"), "{} does not say what it is for", path.display());
    }
}

#[test]
fn nothing_is_left_for_later() {
    let marks = ["TO".to_owned() + "DO", "FIX".to_owned() + "ME", "X".repeat(3), "HA".to_owned() + "CK"];
    for ending in [".rs", ".toml", ".md"] {
        for (path, text) in files(ending) {
            for (number, line) in text.lines().enumerate() {
                let mark = marks.iter().find(|mark| line.contains(mark.as_str()));
                assert!(mark.is_none(), "{}:{}: {line}", path.display(), number + 1);
            }
        }
    }
}

#[test]
fn only_the_room_for_virtual_machines_is_unsafe() {
    for (path, text) in files(".rs") {
        let name = path.to_string_lossy().into_owned();
        if (name.ends_with("src/lib.rs") || name.ends_with("src/main.rs")) && !name.contains("vmm-backend") {
            assert!(text.contains("#![forbid(unsafe_code)]"), "{name} does not forbid unsafe code");
        }
    }
}
