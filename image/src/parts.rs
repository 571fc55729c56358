//! What all images are made of, checked and ready: the files, and the boot loaders.

use crate::disk::Contents;
use crate::fat::File;
use crate::identity::Identity;
use crate::{CONFIG, Error, KERNEL, NOTICE, elf, grub, notice};

/// The number of the disk's partition with the files, counted as GRUB does.
const FILES_NUMBER: usize = 2;
/// Where UEFI looks on a disk that it knows nothing about (UEFI specification 2.10, 3.5.1.1).
const UEFI_PATH: &str = "EFI/BOOT/BOOTX64.EFI";

/// The parts of every image.
pub struct Parts<'a> {
    /// The kernel without its symbols.
    pub kernel: Vec<u8>,
    /// The configuration.
    pub config: &'a [u8],
    /// What stands beside them in [`NOTICE`].
    pub notice: String,
    /// GRUB for a BIOS and a disk.
    pub bios: grub::Bios,
    /// GRUB for UEFI.
    pub uefi: Vec<u8>,
    /// Of all that.
    pub identity: Identity,
}

impl<'a> Parts<'a> {
    /// Checks the contents and makes the boot loaders.
    ///
    /// # Errors
    /// An invalid configuration, a kernel that cannot be booted, or a missing GRUB.
    pub fn new(contents: &Contents<'a>) -> Result<Self, Error> {
        crate::config::check(contents.config)?;
        let kernel = elf::strip(contents.kernel)?;
        let bios = grub::Bios::new(FILES_NUMBER, contents.words)?;
        let uefi = grub::uefi(contents.words)?;
        let notice = notice::text()?;
        let [first, second] = bios.parts();
        let identity = Identity::of([
            &kernel,
            contents.config,
            &uefi,
            first,
            second,
            notice.as_bytes(),
        ]);
        Ok(Self {
            kernel,
            config: contents.config,
            notice,
            bios,
            uefi,
            identity,
        })
    }

    /// The files of a file system that UEFI boots from.
    pub fn files(&self) -> [File<'_>; 4] {
        [
            (UEFI_PATH, &self.uefi),
            (KERNEL, &self.kernel),
            (CONFIG, self.config),
            (NOTICE, self.notice.as_bytes()),
        ]
    }
}
