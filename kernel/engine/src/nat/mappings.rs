//! All mappings: found by their inside endpoint and by their outside endpoint.
//!
//! A mapping exists while a flow uses it; its port is leased for exactly that long.

use alloc::vec::Vec;

use sekisho_config::Config;
use sekisho_config::model::{Behavior, PortRange, Service};

use crate::ZoneId;
use crate::address::Address;
use crate::hash::Hasher;
use crate::index::Index;
use crate::key::{Endpoint, Protocol, Side};
use crate::limits::Sources;
use crate::mapping::{Mapping, MappingId, Peers};
use crate::nat::choice::Choice;
use crate::nat::plan;
use crate::nat::ports::Ports;
use crate::verdict::DropReason;

/// UDP ports of the box's own DHCP, on every zone (RFC 2131 section 4.1).
const DHCP: PortRange = PortRange {
    first: 67,
    last: 68,
};

/// How many mappings one inside host may have: half of what an address has to give, so that
/// a host that opens everything leaves ports to the others.
const MAPPINGS_EACH: u32 = 32_256;

/// Protocols whose ports or identifiers are leased.
const LEASED: [Protocol; 3] = [Protocol::TCP, Protocol::UDP, Protocol::ICMP];

/// An inside endpoint that needs an outside one.
#[derive(Clone, Copy, Debug)]
pub struct Inside {
    /// TCP, UDP or ICMP; others have no ports to lease.
    pub protocol: Protocol,
    /// Where it is.
    pub side: Side,
    /// The host's own address and port.
    pub endpoint: Endpoint,
    /// For which of its peers.
    pub peers: Peers,
}

/// All mappings of all outside addresses.
#[derive(Debug)]
pub struct Mappings {
    slots: Vec<Slot>,
    capacity: usize,
    free: Option<u32>,
    live: usize,
    by_inside: Index,
    by_outside: Index,
    hasher: Hasher,
    hosts: Sources,
    /// For each zone's own address, and then for each of `sources`, one pool for each of [`LEASED`].
    ports: Vec<[Ports; 3]>,
    /// Addresses beside the zones' own that sources become.
    sources: Vec<(ZoneId, Address)>,
}

#[derive(Clone, Debug)]
enum Slot {
    Used(Mapping),
    Free(Option<u32>),
}

impl Mappings {
    /// Room for `capacity` mappings on the addresses of the configuration's zones.
    #[must_use]
    pub fn new(config: &Config, capacity: usize, hasher: Hasher) -> Self {
        let zones = || (0..config.zones.len()).filter_map(ZoneId::new);
        let sources: Vec<(ZoneId, Address)> = zones()
            .flat_map(|zone| {
                let addresses = plan::sources(config, zone).into_iter();
                addresses.map(move |address| (zone, address.into()))
            })
            .collect();
        let own =
            zones().map(|zone| LEASED.map(|protocol| Ports::new(reserved(config, zone, protocol))));
        // Forwards and our own services are at the zones' own addresses only.
        let others = sources
            .iter()
            .map(|_| LEASED.map(|_| Ports::new(Vec::new())));
        Self {
            slots: Vec::with_capacity(capacity),
            capacity,
            free: None,
            live: 0,
            by_inside: Index::new(capacity, capacity),
            by_outside: Index::new(capacity, capacity),
            hasher,
            hosts: Sources::new(capacity, MAPPINGS_EACH, hasher),
            ports: own.chain(others).collect(),
            sources,
        }
    }

    /// Bytes that so many mappings on so many zones take.
    #[must_use]
    pub const fn bytes(capacity: usize, zones: usize) -> usize {
        capacity
            .saturating_mul(size_of::<Slot>())
            .saturating_add(Index::bytes(capacity).saturating_mul(2))
            .saturating_add(Sources::bytes(capacity))
            .saturating_add(zones * LEASED.len() * Ports::BYTES)
    }

    /// How many mappings there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.live
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// How many ports are leased, over all addresses.
    #[must_use]
    pub fn leased(&self) -> u32 {
        self.ports.iter().flatten().map(Ports::leased).sum()
    }

    /// A mapping that is in use.
    #[must_use]
    pub fn get(&self, id: MappingId) -> Option<&Mapping> {
        match self.slots.get(id.0 as usize)? {
            Slot::Used(mapping) => Some(mapping),
            Slot::Free(_) => None,
        }
    }

