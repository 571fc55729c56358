//! ICMP errors about flows: they go where the packet came from that they quote.
//!
//! An error neither refreshes nor ends a flow (RFC 5508 REQ-6, RFC 5382 REQ-10).

use crate::engine::{Engine, Step};
use crate::flow::{Direction, FlowId};
use crate::frame::Frame;
use crate::key::Endpoint;
use crate::packet::{Content, Packet};
use crate::quote::{self, Quote};
use crate::shift::Inside;
use crate::verdict::{DropReason, Verdict};
use crate::{Tick, ZoneId};

/// The smallest MTU that a router may claim (RFC 791 section 3.2); less is a lie.
const LEAST_MTU: u16 = 68;

/// How an error and what it quotes look when they leave.
pub(super) struct Related {
    pub(super) src: Endpoint,
    pub(super) dst: Endpoint,
    pub(super) quote: Quote,
    pub(super) quoted: (Endpoint, Endpoint),
    pub(super) zone: ZoneId,
}

impl Engine {
    /// Translates an error and what it quotes, and sends it on (RFC 5508 REQ-4, REQ-5).
    pub(super) fn related(
        &mut self,
        frame: &mut Frame<'_>,
        error: &Packet,
        tick: Tick,
    ) -> Step<Verdict> {
        self.check_reporter(error)?;
        let mut quote = quote::parse(frame, error)?;
        // An error goes to the sender of what it quotes; one to somebody else is made up.
        if error.key.dst.address != quote.key.src.address {
            return Err(DropReason::IcmpUnrelated);
        }
        let incoming = quote.incoming(error.key.side);
        let (id, direction) = self
            .conntrack
            .find(&incoming)
            .ok_or(DropReason::IcmpUnrelated)?;
        self.review(id)?;
        let sent = direction.opposite();
        let shift = self.conntrack.shift(id, sent);
        if let Some(seq) = quote.sequence.filter(|_| !shift.is_none()) {
            quote.renumbered = Some(shift.back(seq, Inside::Begin));
        }
        self.check_plausible(frame, error, &quote, (id, direction))?;

        // The quoted packet left by this side; as it came in, it looked like the other key.
        let sent = *self.conntrack.flow(id).key(sent);
        let (src, _, _) = self.conntrack.flow(id).rewritten(direction);
        let from = if error.key.src.address == incoming.src.address {
            src.address
        } else {
            self.masked(error, (id, direction))
        };
        let Some(zone) = sent.side.as_zone() else {
            return Ok(Verdict::Absorbed);
        };
        self.check_transit(frame, error, zone, tick)?;
        let host = |address| Endpoint { address, port: 0 };
        let related = Related {
            src: host(from),
            dst: host(sent.src.address),
            quote,
            quoted: (sent.src, sent.dst),
            zone,
        };
        self.send_related(frame, error, &related, tick)
    }

    /// Whoever reports must be able to be where the error came from.
    ///
    /// Private addresses are no offence: many a provider's routers have them, and path MTU discovery needs their errors.
    fn check_reporter(&self, error: &Packet) -> Step<()> {
        let src = error.key.src.address.as_v4().ok_or(DropReason::Ipv6)?;
        match error.key.side.as_zone() {
            Some(zone) => self.check_origin(zone, src).map(|_| ()),
            None => Ok(()),
        }
    }

    /// A router inside that reports must not show its own address outside (RFC 5508 REQ-5).
    fn masked(
        &self,
        error: &Packet,
        (id, direction): (FlowId, Direction),
    ) -> crate::address::Address {
        let flow = self.conntrack.flow(id);
        let (leaves_as, _, _) = flow.rewritten(direction);
        let hidden = flow.key(direction).src.address != leaves_as.address;
        if hidden {
            leaves_as.address
        } else {
            error.key.src.address
        }
    }

    /// Blind errors: what is quoted must be on its way, and a claimed MTU must be possible.
    fn check_plausible(
        &self,
        frame: &Frame<'_>,
        error: &Packet,
        quote: &Quote,
        (id, direction): (FlowId, Direction),
    ) -> Step<()> {
        let in_flight = quote
            .renumbered
            .or(quote.sequence)
            .is_none_or(|seq| self.conntrack.is_in_flight(id, direction.opposite(), seq));
        let Content::IcmpError { kind, code } = error.content else {
            return Err(DropReason::IcmpUnrelated);
        };
        // Source quench and the rest are deprecated (RFC 6633) or never asked for.
        let passes = matches!(kind, 3 | 11 | 12);
        let at = usize::from(error.transport) + 6;
        let mtu = frame
            .head
            .get(at..at + 2)
            .map_or(0, |field| u16::from_be_bytes([field[0], field[1]]));
        let too_big = (kind, code) == (3, 4);
        if !in_flight || !passes || too_big && (mtu < LEAST_MTU || mtu >= quote.ip_len) {
            return Err(DropReason::IcmpUnrelated);
        }
        Ok(())
    }
}
