//! IPv4 packets, and ARP frames, as the tests write and read them.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4};

use etherparse::{
    IcmpEchoHeader, Icmpv4Header, Icmpv4Type, IpDscp, IpEcn, IpFragOffset, IpNumber, Ipv4Header,
    TcpHeader, UdpHeader,
};
use sekisho_engine::neighbor::Mac;

/// An IPv4 packet: its header, and all behind it. Two are equal if every byte is.
#[derive(Clone, PartialEq, Eq)]
pub struct Ip {
    pub header: Ipv4Header,
    pub body: Vec<u8>,
}

/// Short enough that a failed test can be read.
impl fmt::Debug for Ip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header = &self.header;
        write!(
            f,
            "{} > {} protocol {}",
            self.src(),
            self.dst(),
            header.protocol.0
        )?;
        write!(
            f,
            " ttl {} id {:#x}",
            header.time_to_live, header.identification
        )?;
        write!(f, " tos {}", header.dscp.value() << 2 | header.ecn.value())?;
        if header.dont_fragment {
            f.write_str(" DF")?;
        }
        if header.is_fragmenting_payload() {
            let more = if header.more_fragments { "+" } else { "" };
            write!(f, " piece {}{more}", header.fragment_offset.byte_offset())?;
        }
        let shown = &self.body[..self.body.len().min(64)];
        write!(f, ", {} bytes: {shown:02x?}", self.body.len())
    }
}

/// The time to live that packets start with.
pub const TTL: u8 = 64;

/// An endpoint from its text, `10.99.0.2:40000`.
pub fn at(text: &str) -> SocketAddrV4 {
    text.parse().expect("an address and a port")
}

/// An address from its text.
pub fn host(text: &str) -> Ipv4Addr {
    text.parse().expect("an address")
}

impl Ip {
    /// A packet with any body.
    pub fn new(src: Ipv4Addr, dst: Ipv4Addr, protocol: IpNumber, body: Vec<u8>) -> Self {
        let len = u16::try_from(body.len()).expect("a short body");
        let mut header =
            Ipv4Header::new(len, TTL, protocol, src.octets(), dst.octets()).expect("a header");
        header.dont_fragment = false;
        Self { header, body }.sealed()
    }

    /// Reads a packet, as far as it is there; what stands behind its end is left out.
    pub fn read(bytes: &[u8]) -> Self {
        let (header, rest) = Ipv4Header::from_slice(bytes).expect("an IPv4 header");
        let len = usize::from(header.payload_len().expect("a length"));
        let body = rest[..len.min(rest.len())].to_vec();
        Self { header, body }
    }

    /// The packet's bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.header.to_bytes().to_vec();
        bytes.extend(&self.body);
        bytes
    }

    pub fn src(&self) -> Ipv4Addr {
        self.header.source.into()
    }

    pub fn dst(&self) -> Ipv4Addr {
        self.header.destination.into()
    }

    /// Sender's and receiver's ports.
    pub fn ports(&self) -> (u16, u16) {
        let word = |at: usize| u16::from_be_bytes([self.body[at], self.body[at + 1]]);
        (word(0), word(2))
    }

    /// The sender's endpoint.
    pub fn from(&self) -> SocketAddrV4 {
        SocketAddrV4::new(self.src(), self.ports().0)
    }

    /// The receiver's endpoint.
    pub fn to(&self) -> SocketAddrV4 {
        SocketAddrV4::new(self.dst(), self.ports().1)
    }

    pub fn ttl(mut self, ttl: u8) -> Self {
        self.header.time_to_live = ttl;
        self.sealed()
    }

    /// As it looks one hop further.
    pub fn hop(self) -> Self {
        let ttl = self.header.time_to_live;
        self.ttl(ttl - 1)
    }

    pub fn dont_fragment(mut self) -> Self {
        self.header.dont_fragment = true;
        self.sealed()
    }

    pub fn id(mut self, id: u16) -> Self {
        self.header.identification = id;
        self.sealed()
    }

    pub fn marked(mut self, dscp: u8, ecn: u8) -> Self {
        self.header.dscp = IpDscp::try_new(dscp).expect("six bits");
        self.header.ecn = IpEcn::try_new(ecn).expect("two bits");
        self.sealed()
    }

    /// With another byte in the body, checksums left as they are.
    pub fn spoiled(mut self, at: usize) -> Self {
        self.body[at] ^= 0x55;
        self
    }

    /// Cut into pieces of at most `size` body bytes, a multiple of 8.
    pub fn pieces(&self, size: usize) -> Vec<Self> {
        assert!(size.is_multiple_of(8) && !self.body.is_empty());
        let count = self.body.len().div_ceil(size);
        (0..count)
            .map(|index| self.piece(index * size, size, index + 1 < count))
            .collect()
    }

    /// The piece that begins at byte `from` of the body.
    pub fn piece(&self, from: usize, size: usize, more: bool) -> Self {
        let body = self.body[from..self.body.len().min(from + size)].to_vec();
        let offset = u16::try_from(from / 8).expect("an offset");
        let mut header = self.header.clone();
        header.fragment_offset = IpFragOffset::try_new(offset).expect("an offset");
        header.more_fragments = more;
        Self { header, body }.sealed()
    }

    /// With the right total length and header checksum.
    pub fn sealed(mut self) -> Self {
        self.header
            .set_payload_len(self.body.len())
            .expect("a short body");
        self.header.header_checksum = self.header.calc_header_checksum();
        self
    }
}

