//! A conversation of two hosts: what they say, and how it comes to each router.
//!
//! What is wrong with some of it is in [`lies`](self::lies).

mod lies;

use std::net::Ipv4Addr;

use super::packet::{self, End, Header, ICMP, Segment, TCP, UDP, word};
use super::random::Random;
use super::script::Injection;
use super::tcp::{self, Tcp};
use super::{FORWARDS, SERVERS, Side};

/// A conversation.
pub struct Talk {
    /// Its number, from 0.
    pub number: u64,
    /// The one who began; what it looks like on its own side.
    inside: End,
    peer: End,
    protocol: u8,
    /// An ICMP query's type, and its answer's.
    query: [u8; 2],
    way: Way,
    /// The ports that the routers drew.
    pub outside: [Option<u16>; 2],
    /// The last packet that each router sent by each side.
    left: [[Option<Vec<u8>>; 2]; 2],
    tcp: Tcp,
    /// How many steps it still has.
    pub steps: usize,
    /// Whether the routers may have seen more than the hosts know of.
    disturbed: bool,
    /// What came in before, to be repeated.
    before: Vec<Injection>,
}

/// Who begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// An inside host.
    Out,
    /// An outside host, through a forward with this outside port.
    In(u16),
}

impl Talk {
    /// A conversation between ends that no other has.
    pub fn new(number: u64, random: &mut Random) -> Talk {
        // Both count up, so that no two conversations share their ends.
        let low = number as u32;
        let [_, b, c, d] = low.to_be_bytes();
        let fresh_inside = Ipv4Addr::new(10, 64 + (b & 31), c, d);
        let fresh_outside = Ipv4Addr::new(45, b, c, d);
        let port = match random.below(10) {
            0 => random.one(&[5353, 40_000, 40_001, 2222, 5300]),
            1 => 1 + random.below(1023) as u16,
            _ => 1024 + random.below(64_000) as u16,
        };
        let protocol = random.one(&[TCP, TCP, TCP, UDP, UDP, ICMP, 50]);
        let is_inward = random.chance(30) && matches!(protocol, TCP | UDP);
        let (inside, peer, way) = if is_inward {
            let fitting: Vec<_> = FORWARDS.iter().filter(|of| of.0 == protocol).collect();
            let (_, outside, server, to) = *random.one(&fitting);
            let inside = (SERVERS[server], to);
            (inside, (fresh_outside, port), Way::In(outside))
        } else {
            let service = random.one(&[53, 80, 443, 25, 5060]);
            let shared = random.one(&[
                Ipv4Addr::new(9, 9, 9, 9),
                Ipv4Addr::new(1, 1, 1, 1),
                Ipv4Addr::new(8, 8, 4, 4),
            ]);
            let host = if random.chance(30) {
                shared
            } else {
                fresh_outside
            };
            ((fresh_inside, port), (host, service), Way::Out)
        };
        let mut tcp = Tcp::default();
        for end in 0..2 {
            tcp.next[end] = match random.below(4) {
                // Numbers that wrap round.
                0 => u32::MAX - random.below(2000) as u32,
                _ => random.word() as u32,
            };
            tcp.window[end] = random.one(&[65_535, 64_240, 8192, 1000, 500]);
            tcp.scale[end] = random.one(&[None, Some(0), Some(2), Some(7), Some(14)]);
        }
        Talk {
            number,
            inside,
            peer,
            protocol,
            query: random.one(&[[8, 0], [8, 0], [13, 14]]),
            way,
            outside: [None; 2],
            left: Default::default(),
            tcp,
            steps: 4 + random.below(24),
            disturbed: false,
            before: Vec::new(),
        }
    }

    /// Notes what a router sent for one of its frames.
    pub fn note(&mut self, router: usize, side: Side, packet: &[u8], what: &str) {
        if what == "stranger" {
            return;
        }
        // A connection that begins again after its end may be given another port.
        let is_syn = packet[9] == TCP && packet.get(33).is_some_and(|flags| tcp::opens(*flags));
        let again = is_syn && self.tcp.finished == [true, true];
        if side == Side::Wan && self.way == Way::Out && (again || self.outside[router].is_none()) {
            let is_first = word(packet, 6) & 0x1fff == 0;
            let at = if packet[9] == ICMP { 24 } else { 20 };
            let is_query = packet[9] != ICMP || matches!(packet.get(20), Some(8 | 13));
            if is_first && is_query && packet[9] == self.protocol {
                self.outside[router] = Some(word(packet, at));
            }
        }
        self.left[router][side.index()] = Some(packet.to_vec());
    }

