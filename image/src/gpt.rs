//! The partition table: GPT with a protective MBR that has boot code (UEFI specification 2.10, chapter 5).
//!
//! * [`Partition`]: where one is and what it is for.
//! * [`write`]: both copies of the table.

use std::ops::Range;

use crate::identity::{Identity, mixed_endian};

/// Bytes in a block of the disk.
pub const BLOCK: usize = 512;
/// The first block behind the header and its 128 entries.
pub const FIRST_USABLE: u64 = 34;

/// How many entries the table has.
pub const ENTRIES: usize = 128;
/// Bytes in an entry.
pub const ENTRY: usize = 128;
/// Bytes in the header.
pub const HEADER: usize = 92;
/// What the header begins with.
pub const SIGNATURE: &[u8; 8] = b"EFI PART";
/// Blocks of the entries.
const ENTRY_BLOCKS: u64 = (ENTRIES * ENTRY / BLOCK) as u64;

/// What a partition is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// GRUB's second stage, where there is a BIOS: `21686148-6449-6E6F-744E-656564454649`.
    BiosBoot,
    /// Where UEFI looks for programs: `C12A7328-F81F-11D2-BA4B-00A0C93EC93B`.
    EfiSystem,
}

impl Kind {
    /// Its number, as it is stored.
    pub fn guid(self) -> [u8; 16] {
        match self {
            Self::BiosBoot => *b"Hah!IdontNeedEFI",
            Self::EfiSystem => mixed_endian([
                0xc1, 0x2a, 0x73, 0x28, 0xf8, 0x1f, 0x11, 0xd2, 0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e,
                0xc9, 0x3b,
            ]),
        }
    }
}

/// One partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// What it is for.
    pub kind: Kind,
    /// Its name, in at most 36 ASCII characters.
    pub name: &'static str,
    /// Its blocks.
    pub blocks: Range<u64>,
}

/// Writes the protective MBR's entry and both copies of the table onto a disk that is a whole number of blocks.
pub fn write(disk: &mut [u8], identity: &Identity, partitions: &[Partition]) {
    let blocks = (disk.len() / BLOCK) as u64;
    protect(disk, identity, blocks);

    let mut entries = vec![0; ENTRIES * ENTRY];
    for (entry, partition) in entries.chunks_exact_mut(ENTRY).zip(partitions) {
        entry[..16].copy_from_slice(&partition.kind.guid());
        entry[16..32].copy_from_slice(&mixed_endian(identity.uuid(partition.name)));
        entry[32..40].copy_from_slice(&partition.blocks.start.to_le_bytes());
        entry[40..48].copy_from_slice(&(partition.blocks.end - 1).to_le_bytes());
        for (unit, letter) in entry[56..]
            .chunks_exact_mut(2)
            .zip(partition.name.encode_utf16())
        {
            unit.copy_from_slice(&letter.to_le_bytes());
        }
    }

    let last = blocks - 1;
    for (own, other, table) in [(1, last, 2), (last, 1, last - ENTRY_BLOCKS)] {
        let header = header(identity, blocks, &entries, [own, other, table]);
        put(disk, own, &header);
        put(disk, table, &entries);
    }
}

/// The MBR's only entry covers the whole disk, so that no old program thinks it empty.
fn protect(disk: &mut [u8], identity: &Identity, blocks: u64) {
    let size = u32::try_from(blocks - 1).unwrap_or(u32::MAX);
    disk[0x1b8..0x1bc].copy_from_slice(&identity.number("disk signature").to_le_bytes());
    disk[0x1be..0x1c6].copy_from_slice(&[0, 0, 2, 0, 0xee, 0xff, 0xff, 0xff]);
    disk[0x1c6..0x1ca].copy_from_slice(&1_u32.to_le_bytes());
    disk[0x1ca..0x1ce].copy_from_slice(&size.to_le_bytes());
    disk[0x1ce..0x1fe].fill(0);
    disk[0x1fe..0x200].copy_from_slice(&[0x55, 0xaa]);
}

fn header(
    identity: &Identity,
    blocks: u64,
    entries: &[u8],
    [own, other, table]: [u64; 3],
) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..8].copy_from_slice(SIGNATURE);
    header[8..12].copy_from_slice(&0x0001_0000_u32.to_le_bytes());
    header[12..16].copy_from_slice(&(HEADER as u32).to_le_bytes());
    header[24..32].copy_from_slice(&own.to_le_bytes());
    header[32..40].copy_from_slice(&other.to_le_bytes());
    header[40..48].copy_from_slice(&FIRST_USABLE.to_le_bytes());
    header[48..56].copy_from_slice(&(blocks - FIRST_USABLE).to_le_bytes());
    header[56..72].copy_from_slice(&mixed_endian(identity.uuid("disk")));
    header[72..80].copy_from_slice(&table.to_le_bytes());
    header[80..84].copy_from_slice(&(ENTRIES as u32).to_le_bytes());
    header[84..88].copy_from_slice(&(ENTRY as u32).to_le_bytes());
    header[88..92].copy_from_slice(&crc32fast::hash(entries).to_le_bytes());
    // Computed while its own field is zero.
    let check = crc32fast::hash(&header);
    header[16..20].copy_from_slice(&check.to_le_bytes());
    header
}

fn put(disk: &mut [u8], block: u64, bytes: &[u8]) {
    let at = usize::try_from(block).expect("the disk is in memory") * BLOCK;
    disk[at..at + bytes.len()].copy_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk() -> Vec<u8> {
        let mut disk = vec![0; 4096 * BLOCK];
        let partitions = [
            Partition {
                kind: Kind::BiosBoot,
                name: "boot",
                blocks: 40..100,
            },
            Partition {
                kind: Kind::EfiSystem,
                name: "files",
                blocks: 2048..4000,
            },
        ];
        write(&mut disk, &Identity::of([]), &partitions);
        disk
    }

    #[test]
    fn the_table_says_where_the_partitions_are() {
        let disk = disk();
        let header = &disk[BLOCK..BLOCK + HEADER];
        let mut unsigned: [u8; HEADER] = header.try_into().expect("it has that length");
        unsigned[16..20].fill(0);
        assert_eq!(header[16..20], crc32fast::hash(&unsigned).to_le_bytes());
        let entries = disk[2 * BLOCK..].chunks_exact(ENTRY).take(2);
        let range = |entry: &[u8]| {
            let number = |at: usize| u64::from_le_bytes(entry[at..at + 8].try_into().expect("8"));
            (entry[..16].to_vec(), number(32)..number(40) + 1)
        };
        let found: Vec<_> = entries.map(range).collect();
        assert_eq!(found[0], (Kind::BiosBoot.guid().to_vec(), 40..100));
        assert_eq!(found[1], (Kind::EfiSystem.guid().to_vec(), 2048..4000));
    }

    #[test]
    fn the_second_copy_ends_the_disk_and_points_to_the_first() {
        let disk = disk();
        let last = &disk[4095 * BLOCK..];
        assert_eq!(last[..8], *SIGNATURE);
        assert_eq!(last[24..32], 4095_u64.to_le_bytes());
        assert_eq!(last[32..40], 1_u64.to_le_bytes());
        let entries = 2 * BLOCK..2 * BLOCK + ENTRIES * ENTRY;
        assert_eq!(
            disk[entries],
            disk[4063 * BLOCK..4063 * BLOCK + ENTRIES * ENTRY]
        );
    }
}
