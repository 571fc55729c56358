//! Sekisho's configuration language.
//!
//! One TOML file describes zones, rules, forwards and NAT. The kernel and the
//! host tools share this crate, so what `sekisho check` accepts is what boots.
//!
//! * [`parse`], [`check`]: from a file's bytes to a [`Config`], or a [`Report`] of what is wrong.
//! * [`model`]: the checked configuration, the only form that the packet engine takes.
//! * [`Report`], [`Diagnostic`]: line, column, the line itself and what to do, in the
//!   same words on the console and on the host.
//! * [`schema`]: the names of all keys.
//! * [`TEMPLATE`]: the commented starting file of `sekisho init`.
//!
//! Neighbours: `sekisho-engine` compiles a [`Config`] into its policy,
//! `sekisho-services` takes its DHCP settings from it.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod assemble;
mod diagnostic;
mod excerpt;
mod fields;
mod findings;
pub mod model;
mod names;
mod read;
pub mod schema;
mod segments;
mod source;
mod span;
mod suggest;
mod syntax;
mod title;
mod value;

use alloc::vec::Vec;

pub use diagnostic::{Diagnostic, MAX_LISTED, Position, Report, Severity};
pub use excerpt::Excerpt;
pub use model::Config;
pub use source::{MAX_BYTES, NO_CONFIGURATION};

use findings::Findings;

/// A starting file for the usual pair of zones, with a comment on every line that one may want to change.
pub const TEMPLATE: &str = include_str!("template.toml");

/// A configuration, and what is worth a look in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The configuration.
    pub config: Config,
    /// Findings of [`Severity::Warning`], in the order of the file; at most [`MAX_LISTED`].
    pub warnings: Vec<Diagnostic>,
}

/// Reads a configuration.
///
/// # Errors
/// Whatever keeps it from being used, with places and advice.
pub fn parse(bytes: &[u8]) -> Result<Config, Report> {
    check(bytes).map(|checked| checked.config)
}

/// Reads a configuration and keeps the warnings.
///
/// # Errors
/// Whatever keeps it from being used, with places and advice.
pub fn check(bytes: &[u8]) -> Result<Checked, Report> {
    let text = source::text_of(bytes)?;
    let mut findings = Findings::about(text);
    let config = match syntax::parse(text) {
        Ok(tree) => assemble::assemble(tree.root(), &mut findings),
        Err(error) => {
            findings.error(error.at, error.value);
            None
        }
    };
    let warnings = findings.finish()?;
    match config {
        Some(config) => Ok(Checked { config, warnings }),
        None => Err(unexplained()),
    }
}

/// Every reader that gives nothing also notes why, so this is for a mistake of ours: still refuse.
fn unexplained() -> Report {
    Report::single(
        "the configuration could not be read".into(),
        None,
        "this is a defect of the firewall: please report it with the file".into(),
    )
}
