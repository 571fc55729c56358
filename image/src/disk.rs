//! The raw disk, which boots with a BIOS and with UEFI.
//!
//! ```text
//! block 0        GRUB's first stage and the protective MBR
//! 1..34          the partition table
//! 64..2048       BIOS boot partition: GRUB's second stage
//! 2048..         EFI system partition, FAT16: EFI/BOOT/BOOTX64.EFI, sekisho, sekisho.toml, README.txt
//! last 33        the partition table again
//! ```

use crate::gpt::{self, BLOCK, Kind, Partition};
use crate::parts::Parts;
use crate::{Error, fat};

/// The whole disk: room for a kernel several times as large.
pub const BYTES: usize = 16 << 20;

const LOADER: std::ops::Range<u64> = 64..2048;
/// Up to the last whole MiB, which the second partition table ends.
const FILES: std::ops::Range<u64> = 2048..(BYTES / BLOCK) as u64 - 2048;

/// What goes onto a disk.
#[derive(Clone, Copy, Debug)]
pub struct Contents<'a> {
    /// The kernel's ELF file, with or without symbols.
    pub kernel: &'a [u8],
    /// The configuration.
    pub config: &'a [u8],
    /// The kernel's command line.
    pub words: &'a str,
}

/// Makes the raw disk: all of its bytes.
///
/// # Errors
/// An invalid configuration, a kernel that cannot be booted, or a missing GRUB.
pub fn make(contents: &Contents<'_>) -> Result<Vec<u8>, Error> {
    assemble(&Parts::new(contents)?)
}

/// The same, of parts that are there already.
pub(crate) fn assemble(parts: &Parts<'_>) -> Result<Vec<u8>, Error> {
    let mut disk = vec![0; BYTES];
    parts
        .bios
        .install(&mut disk, LOADER.start, LOADER.end - LOADER.start)?;
    let partitions = [
        Partition {
            kind: Kind::BiosBoot,
            name: "Sekisho loader",
            blocks: LOADER,
        },
        Partition {
            kind: Kind::EfiSystem,
            name: "Sekisho",
            blocks: FILES,
        },
    ];
    gpt::write(&mut disk, &parts.identity, &partitions);
    let range = FILES.start as usize * BLOCK..FILES.end as usize * BLOCK;
    let volume = parts.identity.number("volume");
    let files = fat::make(range.len(), volume, &parts.files())?;
    disk[range].copy_from_slice(&files);
    Ok(disk)
}
