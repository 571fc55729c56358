//! TCP segments that the box makes itself: both sides of a handshake that it takes for a server.

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
