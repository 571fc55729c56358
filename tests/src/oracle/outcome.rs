//! What a router did with a frame, in a form in which two routers can be compared.
//!
//! What must not differ stays as it is. What may is left out: outside ports that each draws for itself (both are
//! told which one theirs is), time to live, identification and length of what the router itself makes, and into which pieces
//! a datagram is cut.

use std::net::Ipv4Addr;

use sekisho_replay::machine::End;

use super::packet::{self, ICMP, TCP, UDP, address, word};
use super::{Side, ours::Did};

/// Bytes of a quote that are compared: an IP header and the eight bytes that every router quotes.
const QUOTED: usize = 28;

/// What one router did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// In a few words: `forwarded`, `nothing`, a drop reason, `told 11/0` …
    pub did: String,
    /// What left.
    pub packets: Vec<Seen>,
}

/// A packet that left.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seen {
    /// By which card: 0 the WAN's.
    pub side: usize,
    /// Ethernet addresses, receiver's first; of what the router made itself, the sender's only.
    pub macs: Vec<u8>,
    /// The IP header, as far as it is compared.
    pub header: Vec<u8>,
    /// Whether header and transport checksums are right.
    pub checksums: [bool; 2],
    /// All behind the header; checksums are left out.
    pub body: Vec<u8>,
}

/// What Linux did with a frame that came in by `side`; `outside` is the port it drew for this conversation.
pub fn of_linux(side: Side, sent: &[(Side, Vec<u8>)], outside: Option<u16>) -> Outcome {
    let packets = whole(sent);
    let mut words: Vec<String> = Vec::new();
    for (out, bytes) in &packets {
        words.push(match *out == side {
            false => "forwarded".into(),
            true => told(&bytes[14..]),
        });
    }
    words.dedup();
    if words.is_empty() {
        words.push("nothing".into());
    }
    Outcome {
        did: words.join(", "),
        packets: seen(side, &packets, outside),
    }
}

/// The same for ours.
pub fn of_ours(side: Side, did: &Did, outside: Option<u16>) -> Outcome {
    let packets = whole(&did.sent);
    let mut words = vec![match did.end {
        End::Forwarded(_) | End::Fragmented(_) | End::Remade(_) => "forwarded".to_owned(),
        End::Answered(_) => "answered".into(),
        End::Local => "local".into(),
        End::Absorbed => "nothing".into(),
        End::Held => "waits".into(),
        End::Dropped(reason) => reason.name().into(),
    }];
    for (out, bytes) in &packets {
        if *out == side && !matches!(did.end, End::Answered(_)) {
            words.push(told(&bytes[14..]));
        }
    }
    Outcome {
        did: words.join(", "),
        packets: seen(side, &packets, outside),
    }
}

/// What a router says to the sender.
fn told(packet: &[u8]) -> String {
    match (packet[9], packet.get(20)) {
        (ICMP, Some(0 | 14)) => "answered".into(),
        (ICMP, Some(kind)) => format!(
            "told {kind}/{}",
            packet.get(21).copied().unwrap_or_default()
        ),
        (TCP, _) => "told reset".into(),
        (protocol, _) => format!("told by protocol {protocol}"),
    }
}

/// The IPv4 frames among those that left; the pieces of a datagram are put together.
fn whole(sent: &[(Side, Vec<u8>)]) -> Vec<(Side, Vec<u8>)> {
    let is_ip = |frame: &[u8]| frame.len() >= 34 && frame[12..14] == [8, 0];
    let mut packets: Vec<(Side, Vec<u8>)> = Vec::new();
    let mut pieces: Vec<&(Side, Vec<u8>)> = Vec::new();
    for frame in sent.iter().filter(|(_, frame)| is_ip(frame)) {
        match word(&frame.1, 20) & 0x3fff {
            0 => packets.push(frame.clone()),
            _ => pieces.push(frame),
        }
    }
    pieces.sort_by_key(|(side, frame)| {
        let datagram = (side.index(), frame[26..34].to_vec(), word(frame, 18));
        (datagram, word(frame, 20) & 0x1fff)
    });
    let mut open: Option<(Side, Vec<u8>)> = None;
    for (side, frame) in pieces {
        let field = word(frame, 20);
        let body = &frame[34..14 + usize::from(word(frame, 16)).max(20)];
        let (from, more) = (usize::from(field & 0x1fff) * 8, field & 0x2000 != 0);
        match &mut open {
            Some((_, datagram)) if from > 0 && datagram.len() == 34 + from => {
                datagram.extend(body);
            }
            _ => {
                packets.extend(open.take());
                open = Some((*side, [&frame[..34], body].concat()));
            }
        }
        if !more && let Some((side, mut datagram)) = open.take() {
            let len = (datagram.len() - 14) as u16;
            datagram[16..18].copy_from_slice(&len.to_be_bytes());
            // Whether a piece may be cut further says nothing of the whole.
            datagram[20..22].fill(0);
            packet::seal(&mut datagram[14..]);
            packets.push((side, datagram));
        }
    }
    packets.extend(open);
    packets
}

