//! ICMP errors and TCP resets that the box makes itself, and answers to echo requests.

use core::net::Ipv4Addr;

use crate::Instant;
use crate::checksum::{Change, Sum, pseudo_header};
use crate::frame::Frame;
use crate::martian;
use crate::neighbor::Mac;
use crate::packet::{Content, Flags, Packet, Segment};
use crate::parse::ETHERNET;
use crate::verdict::DropReason;

/// The type of an echo request.
pub const ECHO_REQUEST: u8 = 8;
/// An error is at most this long, as an IP packet (RFC 1812 section 4.3.2.3).
const LONGEST: usize = 576;
/// Bytes before the quote: IP and ICMP headers.
const HEADERS: usize = 28;
/// The TTL of what we send (RFC 1700).
const TTL: u8 = 64;

/// An error about a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// Its time to live ran out in transit.
    TimeExceeded,
    /// There is no way to its network.
    NetworkUnreachable,
    /// Its destination does not answer ARP.
    HostUnreachable,
    /// Nobody listens on that port.
    PortUnreachable,
    /// Policy forbids it (RFC 1812 section 5.2.7.1).
    Prohibited,
    /// It is too large for the way out and must not be fragmented (RFC 1191).
    FragmentationNeeded {
        /// What the way out carries, in bytes.
        mtu: u16,
    },
}

impl Error {
    const fn kind_and_code(self) -> [u8; 2] {
        match self {
            Self::TimeExceeded => [11, 0],
            Self::NetworkUnreachable => [3, 0],
            Self::HostUnreachable => [3, 1],
            Self::PortUnreachable => [3, 3],
            Self::Prohibited => [3, 13],
            Self::FragmentationNeeded { .. } => [3, 4],
        }
    }
}

/// Our end of the segment that an error goes to, and the packet's sender there.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    /// Our card.
    pub from: Mac,
    /// Our address.
    pub own: Ipv4Addr,
    /// Who sent the frame.
    pub to: Mac,
}

/// Whether an error about a packet is allowed at all (RFC 1812 section 4.3.2.7).
#[must_use]
pub fn may_tell(frame: &Frame<'_>, packet: &Packet) -> bool {
    let Some(src) = packet.key.src.address.as_v4() else {
        return false;
    };
    let is_error = matches!(
        packet.content,
        Content::IcmpError { .. } | Content::IcmpOther
    );
    let to_group = frame.head.first().is_none_or(|first| first & 1 == 1);
    !is_error && !to_group && packet.fragment.offset == 0 && martian::is_source(src)
}

/// Writes an error about a packet into `out`; its length, if there is room.
#[must_use]
pub fn write_error(
    out: &mut [u8],
    frame: &Frame<'_>,
    packet: &Packet,
    error: Error,
    way: Way,
) -> Option<usize> {
    let quoted_end = (ETHERNET + usize::from(packet.ip_len)).min(frame.head.len());
    let quote = frame.head.get(ETHERNET..quoted_end)?;
    let quote = &quote[..quote.len().min(LONGEST - HEADERS)];
    let dst = packet.key.src.address.as_v4()?;
    let ip_len = HEADERS + quote.len();
    ip_header(out.get_mut(..ETHERNET + 20)?, way, dst, 1, ip_len as u16);
    let message = out.get_mut(ETHERNET + 20..ETHERNET + ip_len)?;
    message[..8].fill(0);
    message[..2].copy_from_slice(&error.kind_and_code());
    if let Error::FragmentationNeeded { mtu } = error {
        message[6..8].copy_from_slice(&mtu.to_be_bytes());
    }
    message[8..].copy_from_slice(quote);
    let sum = Sum::default().bytes(message).checksum();
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    Some(ETHERNET + ip_len)
}

