//! Frames, made byte by byte so that they can be wrong, and read without trust.

use std::net::Ipv4Addr;

/// ICMP.
pub const ICMP: u8 = 1;
/// TCP.
pub const TCP: u8 = 6;
/// UDP.
pub const UDP: u8 = 17;

/// An address and a port, or an ICMP query's identifier.
pub type End = (Ipv4Addr, u16);

/// An IPv4 header but for its addresses and length.
#[derive(Clone, Copy, Debug)]
pub struct Header {
    /// Protocol number.
    pub protocol: u8,
    /// Time to live.
    pub ttl: u8,
    /// Type of service.
    pub tos: u8,
    /// Identification.
    pub id: u16,
    /// Flags and fragment offset as they stand there.
    pub fragment: u16,
}

impl Header {
    /// A usual one.
    pub const fn of(protocol: u8, id: u16) -> Header {
        Header {
            protocol,
            ttl: 64,
            tos: 0,
            id,
            fragment: 0,
        }
    }
}

/// The ones' complement sum of all 16-bit words (RFC 1071).
pub fn sum(parts: &[&[u8]]) -> u16 {
    let mut total = 0u32;
    for part in parts {
        for pair in part.chunks(2) {
            total += u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u32::from(*low));
        }
    }
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    total as u16
}

/// A packet from its parts, with the right header checksum.
pub fn ip(header: Header, (src, dst): (Ipv4Addr, Ipv4Addr), body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x45, header.tos];
    bytes.extend((20 + body.len() as u16).to_be_bytes());
    bytes.extend(header.id.to_be_bytes());
    bytes.extend(header.fragment.to_be_bytes());
    bytes.extend([header.ttl, header.protocol, 0, 0]);
    bytes.extend(src.octets());
    bytes.extend(dst.octets());
    seal(&mut bytes);
    bytes.extend(body);
    bytes
}

/// Makes the header checksum right.
pub fn seal(packet: &mut [u8]) {
    let len = usize::from(packet[0] & 15) * 4;
    if len < 20 || packet.len() < len {
        return;
    }
    packet[10..12].fill(0);
    let check = !sum(&[&packet[..len]]);
    packet[10..12].copy_from_slice(&check.to_be_bytes());
}

/// Where a protocol keeps its checksum.
const fn checksum_at(protocol: u8) -> Option<usize> {
    match protocol {
        ICMP => Some(2),
        TCP => Some(16),
        UDP => Some(6),
        _ => None,
    }
}

fn pseudo(protocol: u8, (src, dst): (Ipv4Addr, Ipv4Addr), len: usize) -> Vec<u8> {
    if protocol == ICMP {
        return Vec::new();
    }
    let mut bytes = [src.octets(), dst.octets()].concat();
    bytes.extend([0, protocol]);
    bytes.extend((len as u16).to_be_bytes());
    bytes
}

/// Makes a transport checksum right.
pub fn complete(protocol: u8, ends: (Ipv4Addr, Ipv4Addr), body: &mut [u8]) {
    let Some(at) = checksum_at(protocol).filter(|at| body.len() >= at + 2) else {
        return;
    };
    body[at..at + 2].fill(0);
    let check = !sum(&[&pseudo(protocol, ends, body.len()), body]);
    let check = if check == 0 && protocol == UDP {
        0xffff
    } else {
        check
    };
    body[at..at + 2].copy_from_slice(&check.to_be_bytes());
}

/// Whether a whole packet's transport checksum is right; without one it is.
pub fn is_complete(protocol: u8, ends: (Ipv4Addr, Ipv4Addr), body: &[u8]) -> bool {
    let Some(at) = checksum_at(protocol).filter(|at| body.len() >= at + 2) else {
        return true;
    };
    let is_none = protocol == UDP && body[at..at + 2] == [0, 0];
    is_none || sum(&[&pseudo(protocol, ends, body.len()), body]) == 0xffff
}

/// A TCP segment's header and payload.
#[derive(Clone, Debug)]
pub struct Segment {
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number.
    pub ack: u32,
    /// Control bits.
    pub flags: u8,
    /// Window.
    pub window: u16,
    /// Options, a multiple of four bytes.
    pub options: Vec<u8>,
    /// Payload.
    pub payload: Vec<u8>,
}

/// The body of a TCP packet.
pub fn tcp(src: End, dst: End, segment: &Segment) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend(src.1.to_be_bytes());
    body.extend(dst.1.to_be_bytes());
    body.extend(segment.seq.to_be_bytes());
    body.extend(segment.ack.to_be_bytes());
    let words = 5 + segment.options.len() / 4;
    body.extend([(words as u8) << 4, segment.flags]);
    body.extend(segment.window.to_be_bytes());
    body.extend([0; 4]);
    body.extend(&segment.options);
    body.extend(&segment.payload);
    complete(TCP, (src.0, dst.0), &mut body);
    body
}

/// The body of a UDP packet.
pub fn udp(src: End, dst: End, payload: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend(src.1.to_be_bytes());
    body.extend(dst.1.to_be_bytes());
    body.extend((8 + payload.len() as u16).to_be_bytes());
    body.extend([0; 2]);
    body.extend(payload);
    complete(UDP, (src.0, dst.0), &mut body);
    body
}

/// The body of an ICMP message: type, code, the second word, and the rest.
pub fn icmp(kind: u8, code: u8, word: [u8; 4], rest: &[u8]) -> Vec<u8> {
    let mut body = [&[kind, code, 0, 0], &word[..], rest].concat();
    let check = !sum(&[&body]);
    body[2..4].copy_from_slice(&check.to_be_bytes());
    body
}

/// A packet in the frame that brings it to a router's card.
pub fn frame(to: [u8; 6], from: [u8; 6], packet: &[u8]) -> Vec<u8> {
    [&to[..], &from, &[8, 0], packet].concat()
}

/// An address in a header.
pub fn address(packet: &[u8], at: usize) -> Ipv4Addr {
    [packet[at], packet[at + 1], packet[at + 2], packet[at + 3]].into()
}

/// A word in a packet; 0 behind its end.
pub fn word(bytes: &[u8], at: usize) -> u16 {
    let byte = |at: usize| bytes.get(at).copied().unwrap_or_default();
    u16::from_be_bytes([byte(at), byte(at + 1)])
}

/// Cuts a packet into pieces of at most `size` bytes, a multiple of eight.
pub fn pieces(packet: &[u8], size: usize) -> Vec<Vec<u8>> {
    let body = &packet[20..];
    let count = body.len().div_ceil(size);
    let cut = |index: usize| {
        let from = index * size;
        let more = u16::from(index + 1 < count) << 13;
        let mut piece = packet[..20].to_vec();
        let part = &body[from..body.len().min(from + size)];
        piece[2..4].copy_from_slice(&(20 + part.len() as u16).to_be_bytes());
        piece[6..8].copy_from_slice(&(more | (from / 8) as u16).to_be_bytes());
        piece.extend(part);
        seal(&mut piece);
        piece
    };
    (0..count).map(cut).collect()
}