    /// The mapping whose outside endpoint this is.
    #[must_use]
    pub fn by_outside(&self, protocol: Protocol, outside: &Endpoint) -> Option<MappingId> {
        let hash = self.outside_hash(protocol, outside);
        let found = self.by_outside.find(hash, |index| {
            self.get(MappingId(index))
                .is_some_and(|m| m.protocol == protocol && m.outside == *outside)
        });
        found.map(MappingId)
    }

    /// The mapping of an inside endpoint on `address`, which is zone `owner`'s: the one it has, or a new one.
    ///
    /// A new one has no flows; it must be held or dropped with [`release_unused`](Self::release_unused).
    pub fn obtain(
        &mut self,
        inside: &Inside,
        owner: ZoneId,
        address: Address,
        behavior: &Behavior,
        random: u64,
    ) -> Result<MappingId, DropReason> {
        let peers = self.peers_hash(inside.peers);
        let place = (inside.protocol, inside.side, Side::zone(owner));
        let hash = self.place_hash(place, &inside.endpoint, peers);
        if let Some(id) = self.by_inside(hash, inside, peers, (owner, address)) {
            return Ok(id);
        }
        if self.free.is_none() && self.slots.len() >= self.capacity {
            return Err(DropReason::NatPortsExhausted);
        }
        let counted = self.hosts.counted(inside.endpoint.address, inside.side);
        if !self.hosts.may_open(counted) {
            return Err(DropReason::SourceLimit);
        }
        let port = self.lease(inside, (owner, address), behavior, random)?;
        let mapping = Mapping {
            protocol: inside.protocol,
            inside_side: inside.side,
            inside: inside.endpoint,
            outside_side: Side::zone(owner),
            outside: Endpoint { address, port },
            peers,
            filtering: behavior.filtering,
            flows: 0,
        };
        self.hosts.opened(counted);
        Ok(self.enter(mapping, hash))
    }

    /// Whether a port of an address in zone `owner` is kept for a forward or a service of ours.
    #[must_use]
    pub fn is_reserved(&self, protocol: Protocol, owner: ZoneId, outside: &Endpoint) -> bool {
        let port = outside.port;
        self.pool(protocol, owner, outside.address)
            .is_none_or(|pool| pool.is_reserved(port))
    }

    /// One more flow uses the mapping.
    pub fn hold(&mut self, id: MappingId) {
        if let Some(Slot::Used(mapping)) = self.slots.get_mut(id.0 as usize) {
            mapping.flows += 1;
        }
    }

    /// A flow that used the mapping has ended.
    pub fn release(&mut self, id: MappingId) {
        if let Some(Slot::Used(mapping)) = self.slots.get_mut(id.0 as usize) {
            mapping.flows = mapping.flows.saturating_sub(1);
        }
        self.release_unused(id);
    }

    /// Ends a mapping that no flow uses, and with it its lease.
    pub fn release_unused(&mut self, id: MappingId) {
        let Some(&mapping) = self.get(id).filter(|mapping| mapping.flows == 0) else {
            return;
        };
        let hash = self.inside_hash(&mapping);
        self.by_inside.remove(hash, id.0);
        if let Some(owner) = mapping.outside_side.as_zone()
            && let Some(pool) = self.pool_mut(mapping.protocol, owner, mapping.outside.address)
        {
            pool.release(mapping.outside.port);
        }
        let hash = self.outside_hash(mapping.protocol, &mapping.outside);
        self.by_outside.remove(hash, id.0);
        let counted = self
            .hosts
            .counted(mapping.inside.address, mapping.inside_side);
        self.hosts.ended(counted);
        self.slots[id.0 as usize] = Slot::Free(self.free);
        self.free = Some(id.0);
        self.live -= 1;
    }

    fn by_inside(
        &self,
        hash: u64,
        inside: &Inside,
        peers: u32,
        (owner, address): (ZoneId, Address),
    ) -> Option<MappingId> {
        let found = self.by_inside.find(hash, |index| {
            self.get(MappingId(index)).is_some_and(|m| {
                m.protocol == inside.protocol
                    && m.inside_side == inside.side
                    && m.inside == inside.endpoint
                    && m.peers == peers
                    && m.outside_side == Side::zone(owner)
                    && m.outside.address == address
            })
        });
        found.map(MappingId)
    }

