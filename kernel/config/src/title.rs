//! What messages call a table of the file.
//!
//! It becomes text when a message needs it, which for nearly all tables is never.

use core::fmt;

use crate::excerpt::quoted;

/// A table, for people.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Title<'a> {
    /// In so many words.
    Words(&'static str),
    /// One of a list, by its kind and its index.
    Entry(&'static str, usize),
    /// The zone of this name.
    Zone(&'a str),
    /// The `dhcp` of the zone of this name.
    Dhcp(&'a str),
}

impl fmt::Display for Title<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Words(words) => f.write_str(words),
            Self::Entry(kind, index) => write!(f, "{kind} {}", index + 1),
            Self::Zone(name) => write!(f, "[zone.{}]", quoted(name).trim_matches('`')),
            Self::Dhcp(name) => write!(f, "`dhcp` of {}", Self::Zone(name)),
        }
    }
}
