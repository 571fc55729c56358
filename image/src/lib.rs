//! Bootable disks of Sekisho, for every common hypervisor.
//!
//! * [`disk::make`]: the raw disk, which boots with a BIOS and with UEFI.
//! * [`build_id`]: which kernel it is, as its console says.
//! * [`build()`]: every [`Image`] as a file: that disk in each [`Format`], a CD, an appliance, the bare kernel.
//! * [`set_config`], [`get_config`]: the configuration of a disk that is there already.
//!
//! The kernel stands on the disk's FAT partition as [`KERNEL`], its configuration beside it as [`CONFIG`].
//! The same kernel and configuration give the same disk, byte for byte.
#![forbid(unsafe_code)]

mod build;
mod config;
pub mod disk;
mod edit;
mod elf;
mod error;
mod fat;
mod format;
mod gpt;
mod grub;
mod identity;
mod image;
mod iso;
mod notice;
mod ova;
mod parts;
mod replace;
mod tool;

pub use build::{Existing, MANIFEST, Progress, build};
pub use edit::{Refusal, Step, Write, get_config, set_config, steps};
pub use elf::build_id;
pub use error::Error;
pub use format::Format;
pub use image::Image;
pub use replace::write_file;

/// The kernel's file on the disk.
pub const KERNEL: &str = "sekisho";
/// The configuration's file on the disk.
pub const CONFIG: &str = "sekisho.toml";
/// The file on the disk that says what is on it, and under which licences.
pub const NOTICE: &str = "README.txt";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
