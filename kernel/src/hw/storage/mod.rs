//! Drives, read at boot: virtio-blk, virtio-scsi, AHCI and IDE, disks and discs.
//!
//! Everything is polled and every wait ends; nothing is written to a drive. Each drive is opened, shown to a visitor, and
//! closed again, and its memory is given back: nothing of it stays for the firewall's time.
//!
//! * [`virtio`]: requests to a virtio device; [`blk`] and [`scsi`] on top.
//! * [`ahci`], [`ide`]: controllers of their time.
//!
//! Neighbour: the crate `sekisho-drive` knows SCSI, ATA and file systems.

mod ahci;
mod blk;
mod ide;
mod scsi;
mod virtio;

use core::fmt::{Display, Write};

use sekisho_drive::{Fault, Medium};
use virtio_drivers::transport::SomeTransport;
use virtio_drivers::transport::pci::bus::DeviceFunction;

/// How long a drive may take for a command, in microseconds.
const LIMIT_US: u64 = 2_000_000;

/// Where something was found, for people.
type Place = heapless::String<24>;

/// A controller of drives, or a drive that is its own.
pub enum Controller {
    /// A virtio disk.
    VirtioBlk(Place, SomeTransport<'static>),
    /// A virtio SCSI controller.
    VirtioScsi(Place, SomeTransport<'static>),
    /// An AHCI controller: its function and its registers.
    Ahci(Place, DeviceFunction, usize),
    /// The IDE controller at the old ports.
    Ide,
}

/// Is shown each drive: where it is, and what it is or why it cannot be used.
pub type Visitor<'v> = dyn FnMut(&dyn Display, Result<&mut dyn Medium, Fault>) + 'v;

impl Controller {
    /// Shows all drives to a visitor.
    #[cold]
    #[inline(never)]
    pub fn visit(self, visitor: &mut Visitor<'_>) {
        match self {
            Self::VirtioBlk(place, transport) => blk::visit(&place, transport, visitor),
            Self::VirtioScsi(place, transport) => scsi::visit(&place, transport, visitor),
            Self::Ahci(place, function, registers) => {
                ahci::visit(&place, function, registers, visitor);
            }
            Self::Ide => ide::visit(visitor),
        }
    }
}

/// The place of one of a controller's drives.
fn place(parts: core::fmt::Arguments<'_>) -> heapless::String<48> {
    let mut place = heapless::String::new();
    // Controllers' places have 24 bytes, and what comes behind has less.
    let _ = place.write_fmt(parts);
    place
}
