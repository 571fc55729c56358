//! Ethernet frames, made.
//!
//! * [`Way`]: the two ends of a packet; a method for each thing that a test sends along it.
//! * [`arp_request`], [`arp_reply`]: what has no way yet.

use std::net::Ipv4Addr;

use etherparse::{
    ArpHardwareId, ArpOperation, ArpPacket, EtherType, Icmpv4Type, PacketBuilder, TcpHeader, icmpv4,
};

use crate::frames::{BROADCAST, Mac, flag};

/// Hops that a packet of ours may take.
pub const TTL: u8 = 64;

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
        self.tcp_with_options(ports, flags, numbers, &[], payload)
    }

    /// A TCP segment with options, which fill whole words of four bytes.
    pub fn tcp_with_options(
        self,
        ports: (u16, u16),
        flags: u8,
        numbers: (u32, u32),
        options: &[u8],
        payload: &[u8],
    ) -> Vec<u8> {
        let mut header = TcpHeader::new(ports.0, ports.1, numbers.0, 64_000);
        header.syn = flags & flag::SYN != 0;
        header.ack = flags & flag::ACK != 0;
        header.fin = flags & flag::FIN != 0;
        header.rst = flags & flag::RST != 0;
        header.acknowledgment_number = numbers.1;
        header.set_options_raw(options).expect("40 bytes at most");
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
