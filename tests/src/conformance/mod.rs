//! The conformance page, `docs/conformance.md`: what is asked of a NAT, a firewall and a router, and which test shows it.
//!
//! * [`requirements`]: the list, `tests/requirements.toml`.
//! * [`sources`]: the tests that are named after a requirement, as the source files have them.
//! * [`results`]: how they ended, as the harnesses' output says.
//! * [`page`]: the page.
//!
//! `./check` makes the page again and compares it with the one in the repository.

pub mod page;
pub mod requirements;
pub mod results;
pub mod sources;

use requirements::{Requirements, Standing};
use results::{Outcome, Results};
use sources::Proof;

/// Whether the tests that boot a machine had their turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All tests ran.
    Whole,
    /// Those in `tests/` did not.
    WithoutMachine,
}

/// Everything that is wrong between the list, the tests and their results; empty if the page can be believed.
pub fn faults(
    list: &Requirements,
    proofs: &[Proof],
    results: &Results,
    ran: Extent,
) -> Vec<String> {
    let mut faults = list.faults();
    for requirement in list.all() {
        let proven = proofs
            .iter()
            .any(|proof| list.of(&proof.name) == Some(requirement));
        match (requirement.standing(), proven) {
            (Standing::Met | Standing::Differs(_), false) => {
                faults.push(format!("{}: no test is named after it", requirement.id));
            }
            (Standing::DoesNotApply(_) | Standing::Missing(_), true) => {
                faults.push(format!("{}: declared, but there is a test", requirement.id));
            }
            (Standing::Met | Standing::Differs(_), true)
            | (Standing::DoesNotApply(_) | Standing::Missing(_), false) => {}
        }
    }
    for (at, proof) in proofs.iter().enumerate() {
        let (name, path) = (&proof.name, proof.path.display());
        if list.of(name).is_none() {
            faults.push(format!("{path}: {name} names no requirement of the list"));
        }
        if let Some(other) = proofs[..at].iter().find(|other| other.name == *name) {
            faults.push(format!(
                "{path}: {name} is in {} as well",
                other.path.display()
            ));
        }
        let excused = ran == Extent::WithoutMachine && proof.needs_machine();
        match results.of(&proof.run_by) {
            Some(Outcome::Passed) => {}
            Some(Outcome::Failed) => faults.push(format!("{name} failed")),
            None if excused => {}
            None => faults.push(format!("{name} did not run")),
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = r#"
        [[document]]
        title = "RFC 1"
        requirements = [
            { id = "rfc1_req1", name = "REQ-1", means = "one" },
            { id = "rfc1_req2", name = "REQ-2", means = "two", does_not_apply = "there is none" },
        ]
    "#;

    fn said(source: &str, output: &str) -> Vec<String> {
        let list = Requirements::read(LIST).expect("a list");
        let proofs = sources::scan("kernel/x.rs".as_ref(), source, &list);
        faults(&list, &proofs, &Results::read(output), Extent::Whole)
    }

    #[test]
    fn a_page_is_believed_only_if_every_test_is_there_and_passed() {
        const TEST: &str = "#[test]\nfn rfc1_req1_is_met() {}\n";
        const PASSED: &str = "test a::rfc1_req1_is_met ... ok\n";
        assert_eq!(said(TEST, PASSED), [""; 0]);
        assert_eq!(said(TEST, ""), ["rfc1_req1_is_met did not run"]);
        let failed = PASSED.replace("ok", "FAILED");
        assert_eq!(said(TEST, &failed), ["rfc1_req1_is_met failed"]);
        assert_eq!(said("", ""), ["rfc1_req1: no test is named after it"]);
        let declared = format!("{TEST}#[test]\nfn rfc1_req2_x() {{}}\n");
        let passed = format!("{PASSED}test rfc1_req2_x ... ok\n");
        assert_eq!(
            said(&declared, &passed),
            ["rfc1_req2: declared, but there is a test"]
        );
        let stray = format!("{TEST}#[test]\nfn rfc1_req9_x() {{}}\n");
        let passed = format!("{PASSED}test rfc1_req9_x ... ok\n");
        assert_eq!(
            said(&stray, &passed),
            ["kernel/x.rs: rfc1_req9_x names no requirement of the list"]
        );
    }
}
