//! The disk that a machine's firmware boots.
//!
//! * [`Bus`]: what it hangs on.
//! * [`Firmware`]: what boots it.

use std::path::{Path, PathBuf};

use crate::network::path_value;

/// What a disk hangs on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bus {
    /// virtio-blk.
    #[default]
    Virtio,
    /// The board's own controller: IDE on `pc`, AHCI on `q35`.
    Ata,
    /// The same, as a CD.
    Cd,
    /// virtio-scsi.
    VirtioScsi,
    /// An LSI 53C895A.
    Lsi,
    /// NVMe.
    Nvme,
    /// A stick on USB 3.
    Usb,
}

/// What boots a disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Firmware {
    /// QEMU's own, SeaBIOS.
    #[default]
    Bios,
    /// A file with UEFI.
    Uefi(PathBuf),
}

/// A disk, raw or in one of the formats that its file's name ends in: `qcow2`, `vmdk`, `vdi`, `vhdx`.
#[derive(Clone, Debug)]
pub(crate) struct Disk {
    pub(crate) path: PathBuf,
    pub(crate) bus: Bus,
}

impl Disk {
    /// The controller, where it is one more, and the disk's device.
    fn devices(&self) -> (Option<&'static str>, &'static str) {
        match self.bus {
            Bus::Virtio => (None, "virtio-blk-pci"),
            Bus::Ata => (None, "ide-hd,bus=ide.0"),
            Bus::Cd => (None, "ide-cd,bus=ide.0"),
            Bus::VirtioScsi => (Some("virtio-scsi-pci,id=boots"), "scsi-hd,bus=boots.0"),
            Bus::Lsi => (Some("lsi53c895a,id=boots"), "scsi-hd,bus=boots.0"),
            Bus::Nvme => (None, "nvme,serial=boot"),
            Bus::Usb => (
                Some("qemu-xhci,id=boots"),
                "usb-storage,bus=boots.0,removable=on",
            ),
        }
    }

    /// QEMU's options for it; what is written to it is forgotten.
    pub(crate) fn options(&self) -> Vec<(&'static str, String)> {
        let file = path_value(&self.path);
        let format = format(&self.path);
        let (controller, device) = self.devices();
        let drive = format!("if=none,id=boot,format={format},snapshot=on,file={file}");
        [("-drive", drive)]
            .into_iter()
            .chain(controller.map(|controller| ("-device", controller.to_owned())))
            .chain([("-device", format!("{device},drive=boot,bootindex=0"))])
            .collect()
    }
}

fn format(path: &Path) -> &str {
    match path.extension().and_then(|ending| ending.to_str()) {
        Some(known @ ("qcow2" | "vmdk" | "vdi" | "vhdx")) => known,
        _ => "raw",
    }
}
