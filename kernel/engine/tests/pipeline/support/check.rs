//! Whether a frame that leaves is one that a router may send.

use std::net::Ipv4Addr;

use etherparse::{IpNumber, Ipv4Header};
use sekisho_engine::frame::{Checksum, Offload};

use super::ip::Ip;

/// The ones' complement sum of all 16-bit words, the last one padded (RFC 1071).
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

/// What the transport checksum covers beside the body.
pub fn pseudo_header(header: &Ipv4Header, len: usize) -> Vec<u8> {
    let mut bytes = [header.source, header.destination].concat();
    bytes.extend([0, header.protocol.0]);
    bytes.extend((len as u16).to_be_bytes());
    bytes
}

/// Panics unless the checksum of a header is right, as its bytes are.
pub fn header_checksum(header: &[u8]) {
    assert_eq!(
        sum(&[header]),
        0xffff,
        "wrong IPv4 header checksum: {header:02x?}"
    );
}

/// Panics unless the transport checksum of a whole packet is right, or, where a card is to complete it, begun right.
pub fn transport_checksum(packet: &Ip, offload: Offload) {
    let at = match packet.header.protocol {
        IpNumber::TCP => 16,
        IpNumber::UDP => 6,
        IpNumber::ICMP => {
            assert_eq!(
                sum(&[&packet.body]),
                0xffff,
                "wrong ICMP checksum: {packet:?}"
            );
            return;
        }
        _ => return,
    };
    let pseudo = pseudo_header(&packet.header, packet.body.len());
    let field = u16::from_be_bytes([packet.body[at], packet.body[at + 1]]);
    if let Checksum::Partial { start, offset } = offload.checksum {
        assert_eq!((usize::from(start), usize::from(offset)), (34, at));
        assert_eq!(
            field,
            sum(&[&pseudo]),
            "wrong pseudo header sum: {packet:?}"
        );
        return;
    }
    let is_none = packet.header.protocol == IpNumber::UDP && field == 0;
    assert!(
        is_none || sum(&[&pseudo, &packet.body]) == 0xffff,
        "wrong transport checksum: {packet:?}"
    );
}

/// Every address that a packet shows: its own source and, of an ICMP error, the quoted destination.
pub fn shown_addresses(packet: &Ip) -> Vec<Ipv4Addr> {
    let mut shown = vec![packet.src()];
    let is_error = packet.header.protocol == IpNumber::ICMP
        && !packet.header.is_fragmenting_payload()
        && matches!(packet.body.first(), Some(3 | 4 | 5 | 11 | 12));
    if let Some(quoted) = packet.body.get(8..).filter(|_| is_error)
        && let Ok((header, _)) = Ipv4Header::from_slice(quoted)
    {
        shown.push(header.destination.into());
    }
    shown
}