    /// What comes next: one frame, or several in a row.
    pub fn step(&mut self, random: &mut Random) -> Vec<Injection> {
        let made = match random.below(100) {
            0..62 => self.usual(random),
            62..72 => self.deviation(random),
            72..77 => self.repetition(random),
            77..84 => self.report(random),
            84..90 => self.stranger(random),
            90..94 => self.in_pieces(random),
            _ => self.damaged(random),
        };
        if self.before.len() < 16 {
            self.before.extend(made.iter().take(4).cloned());
        }
        made
    }

    /// Who speaks next: nobody can answer before the other one was heard. A server may speak first, on a flow of its
    /// own, which then looks like the one that its client would open.
    fn speaker(&self, random: &mut Random) -> usize {
        let may_begin = self.protocol == UDP && self.way != Way::Out;
        match self.is_open() {
            true => random.below(2),
            false => usize::from(may_begin && random.chance(3)),
        }
    }

    /// Whether both routers have let something by.
    fn is_open(&self) -> bool {
        let mut routers = self.left.iter();
        routers.all(|sides| sides.iter().any(Option::is_some))
    }

    /// The next thing that real hosts would say.
    fn usual(&mut self, random: &mut Random) -> Vec<Injection> {
        match self.protocol {
            TCP => {
                let (from, segment) = self.tcp.usual(random);
                vec![self.segment(from, &segment, "segment", random)]
            }
            UDP => {
                let from = self.speaker(random);
                let payload = vec![random.word() as u8; random.one(&[0, 1, 17, 200, 1200])];
                vec![self.datagram(from, &payload, Header::of(UDP, random.word() as u16))]
            }
            ICMP => {
                let from = self.speaker(random);
                let payload = vec![random.word() as u8; 12];
                vec![self.query(from, self.query, &payload, random)]
            }
            protocol => {
                let from = self.speaker(random);
                let payload = vec![random.word() as u8; 40];
                let header = Header::of(protocol, random.word() as u16);
                vec![self.bare(from, header, &payload, "other protocol")]
            }
        }
    }

    fn segment(
        &self,
        from: usize,
        segment: &Segment,
        what: &'static str,
        random: &mut Random,
    ) -> Injection {
        let mut header = Header::of(TCP, random.word() as u16);
        if random.chance(50) {
            header.fragment = 0x4000;
        }
        self.both(from, what, |src, dst| {
            packet::ip(header, (src.0, dst.0), &packet::tcp(src, dst, segment))
        })
    }

    fn datagram(&self, from: usize, payload: &[u8], header: Header) -> Injection {
        self.both(from, "datagram", |src, dst| {
            packet::ip(header, (src.0, dst.0), &packet::udp(src, dst, payload))
        })
    }

    /// An ICMP query, or its answer; the identifier is the asker's port.
    fn query(
        &self,
        from: usize,
        [ask, answer]: [u8; 2],
        payload: &[u8],
        random: &mut Random,
    ) -> Injection {
        let header = Header::of(ICMP, random.word() as u16);
        self.both(from, "query", |src, dst| {
            let (kind, id) = match from {
                0 => (ask, src.1),
                _ => (answer, dst.1),
            };
            let [high, low] = id.to_be_bytes();
            let body = packet::icmp(kind, 0, [high, low, 0, 1], payload);
            packet::ip(header, (src.0, dst.0), &body)
        })
    }

    fn bare(&self, from: usize, header: Header, payload: &[u8], what: &'static str) -> Injection {
        self.both(from, what, |src, dst| {
            packet::ip(header, (src.0, dst.0), payload)
        })
    }

    /// A packet from one end to the other, as it comes to each router.
    fn both(
        &self,
        from: usize,
        what: &'static str,
        make: impl Fn(End, End) -> Vec<u8>,
    ) -> Injection {
        let ours = Side::Wan.address();
        let is_outbound = (self.way == Way::Out) == (from == 0);
        let side = if is_outbound { Side::Dmz } else { Side::Wan };
        let made = |router: usize| {
            let public = match self.way {
                Way::In(port) => (ours, port),
                Way::Out => (ours, self.outside[router].unwrap_or(self.inside.1)),
            };
            let packet = match is_outbound {
                true => make(self.inside, self.peer),
                false => make(self.peer, public),
            };
            framed(side, &packet)
        };
        Injection {
            side,
            frames: [made(0), made(1)],
            talk: self.number,
            what,
        }
    }

    fn same(&self, side: Side, packet: &[u8], what: &'static str) -> Injection {
        let frame = framed(side, packet);
        Injection {
            side,
            frames: [frame.clone(), frame],
            talk: self.number,
            what,
        }
    }
}

/// To the router from its sender, or from the gateway behind which the sender lives.
pub(super) fn framed(side: Side, packet: &[u8]) -> Vec<u8> {
    let sender = packet::address(packet, 12);
    let is_near = side == Side::Dmz && SERVERS.contains(&sender);
    let hop = if is_near { sender } else { side.gateway() };
    packet::frame(side.mac(), side.mac_of(hop), packet)
}
