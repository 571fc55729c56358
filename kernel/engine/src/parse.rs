//! From bytes to the one descriptor, with every check that needs no state.
//!
//! Discard, never repair (RFC 1812 section 5.2.2).

use core::net::Ipv4Addr;

use crate::arp::{self, ArpPacket};
use crate::checksum::Sum;
use crate::frame::{Checksum, Frame};
use crate::key::{Endpoint, FlowKey, Protocol, Side};
use crate::packet::{Content, Flags, Fragment, Packet, Segment};
use crate::verdict::DropReason;

/// Bytes of an Ethernet header.
pub const ETHERNET: usize = 14;
/// Bytes of an IPv4 header without options.
const IPV4: usize = 20;
/// Window scales above this count as this (RFC 7323 section 2.3).
const MOST_SCALE: u8 = 14;

/// What a frame carries.
#[derive(Clone, Copy, Debug)]
pub enum Parsed {
    /// ARP.
    Arp(ArpPacket),
    /// IPv4.
    Ip(Packet),
}

/// Reads a frame that came in by `side`.
///
/// # Errors
/// The first check that it fails.
pub fn parse(frame: &Frame<'_>, side: Side) -> Result<Parsed, DropReason> {
    const ARP: u16 = 0x0806;
    const IP4: u16 = 0x0800;
    const IP6: u16 = 0x86dd;
    let header = frame
        .head
        .first_chunk::<ETHERNET>()
        .ok_or(DropReason::EthernetTooShort)?;
    if header[6] & 1 == 1 {
        return Err(DropReason::EthernetBadSource);
    }
    match u16::from_be_bytes([header[12], header[13]]) {
        ARP => arp::parse(frame.head).map(Parsed::Arp),
        IP4 => ipv4(frame, side).map(Parsed::Ip),
        IP6 => Err(DropReason::Ipv6),
        0x8100 | 0x88a8 | 0x9100 => Err(DropReason::VlanTagged),
        _ => Err(DropReason::EthertypeUnknown),
    }
}

fn ipv4(frame: &Frame<'_>, side: Side) -> Result<Packet, DropReason> {
    let bytes = &frame.head[ETHERNET..];
    let header = bytes
        .first_chunk::<IPV4>()
        .ok_or(DropReason::IpHeaderInvalid)?;
    if header[0] >> 4 != 4 {
        return Err(DropReason::IpHeaderInvalid);
    }
    let header_len = usize::from(header[0] & 0xf) * 4;
    let ip_len = u16::from_be_bytes([header[2], header[3]]);
    let there = frame.total_len - ETHERNET;
    if header_len < IPV4 || usize::from(ip_len) < header_len || usize::from(ip_len) > there {
        return Err(DropReason::IpHeaderInvalid);
    }
    let whole_header = bytes.get(..header_len).ok_or(DropReason::IpHeaderInvalid)?;
    if Sum::default().bytes(whole_header).partial() != 0xffff {
        return Err(DropReason::IpChecksum);
    }
    if header_len > IPV4 {
        return Err(DropReason::IpOptions);
    }
    let flags = u16::from_be_bytes([header[6], header[7]]);
    let fragment = Fragment {
        dont: flags & 0x4000 != 0,
        more: flags & 0x2000 != 0,
        offset: (flags & 0x1fff) * 8,
        id: u16::from_be_bytes([header[4], header[5]]),
    };
    let address =
        |at: usize| Ipv4Addr::new(header[at], header[at + 1], header[at + 2], header[at + 3]);
    let (src, dst) = (address(12), address(16));
    if src == dst {
        return Err(DropReason::MartianSource);
    }
    let mut packet = Packet {
        key: FlowKey {
            src: Endpoint::new(src, 0),
            dst: Endpoint::new(dst, 0),
            protocol: Protocol(header[9]),
            side,
        },
        network: ETHERNET as u16,
        transport: (ETHERNET + header_len) as u16,
        ip_len,
        ttl: header[8],
        fragment,
        content: Content::Piece,
    };
    if fragment.offset == 0 {
        transport(frame, &mut packet)?;
    }
    check_offload(frame, &packet)?;
    Ok(packet)
}

