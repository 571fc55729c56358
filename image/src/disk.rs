//! The raw disk, which boots with a BIOS and with UEFI.
//!
//! ```text
//! block 0        GRUB's first stage and the protective MBR
//! 1..34          the partition table
//! 64..2048       BIOS boot partition: GRUB's second stage
//! 2048..         EFI system partition, FAT16: EFI/BOOT/BOOTX64.EFI, sekisho, sekisho.toml
//! last 33        the partition table again
//! ```

use crate::gpt::{self, BLOCK, Kind, Partition};
use crate::identity::Identity;
use crate::{CONFIG, Error, KERNEL, elf, fat, grub};

/// The whole disk: room for a kernel several times as large.
pub const BYTES: usize = 16 << 20;

const LOADER: std::ops::Range<u64> = 64..2048;
/// Up to the last whole MiB, which the second partition table ends.
const FILES: std::ops::Range<u64> = 2048..(BYTES / BLOCK) as u64 - 2048;
/// The number of the partition with the files, counted as GRUB does.
const FILES_NUMBER: usize = 2;

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
    crate::config::check(contents.config)?;
    let kernel = elf::strip(contents.kernel)?;
    let bios = grub::Bios::new(FILES_NUMBER, contents.words)?;
    let uefi = grub::uefi(contents.words)?;
    let [first, second] = bios.parts();
    let identity = Identity::of([&kernel, contents.config, &uefi, first, second]);

    let mut disk = vec![0; BYTES];
    bios.install(&mut disk, LOADER.start, LOADER.end - LOADER.start)?;
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
    gpt::write(&mut disk, &identity, &partitions);
    let range = FILES.start as usize * BLOCK..FILES.end as usize * BLOCK;
    let files = fat::make(
        range.len(),
        identity.number("volume"),
        &[
            (UEFI_PATH, &uefi),
            (KERNEL, &kernel),
            (CONFIG, contents.config),
        ],
    )?;
    disk[range].copy_from_slice(&files);
    Ok(disk)
}

/// Where UEFI looks on a disk that it knows nothing about (UEFI specification 2.10, 3.5.1.1).
const UEFI_PATH: &str = "EFI/BOOT/BOOTX64.EFI";
