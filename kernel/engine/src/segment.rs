//! TCP segments that the box makes itself: both sides of a handshake that it takes for a server, and segments with
//! another text in them.

use core::ops::Range;

use crate::checksum::{Sum, pseudo_header};
use crate::frame::Frame;
use crate::key::Endpoint;
use crate::neighbor::Mac;
use crate::packet::{Flags, Packet};
use crate::parse::ETHERNET;

/// The TTL of what we send (RFC 1700).
const TTL: u8 = 64;

/// A segment without payload.
#[derive(Clone, Copy, Debug)]
pub struct Bare {
    /// Sender's endpoint.
    pub src: Endpoint,
    /// Receiver's endpoint.
    pub dst: Endpoint,
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number; none without [`Flags::ACK`].
    pub ack: u32,
    /// Control bits.
    pub flags: Flags,
    /// Window, not scaled.
    pub window: u16,
    /// The MSS option.
    pub mss: Option<u16>,
}

/// Writes a segment's frame; its length, if there is room.
#[must_use]
pub fn write(out: &mut [u8], segment: &Bare, from: Mac, to: Mac) -> Option<usize> {
    let (src, dst) = (segment.src.address.as_v4()?, segment.dst.address.as_v4()?);
    let tcp_len = if segment.mss.is_some() { 24 } else { 20 };
    let end = ETHERNET + 20 + tcp_len;
    let out = out.get_mut(..end)?;
    out.fill(0);
    out[..6].copy_from_slice(&to);
    out[6..12].copy_from_slice(&from);
    out[12] = 8;
    let (ip, tcp) = out[ETHERNET..].split_at_mut(20);
    // The identification is 0: the packet is atomic (RFC 6864 section 4.1).
    ip[0] = 0x45;
    ip[2..4].copy_from_slice(&(20 + tcp_len as u16).to_be_bytes());
    ip[6] = 0x40;
    ip[8] = TTL;
    ip[9] = 6;
    ip[12..16].copy_from_slice(&src.octets());
    ip[16..20].copy_from_slice(&dst.octets());
    let sum = Sum::default().bytes(ip).checksum();
    ip[10..12].copy_from_slice(&sum.to_be_bytes());
    tcp[0..2].copy_from_slice(&segment.src.port.to_be_bytes());
    tcp[2..4].copy_from_slice(&segment.dst.port.to_be_bytes());
    tcp[4..8].copy_from_slice(&segment.seq.to_be_bytes());
    tcp[8..12].copy_from_slice(&segment.ack.to_be_bytes());
    tcp[12] = ((tcp_len / 4) as u8) << 4;
    tcp[13] = segment.flags.0;
    tcp[14..16].copy_from_slice(&segment.window.to_be_bytes());
    if let Some(mss) = segment.mss {
        let [high, low] = mss.to_be_bytes();
        tcp[20..24].copy_from_slice(&[2, 4, high, low]);
    }
    let sum = pseudo_header(src.octets(), dst.octets(), 6, tcp_len as u16)
        .bytes(tcp)
        .checksum();
    tcp[16..18].copy_from_slice(&sum.to_be_bytes());
    Some(end)
}

/// The MSS that a SYN offers, if it does (RFC 9293 section 3.7.1).
#[must_use]
pub fn mss(frame: &Frame<'_>, packet: &Packet) -> Option<u16> {
    let tcp = frame.head.get(usize::from(packet.transport)..)?;
    let len = usize::from(tcp.get(12)? >> 4) * 4;
    let mut options = tcp.get(20..len)?;
    loop {
        match options {
            [2, 4, high, low, ..] => return Some(u16::from_be_bytes([*high, *low])),
            [1, rest @ ..] => options = rest,
            [kind, len, ..] if *kind != 0 && *len >= 2 => {
                options = options.get(usize::from(*len)..)?
            }
            _ => return None,
        }
    }
}

/// A text in a segment's payload that is replaced.
#[derive(Clone, Copy, Debug)]
pub struct Splice<'a> {
    /// Where it begins, in bytes of the payload.
    pub at: usize,
    /// Its bytes.
    pub old_len: usize,
    /// What stands there instead.
    pub text: &'a [u8],
}

