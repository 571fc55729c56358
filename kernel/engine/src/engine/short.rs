//! The short way: a plain packet of a known flow, in one go.
//!
//! ```text
//! read ─ lookup ─┬─ known ─ policy ─ way out ─ TTL, MTU ─ neighbour ─ state and window ─ rewrite
//!                └─ new ─── admit
//! ```
//!
//! It makes every check of the long way ([`crate::engine`]), in the order that costs least, and changes nothing before the last one has
//! passed. Whatever is not plain ([`crate::plain`]) takes the long way from its start; what is, but fails a check, takes it from behind the
//! parser. There it is decided what becomes of it: so nothing here drops, answers, holds or logs. A test
//! drives two engines through the same random traffic, one of them without this way.
//!
//! There are two of it. [`Engine::short_way`] is a part of its caller's code, for packets that leave their flow's state as it is.
//! [`Engine::short_turn`] is for those that change it, which are the first answers, handshakes and ends.

use core::net::Ipv4Addr;

use crate::engine::Engine;
use crate::engine::forward::is_too_big;
use crate::flow::{Direction, Flow, FlowId};
use crate::frame::Frame;
use crate::interface::{Interface, Link};
use crate::key::{Protocol, Side};
use crate::neighbor::{Mac, NeighborId};
use crate::packet::{Content, Packet};
use crate::plain;
use crate::rewrite::limit_segments;
use crate::verdict::Egress;
use crate::{Tick, ZoneId};

/// Which packets may take the short way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ShortWay {
    /// Those that can.
    Open,
    /// None.
    Closed,
}

/// How a packet leaves.
struct Out {
    zone: ZoneId,
    /// The neighbour's address.
    hop: Ipv4Addr,
    /// The neighbour, if the flow remembers one.
    neighbor: Option<NeighborId>,
    /// Source and destination.
    ends: ((Ipv4Addr, u16), (Ipv4Addr, u16)),
    /// Those of our card there.
    mac: Mac,
    mtu: u16,
}

impl Engine {
    /// Sends every packet the long way from now on: for tests that compare both.
    pub fn close_short_way(&mut self) {
        self.short_way = ShortWay::Closed;
    }

    /// Reads a plain packet that came in by a cable that is plugged in.
    #[inline(always)]
    pub(super) fn plain(&self, side: Side, frame: &Frame<'_>) -> Option<Packet> {
        if self.short_way == ShortWay::Closed {
            return None;
        }
        let ingress = self.interfaces.get(side.as_zone()?)?;
        if ingress.link == Link::Down {
            return None;
        }
        let packet = plain::read(frame, side, &ingress.mac)?;
        (!may_be_dhcp(&packet)).then_some(packet)
    }

    /// Whether the present policy has looked at a flow, and nothing else wants to look at its packets.
    #[inline(always)]
    fn is_settled(&self, flow: &Flow) -> bool {
        flow.generation() == self.policy.generation() && !flow.is_attended()
    }

    /// Forwards a plain packet of a known flow that leaves its state as it is; `None`: nothing has happened yet.
    #[inline(always)]
    pub(super) fn short_way(
        &mut self,
        frame: &mut Frame<'_>,
        packet: &Packet,
        (id, direction): (FlowId, Direction),
        tick: Tick,
    ) -> Option<Egress> {
        if opens_or_closes(packet) {
            return None;
        }
        let out = self.way_out(frame, packet, (id, direction))?;
        let neighbor = out.neighbor?;
        let mac = self
            .neighbors
            .fresh(neighbor, out.zone, out.hop, tick.now)?;
        self.conntrack.follow(id, direction, packet, tick.now)?;
        plain::write(frame, packet, out.ends, (mac, out.mac))?;
        Some(Egress::granted(out.zone))
    }

