//! `sekisho check FILE...`

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use sekisho_config::Checked;

/// What to look over.
#[derive(clap::Args)]
pub struct Arguments {
    /// Configuration files; `-` is the standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// How one file did, from best to worst.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Accepted,
    Refused,
    Unreadable,
}

/// Looks over all files; the exit code is that of the worst.
pub fn check(arguments: &Arguments) -> ExitCode {
    let worst = arguments.files.iter().map(|file| look_over(file)).max();
    match worst {
        Some(Outcome::Accepted) | None => ExitCode::SUCCESS,
        Some(Outcome::Refused) => ExitCode::FAILURE,
        Some(Outcome::Unreadable) => ExitCode::from(2),
    }
}

fn look_over(file: &Path) -> Outcome {
    let name = file.display();
    let bytes = match read(file) {
        Ok(bytes) => bytes,
        Err(error) => {
            eprintln!("sekisho: cannot read {name}: {error}");
            return Outcome::Unreadable;
        }
    };
    match sekisho_config::check(&bytes) {
        Ok(checked) => {
            accept(&name.to_string(), &checked);
            Outcome::Accepted
        }
        Err(report) => {
            eprintln!("sekisho: configuration ({name}):\n{report}");
            Outcome::Refused
        }
    }
}

/// A file's bytes, or those of the standard input for `-`.
///
/// # Errors
/// What the system says.
pub fn read(file: &Path) -> io::Result<Vec<u8>> {
    if file != Path::new("-") {
        return fs::read(file);
    }
    let mut bytes = Vec::new();
    io::stdin().read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn accept(name: &str, checked: &Checked) {
    warn(name, checked);
    println!("{name}: accepted: {}", summary(checked));
}

/// Says what is odd about a configuration that is accepted.
pub fn warn(name: &str, checked: &Checked) {
    for warning in &checked.warnings {
        eprintln!("sekisho: configuration ({name}):\n{warning}");
    }
}

/// What a configuration has in it.
pub fn summary(checked: &Checked) -> String {
    let config = &checked.config;
    format!(
        "{}, {}, {}",
        count(config.zones.len(), "zone"),
        count(config.rules.len(), "rule"),
        count(config.forwards.len(), "forward")
    )
}

fn count(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}
