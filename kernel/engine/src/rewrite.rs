//! A packet's new header, in place.
//!
//! Addresses, ports, TTL and Ethernet addresses change; DSCP, ECN, identification
//! and TCP's options stay as they are, but for a SYN's MSS where the way out is narrower.
//! Checksums are updated by the change alone (RFC 1624), so a wrong one stays wrong.

use core::net::Ipv4Addr;

use crate::checksum::Change;
use crate::frame::{Checksum, Frame};
use crate::key::{Endpoint, Side};
use crate::neighbor::Mac;
use crate::packet::{Content, Flags, Packet};
use crate::shift::{Inside, Shift};
use crate::verdict::DropReason;

/// What a packet looks like when it leaves.
#[derive(Clone, Copy, Debug)]
pub struct Rewrite {
    /// New source.
    pub src: Endpoint,
    /// New destination.
    pub dst: Endpoint,
    /// What a TCP segment's numbers become.
    pub numbers: Option<Numbers>,
    /// What happens on the link.
    pub link: Link,
}

/// A TCP segment's numbers, where its two ends count differently.
#[derive(Clone, Copy, Debug)]
pub struct Numbers {
    /// Its sequence number.
    pub sequence: u32,
    /// Its acknowledgement number, if it has one.
    pub acknowledgement: u32,
    /// How the numbers that it acknowledges are counted by who sent them: for its SACK option (RFC 2018).
    pub acknowledged: Shift,
}

/// How the packet leaves.
#[derive(Clone, Copy, Debug)]
pub enum Link {
    /// By a card: one hop further.
    Out {
        /// The next hop's Ethernet address.
        to: Mac,
        /// Our card's.
        from: Mac,
        /// The segment's largest IP packet.
        mtu: u16,
    },
    /// To the box itself.
    Own,
}

/// TCP's option of the largest segment (RFC 9293 section 3.7.1).
const MSS: u8 = 2;
/// TCP's option of selective acknowledgements (RFC 2018 section 3).
const SACK: u8 = 5;

/// Where a transport header keeps its checksum, from its start.
const fn checksum_at(content: &Content) -> Option<usize> {
    match content {
        Content::Tcp(_) => Some(16),
        Content::Udp => Some(6),
        Content::IcmpQuery
        | Content::IcmpError { .. }
        | Content::IcmpOther
        | Content::Other
        | Content::Piece => None,
    }
}

/// Writes a packet's new header.
///
/// # Errors
/// The head does not hold the headers, which the parser has seen in it: never for a parsed packet.
pub fn apply(frame: &mut Frame<'_>, packet: &Packet, rewrite: &Rewrite) -> Result<(), DropReason> {
    let (Some(src), Some(dst)) = (rewrite.src.address.as_v4(), rewrite.dst.address.as_v4()) else {
        return Err(DropReason::Ipv6);
    };
    let partial = matches!(frame.offload.checksum, Checksum::Partial { .. });
    let (network, transport) = (usize::from(packet.network), usize::from(packet.transport));
    let addresses = {
        let header = frame
            .head
            .get_mut(network..network + 20)
            .ok_or(DropReason::IpHeaderInvalid)?;
        let addresses = swap_address(header, 16, dst, Change::default());
        let addresses = swap_address(header, 12, src, addresses);
        let hop = match rewrite.link {
            // What begins here has not come a hop yet.
            Link::Out { .. } if packet.key.side != Side::OWN => {
                let old = u16::from_be_bytes([header[8], header[9]]);
                header[8] = header[8].saturating_sub(1);
                Change::default().word(old, u16::from_be_bytes([header[8], header[9]]))
            }
            Link::Out { .. } | Link::Own => Change::default(),
        };
        let sum = u16::from_be_bytes([header[10], header[11]]);
        header[10..12].copy_from_slice(&addresses.and(hop).apply(sum).to_be_bytes());
        addresses
    };
    if let Content::IcmpQuery = packet.content {
        identifier(&mut frame.head[transport..], packet, rewrite)?;
    }
    if let Some(at) = checksum_at(&packet.content) {
        let segment = frame
            .head
            .get_mut(transport..)
            .ok_or(DropReason::TransportInvalid)?;
        let ports = Change::default();
        let ports =
            swap_word(segment, 0, rewrite.src.port, ports).ok_or(DropReason::TransportInvalid)?;
        let ports =
            swap_word(segment, 2, rewrite.dst.port, ports).ok_or(DropReason::TransportInvalid)?;
        let rest = match (packet.content, rewrite.link) {
            (Content::Tcp(tcp), Link::Out { mtu, .. }) if tcp.flags.has(Flags::SYN) => {
                clamp(segment, mtu)
            }
            _ => Change::default(),
        };
        let rest = match (packet.content, rewrite.numbers) {
            (Content::Tcp(_), Some(numbers)) => {
                renumber(segment, &numbers, rest).ok_or(DropReason::TransportInvalid)?
            }
            _ => rest,
        };
        let field = segment
            .get_mut(at..at + 2)
            .ok_or(DropReason::TransportInvalid)?;
        let old = u16::from_be_bytes([field[0], field[1]]);
        let new = if partial {
            addresses.apply_partial(old)
        } else if packet.content == Content::Udp && old == 0 {
            0
        } else {
            let new = addresses.and(ports).and(rest).apply(old);
            // UDP says 0 for "none"; a computed 0 goes out as its other form (RFC 768).
            if packet.content == Content::Udp && new == 0 {
                0xffff
            } else {
                new
            }
        };
        field.copy_from_slice(&new.to_be_bytes());
    }
    if let Link::Out { to, from, .. } = rewrite.link {
        let ethernet = frame
            .head
            .get_mut(..12)
            .ok_or(DropReason::EthernetTooShort)?;
        ethernet[..6].copy_from_slice(&to);
        ethernet[6..].copy_from_slice(&from);
    }
    Ok(())
}