    /// The same for one that may change it. A SYN that begins another flow has been told apart.
    pub(super) fn short_turn(
        &mut self,
        frame: &mut Frame<'_>,
        packet: &Packet,
        (id, direction): (FlowId, Direction),
        tick: Tick,
    ) -> Option<Egress> {
        let way = self.known_way(frame, packet, (id, direction), tick)?;
        let seen = self.conntrack.observe(id, direction, packet, tick.now);
        seen.ok()?;
        self.depart(frame, packet, (id, direction), &way)
    }

    /// The same for one that has just begun its flow.
    pub(super) fn short_departure(
        &mut self,
        frame: &mut Frame<'_>,
        packet: &Packet,
        flow: (FlowId, Direction),
        tick: Tick,
    ) -> Option<Egress> {
        let way = self.known_way(frame, packet, flow, tick)?;
        self.depart(frame, packet, flow, &way)
    }

    /// How a packet leaves and to which neighbour, if nothing but its flow's state can speak against it.
    #[inline(always)]
    fn known_way(
        &mut self,
        frame: &Frame<'_>,
        packet: &Packet,
        flow: (FlowId, Direction),
        tick: Tick,
    ) -> Option<(Out, NeighborId, Mac)> {
        let out = self.way_out(frame, packet, flow)?;
        let (neighbor, mac) = match out.neighbor {
            Some(id) => (id, self.neighbors.fresh(id, out.zone, out.hop, tick.now)?),
            None => self.neighbors.known(out.zone, out.hop, tick.now)?,
        };
        Some((out, neighbor, mac))
    }

    #[inline(always)]
    fn depart(
        &mut self,
        frame: &mut Frame<'_>,
        packet: &Packet,
        (id, direction): (FlowId, Direction),
        (out, neighbor, mac): &(Out, NeighborId, Mac),
    ) -> Option<Egress> {
        if out.neighbor.is_none() {
            self.conntrack.remember_neighbor(id, direction, *neighbor);
        }
        limit_segments(frame, packet, out.mtu)?;
        plain::write(frame, packet, out.ends, (*mac, out.mac))?;
        Some(Egress::granted(out.zone))
    }

    /// How a packet leaves, if nothing but its neighbour or its flow's state can speak against it.
    #[inline(always)]
    fn way_out(
        &self,
        frame: &Frame<'_>,
        packet: &Packet,
        (id, direction): (FlowId, Direction),
    ) -> Option<Out> {
        let flow = self.conntrack.flow(id);
        if !self.is_settled(flow) {
            return None;
        }
        let (src, dst, way) = flow.rewritten(direction);
        let (from, to) = (src.address.as_v4()?, dst.address.as_v4()?);
        let zone = way.as_zone()?;
        let egress = self.interfaces.get(zone).filter(is_open)?;
        if !may_go_on(frame, packet, egress) {
            return None;
        }
        let hop = self.routes.lookup(to).filter(|hop| hop.zone == zone)?;
        Some(Out {
            zone,
            hop: hop.neighbor(to),
            neighbor: flow.neighbor(direction),
            ends: ((from, src.port), (to, dst.port)),
            mac: egress.mac,
            mtu: egress.mtu,
        })
    }
}

/// Whether a packet may come a hop further, as it is.
#[inline(always)]
fn may_go_on(frame: &Frame<'_>, packet: &Packet, egress: &Interface) -> bool {
    packet.ttl > 1 && !is_too_big(frame, packet, egress.mtu)
}

fn is_open(interface: &&Interface) -> bool {
    interface.link == Link::Up && interface.own().is_some()
}

/// Whether a packet is a segment that opens or closes a connection.
#[inline(always)]
fn opens_or_closes(packet: &Packet) -> bool {
    matches!(&packet.content, Content::Tcp(segment) if !segment.flags.only_acknowledges())
}

/// Whether a packet has a port of DHCP's as its destination: the box may have to take it, flow or not.
fn may_be_dhcp(packet: &Packet) -> bool {
    packet.key.protocol == Protocol::UDP && matches!(packet.key.dst.port, 67 | 68)
}
