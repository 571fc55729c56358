//! How a flow begins: limits, room, lease, and only then the table.

use sekisho_config::model::{Behavior, Filtering, TcpPickup};

use crate::ZoneId;
use crate::address::Address;
use crate::conntrack::state::State;
use crate::conntrack::tcp;
use crate::conntrack::{Conntrack, Overlapping};
use crate::flow::{Flow, FlowId, Reading};
use crate::key::{Endpoint, FlowKey, Protocol, Side};
use crate::mapping::{MappingId, Peers};
use crate::nat::choice::Choice;
use crate::nat::mappings::{Inside, has_leases};
use crate::nat::permits::Permit;
use crate::packet::{Content, Packet};
use crate::policy::{ForwardId, Generation};
use crate::stamp::Stamp;
use crate::table::Refused;
use crate::time::Tick;
use crate::verdict::DropReason;

/// ICMP's queries (RFC 792, RFC 950): only these can begin a flow.
const QUERIES: [u16; 4] = [8, 13, 15, 17];

/// A flow that all checks let pass; it lives on the stack until it is admitted.
#[derive(Clone, Copy, Debug)]
pub struct NewFlow {
    /// Its first packet, as it came in.
    pub original: FlowKey,
    /// Where it really goes: the destination, or what a forward or a mapping stands for.
    pub destination: Endpoint,
    /// The side it leaves by.
    pub egress: Side,
    /// What becomes of its source.
    pub source: Source,
    /// The policy that let it in.
    pub generation: Generation,
    /// The forward that invited it.
    pub forward: Option<ForwardId>,
}

impl NewFlow {
    /// The key of its answers, which go to `outside`.
    const fn reply(&self, outside: Endpoint) -> FlowKey {
        FlowKey {
            src: self.destination,
            dst: outside,
            protocol: self.original.protocol,
            side: self.egress,
        }
    }
}

/// What becomes of a new flow's source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// It stays as it is.
    Keep,
    /// It becomes an address that it has for itself, and keeps its port.
    OneToOne(Address),
    /// It becomes an address of ours in a zone, which it shares with others.
    Masquerade {
        /// The zone; of a hairpin that whose address was the destination.
        owner: ZoneId,
        /// Our address there.
        address: Address,
        /// How that NAT behaves.
        behavior: Behavior,
    },
}

/// What a new flow takes of translation.
struct Translation {
    /// Where answers to it go.
    outside: Endpoint,
    mapping: Option<MappingId>,
}

impl Conntrack {
    /// Enters a new flow, or says why there can be none; then nothing of it stays.
    pub fn admit(
        &mut self,
        new: &NewFlow,
        packet: &Packet,
        tick: Tick,
    ) -> Result<FlowId, DropReason> {
        let source = new.original.src.address;
        begins(packet, self.pickup)?;
        let counted = self.sources.counted(source, new.original.side);
        if !self.sources.may_open(counted) {
            return Err(DropReason::SourceLimit);
        }
        if !self.rates.may_open(source, new.original.side, tick.now) {
            return Err(DropReason::SourceRate);
        }
        self.make_room();
        let translation = self.translate(new, tick.random)?;
        match self.enter(new, &translation, packet, tick) {
            Ok(id) => {
                self.sources.opened(counted);
                self.rates.opened(source, new.original.side, tick.now);
                if let Some(forward) = new.forward {
                    self.forwards.take_turn(forward);
                }
                Ok(id)
            }
            Err(reason) => {
                if let Some(mapping) = translation.mapping {
                    self.mappings.release_unused(mapping);
                }
                Err(reason)
            }
        }
    }

    /// From three quarters full on, each new flow takes the place of the oldest that is half-open or closed.
    ///
    /// A few of those are left in peace as long as places are free, or no handshake could
    /// be completed while the table is full of established flows.
    fn make_room(&mut self) {
        let (live, capacity) = (self.table.len(), self.table.capacity());
        let is_full = live >= capacity;
        let spared = if is_full { 0 } else { capacity / 64 };
        if live >= capacity - capacity / 4
            && self.timers.transient() > spared
            && let Some(oldest) = self.timers.oldest_transient(&mut self.table)
        {
            self.revoke(oldest);
        }
    }

    fn translate(&mut self, new: &NewFlow, random: u64) -> Result<Translation, DropReason> {
        let protocol = new.original.protocol;
        match new.source {
            Source::Keep => Ok(Translation {
                outside: new.original.src,
                mapping: self.invited_by(new),
            }),
            Source::OneToOne(address) => Ok(Translation {
                outside: Endpoint {
                    address,
                    ..new.original.src
                },
                mapping: self.invited_by(new),
            }),
            // Only addresses tell such flows apart: a second host with the same peer clashes, and is refused.
            Source::Masquerade { address, .. } if !has_leases(protocol) => Ok(Translation {
                outside: Endpoint { address, port: 0 },
                mapping: None,
            }),
            Source::Masquerade {
                owner,
                address,
                behavior,
            } => {
                self.drawn += 1;
                match self.overlapping {
                    Overlapping::Never => self.map(new, (owner, address), &behavior, random),
                    Overlapping::ByPeer => self.share(new, (owner, address), &behavior, random),
                }
            }
        }
    }

