//! Text from a configuration made fit to be shown: clipped, and with nothing
//! in it that could move a terminal's cursor.

use alloc::string::String;
use core::fmt::Write as _;

use crate::diagnostic::Position;
use crate::span::Span;

/// The most characters of a line that are shown.
const LINE_WIDTH: usize = 100;

/// How many characters before the marked place are kept when a line is clipped.
const LEAD: usize = 40;

/// The most characters of a value that a message quotes.
const QUOTE_WIDTH: usize = 48;

/// One line of the file, safe to print, with the place in question marked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    text: String,
    marker: String,
}

impl Excerpt {
    /// The line; `...` stands for what was cut off.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Blanks and carets, to be printed under [`Excerpt::text`].
    #[must_use]
    pub fn marker(&self) -> &str {
        &self.marker
    }

    /// Cuts a window of the line around the marked characters.
    fn cut(line: &str, first: usize, marked: usize) -> Self {
        let length = line.chars().count();
        let skip = if length > LINE_WIDTH {
            first.saturating_sub(LEAD)
        } else {
            0
        };
        let mut excerpt = Self {
            text: String::new(),
            marker: String::new(),
        };
        if skip > 0 {
            excerpt.push("...", ' ');
        }
        for (index, character) in line.chars().enumerate().skip(skip).take(LINE_WIDTH) {
            let mark = if index >= first && index < first.saturating_add(marked) {
                '^'
            } else {
                ' '
            };
            excerpt.push(&visible(character), mark);
        }
        if length > skip + LINE_WIDTH {
            excerpt.push("...", ' ');
        }
        excerpt.finish(first - skip)
    }

    fn push(&mut self, shown: &str, mark: char) {
        self.text.push_str(shown);
        self.marker.extend(shown.chars().map(|_| mark));
    }

    /// A place at the end of the line still gets its caret.
    fn finish(mut self, first: usize) -> Self {
        self.marker.truncate(self.marker.trim_end().len());
        if self.marker.is_empty() {
            let width = self.text.chars().count().max(first);
            self.marker.extend(core::iter::repeat_n(' ', width));
            self.marker.push('^');
        }
        self
    }
}

/// Line, column and excerpt of a span.
pub(crate) fn locate(text: &str, at: Span) -> Position {
    let start = floor_boundary(text, at.start);
    let (before, _) = text.split_at(start);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line_end = text[start..]
        .find('\n')
        .map_or(text.len(), |length| start + length);
    let line = text[line_start..line_end].trim_end_matches('\r');
    let first = text[line_start..start].chars().count();
    let end = floor_boundary(text, at.end).clamp(start, line_end);
    let marked = text[start..end].trim_end().chars().count().max(1);
    let lines = before.bytes().filter(|byte| *byte == b'\n').count();
    Position {
        line: number_from_one(lines),
        column: number_from_one(first),
        excerpt: Excerpt::cut(line, first.min(line.chars().count()), marked),
    }
}

fn number_from_one(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX).saturating_add(1)
}

/// The nearest character boundary at or before `index`.
fn floor_boundary(text: &str, index: usize) -> usize {
    text.floor_char_boundary(index)
}

/// A value from the file as a message quotes it: in backquotes, clipped, printable.
pub(crate) fn quoted(value: &str) -> String {
    let mut shown = String::from("`");
    for character in value.chars().take(QUOTE_WIDTH) {
        shown.push_str(&visible(character));
    }
    if value.chars().nth(QUOTE_WIDTH).is_some() {
        shown.push_str("...");
    }
    shown.push('`');
    shown
}

/// Text in which every character is safe to print.
pub(crate) fn visible_text(text: &str) -> String {
    text.chars().map(visible).collect()
}

/// A character that a terminal prints as itself, else its escape.
fn visible(character: char) -> String {
    let mut shown = String::new();
    if character == '\t' {
        shown.push(' ');
    } else if character.is_control() || is_invisible(character) {
        // Writing to a string cannot fail.
        let _ = write!(shown, "{}", character.escape_unicode());
    } else {
        shown.push(character);
    }
    shown
}

/// Marks that change the direction or the joining of text without being seen.
const fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn columns_count_characters_not_bytes() {
        let text = "x = \"äöü\" y";
        let at = text.find('y').expect("the text has a y");
        let position = locate(text, Span::new(at, at + 1));
        assert_eq!((position.line, position.column), (1, 11));
    }

    #[test]
    fn carriage_returns_are_not_part_of_the_line() {
        let position = locate("a = 1\r\nbb = 2\r\n", Span::new(7, 9));
        assert_eq!((position.line, position.column), (2, 1));
        assert_eq!(position.excerpt.text(), "bb = 2");
        assert_eq!(position.excerpt.marker(), "^^");
    }

    #[test]
    fn escape_sequences_are_shown_not_sent() {
        let position = locate("a = \"\u{1b}[2J\u{202e}\"", Span::new(4, 5));
        assert_eq!(position.excerpt.text(), "a = \"\\u{1b}[2J\\u{202e}\"");
        assert_eq!(quoted("\u{7}x"), "`\\u{7}x`");
    }

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let text = ["x".repeat(5000), "here".into(), "y".repeat(5000)].concat();
        let excerpt = locate(&text, Span::new(5000, 5004)).excerpt;
        assert!(excerpt.text().starts_with("...xxx"));
        assert!(excerpt.text().ends_with("yyy..."));
        let marked = excerpt.marker().find('^').expect("something is marked");
        assert_eq!(&excerpt.text()[marked..marked + 4], "here");
        assert_eq!(excerpt.marker().trim_start(), "^^^^");
    }

    #[test]
    fn the_end_of_the_file_can_be_marked() {
        let position = locate("a = ", Span::new(4, 4));
        assert_eq!((position.line, position.column), (1, 5));
        assert_eq!(position.excerpt.marker(), "    ^");
        assert_eq!(locate("", Span::new(9, 9)).line.to_string(), "1");
    }
}
