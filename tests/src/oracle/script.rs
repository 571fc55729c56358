//! Random conversations, one frame at a time.
//!
//! Each has ends of its own, so what happened to one means nothing for another. Most frames are what real hosts would
//! send next; the others repeat, reorder, contradict, lie, or are damaged. Where a frame names a port that a router drew, or quotes what a
//! router sent, each router gets its own.

use std::collections::VecDeque;
use std::net::Ipv4Addr;

use super::packet::{self, End, Header, ICMP, Segment, TCP, UDP, word};
use super::{FORWARDS, SERVERS, Side};

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const PSH: u8 = 8;
const ACK: u8 = 16;

/// How many conversations go on at once.
const TALKS: usize = 24;

/// The same numbers in every run with the same seed (splitmix64).
pub struct Random(u64);

impl Random {
    /// Begins with a seed.
    pub const fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// The next word.
    pub fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ word >> 31
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.word() % bound.max(1) as u64) as usize
    }

    /// True so many times in a hundred.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

/// A frame for each router.
#[derive(Clone, Debug)]
pub struct Injection {
    /// By which card it comes in.
    pub side: Side,
    /// The frame, as ours and as Linux gets it.
    pub frames: [Vec<u8>; 2],
    /// Which conversation it belongs to.
    pub talk: u64,
    /// What it is meant to be.
    pub what: &'static str,
}

/// The script.
pub struct Script {
    random: Random,
    talks: Vec<Talk>,
    next: VecDeque<Injection>,
    count: u64,
}

/// A conversation.
struct Talk {
    number: u64,
    /// The one who began; what it looks like on its own side.
    inside: End,
    peer: End,
    protocol: u8,
    /// An ICMP query's type, and its answer's.
    query: [u8; 2],
    way: Way,
    /// The ports that the routers drew.
    outside: [Option<u16>; 2],
    /// The last packet that each router sent by each side.
    left: [[Option<Vec<u8>>; 2]; 2],
    tcp: Tcp,
    steps: usize,
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

/// Both ends of a connection; 0 began it.
#[derive(Clone, Debug, Default)]
struct Tcp {
    next: [u32; 2],
    acked: [u32; 2],
    window: [u16; 2],
    scale: [Option<u8>; 2],
    synced: [bool; 2],
    finished: [bool; 2],
}

impl Script {
    /// A script of its own for each seed.
    pub fn new(seed: u64) -> Script {
        Script {
            random: Random::new(seed),
            talks: Vec::new(),
            next: VecDeque::new(),
            count: 0,
        }
    }

    /// The next frame.
    pub fn inject(&mut self) -> Injection {
        loop {
            if let Some(injection) = self.next.pop_front() {
                return injection;
            }
            while self.talks.len() < TALKS {
                let talk = Talk::new(self.count, &mut self.random);
                self.count += 1;
                self.talks.push(talk);
            }
            let index = self.random.below(self.talks.len());
            let talk = &mut self.talks[index];
            if talk.steps == 0 {
                self.talks.swap_remove(index);
                continue;
            }
            talk.steps -= 1;
            let made = talk.step(&mut self.random);
            self.next.extend(made);
        }
    }

    /// The port that a router drew for a conversation.
    pub fn outside(&self, talk: u64) -> [Option<u16>; 2] {
        let talk = self.talks.iter().find(|known| known.number == talk);
        talk.map_or([None; 2], |talk| talk.outside)
    }

    /// What the routers sent for a frame.
    pub fn heard(&mut self, injection: &Injection, sent: [&[(Side, Vec<u8>)]; 2]) {
        let number = injection.talk;
        let Some(talk) = self.talks.iter_mut().find(|talk| talk.number == number) else {
            return;
        };
        for (router, sent) in sent.iter().enumerate() {
            for (side, frame) in *sent {
                if *side != injection.side && frame.len() >= 34 && frame[12..14] == [8, 0] {
                    talk.note(router, *side, &frame[14..], injection.what);
                }
            }
        }
    }