/// An ICMP query's identifier is the asker's "port" (RFC 5508 REQ-1).
fn identifier(message: &mut [u8], packet: &Packet, rewrite: &Rewrite) -> Result<(), DropReason> {
    let is_request = message.first().is_some_and(|kind| matches!(kind, 8 | 13));
    let id = if is_request {
        rewrite.src.port
    } else {
        rewrite.dst.port
    };
    let change =
        swap_word(message, 4, id, Change::default()).ok_or(DropReason::TransportInvalid)?;
    let _ = packet;
    let sum = message.get_mut(2..4).ok_or(DropReason::TransportInvalid)?;
    let new = change.apply(u16::from_be_bytes([sum[0], sum[1]]));
    sum.copy_from_slice(&new.to_be_bytes());
    Ok(())
}

fn swap_address(header: &mut [u8], at: usize, new: Ipv4Addr, change: Change) -> Change {
    let Some(field) = header
        .get_mut(at..)
        .and_then(|rest| rest.first_chunk_mut::<4>())
    else {
        return change;
    };
    let old = core::mem::replace(field, new.octets());
    change.address(old, new.octets())
}

fn swap_word(bytes: &mut [u8], at: usize, new: u16, change: Change) -> Option<Change> {
    let field = bytes.get_mut(at..)?.first_chunk_mut::<2>()?;
    let old = u16::from_be_bytes(core::mem::replace(field, new.to_be_bytes()));
    Some(change.word(old, new))
}

/// Writes a segment's numbers; an acknowledgement number only if there is one.
fn renumber(segment: &mut [u8], numbers: &Numbers, change: Change) -> Option<Change> {
    let flags = Flags(*segment.get(13)?);
    let change = swap_number(segment, 4, numbers.sequence, change)?;
    if !flags.has(Flags::ACK) {
        return Some(change);
    }
    let change = swap_number(segment, 8, numbers.acknowledgement, change)?;
    match numbers.acknowledged.is_none() {
        true => Some(change),
        false => Some(change.and(selective(segment, numbers.acknowledged))),
    }
}

fn swap_number(segment: &mut [u8], at: usize, new: u32, change: Change) -> Option<Change> {
    let field = segment.get_mut(at..)?.first_chunk_mut::<4>()?;
    let old = core::mem::replace(field, new.to_be_bytes());
    Some(change.address(old, *field))
}

