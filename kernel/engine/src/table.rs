//! The flow table: a fixed number of flows, each found by either of its two keys.

use alloc::vec::Vec;

use crate::engine::{Foreseen, Foresight, GROUP};
use crate::flow::{Direction, Flow, FlowId};
use crate::hash::{Hasher, KeyV4};
use crate::index::Index;
use crate::key::FlowKey;
use crate::wheel::{Link, Links};

/// All flows.
#[derive(Debug)]
pub struct Table {
    flows: Flows,
    index: Index,
    hasher: Hasher,
    capacity: usize,
    free: Option<u32>,
    live: usize,
}

// A flow costs its two cache lines, and two entries of the index. What else a flow may hold (a mapping, a permit, its
// source's count) makes it 160 bytes at most: `sizing`'s tests add it up.
const _: () = assert!(
    Table::bytes(1 << 20) < 139 << 20,
    "bytes of a flow and its index entries"
);

/// The flows by number; those that are free are linked to each other.
#[derive(Debug)]
pub struct Flows(Vec<Flow>);

impl Links for Flows {
    fn link(&mut self, item: u32) -> &mut Link {
        &mut self.0[item as usize].link
    }
}

/// Why a flow cannot be entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// No place is free.
    Full,
    /// Another flow has one of its keys.
    Clash,
}

impl Table {
    /// A table for `capacity` flows. Places are written when they are first used, so a large
    /// table costs nothing at boot but its index.
    #[must_use]
    pub fn new(capacity: usize, hasher: Hasher) -> Self {
        Self {
            flows: Flows(Vec::with_capacity(capacity)),
            index: Index::new(capacity.saturating_mul(2), capacity.saturating_mul(2)),
            hasher,
            capacity,
            free: None,
            live: 0,
        }
    }

    /// Bytes that a table of so many flows takes.
    #[must_use]
    pub const fn bytes(capacity: usize) -> usize {
        capacity
            .saturating_mul(size_of::<Flow>())
            .saturating_add(Index::bytes(capacity.saturating_mul(2)))
    }

    /// How many flows it holds.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.live
    }

    /// How many flows it can hold.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.capacity
    }

    /// The flow of which `key` is one direction.
    #[must_use]
    pub fn find(&self, key: &FlowKey) -> Option<(FlowId, Direction)> {
        self.find_hashed(key, self.hasher.flow(key))
    }

    /// The same for IPv4, as a part of its caller's code: for what happens with every packet.
    #[inline(always)]
    pub fn find_v4(
        &self,
        key: &FlowKey,
        foresight: Option<&Foresight>,
    ) -> Option<(FlowId, Direction)> {
        let (src, dst) = (key.src.address.as_v4()?, key.dst.address.as_v4()?);
        let short = KeyV4::new(key, src, dst);
        let hash = match foresight {
            Some(foresight) if foresight.key == short => foresight.hash,
            Some(_) | None => self.hasher.key_v4(short),
        };
        self.find_hashed(key, hash)
    }

    /// The hash of a key.
    #[inline(always)]
    pub fn hash_of(&self, key: KeyV4) -> u64 {
        self.hasher.key_v4(key)
    }

    /// Reads ahead what lookups of a group's packets will read.
    ///
    /// No loop waits for a read of its own, so all of its reads are under way at once: a processor looks only some hundred
    /// instructions ahead.
    pub fn fetch(&self, group: &Foreseen) {
        for foresight in group {
            self.index.fetch(foresight.hash);
        }
        let flows: heapless::Vec<FlowId, GROUP> = group
            .iter()
            .filter_map(|foresight| self.likely(foresight.hash))
            .collect();
        for flow in flows {
            self.get(flow).fetch();
        }
    }

    /// The flow that a lookup under `hash` tries first, if the bucket in which it begins names one.
    #[inline]
    fn likely(&self, hash: u64) -> Option<FlowId> {
        Some(unpack(self.index.likely(hash)?).0)
    }

    #[inline(always)]
    fn find_hashed(&self, key: &FlowKey, hash: u64) -> Option<(FlowId, Direction)> {
        let entry = self.index.find(hash, |entry| {
            let (id, direction) = unpack(entry);
            self.flows.0[id.0 as usize].key(direction) == key
        })?;
        Some(unpack(entry))
    }

    /// A flow that is in the table.
    #[must_use]
    pub fn get(&self, id: FlowId) -> &Flow {
        &self.flows.0[id.0 as usize]
    }

    /// The same, to change it.
    pub fn get_mut(&mut self, id: FlowId) -> &mut Flow {
        &mut self.flows.0[id.0 as usize]
    }

    /// The flows as links of a wheel.
    pub fn links(&mut self) -> &mut Flows {
        &mut self.flows
    }

    /// Whether a flow with this key could be entered.
    #[must_use]
    pub fn is_vacant(&self, key: &FlowKey) -> bool {
        self.find(key).is_none()
    }

    /// Enters a flow under both its keys.
    pub fn insert(&mut self, flow: Flow) -> Result<FlowId, Refused> {
        let keys = [flow.key(Direction::Original), flow.key(Direction::Reply)];
        let hashes = keys.map(|key| self.hasher.flow(key));
        let is_taken = |(key, hash): (&FlowKey, u64)| self.find_hashed(key, hash).is_some();
        if keys[0] == keys[1] || keys.into_iter().zip(hashes).any(is_taken) {
            return Err(Refused::Clash);
        }
        let id = self.place(flow).ok_or(Refused::Full)?;
        for direction in [Direction::Original, Direction::Reply] {
            let hash = hashes[direction.index()];
            let entered = self.index.insert(hash, pack(id, direction));
            debug_assert!(entered, "the index has room for every flow");
        }
        self.live += 1;
        Ok(id)
    }

    /// Removes a flow, which must be in no wheel any more.
    pub fn remove(&mut self, id: FlowId) {
        for direction in [Direction::Original, Direction::Reply] {
            let hash = self.hasher.flow(self.get(id).key(direction));
            self.index.remove(hash, pack(id, direction));
        }
        self.flows.0[id.0 as usize].link = Link::free(self.free);
        self.free = Some(id.0);
        self.live -= 1;
    }

    /// The flow in place `index`, if there is one: for the rare walk over all flows.
    #[must_use]
    pub fn at(&self, index: usize) -> Option<FlowId> {
        let flow = self.flows.0.get(index)?;
        let id = FlowId(index as u32);
        let found = self.find(flow.key(Direction::Original));
        (found == Some((id, Direction::Original))).then_some(id)
    }

    /// How many places have ever been used.
    #[must_use]
    pub fn used(&self) -> usize {
        self.flows.0.len()
    }

    fn place(&mut self, flow: Flow) -> Option<FlowId> {
        if let Some(index) = self.free {
            let place = &mut self.flows.0[index as usize];
            self.free = place.link.next_free();
            *place = flow;
            return Some(FlowId(index));
        }
        let index = self.flows.0.len();
        if index >= self.capacity {
            return None;
        }
        self.flows.0.push(flow);
        Some(FlowId(index as u32))
    }
}

