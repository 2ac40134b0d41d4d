//! What the tests of the command share: the command, a folder for it, and what it printed.

#![allow(dead_code, reason = "every test file uses a part")]

use std::path::Path;
use std::process::{Command, Output};

/// Runs the command in a folder.
pub(crate) fn warmpool(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_warmpool"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("it starts")
}

/// What it printed.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("what is printed is UTF-8")
}

/// Writes a file into a folder.
pub(crate) fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).expect("there is room for a file");
}

/// A folder with one file in it.
pub(crate) fn folder_with(name: &str, text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    write(folder.path(), name, text);
    folder
}
