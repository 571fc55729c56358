//! Where frames come in: plain packets are offered the short way ([`short`](super::short)), all others take the long one.
//!
//! ```text
//! receive ─┬─ plain ─ lookup ─┬─ known ─ short way ─┬─ taken
//!          │                  │                     └─ changes the flow's state ─ second short way ─┬─ taken
//!          │                  │                                                                     └─ long way
//!          │                  └─ new ─── admit ─ second short way's end, or the long way's
//!          └─ other ─ long way
//! ```

use crate::engine::admit::Admission;
use crate::engine::{Engine, Foresight, Step};
use crate::flow::{Direction, FlowId};
use crate::fragment::Visit;
use crate::frame::Frame;
use crate::key::Side;
use crate::packet::Packet;
use crate::parse::ETHERNET;
use crate::verdict::{Egress, Verdict};
use crate::{Tick, ZoneId};

/// What became of a plain packet.
enum Offer {
    /// The short way took it.
    Taken(Egress),
    /// It went on as other packets do.
    Decided(Step<Verdict>),
}

impl Engine {
    /// Takes a frame that came in by a zone's card.
    pub fn receive(&mut self, ingress: ZoneId, frame: &mut Frame<'_>, tick: Tick) -> Verdict {
        self.take(ingress, frame, None, tick)
    }

    #[inline(always)]
    pub(super) fn take(
        &mut self,
        ingress: ZoneId,
        frame: &mut Frame<'_>,
        foresight: Option<&Foresight>,
        tick: Tick,
    ) -> Verdict {
        let side = Side::zone(ingress);
        self.counters.arrived(side);
        let step = match self.plain(side, frame) {
            Some(packet) => match self.plain_ip(frame, packet, foresight, tick) {
                Offer::Taken(egress) => {
                    self.counters.forwarded_plain(egress.zone());
                    return Verdict::Forward(egress);
                }
                Offer::Decided(step) => step,
            },
            None => self.process(side, frame, Visit::First, tick),
        };
        self.decide(step)
    }

    /// Offers a plain packet the short way.
    #[inline(always)]
    fn plain_ip(
        &mut self,
        frame: &mut Frame<'_>,
        packet: Packet,
        foresight: Option<&Foresight>,
        tick: Tick,
    ) -> Offer {
        let found = self.conntrack.find_plain(&packet.key, foresight);
        // Copies, so that the packet of the short way need not lie in memory.
        match found {
            Some(found) => match self.short_way(frame, &packet, found, tick) {
                Some(egress) => Offer::Taken(egress),
                None => Offer::Decided(self.familiar(frame, &{ packet }, found, tick)),
            },
            None => Offer::Decided(self.stranger(frame, &{ packet }, tick)),
        }
    }

    /// A plain packet of a known flow that the first short way did not take.
    #[inline(never)]
    fn familiar(
        &mut self,
        frame: &mut Frame<'_>,
        packet: &Packet,
        found: (FlowId, Direction),
        tick: Tick,
    ) -> Step<Verdict> {
        match self.conntrack.unless_replaced(found, packet) {
            Some(flow) => match self.short_turn(frame, packet, flow, tick) {
                Some(egress) => Ok(Verdict::Forward(egress)),
                None => {
                    frame.truncate(ETHERNET + usize::from(packet.ip_len));
                    self.known(frame, packet, flow, tick)
                }
            },
            None => self.stranger(frame, packet, tick),
        }
    }

    /// A plain packet of no flow.
    #[inline(never)]
    fn stranger(&mut self, frame: &mut Frame<'_>, packet: &Packet, tick: Tick) -> Step<Verdict> {
        frame.truncate(ETHERNET + usize::from(packet.ip_len));
        let flow = match self.admit(frame, packet, tick)? {
            Admission::Flow(id) => (id, Direction::Original),
            Admission::Ended(verdict) => return Ok(verdict),
        };
        match self.short_departure(frame, packet, flow, tick) {
            Some(egress) => Ok(Verdict::Forward(egress)),
            None => self.forward(frame, packet, flow, tick),
        }
    }
}
