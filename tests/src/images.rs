//! Images of the firewall, made for a test.
//!
//! * [`Images`]: some of them, in a folder of their own.
//! * [`uefi`]: the firmware that boots them so.
//! * [`least_uefi_mib`]: how much memory their boot loader needs under UEFI.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sekisho_image::disk::Contents;
use sekisho_image::{Existing, Image, build};
use sekisho_qemu::Firmware;
use tempfile::TempDir;

use crate::kernel;

/// UEFI for virtual machines, of Debian's package `ovmf`.
pub const OVMF: &str = "/usr/share/ovmf/OVMF.fd";

/// UEFI.
pub fn uefi() -> Firmware {
    Firmware::Uefi(OVMF.into())
}

/// The least memory with which the disks boot by UEFI, in MiB: GRUB takes a heap of 32 MiB at once since version 2.12.
///
/// # Panics
/// When there is no GRUB.
pub fn least_uefi_mib() -> u32 {
    let output = Command::new("grub-mkimage").arg("--version").output();
    let said = String::from_utf8(output.expect("GRUB").stdout).expect("text");
    let version = said.split_whitespace().last().unwrap_or_default();
    match version.starts_with("2.06") {
        true => 64,
        false => 80,
    }
}

/// Images of one configuration. Dropping it removes them.
pub struct Images(TempDir);

impl Images {
    /// Makes them, with these words on the kernel's command line.
    ///
    /// # Panics
    /// When they cannot be made.
    #[track_caller]
    pub fn make(images: &[Image], config: &str, words: &str) -> Images {
        let folder = TempDir::new().expect("a folder");
        let kernel = fs::read(kernel::firewall()).expect("the kernel");
        let contents = Contents {
            kernel: &kernel,
            config: config.as_bytes(),
            words,
        };
        build(&contents, images, folder.path(), Existing::Keep, |_| ())
            .unwrap_or_else(|error| panic!("no images: {error}"));
        Images(folder)
    }

    /// The folder that they are in.
    pub fn folder(&self) -> &Path {
        self.0.path()
    }

    /// Where one is.
    pub fn path(&self, image: Image) -> PathBuf {
        self.folder().join(image.file_name())
    }

    /// All of its bytes.
    ///
    /// # Panics
    /// When it was not made.
    #[track_caller]
    pub fn read(&self, image: Image) -> Vec<u8> {
        let path = self.path(image);
        fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }
}
