//! Ethernet frames, read with a library that Sekisho does not use itself.
//!
//! * [`Frame`]: what a test cares about in a frame it got.
//!
//! Neighbour: [`crate::way`] makes frames.

use std::net::Ipv4Addr;

use etherparse::{ArpOperation, NetSlice, SlicedPacket, TransportSlice};

/// A hardware address.
pub type Mac = [u8; 6];

/// Where a frame without a better address goes.
pub const BROADCAST: Mac = [0xff; 6];

/// A frame, as far as tests look at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Where it comes from on its segment.
    pub source_mac: Mac,
    /// Where it goes to on its segment.
    pub destination_mac: Mac,
    /// What it carries.
    pub content: Content,
}

/// What a frame carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// The question who has an address.
    ArpRequest {
        /// Who asks; unspecified in a probe.
        sender: Ipv4Addr,
        /// The address asked for.
        target: Ipv4Addr,
    },
    /// The answer to that.
    ArpReply {
        /// The address that has been asked for.
        sender: Ipv4Addr,
        /// Its hardware address.
        mac: Mac,
    },
    /// IPv4 and what is inside.
    Ipv4 {
        /// Source address.
        source: Ipv4Addr,
        /// Destination address.
        destination: Ipv4Addr,
        /// Hops left.
        ttl: u8,
        /// What is inside.
        inner: Inner,
    },
    /// Anything else.
    Other,
}

/// What an IPv4 packet carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inner {
    /// ICMP with its type, code and the rest from its fifth byte on.
    Icmp {
        /// Type.
        kind: u8,
        /// Code.
        code: u8,
        /// All bytes behind the checksum.
        rest: Vec<u8>,
    },
    /// TCP.
    Tcp {
        /// Source port.
        source: u16,
        /// Destination port.
        destination: u16,
        /// The control bits, as in the header's 14th byte.
        flags: u8,
        /// Sequence number.
        sequence: u32,
        /// Acknowledgement number.
        acknowledgement: u32,
        /// What it carries.
        payload: Vec<u8>,
    },
    /// UDP.
    Udp {
        /// Source port.
        source: u16,
        /// Destination port.
        destination: u16,
        /// What it carries.
        payload: Vec<u8>,
    },
    /// Anything else.
    Other,
}

/// TCP's control bits.
pub mod flag {
    /// No more data.
    pub const FIN: u8 = 1;
    /// Sequence numbers begin.
    pub const SYN: u8 = 2;
    /// There is no such connection.
    pub const RST: u8 = 4;
    /// The acknowledgement number counts.
    pub const ACK: u8 = 16;
}

impl Frame {
    /// Reads a frame. Checksums are verified: a wrong one makes it [`Content::Other`] or [`Inner::Other`].
    pub fn read(bytes: &[u8]) -> Frame {
        let mac = |at: usize| -> Mac {
            bytes
                .get(at..at + 6)
                .map_or([0; 6], |mac| mac.try_into().expect("six bytes"))
        };
        Frame {
            destination_mac: mac(0),
            source_mac: mac(6),
            content: content(bytes).unwrap_or(Content::Other),
        }
    }

    /// The source address, if it is IPv4.
    pub fn source(&self) -> Option<Ipv4Addr> {
        match &self.content {
            Content::Ipv4 { source, .. } => Some(*source),
            Content::ArpRequest { .. } | Content::ArpReply { .. } | Content::Other => None,
        }
    }

    /// What is inside of its IPv4 packet, if it is one.
    pub fn inner(&self) -> Option<&Inner> {
        match &self.content {
            Content::Ipv4 { inner, .. } => Some(inner),
            Content::ArpRequest { .. } | Content::ArpReply { .. } | Content::Other => None,
        }
    }

    /// Whether it carries ICMP of this type.
    pub fn is_icmp(&self, wanted: u8) -> bool {
        matches!(self.inner(), Some(Inner::Icmp { kind, .. }) if *kind == wanted)
    }
}

fn content(bytes: &[u8]) -> Option<Content> {
    let sliced = SlicedPacket::from_ethernet(bytes).ok()?;
    match sliced.net? {
        NetSlice::Arp(arp) => {
            let [sender, target] = [arp.sender_protocol_addr(), arp.target_protocol_addr()]
                .map(|bytes| <[u8; 4]>::try_from(bytes).map(Ipv4Addr::from));
            let (sender, target) = (sender.ok()?, target.ok()?);
            match arp.operation() {
                ArpOperation::REQUEST => Some(Content::ArpRequest { sender, target }),
                ArpOperation::REPLY => Some(Content::ArpReply {
                    sender,
                    mac: arp.sender_hw_addr().try_into().ok()?,
                }),
                _ => None,
            }
        }
        NetSlice::Ipv4(ip) => {
            let header = ip.header();
            (header.header_checksum() == header.to_header().calc_header_checksum()).then_some(())?;
            Some(Content::Ipv4 {
                source: header.source_addr(),
                destination: header.destination_addr(),
                ttl: header.ttl(),
                inner: sliced
                    .transport
                    .and_then(|transport| inner(&header.to_header(), &transport))
                    .unwrap_or(Inner::Other),
            })
        }
        NetSlice::Ipv6(_) => None,
    }
}

