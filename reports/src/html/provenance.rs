//! Where a run comes from: what is needed to make it again.

use super::text::{escape, section};
use crate::summary::Summary;

/// The scenario with every value in force, its file as it was read, and what was laid over it. Nothing where
/// that is not known.
pub(super) fn provenance(summary: &Summary) -> String {
    let provenance = &summary.provenance;
    if provenance.scenario.is_empty() {
        return String::new();
    }
    let folded = |title: &str, text: &str| {
        format!(
            "<details><summary>{}</summary><div class=\"scroll\"><pre tabindex=\"0\">{}</pre></div></details>",
            escape(title),
            escape(text)
        )
    };
    let mut content = folded("The scenario with every value in force", &provenance.scenario);
    content += &folded(&format!("{} as it was read", provenance.file), &provenance.text);
    for laid_over in [&provenance.pool, &provenance.host].into_iter().flatten() {
        content += &folded(&laid_over.name, &laid_over.text);
    }
    let warnings: String =
        provenance.warnings.iter().map(|warning| format!("<li>{}</li>", escape(warning))).collect();
    if !warnings.is_empty() {
        content += &format!("<p>Warnings</p><ul>{warnings}</ul>");
    }
    let mut says = format!("warmpool {}, {}", escape(&provenance.version), escape(&provenance.file));
    for set in &provenance.set {
        says += &format!(" <code>--set {}</code>", escape(set));
    }
    if let Some(digest) = &summary.digest {
        says += &format!("; digest <code>{}</code>", escape(digest));
    }
    section("Where this run comes from", &says, &content)
}
