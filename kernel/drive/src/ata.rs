//! What an ATA disk says of itself (ACS-4 section 7.12, IDENTIFY DEVICE).

use crate::medium::{CHUNK, Fault, u16_at, u32_at, u64_at};

/// A disk's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Bytes of a logical block.
    pub block_bytes: usize,
    /// Logical blocks.
    pub blocks: u64,
}

/// Bytes that IDENTIFY DEVICE gives.
pub const IDENTITY_BYTES: usize = 512;

impl Geometry {
    /// Reads the answer to IDENTIFY DEVICE.
    ///
    /// # Errors
    /// [`Fault::Nonsense`] if no disk that can be used has such numbers.
    pub fn read(identity: &[u8; IDENTITY_BYTES]) -> Result<Self, Fault> {
        let word = |index: usize| u16_at(identity, 2 * index);
        let has_wide_addresses = word(83) & 0xc400 == 0x4400;
        let blocks = match (has_wide_addresses, u64_at(identity, 200)) {
            (true, wide) if wide != 0 => wide,
            _ => u32_at(identity, 120).into(),
        };
        let has_long_blocks = word(106) & 0xd000 == 0x5000;
        let block_bytes = match has_long_blocks {
            true => 2 * u64::from(u32_at(identity, 234)),
            false => 512,
        };
        let possible = block_bytes.is_power_of_two() && (512..=CHUNK as u64).contains(&block_bytes);
        // Addresses have 48 bits.
        if !possible || blocks == 0 || blocks >= 1 << 48 {
            return Err(Fault::Nonsense);
        }
        Ok(Self {
            block_bytes: block_bytes as usize,
            blocks,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(words: &[(usize, u16)]) -> [u8; IDENTITY_BYTES] {
        let mut identity = [0; IDENTITY_BYTES];
        for &(index, word) in words {
            identity[2 * index..2 * index + 2].copy_from_slice(&word.to_le_bytes());
        }
        identity
    }

    fn read(words: &[(usize, u16)]) -> Result<(usize, u64), Fault> {
        Geometry::read(&identity(words)).map(|geometry| (geometry.block_bytes, geometry.blocks))
    }

    #[test]
    fn small_disks_have_28_bit_addresses() {
        assert_eq!(read(&[(60, 0x8000), (61, 1)]), Ok((512, 0x1_8000)));
    }

    #[test]
    fn large_disks_have_48_bit_addresses() {
        let words = [(60, 0xffff), (61, 0x0fff), (83, 0x4400), (100, 1), (102, 2)];
        assert_eq!(read(&words), Ok((512, 0x2_0000_0001)));
    }

    #[test]
    fn blocks_may_be_longer() {
        let words = [(60, 100), (106, 0x5000), (117, 2048)];
        assert_eq!(read(&words), Ok((4096, 100)));
    }

    #[test]
    fn impossible_numbers_are_refused() {
        assert_eq!(read(&[]), Err(Fault::Nonsense));
        for words in [0, 1, 300, 0xffff] {
            let words = [(60, 100), (106, 0x5000), (117, words), (118, 0)];
            assert_eq!(read(&words), Err(Fault::Nonsense));
        }
        assert_eq!(read(&[(83, 0x4400), (103, 1)]), Err(Fault::Nonsense));
    }
}
