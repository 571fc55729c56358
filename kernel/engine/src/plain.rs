//! Plain packets: what nearly every packet is, read and rewritten with few instructions.
//!
//! A plain packet is to our card, IPv4 without options and in one piece, and UDP or TCP. [`read`] gives the descriptor that [`crate::parse`] would give, which a test compares; of whatever is not
//! plain, or fails one of the parser's checks, it says nothing, and the parser has to look. All offsets are constants, so that
//! one look at the frame's length is enough.

use core::net::Ipv4Addr;

use crate::checksum::{Change, is_valid_header};
use crate::frame::{Checksum, Frame};
use crate::hash::KeyV4;
use crate::key::{Endpoint, FlowKey, Protocol, Side};
use crate::neighbor::Mac;
use crate::packet::{Content, Flags, Fragment, Packet, Segment};
use crate::parse::{ETHERNET, are_possible, check_offload, window_scale};

/// Where the IP header starts, and where it keeps what.
const NETWORK: usize = ETHERNET;
const LENGTH: usize = NETWORK + 2;
const IDENTIFICATION: usize = NETWORK + 4;
const FRAGMENT: usize = NETWORK + 6;
const TTL: usize = NETWORK + 8;
const PROTOCOL: usize = NETWORK + 9;
const CHECKSUM: usize = NETWORK + 10;
const SOURCE: usize = NETWORK + 12;
const DESTINATION: usize = NETWORK + 16;
/// Where the transport header starts: there are no options.
const TRANSPORT: usize = NETWORK + 20;
/// Where UDP's header ends, and TCP's without its options.
const UDP_END: usize = TRANSPORT + 8;
const TCP_END: usize = TRANSPORT + 20;
/// Where UDP and TCP keep their checksums.
const UDP_CHECKSUM: usize = TRANSPORT + 6;
const TCP_CHECKSUM: usize = TRANSPORT + 16;

/// IPv4, a header without options.
const START: [u8; 3] = [0x08, 0x00, 0x45];
/// The bits of the fragment word of which a packet in one piece has none.
const PIECE: u16 = 0x3fff;
const DONT_FRAGMENT: u16 = 0x4000;

/// Reads a plain packet that came in by `side`, whose card is `own`.
#[inline(always)]
pub fn read(frame: &Frame<'_>, side: Side, own: &Mac) -> Option<Packet> {
    let header = frame.head.first_chunk::<UDP_END>()?;
    let [to @ .., _, _, _, _, _, _, _, _] = header.first_chunk::<14>()?;
    if to != own || header[6] & 1 == 1 || header[12..15] != START {
        return None;
    }
    let (ip_len, cut) = (word(header, LENGTH), word(header, FRAGMENT));
    if cut & PIECE != 0 || usize::from(ip_len) > frame.total_len.saturating_sub(ETHERNET) {
        return None;
    }
    let (src, dst) = (address(header, SOURCE), address(header, DESTINATION));
    if src == dst || !is_valid_header(header[NETWORK..].first_chunk()?) {
        return None;
    }
    let (from, to) = (word(header, TRANSPORT), word(header, TRANSPORT + 2));
    if from == 0 || to == 0 {
        return None;
    }
    let protocol = Protocol(header[PROTOCOL]);
    let content = match protocol {
        Protocol::UDP => udp(header, ip_len)?,
        Protocol::TCP => tcp(frame, ip_len)?,
        _ => return None,
    };
    let packet = Packet {
        key: FlowKey {
            src: Endpoint::new(src, from),
            dst: Endpoint::new(dst, to),
            protocol,
            side,
        },
        network: NETWORK as u16,
        transport: TRANSPORT as u16,
        ip_len,
        ttl: header[TTL],
        fragment: Fragment {
            dont: cut & DONT_FRAGMENT != 0,
            more: false,
            offset: 0,
            id: word(header, IDENTIFICATION),
        },
        content,
    };
    check_offload(frame, &packet).ok()?;
    Some(packet)
}

/// The key of a packet that may be plain, from its head alone: what [`read`] will find it to be, if it finds it plain.
#[inline(always)]
pub fn key(head: &[u8], side: Side) -> Option<KeyV4> {
    let header = head.first_chunk::<UDP_END>()?;
    let protocol = Protocol(header[PROTOCOL]);
    if header[12..15] != START || !matches!(protocol, Protocol::UDP | Protocol::TCP) {
        return None;
    }
    let addresses = u64::from_be_bytes(*header[SOURCE..].first_chunk()?);
    let ports = u32::from_be_bytes(*header[TRANSPORT..].first_chunk()?);
    Some(KeyV4::of(addresses, ports, protocol, side))
}

