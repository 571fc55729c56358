//! Puts one deliberate defect after the other into a copy of the sources, and says whether the tests notice.
//!
//! `cargo run -p sekisho-tests --bin mutants -- [NAME]...`: all of them, or those whose names hold one of the words. Exit code 1
//! if one is missed, does not build, or does not apply; 2 if no name holds a word.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Instant;

use sekisho_tests::mutants::{Fate, Mutant, Workshop, list, project};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let is_wanted =
        |mutant: &Mutant| words.is_empty() || words.iter().any(|word| mutant.name.contains(word));
    let wanted: Vec<Mutant> = list().into_iter().filter(is_wanted).collect();
    if wanted.is_empty() {
        eprintln!(
            "mutants: no name in tests/mutants.toml holds {}",
            words.join(" or ")
        );
        return ExitCode::from(2);
    }
    let mut broken = wanted
        .iter()
        .filter_map(|mutant| mutant.applied(&project()).err());
    if let Some(error) = broken.next() {
        eprintln!("mutants: {error}");
        return ExitCode::FAILURE;
    }
    let workshop = Workshop::new();
    let packages: BTreeSet<&str> = wanted
        .iter()
        .map(|mutant| mutant.package.as_str())
        .collect();
    for package in packages {
        if !workshop.healthy(package) {
            eprintln!("mutants: the tests of {package} fail without any defect: mend that first");
            return ExitCode::FAILURE;
        }
    }
    let mut bad = 0;
    for mutant in &wanted {
        let started = Instant::now();
        let word = match workshop.try_out(mutant) {
            Fate::Caught => "caught",
            Fate::Missed => "MISSED",
            Fate::DoesNotBuild => "NO PROGRAM",
        };
        bad += usize::from(word != "caught");
        println!(
            "{word:10}  {}  ({} s)",
            mutant.name,
            started.elapsed().as_secs()
        );
    }
    println!(
        "{} mutants, {} caught, {bad} not",
        wanted.len(),
        wanted.len() - bad
    );
    match bad {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}
