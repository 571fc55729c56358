//! Lines of a control connection, and what of them matters here (RFC 959 sections 4.1.2 and 4.2, RFC 2428).

use core::net::Ipv4Addr;
use core::ops::Range;

use crate::ftp::text::Notation;

/// The longest line that is looked at: an announcement is much shorter.
const LONGEST: usize = 256;

/// The port below which nobody is told to connect: services live there (RFC 2577 section 3).
const FIRST_PORT: u16 = 1024;

/// The commands that a client can begin with before it is known (RFC 959 section 5.4, RFC 2228, RFC 2389, RFC 7151).
/// A browser that is made to speak to an FTP port begins with another word.
const FIRST: [&str; 14] = [
    "USER", "PASS", "AUTH", "HOST", "FEAT", "OPTS", "SYST", "CLNT", "NOOP", "HELP", "STAT", "LANG",
    "ACCT", "QUIT",
];

/// Where somebody says that data can be sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// The address, if one is named.
    pub address: Option<Ipv4Addr>,
    /// The port; never one of those below 1024.
    pub port: u16,
    /// How it is written.
    pub notation: Notation,
    /// Where it is written, in bytes of the line.
    pub place: Range<usize>,
}

/// What a client's line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// `PORT`, `EPRT`: the client waits for data there.
    Announces(Announcement),
    /// The same with an endpoint that cannot be, or not be told of.
    Unsound,
    /// `PASV`: the server is to wait.
    Passive,
    /// `EPSV` with or without a number, but for `EPSV ALL`.
    ExtendedPassive,
    /// A command that can be a client's first.
    First,
    /// Another line.
    Other,
}

/// What a server's line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// `227`: the server waits for data there.
    Passive(Announcement),
    /// `229`.
    ExtendedPassive(Announcement),
    /// The same with an endpoint that cannot be, or not be told of.
    Unsound,
    /// `234`: what follows is encrypted (RFC 4217 section 4).
    Encrypted,
    /// Another line.
    Other,
}

/// The whole lines that begin in a piece of a stream; a line's range is without its end.
///
/// `begins`: whether the piece's first byte begins a line.
pub fn whole(bytes: &[u8], begins: bool) -> impl Iterator<Item = Range<usize>> {
    let mut at = match begins {
        true => Some(0),
        false => after_line_feed(bytes, 0),
    };
    core::iter::from_fn(move || {
        let begin = at?;
        let next = after_line_feed(bytes, begin)?;
        at = Some(next);
        let line = &bytes[begin..next - 1];
        let end = next - 1 - usize::from(line.last() == Some(&b'\r'));
        Some(begin..end)
    })
}

/// Where the line after the last whole one begins, if a line ends in `bytes`.
#[must_use]
pub fn last_begin(bytes: &[u8]) -> Option<usize> {
    let last = bytes.iter().rposition(|byte| *byte == b'\n')?;
    Some(last + 1)
}

fn after_line_feed(bytes: &[u8], from: usize) -> Option<usize> {
    let rest = bytes.get(from..)?;
    let at = rest.iter().position(|byte| *byte == b'\n')?;
    Some(from + at + 1)
}

/// Reads a client's line.
#[must_use]
pub fn command(line: &[u8]) -> Command {
    if line.len() > LONGEST {
        return Command::Other;
    }
    let verb_len = line.iter().take_while(|byte| byte.is_ascii_alphabetic());
    let (verb, rest) = line.split_at(verb_len.count());
    let is = |word: &str| verb.eq_ignore_ascii_case(word.as_bytes());
    let blanks = rest.iter().take_while(|byte| **byte == b' ').count();
    let argument = Cursor::at(line, verb.len() + blanks);
    let has_argument = blanks > 0;
    if is("PORT") && has_argument {
        return announced(argument.bytes_notation());
    }
    if is("EPRT") && has_argument {
        return announced(argument.extended());
    }
    if is("PASV") && argument.is_at_end() {
        return Command::Passive;
    }
    // RFC 2428 section 4: after `EPSV ALL` there is no announcement to wait for.
    if is("EPSV") && !argument.rest().eq_ignore_ascii_case(b"ALL") {
        return Command::ExtendedPassive;
    }
    match FIRST.iter().any(|word| is(word)) && (has_argument || rest.is_empty()) {
        true => Command::First,
        false => Command::Other,
    }
}

fn announced(announcement: Option<Announcement>) -> Command {
    announcement.map_or(Command::Unsound, Command::Announces)
}

/// Reads a server's line.
#[must_use]
pub fn reply(line: &[u8]) -> Reply {
    if line.len() > LONGEST {
        return Reply::Other;
    }
    match line {
        [b'2', b'2', b'7', b' ', ..] => passive(line).map_or(Reply::Unsound, Reply::Passive),
        [b'2', b'2', b'9', b' ', ..] => {
            extended_passive(line).map_or(Reply::Unsound, Reply::ExtendedPassive)
        }
        [b'2', b'3', b'4', b' ', ..] | b"234" => Reply::Encrypted,
        _ => Reply::Other,
    }
}

