//! Frames that get past the first checks, made from few bytes.

use std::net::Ipv4Addr;

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

/// What an IPv4 header says beside its addresses.
#[derive(Clone, Copy, Debug)]
pub struct Header {
    /// Protocol number.
    pub protocol: u8,
    /// Time to live.
    pub ttl: u8,
    /// Identification.
    pub id: u16,
    /// Flags and fragment offset, as they stand there.
    pub fragment: u16,
}

/// An Ethernet frame with an IPv4 packet; transport checksums are completed where there is a place for them.
pub fn ip(
    (from, to): ([u8; 6], [u8; 6]),
    (src, dst): (Ipv4Addr, Ipv4Addr),
    header: Header,
    body: &[u8],
) -> Vec<u8> {
    let mut bytes = vec![0x45, 0];
    bytes.extend((20 + body.len() as u16).to_be_bytes());
    bytes.extend(header.id.to_be_bytes());
    bytes.extend(header.fragment.to_be_bytes());
    bytes.extend([header.ttl, header.protocol, 0, 0]);
    bytes.extend(src.octets());
    bytes.extend(dst.octets());
    let check = !sum(&[&bytes]);
    bytes[10..12].copy_from_slice(&check.to_be_bytes());
    let mut body = body.to_vec();
    if header.fragment & 0x3fff == 0 {
        complete(&mut body, header.protocol, (src, dst));
    }
    [&to[..], &from, &[8, 0], &bytes, &body].concat()
}

fn complete(body: &mut [u8], protocol: u8, (src, dst): (Ipv4Addr, Ipv4Addr)) {
    let len = body.len() as u16;
    let pseudo = [
        &src.octets()[..],
        &dst.octets(),
        &[0, protocol],
        &len.to_be_bytes(),
    ]
    .concat();
    let (at, pseudo): (usize, &[u8]) = match protocol {
        1 => (2, &[]),
        6 => (16, &pseudo),
        17 => (6, &pseudo),
        _ => return,
    };
    if body.len() < at + 2 {
        return;
    }
    body[at..at + 2].fill(0);
    let check = !sum(&[pseudo, body]);
    body[at..at + 2].copy_from_slice(&check.to_be_bytes());
}

/// Makes the header checksum of an IPv4 frame right, if there is a header.
pub fn repair(frame: &mut [u8]) {
    let Some(header) = frame.get_mut(14..) else {
        return;
    };
    let len = header
        .first()
        .map_or(0, |first| usize::from(first & 15) * 4);
    let Some(header) = header.get_mut(..len).filter(|header| header.len() >= 20) else {
        return;
    };
    header[10..12].fill(0);
    let check = !sum(&[header]);
    header[10..12].copy_from_slice(&check.to_be_bytes());
}
