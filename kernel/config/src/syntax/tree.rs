//! A TOML file as a compact tree: 40 bytes a value, strings left in the text
//! where they stand there as they are.

use alloc::string::String;
use alloc::vec::Vec;

use crate::span::{Located, Span};

/// A node's index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Id(pub u32);

/// A place in the text; files are far smaller than 4 GiB.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    start: u32,
    end: u32,
}

impl From<Span> for Place {
    fn from(span: Span) -> Self {
        let short = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
        Self {
            start: short(span.start),
            end: short(span.end),
        }
    }
}

impl From<Place> for Span {
    fn from(place: Place) -> Self {
        Self::new(place.start as usize, place.end as usize)
    }
}

/// A string: as it stands in the text, or decoded from escapes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Text {
    InPlace(Place),
    Decoded(Place),
}

/// Who made a table, which decides who may add to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// A `[header]`, or the top of the file.
    Header,
    /// On the way to a `[header]`, and so may still get one.
    Implicit,
    /// A dotted key.
    Dotted,
    /// `{ ... }`: complete as it is.
    Inline,
}

/// Who made a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listing {
    /// `[ ... ]`: complete as it is.
    Inline,
    /// `[[header]]`s.
    Headers,
}

/// What a node holds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Payload {
    Text(Text),
    Number(Option<u32>),
    Boolean(bool),
    Fraction,
    Date,
    List(Listing, Option<Id>),
    Table(Origin, Option<Id>),
}

/// A value, with its key if it lies in a table. The children of a list or table
/// form a ring, and their parent knows the last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    pub key: Option<(Text, Place)>,
    pub at: Place,
    pub payload: Payload,
    /// The next child of the same parent; after the last comes the first.
    pub next: Id,
}

/// A whole file.
pub(crate) struct Tree<'t> {
    pub(super) text: &'t str,
    pub(super) nodes: Vec<Node>,
    /// All decoded strings, one behind the other.
    pub(super) decoded: String,
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind<'a> {
    /// A string.
    Text(&'a str),
    /// A whole number; `None` if it is negative or above 32 bits.
    Number(Option<u32>),
    /// True or false.
    Boolean(bool),
    /// A number with a fraction.
    Fraction,
    /// A date or a time.
    Date,
    /// A list: see [`Value::items`].
    List,
    /// A table: see [`Value::items`].
    Table,
}

/// A value of the tree.
#[derive(Clone, Copy)]
pub(crate) struct Value<'a> {
    tree: &'a Tree<'a>,
    id: Id,
}

impl<'t> Tree<'t> {
    /// The table at the top.
    pub fn root(&self) -> Value<'_> {
        Value {
            tree: self,
            id: Id(0),
        }
    }

    pub(super) fn node(&self, id: Id) -> Option<&Node> {
        self.nodes.get(id.0 as usize)
    }

    pub(super) fn resolve(&self, text: Text) -> &str {
        let (whole, place) = match text {
            Text::InPlace(place) => (self.text, place),
            Text::Decoded(place) => (self.decoded.as_str(), place),
        };
        let span = Span::from(place);
        whole.get(span.start..span.end).unwrap_or_default()
    }

    pub(super) fn children(&self, parent: Id) -> Children<'_> {
        let last = match self.node(parent).map(|node| node.payload) {
            Some(Payload::List(_, last) | Payload::Table(_, last)) => last,
            _ => None,
        };
        let first = last.and_then(|last| self.node(last)).map(|node| node.next);
        Children {
            tree: self,
            next: first,
            last,
        }
    }
}

/// A parent's children in the order of the file.
#[derive(Clone)]
pub(super) struct Children<'a> {
    tree: &'a Tree<'a>,
    next: Option<Id>,
    last: Option<Id>,
}

impl Iterator for Children<'_> {
    type Item = Id;

    fn next(&mut self) -> Option<Id> {
        let id = self.next?;
        self.next = if Some(id) == self.last {
            None
        } else {
            self.tree.node(id).map(|node| node.next)
        };
        Some(id)
    }
}

impl<'a> Value<'a> {
    /// Where the value is written.
    pub fn at(self) -> Span {
        self.tree
            .node(self.id)
            .map_or(Span::default(), |node| node.at.into())
    }

    /// The key under which it lies in its table.
    pub fn key(self) -> Option<Located<&'a str>> {
        let (text, at) = self.tree.node(self.id)?.key?;
        Some(Located::new(self.tree.resolve(text), at.into()))
    }

    /// What it is.
    pub fn kind(self) -> Kind<'a> {
        match self.tree.node(self.id).map(|node| node.payload) {
            Some(Payload::Text(text)) => Kind::Text(self.tree.resolve(text)),
            Some(Payload::Number(number)) => Kind::Number(number),
            Some(Payload::Boolean(value)) => Kind::Boolean(value),
            Some(Payload::Fraction) => Kind::Fraction,
            Some(Payload::Date) => Kind::Date,
            Some(Payload::List(..)) => Kind::List,
            Some(Payload::Table(..)) | None => Kind::Table,
        }
    }

    /// A list's or table's values in the order of the file; nothing for others.
    pub fn items(self) -> impl Iterator<Item = Value<'a>> + Clone {
        let tree = self.tree;
        tree.children(self.id).map(move |id| Value { tree, id })
    }

    /// A table's value under this key.
    pub fn get(self, key: &str) -> Option<Value<'a>> {
        let mut items = self.items();
        items.find(|item| item.key().is_some_and(|found| found.value == key))
    }
}
