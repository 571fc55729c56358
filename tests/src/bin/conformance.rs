//! Makes `docs/conformance.md` from the list of requirements and the tests' names.
//!
//! ```text
//! conformance                              writes the page
//! conformance --check [--without-machine] LOG...
//! ```
//!
//! With `--check` it compares the page with the one that is there, and the tests with the harnesses' output in the
//! logs: each must have passed. `--without-machine` excuses those that boot a machine.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use sekisho_tests::conformance::requirements::Requirements;
use sekisho_tests::conformance::results::Results;
use sekisho_tests::conformance::{Extent, faults, page, sources};

const LIST: &str = "tests/requirements.toml";
const PAGE: &str = "docs/conformance.md";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.split_first() {
        None => write(),
        Some((first, logs)) if first == "--check" => check(logs),
        Some((other, _)) => Err(vec![format!(
            "unknown argument {other}; there is --check LOG..."
        )]),
    };
    match outcome {
        Ok(said) => {
            println!("{said}");
            ExitCode::SUCCESS
        }
        Err(faults) => {
            faults
                .iter()
                .for_each(|fault| eprintln!("conformance: {fault}"));
            ExitCode::FAILURE
        }
    }
}

type Outcome = Result<String, Vec<String>>;

fn write() -> Outcome {
    let (list, proofs) = read()?;
    let mut faults = list.faults();
    if let Err(error) = fs::write(top().join(PAGE), page::write(&list, &proofs)) {
        faults.push(format!("{PAGE}: {error}"));
    }
    match faults.is_empty() {
        true => Ok(format!("{PAGE}: {} tests", proofs.len())),
        false => Err(faults),
    }
}

fn check(arguments: &[String]) -> Outcome {
    let (extent, logs) = match arguments.split_first() {
        Some((first, logs)) if first == "--without-machine" => (Extent::WithoutMachine, logs),
        _ => (Extent::Whole, arguments),
    };
    let (list, proofs) = read()?;
    let mut output = String::new();
    for log in logs {
        output += &text(Path::new(log))?;
    }
    let mut faults = faults(&list, &proofs, &Results::read(&output), extent);
    if text(&top().join(PAGE))? != page::write(&list, &proofs) {
        faults.push(format!(
            "{PAGE} is not up to date; run: cargo run -p sekisho-tests --bin conformance"
        ));
    }
    match faults.is_empty() {
        true => Ok(format!("{PAGE} is up to date; {} tests", proofs.len())),
        false => Err(faults),
    }
}

fn read() -> Result<(Requirements, Vec<sources::Proof>), Vec<String>> {
    let list = Requirements::read(&text(&top().join(LIST))?)
        .map_err(|error| vec![format!("{LIST}: {error}")])?;
    let proofs = sources::scan_all(top(), &list).map_err(|error| vec![error.to_string()])?;
    Ok((list, proofs))
}

fn text(path: &Path) -> Result<String, Vec<String>> {
    fs::read_to_string(path).map_err(|error| vec![format!("{}: {error}", path.display())])
}

/// The repository's top folder.
fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the package is a folder of the repository")
}
