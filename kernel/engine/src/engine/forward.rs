//! The way out: TTL, size, neighbour, rewrite.

use crate::engine::related::Related;
use crate::engine::{Engine, Step, ask};
use crate::flow::{Direction, FlowId};
use crate::fragment;
use crate::frame::Frame;
use crate::icmp;
use crate::interface::{Interface, Link};
use crate::key::Side;
use crate::neighbor::{NeighborId, Resolution};
use crate::packet::{Content, Packet};
use crate::rewrite::{Link as Way, Numbers, Rewrite, apply};
use crate::segment::{self, Splice};
use crate::verdict::{DropReason, Egress, Verdict};
use crate::{Tick, ZoneId};

impl Engine {
    /// Sends a packet of a flow on its way.
    pub(super) fn forward(
        &mut self,
        frame: &mut Frame<'_>,
        packet: &Packet,
        (id, direction): (FlowId, Direction),
        tick: Tick,
    ) -> Step<Verdict> {
        let flow = self.conntrack.flow(id);
        let (src, dst, side) = flow.rewritten(direction);
        let cached = flow.neighbor(direction);
        let Some(zone) = side.as_zone() else {
            apply(
                frame,
                packet,
                &Rewrite {
                    src,
                    dst,
                    numbers: None,
                    link: Way::Own,
                },
            )?;
            return Ok(Verdict::Local);
        };
        let to = dst.address.as_v4().ok_or(DropReason::Ipv6)?;
        let (neighbor, mac) = match self.neighbor(zone, to, cached, tick)? {
            Resolution::Known(neighbor, mac) => (neighbor, mac),
            Resolution::Asked(neighbor) => return self.wait(packet.key.side, neighbor),
            Resolution::Full => return Err(DropReason::NeighborQueueFull),
        };
        if cached != Some(neighbor) {
            self.conntrack.remember_neighbor(id, direction, neighbor);
        }
        let numbers = self.numbers(packet, (id, direction));
        let egress = self.egress(zone)?;
        let (mtu, from) = (egress.mtu, egress.mac);
        apply(
            frame,
            packet,
            &Rewrite {
                src,
                dst,
                numbers,
                link: Way::Out { to: mac, from, mtu },
            },
        )?;
        if is_too_big(frame, packet, mtu) {
            return self.split(frame, packet, zone, mtu);
        }
        Ok(Verdict::Forward(Egress::granted(zone)))
    }

    /// A segment's numbers where its receiver counts otherwise than its sender. What it acknowledges is written in its
    /// receiver's numbers already.
    fn numbers(&self, packet: &Packet, (id, direction): (FlowId, Direction)) -> Option<Numbers> {
        let Content::Tcp(segment) = &packet.content else {
            return None;
        };
        if !self.conntrack.flow(id).is_renumbered() {
            return None;
        }
        Some(Numbers {
            sequence: self.conntrack.shift(id, direction).out(segment.seq),
            acknowledgement: segment.ack,
            acknowledged: self.conntrack.shift(id, direction.opposite()),
        })
    }

    /// Sends an error about a flow, and what it quotes, on their way; its own key is no flow's.
    pub(super) fn send_related(
        &mut self,
        frame: &mut Frame<'_>,
        error: &Packet,
        related: &Related,
        tick: Tick,
    ) -> Step<Verdict> {
        let to = related.dst.address.as_v4().ok_or(DropReason::Ipv6)?;
        let mac = match self.neighbor(related.zone, to, None, tick)? {
            Resolution::Known(_, mac) => mac,
            Resolution::Asked(neighbor) => return self.wait(error.key.side, neighbor),
            Resolution::Full => return Err(DropReason::NeighborQueueFull),
        };
        let egress = self.egress(related.zone)?;
        let link = Way::Out {
            to: mac,
            from: egress.mac,
            mtu: egress.mtu,
        };
        let (quoted_src, quoted_dst) = related.quoted;
        related
            .quote
            .translate(frame, error, quoted_src, quoted_dst)?;
        let (src, dst) = (related.src, related.dst);
        let rewrite = Rewrite {
            src,
            dst,
            numbers: None,
            link,
        };
        apply(frame, error, &rewrite)?;
        Ok(Verdict::Forward(Egress::granted(related.zone)))
    }