/// A `227`'s endpoint: what stands around it is not fixed (RFC 1123 section 4.1.2.6), its first digit begins it.
fn passive(line: &[u8]) -> Option<Announcement> {
    const CODE: usize = 4;
    let digit = line[CODE..].iter().position(u8::is_ascii_digit)?;
    let (announcement, after) = Cursor::at(line, CODE + digit).endpoint_in_bytes()?;
    let is_over = !matches!(line.get(after), Some(b'0'..=b'9' | b','));
    is_over.then_some(announcement)
}

/// A `229`'s port, behind three delimiters that are alike (RFC 2428 section 3).
fn extended_passive(line: &[u8]) -> Option<Announcement> {
    let open = line.iter().position(|byte| *byte == b'(')?;
    let delimiter = delimiter(*line.get(open + 1)?)?;
    let mut cursor = Cursor::at(line, open + 1);
    for _ in 0..3 {
        cursor.skip(delimiter)?;
    }
    let begin = cursor.at;
    let port = cursor.number(5).and_then(port)?;
    let place = begin..cursor.at;
    cursor.skip(delimiter)?;
    cursor.skip(b')')?;
    Some(Announcement {
        address: None,
        port,
        notation: Notation::Port,
        place,
    })
}

/// A delimiter that the standard allows (RFC 2428 section 2), and that is no part of a number.
fn delimiter(byte: u8) -> Option<u8> {
    let is_one = (33..=126).contains(&byte) && !byte.is_ascii_alphanumeric() && byte != b'.';
    is_one.then_some(byte)
}

fn port(number: u32) -> Option<u16> {
    u16::try_from(number)
        .ok()
        .filter(|port| *port >= FIRST_PORT)
}

/// A place in a line.
#[derive(Clone, Copy)]
struct Cursor<'a> {
    line: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    const fn at(line: &'a [u8], at: usize) -> Self {
        Self { line, at }
    }

    /// What is left, but for blanks at the line's end.
    fn rest(&self) -> &'a [u8] {
        self.line
            .get(self.at..)
            .unwrap_or_default()
            .trim_ascii_end()
    }

    fn is_at_end(&self) -> bool {
        self.rest().is_empty()
    }

    fn skip(&mut self, byte: u8) -> Option<()> {
        (self.line.get(self.at) == Some(&byte)).then(|| self.at += 1)
    }

    /// A decimal number of at most so many digits.
    fn number(&mut self, most: usize) -> Option<u32> {
        let digits = self.line.get(self.at..)?;
        let len = digits
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        if len == 0 || len > most {
            return None;
        }
        self.at += len;
        let value = |sum: u32, digit: &u8| sum * 10 + u32::from(digit - b'0');
        Some(digits[..len].iter().fold(0, value))
    }

    fn byte(&mut self) -> Option<u8> {
        u8::try_from(self.number(3)?).ok()
    }

    /// Six bytes with commas between them, and where they end.
    fn endpoint_in_bytes(mut self) -> Option<(Announcement, usize)> {
        let begin = self.at;
        let mut bytes = [0; 6];
        for (index, byte) in bytes.iter_mut().enumerate() {
            if index > 0 {
                self.skip(b',')?;
            }
            *byte = self.byte()?;
        }
        let [a, b, c, d, high, low] = bytes;
        let announcement = Announcement {
            address: Some(Ipv4Addr::new(a, b, c, d)),
            port: port(u32::from(u16::from_be_bytes([high, low])))?,
            notation: Notation::Bytes,
            place: begin..self.at,
        };
        Some((announcement, self.at))
    }

    /// The argument of `PORT`, to the line's end.
    fn bytes_notation(self) -> Option<Announcement> {
        let (announcement, end) = self.endpoint_in_bytes()?;
        Cursor::at(self.line, end)
            .is_at_end()
            .then_some(announcement)
    }

    /// The argument of `EPRT`, to the line's end; only IPv4's, which is 1 (RFC 2428 section 2).
    fn extended(mut self) -> Option<Announcement> {
        let delimiter = delimiter(*self.line.get(self.at)?)?;
        self.skip(delimiter)?;
        self.skip(b'1')?;
        self.skip(delimiter)?;
        let begin = self.at;
        let mut octets = [0; 4];
        for (index, octet) in octets.iter_mut().enumerate() {
            if index > 0 {
                self.skip(b'.')?;
            }
            *octet = self.byte()?;
        }
        self.skip(delimiter)?;
        let port = self.number(5).and_then(port)?;
        let place = begin..self.at;
        self.skip(delimiter)?;
        self.is_at_end().then_some(Announcement {
            address: Some(octets.into()),
            port,
            notation: Notation::Extended(delimiter),
            place,
        })
    }
}

#[cfg(test)]
#[path = "line_tests.rs"]
mod tests;
