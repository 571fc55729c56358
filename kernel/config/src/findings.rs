//! Where readers and checks leave what they find, so that one pass over a file
//! reports everything that is wrong with it.

use alloc::string::String;
use alloc::vec::Vec;

use crate::diagnostic::{Diagnostic, MAX_LISTED, Report, Severity};
use crate::excerpt::locate;
use crate::span::Span;

/// What is wrong with a value, by whoever knows its grammar but not its place.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    message: String,
    help: Option<String>,
}

impl Fault {
    /// A fault without advice.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            help: None,
        }
    }

    /// Adds what to do about it.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// The errors and warnings so far.
pub(crate) struct Findings<'t> {
    text: &'t str,
    errors: Vec<(usize, Diagnostic)>,
    unlisted: usize,
    warnings: Vec<(usize, Diagnostic)>,
}

impl<'t> Findings<'t> {
    /// None yet, about this text.
    pub const fn about(text: &'t str) -> Self {
        Self {
            text,
            errors: Vec::new(),
            unlisted: 0,
            warnings: Vec::new(),
        }
    }

    /// Notes an error.
    pub fn error(&mut self, at: Span, fault: Fault) {
        if self.errors.len() < MAX_LISTED {
            let diagnostic = self.diagnose(Severity::Error, at, fault);
            self.errors.push((at.start, diagnostic));
        } else {
            self.unlisted = self.unlisted.saturating_add(1);
        }
    }

    /// Notes something that is allowed but worth a look.
    pub fn warn(&mut self, at: Span, fault: Fault) {
        if self.warnings.len() < MAX_LISTED {
            let diagnostic = self.diagnose(Severity::Warning, at, fault);
            self.warnings.push((at.start, diagnostic));
        }
    }

    /// The value, or a note of its fault.
    pub fn take<T>(&mut self, at: Span, result: Result<T, Fault>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(fault) => {
                self.error(at, fault);
                None
            }
        }
    }

    /// How many errors there are.
    pub fn errors(&self) -> usize {
        self.errors.len() + self.unlisted
    }

    /// The warnings, if there is no error; else the errors alone. Both in the order of the file.
    pub fn finish(self) -> Result<Vec<Diagnostic>, Report> {
        if self.errors.is_empty() {
            return Ok(in_order(self.warnings));
        }
        Err(Report::new(in_order(self.errors), self.unlisted))
    }

    fn diagnose(&self, severity: Severity, at: Span, fault: Fault) -> Diagnostic {
        Diagnostic {
            severity,
            position: Some(locate(self.text, at)),
            message: fault.message,
            help: fault.help,
        }
    }
}

fn in_order(mut found: Vec<(usize, Diagnostic)>) -> Vec<Diagnostic> {
    found.sort_by_key(|(start, _)| *start);
    found
        .into_iter()
        .map(|(_, diagnostic)| diagnostic)
        .collect()
}
