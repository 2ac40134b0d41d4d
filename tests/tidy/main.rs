//! The repository keeps its own rules: which room may use which, how long a file may be, what may not stand
//! in it.

mod circles;

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
            if path.is_dir() && name != "target" && name != "out" && !name.starts_with('.') {
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

/// Whether this user may run cargo: the test program may be another's.
fn has_cargo() -> bool {
    let remedy = "run the tests with `cargo test`, as a user with a Rust toolchain of its own";
    support::has(&support::Need::Program { program: program(), name: "cargo", remedy })
}

fn program() -> String {
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}

/// What cargo prints.
fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(program()).args(arguments).current_dir(root()).output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("names are UTF-8")
}

#[test]
fn arrows_between_rooms_point_one_way() {
    if !has_cargo() {
        return;
    }
    let tree = |package: &str| {
        let edges = ["--edges", "normal", "--prefix", "none"];
        let text = cargo(&[&["tree", "--locked", "--offline", "--package", package], &edges[..]].concat());
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
        "serve",
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
        (
            "serve",
            &["actors", "scenarios", "microvm", "shards", "runtime", "vmm-backend"],
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

/// The root files of the crates.
fn crate_roots() -> Vec<PathBuf> {
    let all = files(".rs").into_iter().map(|(path, _)| path);
    all.filter(|path| path.ends_with("src/lib.rs") || path.ends_with("src/main.rs")).collect()
}

/// What the path is from the top of the repository.
fn short(path: &Path) -> String {
    let path = path.strip_prefix(root()).unwrap_or(path);
    path.display().to_string()
}

/// The one circle that stays: any actor may spawn any other, through what hosts it.
const ACTORS: [&str; 5] = [
    "actors/src/backend.rs",
    "actors/src/pool.rs",
    "actors/src/refiller.rs",
    "actors/src/sprite.rs",
    "actors/src/worker.rs",
];

/// Circles that are still to be opened, by a file of each. Nothing may be added.
const STILL_CIRCLES: [&str; 3] = [
    "sim-backend/src/simulation.rs",
    "scenarios/src/demand/trace/rows.rs",
    "vmm-backend/runtime/src/core.rs",
];

#[test]
fn no_files_of_a_crate_use_each_other() {
    let mut wrong = String::new();
    let mut actors = 0;
    for root in crate_roots() {
        let uses = circles::Crate::read(&root).uses();
        for circle in circles::circles(&uses) {
            if circle.iter().all(|file| ACTORS.contains(&short(file).as_str())) {
                actors += 1;
                continue;
            }
            if circle.iter().any(|file| STILL_CIRCLES.contains(&short(file).as_str())) {
                continue;
            }
            for ((from, to), name) in &uses {
                if circle.contains(from) && circle.contains(to) {
                    wrong += &format!("{} uses {name} of {}\n", short(from), short(to));
                }
            }
            wrong += "\n";
        }
    }
    assert_eq!(actors, 1, "the circle of the actors is found, so others would be");
    assert!(wrong.is_empty(), "these files use each other in circles:\n{wrong}");
}

/// Enums whose kinds have a file each, and the folder of the files.
const POLICIES: [(&str, &str); 2] =
    [("Depth", "actors/src/policy/depth/"), ("Refill", "actors/src/policy/refill/")];

#[test]
fn a_policy_is_known_to_its_own_file_and_the_enum_only() {
    let crates: Vec<_> = crate_roots().iter().map(|root| circles::Crate::read(root)).collect();
    for (policies, folder) in POLICIES {
        let enumeration = root().join(folder).join("mod.rs");
        let kinds = circles::variants(&enumeration, policies);
        assert!(kinds.len() > 3, "{policies} has kinds");
        let module = policies.to_lowercase();
        for kind in &kinds {
            let own = root().join(folder).join(circles::file_name(kind));
            assert!(own.exists(), "{kind} has a file of its own, {}", short(&own));
        }
        for (file, name) in crates.iter().flat_map(circles::Crate::names) {
            let [.., outer, kind] = &name[..] else { continue };
            let is_kind = (*outer == policies || *outer == module) && kinds.contains(kind);
            let own = root().join(folder).join(circles::file_name(kind));
            let known = file == own || file == enumeration;
            let still = file.ends_with("actors/src/policy/mod.rs") || file.ends_with("actors/src/pool.rs");
            assert!(
                !is_kind || known || still,
                "{} knows {policies}::{kind}: add a method to the trait",
                short(file)
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

/// As in rustfmt.toml, which keeps code within them.
const COLUMNS: usize = 110;

/// Code is rustfmt's, which leaves literals as they are; so comments and text are checked here.
#[test]
fn comments_and_text_have_at_most_110_columns() {
    let rustfmt = std::fs::read_to_string(root().join("rustfmt.toml")).expect("it is there");
    assert!(rustfmt.contains(&format!("max_width = {COLUMNS}")), "the one width of this repository");
    let mut wrong = String::new();
    for (ending, comment) in [(".rs", "//"), (".md", ""), (".toml", "#")] {
        for (path, text) in files(ending) {
            // What a program prints, and rows of tables, are as wide as they are.
            let mut verbatim = false;
            for (number, line) in text.lines().enumerate() {
                let Some(said) = line.trim_start().strip_prefix(comment) else {
                    verbatim = false;
                    continue;
                };
                let said = said.trim_start_matches(['/', '!', ' ']);
                verbatim ^= said.starts_with("```");
                // A word that is longer than a line, such as an address, cannot be broken.
                let breakable = said.contains(' ') && !said.starts_with('|') && !verbatim;
                if breakable && line.chars().count() > COLUMNS {
                    wrong += &format!("{}:{}\n", short(&path), number + 1);
                }
            }
        }
    }
    assert!(wrong.is_empty(), "these lines have more than {COLUMNS} columns:\n{wrong}");
}

#[test]
fn dependencies_need_no_newer_rust_than_we_promise() {
    if !has_cargo() {
        return;
    }
    let metadata = cargo(&["metadata", "--locked", "--offline", "--format-version", "1"]);
    let metadata: serde_json::Value = serde_json::from_str(&metadata).expect("cargo writes JSON");
    let version =
        |text: &str| -> Vec<u32> { text.split('.').take(2).filter_map(|part| part.parse().ok()).collect() };
    let packages = metadata["packages"].as_array().expect("there are packages");
    let ours = packages.iter().find(|package| package["name"] == "cli").expect("cli is a package");
    let ours = version(ours["rust_version"].as_str().expect("it says which Rust it needs"));
    for package in packages {
        let Some(needed) = package["rust_version"].as_str() else { continue };
        assert!(version(needed) <= ours, "{} needs Rust {needed}", package["name"]);
    }
}

/// What calls the system where no safe wrapper does.
const UNSAFE: &str = "vmm-backend/microvm/src/lib.rs";

#[test]
fn only_microvm_is_unsafe() {
    for root in crate_roots().iter().filter(|root| short(root) != UNSAFE) {
        let text = std::fs::read_to_string(root).expect("it is there");
        assert!(text.contains("#![forbid(unsafe_code)]"), "{} does not forbid unsafe code", short(root));
    }
}

#[test]
fn the_readme_and_the_help_list_the_same_exit_codes() {
    let output = Command::new(env!("CARGO_BIN_EXE_warmpool")).arg("--help").output().expect("it starts");
    let help = String::from_utf8(output.stdout).expect("help is text");
    let readme = std::fs::read_to_string(root().join("README.md")).expect("it is there");
    let (_, help) = help.split_once("Exit codes:").expect("help lists the codes");
    let (_, readme) = readme.split_once("### Exit codes").expect("README lists the codes");
    let told: Vec<String> = readme
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"))
        .filter(|row| row.starts_with(|first: char| first.is_ascii_digit()))
        .map(|row| row.replacen(" | ", "  ", 1))
        .collect();
    let known: Vec<&str> = help.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    assert_eq!(told, known);
    assert!(known.len() > 5, "{known:?}");
}