fn seen(side: Side, packets: &[(Side, Vec<u8>)], outside: Option<u16>) -> Vec<Seen> {
    let mut all: Vec<Seen> = packets
        .iter()
        .map(|(out, frame)| one(side, *out, frame, outside))
        .collect();
    all.sort();
    all
}

fn one(came: Side, out: Side, frame: &[u8], outside: Option<u16>) -> Seen {
    let bytes = &frame[14..];
    let len = usize::from(word(bytes, 2)).clamp(20, bytes.len());
    let (header, body) = bytes[..len].split_at(20);
    let (protocol, is_piece) = (header[9], word(header, 6) & 0x3fff != 0);
    let ends = (address(header, 12), address(header, 16));
    let complete = is_piece || packet::is_complete(protocol, ends, body);
    let mut body = body.to_vec();
    if !is_piece {
        leave_out_checksum(protocol, &mut body);
        mask(out, protocol, ends.0, &mut body, outside);
    }
    let is_own = came == out;
    let mut compared = header.to_vec();
    compared[10..12].fill(0);
    if is_own {
        // Type of service, length, identification, DF and time to live are the router's choice.
        compared[1..10].fill(0);
        compared[9] = protocol;
        if protocol == ICMP && matches!(body.first(), Some(3 | 11 | 12)) {
            body.truncate(8 + QUOTED);
        }
    }
    Seen {
        side: out.index(),
        // An answer goes back to the card that asked; whose that is, a router may look up or remember.
        macs: match is_own {
            true => frame[6..12].to_vec(),
            false => frame[..12].to_vec(),
        },
        header: compared,
        checksums: [packet::sum(&[header]) == 0xffff, complete],
        body,
    }
}

fn leave_out_checksum(protocol: u8, body: &mut [u8]) {
    let at = match protocol {
        ICMP => 2,
        TCP => 16,
        // Whether there is one at all is compared.
        UDP if word(body, 6) != 0 => 6,
        _ => return,
    };
    if let Some(field) = body.get_mut(at..at + 2) {
        field.fill(0xee);
    }
}

/// Hides the outside port where this router drew it, in the packet and in what it quotes.
fn mask(out: Side, protocol: u8, src: Ipv4Addr, body: &mut [u8], outside: Option<u16>) {
    const ANY: [u8; 2] = [0xaa; 2];
    let ours = Side::Wan.address();
    let at = match (protocol, body.first()) {
        (TCP | UDP, _) if out == Side::Wan && src == ours => 0,
        (ICMP, Some(8 | 13)) if out == Side::Wan && src == ours => 4,
        (ICMP, Some(3 | 4 | 5 | 11 | 12)) => return mask_quote(body, outside),
        _ => return,
    };
    if Some(word(body, at)) == outside && body.len() >= at + 2 {
        body[at..at + 2].copy_from_slice(&ANY);
    }
}

/// A quote shows the flow's packet as it was on the side of the one who is told.
fn mask_quote(body: &mut [u8], outside: Option<u16>) {
    if body.len() < 8 + QUOTED {
        return;
    }
    let quote = &mut body[8..];
    let ours = Side::Wan.address();
    let (src, dst) = (address(quote, 12), address(quote, 16));
    quote[10..12].fill(0xee);
    let protocol = quote[9];
    let transport = &mut quote[20..];
    let is_query = protocol == ICMP;
    let at = match (is_query, src == ours, dst == ours) {
        (false, true, _) => 0,
        (false, _, true) => 2,
        (true, true, _) | (true, _, true) => 4,
        _ => return leave_out_quoted(protocol, transport),
    };
    if Some(word(transport, at)) == outside {
        transport[at..at + 2].fill(0xaa);
    }
    leave_out_quoted(protocol, transport);
}

/// A quoted transport checksum is not verified by anybody (RFC 5508 REQ-3c), and mostly not there.
fn leave_out_quoted(protocol: u8, transport: &mut [u8]) {
    let at = match protocol {
        ICMP => 2,
        TCP => 16,
        UDP => 6,
        _ => return,
    };
    if let Some(field) = transport.get_mut(at..at + 2) {
        field.fill(0xee);
    }
}