    fn lease(
        &mut self,
        inside: &Inside,
        (owner, address): (ZoneId, Address),
        behavior: &Behavior,
        random: u64,
    ) -> Result<u16, DropReason> {
        let (protocol, wanted) = (inside.protocol, inside.endpoint.port);
        let pool = self
            .pool_mut(protocol, owner, address)
            .ok_or(DropReason::NatPortsExhausted)?;
        // The box's own services are whom the port is reserved for.
        if inside.side == Side::OWN && pool.is_reserved(wanted) {
            return Ok(wanted);
        }
        pool.lease(Choice::new(protocol, wanted, behavior), random)
            .ok_or(DropReason::NatPortsExhausted)
    }

    /// Enters a mapping whose inside endpoint has that hash.
    fn enter(&mut self, mapping: Mapping, inside: u64) -> MappingId {
        let index = match self.free {
            Some(index) => {
                let slot = &mut self.slots[index as usize];
                if let Slot::Free(next) = slot {
                    self.free = *next;
                }
                *slot = Slot::Used(mapping);
                index
            }
            None => {
                self.slots.push(Slot::Used(mapping));
                (self.slots.len() - 1) as u32
            }
        };
        self.live += 1;
        let outside = self.outside_hash(mapping.protocol, &mapping.outside);
        let mut entered = self.by_outside.insert(outside, index);
        entered &= self.by_inside.insert(inside, index);
        debug_assert!(entered, "the indexes have room for every mapping");
        MappingId(index)
    }

    fn pool(&self, protocol: Protocol, owner: ZoneId, address: Address) -> Option<&Ports> {
        let which = LEASED.iter().position(|leased| *leased == protocol)?;
        self.ports.get(self.place(owner, address))?.get(which)
    }

    fn pool_mut(
        &mut self,
        protocol: Protocol,
        owner: ZoneId,
        address: Address,
    ) -> Option<&mut Ports> {
        let which = LEASED.iter().position(|leased| *leased == protocol)?;
        let place = self.place(owner, address);
        self.ports.get_mut(place)?.get_mut(which)
    }

    /// Where an address's pools are. A zone's own address may change, and keeps its pools.
    fn place(&self, owner: ZoneId, address: Address) -> usize {
        let mut sources = self.sources.iter();
        match sources.position(|source| *source == (owner, address)) {
            Some(index) => self.ports.len() - self.sources.len() + index,
            None => owner.index(),
        }
    }

    fn inside_hash(&self, mapping: &Mapping) -> u64 {
        let place = (mapping.protocol, mapping.inside_side, mapping.outside_side);
        self.place_hash(place, &mapping.inside, mapping.peers)
    }

    fn place_hash(
        &self,
        (protocol, side, outside): (Protocol, Side, Side),
        inside: &Endpoint,
        peers: u32,
    ) -> u64 {
        let space = [protocol.0, side.raw(), outside.raw(), 0];
        // Both are keyed; the factor (2^64 over the golden ratio) spreads the 32 bits over all 64.
        self.hasher.endpoint(inside, space) ^ u64::from(peers).wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }

    fn peers_hash(&self, peers: Peers) -> u32 {
        let (peer, kind) = match peers {
            Peers::All => return 0,
            Peers::Host(address) => (Endpoint { address, port: 0 }, 2),
            Peers::One(peer) => (peer, 3),
        };
        // 0 is all peers'.
        self.hasher.endpoint(&peer, [0, 0, 0, kind]) as u32 | 1
    }

    fn outside_hash(&self, protocol: Protocol, outside: &Endpoint) -> u64 {
        self.hasher.endpoint(outside, [protocol.0, 0, 0, 1])
    }
}

/// Whether a protocol's ports are leased; of others a host's address is all there is.
#[must_use]
pub fn has_leases(protocol: Protocol) -> bool {
    LEASED.contains(&protocol)
}

/// The ports of a zone's address that forwards and our own services listen on.
fn reserved(config: &Config, zone: ZoneId, protocol: Protocol) -> Vec<PortRange> {
    let forwards = config
        .forwards
        .iter()
        .filter(|forward| forward.from == zone);
    let services = forwards.flat_map(|forward| &forward.service);
    let mut ranges: Vec<PortRange> = services
        .filter_map(|service| match (service, protocol) {
            (Service::Tcp(ports), Protocol::TCP) | (Service::Udp(ports), Protocol::UDP) => {
                Some(*ports)
            }
            (Service::Tcp(_) | Service::Udp(_) | Service::Icmp(_) | Service::Protocol(_), _) => {
                None
            }
        })
        .collect();
    if protocol == Protocol::UDP {
        ranges.push(DHCP);
    }
    ranges
}
