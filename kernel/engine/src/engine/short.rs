//! The short way: a plain packet of a known flow, in one go.
//!
//! ```text
//! read ─ lookup ─┬─ known ─ policy ─ way out ─ TTL, MTU ─ neighbour ─ state and window ─ rewrite
//!                └─ new ─── admit
//! ```
//!
//! It makes every check of the long way ([`crate::engine`]), in the order that costs least, and changes nothing before the last one has
//! passed. Whatever is not plain ([`crate::plain`]) takes the long way from its start; what is, but fails a check or opens or closes something,
//! takes it from behind the parser. There it is decided what becomes of it: so nothing here drops, answers, holds or logs. A test
//! drives two engines through the same random traffic, one of them without this way.

use crate::Tick;
use crate::engine::Engine;
use crate::engine::forward::is_too_big;
use crate::flow::{Direction, FlowId};
use crate::frame::Frame;
use crate::interface::{Interface, Link};
use crate::key::{Protocol, Side};
use crate::packet::Packet;
use crate::plain;
use crate::verdict::{Egress, Verdict};

/// Which packets may take the short way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ShortWay {
    /// Those that can.
    Open,
    /// None.
    Closed,
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

    /// Forwards a plain packet of a known flow; `None`: nothing has happened yet.
    #[inline(always)]
    pub(super) fn short_way(
        &mut self,
        frame: &mut Frame<'_>,
        packet: &Packet,
        (id, direction): (FlowId, Direction),
        tick: Tick,
    ) -> Option<Verdict> {
        let flow = self.conntrack.flow(id);
        if flow.generation() != self.policy.generation() || flow.is_attended() {
            return None;
        }
        let (src, dst, way) = flow.rewritten(direction);
        let (from, to) = (src.address.as_v4()?, dst.address.as_v4()?);
        let zone = way.as_zone()?;
        let egress = self.interfaces.get(zone).filter(is_open)?;
        if packet.ttl <= 1 || is_too_big(frame, packet, egress.mtu) {
            return None;
        }
        let hop = self.routes.lookup(to).filter(|hop| hop.zone == zone)?;
        let neighbor = flow.neighbor(direction)?;
        let mac = self
            .neighbors
            .fresh(neighbor, zone, hop.neighbor(to), tick.now)?;
        self.conntrack.follow(id, direction, packet, tick.now)?;
        let ends = ((from, src.port), (to, dst.port));
        plain::write(frame, packet, ends, (mac, egress.mac))?;
        Some(Verdict::Forward(Egress::granted(zone)))
    }
}

fn is_open(interface: &&Interface) -> bool {
    interface.link == Link::Up && interface.own().is_some()
}

/// Whether a packet has a port of DHCP's as its destination: the box may have to take it, flow or not.
fn may_be_dhcp(packet: &Packet) -> bool {
    packet.key.protocol == Protocol::UDP && matches!(packet.key.dst.port, 67 | 68)
}
