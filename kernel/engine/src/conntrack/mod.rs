//! All that is remembered of conversations, behind one door.
//!
//! The pipeline asks [`Conntrack::lookup`] first. A packet of a known flow is
//! shown to [`Conntrack::observe`]; an unknown one goes the long way and, if
//! every check lets it pass, becomes a flow by [`Conntrack::admit`]. Until then
//! nothing is kept of it.
//!
//! * [`state`]: what a flow's state means for its timer.
//! * [`tcp`], [`window`]: TCP's state machine and sequence numbers.
//! * [`sizing`]: how large the tables are.
//! * [`crate::nat`]: mappings, leases, permits, forwards.

mod admit;
mod announced;
mod follow;
mod mediated;
mod pressure;
pub mod sizing;
pub mod state;
pub mod tcp;
mod timers;
pub mod window;

use core::time::Duration;

use sekisho_config::Config;
use sekisho_config::model::{Filtering, TcpPickup};

use crate::address::Address;
use crate::flow::{Direction, Flow, FlowId};
use crate::ftp::controls::Controls;
use crate::hash::Hasher;
use crate::key::{FlowKey, Protocol, Side};
use crate::limits::Sources;
use crate::mapping::Mapping;
use crate::nat::forwards::{Forwarded, Forwards};
use crate::nat::mappings::Mappings;
use crate::nat::permits::{Permit, Permits};
use crate::neighbor::NeighborId;
use crate::packet::{Content, Packet, Segment};
use crate::policy::Generation;
use crate::rates::Rates;
use crate::stamp::Stamp;
use crate::table::Table;
use crate::verdict::DropReason;
use crate::{Instant, ZoneId};

pub use admit::{NewFlow, Source};
pub use announced::{Announced, Place};
pub use sizing::Sizing;

use mediated::Mediated;
use pressure::Pressure;
use state::State;
use tcp::{Connection, Effect};
use timers::Timers;

/// How long a closed connection must have been silent before any SYN takes its place.
const TIME_WAIT: Duration = Duration::from_secs(60);

/// Flows, their timers, their mappings, and what was invited.
#[derive(Debug)]
pub struct Conntrack {
    table: Table,
    timers: Timers,
    mappings: Mappings,
    permits: Permits,
    sources: Sources,
    rates: Rates,
    pickup: TcpPickup,
    forwards: Forwards,
    overlapping: Overlapping,
    /// How often a random word was looked at.
    drawn: u64,
    mediated: Mediated,
    controls: Controls,
}

/// Whether flows to different peers may share an outside port (RFC 7857 section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Overlapping {
    /// A port is one mapping's.
    Never,
    /// A port is a flow's, together with its peer. There are no mappings and no leases.
    ByPeer,
}

/// What a packet from outside finds at one of our own addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inbound {
    /// A mapping that admits it, to this inside endpoint.
    Admitted(crate::key::Endpoint),
    /// A mapping that does not.
    Filtered,
    /// No mapping.
    Unmapped,
}

impl Conntrack {
    /// Tables for a checked configuration; `secret` keys their hashes.
    ///
    /// All memory is taken here.
    #[must_use]
    pub fn new(config: &Config, sizing: Sizing, secret: [u64; 2]) -> Self {
        let sizing = sizing.capped(config.limits.flows);
        let hasher = Hasher::new(secret);
        let half = u32::try_from(sizing.flows() / 2).unwrap_or(u32::MAX).max(1);
        let each = config.limits.flows_per_source.unwrap_or(half);
        Self {
            table: Table::new(sizing.flows(), hasher),
            timers: Timers::new(
                &config.timeouts,
                Pressure::new(&config.limits, sizing.flows()),
            ),
            mappings: Mappings::new(config, sizing.mappings(), hasher),
            permits: Permits::new(sizing.permits(), hasher),
            sources: Sources::new(sizing.flows(), each, hasher),
            rates: Rates::new(
                sizing.flows(),
                config.limits.new_flows_per_second_per_source,
                hasher,
            ),
            pickup: config.tcp_pickup,
            forwards: Forwards::new(config, hasher),
            overlapping: match config.nat.port_overlapping {
                true => Overlapping::ByPeer,
                false => Overlapping::Never,
            },
            drawn: 0,
            mediated: Mediated::new(config, sizing.flows()),
            controls: Controls::new(config, sizing.flows(), hasher),
        }
    }

    /// The flow that a packet belongs to.
    pub fn lookup(&mut self, packet: &Packet) -> Option<(FlowId, Direction)> {
        let found = self.find(&packet.key)?;
        self.unless_replaced(found, packet)
    }

