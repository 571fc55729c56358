//! QEMU's firmware configuration device: files by name (QEMU `docs/specs/fw_cfg.rst`).

use alloc::vec;
use alloc::vec::Vec;

use super::port::{read8, write16};

const SELECT: u16 = 0x510;
const DATA: u16 = 0x511;
const SIGNATURE: u16 = 0x0000;
const DIRECTORY: u16 = 0x0019;
/// No file of ours is larger.
const LARGEST: usize = 512 * 1024;
/// More entries than any machine has.
const ENTRIES: u32 = 1024;

/// The content of a file, if there is one of that name.
#[must_use]
pub fn read(name: &str) -> Option<Vec<u8>> {
    select(SIGNATURE);
    if bytes::<4>() != *b"QEMU" {
        return None;
    }
    select(DIRECTORY);
    let count = u32::from_be_bytes(bytes()).min(ENTRIES);
    let entries = (0..count).map(|_| bytes::<64>());
    let mut found = None;
    for entry in entries {
        let title = entry[8..].split(|&byte| byte == 0).next();
        if title == Some(name.as_bytes()) {
            let size = u32::from_be_bytes([entry[0], entry[1], entry[2], entry[3]]);
            found = Some((u16::from_be_bytes([entry[4], entry[5]]), size as usize));
        }
    }
    let (key, size) = found?;
    select(key);
    let mut content = vec![0; size.min(LARGEST)];
    content.fill_with(|| read8(DATA));
    Some(content)
}

fn select(key: u16) {
    write16(SELECT, key);
}

fn bytes<const N: usize>() -> [u8; N] {
    core::array::from_fn(|_| read8(DATA))
}
