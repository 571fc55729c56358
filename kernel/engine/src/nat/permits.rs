//! Which peers' addresses an inside endpoint has sent to: the memory of address-dependent filtering (RFC 4787 section 5).
//!
//! Each outbound flow of a mapping permits its peer's address while it lives. When
//! there is no room to remember one more, that peer is admitted by the flow itself
//! and no further: the filter gets narrower, never wider.

use alloc::vec::Vec;

use crate::address::Address;
use crate::hash::Hasher;
use crate::index::Index;
use crate::mapping::MappingId;

/// All permits.
#[derive(Debug)]
pub struct Permits {
    slots: Vec<Slot>,
    capacity: usize,
    free: Option<u32>,
    live: usize,
    index: Index,
    hasher: Hasher,
}

#[derive(Clone, Debug)]
enum Slot {
    Used {
        mapping: u32,
        peer: Address,
        flows: u32,
    },
    Free(Option<u32>),
}

/// Whether a flow holds a permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permit {
    /// It does, and gives it back when it ends.
    Held,
    /// It needs none, or there was no room.
    None,
}

impl Permits {
    /// Room for `capacity` pairs of mapping and peer.
    #[must_use]
    pub fn new(capacity: usize, hasher: Hasher) -> Self {
        Self {
            slots: Vec::with_capacity(capacity),
            capacity,
            free: None,
            live: 0,
            index: Index::new(capacity, capacity),
            hasher,
        }
    }

    /// Bytes that so many pairs take.
    #[must_use]
    pub const fn bytes(capacity: usize) -> usize {
        capacity
            .saturating_mul(size_of::<Slot>())
            .saturating_add(Index::bytes(capacity))
    }

    /// How many pairs are remembered.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.live
    }

    /// Whether the mapping's inside endpoint has sent to this address.
    #[must_use]
    pub fn admits(&self, mapping: MappingId, peer: Address) -> bool {
        self.find(self.hash(mapping, peer), mapping, peer).is_some()
    }

    /// A flow of the mapping goes to this peer.
    pub fn grant(&mut self, mapping: MappingId, peer: Address) -> Permit {
        let hash = self.hash(mapping, peer);
        if let Some(index) = self.find(hash, mapping, peer) {
            if let Slot::Used { flows, .. } = &mut self.slots[index as usize] {
                *flows += 1;
            }
            return Permit::Held;
        }
        let Some(index) = self.place() else {
            return Permit::None;
        };
        self.slots[index as usize] = Slot::Used {
            mapping: mapping.0,
            peer,
            flows: 1,
        };
        let entered = self.index.insert(hash, index);
        debug_assert!(entered, "the index has room for every permit");
        self.live += 1;
        Permit::Held
    }

    /// A flow that held a permit has ended.
    pub fn give_back(&mut self, mapping: MappingId, peer: Address) {
        let hash = self.hash(mapping, peer);
        let Some(index) = self.find(hash, mapping, peer) else {
            return;
        };
        let Slot::Used { flows, .. } = &mut self.slots[index as usize] else {
            return;
        };
        *flows -= 1;
        if *flows > 0 {
            return;
        }
        self.index.remove(hash, index);
        self.slots[index as usize] = Slot::Free(self.free);
        self.free = Some(index);
        self.live -= 1;
    }

    fn hash(&self, of: MappingId, to: Address) -> u64 {
        self.hasher.address(to, of.0)
    }

    fn find(&self, hash: u64, of: MappingId, to: Address) -> Option<u32> {
        self.index
            .find(hash, |index| match &self.slots[index as usize] {
                Slot::Used { mapping, peer, .. } => *mapping == of.0 && *peer == to,
                Slot::Free(_) => false,
            })
    }

    fn place(&mut self) -> Option<u32> {
        if let Some(index) = self.free {
            if let Slot::Free(next) = self.slots[index as usize] {
                self.free = next;
            }
            return Some(index);
        }
        if self.slots.len() >= self.capacity {
            return None;
        }
        self.slots.push(Slot::Free(None));
        Some((self.slots.len() - 1) as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::Ipv4Addr;

    fn peer(last: u8) -> Address {
        Ipv4Addr::new(198, 51, 100, last).into()
    }

    #[test]
    fn a_permit_lasts_as_long_as_one_flow_to_that_peer() {
        let mut permits = Permits::new(4, Hasher::new([1, 2]));
        let mapping = MappingId(3);
        permits.grant(mapping, peer(1));
        permits.grant(mapping, peer(1));
        permits.give_back(mapping, peer(1));
        assert!(permits.admits(mapping, peer(1)));
        assert!(!permits.admits(mapping, peer(2)));
        assert!(!permits.admits(MappingId(4), peer(1)));
        permits.give_back(mapping, peer(1));
        assert!(!permits.admits(mapping, peer(1)));
        assert_eq!(permits.len(), 0);
    }

    #[test]
    fn without_room_the_filter_gets_narrower() {
        let mut permits = Permits::new(1, Hasher::new([1, 2]));
        let mapping = MappingId(0);
        assert_eq!(permits.grant(mapping, peer(1)), Permit::Held);
        assert_eq!(permits.grant(mapping, peer(2)), Permit::None);
        assert!(!permits.admits(mapping, peer(2)));
        permits.give_back(mapping, peer(1));
        assert_eq!(permits.grant(mapping, peer(2)), Permit::Held);
    }
}
