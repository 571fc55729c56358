//! Tries by itself what must pass the firewall and what must not, and prints a table.

use std::process::ExitCode;

use super::Demo;
use super::trials::{self, World};
use crate::failure::Failure;
use crate::follow::Interrupt;

/// One line of the table.
pub struct Trial {
    tried: &'static str,
    expected: &'static str,
    seen: String,
    held: bool,
}

impl Trial {
    /// What was tried, what had to be seen, and what was.
    pub fn new(tried: &'static str, expected: &'static str, seen: impl Into<String>) -> Self {
        let seen = seen.into();
        Self {
            tried,
            expected,
            held: seen == expected,
            seen,
        }
    }
}

/// Runs all trials and prints the table: success if all held.
///
/// # Errors
/// If the host has no port to be tried.
pub fn smoke(demo: &Demo, interrupt: &Interrupt) -> Result<ExitCode, Failure> {
    let world = World::new(demo, interrupt)?;
    let mut done = Vec::new();
    for trial in trials::ALL {
        done.push(trial(&world));
        if interrupt.came() {
            eprintln!("sekisho: interrupted");
            return Ok(ExitCode::FAILURE);
        }
    }
    print!("{}", table(&done));
    if done.iter().all(|trial| trial.held) {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("sekisho: not all held; the firewall's console:");
    for line in demo.vm.lines() {
        eprintln!("  {line}");
    }
    Ok(ExitCode::FAILURE)
}

/// The trials in columns.
fn table(trials: &[Trial]) -> String {
    let heading = ["tried", "expected", "seen", ""].map(String::from);
    let rows = trials.iter().map(|trial| {
        let verdict = if trial.held { "ok" } else { "FAILED" };
        [trial.tried, trial.expected, &trial.seen, verdict].map(String::from)
    });
    let rows: Vec<_> = std::iter::once(heading).chain(rows).collect();
    let width = |column: usize| {
        let widths = rows.iter().map(|row| row[column].chars().count());
        widths.max().unwrap_or_default()
    };
    let widths = [width(0), width(1), width(2)];
    let mut text = String::new();
    for [tried, expected, seen, verdict] in &rows {
        let line = format!(
            "{tried:0$}  {expected:1$}  {seen:2$}  {verdict}",
            widths[0], widths[1], widths[2]
        );
        text += line.trim_end();
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_holds_if_what_was_seen_is_what_was_expected() {
        let trials = [
            Trial::new("a long way in", "silence", "silence"),
            Trial::new("out", "silence", "connected"),
        ];
        assert_eq!(
            table(&trials),
            "tried          expected  seen\n\
             a long way in  silence   silence    ok\n\
             out            silence   connected  FAILED\n"
        );
    }
}
