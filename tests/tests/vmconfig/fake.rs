//! Programs that are not here: stand-ins that record how they are called, and what the real ones take.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use sekisho_tests::program::Program;
use sekisho_vmconfig::File;
use tempfile::TempDir;

/// An option and how many values it takes; `#` at its end stands for a number.
pub type Options = &'static [(&'static str, Values)];

/// How many values an option takes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Values {
    /// Exactly so many.
    Just(usize),
    /// One or more.
    Many,
}

/// What a script called, each call with its program first.
pub fn run(program: &str, script: &File) -> Vec<Vec<String>> {
    let folder = TempDir::new().expect("a folder");
    let put = |name: &str, text: &str| -> PathBuf {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("the folder is ours");
        fs::set_permissions(&path, Permissions::from_mode(0o755)).expect("the file is ours");
        path
    };
    let record = folder.path().join("record");
    put(
        program,
        "#!/bin/sh\nprintf '%s\\037' \"${0##*/}\" \"$@\" >> \"$RECORD\"\nprintf '\\036' >> \"$RECORD\"\n",
    );
    let script = put(&script.name, &script.text);
    let path = format!("{}:/usr/bin:/bin", folder.path().display());
    let mut command = Command::new(script);
    command.env("PATH", path).env("RECORD", &record);
    Program::start(&mut command)
        .finish(Duration::from_secs(20))
        .expect_success();
    let text = fs::read_to_string(record).expect("it was called");
    let calls = text.split_terminator('\u{1e}');
    calls
        .map(|call| call.split_terminator('\u{1f}').map(String::from).collect())
        .collect()
}

/// Checks that a call has only options that there are, each once, with as many values as it takes.
///
/// # Panics
/// When it has not.
#[track_caller]
pub fn expect_options(words: &[String], options: Options) {
    let mut words = words.iter().peekable();
    let mut given = Vec::new();
    while let Some(option) = words.next() {
        let known = options.iter().find(|(name, _)| matches(name, option));
        let Some((_, values)) = known else {
            panic!("there is no option {option}")
        };
        assert!(!given.contains(option), "{option} is there twice");
        given.push(option.clone());
        let mut taken = 0;
        while words.next_if(|word| !word.starts_with("--")).is_some() {
            taken += 1;
        }
        let fits = match values {
            Values::Just(number) => taken == *number,
            Values::Many => taken > 0,
        };
        assert!(fits, "{option} with {taken} values");
    }
}

fn matches(known: &str, option: &str) -> bool {
    match known.strip_suffix('#') {
        Some(stem) => option
            .strip_prefix(stem)
            .is_some_and(|number| number.parse::<u8>().is_ok()),
        None => known == option,
    }
}
