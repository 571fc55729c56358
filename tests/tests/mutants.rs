//! Every deliberate defect of `tests/mutants.toml` still has its place; `cargo run -p sekisho-tests --bin mutants` tries them.

use std::collections::BTreeSet;

use sekisho_tests::mutants::{list, project};

#[test]
fn every_mutant_still_applies() {
    let mutants = list();
    assert!(mutants.len() >= 30, "only {}", mutants.len());
    let names: BTreeSet<&str> = mutants.iter().map(|mutant| mutant.name.as_str()).collect();
    assert_eq!(names.len(), mutants.len(), "two have one name");
    let errors: Vec<String> = mutants
        .iter()
        .filter_map(|mutant| mutant.applied(&project()).err())
        .collect();
    assert!(errors.is_empty(), "{}", errors.join("\n"));
}