fn transport(frame: &Frame<'_>, packet: &mut Packet) -> Result<(), DropReason> {
    let at = usize::from(packet.transport);
    let end = (ETHERNET + usize::from(packet.ip_len)).min(frame.head.len());
    let bytes = frame
        .head
        .get(at..end)
        .ok_or(DropReason::TransportInvalid)?;
    let whole_len = ETHERNET + usize::from(packet.ip_len) - at;
    let ports = |bytes: &[u8]| {
        (
            u16::from_be_bytes([bytes[0], bytes[1]]),
            u16::from_be_bytes([bytes[2], bytes[3]]),
        )
    };
    match packet.key.protocol {
        Protocol::TCP => {
            let segment = tcp(bytes, whole_len)?;
            (packet.key.src.port, packet.key.dst.port) = ports(bytes);
            packet.content = Content::Tcp(segment);
        }
        Protocol::UDP => {
            let header = bytes
                .first_chunk::<8>()
                .ok_or(DropReason::TransportInvalid)?;
            let len = usize::from(u16::from_be_bytes([header[4], header[5]]));
            let fits = if packet.fragment.more {
                len >= 8
            } else {
                (8..=whole_len).contains(&len)
            };
            if !fits {
                return Err(DropReason::TransportInvalid);
            }
            (packet.key.src.port, packet.key.dst.port) = ports(bytes);
            packet.content = Content::Udp;
        }
        Protocol::ICMP => icmp(frame, bytes, whole_len, packet)?,
        _ => packet.content = Content::Other,
    }
    let has_ports = matches!(packet.key.protocol, Protocol::TCP | Protocol::UDP);
    if has_ports && (packet.key.src.port == 0 || packet.key.dst.port == 0) {
        return Err(DropReason::TransportInvalid);
    }
    Ok(())
}

fn tcp(bytes: &[u8], whole_len: usize) -> Result<Segment, DropReason> {
    let header = bytes
        .first_chunk::<20>()
        .ok_or(DropReason::TransportInvalid)?;
    let header_len = usize::from(header[12] >> 4) * 4;
    if header_len < 20 || header_len > whole_len {
        return Err(DropReason::TransportInvalid);
    }
    let options = bytes
        .get(20..header_len)
        .ok_or(DropReason::TransportInvalid)?;
    let flags = Flags(header[13]);
    if !are_possible(flags) {
        return Err(DropReason::TcpFlags);
    }
    let word = |at: usize| {
        u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
    };
    let window_scale = if flags.has(Flags::SYN) {
        window_scale(options)
    } else {
        None
    };
    Ok(Segment {
        seq: word(4),
        ack: word(8),
        window: u16::from_be_bytes([header[14], header[15]]),
        flags,
        payload_len: (whole_len - header_len) as u32,
        window_scale,
    })
}

/// Which control bits can stand together: what Linux and pf accept (null, Xmas, SYN+FIN … do not).
pub(crate) fn are_possible(flags: Flags) -> bool {
    let core = Flags(flags.0 & (Flags::SYN.0 | Flags::FIN.0 | Flags::RST.0 | Flags::ACK.0));
    let (syn, fin, rst, ack) = (
        core.has(Flags::SYN),
        core.has(Flags::FIN),
        core.has(Flags::RST),
        core.has(Flags::ACK),
    );
    match (syn, fin, rst) {
        (true, false, false) | (false, false, true) => true,
        (false, _, false) => ack,
        (true, true, _) | (true, _, true) | (false, true, true) => false,
    }
}

pub(crate) fn window_scale(mut options: &[u8]) -> Option<u8> {
    loop {
        match options {
            [] | [0, ..] => return None,
            [1, rest @ ..] => options = rest,
            [3, 3, scale, ..] => return Some((*scale).min(MOST_SCALE)),
            [_, len, ..] if *len >= 2 => options = options.get(usize::from(*len)..)?,
            [_, ..] => return None,
        }
    }
}

