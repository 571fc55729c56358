//! Whose packet it is.

use crate::ZoneId;
use crate::address::Address;

/// An IP protocol number (IANA "Protocol Numbers").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Protocol(pub u8);

impl Protocol {
    /// RFC 792.
    pub const ICMP: Self = Self(1);
    /// RFC 9293.
    pub const TCP: Self = Self(6);
    /// RFC 768.
    pub const UDP: Self = Self(17);
    /// RFC 4443.
    pub const ICMPV6: Self = Self(58);
}

/// Address and port; the port is 0 where the protocol has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// The host.
    pub address: Address,
    /// Port, or ICMP query identifier.
    pub port: u16,
}

impl Endpoint {
    /// An endpoint of either family.
    #[must_use]
    pub fn new(address: impl Into<Address>, port: u16) -> Self {
        Self {
            address: address.into(),
            port,
        }
    }
}

/// The side of the box on which a packet is seen.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Side(u8);

impl Side {
    /// The firewall's own endpoints (zone `self`).
    pub const OWN: Self = Self(u8::MAX);

    /// A card's side.
    #[must_use]
    pub const fn zone(zone: ZoneId) -> Self {
        Self(zone.index() as u8)
    }

    /// The zone, unless it is the box itself.
    #[must_use]
    pub const fn as_zone(self) -> Option<ZoneId> {
        ZoneId::new(self.0 as usize)
    }

    /// A number of its own for each side.
    pub(crate) const fn raw(self) -> u8 {
        self.0
    }

    /// The same as rules name it.
    #[must_use]
    pub const fn place(self) -> crate::Place {
        match self.as_zone() {
            Some(zone) => crate::Place::Zone(zone),
            None => crate::Place::Own,
        }
    }
}

impl core::fmt::Debug for Side {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.as_zone() {
            Some(zone) => write!(f, "zone {}", zone.index()),
            None => f.write_str("self"),
        }
    }
}

/// One direction of a flow, as its packets look when they come in.
///
/// ICMP queries put their identifier where the asker's port would stand and the
/// request's type where the peer's port would: a request is `(id, type)`, its
/// reply `(type, id)`, so that mirroring a key is the same for all protocols.
///
/// The incoming side is part of the key: the same addresses on another card
/// are another flow, and so never match this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowKey {
    /// Sender.
    pub src: Endpoint,
    /// Receiver.
    pub dst: Endpoint,
    /// Transport protocol.
    pub protocol: Protocol,
    /// Where it comes in.
    pub side: Side,
}

impl FlowKey {
    /// The key of an answer that comes in on `side`.
    #[must_use]
    pub const fn reversed(self, side: Side) -> Self {
        Self {
            src: self.dst,
            dst: self.src,
            protocol: self.protocol,
            side,
        }
    }
}
