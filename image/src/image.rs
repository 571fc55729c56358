//! The images there are: a disk in each of its formats, and what is no disk.

use crate::disk::{self, Contents};
use crate::parts::Parts;
use crate::tool::{GRUB_MKIMAGE, QEMU_IMG, Tool, XORRISO};
use crate::{Error, Format, iso, ova};

/// An image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Image {
    /// The disk.
    Disk(Format),
    /// The CD, which boots from a USB stick as well.
    Iso,
    /// The appliance to import.
    Ova,
    /// The kernel alone, without symbols: for QEMU's `-kernel`, Firecracker, Cloud Hypervisor.
    Elf,
}

impl Image {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Disk(Format::Raw),
        Self::Disk(Format::Qcow2),
        Self::Disk(Format::Vmdk),
        Self::Disk(Format::VmdkStream),
        Self::Disk(Format::Vdi),
        Self::Disk(Format::Vhdx),
        Self::Iso,
        Self::Ova,
        Self::Elf,
    ];

    /// What it is called where one is chosen.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Disk(format) => format.name(),
            Self::Iso => "iso",
            Self::Ova => "ova",
            Self::Elf => "elf",
        }
    }

    /// The file's name.
    #[must_use]
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::Disk(format) => format.file_name(),
            Self::Iso => "sekisho.iso",
            Self::Ova => "sekisho.ova",
            Self::Elf => "sekisho.elf",
        }
    }

    /// The programs that it takes.
    pub(crate) fn tools(self) -> &'static [Tool] {
        match self {
            Self::Disk(Format::Qcow2) => &[GRUB_MKIMAGE, QEMU_IMG],
            Self::Iso => &[GRUB_MKIMAGE, XORRISO],
            Self::Disk(_) | Self::Ova | Self::Elf => &[GRUB_MKIMAGE],
        }
    }
}

/// Makes images of the same contents.
pub(crate) struct Maker<'a> {
    contents: Contents<'a>,
    parts: Parts<'a>,
    disk: Vec<u8>,
}

impl<'a> Maker<'a> {
    /// Makes what they have in common.
    pub fn new(contents: &Contents<'a>) -> Result<Self, Error> {
        let parts = Parts::new(contents)?;
        Ok(Self {
            contents: *contents,
            disk: disk::assemble(&parts)?,
            parts,
        })
    }

    /// The whole file.
    pub fn make(&self, image: Image) -> Result<Vec<u8>, Error> {
        match image {
            Image::Disk(format) => format.encode(&self.disk),
            Image::Iso => iso::make(&self.parts, self.contents.words),
            Image::Ova => ova::make(
                &Format::VmdkStream.encode(&self.disk)?,
                self.disk.len(),
                self.contents.config,
                &self.parts.notice,
            ),
            Image::Elf => Ok(self.parts.kernel.clone()),
        }
    }
}