    /// What every packet in transit must pass, before anything is kept of it: TTL and size.
    pub(super) fn check_transit(
        &mut self,
        frame: &Frame<'_>,
        packet: &Packet,
        egress: ZoneId,
        tick: Tick,
    ) -> Step<()> {
        let mtu = self.egress(egress)?.mtu;
        if packet.key.side.as_zone().is_some() && packet.ttl <= 1 {
            self.tell(frame, packet, icmp::Error::TimeExceeded, tick);
            return Err(DropReason::TtlExceeded);
        }
        if packet.fragment.dont && is_too_big(frame, packet, mtu) {
            self.tell(
                frame,
                packet,
                icmp::Error::FragmentationNeeded { mtu },
                tick,
            );
            return Err(DropReason::TooBig);
        }
        Ok(())
    }

    /// The interface of a way out that is open.
    fn egress(&self, zone: ZoneId) -> Step<&Interface> {
        let open = |interface: &&Interface| interface.link == Link::Up && interface.own().is_some();
        self.interfaces
            .get(zone)
            .filter(open)
            .ok_or(DropReason::EgressDown)
    }

    pub(super) fn neighbor(
        &mut self,
        zone: ZoneId,
        dst: core::net::Ipv4Addr,
        cached: Option<NeighborId>,
        tick: Tick,
    ) -> Step<Resolution> {
        self.egress(zone)?;
        let hop = self
            .routes
            .lookup(dst)
            .filter(|hop| hop.zone == zone)
            .ok_or(DropReason::NoRoute)?;
        let address = hop.neighbor(dst);
        let known =
            cached.and_then(|id| Some((id, self.neighbors.fresh(id, zone, address, tick.now)?)));
        if let Some((id, mac)) = known {
            return Ok(Resolution::Known(id, mac));
        }
        let Self {
            neighbors,
            outbox,
            interfaces,
            ..
        } = self;
        Ok(neighbors.resolve(zone, address, tick.now, &mut |question| {
            ask(outbox, interfaces, question)
        }))
    }

    /// Sends a segment of a flow with another text in it; as two if it has become too large.
    pub(super) fn send_remade(
        &mut self,
        frame: &mut Frame<'_>,
        packet: &Packet,
        flow: (FlowId, Direction),
        splice: &Splice<'_>,
        tick: Tick,
    ) -> Step<Verdict> {
        if self.outbox.room() < 2 {
            return Err(DropReason::TransmitFull);
        }
        let Verdict::Forward(egress) = self.forward(frame, packet, flow, tick)? else {
            return Err(DropReason::AlgUnclear);
        };
        let zone = egress.zone();
        let mtu = self.egress(zone)?.mtu;
        let outbox = &mut self.outbox;
        segment::splice(frame, packet, splice, mtu, |write| outbox.push(zone, write))
            .ok_or(DropReason::TransmitFull)?;
        Ok(Verdict::Remade(egress))
    }

    /// Sends a rewritten packet that is too large, and may be fragmented, in pieces.
    fn split(
        &mut self,
        frame: &mut Frame<'_>,
        packet: &Packet,
        zone: ZoneId,
        mtu: u16,
    ) -> Step<Verdict> {
        let pieces =
            usize::from(packet.ip_len).div_ceil(usize::from(mtu.saturating_sub(27)).max(1)) + 1;
        if self.outbox.room() < pieces {
            return Err(DropReason::TransmitFull);
        }
        fragment::complete_checksum(frame, packet).ok_or(DropReason::TooBig)?;
        let outbox = &mut self.outbox;
        fragment::split(frame, packet, mtu, |write| outbox.push(zone, write))
            .ok_or(DropReason::TooBig)?;
        Ok(Verdict::Fragmented(Egress::granted(zone)))
    }

    pub(super) fn wait(&mut self, side: Side, neighbor: NeighborId) -> Step<Verdict> {
        let slot = self
            .neighbors
            .hold(neighbor, &mut self.holds)
            .ok_or(DropReason::NeighborQueueFull)?;
        Ok(self.held(slot, side))
    }
}

/// Whether a packet, or each segment of a large one, exceeds the way out's MTU.
#[inline]
pub(super) fn is_too_big(frame: &Frame<'_>, packet: &Packet, mtu: u16) -> bool {
    match frame.offload.segmentation {
        None => packet.ip_len > mtu,
        Some(segmentation) => headers_len(packet).saturating_add(segmentation.size) > mtu,
    }
}

/// Bytes of a large TCP frame's headers, from the IP header on.
fn headers_len(packet: &Packet) -> u16 {
    match packet.content {
        Content::Tcp(segment) => packet
            .ip_len
            .saturating_sub(segment.payload_len.try_into().unwrap_or(u16::MAX)),
        _ => packet.transport - packet.network,
    }
}
