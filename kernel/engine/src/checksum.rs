//! The Internet checksum (RFC 1071), and its update when fields change (RFC 1624).

/// A ones' complement sum under construction.
///
/// Carries gather in the upper half and are folded in when the sum is read: 2³² words fit.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum(u64);

impl Sum {
    /// Adds bytes that begin at an even offset.
    #[must_use]
    #[inline]
    pub fn bytes(self, bytes: &[u8]) -> Self {
        let mut sum = self.0;
        let (words, rest) = bytes.as_chunks::<4>();
        for word in words {
            sum += u64::from(u32::from_be_bytes(*word));
        }
        let (pairs, odd) = rest.as_chunks::<2>();
        for pair in pairs {
            sum += u64::from(u16::from_be_bytes(*pair));
        }
        if let [last] = odd {
            sum += u64::from(*last) << 8;
        }
        Self((sum & 0xffff_ffff) + (sum >> 32))
    }

    /// Adds one 16-bit word.
    #[must_use]
    #[inline]
    pub const fn word(self, word: u16) -> Self {
        Self(self.0 + word as u64)
    }

    /// Adds two words at once: 2¹⁶ counts as 1.
    #[inline]
    const fn double_word(self, words: u32) -> Self {
        Self(self.0 + words as u64)
    }

    /// The sum itself, as a partial checksum holds it.
    #[must_use]
    #[inline]
    pub const fn partial(self) -> u16 {
        let sum = (self.0 & 0xffff_ffff) + (self.0 >> 32);
        let sum = (sum & 0xffff) + (sum >> 16);
        let sum = (sum & 0xffff) + (sum >> 16);
        ((sum & 0xffff) + (sum >> 16)) as u16
    }

    /// The checksum: the sum's complement.
    #[must_use]
    #[inline]
    pub const fn checksum(self) -> u16 {
        !self.partial()
    }
}

/// Whether the checksum of an IPv4 header without options is right; the sum of all words is the same in any byte order
/// (RFC 1071 section 2).
#[must_use]
#[inline(always)]
pub const fn is_valid_header(header: &[u8; 20]) -> bool {
    let (words, _) = header.as_chunks::<4>();
    let mut sum = Sum(0);
    let mut at = 0;
    while at < words.len() {
        sum = sum.double_word(u32::from_ne_bytes(words[at]));
        at += 1;
    }
    sum.partial() == 0xffff
}

/// How a sum changes when fields do: `HC' = ~(~HC + ~m + m')` (RFC 1624, equation 3).
///
/// Right becomes right, and wrong stays wrong.
#[derive(Clone, Copy, Debug, Default)]
pub struct Change(Sum);

impl Change {
    /// A word that changes.
    #[must_use]
    #[inline]
    pub const fn word(self, old: u16, new: u16) -> Self {
        Self(self.0.word(!old).word(new))
    }

    /// Four bytes that change, at an even offset.
    #[must_use]
    #[inline]
    pub const fn address(self, old: [u8; 4], new: [u8; 4]) -> Self {
        self.number(u32::from_be_bytes(old), u32::from_be_bytes(new))
    }

    /// The same as numbers.
    #[must_use]
    #[inline]
    pub const fn number(self, old: u32, new: u32) -> Self {
        Self(self.0.double_word(!old).double_word(new))
    }

    /// This change and another one.
    #[must_use]
    #[inline]
    pub const fn and(self, other: Self) -> Self {
        Self(Sum(self.0.0 + other.0.0))
    }

    /// Whether nothing changes.
    #[must_use]
    pub const fn is_none(self) -> bool {
        self.0.0 == 0
    }

    /// The checksum after the change.
    #[must_use]
    #[inline]
    pub const fn apply(self, checksum: u16) -> u16 {
        self.0.word(!checksum).checksum()
    }

    /// The partial checksum (a sum, not its complement) after the change.
    #[must_use]
    #[inline]
    pub const fn apply_partial(self, partial: u16) -> u16 {
        self.0.word(partial).partial()
    }
}

/// The sum of TCP's and UDP's pseudo-header (RFC 9293 section 3.1).
#[must_use]
pub fn pseudo_header(src: [u8; 4], dst: [u8; 4], protocol: u8, len: u16) -> Sum {
    Sum::default()
        .bytes(&src)
        .bytes(&dst)
        .word(u16::from(protocol))
        .word(len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    #[test]
    fn a_header_is_valid_if_its_words_add_up_to_ones() {
        let mut header = [0; 20];
        header[..4].copy_from_slice(&[0x45, 0, 0x12, 0x34]);
        let sum = Sum::default().bytes(&header).checksum();
        header[10..12].copy_from_slice(&sum.to_be_bytes());
        assert!(is_valid_header(&header));
        for at in 0..20 {
            header[at] ^= 1;
            assert!(!is_valid_header(&header), "byte {at}");
            header[at] ^= 1;
        }
    }

    #[test]
    fn the_example_of_rfc1071() {
        let sum = Sum::default().bytes(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]);
        assert_eq!(sum.partial(), 0xddf2);
    }

    proptest! {
        #[test]
        fn an_updated_checksum_is_the_recomputed_one_and_a_wrong_one_stays_wrong(
            mut bytes in prop::collection::vec(any::<u8>(), 12..200),
            new in any::<[u8; 4]>(), error in 1_u16..0xffff,
        ) {
            let before = Sum::default().bytes(&bytes).checksum();
            let old: [u8; 4] = [bytes[4], bytes[5], bytes[6], bytes[7]];
            bytes[4..8].copy_from_slice(&new);
            let change = Change::default().address(old, new);
            let verify = |checksum: u16, bytes: &Vec<u8>| Sum::default().bytes(bytes).word(checksum).partial() == 0xffff;
            prop_assert!(verify(change.apply(before), &bytes) || bytes.iter().all(|b| *b == 0));
            let wrong = Sum(u64::from(before)).word(error).partial();
            prop_assume!(wrong != before && !(wrong == 0xffff && before == 0) && !(wrong == 0 && before == 0xffff));
            prop_assert!(!verify(change.apply(wrong), &bytes));
        }

        #[test]
        fn odd_lengths_are_padded_with_zero(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let mut even = bytes.clone();
            if even.len() % 2 == 1 {
                even.push(0);
            }
            let slow = even.chunks(2).fold(Sum::default(), |sum, pair| sum.word(u16::from_be_bytes([pair[0], pair[1]])));
            prop_assert_eq!(Sum::default().bytes(&bytes).partial() % 0xffff, slow.partial() % 0xffff);
        }
    }
}
