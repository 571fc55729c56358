//! Why a disk is not changed.

use std::fmt;

/// Each says what to do. Nothing was touched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is neither a file nor a block device.
    NoDisk,
    /// It is something that `sekisho image build` makes, but no disk.
    Other {
        /// What it is.
        what: &'static str,
    },
    /// It is a disk in several files, or one that stands on another.
    Compound {
        /// What it is.
        what: &'static str,
    },
    /// It is a disk, but not one of ours.
    NotOurs {
        /// What is missing.
        why: &'static str,
    },
    /// A block device has something else than the raw disk on it.
    NotRaw,
    /// Someone has it open.
    InUse {
        /// Who.
        by: &'static str,
    },
    /// The file system with the configuration contradicts itself.
    Damaged {
        /// How.
        why: &'static str,
    },
    /// The file system with the configuration is full.
    NoRoom {
        /// How many bytes the new configuration takes, beside the old one.
        bytes: usize,
        /// How many are free.
        room: usize,
    },
    /// There is no configuration on it.
    NoConfig,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoDisk => f.write_str("is neither a file nor a block device; name a disk"),
            Self::Other { what } => write!(
                f,
                "is {what}, and its configuration stays as it was made; make another with `sekisho image build --config FILE`, or change a disk"
            ),
            Self::Compound { what } => write!(
                f,
                "is {what}; make one whole disk of it first: qemu-img convert -O qcow2 DISK NEW.qcow2"
            ),
            Self::NotOurs { why } => write!(
                f,
                "is no disk of Sekisho ({why}); name one that `sekisho image build` made"
            ),
            Self::NotRaw => f.write_str(
                "has a disk of another format on it; put the raw one there: qemu-img convert -O raw DISK DEVICE",
            ),
            Self::InUse { by } => write!(f, "is in use by {by}; end that first"),
            Self::Damaged { why } => write!(
                f,
                "has a damaged file system ({why}); repair its second partition with fsck.vfat, or make the disk anew"
            ),
            Self::NoRoom { bytes, room } => write!(
                f,
                "has no room: the new configuration takes {bytes} bytes beside the old one, and {room} are free; delete files that you put on its FAT partition"
            ),
            Self::NoConfig => write!(
                f,
                "has no {} on it; put one there: sekisho image set-config DISK FILE",
                crate::CONFIG
            ),
        }
    }
}