const fn pack(id: FlowId, direction: Direction) -> u32 {
    id.0 << 1 | direction.index() as u32
}

const fn unpack(entry: u32) -> (FlowId, Direction) {
    let direction = match entry & 1 {
        0 => Direction::Original,
        _ => Direction::Reply,
    };
    (FlowId(entry >> 1), direction)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ZoneId;
    use crate::key::{Endpoint, Protocol, Side};
    use crate::policy::Generation;
    use core::net::Ipv4Addr;

    fn side(index: usize) -> Side {
        Side::zone(ZoneId::new(index).expect("a zone"))
    }

    fn key(port: u16) -> FlowKey {
        FlowKey {
            src: Endpoint::new(Ipv4Addr::new(10, 99, 0, 2), port),
            dst: Endpoint::new(Ipv4Addr::new(198, 51, 100, 7), 53),
            protocol: Protocol::UDP,
            side: side(1),
        }
    }

    fn flow(port: u16) -> Flow {
        let key = key(port);
        Flow::new(key, key.reversed(side(0)), Generation::default(), None)
    }

    #[test]
    fn a_flow_is_found_by_both_keys_and_by_no_other_side() {
        let mut table = Table::new(4, Hasher::new([1, 2]));
        let id = table.insert(flow(1)).expect("room");
        assert_eq!(table.find(&key(1)), Some((id, Direction::Original)));
        let reply = key(1).reversed(side(0));
        assert_eq!(table.find(&reply), Some((id, Direction::Reply)));
        let elsewhere = FlowKey {
            side: side(2),
            ..reply
        };
        assert_eq!(table.find(&elsewhere), None);
    }

    #[test]
    fn what_a_lookup_tries_first_is_the_flow_that_it_finds() {
        let mut table = Table::new(4, Hasher::new([1, 2]));
        let ids = [1, 2, 3].map(|port| table.insert(flow(port)).expect("room"));
        for (id, port) in ids.into_iter().zip([1, 2, 3]) {
            for key in [key(port), key(port).reversed(side(0))] {
                let hash = table.hasher.flow(&key);
                assert_eq!(table.likely(hash), Some(id));
                assert_eq!(table.find_hashed(&key, hash).map(|(id, _)| id), Some(id));
            }
        }
        table.remove(ids[1]);
        assert_eq!(table.likely(table.hasher.flow(&key(2))), None);
    }

    #[test]
    fn a_full_table_refuses_and_a_removed_flow_makes_room() {
        let mut table = Table::new(2, Hasher::new([1, 2]));
        let first = table.insert(flow(1)).expect("room");
        table.insert(flow(2)).expect("room");
        assert_eq!(table.insert(flow(3)), Err(Refused::Full));
        table.remove(first);
        assert_eq!(table.find(&key(1)), None);
        assert_eq!(table.at(0), None);
        table.insert(flow(3)).expect("room again");
        assert_eq!(table.len(), 2);
    }

    #[test]
    fn a_key_belongs_to_one_flow_only() {
        let mut table = Table::new(4, Hasher::new([1, 2]));
        table.insert(flow(1)).expect("room");
        assert_eq!(table.insert(flow(1)), Err(Refused::Clash));
        let other = FlowKey {
            side: side(2),
            ..key(1)
        };
        let clashing = Flow::new(other, key(1).reversed(side(0)), Generation::default(), None);
        assert_eq!(table.insert(clashing), Err(Refused::Clash));
        assert_eq!(table.len(), 1);
    }
}
