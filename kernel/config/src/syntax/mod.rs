//! From TOML text to a tree whose keys and values know their places.
//!
//! * [`parse`]: the whole way, or the first error.
//! * [`tree`]: the finished tree; [`build`]: how the parser's events become one.
//!
//! Lexing, grammar and strings are the `toml_parser` crate's. The tree is our
//! own because the kernel reads a file in a machine of 16 MiB: the usual
//! tree of maps takes forty times the text's size, up to hundreds for a hostile one.

mod build;
mod tree;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use toml_parser::lexer::{Token, TokenKind};
use toml_parser::parser::{RecursionGuard, ValidateWhitespace, parse_document};
use toml_parser::{Expected, ParseError, Source};

use crate::excerpt::{quoted, visible_text};
use crate::findings::Fault;
use crate::span::{Located, Span};

use build::Builder;
pub(crate) use tree::{Kind, Tree, Value};

/// The most tokens of a file, which bounds the memory that reading one takes; the
/// largest file of one-line rules has about 80,000.
const MOST_TOKENS: usize = 98_304;

/// How deep lists and tables may lie in each other; the language itself needs four.
const DEEPEST: u32 = 16;

/// The text's tree, or the first thing that is wrong with it.
pub(crate) fn parse(text: &str) -> Result<Tree<'_>, Located<Fault>> {
    let source = Source::new(text);
    let count = source.lex().count();
    if let Some(token) = source.lex().nth(MOST_TOKENS) {
        let fault = Fault::new(format!("the configuration has {count} words and signs"))
            .help(format!("it may have {MOST_TOKENS}: put addresses into a [set], several values into one rule"));
        return Err(Located::new(fault, span(token.span())));
    }
    let mut tokens = Vec::with_capacity(count);
    tokens.extend(source.lex());
    let mut error: Option<ParseError> = None;
    let mut builder = Builder::new(text, nodes_at_most(&tokens));
    let mut checked = ValidateWhitespace::new(&mut builder, source);
    let mut bounded = RecursionGuard::new(&mut checked, DEEPEST);
    parse_document(&tokens, &mut bounded, &mut error);
    match error {
        None => Ok(builder.finish()),
        Some(error) => Err(explain(&error, text)),
    }
}

/// How many nodes the tree can need: growing it step by step would take half as much again.
fn nodes_at_most(tokens: &[Token]) -> usize {
    let opens = |token: &&Token| match token.kind() {
        TokenKind::Dot
        | TokenKind::Equals
        | TokenKind::Comma
        | TokenKind::RightCurlyBracket
        | TokenKind::RightSquareBracket
        | TokenKind::Whitespace
        | TokenKind::Comment
        | TokenKind::Newline
        | TokenKind::Eof => false,
        TokenKind::LeftSquareBracket
        | TokenKind::LeftCurlyBracket
        | TokenKind::LiteralString
        | TokenKind::BasicString
        | TokenKind::MlLiteralString
        | TokenKind::MlBasicString
        | TokenKind::Atom => true,
    };
    tokens.iter().filter(opens).count() + 1
}

fn span(span: toml_parser::Span) -> Span {
    Span::new(span.start(), span.end())
}

/// The parser's error, with advice.
fn explain(error: &ParseError, text: &str) -> Located<Fault> {
    let end = Span::new(text.len(), text.len());
    let at = error.unexpected().map_or(end, span);
    if error.description() == build::DUPLICATE {
        let word = text.get(at.start..at.end).unwrap_or_default();
        let fault = Fault::new(format!("{} is set twice", quoted(word)));
        return Located::new(
            fault.help("a key or table is set once: leave one of them out"),
            at,
        );
    }
    let fault = Fault::new(format!("this is not TOML: {}", describe(error)));
    let fault = if at.start >= text.trim_end().len() {
        fault.help("the file ends in the middle of something: is all of it there?")
    } else {
        fault.help(
            "strings stand in quotes, lists in [ ], tables in { }, with commas between values",
        )
    };
    Located::new(fault, at)
}

