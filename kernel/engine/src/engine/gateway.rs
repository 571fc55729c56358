//! FTP's control connections: announcements are read, changed, and what they announce is expected ([`crate::ftp`]).
//!
//! ```text
//! client             box                                server
//!  │ PORT 10,99,0,2,156,64 ─▶ │ ── PORT 192,0,2,1,156,64 ──▶ │     active: two bytes more
//!  │ ◀── SYN to 10.99.0.2:40000 ── │ ◀── SYN to 192.0.2.1:40000 ── │     expected once, from the server alone
//! ```
//!
//! A data connection is translated as its control connection is. A segment goes on as it is where its announcement is
//! not believed, where a line is cut in two, and where a card is still to cut it: then nothing is expected.

use core::net::Ipv4Addr;

use crate::address::Address;
use crate::checksum::pseudo_header;
use crate::conntrack::{Announced, Place, Source};
use crate::counters::Ftp;
use crate::engine::proxy::Reached;
use crate::engine::{Engine, Step};
use crate::flow::{Direction, FlowId};
use crate::frame::{Checksum, Frame};
use crate::ftp::control::{Heard, Progress};
use crate::ftp::line::Announcement;
use crate::ftp::text::Text;
use crate::key::{Endpoint, Side};
use crate::output::Told;
use crate::packet::{Content, Flags, Packet, Segment};
use crate::segment::Splice;
use crate::shift::Overlap;
use crate::verdict::{DropReason, Verdict};
use crate::{Tick, ZoneId};

impl Engine {
    /// A segment of a control connection. `None`: there is nothing in it to read or to change, and nothing was done.
    pub(super) fn gateway(
        &mut self,
        frame: &mut Frame<'_>,
        packet: &Packet,
        (id, sender): (FlowId, Direction),
        tick: Tick,
    ) -> Step<Option<Verdict>> {
        let Content::Tcp(segment) = &packet.content else {
            return Ok(None);
        };
        let is_data = segment.payload_len > 0
            && !segment.flags.has(Flags::SYN)
            && !segment.flags.has(Flags::RST)
            && self.conntrack.is_established(id);
        if !is_data {
            return Ok(None);
        }
        if self.conntrack.control(id).is_none() && !self.conntrack.begin_reading(id) {
            self.counters.did(Ftp::NoRoom);
            return Ok(None);
        }
        // Whoever has to wait for a neighbour is looked at from the start, so nothing may have happened yet.
        let (_, to, side) = self.conntrack.flow(id).rewritten(sender);
        if let Reached::Waiting(neighbor) = self.reach(side, to, tick)? {
            return self.wait(packet.key.side, neighbor).map(Some);
        }
        let fits = side
            .as_zone()
            .and_then(|zone| self.interfaces.get(zone))
            .is_some_and(|egress| packet.ip_len <= egress.mtu);
        let payload = payload(frame, packet, segment)?.filter(|_| fits);
        match self.overlap(id, sender, segment) {
            Overlap::Apart => {}
            Overlap::Part => return Err(DropReason::AlgUnclear),
            Overlap::Whole(at) => {
                payload.ok_or(DropReason::AlgUnclear)?;
                self.conntrack.observe(id, sender, packet, tick.now)?;
                return self.repeat(frame, packet, (id, sender), at, tick).map(Some);
            }
        }
        let Some(control) = self.conntrack.control(id) else {
            return Ok(None);
        };
        let mut progress = control.progress;
        if progress.is_over() || progress.is_known(sender, segment.seq) {
            return Ok(None);
        }
        let heard = match payload {
            Some(payload) => progress.read(sender, segment.seq, payload),
            None => {
                progress.skip(sender, segment.seq, segment.payload_len);
                Heard::Nothing
            }
        };
        self.hear(frame, packet, (id, sender), (progress, heard), tick)
            .map(Some)
    }

    /// Does what a segment asks for, and sends it on.
    fn hear(
        &mut self,
        frame: &mut Frame<'_>,
        packet: &Packet,
        (id, sender): (FlowId, Direction),
        (progress, heard): (Progress, Heard),
        tick: Tick,
    ) -> Step<Verdict> {
        if matches!(heard, Heard::Announced(_)) && !self.may_change(id, sender) {
            return Err(DropReason::AlgUnclear);
        }
        self.conntrack.observe(id, sender, packet, tick.now)?;
        let changed = match &heard {
            Heard::Nothing => None,
            Heard::Unsound => {
                self.refuse_announcement();
                None
            }
            Heard::Announced(announcement) => self.expect_announced(id, sender, announcement, tick),
        };
        if let (Some(text), Heard::Announced(announcement), Content::Tcp(segment)) =
            (changed, &heard, &packet.content)
        {
            let place = &announcement.place;
            let start = segment.seq.wrapping_add(place.start as u32);
            let old = place.len() as u16;
            self.conntrack.note_text(id, sender, (start, old), text);
            self.conntrack.note_progress(id, progress);
            self.counters.did(Ftp::Changed);
            return self.remake(frame, packet, (id, sender), place.start, tick);
        }
        self.conntrack.note_progress(id, progress);
        self.forward(frame, packet, (id, sender), tick)
    }

