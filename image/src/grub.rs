//! GRUB, from the packages of the system that the image is made on.
//!
//! * [`Bios::new`], [`Bios::install`]: for a BIOS, in the MBR and a partition of its own.
//! * [`cd`]: for a BIOS, on a CD.
//! * [`uefi`]: a program for UEFI.
//!
//! All carry a script that needs no file: load the kernel, load `sekisho.toml`, start.

use std::fs;
use std::path::Path;

use crate::Error;
use crate::gpt::BLOCK;
use crate::tool::GRUB_MKIMAGE;

/// Where Debian's packages put GRUB's modules.
const FOLDER: &str = "/usr/lib/grub";

/// What the script is made of. `normal` is left out: GRUB then shows no menu and waits for nobody.
const COMMON: [&str; 4] = ["fat", "multiboot2", "part_gpt", "part_msdos"];

/// Offsets in `boot.img` (GRUB's `include/grub/i386/pc/boot.h`).
mod mbr {
    /// The block of the second stage, eight bytes.
    pub const KERNEL_SECTOR: usize = 0x5c;
    /// A jump that trusts the drive number of the BIOS; two `nop` keep a wrong one out.
    pub const DRIVE_CHECK: usize = 0x66;
    /// Behind it the disk's own data begin.
    pub const CODE_END: usize = 0x1b8;
}

/// The two stages for a BIOS.
pub struct Bios {
    boot: Vec<u8>,
    core: Vec<u8>,
}

impl Bios {
    /// Makes them for a disk whose files are on the partition with this number.
    ///
    /// # Errors
    /// When GRUB is not installed or fails.
    pub fn new(partition: usize, words: &str) -> Result<Self, Error> {
        let boot = module("i386-pc", "boot.img", "grub-pc-bin")?;
        let core = mkimage(
            "i386-pc",
            &format!("(,gpt{partition})/"),
            words,
            &["biosdisk"],
        )?;
        Ok(Self { boot, core })
    }

    /// Both stages, for the disk's identity.
    pub fn parts(&self) -> [&[u8]; 2] {
        [&self.boot, &self.core]
    }

    /// Puts the first stage into the MBR and the second at `first`, where `room` blocks are free.
    ///
    /// # Errors
    /// When it needs more blocks.
    pub fn install(&self, disk: &mut [u8], first: u64, room: u64) -> Result<(), Error> {
        let blocks = self.core.len().div_ceil(BLOCK);
        let too_large = Error::LoaderTooLarge {
            bytes: self.core.len(),
        };
        let rest = match u16::try_from(blocks - 1) {
            Ok(rest) if blocks as u64 <= room => rest,
            _ => return Err(too_large),
        };
        disk[..mbr::CODE_END].copy_from_slice(&self.boot[..mbr::CODE_END]);
        disk[mbr::KERNEL_SECTOR..][..8].copy_from_slice(&first.to_le_bytes());
        disk[mbr::DRIVE_CHECK..][..2].fill(0x90);

        let at = usize::try_from(first).expect("the disk is in memory") * BLOCK;
        disk[at..at + self.core.len()].copy_from_slice(&self.core);
        // The first block reads the others: its last twelve bytes say from where, how many, and to which segment.
        let list = &mut disk[at + BLOCK - 12..at + BLOCK];
        list[..8].copy_from_slice(&(first + 1).to_le_bytes());
        list[8..10].copy_from_slice(&rest.to_le_bytes());
        list[10..].copy_from_slice(&0x820_u16.to_le_bytes());
        Ok(())
    }
}

/// The whole loader for a BIOS and a CD, which finds the files beside itself.
///
/// # Errors
/// When GRUB is not installed or fails.
pub fn cd(words: &str) -> Result<Vec<u8>, Error> {
    module("i386-pc", "cdboot.img", "grub-pc-bin")?;
    mkimage("i386-pc-eltorito", "/", words, &["biosdisk", "iso9660"])
}

/// The first stage for a BIOS and a disk that begins with a CD's file system: it finds the loader through a number that
/// is put into it.
pub const HYBRID: &str = "/usr/lib/grub/i386-pc/boot_hybrid.img";

/// The program that UEFI starts from the partition with the files.
///
/// # Errors
/// When GRUB is not installed or fails.
pub fn uefi(words: &str) -> Result<Vec<u8>, Error> {
    module("x86_64-efi", "moddep.lst", "grub-efi-amd64-bin")?;
    mkimage("x86_64-efi", "/", words, &["efi_gop", "iso9660"])
}

/// A file of GRUB's folder for a platform.
fn module(platform: &str, name: &str, package: &'static str) -> Result<Vec<u8>, Error> {
    let path = Path::new(FOLDER).join(platform).join(name);
    fs::read(&path).map_err(|_| Error::Missing {
        what: path.display().to_string(),
        package,
    })
}

fn mkimage(platform: &str, prefix: &str, words: &str, modules: &[&str]) -> Result<Vec<u8>, Error> {
    let folder = tempfile::tempdir().map_err(Error::file(std::env::temp_dir()))?;
    let script = folder.path().join("script");
    let image = folder.path().join("image");
    fs::write(&script, self::script(words)).map_err(Error::file(&script))?;
    let mut arguments = vec![
        "--directory".into(),
        Path::new(FOLDER)
            .join(platform.trim_end_matches("-eltorito"))
            .into_os_string(),
        "--format".into(),
        platform.into(),
        "--prefix".into(),
        prefix.into(),
        "--config".into(),
        script.into_os_string(),
        "--output".into(),
        image.clone().into_os_string(),
    ];
    arguments.extend(COMMON.iter().chain(modules).map(Into::into));
    GRUB_MKIMAGE.run(arguments)?;
    fs::read(&image).map_err(Error::file(&image))
}

/// A line that fails does not end the script: without `sekisho.toml` the kernel starts and says that it has no configuration.
fn script(words: &str) -> String {
    let [kernel, config] = [crate::KERNEL, crate::CONFIG];
    format!("multiboot2 /{kernel} {words}\nmodule2 /{config}\nboot\n")
}
