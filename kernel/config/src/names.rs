//! What names stand for: zones, and the entries of `[set]` and `[service]`.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use ipnet::IpNet;

use crate::excerpt::quoted;
use crate::fields::{Fields, Named, strings_of};
use crate::findings::{Fault, Findings};
use crate::model::{MAX_ZONES, Place, Service, ZoneId};
use crate::span::Located;
use crate::suggest::nearest;
use crate::value::{address, name, service};

/// The most prefixes, and the most services, that all rules and forwards hold together
/// once their sets are written out: what bounds the memory that a small file can ask for.
pub(crate) const MOST_EXPANDED: usize = 65_536;

/// All names of a file.
pub(crate) struct Names<'a> {
    zones: Vec<Located<&'a str>>,
    /// `[set]`.
    pub sets: Library<'a, IpNet>,
    /// `[service]`.
    pub services: Library<'a, Service>,
}

impl<'a> Names<'a> {
    /// Reads `[set]` and `[service]` and takes note of the zones' names.
    pub fn read(root: &Fields<'a>, zones: &[Named<'a>], findings: &mut Findings) -> Self {
        Self {
            zones: zones.iter().map(|zone| zone.name).collect(),
            sets: Library::read(&SETS, root, findings),
            services: Library::read(&SERVICES, root, findings),
        }
    }

    /// The names of all zones, in the order of the file.
    pub fn zones(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.zones.iter().map(|zone| zone.value)
    }

    /// The zone of this name.
    pub fn zone(&self, word: Located<&str>, findings: &mut Findings) -> Option<ZoneId> {
        match self.zones().position(|zone| zone == word.value) {
            // A zone beyond the last possible one has been refused already.
            Some(index) => ZoneId::new(index),
            None => {
                findings.error(word.at, self.unknown_zone(word.value));
                None
            }
        }
    }

    /// One end of a rule: a zone or `self`.
    pub fn place(&self, word: Located<&str>, findings: &mut Findings) -> Option<Place> {
        match word.value {
            "self" => Some(Place::Own),
            "any" => {
                let fault = Fault::new("there is no zone `any`")
                    .help("leave the key out: without it, the rule is about every zone");
                findings.error(word.at, fault);
                None
            }
            _ => self.zone(word, findings).map(Place::Zone),
        }
    }

    fn unknown_zone(&self, word: &str) -> Fault {
        let fault = Fault::new(format!("there is no zone {}", quoted(word)));
        match nearest(word, self.zones()) {
            Some(known) => fault.help(format!("did you mean `{known}`?")),
            None => {
                let known: Vec<_> = self.zones().take(MAX_ZONES).collect();
                fault.help(format!("zones are {}", known.join(", ")))
            }
        }
    }
}

/// A kind of named lists.
struct Kind<T> {
    /// The table that defines them.
    table: &'static str,
    /// What one of them is called.
    noun: &'static str,
    /// What the other kind is called, for mix-ups.
    other: &'static str,
    /// How a value is read.
    grammar: fn(&str) -> Result<T, Fault>,
}

const SETS: Kind<IpNet> = Kind {
    table: "set",
    noun: "set",
    other: "service",
    grammar: address::parse_prefix,
};

const SERVICES: Kind<Service> = Kind {
    table: "service",
    noun: "service",
    other: "set",
    grammar: service::parse,
};

/// The entries of one kind.
pub(crate) struct Library<'a, T: 'static> {
    kind: &'static Kind<T>,
    /// In the order of their names, of which the file has each once.
    entries: Vec<Entry<'a, T>>,
    expanded: usize,
}

struct Entry<'a, T> {
    name: Located<&'a str>,
    values: Vec<T>,
    uses: usize,
}

/// A set or service, for people.
struct Entitled<'a>(&'static str, &'a str);

impl fmt::Display for Entitled<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0, quoted(self.1))
    }
}

impl<'a, T: Clone> Library<'a, T> {
    fn read(kind: &'static Kind<T>, root: &Fields<'a>, findings: &mut Findings) -> Self {
        let mut entries = Vec::new();
        for named in root.named(kind.table, findings) {
            findings.take(named.name.at, name::parse(named.name.value));
            let what = Entitled(kind.noun, named.name.value);
            let words = strings_of(named.value, &what, findings).unwrap_or_default();
            let values = words
                .iter()
                .filter_map(|word| findings.take(word.at, Self::literal(kind, word.value)))
                .collect();
            entries.push(Entry {
                name: named.name,
                values,
                uses: 0,
            });
        }
        entries.sort_unstable_by_key(|entry| entry.name.value);
        Self {
            kind,
            entries,
            expanded: 0,
        }
    }

    /// A value of an entry, which cannot be another entry.
    fn literal(kind: &Kind<T>, word: &str) -> Result<T, Fault> {
        if word.starts_with('@') {
            let message = format!("a {} cannot hold another one", kind.noun);
            return Err(Fault::new(message).help("write out its values, or name both in the rule"));
        }
        (kind.grammar)(word)
    }

    /// Writes out words: values as they are, `@NAME` as the entry's values.
    ///
    /// `None` if any word is wrong, so that no rule is ever made of the rest.
    pub fn expand(&mut self, words: &[Located<&str>], findings: &mut Findings) -> Option<Vec<T>> {
        let mut values = Vec::new();
        let mut complete = true;
        for word in words {
            let found = match word.value.strip_prefix('@') {
                Some(name) => self.entry(name),
                None => (self.kind.grammar)(word.value).map(|value| alloc::vec![value]),
            };
            match findings.take(word.at, found) {
                Some(mut found) => {
                    self.expanded = self.expanded.saturating_add(found.len());
                    values.append(&mut found);
                }
                None => complete = false,
            }
        }
        complete.then_some(values)
    }

    fn entry(&mut self, name: &str) -> Result<Vec<T>, Fault> {
        let found = self
            .entries
            .binary_search_by_key(&name, |entry| entry.name.value);
        let Ok(found) = found else {
            return Err(self.unknown(name));
        };
        let entry = &mut self.entries[found];
        entry.uses += 1;
        if self.expanded.saturating_add(entry.values.len()) > MOST_EXPANDED {
            let noun = self.kind.noun;
            return Err(
                Fault::new(format!("the {noun}s of all rules are too large together")).help(
                    format!("written out, rules and forwards may hold {MOST_EXPANDED} values"),
                ),
            );
        }
        Ok(entry.values.clone())
    }

    fn unknown(&self, name: &str) -> Fault {
        let Kind { noun, other, .. } = self.kind;
        let fault = Fault::new(format!("there is no {noun} {}", quoted(name)));
        let known = self.entries.iter().map(|entry| entry.name.value);
        match nearest(name, known) {
            Some(known) => fault.help(format!("did you mean `@{known}`?")),
            None => fault.help(self.how_to_define(noun, other)),
        }
    }

    fn how_to_define(&self, noun: &str, other: &str) -> String {
        format!(
            "define it in [{}]; a {other} cannot stand where a {noun} belongs",
            self.kind.table
        )
    }

    /// Warns of entries that nothing refers to.
    pub fn warn_unused(&self, findings: &mut Findings) {
        for entry in &self.entries {
            if entry.uses == 0 {
                let name = entry.name.value;
                let message = format!("the {} {} is not used", self.kind.noun, quoted(name));
                let help = format!("refer to it as \"@{name}\", or leave it out");
                findings.warn(entry.name.at, Fault::new(message).help(help));
            }
        }
    }
}
