//! A frame as a line of text.

use std::fmt;
use std::net::Ipv4Addr;

use sekisho_engine::arp::Operation;
use sekisho_engine::frame::Frame;
use sekisho_engine::key::{Endpoint, Protocol, Side};
use sekisho_engine::neighbor::Mac;
use sekisho_engine::packet::{Content, Flags, Packet};
use sekisho_engine::parse::{ETHERNET, Parsed, parse};
use sekisho_engine::quote;

/// What a frame carries, in one line; a frame that the engine cannot read is told by what can be seen of it.
#[must_use]
pub fn frame(bytes: &[u8]) -> String {
    let mut copy = bytes.to_vec();
    let frame = Frame::whole(&mut copy);
    match parse(&frame, Side::OWN) {
        Ok(Parsed::Ip(packet)) => packet_line(&frame, &packet),
        Ok(Parsed::Arp(arp)) => match arp.operation {
            Operation::Request if arp.sender == arp.target => {
                format!("arp {} is at {}", arp.sender, Hex(arp.sender_mac))
            }
            Operation::Request => format!("arp who has {}? tell {}", arp.target, arp.sender),
            Operation::Reply => format!("arp {} is at {}", arp.sender, Hex(arp.sender_mac)),
        },
        Err(_) => unreadable(bytes),
    }
}

fn packet_line(frame: &Frame<'_>, packet: &Packet) -> String {
    let (src, dst) = (packet.key.src, packet.key.dst);
    let mut line = match packet.content {
        Content::Tcp(segment) => {
            let mut line = format!(
                "tcp {} > {} {} seq {}",
                end(src),
                end(dst),
                flags(segment.flags),
                segment.seq
            );
            if segment.flags.has(Flags::ACK) {
                line += &format!(" ack {}", segment.ack);
            }
            line + &format!(" win {}, {} bytes", segment.window, segment.payload_len)
        }
        Content::Udp => format!(
            "udp {} > {}, {} bytes",
            end(src),
            end(dst),
            packet.body_len().saturating_sub(8)
        ),
        Content::IcmpQuery => {
            let (kind, id) = query(packet);
            format!("icmp {kind} {} > {}, id {id}", src.address, dst.address)
        }
        Content::IcmpError { kind, code } => {
            let about = match quote::parse(frame, packet) {
                Ok(quote) => format!(
                    ", about {} {} > {}",
                    protocol(quote.key.protocol),
                    with_port(quote.key.protocol, quote.key.src),
                    with_port(quote.key.protocol, quote.key.dst)
                ),
                Err(_) => String::new(),
            };
            format!(
                "icmp {} {} > {}{about}",
                error_name(kind, code),
                src.address,
                dst.address
            )
        }
        Content::IcmpOther => {
            let kind = frame.head.get(usize::from(packet.transport));
            let kind = kind.copied().unwrap_or_default();
            format!("icmp type {kind} {} > {}", src.address, dst.address)
        }
        Content::Other | Content::Piece => format!(
            "{} {} > {}, {} bytes",
            protocol(packet.key.protocol),
            src.address,
            dst.address,
            packet.body_len()
        ),
    };
    if packet.fragment.is_piece() {
        let more = if packet.fragment.more { "+" } else { "" };
        line += &format!(
            ", piece {}{more} of datagram {}",
            packet.fragment.offset, packet.fragment.id
        );
    }
    line + &format!(", ttl {}", packet.ttl)
}

/// What can be said of a frame that no parser takes.
fn unreadable(bytes: &[u8]) -> String {
    let len = bytes.len();
    let ethertype = match bytes.get(12..14) {
        Some(field) => u16::from_be_bytes([field[0], field[1]]),
        None => return format!("{len} bytes, too short for Ethernet"),
    };
    match ethertype {
        0x0800 if bytes.len() >= ETHERNET + 20 => {
            let address = |at: usize| -> Ipv4Addr {
                [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]].into()
            };
            let name = protocol(Protocol(bytes[23]));
            format!(
                "malformed {name} {} > {}, {len} bytes",
                address(26),
                address(30)
            )
        }
        0x0800 => format!("malformed IPv4, {len} bytes"),
        0x0806 => format!("malformed arp, {len} bytes"),
        0x86dd => format!("IPv6, {len} bytes"),
        0x8100 | 0x88a8 | 0x9100 => format!("VLAN tag, {len} bytes"),
        other => format!("ethertype {other:#06x}, {len} bytes"),
    }
}

/// An endpoint with its port.
#[must_use]
pub fn end(endpoint: Endpoint) -> String {
    format!("{}:{}", endpoint.address, endpoint.port)
}

/// An endpoint, with its port if the protocol has any.
#[must_use]
pub fn with_port(protocol: Protocol, endpoint: Endpoint) -> String {
    match protocol {
        Protocol::TCP | Protocol::UDP => end(endpoint),
        _ => endpoint.address.to_string(),
    }
}

/// A protocol's name, or its number.
#[must_use]
pub fn protocol(protocol: Protocol) -> String {
    match protocol {
        Protocol::ICMP => "icmp".into(),
        Protocol::TCP => "tcp".into(),
        Protocol::UDP => "udp".into(),
        Protocol(number) => format!("protocol {number}"),
    }
}

fn flags(flags: Flags) -> String {
    const NAMES: [(Flags, &str); 6] = [
        (Flags::SYN, "SYN"),
        (Flags::FIN, "FIN"),
        (Flags::RST, "RST"),
        (Flags::PSH, "PSH"),
        (Flags::ACK, "ACK"),
        (Flags::URG, "URG"),
    ];
    let set = NAMES.iter().filter(|(flag, _)| flags.has(*flag));
    let names: Vec<&str> = set.map(|(_, name)| *name).collect();
    names.join("+")
}

/// A query's kind and identifier; the key holds them like ports.
fn query(packet: &Packet) -> (&'static str, u16) {
    let (src, dst) = (packet.key.src.port, packet.key.dst.port);
    match (src, dst) {
        (id, 8) => ("echo request", id),
        (id, 13) => ("timestamp request", id),
        (8, id) => ("echo reply", id),
        (_, id) => ("timestamp reply", id),
    }
}

fn error_name(kind: u8, code: u8) -> String {
    match (kind, code) {
        (3, 0) => "network unreachable".into(),
        (3, 1) => "host unreachable".into(),
        (3, 3) => "port unreachable".into(),
        (3, 4) => "fragmentation needed".into(),
        (3, 13) => "prohibited".into(),
        (11, 0) => "time exceeded".into(),
        (11, 1) => "reassembly time exceeded".into(),
        (12, _) => "parameter problem".into(),
        _ => format!("error {kind}/{code}"),
    }
}

/// An Ethernet address as people write it.
pub struct Hex(pub Mac);

impl fmt::Display for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}
