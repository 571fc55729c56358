//! Bootable disks of Sekisho, for every common hypervisor.
//!
//! * [`disk::make`]: the raw disk, which boots with a BIOS and with UEFI.
//! * [`build_id`]: which kernel it is, as its console says.
//! * [`build()`]: that disk in every [`Format`], as files.
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
mod replace;
mod tool;

pub use build::{Existing, build};
pub use edit::{Refusal, Step, Write, get_config, set_config, steps};
pub use elf::build_id;
pub use error::Error;
pub use format::Format;
pub use replace::write_file;

/// The kernel's file on the disk.
pub const KERNEL: &str = "sekisho";
/// The configuration's file on the disk.
pub const CONFIG: &str = "sekisho.toml";
