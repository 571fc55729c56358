//! From the parser's events to the tree: keys find their tables, and nothing is
//! set twice.
//!
//! After an error the tree is of no use, but events still come: each step is
//! then one that does nothing.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use toml_parser::decoder::{Encoding, ScalarKind};
use toml_parser::parser::EventReceiver;
use toml_parser::{ErrorSink, ParseError, Source};

use super::tree::{Id, Listing, Node, Origin, Payload, Place, Text, Tree};
use crate::span::Span;

/// The description of the error that a key is set twice.
pub(super) const DUPLICATE: &str = "duplicate key";

/// The most keys of one table: each new one is compared with all of them.
const MOST_KEYS: usize = 4096;

/// The most parts of a dotted key.
const LONGEST_PATH: usize = 16;

/// A part of a key.
#[derive(Clone, Copy)]
struct Part {
    text: Text,
    at: Place,
}

/// Which header is being read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Header {
    Table,
    ListOfTables,
}

/// The tree so far.
pub(super) struct Builder<'t> {
    tree: Tree<'t>,
    /// The table of the last header.
    current: Id,
    /// Lists and inline tables that are open, outermost first.
    open: Vec<Id>,
    /// The parts of the key that is being read.
    path: Vec<Part>,
    /// Where the next value goes, if it goes into a table.
    pending: Option<(Id, Part)>,
    header: Option<(Header, Span)>,
}

impl<'t> Builder<'t> {
    /// An empty table, with room for all that the text can hold.
    pub fn new(text: &'t str, nodes_at_most: usize) -> Self {
        let root = Node {
            key: None,
            at: Place::default(),
            payload: Payload::Table(Origin::Header, None),
            next: Id(0),
        };
        let mut nodes = Vec::with_capacity(nodes_at_most);
        nodes.push(root);
        let tree = Tree {
            text,
            nodes,
            decoded: String::new(),
        };
        Self {
            tree,
            current: Id(0),
            open: Vec::new(),
            path: Vec::new(),
            pending: None,
            header: None,
        }
    }

