//! The PCI bus: finding functions, and the parts of a virtio function that `virtio-drivers` keeps to itself.

use alloc::vec::Vec;
use core::ptr::NonNull;

use virtio_drivers::transport::pci::bus::{
    BarInfo, Command, ConfigurationAccess, DeviceFunction, DeviceFunctionInfo, HeaderType,
    MemoryBarType, PciRoot,
};
use virtio_drivers::transport::pci::{PciTransport, virtio_device_type};
use virtio_drivers::{BufferDirection, Hal, PhysAddr};

use super::port::{read32, write32};
use super::{apic, heap};
use crate::boot;

const ADDRESS: u16 = 0xcf8;
const DATA: u16 = 0xcfc;
/// The register with the command in its lower half.
const COMMAND: u8 = 0x04;
/// The class of drives' controllers.
const STORAGE: u8 = 1;

/// Configuration space by the ports of PCI 3.0 section 3.2.2.3.2.
pub struct Ports;

impl Ports {
    fn select(function: DeviceFunction, register: u8) {
        let at = u32::from(function.bus) << 16
            | u32::from(function.device) << 11
            | u32::from(function.function) << 8
            | u32::from(register & 0xfc);
        write32(ADDRESS, 1 << 31 | at);
    }
}

impl ConfigurationAccess for Ports {
    fn read_word(&self, function: DeviceFunction, register: u8) -> u32 {
        Self::select(function, register);
        read32(DATA)
    }

    fn write_word(&mut self, function: DeviceFunction, register: u8, value: u32) {
        Self::select(function, register);
        write32(DATA, value);
    }

    unsafe fn unsafe_clone(&self) -> Self {
        Self
    }
}

/// Memory for the `virtio-drivers` crate: identity-mapped, from the heap.
pub struct Memory;

// SAFETY: memory is identity-mapped, so physical and virtual addresses are the same; devices from 4 GiB
// on are reached through the window.
unsafe impl Hal for Memory {
    fn dma_alloc(pages: usize, _: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        let region = heap::dma(pages * virtio_drivers::PAGE_SIZE);
        let at = NonNull::from(region).cast::<u8>();
        (at.as_ptr() as PhysAddr, at)
    }

    unsafe fn dma_dealloc(_: PhysAddr, at: NonNull<u8>, pages: usize) -> i32 {
        // SAFETY: the caller's promise; whoever drops a queue has reset its device before.
        unsafe { heap::give_back(at, pages * virtio_drivers::PAGE_SIZE) };
        0
    }

    unsafe fn mmio_phys_to_virt(physical: PhysAddr, size: usize) -> NonNull<u8> {
        let at = boot::map_device(physical, size).expect("the window holds 512 devices");
        NonNull::new(at as *mut u8).expect("a device is never at address 0")
    }

    unsafe fn share(buffer: NonNull<[u8]>, _: BufferDirection) -> PhysAddr {
        buffer.cast::<u8>().as_ptr() as PhysAddr
    }

    unsafe fn unshare(_: PhysAddr, _: NonNull<[u8]>, _: BufferDirection) {}
}

/// The bus.
pub struct Bus {
    root: PciRoot<Ports>,
    placement: Placement,
}

/// Who says where devices' memory is.
#[derive(Clone, Copy)]
enum Placement {
    /// The firmware has.
    Firmware,
    /// We do, from this address on: firmware such as qboot leaves it to the system.
    Ours(u64),
}

/// The first BAR, and what follows the last (PCI 3.0 section 6.2.5).
const BAR0: u8 = 0x10;
const BAR_END: u8 = 0x28;
/// A BAR's bits that are no address, and the one that says it is of ports.
const BAR_FLAGS: u32 = 0xf;
const IO_BAR: u32 = 1;

/// Where nothing else is on QEMU's boards, whatever memory they have: above it are the IOAPIC and the firmware.
const FREE: core::ops::Range<u64> = 0xe000_0000..0xf000_0000;

/// A virtio function, ready for a driver.
pub struct VirtioFunction {
    /// The standard's registers.
    pub transport: PciTransport,
    /// The rest.
    pub extra: Extra,
}

