//! Streams in pieces, out of order, and of somebody else's making.

use super::*;
use Direction::{Original, Reply};

/// The numbers of both first bytes, soon to wrap.
const C: u32 = u32::MAX - 20;
const S: u32 = 5000;

/// A connection on which pieces are said in order.
struct Talk {
    progress: Progress,
    next: [u32; 2],
}

impl Talk {
    fn new() -> Self {
        Self {
            progress: Progress::new([C, S]),
            next: [C, S],
        }
    }

    /// After the greeting and the client's first command.
    fn begun() -> Self {
        let mut talk = Self::new();
        talk.says(Reply, "220 ready\r\n");
        talk.says(Original, "USER anonymous\r\n");
        talk
    }

    fn says(&mut self, sender: Direction, text: &str) -> Heard {
        let seq = self.next[sender.index()];
        self.next[sender.index()] = seq.wrapping_add(text.len() as u32);
        self.progress.read(sender, seq, text.as_bytes())
    }
}

fn port_of(heard: &Heard) -> Option<u16> {
    match heard {
        Heard::Announced(announcement) => Some(announcement.port),
        Heard::Nothing | Heard::Unsound => None,
    }
}

const PORT: &str = "PORT 10,99,0,2,156,64\r\n";
const PASSIVE: &str = "227 Entering Passive Mode (10,99,0,2,195,80)\r\n";

#[test]
fn a_command_in_one_piece_is_heard_at_its_place() {
    let mut talk = Talk::begun();
    let heard = talk.says(Original, &std::format!("NOOP\r\n{PORT}"));
    let Heard::Announced(announcement) = heard else {
        panic!("{heard:?}")
    };
    assert_eq!((announcement.port, announcement.place), (40_000, 11..27));
}

#[test]
fn of_two_commands_in_one_piece_the_first_counts() {
    let mut talk = Talk::begun();
    let both = "PORT 10,99,0,2,4,1\r\nPORT 10,99,0,2,4,2\r\n";
    assert_eq!(port_of(&talk.says(Original, both)), Some(1025));
    assert_eq!(port_of(&talk.says(Original, PORT)), Some(40_000));
}

#[test]
fn a_command_in_two_pieces_is_not_heard_and_the_next_one_is() {
    for cut in 1..PORT.len() - 1 {
        let mut talk = Talk::begun();
        let (one, two) = PORT.split_at(cut);
        assert_eq!(talk.says(Original, one), Heard::Nothing, "{one}");
        assert_eq!(talk.says(Original, two), Heard::Nothing, "{two}");
        assert_eq!(port_of(&talk.says(Original, PORT)), Some(40_000));
    }
}

#[test]
fn the_end_of_a_line_is_no_line() {
    let mut talk = Talk::begun();
    talk.says(Original, "PASV\r\n");
    assert_eq!(talk.says(Reply, "550 no such file: x"), Heard::Nothing);
    assert_eq!(talk.says(Reply, PASSIVE), Heard::Nothing);
    assert_eq!(port_of(&talk.says(Reply, PASSIVE)), Some(50_000));
}

#[test]
fn a_reply_that_nobody_asked_for_is_unsound() {
    let mut talk = Talk::begun();
    assert_eq!(talk.says(Reply, PASSIVE), Heard::Unsound);
    talk.says(Original, "EPSV\r\n");
    assert_eq!(talk.says(Reply, PASSIVE), Heard::Unsound, "another one");
    talk.says(Original, "PASV\r\n");
    assert_eq!(port_of(&talk.says(Reply, PASSIVE)), Some(50_000));
    assert_eq!(talk.says(Reply, PASSIVE), Heard::Unsound, "once is enough");
    talk.says(Original, "EPSV\r\n");
    assert_eq!(
        port_of(&talk.says(Reply, "229 x (|||6446|)\r\n")),
        Some(6446)
    );
}

#[test]
fn a_client_that_does_not_begin_like_one_is_not_heard() {
    let mut talk = Talk::new();
    talk.says(Original, "POST / HTTP/1.1\r\nHost: x\r\n\r\nUSER x\r\n");
    assert!(talk.progress.is_over());
    assert_eq!(talk.says(Original, PORT), Heard::Nothing);
    assert_eq!(talk.says(Reply, PASSIVE), Heard::Nothing);

    let mut late = Talk::new();
    late.progress.skip(Original, C, 3000);
    assert!(late.progress.is_over(), "who knows what that was");
}

#[test]
fn after_encryption_begins_nothing_is_heard() {
    let mut talk = Talk::begun();
    talk.says(Original, "AUTH TLS\r\n");
    talk.says(Reply, "234 go on\r\n");
    assert!(talk.progress.is_over());
    assert_eq!(talk.says(Original, PORT), Heard::Nothing);
}

#[test]
fn behind_a_gap_a_line_has_to_end_first() {
    let mut talk = Talk::begun();
    talk.next[0] = talk.next[0].wrapping_add(10);
    assert!(!talk.progress.is_known(Original, talk.next[0]));
    assert_eq!(talk.says(Original, PORT), Heard::Nothing);
    assert_eq!(port_of(&talk.says(Original, PORT)), Some(40_000));
    let before = talk.next[0].wrapping_sub(1);
    assert!(talk.progress.is_known(Original, before));
    talk.progress.skip(Reply, talk.next[1], 100);
    talk.next[1] += 100;
    talk.says(Original, "PASV\r\n");
    assert_eq!(talk.says(Reply, PASSIVE), Heard::Nothing);
    assert_eq!(port_of(&talk.says(Reply, PASSIVE)), Some(50_000));
}