    /// The tree.
    pub fn finish(self) -> Tree<'t> {
        self.tree
    }

    /// A string that is left in the text, if it stands there as it is.
    fn keep(&mut self, string: Cow<'t, str>) -> Text {
        if let Cow::Borrowed(part) = string {
            let offset = part
                .as_ptr()
                .addr()
                .wrapping_sub(self.tree.text.as_ptr().addr());
            let end = offset.wrapping_add(part.len());
            if self.tree.text.get(offset..end) == Some(part) {
                return Text::InPlace(Span::new(offset, end).into());
            }
        }
        let start = self.tree.decoded.len();
        self.tree.decoded.push_str(&string);
        Text::Decoded(Span::new(start, self.tree.decoded.len()).into())
    }

    /// Adds a child at the end.
    fn attach(&mut self, parent: Id, key: Option<Part>, at: Place, payload: Payload) -> Option<Id> {
        let id = Id(u32::try_from(self.tree.nodes.len()).ok()?);
        let last = match &mut self.tree.nodes.get_mut(parent.0 as usize)?.payload {
            Payload::List(_, last) | Payload::Table(_, last) => last.replace(id),
            _ => return None,
        };
        let next = match last {
            None => id,
            Some(last) => {
                core::mem::replace(&mut self.tree.nodes.get_mut(last.0 as usize)?.next, id)
            }
        };
        let key = key.map(|part| (part.text, part.at));
        self.tree.nodes.push(Node {
            key,
            at,
            payload,
            next,
        });
        Some(id)
    }

    /// The child under this key, or an error if the table is too large to go on.
    fn find(&self, parent: Id, part: Part) -> Result<Option<Id>, ParseError> {
        let wanted = self.tree.resolve(part.text);
        let mut count = 0;
        for id in self.tree.children(parent) {
            let key = self.tree.node(id).and_then(|node| node.key);
            if key.is_some_and(|(text, _)| self.tree.resolve(text) == wanted) {
                return Ok(Some(id));
            }
            count += 1;
        }
        if count >= MOST_KEYS {
            return Err(refuse("too many keys in one table", part));
        }
        Ok(None)
    }

    /// Goes down one part of a path, making the table where there is none.
    fn descend(&mut self, parent: Id, part: Part, maker: Origin) -> Result<Id, ParseError> {
        let Some(id) = self.find(parent, part)? else {
            let payload = Payload::Table(maker, None);
            let made = self.attach(parent, Some(part), part.at, payload);
            return made.ok_or_else(|| refuse(DUPLICATE, part));
        };
        let payload = self.tree.node(id).map(|node| node.payload);
        match (payload, maker) {
            (Some(Payload::Table(Origin::Implicit | Origin::Dotted, _)), _)
            | (Some(Payload::Table(Origin::Header, _)), Origin::Implicit) => Ok(id),
            (Some(Payload::List(Listing::Headers, Some(last))), Origin::Implicit) => Ok(last),
            _ => Err(refuse(DUPLICATE, part)),
        }
    }

    /// Goes down all parts but the last, which is returned.
    fn descend_all(&mut self, from: Id, maker: Origin) -> Result<Option<(Id, Part)>, ParseError> {
        let path = core::mem::take(&mut self.path);
        let Some((last, above)) = path.split_last() else {
            return Ok(None);
        };
        if path.len() > LONGEST_PATH {
            return Err(refuse("too many parts in one key", *last));
        }
        let mut table = from;
        for part in above {
            table = self.descend(table, *part, maker)?;
        }
        Ok(Some((table, *last)))
    }

    /// Opens the table of `[header]`.
    fn open_table(&mut self, at: Place) -> Result<(), ParseError> {
        let Some((parent, part)) = self.descend_all(Id(0), Origin::Implicit)? else {
            return Ok(());
        };
        let table = Payload::Table(Origin::Header, None);
        let Some(id) = self.find(parent, part)? else {
            self.current = self.attach(parent, Some(part), at, table).unwrap_or(Id(0));
            return Ok(());
        };
        let Some(node) = self.tree.nodes.get_mut(id.0 as usize) else {
            return Ok(());
        };
        let Payload::Table(origin @ Origin::Implicit, _) = &mut node.payload else {
            return Err(refuse(DUPLICATE, part));
        };
        *origin = Origin::Header;
        node.at = at;
        node.key = Some((part.text, part.at));
        self.current = id;
        Ok(())
    }

    /// Adds the table of `[[header]]`.
    fn open_list_of_tables(&mut self, at: Place) -> Result<(), ParseError> {
        let Some((parent, part)) = self.descend_all(Id(0), Origin::Implicit)? else {
            return Ok(());
        };
        let list = match self.find(parent, part)? {
            None => self.attach(
                parent,
                Some(part),
                at,
                Payload::List(Listing::Headers, None),
            ),
            Some(id) => match self.tree.node(id).map(|node| node.payload) {
                Some(Payload::List(Listing::Headers, _)) => Some(id),
                _ => return Err(refuse(DUPLICATE, part)),
            },
        };
        let table = Payload::Table(Origin::Header, None);
        let made = list.and_then(|list| self.attach(list, None, at, table));
        self.current = made.unwrap_or(Id(0));
        Ok(())
    }

    /// Finds the place of the value that follows.
    fn await_value(&mut self) -> Result<(), ParseError> {
        let table = self.open.last().copied().unwrap_or(self.current);
        let Some((parent, part)) = self.descend_all(table, Origin::Dotted)? else {
            return Ok(());
        };
        if self.find(parent, part)?.is_some() {
            return Err(refuse(DUPLICATE, part));
        }
        self.pending = Some((parent, part));
        Ok(())
    }

    /// Puts a value where one is awaited.
    fn put(&mut self, at: Span, payload: Payload) -> Option<Id> {
        match self.pending.take() {
            Some((parent, part)) => self.attach(parent, Some(part), at.into(), payload),
            None => {
                let list = *self.open.last()?;
                let parent = self.tree.node(list)?;
                matches!(parent.payload, Payload::List(..))
                    .then(|| self.attach(list, None, at.into(), payload))?
            }
        }
    }

    /// Opens a list or table; whether the parser may go into it.
    fn enter(&mut self, at: Span, payload: Payload) -> bool {
        let id = self.put(at, payload);
        self.open.extend(id);
        id.is_some()
    }

    /// Closes the innermost list or table.
    fn leave(&mut self, end: usize) {
        self.path.clear();
        self.pending = None;
        let node = self
            .open
            .pop()
            .and_then(|id| self.tree.nodes.get_mut(id.0 as usize));
        if let Some(node) = node {
            let start = Span::from(node.at).start;
            node.at = Span::new(start, end).into();
        }
    }

    fn close_header(&mut self, end: usize, error: &mut dyn ErrorSink) {
        let Some((header, start)) = self.header.take() else {
            return;
        };
        let at = Span::new(start.start, end).into();
        let opened = match header {
            Header::Table => self.open_table(at),
            Header::ListOfTables => self.open_list_of_tables(at),
        };
        report(opened, error);
    }

    fn open_header(&mut self, header: Header, at: toml_parser::Span) {
        self.path.clear();
        self.pending = None;
        self.open.clear();
        self.header = Some((header, super::span(at)));
    }
}

