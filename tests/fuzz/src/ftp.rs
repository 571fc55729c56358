//! What both peers of an FTP control connection say, in pieces of any size, and what is heard of it.

use sekisho_engine::flow::Direction;
use sekisho_engine::ftp::control::{Heard, Progress};
use sekisho_engine::ftp::line::{self, Announcement, Command, Reply};

/// The first number of either peer, soon to wrap.
const FIRST: u32 = u32::MAX - 100;

/// Each piece begins with a byte: who says it, whether a card is still to cut it, and how long it is; its bytes follow.
pub fn run(data: &[u8]) {
    let mut progress = Progress::new([FIRST; 2]);
    let mut next = [FIRST; 2];
    let mut rest = data;
    while let [head, more @ ..] = rest {
        let (bytes, after) = more.split_at(more.len().min(usize::from(head >> 2)));
        rest = after;
        let (sender, index) = match head & 1 {
            0 => (Direction::Original, 0),
            _ => (Direction::Reply, 1),
        };
        let was_over = progress.is_over();
        if head & 2 != 0 {
            progress.skip(sender, next[index], bytes.len() as u32);
        } else {
            let heard = progress.read(sender, next[index], bytes);
            assert!(
                !was_over || heard == Heard::Nothing,
                "it is not read any more"
            );
            holds(sender, bytes, &heard);
        }
        next[index] = next[index].wrapping_add(bytes.len() as u32);
        let ahead = progress.is_known(sender, next[index].wrapping_sub(1)) || bytes.is_empty();
        assert!(ahead && !progress.is_known(sender, next[index]));
    }
}

/// What is announced stands where it is said to, and says the same once it is written anew.
fn holds(sender: Direction, bytes: &[u8], heard: &Heard) {
    let Heard::Announced(announcement) = heard else {
        return;
    };
    assert!(announcement.port >= 1024);
    let place = announcement.place.clone();
    assert!(place.start < place.end && place.end <= bytes.len());
    let address = announcement.address.unwrap_or([203, 0, 113, 1].into());
    let text = announcement.notation.write(address, announcement.port);
    let again = [&bytes[..place.start], text.as_bytes(), &bytes[place.end..]].concat();
    let begin = again[..place.start].iter().rposition(|byte| *byte == b'\n');
    let line = &again[begin.map_or(0, |at| at + 1)..];
    let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let read: Option<Announcement> = match sender {
        Direction::Original => match line::command(line) {
            Command::Announces(read) => Some(read),
            _ => None,
        },
        Direction::Reply => match line::reply(line) {
            Reply::Passive(read) | Reply::ExtendedPassive(read) => Some(read),
            _ => None,
        },
    };
    // A line that was as long as may be is longer now.
    if let Some(read) = read {
        assert_eq!(
            (read.address, read.port),
            (announcement.address, announcement.port)
        );
    } else {
        assert!(line.len() > 200, "{}", String::from_utf8_lossy(line));
    }
}
