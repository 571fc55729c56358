//! Typed access to one table of the file: which keys it has, and values of the
//! type that a key takes. What does not fit is noted and reads as absent.

use alloc::format;
use alloc::vec::Vec;
use core::fmt::Display;
use core::ops::RangeInclusive;

use crate::excerpt::quoted;
use crate::findings::{Fault, Findings};
use crate::schema::Schema;
use crate::span::{Located, Span};
use crate::suggest::nearest;
use crate::syntax::{Kind, Value};
use crate::title::Title;

/// A table whose keys have been compared with its schema.
pub(crate) struct Fields<'a> {
    table: Value<'a>,
    /// What messages call this table: `[zone.wan]`.
    pub title: Title<'a>,
    /// Where it is written; its name, if it has one.
    pub at: Span,
}

impl<'a> Fields<'a> {
    /// Opens a table and refuses keys that the schema does not have.
    pub fn open(
        table: Value<'a>,
        title: Title<'a>,
        at: Span,
        schema: &Schema,
        findings: &mut Findings,
    ) -> Self {
        for key in table.items().filter_map(Value::key) {
            if !schema.keys.contains(&key.value) {
                findings.error(key.at, unknown_key(key.value, title, schema));
            }
        }
        Self { table, title, at }
    }

    /// Opens a value that has to be a table.
    pub fn open_value(
        value: Value<'a>,
        title: Title<'a>,
        schema: &Schema,
        findings: &mut Findings,
    ) -> Option<Self> {
        match value.kind() {
            Kind::Table => Some(Self::open(value, title, value.at(), schema, findings)),
            other => {
                findings.error(value.at(), wrong_type(&title, Wanted::Table, other));
                None
            }
        }
    }

    /// Whether the key is there, with whatever value.
    pub fn has(&self, key: &str) -> bool {
        self.table.get(key).is_some()
    }

    /// Where the key itself is written, or the table, if it has no such key.
    pub fn key_at(&self, key: &str) -> Span {
        let key = self.table.get(key).and_then(Value::key);
        key.map_or(self.at, |key| key.at)
    }

    /// Notes that a key has to be there.
    pub fn missing(&self, key: &str, help: &str, findings: &mut Findings) {
        let message = format!("{} needs `{key}`", self.title);
        findings.error(self.at, Fault::new(message).help(help));
    }

    /// The value as it is.
    pub fn value(&self, key: &str) -> Option<Value<'a>> {
        self.table.get(key)
    }

    /// A string.
    pub fn string(&self, key: &str, findings: &mut Findings) -> Option<Located<&'a str>> {
        let value = self.value(key)?;
        string_of(value, &format_args!("`{key}`"), findings)
    }

    /// A string read by a grammar of its own.
    pub fn parsed<T>(
        &self,
        key: &str,
        grammar: impl FnOnce(&'a str) -> Result<T, Fault>,
        findings: &mut Findings,
    ) -> Option<Located<T>> {
        let text = self.string(key, findings)?;
        let value = findings.take(text.at, grammar(text.value))?;
        Some(Located::new(value, text.at))
    }

    /// `true` or `false`.
    pub fn boolean(&self, key: &str, default: bool, findings: &mut Findings) -> bool {
        match self.value(key).map(|value| (value.kind(), value.at())) {
            None => default,
            Some((Kind::Boolean(value), _)) => value,
            Some((other, at)) => {
                let fault = wrong_type(&format_args!("`{key}`"), Wanted::Boolean, other);
                findings.error(at, fault);
                default
            }
        }
    }

    /// A whole number within bounds.
    pub fn number(
        &self,
        key: &str,
        bounds: RangeInclusive<u32>,
        findings: &mut Findings,
    ) -> Option<Located<u32>> {
        let value = self.value(key)?;
        let fault = match value.kind() {
            Kind::Number(Some(number)) if bounds.contains(&number) => {
                return Some(Located::new(number, value.at()));
            }
            Kind::Number(_) => {
                let (least, most) = (bounds.start(), bounds.end());
                Fault::new(format!("`{key}` is out of range"))
                    .help(format!("it is a number from {least} to {most}"))
            }
            other => wrong_type(&format_args!("`{key}`"), Wanted::Number, other),
        };
        findings.error(value.at(), fault);
        None
    }

    /// A list, or nothing where the key is absent.
    pub fn list(&self, key: &str, findings: &mut Findings) -> Vec<Value<'a>> {
        match self.value(key).map(|value| (value, value.kind())) {
            None => Vec::new(),
            Some((value, Kind::List)) => value.items().collect(),
            Some((value, other)) => {
                let fault = wrong_type(&format_args!("`{key}`"), Wanted::List, other);
                findings.error(value.at(), fault);
                Vec::new()
            }
        }
    }

    /// A table of tables or lists under names of the user's choice, in the order of the file.
    pub fn named(&self, key: &str, findings: &mut Findings) -> Vec<Named<'a>> {
        let Some(value) = self.value(key) else {
            return Vec::new();
        };
        if value.kind() != Kind::Table {
            let fault = wrong_type(&format_args!("`{key}`"), Wanted::Table, value.kind());
            findings.error(value.at(), fault);
            return Vec::new();
        }
        let items = value.items();
        let named = items.filter_map(|value| {
            Some(Named {
                name: value.key()?,
                value,
            })
        });
        named.collect()
    }

    /// One string or a list of them; `None` where the key is absent or unusable.
    ///
    /// An empty list is refused: for a rule, "nothing" and "everything" must not look alike.
    pub fn strings(&self, key: &str, findings: &mut Findings) -> Option<Vec<Located<&'a str>>> {
        let value = self.value(key)?;
        strings_of(value, &format_args!("`{key}`"), findings)
    }
}

