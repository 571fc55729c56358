//! The CD: an ISO 9660 file system that a BIOS and UEFI boot, and that boots from a USB stick as well.
//!
//! ```text
//! system area     GRUB's first stage for a stick, and the partition table
//! file system     sekisho, sekisho.toml, README.txt, boot/bios.img (GRUB for a BIOS, by El Torito or the first stage)
//! partition 2     EFI system partition, FAT: the same files with EFI/BOOT/BOOTX64.EFI (for UEFI, by El Torito or GPT)
//! ```
//!
//! UEFI's GRUB looks for the kernel on the CD's own file system if it came from a CD, and beside itself if it came from a
//! stick; hence both have it.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use crate::identity::Identity;
use crate::parts::Parts;
use crate::tool::XORRISO;
use crate::{CONFIG, Error, KERNEL, NOTICE, fat, grub};

/// Not `SEKISHO`: that would be a drive with a configuration.
const LABEL: &str = "SEKISHOBOOT";
/// The first second that FAT knows, as [`fat`] has it: an image does not depend on the day it was made.
const DATE: &str = "1980010100000000";
/// Where GRUB for a BIOS stands in the file system.
const BIOS: &str = "boot/bios.img";
/// FAT for UEFI is made for the files and some room, and with enough clusters to be FAT16.
const ROOM: usize = 256 << 10;
const LEAST: usize = 9 * ROOM;

/// The whole file.
///
/// # Errors
/// When GRUB or `xorriso` is missing or fails.
pub fn make(parts: &Parts<'_>, words: &str) -> Result<Vec<u8>, Error> {
    let folder = tempfile::tempdir().map_err(Error::file(std::env::temp_dir()))?;
    let [tree, efi, iso] = ["tree", "efi.img", "iso"].map(|name| folder.path().join(name));
    for (name, bytes) in [
        (BIOS, grub::cd(words)?.as_slice()),
        (KERNEL, &parts.kernel),
        (CONFIG, parts.config),
        (NOTICE, parts.notice.as_bytes()),
    ] {
        put(&tree.join(name), bytes)?;
    }
    put(&efi, &efi_system(parts)?)?;
    XORRISO.run(arguments(&parts.identity, [&tree, &efi, &iso]))?;
    fs::read(&iso).map_err(Error::file(&iso))
}

fn put(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(path, bytes))
        .map_err(Error::file(path))
}

fn efi_system(parts: &Parts<'_>) -> Result<Vec<u8>, Error> {
    let files = parts.files();
    let bytes: usize = files.iter().map(|(_, bytes)| bytes.len()).sum();
    let size = (bytes + ROOM).next_multiple_of(ROOM).max(LEAST);
    fat::make(size, parts.identity.number("cd volume"), &files)
}

/// xorriso's options (its manual, `xorrisofs(1)`).
fn arguments(identity: &Identity, [tree, efi, iso]: [&Path; 3]) -> Vec<OsString> {
    let words = |line: &str| line.split(' ').map(OsString::from).collect::<Vec<_>>();
    let uuid = identity
        .uuid("cd")
        .map(|byte| format!("{byte:02x}"))
        .concat();
    [
        words("-as mkisofs -quiet -iso-level 2 -uid 0 -gid 0 -file-mode 0444 -dir-mode 0555"),
        words(&format!(
            "-no-pad -volid {LABEL} -preparer SEKISHO -appid SEKISHO"
        )),
        words(&format!(
            "--modification-date={DATE} --set_all_file_dates {DATE}"
        )),
        words(&format!("--gpt_disk_guid {uuid}")),
        words(&format!("--grub2-mbr {}", grub::HYBRID)),
        words("-partition_offset 0 -append_partition 2 0xef"),
        vec![efi.into()],
        words("-appended_part_as_gpt"),
        words(&format!(
            "-b {BIOS} -no-emul-boot -boot-load-size 4 -boot-info-table --grub2-boot-info"
        )),
        words("-eltorito-alt-boot -e --interval:appended_partition_2:all:: -no-emul-boot -o"),
        vec![iso.into(), tree.into()],
    ]
    .concat()
}
