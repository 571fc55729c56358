//! Completing a partial checksum where the card cannot (RFC 1071).

use crate::offload::{Checksum, Offload};
use crate::packet::Packet;

/// Where the checksum sits in a UDP header (RFC 768).
const UDP_CHECKSUM_OFFSET: u16 = 6;

impl Packet {
    /// Sums the frame from the partial checksum's start to its end, writes the
    /// field, and clears [`Packet::offload`]'s checksum. Others stay as they are.
    ///
    /// The field holds the pseudo-header's sum, so it is part of what is summed.
    /// A frame of many segments must not be treated so: each needs its own.
    pub fn complete_checksum(&mut self) {
        let Checksum::Partial { start, offset } = self.offload().checksum else {
            return;
        };
        let sum = match !self.sum_from(start.into()) {
            // Zero says "no checksum" in UDP (RFC 768).
            0 if offset == UDP_CHECKSUM_OFFSET => u16::MAX,
            sum => sum,
        };
        self.write(usize::from(start) + usize::from(offset), &sum.to_be_bytes());
        let gso = self.offload().gso;
        self.set_offload(Offload {
            checksum: Checksum::None,
            gso,
        });
    }

    /// The ones' complement sum of the bytes from `start` to the end.
    fn sum_from(&self, start: usize) -> u16 {
        let (mut sum, mut skip, mut odd) = (0_u64, start, false);
        for slice in self.slices() {
            let bytes = slice.get(skip..).unwrap_or_default();
            skip -= skip.min(slice.len());
            let part = fold(sum_words(bytes));
            // Behind an odd number of bytes, halves change places (RFC 1071 section 2 (B)).
            sum += u64::from(if odd { part.swap_bytes() } else { part });
            odd ^= !bytes.len().is_multiple_of(2);
        }
        fold(sum)
    }
}

/// Adds the big-endian words; a last odd byte counts as the upper half.
fn sum_words(bytes: &[u8]) -> u64 {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let sum: u64 = pairs
        .iter()
        .map(|pair| u64::from(u16::from_be_bytes(*pair)))
        .sum();
    sum + rest.first().map_or(0, |byte| u64::from(*byte) << 8)
}

/// Adds the carries until 16 bits suffice.
fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}
