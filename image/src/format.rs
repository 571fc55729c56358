//! The forms that a disk comes in.
//!
//! * [`Format::encode`]: a raw disk as a file of that form; the same disk gives the same bytes.

use std::fs;

use crate::Error;
use crate::tool::QEMU_IMG;

/// A form of the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Byte by byte, for block devices and Cloud Hypervisor.
    Raw,
    /// QEMU's, for QEMU, libvirt and Proxmox.
    Qcow2,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Raw, Self::Qcow2];

    /// The file's name.
    #[must_use]
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::Raw => "sekisho.raw",
            Self::Qcow2 => "sekisho.qcow2",
        }
    }

    /// The whole file with this raw disk in it.
    ///
    /// # Errors
    /// A tool that is missing or fails.
    pub fn encode(self, disk: &[u8]) -> Result<Vec<u8>, Error> {
        match self {
            Self::Raw => Ok(disk.to_vec()),
            Self::Qcow2 => qcow2(disk),
        }
    }
}

/// The disk in QEMU's format, compressed.
fn qcow2(disk: &[u8]) -> Result<Vec<u8>, Error> {
    let folder = tempfile::tempdir().map_err(Error::file(std::env::temp_dir()))?;
    let (raw, made) = (folder.path().join("raw"), folder.path().join("qcow2"));
    fs::write(&raw, disk).map_err(Error::file(&raw))?;
    let arguments = ["convert", "-f", "raw", "-O", "qcow2", "-c"].map(Into::into);
    let files = [raw.as_os_str(), made.as_os_str()].map(ToOwned::to_owned);
    QEMU_IMG.run(
        arguments
            .into_iter()
            .chain::<[std::ffi::OsString; 2]>(files),
    )?;
    fs::read(&made).map_err(Error::file(&made))
}