#[inline(always)]
fn udp(header: &[u8; UDP_END], ip_len: u16) -> Option<Content> {
    let len = word(header, TRANSPORT + 4);
    let body = ip_len.checked_sub(20)?;
    (8..=body).contains(&len).then_some(Content::Udp)
}

#[inline(always)]
fn tcp(frame: &Frame<'_>, ip_len: u16) -> Option<Content> {
    let header = frame.head.first_chunk::<TCP_END>()?;
    let flags = Flags(header[TRANSPORT + 13]);
    let header_len = usize::from(header[TRANSPORT + 12] >> 4) * 4;
    let payload_len = usize::from(ip_len).checked_sub(20 + header_len)?;
    let is_whole = header_len >= 20 && TRANSPORT + header_len <= frame.head.len();
    if !is_whole || !(flags.only_acknowledges() || are_possible(flags)) {
        return None;
    }
    let window_scale = match flags.has(Flags::SYN) {
        true => window_scale(frame.head.get(TCP_END..TRANSPORT + header_len)?),
        false => None,
    };
    let number = |at: usize| header[at..].first_chunk().map(|n| u32::from_be_bytes(*n));
    Some(Content::Tcp(Segment {
        seq: number(TRANSPORT + 4)?,
        ack: number(TRANSPORT + 8)?,
        window: u16::from_be_bytes([header[TRANSPORT + 14], header[TRANSPORT + 15]]),
        flags,
        payload_len: payload_len as u32,
        window_scale,
    }))
}

/// Writes a plain packet's new header, one hop further. `None`: the head does not hold the headers that [`read`] has seen in it,
/// which cannot be.
///
/// What becomes of the checksums is said in [`crate::rewrite`].
#[inline(always)]
pub fn write(
    frame: &mut Frame<'_>,
    packet: &Packet,
    (src, dst): ((Ipv4Addr, u16), (Ipv4Addr, u16)),
    (to, from): (Mac, Mac),
) -> Option<()> {
    frame.truncate(ETHERNET + usize::from(packet.ip_len));
    let partial = matches!(frame.offload.checksum, Checksum::Partial { .. });
    let header = frame.head.first_chunk_mut::<UDP_END>()?;
    let addresses = Change::default()
        .number(address(header, SOURCE).to_bits(), src.0.to_bits())
        .number(address(header, DESTINATION).to_bits(), dst.0.to_bits());
    let ports = Change::default()
        .word(word(header, TRANSPORT), src.1)
        .word(word(header, TRANSPORT + 2), dst.1);
    let old = u16::from_be_bytes([header[TTL], 0]);
    let hop = Change::default().word(old, old.wrapping_sub(0x100));

    put(header, 0, to);
    put(header, 6, from);
    header[TTL] = header[TTL].wrapping_sub(1);
    let sum = addresses.and(hop).apply(word(header, CHECKSUM));
    put(header, CHECKSUM, sum.to_be_bytes());
    put(header, SOURCE, src.0.octets());
    put(header, DESTINATION, dst.0.octets());
    put(header, TRANSPORT, src.1.to_be_bytes());
    put(header, TRANSPORT + 2, dst.1.to_be_bytes());

    let is_udp = packet.content == Content::Udp;
    let at = if is_udp { UDP_CHECKSUM } else { TCP_CHECKSUM };
    let field = frame.head.get_mut(at..)?.first_chunk_mut::<2>()?;
    let old = u16::from_be_bytes(*field);
    let new = if partial {
        addresses.apply_partial(old)
    } else {
        match (addresses.and(ports).apply(old), is_udp) {
            _ if is_udp && old == 0 => 0,
            // UDP says 0 for "none"; a computed 0 goes out as its other form (RFC 768).
            (0, true) => 0xffff,
            (new, _) => new,
        }
    };
    *field = new.to_be_bytes();
    Some(())
}

#[inline(always)]
const fn word<const N: usize>(header: &[u8; N], at: usize) -> u16 {
    u16::from_be_bytes([header[at], header[at + 1]])
}

#[inline(always)]
const fn address(header: &[u8; UDP_END], at: usize) -> Ipv4Addr {
    Ipv4Addr::new(header[at], header[at + 1], header[at + 2], header[at + 3])
}

#[inline(always)]
fn put<const N: usize, const M: usize>(header: &mut [u8; N], at: usize, bytes: [u8; M]) {
    header[at..at + M].copy_from_slice(&bytes);
}

#[cfg(test)]
#[path = "plain_tests.rs"]
mod tests;
