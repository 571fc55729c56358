//! Fragments: virtual reassembly on the way in, fragmentation on the way out.
//!
//! Pieces of a datagram wait, untouched, until all are there and none overlaps
//! another; then they go on one after the other, in order, and are judged by the
//! ports of the first. A datagram with an overlap is dropped whole (RFC 5722's rule,
//! for IPv4 too); a piece that comes twice is dropped alone.
//!
//! ```text
//! Waiting ──── all bytes there ────▶ Complete ─── each piece resumed ───▶ gone
//!    └─ overlap, or too long ─▶ Poisoned ─── 30 s ───▶ gone
//! ```

use alloc::vec::Vec;
use core::time::Duration;

use crate::Instant;
use crate::address::Address;
use crate::checksum::{Sum, pseudo_header};
use crate::frame::{Checksum, Frame};
use crate::holds::{Fate, Holds};
use crate::key::{Protocol, Side};
use crate::packet::{Content, Packet};
use crate::parse::ETHERNET;
use crate::verdict::{DropReason, HOLD_SLOTS, HoldSlot};

/// Datagrams at once, over all sources.
const DATAGRAMS: usize = 64;
/// Datagrams at once from one source.
const DATAGRAMS_EACH: usize = 16;
/// Pieces of one datagram: 64 KiB in pieces of 1,400 bytes.
const PIECES: usize = 48;
/// Frames that wait here at once.
const HELD: usize = HOLD_SLOTS / 2;
/// How long a datagram may be incomplete (RFC 791 section 3.2 and RFC 1122 section 3.3.2 name 15 to 120 s).
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes of the longest datagram behind its IP header.
const LONGEST: u32 = 65_535 - 20;

/// Which datagram a piece belongs to (RFC 791 section 2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Name {
    src: Address,
    dst: Address,
    protocol: Protocol,
    id: u16,
    side: Side,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Piece {
    offset: u16,
    len: u16,
    slot: HoldSlot,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    /// All are there; so many have still to go on.
    Complete {
        left: usize,
    },
    Poisoned,
}

#[derive(Debug)]
struct Datagram {
    name: Name,
    state: State,
    until: Instant,
    /// In order of their offsets.
    pieces: heapless::Vec<Piece, PIECES>,
    /// Bytes behind the IP header, once the last piece came.
    total: Option<u32>,
    /// The first piece's ports.
    ports: (u16, u16),
}

/// Whether a piece just came in or has waited here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visit {
    /// It came in.
    First,
    /// Its wait is over.
    Again,
}

/// What becomes of a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// It waits.
    Held(HoldSlot),
    /// Its datagram is complete: it goes on, described as part of the whole.
    Ready(Packet),
}

/// The datagrams that are not whole yet.
#[derive(Debug)]
pub struct Fragments {
    datagrams: Vec<Datagram>,
    held: usize,
}

impl Fragments {
    /// An empty table.
    #[must_use]
    pub fn new() -> Self {
        Self {
            datagrams: Vec::with_capacity(DATAGRAMS),
            held: 0,
        }
    }

    /// Takes a piece.
    ///
    /// # Errors
    /// Why it ends here.
    pub fn accept(
        &mut self,
        packet: &Packet,
        visit: Visit,
        now: Instant,
        holds: &mut Holds,
    ) -> Result<Arrival, DropReason> {
        let name = Name {
            src: packet.key.src.address,
            dst: packet.key.dst.address,
            protocol: packet.key.protocol,
            id: packet.fragment.id,
            side: packet.key.side,
        };
        let index = match self
            .datagrams
            .iter()
            .position(|datagram| datagram.name == name)
        {
            Some(index) => index,
            None => self.begin(name, now, holds)?,
        };
        match self.datagrams[index].state {
            // Nothing is missing: whatever comes now is a copy, or an overlap.
            State::Complete { .. } if visit == Visit::First => Err(DropReason::FragmentInvalid),
            State::Complete { left } => Ok(Arrival::Ready(self.proceed(index, left, packet))),
            State::Poisoned => Err(DropReason::FragmentInvalid),
            State::Waiting => self.add(index, packet, holds).map(Arrival::Held),
        }
    }

