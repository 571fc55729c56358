//! VirtualBox's disk: a header, a map of blocks of one MiB, and the blocks that are not empty (VirtualBox, `VDICore.h`).

use super::blocks::{fill_up, put, stored};
use crate::gpt::BLOCK;
use crate::identity::{Identity, mixed_endian};

/// Bytes in a block, as VirtualBox makes them.
const UNIT: usize = 1 << 20;
/// The map begins here.
const MAP: usize = 512;
/// In the map: a block of zeros.
const EMPTY: u32 = u32::MAX;

/// The whole file.
pub fn encode(disk: &[u8], identity: &Identity) -> Vec<u8> {
    let count = disk.len().div_ceil(UNIT);
    let mut map = vec![EMPTY; count];
    let mut stored_blocks = Vec::new();
    for (index, (number, block)) in (0..).zip(stored(disk, UNIT)) {
        map[number] = index;
        stored_blocks.extend_from_slice(&block);
    }

    let mut file = vec![0; MAP];
    file.extend(map.into_iter().flat_map(u32::to_le_bytes));
    fill_up(&mut file, BLOCK);
    let data = file.len();
    header(
        &mut file,
        disk.len(),
        data,
        [count, stored_blocks.len() / UNIT],
    );
    put(&mut file, 0x188, mixed_endian(identity.uuid("vdi")));
    put(&mut file, 0x198, mixed_endian(identity.uuid("vdi state")));
    file.extend(stored_blocks);
    file
}

fn header(file: &mut [u8], bytes: usize, data: usize, [blocks, stored]: [usize; 2]) {
    let word = |number: usize| {
        u32::try_from(number)
            .expect("it fits into memory")
            .to_le_bytes()
    };
    put(file, 0, b"<<< Oracle VM VirtualBox Disk Image >>>\n");
    for (at, number) in [
        (0x40, 0xbeda_107f), // signature
        (0x44, 0x0001_0001), // version 1.1
        (0x48, 0x180),       // bytes of the header from here on
        (0x4c, 1),           // grows when it is written to
        (0x154, MAP),
        (0x158, data),
        (0x168, BLOCK),
        (0x178, UNIT),
        (0x180, blocks),
        (0x184, stored),
    ] {
        put(file, at, word(number));
    }
    put(file, 0x170, (bytes as u64).to_le_bytes());
}
