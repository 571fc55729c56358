//! Hyper-V's disk (Microsoft's specification MS-VHDX): two headers and two region tables, an empty log, metadata, a table of
//! blocks, and the blocks that are not empty. Every structure begins at a multiple of 64 KiB, every region at one of 1 MiB.

use super::blocks::{fill_up, put, stored};
use crate::identity::{Identity, mixed_endian};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
/// Bytes in a payload block: the smallest there is.
const UNIT: usize = MIB;
/// Blocks that one block of the sector bitmap covers; the table has one entry more after so many (2.5).
const CHUNK: usize = (1 << 23) * SECTOR as usize / UNIT;
const SECTOR: u32 = 512;

const LOG: usize = MIB;
const METADATA: usize = 2 * MIB;
const TABLE: usize = 3 * MIB;

/// A block that is in the file: `PAYLOAD_BLOCK_FULLY_PRESENT`. Others read as zeros.
const PRESENT: u64 = 6;
/// Flags of a metadata item: of the virtual disk, and required to open it.
const OF_DISK: u32 = 2;
const REQUIRED: u32 = 4;

/// The whole file.
pub fn encode(disk: &[u8], identity: &Identity) -> Vec<u8> {
    let blocks = disk.len().div_ceil(UNIT);
    let entries = blocks + blocks.saturating_sub(1) / CHUNK;
    let mut file = vec![0; TABLE];
    file.resize(TABLE + entries * 8, 0);
    fill_up(&mut file, MIB);
    let table_bytes = file.len() - TABLE;

    put(&mut file, 0, b"vhdxfile");
    put(&mut file, 8, utf16("Sekisho"));
    for (at, sequence) in [(64 * KIB, 0), (128 * KIB, 1)] {
        put(&mut file, at, header(identity, sequence));
    }
    for at in [192 * KIB, 256 * KIB] {
        put(&mut file, at, regions(table_bytes));
    }
    put(&mut file, METADATA, metadata(disk.len(), identity));
    for (number, block) in stored(disk, UNIT) {
        // The offset counts MiB from bit 20 on: as bytes it stands where it belongs.
        let entry = file.len() as u64 | PRESENT;
        put(
            &mut file,
            TABLE + (number + number / CHUNK) * 8,
            entry.to_le_bytes(),
        );
        file.extend_from_slice(&block);
    }
    file
}

/// A header (2.2.2); of the two, the one with the greater number counts.
fn header(identity: &Identity, sequence: u64) -> Vec<u8> {
    let mut header = vec![0; 4 * KIB];
    put(&mut header, 0, b"head");
    put(&mut header, 8, sequence.to_le_bytes());
    put(&mut header, 16, mixed_endian(identity.uuid("vhdx file")));
    put(&mut header, 32, mixed_endian(identity.uuid("vhdx data")));
    // The log's number stays zero: there is nothing in it.
    put(&mut header, 66, 1_u16.to_le_bytes()); // version
    put(&mut header, 68, (MIB as u32).to_le_bytes());
    put(&mut header, 72, (LOG as u64).to_le_bytes());
    checked(header)
}

/// The region table (2.2.3).
fn regions(table_bytes: usize) -> Vec<u8> {
    let mut table = vec![0; 64 * KIB];
    put(&mut table, 0, b"regi");
    put(&mut table, 8, 2_u32.to_le_bytes());
    let regions = [
        (
            0x2dc2_7766_f623_4200_9d64_115e_9bfd_4a08,
            TABLE,
            table_bytes,
        ),
        (0x8b7c_a206_4790_4b9a_b8fe_575f_050f_886e, METADATA, MIB),
    ];
    for (index, (guid, at, bytes)) in regions.into_iter().enumerate() {
        let entry = &mut table[16 + index * 32..];
        put(entry, 0, self::guid(guid));
        put(entry, 16, (at as u64).to_le_bytes());
        put(entry, 24, (bytes as u32).to_le_bytes());
        put(entry, 28, 1_u32.to_le_bytes()); // required
    }
    checked(table)
}

/// What is known of the disk (2.6), the items behind the table of them.
fn metadata(bytes: usize, identity: &Identity) -> Vec<u8> {
    let parameters = [(UNIT as u32).to_le_bytes(), [0; 4]].concat();
    let id = mixed_endian(identity.uuid("vhdx disk"));
    let items: [(u128, u32, &[u8]); 5] = [
        (
            0xcaa1_6737_fa36_4d43_b3b6_33f0_aa44_e76b,
            REQUIRED,
            &parameters,
        ),
        (
            0x2fa5_4224_cd1b_4876_b211_5dbe_d83b_f4b8,
            OF_DISK | REQUIRED,
            &(bytes as u64).to_le_bytes(),
        ),
        (
            0xbeca_12ab_b2e6_4523_93ef_c309_e000_c746,
            OF_DISK | REQUIRED,
            &id,
        ),
        (
            0x8141_bf1d_a96f_4709_ba47_f233_a8fa_ab5f,
            OF_DISK | REQUIRED,
            &SECTOR.to_le_bytes(),
        ),
        (
            0xcda3_48c7_445d_4471_9cc9_e988_5251_c556,
            OF_DISK | REQUIRED,
            &4096_u32.to_le_bytes(),
        ),
    ];
    let mut region = vec![0; 64 * KIB];
    put(&mut region, 0, b"metadata");
    put(&mut region, 10, (items.len() as u16).to_le_bytes());
    for (index, (guid, flags, item)) in items.into_iter().enumerate() {
        let at = region.len() as u32;
        let entry = &mut region[32 + index * 32..];
        put(entry, 0, self::guid(guid));
        put(entry, 16, at.to_le_bytes());
        put(entry, 20, (item.len() as u32).to_le_bytes());
        put(entry, 24, flags.to_le_bytes());
        region.extend_from_slice(item);
    }
    region
}

/// With the CRC-32C of a structure, computed while its own field is zero.
fn checked(mut structure: Vec<u8>) -> Vec<u8> {
    let check = crc32c::crc32c(&structure);
    put(&mut structure, 4, check.to_le_bytes());
    structure
}

/// A GUID as it is written, digit for digit, in the order in which it is stored.
fn guid(digits: u128) -> [u8; 16] {
    mixed_endian(digits.to_be_bytes())
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}
