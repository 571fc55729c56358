//! What is kept of one control connection: how far each peer's stream was read, and what has become of its numbers.

use crate::Instant;
use crate::address::Address;
use crate::conntrack::Source;
use crate::flow::{Direction, FlowId};
use crate::ftp::line::{self, Announcement, Command, Reply};
use crate::ftp::text::Text;
use crate::key::{Endpoint, Side};
use crate::mapping::MappingId;
use crate::shift::Shift;

/// A control connection.
#[derive(Clone, Debug)]
pub struct Control {
    /// Which flow it is.
    pub flow: FlowId,
    /// Who opened it.
    pub client: (Address, Side),
    /// How far it was read.
    pub progress: Progress,
    /// How each peer's numbers are counted on the other side.
    pub shifts: [Shift; 2],
    /// What each peer's last announcement that was changed became; at the place that its shift says.
    pub texts: [Text; 2],
    /// The data connection that was announced last, until it comes.
    pub expected: Option<Expected>,
}

/// A data connection that may come.
#[derive(Clone, Copy, Debug)]
pub struct Expected {
    /// From whom, with any port.
    pub from: Address,
    /// By which side.
    pub side: Side,
    /// Where to, as its sender sees it.
    pub to: Endpoint,
    /// Where it really goes: where the announcement's sender waits.
    pub destination: Endpoint,
    /// By which side it leaves.
    pub egress: Side,
    /// What becomes of its source.
    pub source: Source,
    /// The mapping that holds the port of `to` for it.
    pub lease: Option<MappingId>,
    /// How long it may come.
    pub until: Instant,
}

/// How far a connection was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    stage: Stage,
    asked: Asked,
    streams: [Stream; 2],
}

/// Whether it is FTP that is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The client has said nothing yet.
    Fresh,
    /// It began as clients of FTP do.
    Spoken,
    /// It is something else, or encrypted: it is not read any more.
    Over,
}

/// What the client has asked the server to announce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Nothing,
    Passive,
    ExtendedPassive,
}

/// One peer's stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stream {
    /// The number of the first byte that nobody has seen yet.
    next: u32,
    /// The number at which the last line that was seen begins: where that is the next byte's, it begins a line.
    line: u32,
}

/// What a piece of a stream says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Nothing that matters.
    Nothing,
    /// An endpoint; its place is in bytes of the piece.
    Announced(Announcement),
    /// One that cannot be, or that nobody asked for.
    Unsound,
}

impl Progress {
    /// Of a connection on which nothing was said: the numbers of each peer's first byte.
    #[must_use]
    pub const fn new(first: [u32; 2]) -> Self {
        const fn begin(next: u32) -> Stream {
            Stream { next, line: next }
        }
        Self {
            stage: Stage::Fresh,
            asked: Asked::Nothing,
            streams: [begin(first[0]), begin(first[1])],
        }
    }

    /// Whether nothing more of it will be read.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over)
    }

    /// Whether a piece holds nothing that was not seen before.
    #[must_use]
    pub const fn is_known(&self, sender: Direction, seq: u32) -> bool {
        (seq.wrapping_sub(self.streams[sender.index()].next) as i32) < 0
    }

    /// Passes over a piece that cannot be read. Nobody knows what a client is that begins with one.
    pub fn skip(&mut self, sender: Direction, seq: u32, len: u32) {
        let stream = &mut self.streams[sender.index()];
        let end = seq.wrapping_add(len);
        if end.wrapping_sub(stream.next) as i32 > 0 {
            stream.next = end;
        }
        if self.stage == Stage::Fresh && sender == Direction::Original {
            self.stage = Stage::Over;
        }
    }

    /// Reads a piece whose first byte is new. Of several announcements in it the first counts, since a segment is
    /// changed at one place only.
    pub fn read(&mut self, sender: Direction, seq: u32, bytes: &[u8]) -> Heard {
        let stream = self.streams[sender.index()];
        if stream.next != seq {
            // What is between was lost or comes late: what this piece begins with is no line's begin.
            self.skip(sender, seq, 0);
        }
        let mut heard = Heard::Nothing;
        let begins = stream.next == seq && stream.line == seq;
        for line in line::whole(bytes, begins) {
            let said = self.line(sender, &bytes[line.clone()]);
            if heard == Heard::Nothing {
                heard = said.within(line.start);
            }
        }
        let last = line::last_begin(bytes).map(|at| seq.wrapping_add(at as u32));
        self.streams[sender.index()] = Stream {
            next: seq.wrapping_add(bytes.len() as u32),
            line: last.unwrap_or(stream.line),
        };
        heard
    }

    fn line(&mut self, sender: Direction, line: &[u8]) -> Heard {
        match (sender, self.stage) {
            (_, Stage::Over) => Heard::Nothing,
            (Direction::Original, Stage::Fresh) => {
                self.stage = match line::command(line) {
                    Command::First => Stage::Spoken,
                    _ => Stage::Over,
                };
                Heard::Nothing
            }
            (Direction::Original, Stage::Spoken) => self.command(line::command(line)),
            (Direction::Reply, _) => self.reply(line::reply(line)),
        }
    }

    fn command(&mut self, command: Command) -> Heard {
        match command {
            Command::Announces(announcement) => {
                self.asked = Asked::Nothing;
                return Heard::Announced(announcement);
            }
            Command::Unsound => return Heard::Unsound,
            Command::Passive => self.asked = Asked::Passive,
            Command::ExtendedPassive => self.asked = Asked::ExtendedPassive,
            Command::First | Command::Other => {}
        }
        Heard::Nothing
    }

    /// A server's announcement counts only if it was asked for: a text that the server repeats for others is none.
    fn reply(&mut self, reply: Reply) -> Heard {
        match (reply, self.asked) {
            (Reply::Passive(announcement), Asked::Passive)
            | (Reply::ExtendedPassive(announcement), Asked::ExtendedPassive) => {
                self.asked = Asked::Nothing;
                Heard::Announced(announcement)
            }
            (Reply::Passive(_) | Reply::ExtendedPassive(_) | Reply::Unsound, _) => Heard::Unsound,
            (Reply::Encrypted, _) => {
                self.stage = Stage::Over;
                Heard::Nothing
            }
            (Reply::Other, _) => Heard::Nothing,
        }
    }
}

impl Heard {
    fn within(self, begin: usize) -> Self {
        match self {
            Self::Announced(announcement) => {
                let place = announcement.place;
                Self::Announced(Announcement {
                    place: begin + place.start..begin + place.end,
                    ..announcement
                })
            }
            other => other,
        }
    }
}

#[cfg(test)]
#[path = "control_tests.rs"]
mod tests;
