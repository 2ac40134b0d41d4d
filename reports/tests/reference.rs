//! The reference in `scenarios/README.md` is made from the table of figures, and is up to date.

use std::fs;

const BEGIN: &str = "<!-- figures: made by `UPDATE_REFERENCE=1 cargo test -p reports --test reference` -->\n";
const END: &str = "<!-- end of figures -->\n";

#[test]
fn the_reference_of_figures_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios/README.md");
    let text = fs::read_to_string(path).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("the section of figures begins with its mark");
    let (section, after) = rest.split_once(END).expect("the section of figures ends with its mark");
    let current = format!("\n{}\n", reports::figure::reference());
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        fs::write(path, format!("{before}{BEGIN}{current}{END}{after}")).unwrap();
        return;
    }
    assert!(
        section == current,
        "the figures in scenarios/README.md are out of date: run this test with UPDATE_REFERENCE=1"
    );
}
