//! Forwards under a flood of SYNs: the box shakes hands itself, and opens the server's side only for who answers.
//!
//! ```text
//! client                       box                        server
//!   │ SYN c ───────────────────▶ │                            │    nothing is kept
//!   │ ◀──── SYN+ACK k, window 0 ─│                            │    k is a cookie
//!   │ ACK k+1 ─────────────────▶ │ ── SYN c ────────────────▶ │    a flow
//!   │                            │ ◀──────────────── SYN+ACK s│
//!   │ ◀───────────── ACK, window │ ── ACK s+1 ──────────────▶ │
//!   │ ◀── from here on the server's numbers plus k − s, and acknowledgements of them minus that ──▶ │
//! ```
//!
//! What a cookie cannot remember is not offered to either side: window scaling, selective acknowledgements, time
//! stamps. MSS is. Until the server has answered, the client's window is shut, so nothing has to be kept for it; its
//! probes of the window repeat what got lost.

use crate::conntrack::NewFlow;
use crate::conntrack::tcp;
use crate::cookie;
use crate::engine::{Engine, Step};
use crate::flow::{Direction, FlowId};
use crate::frame::Frame;
use crate::key::{Endpoint, Side};
use crate::neighbor::{Mac, Resolution};
use crate::packet::{Content, Flags, Packet, Segment};
use crate::segment::{self, Bare};
use crate::shift::Inside;
use crate::verdict::{DropReason, Verdict};
use crate::{Tick, ZoneId};

const SYN_ACK: Flags = Flags(Flags::SYN.0 | Flags::ACK.0);
/// IP and TCP headers without options.
const HEADERS: u16 = 40;

impl Engine {
    /// A packet from outside for a forward that belongs to no flow: a SYN is answered with a cookie if there are too
    /// many half-open flows; an ACK that brings one back opens the server's side. `None`: neither.
    pub(super) fn greet(
        &mut self,
        frame: &Frame<'_>,
        packet: &Packet,
        new: &NewFlow,
        tick: Tick,
    ) -> Step<Option<Verdict>> {
        let Content::Tcp(segment) = &packet.content else {
            return Ok(None);
        };
        if packet.fragment.is_piece() {
            return Ok(None);
        }
        if tcp::opens(segment) {
            return match self.conntrack.is_flooded() {
                true => self.answer(frame, packet, segment, new, tick).map(Some),
                false => Ok(None),
            };
        }
        if !tcp::continues(segment) {
            return Ok(None);
        }
        let cookie = segment.ack.wrapping_sub(1);
        // A probe of the shut window bears the number before (RFC 9293 section 3.8.6.1).
        let firsts = [segment.seq.wrapping_sub(1), segment.seq];
        let made_for = |seq: &u32| {
            self.cookies
                .read(&new.original, *seq, cookie, tick.now)
                .is_some()
        };
        match firsts.into_iter().find(made_for) {
            Some(first) => self
                .open(packet, segment, new, (first, cookie), tick)
                .map(Some),
            None => Ok(None),
        }
    }

    /// A packet of a flow that began with a cookie, before anything else looks at it: before the server has answered
    /// the box speaks for the other side; later the client's acknowledgements become the server's numbers.
    pub(super) fn mediate(
        &mut self,
        frame: &Frame<'_>,
        packet: &mut Packet,
        (id, direction): (FlowId, Direction),
        tick: Tick,
    ) -> Step<Option<Verdict>> {
        let Content::Tcp(segment) = packet.content else {
            return Ok(None);
        };
        if self.conntrack.is_opening(id) {
            if packet.fragment.is_piece() {
                return Err(DropReason::TcpState);
            }
            return match direction {
                Direction::Original => self.knock_again(&segment, id, tick).map(Some),
                Direction::Reply => self.answered(frame, packet, &segment, id, tick),
            };
        }
        let shift = self.conntrack.shift(id, direction.opposite());
        let ack = shift.back(segment.ack, Inside::Begin);
        packet.content = Content::Tcp(Segment { ack, ..segment });
        Ok(None)
    }

