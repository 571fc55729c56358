//! Ethernet frames, made and read with a library that Sekisho does not use itself.
//!
//! * [`Frame`]: what a test cares about in a frame it got.
//! * [`Mac`] and the functions that make frames.

use std::net::Ipv4Addr;

use etherparse::{
    ArpHardwareId, ArpOperation, ArpPacket, EtherType, Icmpv4Type, NetSlice, PacketBuilder,
    SlicedPacket, TcpHeader, TransportSlice, icmpv4,
};

/// A hardware address.
pub type Mac = [u8; 6];

/// Where a frame without a better address goes.
pub const BROADCAST: Mac = [0xff; 6];

const TTL: u8 = 64;

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

/// The two ends of a packet: on the segment, and beyond.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    /// The sender's card.
    pub from_mac: Mac,
    /// The next hop's card.
    pub to_mac: Mac,
    /// Source address.
    pub from: Ipv4Addr,
    /// Destination address.
    pub to: Ipv4Addr,
}

impl Way {
    fn ip(self) -> etherparse::PacketBuilderStep<etherparse::IpHeaders> {
        PacketBuilder::ethernet2(self.from_mac, self.to_mac).ipv4(
            self.from.octets(),
            self.to.octets(),
            TTL,
        )
    }

    /// An ICMP echo request.
    pub fn echo(self, id: u16, seq: u16, payload: &[u8]) -> Vec<u8> {
        let mut frame = Vec::new();
        self.ip()
            .icmpv4_echo_request(id, seq)
            .write(&mut frame, payload)
            .expect("a vector takes it");
        frame
    }

    /// The answer to an echo request that came with `rest`.
    pub fn echo_reply(self, rest: &[u8]) -> Vec<u8> {
        let (header, payload) = rest.split_at(4);
        let echo = etherparse::IcmpEchoHeader::from_bytes(header.try_into().expect("four bytes"));
        let mut frame = Vec::new();
        self.ip()
            .icmpv4(Icmpv4Type::EchoReply(echo))
            .write(&mut frame, payload)
            .expect("a vector takes it");
        frame
    }

    /// An ICMP error "port unreachable" about a packet.
    pub fn port_unreachable(self, about: &[u8]) -> Vec<u8> {
        let mut frame = Vec::new();
        self.ip()
            .icmpv4(Icmpv4Type::DestinationUnreachable(
                icmpv4::DestUnreachableHeader::Port,
            ))
            .write(&mut frame, about)
            .expect("a vector takes it");
        frame
    }

    /// A UDP datagram.
    pub fn udp(self, source: u16, destination: u16, payload: &[u8]) -> Vec<u8> {
        let mut frame = Vec::new();
        self.ip()
            .udp(source, destination)
            .write(&mut frame, payload)
            .expect("a vector takes it");
        frame
    }

    /// A TCP segment.
    pub fn tcp(self, ports: (u16, u16), flags: u8, numbers: (u32, u32), payload: &[u8]) -> Vec<u8> {
        let mut header = TcpHeader::new(ports.0, ports.1, numbers.0, 64_000);
        header.syn = flags & flag::SYN != 0;
        header.ack = flags & flag::ACK != 0;
        header.fin = flags & flag::FIN != 0;
        header.rst = flags & flag::RST != 0;
        header.acknowledgment_number = numbers.1;
        let mut frame = Vec::new();
        self.ip()
            .tcp_header(header)
            .write(&mut frame, payload)
            .expect("a vector takes it");
        frame
    }
}

/// Asks who has `target`.
pub fn arp_request(mac: Mac, sender: Ipv4Addr, target: Ipv4Addr) -> Vec<u8> {
    arp(
        ArpOperation::REQUEST,
        (mac, sender),
        ([0; 6], target),
        BROADCAST,
    )
}

/// Says that `sender` is at `mac`.
pub fn arp_reply(mac: Mac, sender: Ipv4Addr, to: Mac, target: Ipv4Addr) -> Vec<u8> {
    arp(ArpOperation::REPLY, (mac, sender), (to, target), to)
}

fn arp(
    operation: ArpOperation,
    sender: (Mac, Ipv4Addr),
    target: (Mac, Ipv4Addr),
    to: Mac,
) -> Vec<u8> {
    let packet = ArpPacket::new(
        ArpHardwareId::ETHERNET,
        EtherType::IPV4,
        operation,
        &sender.0,
        &sender.1.octets(),
        &target.0,
        &target.1.octets(),
    )
    .expect("sizes of Ethernet and IPv4");
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(sender.0, to)
        .arp(packet)
        .write(&mut frame)
        .expect("a vector takes it");
    // The smallest frame that Ethernet has.
    frame.resize(60, 0);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

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
