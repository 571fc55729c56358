//! The firewall between two hosts, and what a check says about the frames that it caused.

use std::net::Ipv4Addr;

use sekisho_tests::firewall::Setup;
use sekisho_tests::frames::{Content, Frame, Inner, flag};
use sekisho_tests::peer::Peer;
use sekisho_tests::rig::{DMZ_HOST, Rig, WAN};
use sekisho_tests::way::Way;

/// Hosts behind the WAN's gateway.
pub const WORLD: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 9);
pub const STRANGER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 66);
/// Another address in the DMZ, where nobody lives.
pub const NOBODY: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 77);

pub const CONFIG: &str = r#"version = 1
rule = [{ name = "out", from = "dmz", to = "wan", action = "accept" }]
forward = [
  { name = "web", from = "wan", service = "tcp/80", to = "10.99.0.2" },
  { name = "marker", from = "wan", service = "udp/7001", to = "10.99.0.2" },
]
[zone.wan]
card = "52:54:00:00:00:01"
address = "192.0.2.1/24"
gateway = "192.0.2.2"
mtu = 1280
[zone.dmz]
card = "52:54:00:00:00:02"
address = "10.99.0.1/24"
[nat]
masquerade = [{ from = "dmz", to = "wan" }]
[limits]
flows = 2000
syn_cookies = 100
"#;

/// The firewall between both hosts, and what they have seen before the present check.
pub struct Wire {
    pub rig: Rig,
    seen: [usize; 2],
}

impl Wire {
    pub fn boot() -> Self {
        Self::boot_with(CONFIG)
    }

    /// With another configuration than most.
    pub fn boot_with(config: &str) -> Self {
        Self {
            rig: Rig::ready(&Setup::default(), config),
            seen: [0; 2],
        }
    }

    pub fn wan(&self) -> &Peer {
        &self.rig.wan
    }

    pub fn dmz(&self) -> &Peer {
        &self.rig.dmz
    }

    /// Lets all that was sent arrive, so that nothing of it is taken for the next check's.
    pub fn settle(&mut self) {
        self.rig.settle_from_wan();
        self.rig.settle_from_dmz();
        self.seen = [self.wan(), self.dmz()].map(|peer| peer.seen(|_| true).len());
    }

    /// What a host has got since the last [`Self::settle`], without ARP and markers.
    pub fn arrived(&self, peer: &Peer) -> Vec<Frame> {
        self.rig.settle_from_wan();
        self.rig.settle_from_dmz();
        let before = self.seen[usize::from(peer.ip == DMZ_HOST)];
        let of_interest = |frame: &Frame| match (&frame.content, frame.inner()) {
            (_, Some(Inner::Udp { payload, .. })) => !payload.starts_with(b"marker"),
            (Content::Ipv4 { .. }, _) => true,
            _ => false,
        };
        let frames = peer.seen(|_| true).into_iter().skip(before);
        frames.filter(of_interest).collect()
    }

    /// Nothing came of it, on either side.
    #[track_caller]
    pub fn silence(&self) {
        assert_eq!(self.arrived(self.dmz()), [], "in the DMZ");
        assert_eq!(self.arrived(self.wan()), [], "on the WAN");
    }

    pub fn end(self) {
        self.rig.firewall.power_off().expect_conserved();
    }

    /// A way from somewhere behind the WAN's gateway.
    pub fn from(&self, source: Ipv4Addr, to: Ipv4Addr) -> Way {
        Way {
            from: source,
            ..self.wan().to(to)
        }
    }

    /// Sends a datagram from inside; the source that it has outside.
    #[track_caller]
    pub fn udp_out(&self, from: u16, to: (Ipv4Addr, u16)) -> (Ipv4Addr, u16) {
        let payload = format!("out {from} {to:?}").into_bytes();
        self.dmz()
            .send(&self.dmz().to(to.0).udp(from, to.1, &payload));
        let frame = self
            .wan()
            .expect("the datagram", |frame| carries(frame, &payload));
        let Some(&Inner::Udp { source, .. }) = frame.inner() else {
            unreachable!("it is UDP")
        };
        (frame.source().expect("it is IPv4"), source)
    }

    /// Opens a connection from inside to a port of WORLD, which answers; its next numbers are 1001 and 5001.
    #[track_caller]
    pub fn connected(&self, from: u16, port: u16) {
        self.segment_out((from, port), flag::SYN, (1000, 0), b"");
        self.segment_in((port, from), flag::SYN | flag::ACK, (5000, 1001), b"");
        self.segment_out((from, port), flag::ACK, (1001, 5001), b"");
    }

