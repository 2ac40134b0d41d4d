//! The folder of a run: all five files or none, and a page that can be made again to the byte.

mod toy;

use std::fs;

use reports::{Comparison, FolderError, SeedTable, Spread, Summary, Twin, Variant, folder};
use toy::Toy;

#[test]
fn a_page_made_again_from_the_files_is_the_same_to_the_byte() {
    let place = tempfile::tempdir().unwrap();
    let report = Toy { name: "<odd> & \"named\"", ..Toy::default() }.report();
    folder::write(place.path(), &report).unwrap();
    let before = fs::read(place.path().join(folder::PAGE)).unwrap();
    fs::remove_file(place.path().join(folder::PAGE)).unwrap();
    folder::write_pages_again(place.path()).unwrap();
    assert!(before == fs::read(place.path().join(folder::PAGE)).unwrap(), "the page differs");
    assert_eq!(folder::read(place.path()).unwrap().summary, report.summary);
}

#[test]
fn the_folder_holds_the_five_files_and_nothing_else() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("a/new/folder");
    folder::write(&folder, &Toy::default().report()).unwrap();
    folder::write(&folder, &Toy { seed: 7, ..Toy::default() }.report()).unwrap();
    let mut names: Vec<String> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["latency.hgrm", "latency.hlog", "report.html", "summary.json", "timeline.csv"]);
    assert_eq!(folder::read(&folder).unwrap().summary.seed, 7);
}

#[test]
fn the_page_needs_no_network_and_escapes_every_name() {
    let place = tempfile::tempdir().unwrap();
    let report = Toy { name: "</script><img src=x>", ..Toy::default() }.report();
    folder::write(place.path(), &report).unwrap();
    let page = fs::read_to_string(place.path().join(folder::PAGE)).unwrap();
    assert!(!page.contains("<img"), "a name became an element");
    for scheme in ["http:", "https:", "url(", "@import", "<link rel=\"stylesheet"] {
        assert!(!page.contains(scheme), "the page mentions {scheme}");
    }
}

#[test]
fn a_file_in_the_way_is_named() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("out");
    fs::write(&file, "mine").unwrap();
    let error = folder::write(&file, &Toy::default().report()).unwrap_err();
    assert!(matches!(error, FolderError::NotAFolder(_)));
    assert!(error.to_string().contains("is a file, not a folder: remove it"), "{error}");
    assert_eq!(fs::read(&file).unwrap(), b"mine");
    let below = folder::write(&file.join("deeper"), &Toy::default().report()).unwrap_err();
    assert!(below.to_string().contains("cannot make the folder"), "{below}");
}

/// `/dev/full` cannot stand in for a folder, but a folder in `/proc` cannot be written to, by root either.
#[cfg(target_os = "linux")]
#[test]
fn an_unwritable_folder_is_an_error_with_a_remedy() {
    let error = folder::write(std::path::Path::new("/proc/sys"), &Toy::default().report()).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("/proc/sys/") && text.contains("choose"), "{text}");
}

#[test]
fn a_damaged_folder_is_named() {
    let place = tempfile::tempdir().unwrap();
    let missing = folder::read(place.path()).unwrap_err().to_string();
    assert!(missing.contains("summary.json") && missing.contains("--out"), "{missing}");
    folder::write(place.path(), &Toy::default().report()).unwrap();
    let summary = fs::read_to_string(place.path().join(folder::SUMMARY)).unwrap();
    let older = summary.replace("\"schema\": 3", "\"schema\": 1").replace("\"demand_s\"", "\"elsewhere\"");
    fs::write(place.path().join(folder::SUMMARY), older).unwrap();
    let older = folder::read(place.path()).unwrap_err().to_string();
    assert!(older.contains("its schema is 1, not 3"), "{older}");
    fs::write(place.path().join(folder::SUMMARY), summary).unwrap();
    fs::write(place.path().join(folder::TIMELINE), "from_s,to_s\n1,2\n").unwrap();
    let damaged = folder::read(place.path()).unwrap_err().to_string();
    assert!(damaged.contains("timeline.csv is not of the run of summary.json"), "{damaged}");
}

#[test]
fn parts_of_different_runs_are_refused() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    folder::write(one.path(), &Toy::default().report()).unwrap();
    folder::write(other.path(), &Toy { seed: 7, ..Toy::default() }.report()).unwrap();
    for part in [folder::TIMELINE, folder::HLOG] {
        let own = fs::read(one.path().join(part)).unwrap();
        fs::copy(other.path().join(part), one.path().join(part)).unwrap();
        let error = folder::write_pages_again(one.path()).unwrap_err();
        assert!(matches!(&error, FolderError::OtherRun { path, .. } if path.ends_with(part)), "{error}");
        fs::write(one.path().join(part), own).unwrap();
    }
    folder::write_pages_again(one.path()).unwrap();
}