    /// Drops what has waited too long.
    pub fn expire(&mut self, now: Instant, holds: &mut Holds) {
        while let Some(index) = self
            .datagrams
            .iter()
            .position(|datagram| now >= datagram.until)
        {
            self.abandon(index, DropReason::FragmentTimeout, holds);
            self.datagrams.swap_remove(index);
        }
    }

    /// When [`expire`](Self::expire) has something to do.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        self.datagrams.iter().map(|datagram| datagram.until).min()
    }

    /// How many datagrams are remembered.
    #[must_use]
    pub fn datagrams(&self) -> usize {
        self.datagrams.len()
    }

    fn begin(&mut self, name: Name, now: Instant, holds: &mut Holds) -> Result<usize, DropReason> {
        let of_source =
            |datagram: &&Datagram| (datagram.name.src, datagram.name.side) == (name.src, name.side);
        if self.datagrams.iter().filter(of_source).count() >= DATAGRAMS_EACH {
            return Err(DropReason::FragmentTableFull);
        }
        if self.datagrams.len() == DATAGRAMS {
            let waiting = self
                .datagrams
                .iter()
                .enumerate()
                .filter(|(_, d)| !matches!(d.state, State::Complete { .. }));
            let (oldest, _) = waiting
                .min_by_key(|(_, d)| d.until)
                .ok_or(DropReason::FragmentTableFull)?;
            self.abandon(oldest, DropReason::FragmentTableFull, holds);
            self.datagrams.swap_remove(oldest);
        }
        self.datagrams.push(Datagram {
            name,
            state: State::Waiting,
            until: now.after(PATIENCE),
            pieces: heapless::Vec::new(),
            total: None,
            ports: (0, 0),
        });
        Ok(self.datagrams.len() - 1)
    }

    fn add(
        &mut self,
        index: usize,
        packet: &Packet,
        holds: &mut Holds,
    ) -> Result<HoldSlot, DropReason> {
        let datagram = &mut self.datagrams[index];
        let len = packet.body_len();
        let (offset, more) = (packet.fragment.offset, packet.fragment.more);
        let end = u32::from(offset) + u32::from(len);
        if datagram
            .pieces
            .iter()
            .any(|piece| (piece.offset, piece.len) == (offset, len))
        {
            return Err(DropReason::FragmentInvalid);
        }
        let overlaps = datagram.pieces.iter().any(|piece| {
            u32::from(offset) < u32::from(piece.offset) + u32::from(piece.len)
                && u32::from(piece.offset) < end
        });
        let beyond = datagram
            .total
            .is_some_and(|total| end > total || !more && end != total);
        let short = !more
            && datagram
                .pieces
                .iter()
                .any(|p| u32::from(p.offset) + u32::from(p.len) > end);
        if overlaps
            || beyond
            || short
            || end > LONGEST
            || len == 0
            || more && !len.is_multiple_of(8)
        {
            self.abandon(index, DropReason::FragmentInvalid, holds);
            self.datagrams[index].state = State::Poisoned;
            return Err(DropReason::FragmentInvalid);
        }
        if datagram.pieces.is_full() || self.held >= HELD {
            return Err(DropReason::FragmentTableFull);
        }
        let slot = holds.take().ok_or(DropReason::FragmentTableFull)?;
        let at = datagram
            .pieces
            .partition_point(|piece| piece.offset < offset);
        let _ = datagram.pieces.insert(at, Piece { offset, len, slot });
        self.held += 1;
        if offset == 0 {
            datagram.ports = (packet.key.src.port, packet.key.dst.port);
        }
        if !more {
            datagram.total = Some(end);
        }
        let there: u32 = datagram
            .pieces
            .iter()
            .map(|piece| u32::from(piece.len))
            .sum();
        if datagram.total == Some(there) {
            datagram.state = State::Complete {
                left: datagram.pieces.len(),
            };
            self.held -= datagram.pieces.len();
            for piece in &datagram.pieces {
                holds.finish(piece.slot, Fate::Resume);
            }
        }
        Ok(slot)
    }

    /// A piece of a complete datagram goes on; with the last one the datagram is forgotten.
    fn proceed(&mut self, index: usize, left: usize, packet: &Packet) -> Packet {
        let datagram = &mut self.datagrams[index];
        let mut whole = *packet;
        (whole.key.src.port, whole.key.dst.port) = datagram.ports;
        if let (Content::Tcp(segment), Some(total)) = (&mut whole.content, datagram.total) {
            let in_first = u32::from(packet.body_len());
            segment.payload_len += total.saturating_sub(in_first);
        }
        if left <= 1 {
            self.datagrams.swap_remove(index);
        } else {
            datagram.state = State::Complete { left: left - 1 };
        }
        whole
    }

    fn abandon(&mut self, index: usize, reason: DropReason, holds: &mut Holds) {
        let datagram = &mut self.datagrams[index];
        if datagram.state == State::Waiting {
            self.held -= datagram.pieces.len();
            for piece in &datagram.pieces {
                holds.finish(piece.slot, Fate::GiveUp(reason));
            }
        }
        datagram.pieces.clear();
    }
}