    /// The flow that was found by a packet's key, if the packet belongs to it.
    ///
    /// A SYN that begins a new connection where a closed one still lingers ends that one
    /// and belongs to none (RFC 9293 section 3.10.7.4: TIME-WAIT). After a minute of silence any SYN does: by then
    /// endpoints begin anew (Linux's TIME-WAIT lasts as long), with numbers that may lie anywhere (RFC 6528).
    pub fn unless_replaced(
        &mut self,
        (id, direction): (FlowId, Direction),
        packet: &Packet,
    ) -> Option<(FlowId, Direction)> {
        if let Content::Tcp(segment) = &packet.content
            && tcp::opens(segment)
            && direction == Direction::Original
            && self.is_replaced_by(id, segment)
        {
            self.revoke(id);
            return None;
        }
        Some((id, direction))
    }

    /// The flow of which `key` is one direction, as an ICMP error quotes it.
    #[must_use]
    pub fn find(&self, key: &FlowKey) -> Option<(FlowId, Direction)> {
        self.table.find(key)
    }

    /// A flow that a lookup has named.
    #[must_use]
    pub fn flow(&self, id: FlowId) -> &Flow {
        self.table.get(id)
    }

    /// Takes a packet of a known flow: may it go on, and what does it change?
    pub fn observe(
        &mut self,
        id: FlowId,
        from: Direction,
        packet: &Packet,
        now: Instant,
    ) -> Result<(), DropReason> {
        let flow = self.table.get_mut(id);
        let before = flow.life();
        let refreshes = match (&packet.content, flow.state) {
            (Content::Tcp(segment), State::Tcp(state)) => {
                let mut connection = Connection {
                    state,
                    windows: &mut flow.windows,
                    scales: &mut flow.scales,
                };
                match connection.observe(from, segment)? {
                    Effect::Ignored => false,
                    Effect::Tracked(next) => {
                        flow.state = State::Tcp(next);
                        // RFC 7857 section 7.1: a RST keeps nothing alive. The first starts the closing time.
                        next != tcp::State::Reset || state != tcp::State::Reset
                    }
                }
            }
            (Content::Udp | Content::IcmpQuery | Content::Other, State::Unanswered) => {
                if from == Direction::Reply {
                    flow.state = State::Answered;
                }
                flow.is_outbound(from)
            }
            (Content::Udp | Content::IcmpQuery | Content::Other, State::Answered) => {
                flow.is_outbound(from)
            }
            // The rest of a datagram goes where its head went; errors neither refresh nor end (RFC 5508 REQ-6).
            (Content::Piece | Content::IcmpError { .. }, _) => false,
            (
                Content::Tcp(_)
                | Content::Udp
                | Content::IcmpQuery
                | Content::Other
                | Content::IcmpOther,
                _,
            ) => return Err(DropReason::TransportInvalid),
        };
        if refreshes {
            flow.touch(Stamp::of(now));
        }
        let after = flow.life();
        if before != after {
            self.timers.change(id, before, after, &mut self.table);
        }
        Ok(())
    }

    /// Whether an ICMP error about a flow quotes a segment that can be on its way (RFC 5927 section 4.1).
    ///
    /// `sent` is the direction of the quoted packet, `sequence` its TCP sequence number. Other
    /// protocols have nothing to compare.
    #[must_use]
    pub fn is_in_flight(&self, id: FlowId, sent: Direction, sequence: u32) -> bool {
        let flow = self.table.get(id);
        match flow.state {
            State::Tcp(_) => flow.windows.is_in_flight(sent, sequence),
            State::Unanswered | State::Answered => true,
        }
    }

    /// The forward that a packet of no flow to the address of zone `owner` asks for; of several servers the one whose turn it is.
    #[must_use]
    pub fn forward(&self, owner: ZoneId, key: &FlowKey) -> Option<Forwarded> {
        self.forwards.find(owner, key)
    }

    /// Whether a mapping on the address of side `outside` invites a packet in (RFC 4787 section 5).
    #[must_use]
    pub fn inbound(&self, outside: Side, key: &FlowKey) -> Inbound {
        if !matches!(key.protocol, Protocol::TCP | Protocol::UDP) {
            return Inbound::Unmapped;
        }
        let Some(id) = self.mappings.by_outside(key.protocol, &key.dst) else {
            return Inbound::Unmapped;
        };
        // A port that one of our own services leased invites nobody: what answers the service is a flow already.
        let Some(mapping) = self
            .mappings
            .get(id)
            .filter(|mapping| mapping.inside_side != Side::OWN)
        else {
            return Inbound::Unmapped;
        };
        // Hosts of one zone reach each other without us: filtering a hairpin between them protects nothing,
        // and two hosts that send to each other's outside endpoint at once would both wait for ever.
        if key.side == mapping.inside_side {
            return Inbound::Admitted(mapping.inside);
        }
        // From a third zone a hairpin counts as sent by the outside address that its source will get.
        let peer = match key.side == outside {
            true => key.src.address,
            false => key.dst.address,
        };
        let admitted = match mapping.filtering {
            Filtering::EndpointIndependent => true,
            Filtering::AddressDependent => self.permits.admits(id, peer),
            // Whoever is admitted already has a flow.
            Filtering::AddressAndPortDependent => false,
        };
        match admitted {
            true => Inbound::Admitted(mapping.inside),
            false => Inbound::Filtered,
        }
    }

