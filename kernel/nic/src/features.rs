//! Which features the cards settle on together.
//!
//! A large frame or a partial checksum that one card takes in must be sendable
//! by every other, so all offers are read before any is answered.

use alloc::vec::Vec;

use crate::offload::Allowed;
use crate::ring::Notify;
use crate::transmit::own_share;

/// Feature bits (virtio 1.2 sections 5.1.3 and 6).
pub mod feature {
    /// The device completes checksums.
    pub const CSUM: u64 = 1 << 0;
    /// The driver takes frames with partial checksums.
    pub const GUEST_CSUM: u64 = 1 << 1;
    /// The MTU is in the configuration.
    pub const MTU: u64 = 1 << 3;
    /// The MAC address is in the configuration.
    pub const MAC: u64 = 1 << 5;
    /// The driver takes large TCP frames over IPv4.
    pub const GUEST_TSO4: u64 = 1 << 7;
    /// The driver takes large TCP frames over IPv6.
    pub const GUEST_TSO6: u64 = 1 << 8;
    /// The driver takes large TCP frames with CWR.
    pub const GUEST_ECN: u64 = 1 << 9;
    /// The device cuts large TCP frames over IPv4.
    pub const HOST_TSO4: u64 = 1 << 11;
    /// The device cuts large TCP frames over IPv6.
    pub const HOST_TSO6: u64 = 1 << 12;
    /// The device cuts large TCP frames with CWR.
    pub const HOST_ECN: u64 = 1 << 13;
    /// A received frame may lie in several buffers.
    pub const MRG_RXBUF: u64 = 1 << 15;
    /// The link's state is in the configuration.
    pub const STATUS: u64 = 1 << 16;
    /// Notifications are asked for by index.
    pub const EVENT_IDX: u64 = 1 << 29;
    /// The device follows virtio 1.0 or later.
    pub const VERSION_1: u64 = 1 << 32;
}

use feature::*;

/// What a card takes whenever it is offered.
const ALWAYS: u64 = VERSION_1 | EVENT_IDX | MRG_RXBUF | MAC | STATUS | MTU;

/// What one card offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Feature bits.
    pub features: u64,
    /// Entries of its transmit ring.
    pub transmit_size: u16,
}

/// What one card settles on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted(u64);

impl Accepted {
    /// Feature bits.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Whether all bits of `feature` are settled on.
    #[must_use]
    pub const fn has(self, feature: u64) -> bool {
        self.0 & feature == feature
    }

    pub(crate) const fn notify(self) -> Notify {
        if self.has(EVENT_IDX) {
            Notify::EventIndex
        } else {
            Notify::Flags
        }
    }

    pub(crate) const fn allowed(self) -> Allowed {
        Allowed {
            partial: self.has(GUEST_CSUM),
            tcp4: self.has(GUEST_TSO4),
            tcp6: self.has(GUEST_TSO6),
            ecn: self.has(GUEST_ECN),
        }
    }
}

/// Settles the features of all cards, in the order of their offers.
///
/// `buffer_bytes` is the size of the pool's buffers.
#[must_use]
pub fn negotiate(offers: &[Offer], buffer_bytes: usize) -> Vec<Accepted> {
    let sendable = offers.iter().fold(u64::MAX, |all, offer| {
        all & host_features(offer, buffer_bytes)
    });
    offers
        .iter()
        .map(|offer| accept(offer, sendable, buffer_bytes))
        .collect()
}

/// Buffers a received frame may take: the largest frame and a header, one more for a ragged start.
#[must_use]
pub const fn max_parts(buffer_bytes: usize) -> usize {
    (crate::MAX_FRAME_BYTES + crate::HEADER_BYTES).div_ceil(buffer_bytes) + 1
}

/// What a card can do to frames it sends, of what depends on each other only what is complete.
fn host_features(offer: &Offer, buffer_bytes: usize) -> u64 {
    let mut features = offer.features & (CSUM | HOST_TSO4 | HOST_TSO6 | HOST_ECN);
    let longest = offer.transmit_size - own_share(offer.transmit_size);
    if features & CSUM == 0 || usize::from(longest) < max_parts(buffer_bytes) {
        features &= CSUM;
    }
    if features & (HOST_TSO4 | HOST_TSO6) == 0 {
        features &= !HOST_ECN;
    }
    features
}

/// What a card settles on when all cards can send `sendable`.
fn accept(offer: &Offer, sendable: u64, buffer_bytes: usize) -> Accepted {
    let mut wanted = ALWAYS | host_features(offer, buffer_bytes);
    if sendable & CSUM != 0 {
        wanted |= GUEST_CSUM;
    }
    if offer.features & MRG_RXBUF != 0 && offer.features & GUEST_CSUM != 0 {
        wanted |= guest_tso(sendable);
    }
    let mut features = offer.features & wanted;
    if features & (GUEST_TSO4 | GUEST_TSO6) == 0 {
        features &= !GUEST_ECN;
    }
    Accepted(features)
}

/// The large frames to take in when all cards can send `sendable`.
fn guest_tso(sendable: u64) -> u64 {
    [
        (HOST_TSO4, GUEST_TSO4),
        (HOST_TSO6, GUEST_TSO6),
        (HOST_ECN, GUEST_ECN),
    ]
    .iter()
    .filter(|(host, _)| sendable & host != 0)
    .fold(0, |all, (_, guest)| all | guest)
}
