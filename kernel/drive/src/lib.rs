//! The configuration drive: which file of a drive is the configuration.
//!
//! A drive whose file system is labelled `SEKISHO` or `cidata` holds `sekisho.toml` in its root folder; one labelled
//! `cidata` may hold `user-data` instead, as cloud-init's drives do. [`look`] says what a drive holds. Everything here is
//! pure: a drive is whatever gives blocks ([`Medium`]), and nothing that is read from it is trusted. Each look ends after
//! a bounded number of reads, whatever the drive says.
//!
//! * [`look`], [`Finding`], [`Failure`]: the decision.
//! * [`medium`]: blocks, and bytes out of them.
//! * `partition`, `fat`, `iso`: how the bytes are arranged. Only root folders are read, and nothing is written.
//! * [`scsi`], [`ata`]: the commands of CD-ROM drives and disks, whatever carries them.
//!
//! Neighbour: the kernel's `hw::storage` has the drives.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod ata;
mod fat;
mod iso;
mod look;
pub mod medium;
mod name;
mod partition;
pub mod scsi;

pub use look::{Configuration, Failure, Finding, Label, Problem, USER_DATA_MARK, look};
pub use medium::{Fault, Medium};