    /// Sends a segment from inside to WORLD, which must arrive from our outside address and the same port.
    #[track_caller]
    pub fn segment_out(&self, ports: (u16, u16), flags: u8, numbers: (u32, u32), payload: &[u8]) {
        self.dmz()
            .send(&self.dmz().to(WORLD).tcp(ports, flags, numbers, payload));
        let frame = self
            .wan()
            .expect("the segment", |frame| is_tcp(frame, ports, flags, numbers));
        assert_eq!(frame.source(), Some(WAN));
    }

    /// The same from WORLD to inside.
    #[track_caller]
    pub fn segment_in(&self, ports: (u16, u16), flags: u8, numbers: (u32, u32), payload: &[u8]) {
        self.wan()
            .send(&self.from(WORLD, WAN).tcp(ports, flags, numbers, payload));
        let frame = self
            .dmz()
            .expect("the segment", |frame| is_tcp(frame, ports, flags, numbers));
        assert_eq!(frame.source(), Some(WORLD));
    }
}

pub fn carries(frame: &Frame, wanted: &[u8]) -> bool {
    matches!(frame.inner(), Some(Inner::Udp { payload, .. }) if payload == wanted)
}

pub fn is_tcp(frame: &Frame, ports: (u16, u16), wanted: u8, numbers: (u32, u32)) -> bool {
    const CONTROL: u8 = flag::SYN | flag::ACK | flag::RST | flag::FIN;
    matches!(frame.inner(), Some(&Inner::Tcp { source, destination, flags, sequence, acknowledgement, .. })
        if (source, destination) == ports
            && flags & CONTROL == wanted
            && (sequence, acknowledgement) == numbers)
}

/// Type, code and the rest of an ICMP message.
pub fn icmp_of(frame: &Frame) -> Option<(u8, u8, &[u8])> {
    match frame.inner() {
        Some(Inner::Icmp { kind, code, rest }) => Some((*kind, *code, rest)),
        _ => None,
    }
}

/// Changes a frame's IP header and puts its checksum right.
pub fn with_header(mut frame: Vec<u8>, change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    change(&mut frame[14..34]);
    let header = usize::from(frame[14] & 0xf).max(5) * 4;
    let end = (14 + header).min(frame.len());
    frame[24..26].fill(0);
    let sum = checksum(&frame[14..end]);
    frame[24..26].copy_from_slice(&sum);
    frame
}

/// Gives an ICMP message another type and code, and the right checksum.
pub fn with_type(mut frame: Vec<u8>, kind: u8, code: u8) -> Vec<u8> {
    frame[34..38].copy_from_slice(&[kind, code, 0, 0]);
    let sum = checksum(&frame[34..]);
    frame[36..38].copy_from_slice(&sum);
    frame
}

/// The internet checksum (RFC 1071).
pub fn checksum(bytes: &[u8]) -> [u8; 2] {
    let words = bytes.chunks(2);
    let sum: u32 = words
        .map(|word| u32::from(word[0]) << 8 | word.get(1).map_or(0, |low| u32::from(*low)))
        .sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let folded = (folded & 0xffff) + (folded >> 16);
    (!(folded as u16)).to_be_bytes()
}

pub fn without_df(frame: Vec<u8>) -> Vec<u8> {
    with_header(frame, |header| header[6] &= !0x40)
}

pub fn with_ttl(frame: Vec<u8>, ttl: u8) -> Vec<u8> {
    with_header(frame, |header| header[8] = ttl)
}

/// A piece of a packet: `len` body bytes from byte `from` on.
pub fn piece(whole: &[u8], id: u16, from: usize, len: usize) -> Vec<u8> {
    let body = &whole[34..];
    let end = (from + len).min(body.len());
    let more = if end < body.len() { 0x2000 } else { 0 };
    let frame = [&whole[..34], &body[from..end]].concat();
    with_header(frame, |header| {
        header[2..4].copy_from_slice(&(20 + (end - from) as u16).to_be_bytes());
        header[4..6].copy_from_slice(&id.to_be_bytes());
        header[6..8].copy_from_slice(&((from / 8) as u16 | more).to_be_bytes());
    })
}

/// The IP packet in a frame.
pub fn packet(frame: &[u8]) -> &[u8] {
    &frame[14..]
}
