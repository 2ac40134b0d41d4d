//! The digest of every ready-made scenario, as it is in any build on any machine. When a change is meant to
//! change what happens in a run, print the new ones with `warmpool check` and say in the commit why they
//! changed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use actors::{Observation, Observer, Time};
use scenarios::Scenario;
use sim_backend::{Options, simulate};

struct Nobody;

impl Observer for Nobody {
    fn observe(&mut self, _at: Time, _observation: Observation) {}

    fn opened(&mut self, _at: Time) {}

    fn closed(&mut self, _at: Time) {}
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn golden() -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(root().join("tests/golden-digests.txt"))
        .expect("the golden digests are there");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| line.split_once(' ').unwrap_or_else(|| panic!("`{line}` is not a name and a digest")))
        .map(|(name, digest)| (name.to_owned(), digest.to_owned()))
        .collect()
}

fn digest(name: &str) -> String {
    let file = root().join("scenarios").join(format!("{name}.toml"));
    let scenario = Scenario::load(&file, &[]).unwrap_or_else(|error| panic!("{error}"));
    let run = simulate(&scenario, &Options::default(), Nobody).unwrap_or_else(|error| panic!("{error}"));
    format!("{:016x}", run.digest)
}

#[test]
fn every_ready_made_scenario_has_its_digest() {
    let found: BTreeMap<String, String> = golden()
        .into_keys()
        .map(|name| {
            let digest = digest(&name);
            (name, digest)
        })
        .collect();
    assert_eq!(found, golden());
}

#[test]
fn no_ready_made_scenario_is_forgotten() {
    let names =
        std::fs::read_dir(root().join("scenarios")).expect("the folder is there").filter_map(|entry| {
            let path = entry.expect("the folder can be read").path();
            let name = path.file_stem()?.to_str()?.to_owned();
            (path.extension()? == "toml" && name != "Cargo").then_some(name)
        });
    // The trace is the user's.
    let mut missing: Vec<String> = names.filter(|name| name != "trace-replay").collect();
    missing.retain(|name| !golden().contains_key(name));
    assert!(missing.is_empty(), "tests/golden-digests.txt lacks {missing:?}");
}
