//! What goes wrong in a conversation: by the network, by a broken host, or on purpose.

use std::net::Ipv4Addr;

use super::{Talk, Way, framed};
use crate::oracle::packet::{self, Header, ICMP, Segment, TCP, UDP, word};
use crate::oracle::random::Random;
use crate::oracle::recorded::TINY;
use crate::oracle::script::Injection;
use crate::oracle::tcp::{ACK, FIN, RST, SYN};
use crate::oracle::{FORWARDS, Side};

impl Talk {
    /// Something that fits the conversation, but not now.
    pub(super) fn deviation(&mut self, random: &mut Random) -> Vec<Injection> {
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
        match random.below(8) {
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
            5 => {
                // A reset with a text (RFC 1122 section 4.2.2.12) from the one who was called.
                from = 1;
                let ahead = random.below(usize::from(self.tcp.window[0]));
                segment.seq = self.tcp.next[1].wrapping_add(ahead as u32);
                segment.ack = self.tcp.next[0];
                segment.flags = RST | ACK;
                segment.payload = vec![7; 400];
            }
            6 => {
                // The one who was called calls back.
                from = 1;
                segment.seq = self.tcp.next[1];
                segment.flags = SYN;
                segment.payload.clear();
            }
            _ => {
                segment.window = random.one(&[0, 1, 65_535]);
                segment.payload.resize(random.one(&[0, 1, 1000]), 7);
            }
        }
        if from == 1 && !self.is_open() {
            // The peer would speak to a port that belongs to nobody yet, or to another conversation, and a server that
            // begins is a conversation of its own.
            let begins = segment.flags & (SYN | ACK) == SYN;
            if begins || self.way == Way::Out {
                return vec![];
            }
        }
        self.disturbed = true;
        let what = self.tcp.name(from, &segment);
        vec![self.segment(from, &segment, what, random)]
    }

    pub(super) fn repetition(&mut self, random: &mut Random) -> Vec<Injection> {
        if self.before.is_empty() {
            return self.usual(random);
        }
        let mut again = self.before[random.below(self.before.len())].clone();
        // A stranger's stays one: it says nothing of the conversation.
        if again.what != "stranger" {
            again.what = "repetition";
            self.disturbed = true;
        }
        vec![again]
    }

    /// An ICMP error about what a router sent.
    pub(super) fn report(&mut self, random: &mut Random) -> Vec<Injection> {
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
                // Sequence number, port (a far one, that no other conversation has), and protocol.
                0 if quote.len() > 27 => quote[25] ^= 0x40,
                1 if quote.len() > 22 => quote[21] ^= 0x10,
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
    pub(super) fn stranger(&mut self, random: &mut Random) -> Vec<Injection> {
        let number = self.number as u32;
        let [_, b, c, d] = number.to_be_bytes();
        let stranger = Ipv4Addr::new(46, b, c, d);
        // Others may talk to the conversation's peer, and have its ports.
        let alone = Ipv4Addr::new(45, b, c, d);
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
            5 => (Side::Dmz, stranger, alone),
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
            _ => (Side::Dmz, self.inside.0, alone),
        };
        if side == Side::Dmz {
            // From inside it opens a flow of its own, whose port must not depend on others, nor on forwards.
            let is_forwarded = FORWARDS.iter().any(|forward| forward.1 == free);
            from_port = if is_forwarded { free + 1 } else { free };
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
    pub(super) fn in_pieces(&mut self, random: &mut Random) -> Vec<Injection> {
        match self.protocol {
            UDP | ICMP => {}
            // Seldom: what waits in vain fills the table.
            TCP if random.chance(2) => return self.in_tiny_pieces(random),
            _ => return self.usual(random),
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

    /// The next segment, cut so that the first piece does not hold its header.
    fn in_tiny_pieces(&mut self, random: &mut Random) -> Vec<Injection> {
        let before = self.tcp.clone();
        let made = self.usual(random);
        // Whether it comes together is left open.
        self.tcp = before;
        self.disturbed = true;
        let whole = &made[0];
        let [ours, linux] = [0, 1].map(|router| packet::pieces(&whole.frames[router][14..], 8));
        if ours.len() > 8 {
            return vec![];
        }
        let piece = |(ours, linux): (&Vec<u8>, &Vec<u8>)| Injection {
            frames: [framed(whole.side, ours), framed(whole.side, linux)],
            what: TINY,
            ..whole.clone()
        };
        ours.iter().zip(&linux).map(piece).collect()
    }

    /// A packet of the conversation with wrong bytes.
    pub(super) fn damaged(&mut self, random: &mut Random) -> Vec<Injection> {
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