fn inner(ip: &etherparse::Ipv4Header, transport: &TransportSlice<'_>) -> Option<Inner> {
    match transport {
        TransportSlice::Icmpv4(icmp) => {
            let checksum = icmp.icmp_type().calc_checksum(icmp.payload());
            (checksum == icmp.checksum()).then_some(())?;
            Some(Inner::Icmp {
                kind: icmp.type_u8(),
                code: icmp.code_u8(),
                rest: icmp.slice().get(4..)?.to_vec(),
            })
        }
        TransportSlice::Tcp(tcp) => {
            let header = tcp.to_header();
            let checksum = header.calc_checksum_ipv4(ip, tcp.payload()).ok()?;
            (checksum == tcp.checksum()).then_some(())?;
            Some(Inner::Tcp {
                source: tcp.source_port(),
                destination: tcp.destination_port(),
                flags: tcp.slice()[13],
                sequence: tcp.sequence_number(),
                acknowledgement: tcp.acknowledgment_number(),
                payload: tcp.payload().to_vec(),
            })
        }
        TransportSlice::Udp(udp) => {
            let checksum = udp.to_header().calc_checksum_ipv4(ip, udp.payload()).ok()?;
            (udp.checksum() == 0 || checksum == udp.checksum()).then_some(())?;
            Some(Inner::Udp {
                source: udp.source_port(),
                destination: udp.destination_port(),
                payload: udp.payload().to_vec(),
            })
        }
        TransportSlice::Icmpv6(_) | TransportSlice::Igmp(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::way::{TTL, Way, arp_reply, arp_request};

    const WAY: Way = Way {
        from_mac: [2, 0, 0, 0, 0, 1],
        to_mac: [2, 0, 0, 0, 0, 2],
        from: Ipv4Addr::new(192, 0, 2, 2),
        to: Ipv4Addr::new(192, 0, 2, 1),
    };

    #[test]
    fn what_is_made_is_read() {
        let frame = Frame::read(&WAY.tcp((1, 2), flag::SYN | flag::ACK, (3, 4), b"data"));
        let Content::Ipv4 {
            source,
            destination,
            ttl,
            inner,
        } = frame.content
        else {
            panic!("{frame:?}")
        };
        assert_eq!((source, destination, ttl), (WAY.from, WAY.to, TTL));
        let expected = Inner::Tcp {
            source: 1,
            destination: 2,
            flags: flag::SYN | flag::ACK,
            sequence: 3,
            acknowledgement: 4,
            payload: b"data".to_vec(),
        };
        assert_eq!(inner, expected);
        assert!(Frame::read(&WAY.echo(1, 1, b"")).is_icmp(8));
    }

    #[test]
    fn a_wrong_checksum_is_noticed() {
        for bytes in [
            WAY.tcp((1, 2), flag::SYN, (3, 4), b"data"),
            WAY.udp(1, 2, b"data"),
            WAY.echo(1, 1, b"data"),
        ] {
            let mut wrong = bytes.clone();
            *wrong.last_mut().expect("it is not empty") ^= 1;
            assert_eq!(Frame::read(&wrong).inner(), Some(&Inner::Other));
            assert_ne!(Frame::read(&bytes).inner(), Some(&Inner::Other));
            let mut wrong = bytes;
            wrong[14 + 8] ^= 1;
            assert_eq!(Frame::read(&wrong).content, Content::Other);
        }
    }

    #[test]
    fn arp_is_read() {
        let request = Frame::read(&arp_request(WAY.from_mac, WAY.from, WAY.to));
        assert_eq!(request.destination_mac, BROADCAST);
        let (sender, target) = (WAY.from, WAY.to);
        assert_eq!(request.content, Content::ArpRequest { sender, target });
        let reply = Frame::read(&arp_reply(WAY.from_mac, WAY.from, WAY.to_mac, WAY.to));
        let mac = WAY.from_mac;
        assert_eq!(reply.content, Content::ArpReply { sender, mac });
    }
}