/// Writes the reset that a closed TCP port answers with (RFC 9293 section 3.10.7.1).
#[must_use]
pub fn write_reset(out: &mut [u8], packet: &Packet, segment: &Segment, way: Way) -> Option<usize> {
    if segment.flags.has(Flags::RST) {
        return None;
    }
    let (dst, src) = (
        packet.key.src.address.as_v4()?,
        packet.key.dst.address.as_v4()?,
    );
    ip_header(
        out.get_mut(..ETHERNET + 20)?,
        Way { own: src, ..way },
        dst,
        6,
        40,
    );
    let tcp = out.get_mut(ETHERNET + 20..ETHERNET + 40)?;
    let length = segment.payload_len
        + u32::from(segment.flags.has(Flags::SYN))
        + u32::from(segment.flags.has(Flags::FIN));
    let (seq, ack, flags) = if segment.flags.has(Flags::ACK) {
        (segment.ack, 0, Flags::RST.0)
    } else {
        (
            0,
            segment.seq.wrapping_add(length),
            Flags::RST.0 | Flags::ACK.0,
        )
    };
    tcp.fill(0);
    tcp[0..2].copy_from_slice(&packet.key.dst.port.to_be_bytes());
    tcp[2..4].copy_from_slice(&packet.key.src.port.to_be_bytes());
    tcp[4..8].copy_from_slice(&seq.to_be_bytes());
    tcp[8..12].copy_from_slice(&ack.to_be_bytes());
    tcp[12] = 5 << 4;
    tcp[13] = flags;
    let sum = pseudo_header(src.octets(), dst.octets(), 6, 20)
        .bytes(tcp)
        .checksum();
    tcp[16..18].copy_from_slice(&sum.to_be_bytes());
    Some(ETHERNET + 40)
}

/// Turns an echo request into its reply, in place; of a fragmented one, a piece of it into the same piece of the reply
/// (RFC 1812 section 4.3.3.6: what is as large as any card's MTU is answered, too).
///
/// # Errors
/// [`DropReason::NotOffered`] for a reply, and for a frame longer than a buffer.
pub fn answer_echo(frame: &mut Frame<'_>, packet: &Packet) -> Result<(), DropReason> {
    const REFUSED: DropReason = DropReason::NotOffered;
    if !frame.is_whole() {
        return Err(REFUSED);
    }
    let (ethernet, rest) = frame
        .head
        .split_first_chunk_mut::<ETHERNET>()
        .ok_or(REFUSED)?;
    let (ip, message) = rest.split_first_chunk_mut::<20>().ok_or(REFUSED)?;
    let is_first = packet.fragment.offset == 0;
    // A reply with the identifier 8 looks like a request to all that knows only ports.
    if is_first && message.first() != Some(&ECHO_REQUEST) {
        return Err(REFUSED);
    }
    let (to, from) = ethernet[..12].split_at_mut(6);
    to.swap_with_slice(from);
    let (src, dst) = ip[12..].split_at_mut(4);
    src.swap_with_slice(dst);
    // The same addresses in another order: only the TTL changes the sum.
    let old = u16::from_be_bytes([ip[8], ip[9]]);
    ip[8] = TTL;
    let change = Change::default().word(old, u16::from_be_bytes([ip[8], ip[9]]));
    let sum = change.apply(u16::from_be_bytes([ip[10], ip[11]]));
    ip[10..12].copy_from_slice(&sum.to_be_bytes());
    if !is_first {
        return Ok(());
    }
    let header = message.first_chunk_mut::<4>().ok_or(REFUSED)?;
    let change = Change::default().word(
        u16::from_be_bytes([header[0], header[1]]),
        u16::from(header[1]),
    );
    header[0] = 0;
    let sum = change.apply(u16::from_be_bytes([header[2], header[3]]));
    header[2..4].copy_from_slice(&sum.to_be_bytes());
    Ok(())
}