    /// Expects what was announced; what the announcement is to say, if that is something else.
    fn expect_announced(
        &mut self,
        id: FlowId,
        sender: Direction,
        announcement: &Announcement,
        tick: Tick,
    ) -> Option<Text> {
        let expected = self
            .announced(id, sender, announcement)
            .and_then(|(announced, place)| {
                let to = self.conntrack.expect(id, &announced, place, tick).ok()?;
                Some((announced, to))
            });
        let Some((announced, to)) = expected else {
            self.refuse_announcement();
            return None;
        };
        self.counters.did(Ftp::Expected);
        self.told = Some(Told::Expected {
            from: announced.from,
            to,
            destination: announced.waits,
        });
        let address = to.address.as_v4()?;
        let is_said = announcement.address.is_none_or(|said| said == address);
        let is_same = is_said && announcement.port == to.port;
        (!is_same).then(|| announcement.notation.write(address, to.port))
    }

    fn refuse_announcement(&mut self) {
        self.counters.did(Ftp::Refused);
        self.told = Some(Told::Refused);
    }

    /// Who waits for whom, if a control connection's peer speaks of itself.
    fn announced(
        &self,
        id: FlowId,
        sender: Direction,
        announcement: &Announcement,
    ) -> Option<(Announced, Place)> {
        let flow = self.conntrack.flow(id);
        let own = flow.key(sender);
        let (seen, peer, peer_side) = flow.rewritten(sender);
        let named = announcement.address.map(Address::from);
        if named.is_some_and(|named| named != own.src.address && named != seen.address) {
            return None;
        }
        let (waits, from) = (own.src.address, peer.address);
        let place = match self.translation(waits, seen.address, own.side)? {
            Source::Keep | Source::OneToOne(_) => Place::Own,
            Source::Masquerade {
                owner, behavior, ..
            } => Place::Leased(owner, behavior),
        };
        let announced = Announced {
            waits: Endpoint {
                address: waits,
                port: announcement.port,
            },
            side: own.side,
            known_by: seen.address,
            from,
            from_side: peer_side,
            source: self.translation(from, own.dst.address, peer_side)?,
        };
        Some((announced, place))
    }

    /// How an address behind a side becomes the one that the other peer knows it by.
    fn translation(&self, real: Address, known_by: Address, side: Side) -> Option<Source> {
        if real == known_by {
            return Some(Source::Keep);
        }
        let outside: Ipv4Addr = known_by.as_v4()?;
        if self.nat.inside_of(outside).map(Address::from) == Some(real) {
            return Some(Source::OneToOne(known_by));
        }
        let owner: ZoneId = self.interfaces.owner(outside)?.zone;
        Some(Source::Masquerade {
            owner,
            address: known_by,
            behavior: self.nat.behavior(side, owner),
        })
    }

    /// Whether an announcement may be changed: all that was changed before has arrived.
    fn may_change(&self, id: FlowId, sender: Direction) -> bool {
        let end = self.conntrack.shift(id, sender).end();
        end.is_none_or(|end| self.conntrack.is_acknowledged(id, sender, end))
    }

    fn overlap(&mut self, id: FlowId, sender: Direction, segment: &Segment) -> Overlap {
        self.conntrack.forget_far_text(id, sender, segment.seq);
        let shift = self.conntrack.shift(id, sender);
        shift.overlap(segment.seq, segment.payload_len)
    }

    /// A segment with a text that was changed comes again: it is changed alike.
    fn repeat(
        &mut self,
        frame: &mut Frame<'_>,
        packet: &Packet,
        flow: (FlowId, Direction),
        at: usize,
        tick: Tick,
    ) -> Step<Verdict> {
        self.told = Some(Told::Again);
        self.remake(frame, packet, flow, at, tick)
    }

    /// Sends a segment with the text of its sender's last change from byte `at` of its payload on.
    fn remake(
        &mut self,
        frame: &mut Frame<'_>,
        packet: &Packet,
        (id, sender): (FlowId, Direction),
        at: usize,
        tick: Tick,
    ) -> Step<Verdict> {
        let control = self.conntrack.control(id).ok_or(DropReason::AlgUnclear)?;
        let text = control.texts[sender.index()].clone();
        let old_len = control.shifts[sender.index()].old_len();
        let splice = Splice {
            at,
            old_len,
            text: text.as_bytes(),
        };
        self.send_remade(frame, packet, (id, sender), &splice, tick)
    }
}

/// The payload of a segment that can be read: all of it is there, in one piece, and as its sender sent it.
///
/// One with a wrong checksum ends here: what its receiver throws away must not be taken for what was said.
fn payload<'a>(frame: &'a Frame<'_>, packet: &Packet, segment: &Segment) -> Step<Option<&'a [u8]>> {
    let is_plain =
        frame.is_whole() && frame.offload.segmentation.is_none() && !packet.fragment.is_piece();
    let tcp = frame.head.get(usize::from(packet.transport)..);
    let Some(tcp) = tcp.filter(|_| is_plain) else {
        return Ok(None);
    };
    if frame.offload.checksum == Checksum::Complete {
        let (src, dst) = (
            packet.key.src.address.as_v4(),
            packet.key.dst.address.as_v4(),
        );
        let (src, dst) = src.zip(dst).ok_or(DropReason::Ipv6)?;
        let sum = pseudo_header(src.octets(), dst.octets(), 6, packet.body_len()).bytes(tcp);
        if sum.partial() != 0xffff {
            return Err(DropReason::TransportChecksum);
        }
    }
    let begin = tcp.len().checked_sub(segment.payload_len as usize);
    Ok(begin.and_then(|begin| tcp.get(begin..)))
}
