//! Address mappings: which outside port stands for which inside endpoint.
//!
//! A mapping and a flow are two objects (RFC 4787 section 4.1): all flows of one
//! inside endpoint share its mapping, whoever their peer is, and it ends with
//! the last of them. Where the configuration asks for another kind of mapping, the
//! endpoint has one for each peer instead.
//!
//! ```text
//! inside                      outside
//! 10.99.0.2:40000  ──────▶  192.0.2.1:40000  ──▶ 198.51.100.7:53
//!                                            ──▶ 203.0.113.9:123
//! ```

use sekisho_config::model::{self, Filtering};

use crate::address::Address;
use crate::key::{Endpoint, Protocol, Side};

/// A mapping's place in the table of mappings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MappingId(pub(crate) u32);

/// One inside endpoint and the outside endpoint that stands for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Transport protocol; identifiers of ICMP queries count as ports (RFC 5508 REQ-1).
    pub protocol: Protocol,
    /// Where the inside endpoint is.
    pub inside_side: Side,
    /// The host's own address and port.
    pub inside: Endpoint,
    /// Where the outside endpoint is visible.
    pub outside_side: Side,
    /// The address and port that peers see.
    pub outside: Endpoint,
    /// Keyed hash of the peers that it was made for, 0 for all. Were it ever the same for two peers of one
    /// endpoint, these would share a port, as they do by default.
    pub(crate) peers: u32,
    /// Who may send to it.
    pub filtering: Filtering,
    /// How many flows use it.
    pub flows: u32,
}

/// The peers that an inside endpoint uses one mapping for (RFC 4787 section 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peers {
    /// All of them.
    All,
    /// Every port of one address.
    Host(Address),
    /// One endpoint.
    One(Endpoint),
}

impl Peers {
    /// The peers that share a mapping with this one.
    #[must_use]
    pub const fn with(peer: Endpoint, kind: model::Mapping) -> Self {
        match kind {
            model::Mapping::EndpointIndependent => Self::All,
            model::Mapping::AddressDependent => Self::Host(peer.address),
            model::Mapping::AddressAndPortDependent => Self::One(peer),
        }
    }
}
