//! The doctor answers every question, and what it finds fit does run.

#![allow(clippy::unwrap_used, reason = "a test says by a panic what went wrong")]

use std::collections::HashSet;
use vmm_backend::doctor::{Verdict, Wanted, examine};

#[test]
fn every_question_has_one_answer_and_every_trouble_a_remedy() {
    let findings = examine(&Wanted { vms: 10, ..Wanted::default() });
    let names: HashSet<_> = findings.iter().map(|finding| finding.name).collect();
    assert_eq!(names.len(), findings.len(), "{findings:?}");
    for finding in &findings {
        assert!(!finding.seen.is_empty(), "{finding:?}");
        assert_eq!(finding.verdict == Verdict::Ok, finding.remedy.is_empty(), "{finding:?}");
    }
    let verdict = |name: &str| findings.iter().find(|finding| finding.name == name).unwrap().verdict;
    if support::has(&support::Need::Kvm) {
        assert_eq!(verdict("kvm device"), Verdict::Ok);
        assert_eq!(verdict("guest: embedded"), Verdict::Ok);
        assert_eq!(verdict("ring 0"), verdict("guest: linux"));
    } else {
        assert_eq!(verdict("kvm device"), Verdict::Fail);
    }
}