    /// Ends a conversation: its state may be another one in each router now.
    pub fn end(&mut self, talk: u64) {
        self.talks.retain(|known| known.number != talk);
        self.next.retain(|injection| injection.talk != talk);
    }
}

impl Talk {
    fn new(number: u64, random: &mut Random) -> Talk {
        // Both count up, so that no two conversations share their ends.
        let low = number as u32;
        let [_, b, c, d] = low.to_be_bytes();
        let fresh_inside = Ipv4Addr::new(10, 64 + (b & 31), c, d);
        let fresh_outside = Ipv4Addr::new(45, b, c, d);
        let port = match random.below(10) {
            0 => random.one(&[5353, 40_000, 40_001]),
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

    fn note(&mut self, router: usize, side: Side, packet: &[u8], what: &str) {
        if what == "stranger" {
            return;
        }
        if side == Side::Wan && self.way == Way::Out && self.outside[router].is_none() {
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
    fn step(&mut self, random: &mut Random) -> Vec<Injection> {
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

    /// Who speaks next: nobody can answer before the other one was heard.
    fn speaker(&self, random: &mut Random) -> usize {
        if self.is_open() { random.below(2) } else { 0 }
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

    /// Something that fits the conversation, but not now.
    fn deviation(&mut self, random: &mut Random) -> Vec<Injection> {
        if self.protocol != TCP {
            return self.usual(random);
        }
        let mut tcp = self.tcp.clone();
        let (mut from, mut segment) = tcp.usual(random);
        let far = |random: &mut Random| match random.below(5) {
            0 => random.below(3) as i32 - 1,
            1 => random.below(2000) as i32 - 1000,
            2 => random.below(200_000) as i32 - 100_000,
            3 => random.word() as i32,
            _ => 0,
        };
        match random.below(6) {
            0 => segment.seq = segment.seq.wrapping_add_signed(far(random)),
            1 => segment.ack = segment.ack.wrapping_add_signed(far(random)),
            2 => segment.flags = random.word() as u8 & 0x3f,
            3 => {
                from = 1 - from;
                segment.seq = self.tcp.next[from].wrapping_add_signed(far(random));
                segment.ack = self.tcp.next[1 - from];
            }
            4 => {
                segment.flags = random.one(&[RST, RST | ACK, SYN, SYN | ACK, FIN | ACK, ACK]);
                segment.seq = self.tcp.next[from].wrapping_add_signed(far(random));
            }
            _ => {
                segment.window = random.one(&[0, 1, 65_535]);
                segment.payload.resize(random.one(&[0, 1, 1000]), 7);
            }
        }
        // A server that begins is another conversation.
        let begins = segment.flags & (SYN | ACK) == SYN && from == 1;
        if begins && self.way != Way::Out && !self.is_open() {
            return vec![];
        }
        self.disturbed = true;
        let what = self.tcp.name(from, &segment);
        vec![self.segment(from, &segment, what, random)]
    }

    fn repetition(&mut self, random: &mut Random) -> Vec<Injection> {
        if self.before.is_empty() {
            return self.usual(random);
        }
        let mut again = self.before[random.below(self.before.len())].clone();
        again.what = "repetition";
        self.disturbed = true;
        vec![again]
    }

    /// An ICMP error about what a router sent.
    fn report(&mut self, random: &mut Random) -> Vec<Injection> {
        let side = random.one(&Side::ALL);
        let quotes = [0, 1].map(|router| self.left[router][side.index()].clone());
        let [Some(ours), Some(linux)] = quotes else {
            return self.usual(random);
        };
        let kinds = [
            [3, 0],
            [3, 1],
            [3, 3],
            [3, 4],
            [3, 13],
            [11, 0],
            [12, 0],
            [4, 0],
            [5, 1],
        ];
        let [kind, code] = random.one(&kinds);
        let mtu: u16 = match (kind, code) {
            (3, 4) => random.one(&[1400, 1280, 576, 68, 0, 65_535, 40]),
            _ => 0,
        };
        let far = random.chance(50);
        let len = random.one(&[28, 40, 48, 548, 27, 20]);
        let lie = random.below(8);
        let reporter = match far {
            true => Ipv4Addr::new([45, 10][side.index()], 65, 200, random.below(200) as u8),
            false => packet::address(&ours, 16),
        };
        let id = random.word() as u16;
        let sender = usize::from((self.way == Way::Out) != (side == Side::Wan));
        let sequence = u32::from(word(&ours, 24)) << 16 | u32::from(word(&ours, 26));
        let what = match (self.protocol, lie) {
            (TCP, 0 | 1) => "stale report",
            (TCP, _) if self.disturbed => "stale report",
            (TCP, _) if !self.tcp.is_in_flight(sender, sequence) => "stale report",
            _ => "report",
        };
        let made = |quoted: &[u8]| {
            let mut quote = quoted.to_vec();
            match lie {
                // Sequence number, port, and protocol.
                0 if quote.len() > 27 => quote[25] ^= 0x40,
                1 if quote.len() > 22 => quote[21] ^= 1,
                2 => {
                    quote[9] ^= 1;
                    packet::seal(&mut quote);
                }
                3 => quote[8] = quote[8].wrapping_sub(1),
                _ => {}
            }
            if lie != 3 && quote.len() >= 20 {
                packet::seal(&mut quote);
            }
            quote.truncate(len);
            let [high, low] = mtu.to_be_bytes();
            let body = packet::icmp(kind, code, [0, 0, high, low], &quote);
            let dst = packet::address(quoted, 12);
            let packet = packet::ip(Header::of(ICMP, id), (reporter, dst), &body);
            framed(side, &packet)
        };
        vec![Injection {
            side,
            frames: [made(&ours), made(&linux)],
            talk: self.number,
            what,
        }]
    }

    /// Somebody who does not belong to the conversation speaks.
    fn stranger(&mut self, random: &mut Random) -> Vec<Injection> {
        let number = self.number as u32;
        let [_, b, c, d] = number.to_be_bytes();
        let stranger = Ipv4Addr::new(46, b, c, d);
        let ports = [
            22,
            80,
            2222,
            5300,
            443,
            40_000,
            1 + random.below(65_535) as u16,
        ];
        let to_port = random.one(&ports);
        let free = 1024 + random.below(60_000) as u16;
        let mut from_port = random.one(&[53, free]);
        let ours = Side::Wan.address();
        let (side, src, dst) = match random.below(8) {
            0..3 => (Side::Wan, stranger, ours),
            3 => (Side::Wan, stranger, self.inside.0),
            4 => {
                let lies = [
                    self.inside.0,
                    Ipv4Addr::new(127, 0, 0, 1),
                    Ipv4Addr::new(0, 0, 0, 0),
                    Ipv4Addr::new(224, 0, 0, 1),
                    Ipv4Addr::new(240, 0, 0, 1),
                    Ipv4Addr::new(255, 255, 255, 255),
                    Ipv4Addr::new(192, 0, 2, 255),
                    Ipv4Addr::new(10, 99, 0, 1),
                    Ipv4Addr::new(169, 254, 1, 1),
                    ours,
                ];
                (Side::Wan, random.one(&lies), ours)
            }
            5 => (Side::Dmz, stranger, self.peer.0),
            6 => {
                let odd = [
                    Ipv4Addr::new(10, 99, 0, 1),
                    Ipv4Addr::new(10, 99, 0, 255),
                    Ipv4Addr::new(255, 255, 255, 255),
                    Ipv4Addr::new(224, 0, 0, 5),
                    Ipv4Addr::new(240, 0, 0, 9),
                    Ipv4Addr::new(127, 0, 0, 1),
                    Ipv4Addr::new(0, 0, 0, 0),
                    Ipv4Addr::new(169, 254, 7, 7),
                    Ipv4Addr::new(192, 0, 2, 255),
                    ours,
                    self.inside.0,
                ];
                (Side::Dmz, self.inside.0, random.one(&odd))
            }
            _ => (Side::Dmz, self.inside.0, self.peer.0),
        };
        if side == Side::Dmz {
            // From inside it opens a flow of its own, whose port must not depend on others.
            from_port = free;
        }
        let (from, to) = ((src, from_port), (dst, to_port));
        let protocol = random.one(&[TCP, UDP, ICMP, 47]);
        let flags = random.one(&[SYN, SYN, SYN | ACK, ACK, RST, FIN | ACK, 0, 0x3f]);
        let body = match protocol {
            TCP => packet::tcp(
                from,
                to,
                &Segment {
                    seq: random.word() as u32,
                    ack: random.word() as u32,
                    flags,
                    window: 1000,
                    options: Vec::new(),
                    payload: Vec::new(),
                },
            ),
            UDP => packet::udp(from, to, b"who are you?"),
            ICMP => {
                let kind = random.one(&[8, 8, 0, 13, 14, 10, 9, 17, 15, 30]);
                let [high, low] = from_port.to_be_bytes();
                packet::icmp(kind, 0, [high, low, 0, 1], b"who are you?")
            }
            _ => b"neither has ports".to_vec(),
        };
        let mut header = Header::of(protocol, random.word() as u16);
        if random.chance(20) {
            header.ttl = random.below(3) as u8;
        }
        vec![self.same(side, &packet::ip(header, (src, dst), &body), "stranger")]
    }

    /// A packet of the conversation, cut, and in any order.
    fn in_pieces(&mut self, random: &mut Random) -> Vec<Injection> {
        if !matches!(self.protocol, UDP | ICMP) {
            return self.usual(random);
        }
        let from = self.speaker(random);
        let payload: Vec<u8> = (0..random.one(&[900, 2000, 3500]))
            .map(|at| at as u8)
            .collect();
        let whole = match self.protocol {
            UDP => self.datagram(from, &payload, Header::of(UDP, random.word() as u16)),
            _ => self.query(from, self.query, &payload, random),
        };
        let size = random.one(&[8 * 60, 8 * 100, 8 * 160]);
        let cut = |router: usize| packet::pieces(&whole.frames[router][14..], size);
        let (ours, linux) = (cut(0), cut(1));
        let mut pieces: Vec<Injection> = ours
            .iter()
            .zip(&linux)
            .map(|(ours, linux)| Injection {
                frames: [framed(whole.side, ours), framed(whole.side, linux)],
                what: "piece",
                ..whole.clone()
            })
            .collect();
        match random.below(6) {
            0 => pieces.reverse(),
            1 => pieces.rotate_left(1),
            2 => {
                let again = pieces[random.below(pieces.len())].clone();
                pieces.insert(random.below(pieces.len()), again);
            }
            3 => {
                pieces.remove(random.below(pieces.len()));
            }
            4 if pieces.len() > 2 => {
                // One that overlaps the one before it.
                for frame in &mut pieces[1].frames {
                    let field = word(frame, 20);
                    frame[20..22].copy_from_slice(&(field - 1).to_be_bytes());
                    packet::seal(&mut frame[14..]);
                }
                pieces
                    .iter_mut()
                    .for_each(|piece| piece.what = "overlapping piece");
            }
            _ => {}
        }
        pieces
    }

    /// A packet of the conversation with wrong bytes.
    fn damaged(&mut self, random: &mut Random) -> Vec<Injection> {
        let before = self.tcp.clone();
        let made = self.usual(random);
        self.tcp = before;
        let mut injection = made[0].clone();
        let [ours, linux] = self.outside;
        if ours != linux || self.way == Way::Out && ours.is_none() && made[0].side == Side::Wan {
            return vec![];
        }
        injection.what = "damaged";
        self.disturbed = true;
        let (kind, at, bit) = (random.below(9), random.below(4096), 1 << random.below(8));
        let option = random.one(&[7u8, 68, 131, 137, 148, 1]);
        for frame in &mut injection.frames {
            damage(frame, kind, at, bit, option);
        }
        vec![injection]
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
fn framed(side: Side, packet: &[u8]) -> Vec<u8> {
    let sender = packet::address(packet, 12);
    let is_near = side == Side::Dmz && SERVERS.contains(&sender);
    let hop = if is_near { sender } else { side.gateway() };
    packet::frame(side.mac(), side.mac_of(hop), packet)
}

/// One of the ways in which a frame can be wrong.
fn damage(frame: &mut Vec<u8>, kind: usize, at: usize, bit: u8, option: u8) {
    let len = frame.len();
    match kind {
        // Any bit of the packet, with and without a header checksum that hides it.
        0 => frame[14 + at % (len - 14)] ^= bit,
        1 => {
            // Neither protocol nor addresses: another flow would draw ports of its own.
            frame[14 + at % 9] ^= bit;
            packet::seal(&mut frame[14..]);
        }
        2 => frame[34 + at % (len - 34)] ^= bit,
        // Cut, with a length that lies.
        3 => frame.truncate(15 + at % (len - 15)),
        // Longer than it says.
        4 => frame.extend([0x55; 9]),
        // A time to live that ends here.
        5 => {
            frame[22] = bit & 1;
            packet::seal(&mut frame[14..]);
        }
        // An option of four bytes.
        6 => {
            let mut packet = frame[14..].to_vec();
            packet.splice(20..20, [option, 4, 4, 0]);
            packet[0] = 0x46;
            let total = packet.len() as u16;
            packet[2..4].copy_from_slice(&total.to_be_bytes());
            packet::seal(&mut packet);
            frame.truncate(14);
            frame.extend(packet);
        }
        // Another card's, everybody's, or of another kind.
        7 => frame[..6].copy_from_slice(if bit & 1 == 1 { &[0xff; 6] } else { &[2; 6] }),
        _ => {
            let kinds: [u8; 2] = [[0x86, 0xdd], [0x81, 0], [8, 1], [0x88, 0xa8]][at % 4];
            frame[12..14].copy_from_slice(&kinds);
        }
    }
}

impl Tcp {
    /// Whether an end's sequence number was sent and is not acknowledged, as the hosts know.
    fn is_in_flight(&self, end: usize, sequence: u32) -> bool {
        let since = |from: u32| sequence.wrapping_sub(from) as i32;
        since(self.acked[end]) >= 0 && since(self.next[end]) <= 0
    }

    /// What is wrong with a segment, by the numbers that the hosts know.
    fn name(&self, from: usize, segment: &Segment) -> &'static str {
        let to = 1 - from;
        let ahead = |number: u32, of: u32| number.wrapping_sub(of) as i32;
        let (seq, ack) = (
            ahead(segment.seq, self.next[from]),
            ahead(segment.ack, self.next[to]),
        );
        let fin = u32::from(segment.flags & FIN);
        let last = segment.seq.wrapping_add(segment.payload.len() as u32 + fin);
        match segment.flags & (SYN | RST | ACK) {
            flags if flags & RST != 0 && seq != 0 => "inexact reset",
            flags if flags & RST != 0 => "deviating reset",
            flags if flags & SYN != 0 && flags & ACK != 0 => "another SYN+ACK",
            flags if flags & SYN != 0 => "another SYN",
            _ if seq < 0 => "old sequence number",
            flags if flags & ACK != 0 && ack < 0 => "old acknowledgement",
            _ if ahead(last, self.acked[from]) > i32::from(self.window[to]) => "beyond the window",
            _ => "deviating segment",
        }
    }

    /// The next segment of two hosts that agree.
    fn usual(&mut self, random: &mut Random) -> (usize, Segment) {
        let from = match (self.synced, self.finished) {
            ([false, false], _) => 0,
            ([true, false], _) => 1,
            (_, [true, false]) if random.chance(70) => 1,
            (_, [false, true]) if random.chance(70) => 0,
            _ => random.below(2),
        };
        let to = 1 - from;
        let mut segment = Segment {
            seq: self.next[from],
            ack: self.next[to],
            flags: ACK,
            window: self.window[from],
            options: Vec::new(),
            payload: Vec::new(),
        };
        if !self.synced[from] {
            segment.flags = if from == 0 { SYN } else { SYN | ACK };
            if from == 0 {
                segment.ack = 0;
            }
            segment.options = vec![2, 4, 5, 0xb4];
            if let Some(shift) = self.scale[from] {
                segment.options.extend([1, 3, 3, shift]);
            }
            self.synced[from] = true;
            self.next[from] = segment.seq.wrapping_add(1);
            self.acked[from] = self.next[from];
        } else if !self.finished[from] {
            let in_flight = self.next[from].wrapping_sub(self.acked[from]) as usize;
            let room = usize::from(self.window[to]).saturating_sub(in_flight.min(70_000));
            match random.below(10) {
                0..5 => {
                    let len = random.one(&[1, 10, 100, 400]).min(room);
                    segment.payload = vec![random.word() as u8; len];
                    segment.flags |= if random.chance(50) { PSH } else { 0 };
                }
                5 if room > 0 => {
                    segment.flags |= FIN;
                    self.finished[from] = true;
                }
                6 if random.chance(20) => segment.flags = RST | (ACK & random.word() as u8),
                _ => {}
            }
            let fin = u32::from(segment.flags & FIN != 0);
            self.next[from] = segment.seq.wrapping_add(segment.payload.len() as u32 + fin);
        }
        if segment.flags & ACK != 0 {
            self.acked[to] = segment.ack;
        }
        (from, segment)
    }
}
