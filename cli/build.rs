//! Lists the ready-made scenarios and pool policies, so that the program carries them: an installed one has
//! no folder of them.

use std::fmt::Write;
use std::path::{Path, PathBuf};

fn main() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let scenarios = list("SCENARIOS", &folder);
    let pools = list("POOLS", &folder.join("pools"));
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo names a folder for what is built"));
    std::fs::write(out.join("ready_made.rs"), scenarios + &pools).expect("the folder can be written to");
}

/// A constant with the name and the text of every file of a folder, in the order of their names.
fn list(name: &str, folder: &Path) -> String {
    println!("cargo::rerun-if-changed={}", folder.display());
    let entries = std::fs::read_dir(folder).expect("the folder of the ready-made files is in the repository");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("it can be read").path()).collect();
    files.retain(|file| {
        file.extension().is_some_and(|ending| ending == "toml") && !file.ends_with("Cargo.toml")
    });
    files.sort();
    let mut text = format!("pub(super) const {name}: &[(&str, &str)] = &[\n");
    for file in files {
        println!("cargo::rerun-if-changed={}", file.display());
        let stem = file.file_stem().expect("a file has a name").to_string_lossy().into_owned();
        let _ = writeln!(text, "    ({stem:?}, include_str!({:?})),", file.display().to_string());
    }
    text + "];\n"
}