/// What a fast driver needs beside `virtio-drivers`' transport.
pub struct Extra {
    common: usize,
    notify: usize,
    multiplier: usize,
    vectors: Option<NonNull<[u32; 4]>>,
}

impl Bus {
    /// The bus, if this machine has one.
    #[must_use]
    pub fn find() -> Option<Self> {
        write32(ADDRESS, 1 << 31);
        (read32(ADDRESS) == 1 << 31 && read32(DATA) != u32::MAX).then(|| Self {
            root: PciRoot::new(Ports),
            placement: Placement::Firmware,
        })
    }

    /// All functions, bridges' far sides included, in bus order.
    #[must_use]
    pub fn functions(&self) -> Vec<(DeviceFunction, DeviceFunctionInfo)> {
        const SECONDARY_BUS: u8 = 0x18;
        let mut found = Vec::new();
        let mut buses: Vec<u8> = alloc::vec![0];
        let mut next = 0;
        while let Some(&bus) = buses.get(next) {
            next += 1;
            for (function, info) in self.root.enumerate_bus(bus) {
                if info.header_type == HeaderType::PciPciBridge {
                    let behind = (Ports.read_word(function, SECONDARY_BUS) >> 8) as u8;
                    if behind != 0 && !buses.contains(&behind) {
                        buses.push(behind);
                    }
                }
                found.push((function, info));
            }
        }
        found
    }

    /// Sees whether the firmware has placed any of these functions' memory; if not, it is placed as they are opened.
    pub fn see_placement(&mut self, functions: &[(DeviceFunction, DeviceFunctionInfo)]) {
        let is_placed = |function: DeviceFunction, at: u8| {
            let bar = Ports.read_word(function, at);
            bar & IO_BAR == 0 && bar & !BAR_FLAGS != 0
        };
        let placed = functions
            .iter()
            .filter(|(_, info)| info.header_type == HeaderType::Standard)
            .any(|(function, _)| {
                (BAR0..BAR_END)
                    .step_by(4)
                    .any(|at| is_placed(*function, at))
            });
        if !placed {
            self.placement = Placement::Ours(FREE.start);
        }
    }

    /// Places a function's memory, if nobody has; its decoding is off.
    fn place(&mut self, function: DeviceFunction) {
        let Placement::Ours(mut next) = self.placement else {
            return;
        };
        let Ok(bars) = self.root.bars(function) else {
            return;
        };
        for (index, bar) in (0..).zip(bars) {
            let Some(BarInfo::Memory {
                size, address_type, ..
            }) = bar
            else {
                continue;
            };
            let at = next.next_multiple_of(size.max(1));
            if at + size > FREE.end {
                continue;
            }
            next = at + size;
            match address_type {
                MemoryBarType::Width64 => self.root.set_bar_64(function, index, at),
                MemoryBarType::Width32 => self.root.set_bar_32(function, index, at as u32),
                MemoryBarType::Below1MiB => {}
            }
        }
        self.placement = Placement::Ours(next);
    }

    /// Opens a virtio function.
    ///
    /// # Errors
    /// What is missing, in words: a legacy-only device has no modern capabilities.
    pub fn open(
        &mut self,
        function: DeviceFunction,
    ) -> Result<VirtioFunction, virtio_drivers::transport::pci::VirtioPciError> {
        // Sizing a BAR while it is decoded makes an emulator rebuild its memory map each time.
        self.root.set_command(function, Command::empty());
        self.place(function);
        let transport = PciTransport::new::<Memory, _>(&mut self.root, function);
        let extra = transport.is_ok().then(|| self.extra(function)).flatten();
        self.root.set_command(
            function,
            Command::MEMORY_SPACE | Command::BUS_MASTER | Command::INTERRUPT_DISABLE,
        );
        let transport = transport?;
        let extra =
            extra.ok_or(virtio_drivers::transport::pci::VirtioPciError::MissingCommonConfig)?;
        Ok(VirtioFunction { transport, extra })
    }