/// Writes a frame, whose header is rewritten already, with another text in its payload. If that makes it larger than
/// `mtu` it becomes two segments.
///
/// `None` if the frame is not whole, or `push` has no room.
pub fn splice(
    frame: &Frame<'_>,
    packet: &Packet,
    splice: &Splice<'_>,
    mtu: u16,
    mut push: impl FnMut(&mut dyn FnMut(&mut [u8]) -> Option<usize>) -> bool,
) -> Option<()> {
    let transport = usize::from(packet.transport);
    let tcp_len = usize::from(frame.head.get(transport + 12)? >> 4) * 4;
    let (headers, payload) = frame.head.split_at_checked(transport + tcp_len)?;
    let before = payload.get(..splice.at)?;
    let after = payload.get(splice.at + splice.old_len..)?;
    let parts = [before, splice.text, after];
    let len: usize = parts.iter().map(|part| part.len()).sum();
    let room = usize::from(mtu).checked_sub(headers.len() - ETHERNET)?;
    // Where a card would have cut, so that what follows is as large as its sender's own.
    for begin in (0..len).step_by(room.max(1)) {
        let range = begin..len.min(begin + room);
        let piece = Piece {
            headers,
            parts: &parts,
            range,
            is_last: begin + room >= len,
            urgent: splice.urgent(payload_urgent(headers, transport)),
        };
        if !push(&mut |out| piece.write(out, packet)) {
            return None;
        }
    }
    Some(())
}

/// A part of a segment that is a segment of its own.
struct Piece<'a> {
    headers: &'a [u8],
    parts: &'a [&'a [u8]; 3],
    range: Range<usize>,
    is_last: bool,
    /// Where urgent data ends, in bytes of the whole payload.
    urgent: Option<usize>,
}

impl Splice<'_> {
    /// Where a place behind the text lies afterwards.
    fn urgent(&self, pointer: Option<usize>) -> Option<usize> {
        let pointer = pointer?;
        match pointer > self.at {
            true => Some((pointer + self.text.len()).saturating_sub(self.old_len)),
            false => Some(pointer),
        }
    }
}

/// Where a segment's urgent data ends, if it has any (RFC 9293 section 3.8.5).
fn payload_urgent(headers: &[u8], transport: usize) -> Option<usize> {
    let tcp = headers.get(transport..)?;
    let is_urgent = Flags(*tcp.get(13)?).has(Flags::URG);
    is_urgent.then_some(usize::from(u16::from_be_bytes([
        *tcp.get(18)?,
        *tcp.get(19)?,
    ])))
}

impl Piece<'_> {
    fn write(&self, out: &mut [u8], packet: &Packet) -> Option<usize> {
        let end = self.headers.len() + self.range.len();
        let out = out.get_mut(..end)?;
        let (headers, payload) = out.split_at_mut(self.headers.len());
        headers.copy_from_slice(self.headers);
        let bytes = self.parts.iter().flat_map(|part| part.iter());
        let bytes = bytes.skip(self.range.start);
        payload
            .iter_mut()
            .zip(bytes)
            .for_each(|(to, byte)| *to = *byte);

        let network = usize::from(packet.network);
        let ip_len = u16::try_from(end - network).ok()?;
        let ip = headers.get_mut(network..network + 20)?;
        ip[2..4].copy_from_slice(&ip_len.to_be_bytes());
        // Not the same number twice (RFC 6864 section 4).
        let id = u16::from_be_bytes([ip[4], ip[5]]).wrapping_add(u16::from(self.range.start > 0));
        ip[4..6].copy_from_slice(&id.to_be_bytes());
        ip[10..12].fill(0);
        let sum = Sum::default().bytes(ip).checksum();
        ip[10..12].copy_from_slice(&sum.to_be_bytes());
        let (src, dst) = (*ip[12..].first_chunk::<4>()?, *ip[16..].first_chunk::<4>()?);

        let transport = usize::from(packet.transport);
        let tcp = out.get_mut(transport..)?;
        let tcp_len = u16::try_from(tcp.len()).ok()?;
        self.count(tcp)?;
        tcp[16..18].fill(0);
        let sum = pseudo_header(src, dst, 6, tcp_len).bytes(tcp).checksum();
        tcp[16..18].copy_from_slice(&sum.to_be_bytes());
        Some(end)
    }

    /// Sequence number, control bits and urgent pointer of a piece: what ends something is in the last.
    fn count(&self, tcp: &mut [u8]) -> Option<()> {
        let begin = self.range.start as u32;
        let seq = tcp.get_mut(4..)?.first_chunk_mut::<4>()?;
        *seq = u32::from_be_bytes(*seq).wrapping_add(begin).to_be_bytes();
        let ended = match self.is_last {
            true => 0,
            false => Flags::FIN.0 | Flags::PSH.0,
        };
        let urgent = self
            .urgent
            .and_then(|end| end.checked_sub(self.range.start));
        let passed = match urgent {
            Some(_) => 0,
            None => Flags::URG.0,
        };
        *tcp.get_mut(13)? &= !(ended | passed);
        let pointer = urgent.map_or(0, |end| u16::try_from(end).unwrap_or(u16::MAX));
        tcp.get_mut(18..20)?.copy_from_slice(&pointer.to_be_bytes());
        Some(())
    }
}
