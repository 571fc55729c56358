//! What a frame says, read once.
//!
//! Nothing after the parser looks at raw headers to decide. Offsets are bytes
//! from the Ethernet header.

use crate::key::FlowKey;

/// The one descriptor of an IP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Whose it is. For fragments but the first, and for ICMP errors, the ports are 0.
    pub key: FlowKey,
    /// Where the IP header starts.
    pub network: u16,
    /// Where the transport header starts.
    pub transport: u16,
    /// Bytes of the IP packet, header included, as its header says.
    pub ip_len: u16,
    /// Time to live, as it came in.
    pub ttl: u8,
    /// Whether it may be fragmented, and whether it is.
    pub fragment: Fragment,
    /// What the transport header says.
    pub content: Content,
}

impl Packet {
    /// Bytes behind the IP header.
    #[must_use]
    pub const fn body_len(&self) -> u16 {
        self.ip_len - (self.transport - self.network)
    }
}

/// The fragmentation fields (RFC 791 section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// Don't fragment.
    pub dont: bool,
    /// More fragments follow.
    pub more: bool,
    /// Bytes of the datagram before this piece.
    pub offset: u16,
    /// Which datagram.
    pub id: u16,
}

impl Fragment {
    /// Whether the packet is a piece of a larger datagram.
    #[must_use]
    pub const fn is_piece(self) -> bool {
        self.more || self.offset != 0
    }
}

/// What the transport header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// A TCP segment.
    Tcp(Segment),
    /// A UDP datagram.
    Udp,
    /// An ICMP query or its reply (echo, timestamp).
    IcmpQuery,
    /// An ICMP error; the packet it quotes starts at `transport + 8`.
    IcmpError {
        /// Destination unreachable, time exceeded, parameter problem …
        kind: u8,
        /// Its code.
        code: u8,
    },
    /// Another ICMP message, which is never passed.
    IcmpOther,
    /// Another protocol, known by its addresses only.
    Other,
    /// A piece without transport header.
    Piece,
}

/// What conntrack must know of a TCP segment (RFC 9293 section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Sequence number of the first byte.
    pub seq: u32,
    /// Acknowledgement number; meaningful with [`Flags::ACK`].
    pub ack: u32,
    /// Window field, not scaled.
    pub window: u16,
    /// Control bits.
    pub flags: Flags,
    /// Payload bytes, over all segments of a large frame.
    pub payload_len: u32,
    /// Shift count from a SYN's options, at most 14 (RFC 7323 section 2.3).
    pub window_scale: Option<u8>,
}

/// TCP control bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flags(pub u8);

impl Flags {
    /// No more data from the sender.
    pub const FIN: Self = Self(0x01);
    /// Synchronize sequence numbers.
    pub const SYN: Self = Self(0x02);
    /// Reset the connection.
    pub const RST: Self = Self(0x04);
    /// Push.
    pub const PSH: Self = Self(0x08);
    /// The acknowledgement field is meaningful.
    pub const ACK: Self = Self(0x10);
    /// Urgent pointer is meaningful.
    pub const URG: Self = Self(0x20);

    /// Whether all bits of `other` are set.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether a segment bears ACK and neither SYN, FIN nor RST.
    #[must_use]
    pub const fn only_acknowledges(self) -> bool {
        let control = Self::SYN.0 | Self::FIN.0 | Self::RST.0 | Self::ACK.0;
        self.0 & control == Self::ACK.0
    }
}