    /// Opens a virtio function that needs nothing but the standard's registers.
    ///
    /// # Errors
    /// What is missing, in words: a legacy-only device has no modern capabilities.
    pub fn open_plainly(
        &mut self,
        function: DeviceFunction,
    ) -> Result<PciTransport, virtio_drivers::transport::pci::VirtioPciError> {
        self.root.set_command(function, Command::empty());
        let transport = PciTransport::new::<Memory, _>(&mut self.root, function);
        self.root.set_command(
            function,
            Command::MEMORY_SPACE | Command::BUS_MASTER | Command::INTERRUPT_DISABLE,
        );
        transport
    }

    /// Where an AHCI controller's registers are. The firmware has put them there; they are not sized, which would
    /// cost time on each machine that has a controller and no drive.
    #[must_use]
    pub fn ahci_registers(&self, function: DeviceFunction) -> Option<usize> {
        const BAR5: u8 = 0x24;
        const REGISTERS: usize = 0x1100;
        let address = Ports.read_word(function, BAR5);
        let is_memory = address & 1 == 0 && address & !0xf != 0;
        let has_decoding = Ports.read_word(function, COMMAND) & 0b10 != 0;
        if is_memory && !has_decoding {
            let command = Ports.read_word(function, COMMAND) & 0xffff;
            Ports.write_word(function, COMMAND, command | 0b10);
        }
        is_memory.then(|| boot::map_device(u64::from(address & !0xf), REGISTERS))?
    }

    /// Opens a card of Intel's: where its registers are, and its interrupt line; `None` without registers.
    pub fn open_intel(&mut self, function: DeviceFunction) -> Option<(usize, u8)> {
        const INTERRUPT_LINE: u8 = 0x3c;
        const REGISTERS: usize = 128 * 1024;
        self.root.set_command(function, Command::empty());
        self.place(function);
        let registers = self.address(function, 0, 0, REGISTERS);
        self.root
            .set_command(function, Command::MEMORY_SPACE | Command::BUS_MASTER);
        let line = Ports.read_word(function, INTERRUPT_LINE) as u8;
        Some((registers?, line))
    }

    /// Reads the capabilities once more for what the crate does not give (virtio 1.2 section 4.1.4).
    fn extra(&mut self, function: DeviceFunction) -> Option<Extra> {
        const VENDOR: u8 = 0x09;
        const MSIX: u8 = 0x11;
        const COMMON: u8 = 1;
        const NOTIFY: u8 = 2;
        let read = |at: u8| Ports.read_word(function, at);
        let capabilities: Vec<_> = self
            .root
            .capabilities(function)
            .map(|c| (c.id, c.offset, c.private_header))
            .collect();
        let (mut common, mut notify, mut msix) = (None, None, None);
        for (id, at, header) in capabilities {
            match (id, (header >> 8) as u8) {
                (VENDOR, COMMON) if common.is_none() => {
                    common = Some((read(at + 4) as u8, read(at + 8)))
                }
                (VENDOR, NOTIFY) if notify.is_none() => {
                    notify = Some((read(at + 4) as u8, read(at + 8), read(at + 16)))
                }
                (MSIX, _) => msix = Some((at, header, read(at + 4))),
                _ => {}
            }
        }
        let common = self.address(function, common?.0, common?.1, 64)?;
        let (bar, offset, multiplier) = notify?;
        let notify = self.address(function, bar, offset, 4096)?;
        let vectors = msix.and_then(|(at, control, table)| {
            let entries = usize::from(control & 0x7ff) + 1;
            let address = self.address(function, (table & 7) as u8, table & !7, 16 * entries)?;
            Ports.write_word(
                function,
                at,
                u32::from(control | 0x8000) << 16 | read(at) & 0xffff,
            );
            NonNull::new(address as *mut [u32; 4])
        });
        Some(Extra {
            common,
            notify,
            multiplier: multiplier as usize,
            vectors,
        })
    }

