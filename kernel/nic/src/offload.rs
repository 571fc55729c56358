//! What a frame's sender left undone, and the virtio-net header that says so.
//!
//! virtio 1.2 section 5.1.6. Offsets are bytes from the Ethernet header.

use crate::fault::FrameFault;

/// Bytes of the virtio-net header with VERSION_1.
pub const HEADER_BYTES: usize = 12;

/// The checksum is partial.
const NEEDS_CSUM: u8 = 1;
/// The device has verified the checksum.
const DATA_VALID: u8 = 2;

const GSO_NONE: u8 = 0;
const GSO_TCPV4: u8 = 1;
const GSO_TCPV6: u8 = 4;
const GSO_ECN: u8 = 0x80;

/// Where the checksum sits in a TCP header (RFC 9293 section 3.1).
const TCP_CHECKSUM_OFFSET: u16 = 16;

/// What is left to do on a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offload {
    /// The transport checksum.
    pub checksum: Checksum,
    /// Cutting it into segments.
    pub gso: Gso,
}

/// The state of the transport checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// Complete, nobody has looked at it.
    None,
    /// Complete and right, says the device.
    Valid,
    /// Holds the pseudo-header's sum only.
    Partial {
        /// Where summing starts, to the end of the frame.
        start: u16,
        /// Where the field is, from `start`.
        offset: u16,
    },
}

/// Whether a frame is many segments in one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gso {
    /// It is one.
    None,
    /// TCP over IPv4.
    Tcp4 {
        /// Payload bytes of a segment.
        size: u16,
        /// What CWR means for them.
        ecn: Ecn,
    },
    /// TCP over IPv6.
    Tcp6 {
        /// Payload bytes of a segment.
        size: u16,
        /// What CWR means for them.
        ecn: Ecn,
    },
}

/// Whether a large frame carries CWR (RFC 3168), which only its first segment keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ecn {
    /// It does not.
    Absent,
    /// It does.
    Present,
}

/// What received frames may ask for, as negotiated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Allowed {
    pub partial: bool,
    pub tcp4: bool,
    pub tcp6: bool,
    pub ecn: bool,
}

impl Offload {
    /// Nothing to do, nothing known.
    pub const NONE: Self = Self {
        checksum: Checksum::None,
        gso: Gso::None,
    };

    /// Reads the header of a received frame, whose first buffer holds `head_len` bytes of it.
    #[inline]
    pub(crate) fn parse(
        header: &[u8; HEADER_BYTES],
        head_len: usize,
        allowed: Allowed,
    ) -> Result<Self, FrameFault> {
        if header[0] == 0 && header[1] == GSO_NONE {
            return Ok(Self::NONE);
        }
        let checksum = parse_checksum(header, head_len, allowed)?;
        let gso = parse_gso(header, allowed)?;
        let is_tcp = matches!(
            checksum,
            Checksum::Partial {
                offset: TCP_CHECKSUM_OFFSET,
                ..
            }
        );
        if gso != Gso::None && !is_tcp {
            return Err(FrameFault::SegmentsContradict);
        }
        Ok(Self { checksum, gso })
    }

    /// The header to send `head`'s frame with.
    ///
    /// DATA_VALID is a receiver's word and never sent (section 5.1.6.2.1).
    #[inline]
    pub(crate) fn header(self, head: &[u8]) -> [u8; HEADER_BYTES] {
        let mut header = [0; HEADER_BYTES];
        let Checksum::Partial { start, offset } = self.checksum else {
            return header;
        };
        header[0] = NEEDS_CSUM;
        header[6..8].copy_from_slice(&start.to_le_bytes());
        header[8..10].copy_from_slice(&offset.to_le_bytes());
        let (kind, size, ecn) = match self.gso {
            Gso::None => return header,
            Gso::Tcp4 { size, ecn } => (GSO_TCPV4, size, ecn),
            Gso::Tcp6 { size, ecn } => (GSO_TCPV6, size, ecn),
        };
        header[1] = match ecn {
            Ecn::Absent => kind,
            Ecn::Present => kind | GSO_ECN,
        };
        header[2..4].copy_from_slice(&headers_len(head, start).to_le_bytes());
        header[4..6].copy_from_slice(&size.to_le_bytes());
        header
    }
}

/// Bytes of all headers of a TCP frame, the transport header at `start`.
fn headers_len(head: &[u8], start: u16) -> u16 {
    let words = head
        .get(usize::from(start) + 12)
        .map_or(5, |byte| (byte >> 4).max(5));
    start.saturating_add(u16::from(words) * 4)
}

fn parse_checksum(
    header: &[u8; HEADER_BYTES],
    head_len: usize,
    allowed: Allowed,
) -> Result<Checksum, FrameFault> {
    if header[0] & NEEDS_CSUM == 0 {
        // Some devices say DATA_VALID without being asked; it means nothing then.
        return Ok(match header[0] & DATA_VALID != 0 && allowed.partial {
            true => Checksum::Valid,
            false => Checksum::None,
        });
    }
    if !allowed.partial {
        return Err(FrameFault::ChecksumNotNegotiated);
    }
    let (start, offset) = (word(header, 6), word(header, 8));
    let end = usize::from(start) + usize::from(offset) + 2;
    // The field, and the start of what is summed, lie behind the Ethernet header and in reach.
    if end > head_len || start < 14 {
        return Err(FrameFault::ChecksumOutside);
    }
    Ok(Checksum::Partial { start, offset })
}

fn parse_gso(header: &[u8; HEADER_BYTES], allowed: Allowed) -> Result<Gso, FrameFault> {
    let size = word(header, 4);
    let ecn = match header[1] & GSO_ECN {
        0 => Ecn::Absent,
        _ => Ecn::Present,
    };
    let (gso, kind_allowed) = match header[1] & !GSO_ECN {
        GSO_NONE if ecn == Ecn::Absent => return Ok(Gso::None),
        GSO_TCPV4 => (Gso::Tcp4 { size, ecn }, allowed.tcp4),
        GSO_TCPV6 => (Gso::Tcp6 { size, ecn }, allowed.tcp6),
        _ => return Err(FrameFault::SegmentsUnknown),
    };
    if !kind_allowed || (ecn == Ecn::Present && !allowed.ecn) {
        return Err(FrameFault::SegmentsNotNegotiated);
    }
    if size == 0 {
        return Err(FrameFault::SegmentsContradict);
    }
    Ok(gso)
}

fn word(header: &[u8; HEADER_BYTES], at: usize) -> u16 {
    u16::from_le_bytes([header[at], header[at + 1]])
}
