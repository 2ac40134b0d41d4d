//! The known name that is most like what a user wrote: for every message that says `did you mean ...?`.

/// How like two names must be at least, from 0 (nothing in common) to 1 (the same), for one to be offered for
/// the other.
const LIKE: f64 = 0.5;
/// A common beginning counts, but for less than a common whole.
const BEGINNING: f64 = 0.3;

/// The known name that is most like what was written, if one is like it at all. Case does not matter. Of
/// names that are equally like it the last one known is offered.
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let written = written.to_lowercase();
    let likeness = |name: &str| {
        let name = name.to_lowercase();
        let whole = strsim::normalized_damerau_levenshtein(&written, &name);
        whole.max(strsim::jaro_winkler(&written, &name) - BEGINNING)
    };
    known
        .into_iter()
        .map(|name| (likeness(name), name))
        .filter(|(likeness, _)| *likeness >= LIKE)
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, name)| name)
}

/// What to write instead: the nearest known name, or all of them where none is near.
pub fn suggestion(written: &str, known: &[&str]) -> String {
    match nearest(written, known.iter().copied()) {
        Some(name) => format!("did you mean `{name}`?"),
        None if known.is_empty() => String::new(),
        None => {
            let names: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
            format!("known here: {}", names.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_offered_and_otherwise_all() {
        assert_eq!(suggestion("redy", &["ready"]), "did you mean `ready`?");
        assert_eq!(suggestion("round-robbin", &["random", "round-robin"]), "did you mean `round-robin`?");
        assert_eq!(suggestion("zzz", &["low", "high"]), "known here: `low`, `high`");
        assert_eq!(suggestion("zzz", &[]), "");
    }

    #[test]
    fn case_does_not_matter_and_a_common_beginning_counts() {
        assert_eq!(nearest("LATENCY P98", ["misses", "latency p99"]), Some("latency p99"));
        assert_eq!(nearest("dead", ["queue", "deadline"]), Some("deadline"));
        assert_eq!(nearest("", ["queue"]), None);
    }
}
