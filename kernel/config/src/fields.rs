//! Typed access to one table of the file: which keys it has, and values of the
//! type that a key takes. What does not fit is noted and reads as absent.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::RangeInclusive;

use serde_spanned::Spanned;
use toml::de::{DeTable, DeValue};

use crate::excerpt::quoted;
use crate::findings::{Fault, Findings};
use crate::schema::Schema;
use crate::span::{Located, Span};
use crate::suggest::nearest;

/// A value with its place, as the TOML parser gives it.
pub(crate) type Value<'i> = Spanned<DeValue<'i>>;

/// A table whose keys have been compared with its schema.
pub(crate) struct Fields<'a, 'i> {
    table: &'a DeTable<'i>,
    /// What messages call this table: `[zone.wan]`.
    pub title: String,
    /// Where it is written; its name, if it has one.
    pub at: Span,
}

impl<'a, 'i> Fields<'a, 'i> {
    /// Opens a table and refuses keys that the schema does not have.
    pub fn open(
        table: &'a DeTable<'i>,
        title: String,
        at: Span,
        schema: &Schema,
        findings: &mut Findings,
    ) -> Self {
        for key in table.keys() {
            if !schema.keys.contains(&key.get_ref().as_ref()) {
                let fault = unknown_key(key.get_ref(), &title, schema);
                findings.error(key.span().into(), fault);
            }
        }
        Self { table, title, at }
    }

    /// Opens a value that has to be a table.
    pub fn open_value(
        value: &'a Value<'i>,
        title: String,
        schema: &Schema,
        findings: &mut Findings,
    ) -> Option<Self> {
        let at = value.span().into();
        match value.get_ref() {
            DeValue::Table(table) => Some(Self::open(table, title, at, schema, findings)),
            other => {
                findings.error(at, wrong_type(&title, "a table", other));
                None
            }
        }
    }

    /// Whether the key is there, with whatever value.
    pub fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Where the key itself is written, or the table, if it has no such key.
    pub fn key_at(&self, key: &str) -> Span {
        self.table
            .get_key_value(key)
            .map_or(self.at, |(key, _)| key.span().into())
    }

    /// Notes that a key has to be there.
    pub fn missing(&self, key: &str, help: &str, findings: &mut Findings) {
        let message = format!("{} needs `{key}`", self.title);
        findings.error(self.at, Fault::new(message).help(help));
    }

    /// The value as it is.
    pub fn value(&self, key: &str) -> Option<&'a Value<'i>> {
        self.table.get(key)
    }

    /// A string.
    pub fn string(&self, key: &str, findings: &mut Findings) -> Option<Located<&'a str>> {
        let value = self.value(key)?;
        string_of(value, &format!("`{key}`"), findings)
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
        match self.value(key).map(|value| (value.get_ref(), value.span())) {
            None => default,
            Some((DeValue::Boolean(value), _)) => *value,
            Some((other, at)) => {
                let fault = wrong_type(&format!("`{key}`"), "true or false", other);
                findings.error(at.into(), fault);
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
        let at = value.span().into();
        let DeValue::Integer(integer) = value.get_ref() else {
            let fault = wrong_type(&format!("`{key}`"), "a whole number", value.get_ref());
            findings.error(at, fault);
            return None;
        };
        let (least, most) = (*bounds.start(), *bounds.end());
        match u32::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(number) if bounds.contains(&number) => Some(Located::new(number, at)),
            _ => {
                let message = format!("`{key}` is a number from {least} to {most}");
                findings.error(at, Fault::new(message));
                None
            }
        }
    }

    /// A list, or nothing where the key is absent.
    pub fn list(&self, key: &str, findings: &mut Findings) -> &'a [Value<'i>] {
        match self.value(key).map(|value| (value.get_ref(), value.span())) {
            None => &[],
            Some((DeValue::Array(list), _)) => list,
            Some((other, at)) => {
                let fault = wrong_type(&format!("`{key}`"), "a list", other);
                findings.error(at.into(), fault);
                &[]
            }
        }
    }

    /// A table of tables or lists under names of the user's choice, in the order of the file.
    pub fn named(&self, key: &str, findings: &mut Findings) -> Vec<Named<'a, 'i>> {
        let Some(value) = self.value(key) else {
            return Vec::new();
        };
        let DeValue::Table(table) = value.get_ref() else {
            let fault = wrong_type(&format!("`{key}`"), "a table", value.get_ref());
            findings.error(value.span().into(), fault);
            return Vec::new();
        };
        let mut entries: Vec<_> = table
            .iter()
            .map(|(key, value)| Named {
                name: Located::new(key.get_ref().as_ref(), key.span().into()),
                value,
            })
            .collect();
        entries.sort_by_key(|entry| entry.name.at.start);
        entries
    }

    /// One string or a list of them; `None` where the key is absent or unusable.
    ///
    /// An empty list is refused: for a rule, "nothing" and "everything" must not look alike.
    pub fn strings(&self, key: &str, findings: &mut Findings) -> Option<Vec<Located<&'a str>>> {
        let value = self.value(key)?;
        strings_of(value, &format!("`{key}`"), findings)
    }
}

/// An entry under a name that the user chose.
pub(crate) struct Named<'a, 'i> {
    /// The name and where it is written.
    pub name: Located<&'a str>,
    /// What is under it.
    pub value: &'a Value<'i>,
}

/// The value as a string.
pub(crate) fn string_of<'a>(
    value: &'a Value<'_>,
    what: &str,
    findings: &mut Findings,
) -> Option<Located<&'a str>> {
    let at = value.span().into();
    match value.get_ref() {
        DeValue::String(text) => Some(Located::new(text.as_ref(), at)),
        other => {
            findings.error(at, wrong_type(what, "a string in quotes", other));
            None
        }
    }
}

/// The value as one string or a list of them, at least one.
pub(crate) fn strings_of<'a>(
    value: &'a Value<'_>,
    what: &str,
    findings: &mut Findings,
) -> Option<Vec<Located<&'a str>>> {
    let at: Span = value.span().into();
    match value.get_ref() {
        DeValue::String(text) => Some(alloc::vec![Located::new(text.as_ref(), at)]),
        DeValue::Array(list) if list.is_empty() => {
            let fault = Fault::new(format!("{what} is an empty list, which matches nothing"))
                .help("leave the whole entry out, or name at least one value");
            findings.error(at, fault);
            None
        }
        DeValue::Array(list) => {
            let item = format!("each value of {what}");
            let found: Vec<_> = list
                .iter()
                .filter_map(|value| string_of(value, &item, findings))
                .collect();
            (found.len() == list.len()).then_some(found)
        }
        other => {
            findings.error(at, wrong_type(what, "a string or a list of strings", other));
            None
        }
    }
}

fn unknown_key(key: &str, title: &str, schema: &Schema) -> Fault {
    let fault = Fault::new(format!("unknown key {} in {title}", quoted(key)));
    match nearest(key, schema.keys.iter().copied()) {
        Some(known) => fault.help(format!("did you mean `{known}`?")),
        None => fault.help(format!("known keys are {}", schema.keys.join(", "))),
    }
}

fn wrong_type(what: &str, wanted: &str, found: &DeValue) -> Fault {
    let found = match found {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    };
    Fault::new(format!("{what} has to be {wanted}, but this is {found}"))
}