fn refuse(description: &'static str, part: Part) -> ParseError {
    let at = Span::from(part.at);
    let at = toml_parser::Span::new_unchecked(at.start, at.end);
    ParseError::new(description).with_unexpected(at)
}

fn report(result: Result<(), ParseError>, error: &mut dyn ErrorSink) {
    if let Err(refused) = result {
        error.report_error(refused);
    }
}

impl EventReceiver for Builder<'_> {
    fn std_table_open(&mut self, span: toml_parser::Span, _: &mut dyn ErrorSink) {
        self.open_header(Header::Table, span);
    }

    fn std_table_close(&mut self, span: toml_parser::Span, error: &mut dyn ErrorSink) {
        self.close_header(span.end(), error);
    }

    fn array_table_open(&mut self, span: toml_parser::Span, _: &mut dyn ErrorSink) {
        self.open_header(Header::ListOfTables, span);
    }

    fn array_table_close(&mut self, span: toml_parser::Span, error: &mut dyn ErrorSink) {
        self.close_header(span.end(), error);
    }

    fn inline_table_open(&mut self, span: toml_parser::Span, _: &mut dyn ErrorSink) -> bool {
        self.enter(super::span(span), Payload::Table(Origin::Inline, None))
    }

    fn inline_table_close(&mut self, span: toml_parser::Span, _: &mut dyn ErrorSink) {
        self.leave(span.end());
    }

    fn array_open(&mut self, span: toml_parser::Span, _: &mut dyn ErrorSink) -> bool {
        self.enter(super::span(span), Payload::List(Listing::Inline, None))
    }

    fn array_close(&mut self, span: toml_parser::Span, _: &mut dyn ErrorSink) {
        self.leave(span.end());
    }

    fn simple_key(
        &mut self,
        span: toml_parser::Span,
        encoding: Option<Encoding>,
        error: &mut dyn ErrorSink,
    ) {
        let Some(raw) = Source::new(self.tree.text).get(span) else {
            return;
        };
        let raw = toml_parser::Raw::new_unchecked(raw.as_str(), encoding, span);
        let mut key = Cow::Borrowed("");
        raw.decode_key(&mut key, error);
        let text = self.keep(key);
        let at = super::span(span).into();
        self.path.push(Part { text, at });
    }

    fn key_val_sep(&mut self, _: toml_parser::Span, error: &mut dyn ErrorSink) {
        let found = self.await_value();
        report(found, error);
    }

    fn scalar(
        &mut self,
        span: toml_parser::Span,
        encoding: Option<Encoding>,
        error: &mut dyn ErrorSink,
    ) {
        let Some(raw) = Source::new(self.tree.text).get(span) else {
            return;
        };
        let raw = toml_parser::Raw::new_unchecked(raw.as_str(), encoding, span);
        let mut decoded = Cow::Borrowed("");
        let payload = match raw.decode_scalar(&mut decoded, error) {
            ScalarKind::String => Payload::Text(self.keep(decoded)),
            ScalarKind::Boolean(value) => Payload::Boolean(value),
            ScalarKind::DateTime => Payload::Date,
            ScalarKind::Float => Payload::Fraction,
            ScalarKind::Integer(radix) => {
                Payload::Number(u32::from_str_radix(&decoded, radix.value()).ok())
            }
        };
        self.put(super::span(span), payload);
        self.path.clear();
    }
}