fn icmp(
    frame: &Frame<'_>,
    bytes: &[u8],
    whole_len: usize,
    packet: &mut Packet,
) -> Result<(), DropReason> {
    let header = bytes
        .first_chunk::<8>()
        .ok_or(DropReason::TransportInvalid)?;
    let (kind, code) = (header[0], header[1]);
    let id = u16::from_be_bytes([header[4], header[5]]);
    let is_whole = !packet.fragment.is_piece() && bytes.len() == whole_len;
    let unverified = !matches!(frame.offload.checksum, Checksum::Verified);
    if is_whole && unverified && Sum::default().bytes(bytes).partial() != 0xffff {
        return Err(DropReason::IcmpChecksum);
    }
    let (query, src, dst) = match kind {
        8 | 13 => (true, id, u16::from(kind)),
        0 => (true, 8, id),
        14 => (true, 13, id),
        _ => (false, 0, 0),
    };
    (packet.key.src.port, packet.key.dst.port) = (src, dst);
    packet.content = match kind {
        _ if query => Content::IcmpQuery,
        3 | 4 | 11 | 12 if is_whole => Content::IcmpError { kind, code },
        _ => Content::IcmpOther,
    };
    Ok(())
}

/// What the card left undone must be about this very packet.
#[inline(always)]
pub(crate) fn check_offload(frame: &Frame<'_>, packet: &Packet) -> Result<(), DropReason> {
    let Checksum::Partial { start, offset } = frame.offload.checksum else {
        return match frame.offload.segmentation {
            None => Ok(()),
            Some(_) => Err(DropReason::OffloadInvalid),
        };
    };
    let field = match packet.content {
        Content::Tcp(_) => 16,
        Content::Udp => 6,
        _ => return Err(DropReason::OffloadInvalid),
    };
    // A card cuts all that it is given: bytes behind the packet would become segments that nobody has judged.
    let is_exact = frame.total_len == ETHERNET + usize::from(packet.ip_len);
    let segments_tcp = frame.offload.segmentation.is_none()
        || is_exact && matches!(packet.content, Content::Tcp(_));
    if start != packet.transport || offset != field || packet.fragment.is_piece() || !segments_tcp {
        return Err(DropReason::OffloadInvalid);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn six_control_bits_have_few_meanings() {
        const URGENT_OR_PUSH: u8 = Flags::URG.0 | Flags::PSH.0;
        let possible: Vec<u8> = (0..64)
            .filter(|bits| are_possible(Flags(*bits)))
            .map(|bits| bits & !URGENT_OR_PUSH)
            .collect();
        let meanings = [
            Flags::SYN.0,
            Flags::SYN.0 | Flags::ACK.0,
            Flags::RST.0,
            Flags::RST.0 | Flags::ACK.0,
            Flags::ACK.0,
            Flags::FIN.0 | Flags::ACK.0,
        ];
        assert_eq!(possible.len(), 4 * meanings.len());
        assert!(possible.iter().all(|bits| meanings.contains(bits)));
        // ECN's bits (RFC 3168) change nothing.
        assert!(are_possible(Flags(0xc0 | Flags::SYN.0)));
        assert!(!are_possible(Flags(0xc0)));
    }

    #[test]
    fn a_window_scale_is_found_behind_any_option_and_never_behind_the_end() {
        let cases: [(&[u8], Option<u8>); 10] = [
            (&[3, 3, 7], Some(7)),
            (&[1, 1, 3, 3, 0], Some(0)),
            (&[2, 4, 5, 0xb4, 4, 2, 3, 3, 9], Some(9)),
            (&[3, 3, 200], Some(MOST_SCALE)),
            (&[], None),
            (&[0, 3, 3, 7], None),
            (&[3, 3], None),
            (&[8, 0, 3, 3, 7], None),
            (&[8, 1, 3, 3, 7], None),
            (&[8, 10, 3, 3, 7], None),
        ];
        for (options, scale) in cases {
            assert_eq!(window_scale(options), scale, "{options:?}");
        }
    }
}