#[test]
fn a_folder_is_free_for_its_own_run_only_until_it_is_cleared() {
    let place = tempfile::tempdir().unwrap();
    folder::is_free_for(&place.path().join("none"), "a").unwrap();
    let mut report = Toy::default().report();
    report.summary.identity.run = "a".to_owned();
    folder::write(place.path(), &report).unwrap();
    folder::is_free_for(place.path(), "a").unwrap();
    let error = folder::is_free_for(place.path(), "b").unwrap_err().to_string();
    assert!(error.contains(&report.summary.name) && error.contains("--force"), "{error}");
    fs::write(place.path().join(folder::SUMMARY), "{}").unwrap();
    folder::is_free_for(place.path(), "a").unwrap_err();
    fs::remove_file(place.path().join(folder::SUMMARY)).unwrap();
    folder::is_free_for(place.path(), "a").unwrap_err();
    fs::write(place.path().join("notes.txt"), "mine").unwrap();
    folder::clear(place.path()).unwrap();
    folder::is_free_for(place.path(), "b").unwrap();
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1, "what is not ours stays");
}

#[test]
fn pages_of_a_comparison_a_twin_and_a_spread_are_made_again_to_the_byte() {
    let place = tempfile::tempdir().unwrap();
    let reports = [1, 2].map(|depth| Toy { depth, ..Toy::default() }.report());
    let runs = reports.each_ref().map(|report| vec![report.summary.clone()]);
    let [one, other] = runs.clone().map(|runs| Variant { name: runs[0].name.clone(), runs });
    let comparison = Comparison::new(&[one, other], 0.95).unwrap();
    folder::write_comparison(&place.path().join("compare"), &comparison, &reports.each_ref()).unwrap();
    let twin = Twin::new(&reports[0].summary, &[&reports[1].summary]);
    folder::write_twin(&place.path().join("twin"), &twin, &reports[0], &reports[1..]).unwrap();
    let (spread, table) = (Spread::new(&runs[0], 0.95), SeedTable::new(&runs[0]));
    folder::write_spread(&place.path().join("spread"), &reports[0], &spread, &table).unwrap();
    for (name, page, part) in [
        ("compare", folder::COMPARISON_PAGE, "B/summary.json"),
        ("twin", folder::TWIN_PAGE, "real-1/summary.json"),
        ("spread", folder::SPREAD_PAGE, folder::SEEDS),
    ] {
        let inside = place.path().join(name);
        let before = fs::read(inside.join(page)).unwrap();
        fs::remove_file(inside.join(page)).unwrap();
        assert_eq!(folder::write_pages_again(&inside).unwrap()[0], inside.join(page));
        assert!(before == fs::read(inside.join(page)).unwrap(), "{name}: the page differs");
        let text = fs::read_to_string(inside.join(part)).unwrap();
        fs::write(inside.join(part), text + "\n").unwrap();
        let error = folder::write_pages_again(&inside).unwrap_err();
        assert!(matches!(error, FolderError::OtherRun { .. }), "{name}: {error}");
    }
}

#[test]
fn the_schema_file_is_current_and_a_real_summary_follows_it() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/summary.schema.json");
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        fs::write(path, Summary::schema()).unwrap();
    }
    // The order of keys depends on what else is built beside this crate; what they say does not.
    let schema: serde_json::Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let current: serde_json::Value = serde_json::from_str(&Summary::schema()).unwrap();
    assert!(schema == current, "summary.schema.json is out of date: run this test with UPDATE_SCHEMA=1");
    let validator = jsonschema::validator_for(&schema).unwrap();
    let small = Toy { depth: 0, demand: vec![(3, 1.0)], warmup_s: 0, ..Toy::default() };
    for toy in [Toy::default(), Toy { per_tenant: true, ..small.clone() }, small] {
        let mut summary: serde_json::Value = serde_json::from_str(&toy.report().summary.to_json()).unwrap();
        let errors: Vec<String> = validator.iter_errors(&summary).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?}");
        summary["outcomes"]["lukewarm"] = 1.into();
        assert!(!validator.is_valid(&summary), "an unknown outcome must not pass");
    }
}