impl Default for Fragments {
    fn default() -> Self {
        Self::new()
    }
}

/// Completes a checksum that a card was to complete: a packet that is split cannot leave that to it.
pub fn complete_checksum(frame: &mut Frame<'_>, packet: &Packet) -> Option<()> {
    let Checksum::Partial { start, offset } = frame.offload.checksum else {
        return Some(());
    };
    let (start, end) = (usize::from(start), ETHERNET + usize::from(packet.ip_len));
    let at = start + usize::from(offset);
    let header = frame.head.get(ETHERNET..ETHERNET + 20)?;
    let address = |at: usize| [header[at], header[at + 1], header[at + 2], header[at + 3]];
    let pseudo = pseudo_header(
        address(12),
        address(16),
        packet.key.protocol.0,
        (end - start) as u16,
    );
    frame.head.get_mut(at..at + 2)?.fill(0);
    let sum = pseudo.bytes(frame.head.get(start..end)?).checksum();
    let sum = if packet.key.protocol == Protocol::UDP && sum == 0 {
        0xffff
    } else {
        sum
    };
    frame
        .head
        .get_mut(at..at + 2)?
        .copy_from_slice(&sum.to_be_bytes());
    frame.offload.checksum = Checksum::Complete;
    Some(())
}

/// Cuts a packet into pieces that fit `mtu`, in order (RFC 791 section 2.3); `send` writes each one.
///
/// `None` if the packet does not lie in one buffer, or `send` has no room.
pub fn split(
    frame: &Frame<'_>,
    packet: &Packet,
    mtu: u16,
    mut send: impl FnMut(&mut dyn FnMut(&mut [u8]) -> Option<usize>) -> bool,
) -> Option<()> {
    let header_end = ETHERNET + 20;
    let body = frame
        .head
        .get(header_end..ETHERNET + usize::from(packet.ip_len))?;
    let headers = frame.head.get(..header_end)?;
    let step = usize::from(mtu.saturating_sub(20)) / 8 * 8;
    if step == 0 {
        return None;
    }
    let pieces = body.len().div_ceil(step);
    for (index, piece) in body.chunks(step).enumerate() {
        let last = index + 1 == pieces;
        let mut write = |out: &mut [u8]| {
            let out = out.get_mut(..header_end + piece.len())?;
            out[..header_end].copy_from_slice(headers);
            out[header_end..].copy_from_slice(piece);
            let offset = (usize::from(packet.fragment.offset) + index * step) / 8;
            let more = !last || packet.fragment.more;
            let field = offset as u16 | if more { 0x2000 } else { 0 };
            let ip = &mut out[ETHERNET..header_end];
            ip[2..4].copy_from_slice(&(20 + piece.len() as u16).to_be_bytes());
            ip[6..8].copy_from_slice(&field.to_be_bytes());
            ip[10..12].fill(0);
            let sum = Sum::default().bytes(ip).checksum();
            ip[10..12].copy_from_slice(&sum.to_be_bytes());
            Some(header_end + piece.len())
        };
        if !send(&mut write) {
            return None;
        }
    }
    Some(())
}

#[cfg(test)]
#[path = "fragment_tests.rs"]
mod tests;