/// An entry under a name that the user chose.
pub(crate) struct Named<'a> {
    /// The name and where it is written.
    pub name: Located<&'a str>,
    /// What is under it.
    pub value: Value<'a>,
}

/// The value as a string.
pub(crate) fn string_of<'a>(
    value: Value<'a>,
    what: &dyn Display,
    findings: &mut Findings,
) -> Option<Located<&'a str>> {
    match value.kind() {
        Kind::Text(text) => Some(Located::new(text, value.at())),
        other => {
            findings.error(value.at(), wrong_type(what, Wanted::Text, other));
            None
        }
    }
}

/// The value as one string or a list of them, at least one.
pub(crate) fn strings_of<'a>(
    value: Value<'a>,
    what: &dyn Display,
    findings: &mut Findings,
) -> Option<Vec<Located<&'a str>>> {
    let at = value.at();
    match value.kind() {
        Kind::Text(text) => Some(alloc::vec![Located::new(text, at)]),
        Kind::List if value.items().next().is_none() => {
            let fault = Fault::new(format!("{what} is an empty list, which matches nothing"))
                .help("leave the whole entry out, or name at least one value");
            findings.error(at, fault);
            None
        }
        Kind::List => {
            let errors = findings.errors();
            let items = value.items();
            let found = items.filter_map(|value| {
                string_of(value, &format_args!("each value of {what}"), findings)
            });
            let found = found.collect();
            (findings.errors() == errors).then_some(found)
        }
        other => {
            findings.error(at, wrong_type(what, Wanted::Texts, other));
            None
        }
    }
}

fn unknown_key(key: &str, title: Title, schema: &Schema) -> Fault {
    let fault = Fault::new(format!("unknown key {} in {title}", quoted(key)));
    match nearest(key, schema.keys.iter().copied()) {
        Some(known) => fault.help(format!("did you mean `{known}`?")),
        None => fault.help(format!("known keys are {}", schema.keys.join(", "))),
    }
}

fn wrong_type(what: &dyn Display, wanted: Wanted, found: Kind) -> Fault {
    let found = match found {
        Kind::Text(_) => "a string",
        Kind::Number(_) => "a whole number",
        Kind::Fraction => "a number with a fraction",
        Kind::Boolean(_) => "true or false",
        Kind::Date => "a date",
        Kind::List => "a list",
        Kind::Table => "a table",
    };
    Fault::new(format!(
        "{what} has to be {}, but this is {found}",
        wanted.words()
    ))
    .help(wanted.example())
}

/// What a key takes.
#[derive(Clone, Copy)]
enum Wanted {
    Table,
    List,
    Text,
    Texts,
    Number,
    Boolean,
}

impl Wanted {
    const fn words(self) -> &'static str {
        match self {
            Self::Table => "a table",
            Self::List => "a list",
            Self::Text => "a string in quotes",
            Self::Texts => "a string or a list of strings",
            Self::Number => "a whole number",
            Self::Boolean => "true or false",
        }
    }

    const fn example(self) -> &'static str {
        match self {
            Self::Table => "write its keys under a [header], or { key = value, ... }",
            Self::List => "put the values between [ and ], with commas between them",
            Self::Text => "put quotes around it; times carry a unit: \"5m\"",
            Self::Texts => "write \"one\" or [\"one\", \"two\"]",
            Self::Number => "write digits alone, without quotes",
            Self::Boolean => "write true or false, without quotes",
        }
    }
}