    fn answer(
        &mut self,
        frame: &Frame<'_>,
        packet: &Packet,
        syn: &Segment,
        new: &NewFlow,
        tick: Tick,
    ) -> Step<Verdict> {
        let (zone, out) = (zone(packet.key.side)?, zone(new.egress)?);
        // Without the option nothing is offered either: an answer must not be longer than its question.
        let offered = segment::mss(frame, packet);
        let cookie = self
            .cookies
            .make(&new.original, syn.seq, offered.unwrap_or(0), tick.now);
        let mtu = |zone| self.interfaces.get(zone).map_or(0, |own| own.mtu);
        let most = mtu(zone).min(mtu(out)).saturating_sub(HEADERS);
        let answer = Bare {
            src: packet.key.dst,
            dst: packet.key.src,
            seq: cookie,
            ack: syn.seq.wrapping_add(1),
            flags: SYN_ACK,
            window: 0,
            mss: offered.map(|_| most),
        };
        self.say(zone, &answer, sender(frame)?)?;
        Ok(Verdict::Absorbed)
    }

    fn open(
        &mut self,
        packet: &Packet,
        ack: &Segment,
        new: &NewFlow,
        (first, cookie): (u32, u32),
        tick: Tick,
    ) -> Step<Verdict> {
        let server = match self.reach(new.egress, new.destination, tick)? {
            Reached::At(mac) => mac,
            Reached::Waiting(neighbor) => return self.wait(packet.key.side, neighbor),
        };
        let syn = Segment {
            seq: first,
            ack: 0,
            flags: Flags::SYN,
            payload_len: 0,
            window_scale: None,
            ..*ack
        };
        let begun = Packet {
            content: Content::Tcp(syn),
            ..*packet
        };
        let id = self.conntrack.admit(new, &begun, tick)?;
        self.conntrack.set_number(id, cookie);
        self.knock(id, server)
    }

    /// Sends the client's SYN to the server.
    fn knock(&mut self, id: FlowId, server: Mac) -> Step<Verdict> {
        let (src, dst, side) = self.conntrack.flow(id).rewritten(Direction::Original);
        let (first, window) = self.conntrack.opening(id);
        let syn = Bare {
            src,
            dst,
            seq: first,
            ack: 0,
            flags: Flags::SYN,
            window,
            mss: Some(cookie::mss(self.conntrack.number(id))),
        };
        self.say(zone(side)?, &syn, server)?;
        Ok(Verdict::Absorbed)
    }

    /// The client repeats its answer to the cookie: the SYN to the server may have got lost.
    fn knock_again(&mut self, segment: &Segment, id: FlowId, tick: Tick) -> Step<Verdict> {
        let expected = self.conntrack.number(id).wrapping_add(1);
        if !tcp::continues(segment) || segment.ack != expected {
            return Err(DropReason::TcpState);
        }
        let (_, server, side) = self.conntrack.flow(id).rewritten(Direction::Original);
        match self.reach(side, server, tick)? {
            Reached::At(mac) => self.knock(id, mac),
            // It was known a moment ago; the next repetition finds it.
            Reached::Waiting(_) => Err(DropReason::NeighborQueueFull),
        }
    }

    fn answered(
        &mut self,
        frame: &Frame<'_>,
        packet: &Packet,
        segment: &Segment,
        id: FlowId,
        tick: Tick,
    ) -> Step<Option<Verdict>> {
        if segment.flags.has(Flags::RST) {
            // The client believes only a RST with the number that it expects (RFC 5961 section 3).
            if self.conntrack.acknowledges_syn(id, segment) {
                let expected = self.conntrack.number(id).wrapping_add(1);
                let number = expected.wrapping_sub(segment.seq);
                self.conntrack.set_number(id, number);
            }
            return Ok(None);
        }
        if segment.flags.has(SYN_ACK) {
            return self.join(frame, packet, segment, id, tick).map(Some);
        }
        if !tcp::continues(segment) {
            return Err(DropReason::TcpState);
        }
        // An older connection is still there; its end makes room (RFC 9293 section 3.5.1).
        let (src, dst, side) = self.conntrack.flow(id).rewritten(Direction::Original);
        let reset = Bare {
            src,
            dst,
            seq: segment.ack,
            ack: 0,
            flags: Flags::RST,
            window: 0,
            mss: None,
        };
        self.say(zone(side)?, &reset, sender(frame)?)?;
        Ok(Some(Verdict::Absorbed))
    }

