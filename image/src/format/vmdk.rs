//! VMware's disk (its "Virtual Disk Format 5.0"), in the two forms that are one file: grains of 64 KiB, two levels of tables
//! that say where they are, and a descriptor in words.
//!
//! * [`sparse`]: `monolithicSparse`, for running from.
//! * [`stream`]: `streamOptimized`, compressed and written from front to back, for OVA and for importing.

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;

use super::blocks::{fill_up, put, stored};
use crate::gpt::BLOCK;
use crate::identity::Identity;

const GRAIN: usize = 64 << 10;
/// Entries in a grain table.
const ENTRIES: usize = 512;
const TABLE: usize = ENTRIES * 4;
/// Blocks that the descriptor may fill.
const DESCRIPTOR_BLOCKS: usize = 20;
/// The first grain's block.
const FIRST: usize = GRAIN / BLOCK;

/// Flags of the header: newlines can be checked, both directories are there, grains are compressed, markers stand in between.
const NEWLINES: u32 = 1;
const TWO_DIRECTORIES: u32 = 1 << 1;
const COMPRESSED: u32 = 1 << 16;
const MARKERS: u32 = 1 << 17;
/// A directory's place that only the footer knows.
const AT_END: u64 = u64::MAX;

/// The disk with room to write.
pub fn sparse(disk: &[u8], identity: &Identity) -> Vec<u8> {
    let tables = tables(disk);
    let directory = (tables * 4).next_multiple_of(BLOCK);
    let second = 1 + DESCRIPTOR_BLOCKS + (directory + tables * TABLE) / BLOCK;
    let end = second * BLOCK + directory + tables * TABLE;
    let first_grain = end.next_multiple_of(GRAIN);

    let mut file = vec![0; first_grain];
    let mut entries = vec![0; tables * TABLE];
    for (number, grain) in stored(disk, GRAIN) {
        put(&mut entries, number * 4, blocks(file.len()));
        file.extend_from_slice(&grain);
    }
    for first in [1 + DESCRIPTOR_BLOCKS, second] {
        let at = first * BLOCK + directory;
        for table in 0..tables {
            put(
                &mut file,
                first * BLOCK + table * 4,
                blocks(at + table * TABLE),
            );
        }
        put(&mut file, at, &entries);
    }
    let header = Header {
        version: 1,
        flags: NEWLINES | TWO_DIRECTORIES,
        directories: [(1 + DESCRIPTOR_BLOCKS) as u64, second as u64],
        overhead: first_grain / BLOCK,
    };
    put(&mut file, 0, header.bytes(disk));
    put(
        &mut file,
        BLOCK,
        descriptor("monolithicSparse", "sekisho.vmdk", disk, identity),
    );
    file
}

/// The disk for transport.
pub fn stream(disk: &[u8], identity: &Identity) -> Vec<u8> {
    let header = |directory| {
        Header {
            version: 3,
            flags: NEWLINES | COMPRESSED | MARKERS,
            directories: [0, directory],
            overhead: FIRST,
        }
        .bytes(disk)
    };
    let mut file = vec![0; FIRST * BLOCK];
    put(&mut file, 0, header(AT_END));
    put(
        &mut file,
        BLOCK,
        descriptor("streamOptimized", "sekisho-stream.vmdk", disk, identity),
    );

    let mut entries = vec![0; tables(disk) * TABLE];
    for (number, grain) in stored(disk, GRAIN) {
        put(&mut entries, number * 4, blocks(file.len()));
        let packed = compressed(&grain);
        file.extend(((number * FIRST) as u64).to_le_bytes());
        file.extend((packed.len() as u32).to_le_bytes());
        file.extend(packed);
        fill_up(&mut file, BLOCK);
    }
    let mut directory = Vec::new();
    for table in entries.chunks(TABLE) {
        marker(&mut file, TABLE / BLOCK, Marker::Table);
        directory.extend(blocks(file.len()));
        file.extend_from_slice(table);
    }
    fill_up(&mut directory, BLOCK);
    marker(&mut file, directory.len() / BLOCK, Marker::Directory);
    let at = file.len() / BLOCK;
    file.extend(directory);
    marker(&mut file, 1, Marker::Footer);
    file.extend(header(at as u64));
    marker(&mut file, 0, Marker::End);
    file
}

fn tables(disk: &[u8]) -> usize {
    disk.len().div_ceil(GRAIN * ENTRIES)
}

/// A place in the file as the tables have it.
fn blocks(bytes: usize) -> [u8; 4] {
    u32::try_from(bytes / BLOCK)
        .expect("it fits into memory")
        .to_le_bytes()
}

/// The one block at the front, of which a stream has a copy at its end.
struct Header {
    version: u32,
    flags: u32,
    /// The redundant one and the other.
    directories: [u64; 2],
    /// Blocks before the first grain.
    overhead: usize,
}

impl Header {
    fn bytes(&self, disk: &[u8]) -> [u8; BLOCK] {
        let mut header = [0; BLOCK];
        put(&mut header, 0, b"KDMV");
        put(&mut header, 4, self.version.to_le_bytes());
        put(&mut header, 8, self.flags.to_le_bytes());
        for (at, number) in [
            (12, disk.len().div_ceil(BLOCK) as u64),
            (20, (GRAIN / BLOCK) as u64),
            (28, 1), // the descriptor
            (36, DESCRIPTOR_BLOCKS as u64),
            (48, self.directories[0]),
            (56, self.directories[1]),
            (64, self.overhead as u64),
        ] {
            put(&mut header, at, number.to_le_bytes());
        }
        put(&mut header, 44, (ENTRIES as u32).to_le_bytes());
        // Spoilt by whoever moves the file as if it were text.
        put(&mut header, 73, b"\n \r\n");
        let deflate = u16::from(self.flags & COMPRESSED != 0);
        put(&mut header, 77, deflate.to_le_bytes());
        header
    }
}

/// What stands between the parts of a stream.
#[derive(Clone, Copy)]
enum Marker {
    End = 0,
    Table = 1,
    Directory = 2,
    Footer = 3,
}

fn marker(file: &mut Vec<u8>, blocks: usize, kind: Marker) {
    let mut marker = [0; BLOCK];
    put(&mut marker, 0, (blocks as u64).to_le_bytes());
    put(&mut marker, 12, (kind as u32).to_le_bytes());
    file.extend(marker);
}

fn compressed(grain: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder
        .write_all(grain)
        .and_then(|()| encoder.finish())
        .expect("memory takes all that is written")
}

/// The disk in words; IDE is the controller that every product of VMware has.
fn descriptor(kind: &str, name: &str, disk: &[u8], identity: &Identity) -> String {
    let blocks = disk.len().div_ceil(BLOCK);
    // All ones would mean a disk without contents.
    let contents = identity.number("vmdk") >> 1;
    let cylinders = blocks / (16 * 63);
    format!(
        "# Disk DescriptorFile\nversion=1\nCID={contents:08x}\nparentCID=ffffffff\ncreateType=\"{kind}\"\n\n\
         # Extent description\nRW {blocks} SPARSE \"{name}\"\n\n\
         # The Disk Data Base\n#DDB\n\nddb.virtualHWVersion = \"4\"\nddb.geometry.cylinders = \"{cylinders}\"\n\
         ddb.geometry.heads = \"16\"\nddb.geometry.sectors = \"63\"\nddb.adapterType = \"ide\"\n"
    )
}