    /// The outside endpoint of a mapping, which leases its port.
    fn map(
        &mut self,
        new: &NewFlow,
        (owner, address): (ZoneId, Address),
        behavior: &Behavior,
        random: u64,
    ) -> Result<Translation, DropReason> {
        let inside = Inside {
            protocol: new.original.protocol,
            side: new.original.side,
            endpoint: new.original.src,
            peers: Peers::with(new.original.dst, behavior.mapping),
        };
        let id = self
            .mappings
            .obtain(&inside, owner, address, behavior, random)?;
        let mapping = self.mappings.get(id).ok_or(DropReason::NatPortsExhausted)?;
        Ok(Translation {
            outside: mapping.outside,
            mapping: Some(id),
        })
    }

    /// An outside endpoint that no flow with the same peer has: answers tell such flows apart by their peer.
    ///
    /// ```text
    /// 10.99.0.2:40000 ─▶ 198.51.100.7:53     192.0.2.1:40000 ─▶ 198.51.100.7:53
    /// 10.99.0.3:40000 ─▶ 203.0.113.9:53      192.0.2.1:40000 ─▶ 203.0.113.9:53
    /// ```
    fn share(
        &self,
        new: &NewFlow,
        (owner, address): (ZoneId, Address),
        behavior: &Behavior,
        random: u64,
    ) -> Result<Translation, DropReason> {
        let protocol = new.original.protocol;
        let is_own = new.original.side == Side::OWN;
        let choice = Choice::new(protocol, new.original.src.port, behavior);
        let mut outside = choice
            .candidates(random)
            .map(|port| Endpoint { address, port });
        let is_free = |outside: &Endpoint| {
            // Our own services are whom reserved ports are for.
            (is_own || !self.mappings.is_reserved(protocol, owner, outside))
                // A port that is leased waits for an announced connection.
                && (self.mappings.is_empty()
                    || self.mappings.by_outside(protocol, outside).is_none())
                && self.table.is_vacant(&new.reply(*outside))
        };
        match outside.find(is_free) {
            Some(outside) => Ok(Translation {
                outside,
                mapping: None,
            }),
            None => Err(DropReason::NatPortsExhausted),
        }
    }

    /// The mapping by which a flow came in; it stays as long as the flow does.
    ///
    /// A forward's ports are leased to nobody.
    fn invited_by(&self, new: &NewFlow) -> Option<MappingId> {
        if new.forward.is_some()
            || new.original.dst == new.destination
            || !has_leases(new.original.protocol)
        {
            return None;
        }
        let id = self
            .mappings
            .by_outside(new.original.protocol, &new.original.dst)?;
        let mapping = self.mappings.get(id)?;
        (mapping.inside == new.destination).then_some(id)
    }

    fn enter(
        &mut self,
        new: &NewFlow,
        translation: &Translation,
        packet: &Packet,
        tick: Tick,
    ) -> Result<FlowId, DropReason> {
        let reply = new.reply(translation.outside);
        let mut flow = Flow::new(new.original, reply, new.generation, translation.mapping);
        flow.touch(Stamp::of(tick.now));
        if let Content::Tcp(segment) = &packet.content {
            if tcp::opens(segment) {
                flow.state = State::Tcp(tcp::State::SynSent);
                flow.windows.open(&mut flow.scales, segment);
            } else {
                flow.state = State::Tcp(tcp::State::PickedUp);
                flow.windows.pick_up(&mut flow.scales, segment);
            }
        }
        if self.is_control(new, flow.state) {
            flow.set_reading(Reading::Lines);
        }
        let id = self.table.insert(flow).map_err(|refused| match refused {
            Refused::Full => DropReason::FlowTableFull,
            Refused::Clash => DropReason::FlowClash,
        })?;
        if let Some(mapping) = translation.mapping {
            self.mappings.hold(mapping);
            let permit = self.permit(new, mapping);
            self.table.get_mut(id).set_permit(permit);
        }
        self.timers.start(id, tick.now, &mut self.table);
        Ok(id)
    }

    /// Whether a new flow is an FTP control connection, seen from its first segment on.
    fn is_control(&self, new: &NewFlow, state: State) -> bool {
        self.controls.are_at(new.original.protocol, new.destination)
            && state == State::Tcp(tcp::State::SynSent)
            && new.original.side != Side::OWN
            && new.egress != Side::OWN
    }

    /// What an inside endpoint sends to may send back (RFC 4787 section 5); what came in by itself opens nothing.
    fn permit(&mut self, new: &NewFlow, mapping: MappingId) -> Permit {
        match new.source {
            Source::Keep | Source::OneToOne(_) => Permit::None,
            Source::Masquerade { behavior, .. } => match behavior.filtering {
                Filtering::AddressDependent => {
                    let peer = new.original.dst.address;
                    self.permits.grant(mapping, peer)
                }
                Filtering::EndpointIndependent | Filtering::AddressAndPortDependent => Permit::None,
            },
        }
    }
}

/// Whether a packet can begin a flow.
fn begins(packet: &Packet, pickup: TcpPickup) -> Result<(), DropReason> {
    match &packet.content {
        Content::Tcp(segment) => match pickup {
            _ if tcp::opens(segment) => Ok(()),
            TcpPickup::Anywhere if tcp::continues(segment) => Ok(()),
            TcpPickup::Syn | TcpPickup::Anywhere => Err(DropReason::TcpNoFlow),
        },
        Content::IcmpQuery if packet.key.protocol == Protocol::ICMP => {
            match QUERIES.contains(&packet.key.dst.port) {
                true => Ok(()),
                false => Err(DropReason::IcmpUnrelated),
            }
        }
        Content::Udp | Content::IcmpQuery | Content::Other => Ok(()),
        Content::IcmpError { .. } => Err(DropReason::IcmpUnrelated),
        Content::IcmpOther => Err(DropReason::IcmpType),
        Content::Piece => Err(DropReason::FragmentInvalid),
    }
}