/// A UDP datagram.
pub fn udp(src: &str, dst: &str, payload: &[u8]) -> Ip {
    let (src, dst) = (at(src), at(dst));
    let (from, to) = (src.ip().octets(), dst.ip().octets());
    let header = UdpHeader::without_ipv4_checksum(src.port(), dst.port(), payload.len());
    let mut header = header.expect("a short payload");
    let sum = header.calc_checksum_ipv4_raw(from, to, payload);
    header.checksum = sum.expect("a short payload");
    let mut body = header.to_bytes().to_vec();
    body.extend(payload);
    Ip::new(*src.ip(), *dst.ip(), IpNumber::UDP, body)
}

/// A TCP segment; `build` sets its flags and numbers.
pub fn tcp(src: &str, dst: &str, payload: &[u8], build: impl FnOnce(&mut TcpHeader)) -> Ip {
    let (src, dst) = (at(src), at(dst));
    let (from, to) = (src.ip().octets(), dst.ip().octets());
    let mut header = TcpHeader::new(src.port(), dst.port(), 0, 65_000);
    build(&mut header);
    let sum = header.calc_checksum_ipv4_raw(from, to, payload);
    header.checksum = sum.expect("a short payload");
    let mut body = header.to_bytes().to_vec();
    body.extend(payload);
    Ip::new(*src.ip(), *dst.ip(), IpNumber::TCP, body)
}

/// A connection's first segment.
pub fn syn(src: &str, dst: &str) -> Ip {
    tcp(src, dst, b"", |header| {
        header.syn = true;
        header.sequence_number = 1000;
    })
}

/// An ICMP message of any type.
pub fn icmp(src: &str, dst: &str, kind: Icmpv4Type, payload: &[u8]) -> Ip {
    let mut body = Icmpv4Header::with_checksum(kind, payload)
        .to_bytes()
        .to_vec();
    body.extend(payload);
    Ip::new(host(src), host(dst), IpNumber::ICMP, body)
}

/// An ICMP echo request.
pub fn ping(src: &str, dst: &str, id: u16) -> Ip {
    let echo = IcmpEchoHeader { id, seq: 1 };
    icmp(src, dst, Icmpv4Type::EchoRequest(echo), b"echo payload")
}

/// An ICMP echo reply.
pub fn pong(src: &str, dst: &str, id: u16) -> Ip {
    let echo = IcmpEchoHeader { id, seq: 1 };
    icmp(src, dst, Icmpv4Type::EchoReply(echo), b"echo payload")
}

/// An ICMP error with any type and code about a packet, which it quotes up to `quoted` bytes.
pub fn error(src: &str, dst: &str, [kind, code]: [u8; 2], about: &Ip, quoted: usize) -> Ip {
    let mut quote = about.bytes();
    quote.truncate(quoted);
    let mtu = if [kind, code] == [3, 4] {
        [0, 0, 2, 0x40]
    } else {
        [0; 4]
    };
    let unknown = Icmpv4Type::Unknown {
        type_u8: kind,
        code_u8: code,
        bytes5to8: mtu,
    };
    icmp(src, dst, unknown, &quote)
}

/// Type and code of an ICMP message.
pub fn kind_of(message: &Ip) -> [u8; 2] {
    assert_eq!(message.header.protocol, IpNumber::ICMP);
    [message.body[0], message.body[1]]
}

/// What an ICMP error quotes: its IP header, and the bytes behind that.
pub fn quote_of(error: &Ip) -> (Ipv4Header, Vec<u8>) {
    let (header, rest) = Ipv4Header::from_slice(&error.body[8..]).expect("a quoted header");
    (header, rest.to_vec())
}

/// An ARP frame: operation 1 asks, 2 answers. Questions go to all.
pub fn arp(operation: u8, from: (Mac, Ipv4Addr), to: (Mac, Ipv4Addr)) -> Vec<u8> {
    let mut bytes = match operation {
        2 => to.0.to_vec(),
        _ => vec![0xff; 6],
    };
    bytes.extend(from.0);
    bytes.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, operation]);
    bytes.extend(from.0);
    bytes.extend(from.1.octets());
    bytes.extend(to.0);
    bytes.extend(to.1.octets());
    bytes
}
