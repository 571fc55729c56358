//! Where a disk's partitions lie: MBR and GPT (UEFI specification 2.10, chapter 5).

use alloc::vec::Vec;

use crate::medium::{ReadError, Volume, u32_at, u64_at};

/// How many partitions are looked at.
const PARTITIONS: usize = 16;
/// Kind of the MBR's partition that stands for a GPT.
const PROTECTIVE: u8 = 0xee;

/// First byte and length of the first partitions; none if there is no partition table.
pub(crate) fn list(disk: &mut Volume<'_, '_>) -> Result<Vec<(u64, u64)>, ReadError> {
    let Some(mbr) = disk.get::<512>(0)? else {
        return Ok(Vec::new());
    };
    if mbr[510..] != [0x55, 0xaa] {
        return Ok(Vec::new());
    }
    let block = disk.block_bytes();
    let entries = mbr[446..510].chunks_exact(16);
    let used: Vec<_> = entries.filter(|entry| entry[4] != 0).collect();
    if used.iter().any(|entry| entry[4] == PROTECTIVE) {
        return gpt(disk, block);
    }
    let ranges = used.iter().map(|entry| {
        let (first, blocks) = (u32_at(entry, 8), u32_at(entry, 12));
        (u64::from(first) * block, u64::from(blocks) * block)
    });
    Ok(ranges
        .filter(|&(start, len)| start > 0 && len > 0)
        .collect())
}

fn gpt(disk: &mut Volume<'_, '_>, block: u64) -> Result<Vec<(u64, u64)>, ReadError> {
    /// Bytes of an entry, as every tool makes them.
    const ENTRY: u32 = 128;
    let Some(header) = disk.get::<92>(block)? else {
        return Ok(Vec::new());
    };
    if !header.starts_with(b"EFI PART") || u32_at(&header, 84) != ENTRY {
        return Ok(Vec::new());
    }
    let Some(table) = u64_at(&header, 72).checked_mul(block) else {
        return Ok(Vec::new());
    };
    let count = (u32_at(&header, 80) as usize).min(PARTITIONS);
    let mut ranges = Vec::new();
    for index in 0..count as u64 {
        let at = table.saturating_add(index * u64::from(ENTRY));
        let Some(entry) = disk.get::<{ ENTRY as usize }>(at)? else {
            break;
        };
        let (first, last) = (u64_at(&entry, 32), u64_at(&entry, 40));
        let is_used = entry[..16].iter().any(|&byte| byte != 0) && first > 0 && last >= first;
        let range = (first.checked_mul(block)).zip((last - first.min(last)).checked_mul(block));
        if let Some((start, len)) = range.filter(|_| is_used) {
            ranges.push((start, len.saturating_add(block)));
        }
    }
    Ok(ranges)
}
