//! The tests that are named after a requirement, from the source files.
//!
//! A function is such a test if `#[test]` stands above it, or if it is listed in one of the two macros of
//! the tests that boot a machine: `on_every_machine!`, which makes a test of it for each machine, and
//! `on_one_machine!`, whose tests run several functions each on one machine:
//!
//! ```text
//! on_one_machine! {
//!     mapping: rfc4787_req1_one_port_for_all_peers, rfc4787_req9_hairpin;
//! }
//! ```

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::requirements::Requirements;

/// A test that is named after a requirement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The function.
    pub name: String,
    /// The test that runs it: itself, but for those that share a machine.
    pub run_by: String,
    /// Its file, from the repository's top.
    pub path: PathBuf,
}

impl Proof {
    /// Whether it is among those that boot a machine.
    pub fn needs_machine(&self) -> bool {
        self.path.starts_with("tests")
    }
}

/// The tests in all of the repository's source files, in the order of their paths and lines.
///
/// # Errors
/// A file or folder cannot be read.
pub fn scan_all(repository: &Path, list: &Requirements) -> io::Result<Vec<Proof>> {
    let mut proofs = Vec::new();
    for folder in ["image", "kernel", "qemu", "tests"] {
        walk(repository, Path::new(folder), &mut |path, text| {
            proofs.extend(scan(path, text, list));
        })?;
    }
    Ok(proofs)
}

fn walk(top: &Path, folder: &Path, found: &mut dyn FnMut(&Path, &str)) -> io::Result<()> {
    let mut names = fs::read_dir(top.join(folder))?
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect::<io::Result<Vec<_>>>()?;
    names.sort();
    for name in names {
        let path = folder.join(name);
        let whole = top.join(&path);
        // These files hold examples of tests.
        let is_ours = path == Path::new("tests/src/conformance");
        if whole.is_dir() && !is_ours {
            walk(top, &path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found(&path, &fs::read_to_string(whole)?);
        }
    }
    Ok(())
}

/// The tests of one file.
pub fn scan(path: &Path, text: &str, list: &Requirements) -> Vec<Proof> {
    let mut place = Place::Code;
    let mut proofs = Vec::new();
    let mut add = |name: &str, run_by: &str| {
        if list.is_about_one(name) {
            proofs.push(Proof {
                name: name.to_owned(),
                run_by: run_by.to_owned(),
                path: path.to_owned(),
            });
        }
    };
    for line in text.lines().map(str::trim) {
        place = match place {
            _ if line == "on_every_machine!(" => Place::EachMachine,
            _ if line == "on_one_machine! {" => Place::OneMachine(String::new()),
            Place::EachMachine if line.starts_with(')') => Place::Code,
            Place::OneMachine(_) if line.starts_with('}') => Place::Code,
            Place::EachMachine => {
                names(line).for_each(|name| add(name, name));
                Place::EachMachine
            }
            Place::OneMachine(run_by) => {
                let (run_by, rest) = match line.split_once(':') {
                    Some((test, rest)) => (test.to_owned(), rest),
                    None => (run_by, line),
                };
                names(rest).for_each(|name| add(name, &run_by));
                Place::OneMachine(run_by)
            }
            Place::Code | Place::AfterTest if line == "#[test]" => Place::AfterTest,
            Place::AfterTest if line.starts_with("#[") => Place::AfterTest,
            Place::AfterTest => {
                let name = line.strip_prefix("fn ").and_then(|rest| names(rest).next());
                if let Some(name) = name {
                    add(name, name);
                }
                Place::Code
            }
            Place::Code => Place::Code,
        };
    }
    proofs
}

/// Where in a file a line stands.
enum Place {
    Code,
    AfterTest,
    EachMachine,
    /// With the test that the functions belong to.
    OneMachine(String),
}

fn names(text: &str) -> impl Iterator<Item = &str> {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
    text.split(move |letter| !is_part(letter))
        .filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_found_alone_and_in_both_macros() {
        let list = "[[document]]\ntitle = \"t\"\nrequirements = []";
        let list = Requirements::read(list).expect("a list");
        let source = "
            fn rfc1_helper() {}
            #[test]
            #[should_panic]
            fn rfc1_alone() {
                rfc1_called();
            }
            #[test]
            fn about_nothing() {}
            on_every_machine!(
                rfc1_everywhere,
                about_nothing,
            );
            on_one_machine! {
                first: rfc1_one,
                    rfc1_two;
                second: rfc1_three;
            }
            fn rfc1_one(rig: &Rig) {}
        ";
        let found: Vec<_> = scan("tests/x.rs".as_ref(), source, &list)
            .into_iter()
            .map(|proof| (proof.name, proof.run_by))
            .collect();
        let expected = [
            ("rfc1_alone", "rfc1_alone"),
            ("rfc1_everywhere", "rfc1_everywhere"),
            ("rfc1_one", "first"),
            ("rfc1_two", "first"),
            ("rfc1_three", "second"),
        ];
        assert_eq!(
            found,
            expected.map(|(name, by)| (name.to_owned(), by.to_owned()))
        );
    }
}
