//! The page itself, in Markdown.

use std::fmt::Write as _;

use super::requirements::{Document, Requirement, Requirements, Standing};
use super::sources::Proof;

const HEAD: &str = "\
# Conformance

<!-- Made by `cargo run -p sekisho-tests --bin conformance`; ./check fails if it is not up to date. -->

What the RFCs ask of a NAT, a firewall and a router, what other filters check, and the attacks that must fail: each with the
tests that are named after it. The list is `tests/requirements.toml`; a test belongs to the requirement that its name
begins with. `./check` runs all of them, makes this page again, and fails if a test is gone, did not run or failed, or if the page
differs.

Tests under `kernel/` show it on the packet engine, the driver or the configuration; those under `tests/` on the booted virtual
machine, frame by frame.

";

/// Writes the page.
pub fn write(list: &Requirements, proofs: &[Proof]) -> String {
    let mut page = String::from(HEAD);
    let count =
        |wanted: fn(Standing<'_>) -> bool| list.all().filter(|one| wanted(one.standing())).count();
    let _ = writeln!(
        page,
        "{} requirements: {} met, {} met in another way, {} that do not apply, {} not met; {} tests.",
        list.all().count(),
        count(|standing| standing == Standing::Met),
        count(|standing| matches!(standing, Standing::Differs(_))),
        count(|standing| matches!(standing, Standing::DoesNotApply(_))),
        count(|standing| matches!(standing, Standing::Missing(_))),
        proofs.len(),
    );
    for document in list.documents() {
        section(&mut page, list, document, proofs);
    }
    page
}

fn section(page: &mut String, list: &Requirements, document: &Document, proofs: &[Proof]) {
    let _ = write!(page, "\n## {}\n\n", document.title);
    page.push_str("| | what it asks | result | tests |\n|---|---|---|---|\n");
    for requirement in &document.requirements {
        let proofs = proofs
            .iter()
            .filter(|proof| list.of(&proof.name) == Some(requirement));
        let tests: Vec<String> = proofs.map(|proof| link(proof, &requirement.id)).collect();
        let _ = writeln!(
            page,
            "| {} | {} | {} | {} |",
            requirement.name,
            requirement.means,
            result(requirement),
            tests.join("<br>"),
        );
    }
}

fn result(requirement: &Requirement) -> String {
    match requirement.standing() {
        Standing::Met => match requirement.note() {
            Some(note) => format!("met; {note}"),
            None => String::from("met"),
        },
        Standing::Differs(why) => format!("met in another way: {why}"),
        Standing::DoesNotApply(why) => format!("does not apply: {why}"),
        Standing::Missing(why) => format!("**not met**: {why}"),
    }
}

/// A test's name without its number, and its file.
fn link(proof: &Proof, id: &str) -> String {
    let name = proof.name.strip_prefix(id).unwrap_or(&proof.name);
    let says = name.trim_start_matches('_').replace('_', " ");
    format!("[{says}](../{})", proof.path.display())
}