/// Writes what a segment acknowledges selectively in its sender's peer's numbers. Blocks of which nothing is left
/// make the whole option go: no peer has to understand an empty one.
fn selective(segment: &mut [u8], acknowledged: Shift) -> Change {
    let Some((at, len)) = option(segment, SACK) else {
        return Change::default();
    };
    let mut change = Change::default();
    let mut is_sound = len >= 10 && (len - 2).is_multiple_of(8);
    for block in (at + 2..at + len).step_by(8) {
        let number = |at: usize| {
            let field = segment.get(at..).and_then(|rest| rest.first_chunk::<4>());
            field.map_or(0, |field| u32::from_be_bytes(*field))
        };
        let left = acknowledged.back(number(block), Inside::End);
        let right = acknowledged.back(number(block + 4), Inside::Begin);
        is_sound &= (right.wrapping_sub(left) as i32) > 0;
        if !is_sound {
            break;
        }
        for (at, number) in [(block, left), (block + 4, right)] {
            let [a, b, c, d] = number.to_be_bytes();
            change = change
                .and(replace_at(segment, at, u16::from_be_bytes([a, b])))
                .and(replace_at(segment, at + 2, u16::from_be_bytes([c, d])));
        }
    }
    if !is_sound {
        const NOTHING: u16 = 0x0101;
        for at in (at..at + len).step_by(2) {
            change = change.and(replace_at(segment, at, NOTHING));
        }
    }
    change
}

/// Where one of a segment's options begins, and its bytes.
fn option(segment: &[u8], wanted: u8) -> Option<(usize, usize)> {
    let header_len = usize::from(*segment.get(12)? >> 4) * 4;
    let mut at = 20;
    loop {
        match segment.get(at..header_len)? {
            [1, ..] => at += 1,
            [kind, len, rest @ ..] if *kind != 0 && *len >= 2 => {
                let len = usize::from(*len);
                if *kind == wanted {
                    return (rest.len() + 2 >= len).then_some((at, len));
                }
                at += len;
            }
            _ => return None,
        }
    }
}

/// Lowers the MSS of a plain packet, if it is a SYN, to what the way out carries. `None`: the head does not hold the header, which cannot be.
pub fn limit_segments(frame: &mut Frame<'_>, packet: &Packet, mtu: u16) -> Option<()> {
    let Content::Tcp(tcp) = &packet.content else {
        return Some(());
    };
    if !tcp.flags.has(Flags::SYN) {
        return Some(());
    }
    let partial = matches!(frame.offload.checksum, Checksum::Partial { .. });
    let segment = frame.head.get_mut(usize::from(packet.transport)..)?;
    let change = clamp(segment, mtu);
    if !partial && !change.is_none() {
        let field = segment.get_mut(16..)?.first_chunk_mut::<2>()?;
        *field = change.apply(u16::from_be_bytes(*field)).to_be_bytes();
    }
    Some(())
}

/// Lowers a SYN's MSS to what the way out carries; it is never raised (RFC 9293 section 3.7.1).
fn clamp(segment: &mut [u8], mtu: u16) -> Change {
    const HEADERS: u16 = 40;
    let most = mtu.saturating_sub(HEADERS);
    let Some((at, 4)) = option(segment, MSS) else {
        return Change::default();
    };
    let old = u16::from_be_bytes([segment[at + 2], segment[at + 3]]);
    match old <= most {
        true => Change::default(),
        false => replace_at(segment, at + 2, most),
    }
}

/// Replaces two bytes that may begin at an odd offset; the change is of the aligned words they lie in.
fn replace_at(segment: &mut [u8], at: usize, new: u16) -> Change {
    let from = at & !1;
    let to = (at + 3) & !1;
    let mut change = Change::default();
    let before: [u8; 4] = core::array::from_fn(|i| segment.get(from + i).copied().unwrap_or(0));
    if let Some(field) = segment.get_mut(at..at + 2) {
        field.copy_from_slice(&new.to_be_bytes());
    }
    for pair in (from..to).step_by(2) {
        let old = u16::from_be_bytes([before[pair - from], before[pair - from + 1]]);
        let word = |i: usize| segment.get(i).copied().unwrap_or(0);
        change = change.word(old, u16::from_be_bytes([word(pair), word(pair + 1)]));
    }
    change
}