    fn address(
        &mut self,
        function: DeviceFunction,
        bar: u8,
        offset: u32,
        len: usize,
    ) -> Option<usize> {
        match self.root.bar_info(function, bar).ok()?? {
            BarInfo::Memory { address, .. } if address != 0 => {
                boot::map_device(address + u64::from(offset), len)
            }
            BarInfo::Memory { .. } | BarInfo::IO { .. } => None,
        }
    }
}

impl Extra {
    /// Sends the interrupts of configuration changes and of the first two queues to one vector.
    ///
    /// # Errors
    /// The card has no MSI-X.
    pub fn interrupt(&self, vector: u8) -> Result<(), NoMsix> {
        const CONFIG: usize = 16;
        const QUEUE_SELECT: usize = 22;
        const QUEUE: usize = 26;
        let table = self.vectors.ok_or(NoMsix)?;
        let (address, data) = apic::message(vector);
        // SAFETY: the first entry of the card's MSI-X table (PCI 3.0 section 6.8.2) and the common
        // configuration (virtio 1.2 section 4.1.4.3), both in mapped device memory.
        unsafe {
            let entry = table.as_ptr().cast::<u32>();
            entry.write_volatile(address as u32);
            entry.add(1).write_volatile((address >> 32) as u32);
            entry.add(2).write_volatile(data);
            entry.add(3).write_volatile(0);
            let register = |at: usize| (self.common + at) as *mut u16;
            register(CONFIG).write_volatile(0);
            for queue in 0..2 {
                register(QUEUE_SELECT).write_volatile(queue);
                register(QUEUE).write_volatile(0);
            }
        }
        Ok(())
    }

    /// Where a queue's doorbell is.
    #[must_use]
    pub fn doorbell(&self, queue: u16) -> usize {
        const QUEUE_SELECT: usize = 22;
        const NOTIFY_OFFSET: usize = 30;
        // SAFETY: the common configuration, in mapped device memory.
        let offset = unsafe {
            ((self.common + QUEUE_SELECT) as *mut u16).write_volatile(queue);
            ((self.common + NOTIFY_OFFSET) as *const u16).read_volatile()
        };
        self.notify + usize::from(offset) * self.multiplier
    }
}

/// A card without MSI-X.
#[derive(Clone, Copy, Debug)]
pub struct NoMsix;

/// Whether a function is a virtio device, and which.
#[must_use]
pub fn kind(info: &DeviceFunctionInfo) -> Option<virtio_drivers::transport::DeviceType> {
    virtio_device_type(info)
}

/// Whether a function is one of Intel's cards that the driver knows: 82543GC, 82540EM, 82545EM.
#[must_use]
pub fn is_intel_card(info: &DeviceFunctionInfo) -> bool {
    const INTEL: u16 = 0x8086;
    const CARDS: [u16; 3] = [0x1004, 0x100e, 0x100f];
    info.vendor_id == INTEL && CARDS.contains(&info.device_id)
}

/// Lets a function read and write memory by itself.
pub fn allow_dma(function: DeviceFunction) {
    const BUS_MASTER: u32 = 0b100;
    let command = Ports.read_word(function, COMMAND) & 0xffff;
    if command & BUS_MASTER == 0 {
        Ports.write_word(function, COMMAND, command | BUS_MASTER);
    }
}

/// Whether a function is an AHCI controller (PCI class 1, subclass 6, interface 1).
#[must_use]
pub const fn is_ahci(info: &DeviceFunctionInfo) -> bool {
    info.class == STORAGE && info.subclass == 6 && info.prog_if == 1
}

/// Whether a function is an IDE controller with both channels at their old ports (PCI class 1, subclass 1; bits 0 and 2 of
/// the interface say which channels have ports of their own).
#[must_use]
pub const fn is_ide(info: &DeviceFunctionInfo) -> bool {
    info.class == STORAGE && info.subclass == 1 && info.prog_if & 0b101 == 0
}

/// Whether a function is a screen's (PCI class 3).
#[must_use]
pub const fn is_display(info: &DeviceFunctionInfo) -> bool {
    const DISPLAY: u8 = 3;
    info.class == DISPLAY
}
