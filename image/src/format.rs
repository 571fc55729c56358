//! The forms that a disk comes in.

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
}
