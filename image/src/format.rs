//! The forms that a disk comes in.
//!
//! * [`Format::encode`]: a raw disk as a file of that form. The same disk gives the same bytes: the numbers that other programs
//!   draw at random are drawn from its hash.

mod blocks;
mod qcow2;
mod vdi;
mod vhdx;
mod vmdk;

use crate::Error;
use crate::identity::Identity;

/// A form of the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Byte by byte, for block devices and Cloud Hypervisor.
    Raw,
    /// QEMU's, for QEMU, libvirt and Proxmox.
    Qcow2,
    /// VMware's, for a machine to run from.
    Vmdk,
    /// VMware's, compressed, for importing.
    VmdkStream,
    /// VirtualBox's.
    Vdi,
    /// Hyper-V's.
    Vhdx,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Raw,
        Self::Qcow2,
        Self::Vmdk,
        Self::VmdkStream,
        Self::Vdi,
        Self::Vhdx,
    ];

    /// What it is called where one is chosen.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
            Self::Vmdk => "vmdk",
            Self::VmdkStream => "vmdk-stream",
            Self::Vdi => "vdi",
            Self::Vhdx => "vhdx",
        }
    }

    /// The file's name.
    #[must_use]
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::Raw => "sekisho.raw",
            Self::Qcow2 => "sekisho.qcow2",
            Self::Vmdk => "sekisho.vmdk",
            Self::VmdkStream => "sekisho-stream.vmdk",
            Self::Vdi => "sekisho.vdi",
            Self::Vhdx => "sekisho.vhdx",
        }
    }

    /// The whole file with this raw disk in it.
    ///
    /// # Errors
    /// A tool that is missing or fails.
    pub fn encode(self, disk: &[u8]) -> Result<Vec<u8>, Error> {
        let identity = Identity::of([disk]);
        Ok(match self {
            Self::Raw => disk.to_vec(),
            Self::Qcow2 => qcow2::encode(disk)?,
            Self::Vmdk => vmdk::sparse(disk, &identity),
            Self::VmdkStream => vmdk::stream(disk, &identity),
            Self::Vdi => vdi::encode(disk, &identity),
            Self::Vhdx => vhdx::encode(disk, &identity),
        })
    }
}
