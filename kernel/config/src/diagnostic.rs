//! What is wrong with a configuration, where, and what to do.
//!
//! * [`Diagnostic`]: one finding; its `Display` is what a person reads.
//! * [`Report`]: all findings of a refused configuration.
//!
//! The kernel's console and the host's `check` print the same text, so nothing
//! here knows of colours, file names or terminal widths.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::excerpt::Excerpt;

/// The most errors, and the most warnings, that one report lists; the rest is only counted.
pub const MAX_LISTED: usize = 20;

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The configuration is refused.
    Error,
    /// The configuration is taken, but somebody should look at this.
    Warning,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// Where in the file; `None` where the file as a whole is meant.
    pub position: Option<Position>,
    /// What is wrong, one line.
    pub message: String,
    /// What to do about it; may have several lines.
    pub help: Option<String>,
}

/// A place in the file, with the line as it can be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters (not bytes), from 1.
    pub column: u32,
    /// The line, clipped, with control characters made visible.
    pub excerpt: Excerpt,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        writeln!(f, "{severity}: {}", self.message)?;
        if let Some(position) = &self.position {
            writeln!(f, "{position}")?;
        }
        if let Some(help) = &self.help {
            write_help(f, help)?;
        }
        Ok(())
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column, .. } = self;
        writeln!(f, "  at line {line}, column {column}:")?;
        writeln!(f, "{line:>5} | {}", self.excerpt.text())?;
        write!(f, "      | {}", self.excerpt.marker())
    }
}

/// The first line after `help:`, the others under it.
fn write_help(f: &mut fmt::Formatter<'_>, help: &str) -> fmt::Result {
    for (index, line) in help.lines().enumerate() {
        let lead = if index == 0 { "help: " } else { "      " };
        writeln!(f, "{lead}{line}")?;
    }
    Ok(())
}

/// Why a configuration was refused: at least one error, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    diagnostics: Vec<Diagnostic>,
    unlisted: usize,
}

impl Report {
    pub(crate) const fn new(diagnostics: Vec<Diagnostic>, unlisted: usize) -> Self {
        Self {
            diagnostics,
            unlisted,
        }
    }

    pub(crate) fn single(message: String, position: Option<Position>, help: String) -> Self {
        let diagnostic = Diagnostic {
            severity: Severity::Error,
            position,
            message,
            help: Some(help),
        };
        Self::new(alloc::vec![diagnostic], 0)
    }

    /// The errors in the order of the file; at most [`MAX_LISTED`].
    #[must_use]
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// How many further errors there are that are not listed.
    #[must_use]
    pub const fn unlisted(&self) -> usize {
        self.unlisted
    }

    /// How many errors there are in all.
    #[must_use]
    pub const fn errors(&self) -> usize {
        self.diagnostics.len().saturating_add(self.unlisted)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for diagnostic in &self.diagnostics {
            writeln!(f, "{diagnostic}")?;
        }
        if self.unlisted > 0 {
            writeln!(f, "(and {} more)\n", self.unlisted)?;
        }
        match self.errors() {
            1 => write!(f, "1 error: the configuration is refused"),
            errors => write!(f, "{errors} errors: the configuration is refused"),
        }
    }
}

impl core::error::Error for Report {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::excerpt::locate;
    use crate::span::Span;
    use alloc::string::ToString;

    fn finding(text: &str, start: usize, end: usize) -> Diagnostic {
        Diagnostic {
            severity: Severity::Error,
            position: Some(locate(text, Span::new(start, end))),
            message: "unknown key `adress` in [zone.wan]".into(),
            help: Some("did you mean `address`?".into()),
        }
    }

    #[test]
    fn a_finding_shows_message_place_line_and_help() {
        let shown = finding("version = 1\nadress = 2\n", 12, 18).to_string();
        assert_eq!(
            shown,
            "error: unknown key `adress` in [zone.wan]\n  \
               at line 2, column 1:\n    \
                 2 | adress = 2\n      \
                   | ^^^^^^\n\
             help: did you mean `address`?\n"
        );
    }

    #[test]
    fn a_report_counts_what_it_does_not_list() {
        let report = Report::new(alloc::vec![finding("x = 1", 0, 1)], 7);
        assert_eq!(report.errors(), 8);
        let shown = report.to_string();
        assert!(shown.contains("(and 7 more)"), "{shown}");
        assert!(shown.ends_with("8 errors: the configuration is refused"));
    }
}
