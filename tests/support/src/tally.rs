//! Counts what was skipped, and says it once, when the test program ends.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::sync::{Mutex, PoisonError};

use super::Missing;

/// By the name of the need: which tests, and why.
static SKIPPED: Mutex<BTreeMap<&'static str, (BTreeSet<String>, String)>> = Mutex::new(BTreeMap::new());

/// The calling test is skipped.
pub(crate) fn count(name: &'static str, missing: &Missing) {
    let mut skipped = SKIPPED.lock().unwrap_or_else(PoisonError::into_inner);
    let (tests, why) = skipped.entry(name).or_default();
    *why = missing.to_string();
    // libtest names a test's thread after the test, but with one thread it runs all on its own.
    let test = match std::thread::current().name() {
        Some(test) if test != "main" => test.to_owned(),
        _ => format!("test {}", tests.len()),
    };
    tests.insert(test);
}

dtor::declarative::dtor! {
    /// The program ends.
    #[dtor(unsafe)]
    fn tell() {
        let skipped = SKIPPED.lock().unwrap_or_else(PoisonError::into_inner);
        let here: u32 = skipped.values().map(|(tests, _)| tests.len() as u32).sum();
        if here == 0 {
            return;
        }
        let in_run = add_to_run(here).unwrap_or(here);
        let mut line = format!("\nskipped {here} tests here, {in_run} in this run so far");
        for (name, (tests, why)) in &*skipped {
            let _ = write!(line, "; {} without {name}: {why}", tests.len());
        }
        line.push('\n');
        // Not `eprintln!`, which libtest captures. Nobody may read it any more, which is as well.
        let _ = io::stderr().write_all(line.as_bytes());
    }
}

/// Adds to the count of all programs that the same process has started, and gives it. Each adds a line, so
/// that two that end at the same time do not undo each other.
fn add_to_run(here: u32) -> io::Result<u32> {
    let path = std::env::temp_dir().join(format!("warmpool-skipped-{}", run()));
    let mut file = File::options().read(true).append(true).create(true).open(path)?;
    writeln!(file, "{here}")?;
    file.rewind()?;
    let mut counts = String::new();
    file.read_to_string(&mut counts)?;
    Ok(counts.lines().filter_map(|count| count.parse::<u32>().ok()).sum())
}

/// Names the process that has started this one: by its number, and by its start, as numbers are used again.
#[cfg(unix)]
fn run() -> String {
    let parent = std::os::unix::process::parent_id();
    let stat = std::fs::read_to_string(format!("/proc/{parent}/stat")).unwrap_or_default();
    let started = stat.rsplit(')').next().and_then(|fields| fields.split_whitespace().nth(19)).unwrap_or("0");
    format!("{parent}-{started}")
}

#[cfg(not(unix))]
fn run() -> String {
    std::process::id().to_string()
}