/// Writes Ethernet and IPv4 headers. The identification is 0: the packet is atomic (RFC 6864 section 4.1).
fn ip_header(out: &mut [u8], way: Way, dst: Ipv4Addr, protocol: u8, ip_len: u16) {
    const DONT_FRAGMENT: u8 = 0x40;
    /// Internetwork control, as routers mark their errors (RFC 1812 section 4.3.2.5).
    const TOS: u8 = 0xc0;
    out[..6].copy_from_slice(&way.to);
    out[6..12].copy_from_slice(&way.from);
    out[12..14].copy_from_slice(&[8, 0]);
    let header = &mut out[ETHERNET..ETHERNET + 20];
    header.fill(0);
    header[0] = 0x45;
    header[1] = TOS;
    header[2..4].copy_from_slice(&ip_len.to_be_bytes());
    header[6] = DONT_FRAGMENT;
    header[8] = TTL;
    header[9] = protocol;
    header[12..16].copy_from_slice(&way.own.octets());
    header[16..20].copy_from_slice(&dst.octets());
    let sum = Sum::default().bytes(header).checksum();
    header[10..12].copy_from_slice(&sum.to_be_bytes());
}

/// A token bucket: so many in a second, and as many at once.
#[derive(Clone, Copy, Debug)]
pub struct RateLimit {
    per_second: u32,
    tokens: u32,
    last: Instant,
}

impl RateLimit {
    /// A full bucket.
    #[must_use]
    pub fn new(per_second: u32) -> Self {
        Self {
            per_second,
            tokens: per_second,
            last: Instant::default(),
        }
    }

    /// Takes a token, if there is one.
    pub fn take(&mut self, now: Instant) -> bool {
        let passed = now.since(self.last).as_micros().min(1_000_000) as u64;
        let earned = (passed * u64::from(self.per_second) / 1_000_000) as u32;
        if earned > 0 {
            self.tokens = self.tokens.saturating_add(earned).min(self.per_second);
            self.last = now;
        }
        let had = self.tokens > 0;
        self.tokens = self.tokens.saturating_sub(1);
        had
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    #[test]
    fn a_rate_limit_lets_a_burst_through_and_then_so_many_a_second() {
        let mut limit = RateLimit::new(10);
        let mut now = Instant::default();
        let taken = (0..100).filter(|_| limit.take(now)).count();
        assert_eq!(taken, 10);
        let mut later = 0;
        for _ in 0..1000 {
            now = now.after(Duration::from_millis(2));
            later += usize::from(limit.take(now));
        }
        assert!((19..=20).contains(&later), "{later}");
    }

    #[test]
    fn nothing_is_written_where_there_is_no_room() {
        let way = Way {
            from: [2, 0, 0, 0, 0, 1],
            own: Ipv4Addr::new(10, 99, 0, 1),
            to: [2, 0, 0, 0, 0, 2],
        };
        let mut bytes = [0; ETHERNET + 40];
        bytes[ETHERNET..ETHERNET + 20].copy_from_slice(&[
            0x45, 0, 0, 40, 0, 0, 0, 0, 64, 47, 0, 0, 10, 99, 0, 2, 10, 98, 0, 3,
        ]);
        let sum = Sum::default()
            .bytes(&bytes[ETHERNET..ETHERNET + 20])
            .checksum();
        bytes[ETHERNET + 10..ETHERNET + 12].copy_from_slice(&sum.to_be_bytes());
        bytes[12..14].copy_from_slice(&[8, 0]);
        let frame = Frame::whole(&mut bytes);
        let side = crate::key::Side::zone(crate::ZoneId::new(1).expect("a zone"));
        let Ok(crate::parse::Parsed::Ip(packet)) = crate::parse::parse(&frame, side) else {
            panic!("a packet");
        };
        let needed = ETHERNET + HEADERS + 40;
        let mut out = [0; 200];
        for room in 0..needed {
            let error = write_error(&mut out[..room], &frame, &packet, Error::Prohibited, way);
            assert_eq!(error, None, "{room}");
        }
        let error = write_error(&mut out, &frame, &packet, Error::Prohibited, way);
        assert_eq!(error, Some(needed));

        // The pipeline never asks about such frames, and it would not matter if it did.
        assert!(may_tell(&frame, &packet));
        frame.head[0] = 0xff;
        assert!(!may_tell(&frame, &packet), "to all");
    }
}
