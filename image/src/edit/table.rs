//! Where the files of a disk are: the reading side of [`crate::gpt`].

use std::ops::Range;

use super::Refusal;
use crate::gpt::{BLOCK, ENTRIES, ENTRY, FIRST_USABLE, HEADER, Kind, SIGNATURE};

/// Bytes at the front of a disk that [`files`] looks at.
pub const FRONT: usize = FIRST_USABLE as usize * BLOCK;

/// The bytes of the partition with the files, on a disk that begins so.
///
/// # Errors
/// When it is none of ours, or its table is damaged.
pub fn files(front: &[u8]) -> Result<Range<u64>, Refusal> {
    let ours = |why| Refusal::NotOurs { why };
    let header = front.get(BLOCK..BLOCK + HEADER);
    let header = header.filter(|header| header.starts_with(SIGNATURE));
    let header = header.ok_or(ours("it has no partition table of GPT"))?;
    let entries = front.get(2 * BLOCK..2 * BLOCK + ENTRIES * ENTRY);
    let entries = entries.ok_or(ours("it ends within its partition table"))?;
    if long(header, 72) != 2 || word(header, 80) != ENTRIES as u32 {
        return Err(ours("its partition table has another size"));
    }

    let mut unsigned = header.to_vec();
    unsigned[16..20].fill(0);
    if crc32fast::hash(&unsigned) != word(header, 16)
        || crc32fast::hash(entries) != word(header, 88)
    {
        return Err(Refusal::Damaged {
            why: "the partition table's checksum is wrong",
        });
    }

    let kind = Kind::EfiSystem.guid();
    let mut entries = entries.chunks_exact(ENTRY);
    let entry = entries.find(|entry| entry.starts_with(&kind));
    let entry = entry.ok_or(ours("it has no EFI system partition"))?;
    let block = BLOCK as u64;
    match (
        long(entry, 32).checked_mul(block),
        long(entry, 40).saturating_add(1).checked_mul(block),
    ) {
        (Some(start), Some(end)) if start < end => Ok(start..end),
        _ => Err(Refusal::Damaged {
            why: "a partition ends before it begins",
        }),
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn long(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpt::{self, Partition};
    use crate::identity::Identity;

    fn disk() -> Vec<u8> {
        let mut disk = vec![0; 4096 * BLOCK];
        let partition = |kind, name, blocks| Partition { kind, name, blocks };
        let partitions = [
            partition(Kind::BiosBoot, "boot", 40..100),
            partition(Kind::EfiSystem, "files", 2048..4000),
        ];
        gpt::write(&mut disk, &Identity::of([]), &partitions);
        disk
    }

    #[test]
    fn the_partition_with_the_files_is_found() {
        let block = BLOCK as u64;
        assert_eq!(files(&disk()[..FRONT]), Ok(2048 * block..4000 * block));
    }

    #[test]
    fn another_disk_is_refused() {
        let disk = disk();
        let refused = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut disk = disk.clone();
            change(&mut disk);
            files(&disk).expect_err("refused").to_string()
        };
        assert!(refused(&|disk| disk[BLOCK] = 0).contains("no partition table"));
        assert!(refused(&|disk| disk.truncate(FRONT - 1)).contains("ends within"));
        assert!(refused(&|disk| disk.truncate(0)).contains("no partition table"));
        assert!(refused(&|disk| disk[BLOCK + 24] ^= 1).contains("checksum"));
        assert!(refused(&|disk| disk[2 * BLOCK + 200] ^= 1).contains("checksum"));
        let only_boot = |disk: &mut Vec<u8>| {
            let partition = Partition {
                kind: Kind::BiosBoot,
                name: "boot",
                blocks: 40..100,
            };
            gpt::write(disk, &Identity::of([]), &[partition]);
        };
        assert!(refused(&only_boot).contains("no EFI system partition"));
    }
}
