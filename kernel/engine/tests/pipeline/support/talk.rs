//! A TCP connection whose two ends count for themselves, and complain when the numbers do not fit.

use etherparse::{TcpHeader, TcpOptionElement};
use sekisho_engine::ZoneId;

use super::ip::{Ip, at, tcp};
use super::world::{Sent, World};

/// One end of a connection.
#[derive(Clone, Debug)]
pub struct Peer {
    pub zone: ZoneId,
    /// Itself.
    pub own: String,
    /// The other end, as it knows it.
    pub other: String,
    /// Its next number.
    pub next: u32,
    /// The other end's next number, as it counts.
    pub awaited: u32,
}

/// A connection.
pub struct Talk {
    /// Who opened it, and who was called.
    pub ends: [Peer; 2],
}

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    Client = 0,
    Server = 1,
}
pub use Turn::{Client, Server};

/// Header and payload of a segment.
pub fn read(packet: &Ip) -> (TcpHeader, Vec<u8>) {
    let (header, payload) = TcpHeader::from_slice(&packet.body).expect("a TCP header");
    (header, payload.to_vec())
}

impl Turn {
    fn other(self) -> Self {
        match self {
            Client => Server,
            Server => Client,
        }
    }
}

impl Talk {
    /// Opens a connection from a host to what it calls by an endpoint, with soon wrapping numbers.
    pub fn open(world: &mut World, (from, own): (ZoneId, &str), called: &str) -> Self {
        let (c, s) = (u32::MAX - 40, u32::MAX - 30);
        let syn = tcp(own, called, b"", |header| {
            (header.syn, header.sequence_number) = (true, c);
        });
        let arrived = world.pass(from, &syn);
        let (server, seen) = (
            arrived.packet.to().to_string(),
            arrived.packet.from().to_string(),
        );
        let talk = Self {
            ends: [
                Peer {
                    zone: from,
                    own: own.into(),
                    other: called.into(),
                    next: c.wrapping_add(1),
                    awaited: s.wrapping_add(1),
                },
                Peer {
                    zone: arrived.zone,
                    own: server.clone(),
                    other: seen.clone(),
                    next: s.wrapping_add(1),
                    awaited: c.wrapping_add(1),
                },
            ],
        };
        let answer = tcp(&server, &seen, b"", |header| {
            (header.syn, header.ack) = (true, true);
            (header.sequence_number, header.acknowledgment_number) = (s, c.wrapping_add(1));
        });
        world.pass(arrived.zone, &answer);
        let ack = talk.segment(Client, b"");
        world.pass(from, &ack);
        talk
    }

    /// What an end would send now.
    pub fn segment(&self, turn: Turn, payload: &[u8]) -> Ip {
        self.built(turn, payload, |_| {})
    }

    /// The same with a header of the test's choice.
    pub fn built(&self, turn: Turn, payload: &[u8], build: impl FnOnce(&mut TcpHeader)) -> Ip {
        let end = &self.ends[turn as usize];
        tcp(&end.own, &end.other, payload, |header| {
            (header.ack, header.psh) = (true, !payload.is_empty());
            (header.sequence_number, header.acknowledgment_number) = (end.next, end.awaited);
            build(header);
        })
    }

    /// Says a line, which the other end acknowledges; what that end heard.
    pub fn say(&mut self, world: &mut World, turn: Turn, line: &str) -> String {
        let heard = self.lose(world, turn, line);
        self.acknowledge(world, turn.other());
        heard
    }

    /// Says a line that the other end does not acknowledge yet.
    pub fn lose(&mut self, world: &mut World, turn: Turn, line: &str) -> String {
        let segment = self.segment(turn, line.as_bytes());
        let zone = self.ends[turn as usize].zone;
        let sent = world.send(zone, &segment);
        self.ends[turn as usize].next = self.ends[turn as usize]
            .next
            .wrapping_add(line.len() as u32);
        let heard = self.heard(turn, &sent);
        let other = &mut self.ends[turn.other() as usize];
        other.awaited = other.awaited.wrapping_add(heard.len() as u32);
        heard
    }

    /// Acknowledges all that was heard: the other end must understand it so.
    pub fn acknowledge(&self, world: &mut World, turn: Turn) {
        let ack = self.segment(turn, b"");
        let sent = world.pass(self.ends[turn as usize].zone, &ack);
        let (header, _) = read(&sent.packet);
        let other = &self.ends[turn.other() as usize];
        assert_eq!(
            header.acknowledgment_number, other.next,
            "{turn:?} acknowledges all, and {other:?} hears otherwise"
        );
        assert_eq!(header.sequence_number, other.awaited, "{other:?}");
    }

    /// What the other end hears by these segments, which must follow what it heard before.
    pub fn heard(&self, turn: Turn, sent: &[Sent]) -> String {
        let (end, other) = (&self.ends[turn as usize], &self.ends[turn.other() as usize]);
        let mut awaited = other.awaited;
        let mut heard = Vec::new();
        for sent in sent {
            assert_eq!(sent.zone, other.zone, "{sent:?}");
            assert_eq!(sent.packet.to(), at(&other.own));
            assert_eq!(sent.packet.from(), at(&other.other));
            let (header, payload) = read(&sent.packet);
            assert_eq!(header.sequence_number, awaited, "numbers of {end:?}");
            assert_eq!(header.acknowledgment_number, other.next, "{other:?}");
            awaited = awaited.wrapping_add(payload.len() as u32);
            heard.extend(payload);
        }
        String::from_utf8(heard).expect("text")
    }
}

/// The blocks of a segment's SACK option.
pub fn blocks(header: &TcpHeader) -> Option<Vec<(u32, u32)>> {
    header
        .options_iterator()
        .find_map(|option| match option.expect("an option") {
            TcpOptionElement::SelectiveAcknowledgement(first, more) => Some(
                std::iter::once(first)
                    .chain(more.into_iter().flatten())
                    .collect(),
            ),
            _ => None,
        })
}