    /// The server's SYN and ACK: both sides are told that the connection is there.
    fn join(
        &mut self,
        frame: &Frame<'_>,
        packet: &Packet,
        answer: &Segment,
        id: FlowId,
        tick: Tick,
    ) -> Step<Verdict> {
        let flow = self.conntrack.flow(id);
        let (to_server, to_client) = (
            flow.rewritten(Direction::Original),
            flow.rewritten(Direction::Reply),
        );
        let client = match self.reach(to_client.2, to_client.1, tick)? {
            Reached::At(mac) => mac,
            Reached::Waiting(neighbor) => return self.wait(packet.key.side, neighbor),
        };
        if self.outbox.room() < 2 {
            return Err(DropReason::TransmitFull);
        }
        let (_, window) = self.conntrack.opening(id);
        self.conntrack
            .observe(id, Direction::Reply, packet, tick.now)?;
        let ack = Segment {
            seq: answer.ack,
            ack: answer.seq.wrapping_add(1),
            flags: Flags::ACK,
            window,
            payload_len: 0,
            window_scale: None,
        };
        let acknowledged = Packet {
            content: Content::Tcp(ack),
            ..*packet
        };
        self.conntrack
            .observe(id, Direction::Original, &acknowledged, tick.now)?;
        let cookie = self.conntrack.number(id);
        self.conntrack
            .set_number(id, cookie.wrapping_sub(answer.seq));
        let bare = |(src, dst, _): (Endpoint, Endpoint, Side), seq, ack, window| Bare {
            src,
            dst,
            seq,
            ack,
            flags: Flags::ACK,
            window,
            mss: None,
        };
        let for_server = bare(to_server, ack.seq, ack.ack, window);
        self.say(zone(to_server.2)?, &for_server, sender(frame)?)?;
        let for_client = bare(to_client, cookie.wrapping_add(1), ack.seq, answer.window);
        self.say(zone(to_client.2)?, &for_client, client)?;
        Ok(Verdict::Absorbed)
    }

    /// The Ethernet address on the way to an endpoint, or the neighbour that is being asked.
    pub(super) fn reach(&mut self, side: Side, to: Endpoint, tick: Tick) -> Step<Reached> {
        let address = to.address.as_v4().ok_or(DropReason::Ipv6)?;
        match self.neighbor(zone(side)?, address, None, tick)? {
            Resolution::Known(_, mac) => Ok(Reached::At(mac)),
            Resolution::Asked(neighbor) => Ok(Reached::Waiting(neighbor)),
            Resolution::Full => Err(DropReason::NeighborQueueFull),
        }
    }

    fn say(&mut self, zone: ZoneId, what: &Bare, to: Mac) -> Step<()> {
        let from = self.interfaces.get(zone).ok_or(DropReason::EgressDown)?.mac;
        match self
            .outbox
            .push(zone, |out| segment::write(out, what, from, to))
        {
            true => Ok(()),
            false => Err(DropReason::TransmitFull),
        }
    }
}

pub(super) enum Reached {
    At(Mac),
    Waiting(crate::neighbor::NeighborId),
}

fn zone(side: Side) -> Step<ZoneId> {
    side.as_zone().ok_or(DropReason::EgressDown)
}

/// Who sent a frame.
fn sender(frame: &Frame<'_>) -> Step<Mac> {
    let mac = frame.head.get(6..).and_then(|rest| rest.first_chunk::<6>());
    mac.copied().ok_or(DropReason::EthernetTooShort)
}