fn describe(error: &ParseError) -> String {
    let mut message = visible_text(error.description());
    for (index, expected) in error.expected().unwrap_or_default().iter().enumerate() {
        message.push_str(if index == 0 { ", expected " } else { " or " });
        match expected {
            Expected::Literal("\n") => message.push_str("a new line"),
            Expected::Literal(literal) => message.push_str(&quoted(literal)),
            Expected::Description(words) => message.push_str(words),
            _ => message.push_str("something else"),
        }
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tree in a short form: `{key=value ...}`.
    fn shape(value: Value) -> String {
        match value.kind() {
            Kind::Text(text) => format!("{text:?}"),
            Kind::Number(number) => number.map_or("?".into(), |number| format!("{number}")),
            Kind::Boolean(value) => format!("{value}"),
            Kind::Fraction => "fraction".into(),
            Kind::Date => "date".into(),
            Kind::List => format!("[{}]", shapes(value)),
            Kind::Table => format!("{{{}}}", shapes(value)),
        }
    }

    fn shapes(value: Value) -> String {
        let items: Vec<_> = value
            .items()
            .map(|item| match item.key() {
                Some(key) => format!("{}={}", key.value, shape(item)),
                None => shape(item),
            })
            .collect();
        items.join(" ")
    }

    fn read(text: &str) -> String {
        match parse(text) {
            Ok(tree) => shape(tree.root()),
            Err(error) => format!("error at {}", error.at.start),
        }
    }

    #[test]
    fn values_of_every_kind_are_read() {
        assert_eq!(read("a = 1\nb = 'x'\nc = true"), r#"{a=1 b="x" c=true}"#);
        assert_eq!(
            read("a = 0x1F\nb = 1_000\nc = 0b11\nd = -1"),
            "{a=31 b=1000 c=3 d=?}"
        );
        assert_eq!(read("a = 99999999999999999999999"), "{a=?}");
        assert_eq!(read("a = 1.5\nb = 1979-05-27"), "{a=fraction b=date}");
        assert_eq!(read("a = [1, [2], {b = 3}]"), "{a=[1 [2] {b=3}]}");
        assert_eq!(
            read("a = \"x\\u0041\\n\"\nb = '''\nc'''"),
            "{a=\"xA\\n\" b=\"c\"}"
        );
        assert_eq!(
            read("'quoted key' = 1\n\"\\u0041\" = 2"),
            "{quoted key=1 A=2}"
        );
    }

    #[test]
    fn tables_of_every_form_are_one_tree() {
        assert_eq!(read("[a]\nx = 1\n[b]"), "{a={x=1} b={}}");
        assert_eq!(read("[a.b]\nx = 1\n[a]\ny = 2"), "{a={b={x=1} y=2}}");
        assert_eq!(
            read("[[a]]\nx = 1\n[[a]]\nx = 2\n[a.b]"),
            "{a=[{x=1} {x=2 b={}}]}"
        );
        assert_eq!(read("a.b.c = 1\na.b.d = 2"), "{a={b={c=1 d=2}}}");
        assert_eq!(
            read("a = { b.c = 1, b.d = 2, e = [{}] }"),
            "{a={b={c=1 d=2} e=[{}]}}"
        );
    }

    #[test]
    fn nothing_is_set_twice() {
        for text in [
            "a = 1\na = 2",
            "a = 1\n'a' = 2",
            "[a]\n[a]",
            "[a]\nb = 1\n[a.b]",
            "a = {}\n[a.b]",
            "a = {}\na.b = 1",
            "a = []\n[[a]]",
            "[a]\n[[a]]",
            "[[a]]\n[a]",
            "a = { b = 1, b = 2 }",
            "a = { b = {}, b.c = 2 }",
            "a.b = 1\na.b.c = 2",
            "a.b = 1\n[a]",
            "[a.b]\n[a]\nb.c = 1",
            "[[a.b]]\n[a]\nb.c = 1",
            "a = 1\n[a.b]",
        ] {
            assert!(read(text).starts_with("error"), "{text:?}: {}", read(text));
        }
    }

    #[test]
    fn broken_text_is_an_error_with_a_place() {
        for (text, at) in [
            ("a = ", 4),
            ("a = \"x", 6),
            ("a = [1, 2", 9),
            ("[a", 2),
            ("a", 1),
            ("a = 1 b = 2", 4),
            ("= 1", 0),
            ("a = {b = 1", 10),
            ("a = b", 4),
            ("a = 012", 4),
        ] {
            assert_eq!(read(text), format!("error at {at}"), "{text:?}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let deep = ["a = ", &"[".repeat(5000), &"]".repeat(5000)].concat();
        assert!(read(&deep).starts_with("error"));
        let deep = ["a = ", &"{a=".repeat(5000)].concat();
        assert!(read(&deep).starts_with("error"));
        let deep = ["a.".repeat(5000).as_str(), "a = 1"].concat();
        assert!(read(&deep).starts_with("error"));
    }
}
