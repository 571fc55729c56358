//! Numbers that a disk needs and that others draw at random: drawn from what is on it.
//!
//! Two builds of the same contents are the same disk, and two disks of different contents can be told apart.

use sha2::{Digest, Sha256};

/// The hash of all that goes onto a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity([u8; 32]);

impl Identity {
    /// Of these files, in this order.
    pub fn of<'a>(files: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut hash = Sha256::new();
        for file in files {
            hash.update((file.len() as u64).to_le_bytes());
            hash.update(file);
        }
        Self(hash.finalize().into())
    }

    /// Sixteen bytes for the use named, in the form of a random UUID (RFC 9562, 5.4), most significant byte first.
    pub fn uuid(&self, purpose: &str) -> [u8; 16] {
        let mut uuid: [u8; 16] = self.bytes(purpose);
        uuid[6] = uuid[6] & 0x0f | 0x40;
        uuid[8] = uuid[8] & 0x3f | 0x80;
        uuid
    }

    /// A number for the use named.
    pub fn number(&self, purpose: &str) -> u32 {
        u32::from_be_bytes(self.bytes(purpose))
    }

    fn bytes<const N: usize>(&self, purpose: &str) -> [u8; N] {
        let digest = Sha256::new()
            .chain_update(self.0)
            .chain_update(purpose)
            .finalize();
        digest[..N].try_into().expect("a digest has 32 bytes")
    }
}

/// A UUID as GPT, VHDX and EFI store it: the first three fields with the least significant byte first.
pub fn mixed_endian(mut uuid: [u8; 16]) -> [u8; 16] {
    uuid[..4].reverse();
    uuid[4..6].reverse();
    uuid[6..8].reverse();
    uuid
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_and_purpose_decide() {
        let one = Identity::of([b"kernel".as_slice(), b"configuration"]);
        assert_eq!(one, Identity::of([b"kernel".as_slice(), b"configuration"]));
        assert_ne!(one, Identity::of([b"kernelc".as_slice(), b"onfiguration"]));
        assert_ne!(one.uuid("disk"), one.uuid("partition"));
        assert_ne!(one.number("disk"), one.number("partition"));
    }

    #[test]
    fn it_looks_like_a_random_uuid() {
        let uuid = Identity::of([]).uuid("disk");
        assert_eq!((uuid[6] >> 4, uuid[8] >> 6), (4, 2), "version and variant");
    }

    #[test]
    fn mixed_endian_turns_the_first_three_fields() {
        let uuid = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
        assert_eq!(
            mixed_endian(uuid),
            [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15]
        );
    }
}