    /// Remembers the neighbour that a direction's packets go to.
    pub fn remember_neighbor(&mut self, id: FlowId, direction: Direction, neighbor: NeighborId) {
        self.table
            .get_mut(id)
            .remember_neighbor(direction, neighbor);
    }

    /// A newer policy lets the flow stay.
    pub fn confirm(&mut self, id: FlowId, generation: Generation) {
        self.table.get_mut(id).confirm(generation);
    }

    /// Whether a forward, a mapping or a control connection invited the flow in, rather than a rule.
    #[must_use]
    pub fn is_invited(&self, id: FlowId) -> bool {
        let flow = self.table.get(id);
        flow.is_invited() || flow.is_announced()
    }

    /// Ends a flow, and with it its lease if it was the last of its mapping.
    pub fn revoke(&mut self, id: FlowId) {
        let flow = self.table.get(id);
        let control = flow.control();
        let (life, source) = (flow.life(), *flow.key(Direction::Original));
        if let Some(mapping) = flow.mapping() {
            if flow.permit() == Permit::Held {
                self.permits.give_back(mapping, source.dst.address);
            }
            self.mappings.release(mapping);
        }
        if let Some(control) = control {
            self.leave(control);
        }
        let counted = self.sources.counted(source.src.address, source.side);
        self.sources.ended(counted);
        self.timers.stop(id, life, &mut self.table);
        self.table.remove(id);
    }

    /// Ends every flow that is translated to or from an address which is ours no more, or that it began.
    ///
    /// It walks over the whole table: for the rare case that a zone's address changes.
    pub fn forget_address(&mut self, address: Address) {
        for index in 0..self.table.used() {
            let Some(id) = self.table.at(index) else {
                continue;
            };
            let flow = self.table.get(id);
            let original = flow.key(Direction::Original);
            let reply = flow.key(Direction::Reply);
            if [original.src, original.dst, reply.dst]
                .iter()
                .any(|end| end.address == address)
            {
                self.revoke(id);
            }
        }
    }

    /// Ends flows whose time has come, a bounded number in one call; how many it looked at.
    pub fn expire(&mut self, now: Instant) -> usize {
        let mut seen = self.stop_expecting(now);
        while seen < timers::AT_ONCE
            && let Some(early) = self.timers.early(now, &mut self.table)
        {
            seen += 1;
            self.revoke(early);
        }
        while seen < timers::AT_ONCE
            && let Some(due) = self.timers.pop_due(now, &mut self.table)
        {
            seen += 1;
            match due {
                timers::Due::Expired(id) => self.revoke(id),
                timers::Due::Refreshed => {}
            }
        }
        seen
    }

    /// When [`expire`](Self::expire) next has something to do.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        let dues = [self.timers.due(), self.controls.due()];
        dues.into_iter().flatten().min()
    }

    /// How many flows there are.
    #[must_use]
    pub const fn flows(&self) -> usize {
        self.table.len()
    }

    /// How many flows there can be.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.table.capacity()
    }

    /// How many mappings there are.
    #[must_use]
    pub const fn mappings(&self) -> usize {
        self.mappings.len()
    }

    /// How many outside ports are leased.
    #[must_use]
    pub fn leases(&self) -> u32 {
        self.mappings.leased()
    }

    /// How many pairs of a mapping and a peer are remembered.
    #[must_use]
    pub const fn permits(&self) -> usize {
        self.permits.len()
    }

    /// How many flows are counted to their sources: as many as there are.
    #[must_use]
    pub fn counted(&self) -> u64 {
        self.sources.total()
    }

    /// How often a tick's random word was looked at.
    #[must_use]
    pub const fn drawn(&self) -> u64 {
        self.drawn
    }

    /// The mapping that a flow uses.
    #[must_use]
    pub fn mapping(&self, id: FlowId) -> Option<&Mapping> {
        self.mappings.get(self.table.get(id).mapping()?)
    }

    fn is_replaced_by(&self, id: FlowId, syn: &Segment) -> bool {
        let flow = self.table.get(id);
        match flow.state {
            State::Tcp(tcp::State::Reset) => true,
            State::Tcp(tcp::State::Closed) => {
                flow.windows.is_beyond(syn.seq) || self.timers.has_passed(flow.stamp(), TIME_WAIT)
            }
            // The client has begun anew before the server answered us.
            State::Tcp(tcp::State::SynSent) => flow.is_renumbered(),
            State::Tcp(_) | State::Unanswered | State::Answered => false,
        }
    }
}

#[cfg(test)]
mod kinds_tests;
#[cfg(test)]
mod lifetime_tests;
#[cfg(test)]
mod shortage_tests;
#[cfg(test)]
mod tests;
