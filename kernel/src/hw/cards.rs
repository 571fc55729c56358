//! Which network cards, drives and other devices the machine has, in bus order.

use alloc::vec::Vec;

use core::ptr::NonNull;
use sekisho_nic::{Device, Doorbell, DoorbellWidth, e1000};
use virtio_drivers::transport::pci::bus::DeviceFunction;
use virtio_drivers::transport::{DeviceStatus, DeviceType, SomeTransport, Transport};

use super::apic;
use super::mmio::{self, Found, Place};
use super::pci::{self, Bus, Extra};
use super::storage::Controller;
use crate::console;

/// A card that is there.
pub enum CardSeat {
    /// A virtio card.
    Virtio(VirtioSeat),
    /// One of Intel's.
    Intel(IntelSeat),
}

/// One of Intel's cards, with all that its driver needs.
pub struct IntelSeat {
    /// Where it was found, for people.
    pub place: heapless::String<24>,
    /// Its registers.
    pub registers: Window,
    line: u8,
}

/// Registers in device memory.
pub struct Window(usize);

/// A virtio card, with all that a driver needs.
pub struct VirtioSeat {
    /// Where it was found, for people.
    pub place: heapless::String<24>,
    /// The standard's registers.
    pub transport: SomeTransport<'static>,
    /// Its interrupt vector.
    pub vector: u8,
    wiring: Wiring,
}

enum Wiring {
    Pci(Extra),
    Mmio(Place),
}

/// What the machine has.
pub struct Devices {
    /// Network cards, at most one for each zone that there can be, and one to complain about.
    pub cards: Vec<CardSeat>,
    /// Controllers of drives.
    pub drives: Vec<Controller>,
    /// The first source of entropy.
    pub rng: Option<SomeTransport<'static>>,
    /// Whether there is a screen.
    pub has_display: bool,
    /// Devices that speak only the old layout, by where they are.
    pub legacy: Vec<heapless::String<24>>,
}

/// Whether there is a screen, for when nothing else of the machine is of interest.
#[must_use]
pub fn has_display() -> bool {
    Bus::find().is_some_and(|bus| {
        bus.functions()
            .iter()
            .any(|(_, info)| pci::is_display(info))
    })
}

/// Finds all devices; the cards' interrupts are wired up, and still silent until a queue asks for them.
#[must_use]
pub fn find(command_line: &str) -> Devices {
    let mut devices = Devices {
        cards: Vec::new(),
        drives: Vec::new(),
        rng: None,
        has_display: false,
        legacy: Vec::new(),
    };
    let places = mmio::announced(command_line);
    match Bus::find() {
        Some(bus) => devices.add_functions(bus),
        None if places.is_empty() => devices.add_places(mmio::window()),
        None => {}
    }
    devices.add_places(places);
    devices
}

impl Devices {
    fn add_functions(&mut self, mut bus: Bus) {
        let functions = bus.functions();
        bus.see_placement(&functions);
        for (function, info) in functions {
            self.has_display |= pci::is_display(&info);
            match pci::kind(&info) {
                Some(DeviceType::Network | DeviceType::EntropySource) => {
                    self.add_virtio(&mut bus, function);
                }
                Some(DeviceType::Block | DeviceType::ScsiHost) => {
                    self.add_virtio_drive(&mut bus, function);
                }
                _ if pci::is_intel_card(&info) => self.add_intel(&mut bus, function),
                _ if pci::is_ahci(&info) => {
                    let place = pci_place(function);
                    let registers = bus.ahci_registers(function);
                    (self.drives).extend(registers.map(|at| Controller::Ahci(place, function, at)));
                }
                // The old ports are there once, whoever has them.
                _ if pci::is_ide(&info) && !self.has_ide() => self.drives.push(Controller::Ide),
                _ => {}
            }
        }
    }

    fn has_ide(&self) -> bool {
        (self.drives.iter()).any(|drive| matches!(drive, Controller::Ide))
    }

    fn add_virtio(&mut self, bus: &mut Bus, function: DeviceFunction) {
        let place = pci_place(function);
        match bus.open(function) {
            Ok(found) => self.add(
                place,
                SomeTransport::Pci(found.transport),
                Wiring::Pci(found.extra),
            ),
            Err(_) => self.legacy.push(place),
        }
    }

    fn add_virtio_drive(&mut self, bus: &mut Bus, function: DeviceFunction) {
        let place = pci_place(function);
        match bus.open_plainly(function) {
            Ok(transport) => self.add_drive(place, SomeTransport::Pci(transport)),
            Err(_) => self.legacy.push(place),
        }
    }

    fn add_drive(&mut self, place: heapless::String<24>, transport: SomeTransport<'static>) {
        self.drives.push(match transport.device_type() {
            DeviceType::ScsiHost => Controller::VirtioScsi(place, transport),
            _ => Controller::VirtioBlk(place, transport),
        });
    }

    fn add_intel(&mut self, bus: &mut Bus, function: DeviceFunction) {
        if let Some((registers, line)) = bus.open_intel(function) {
            self.cards.push(CardSeat::Intel(IntelSeat {
                place: pci_place(function),
                registers: Window(registers),
                line,
            }));
        }
    }

    /// QEMU fills microvm's places from the top, so the first device given is the last in memory.
    fn add_places(&mut self, mut places: Vec<Place>) {
        places.sort_unstable_by_key(|place| core::cmp::Reverse(place.address));
        for at in places {
            let mut place = heapless::String::new();
            let _ = core::fmt::Write::write_fmt(&mut place, format_args!("mmio {:#x}", at.address));
            match mmio::look(at) {
                Found::Device(transport) => {
                    self.add(place, SomeTransport::Mmio(transport), Wiring::Mmio(at))
                }
                Found::Legacy => self.legacy.push(place),
                Found::Nothing => {}
            }
        }
    }

    fn add(
        &mut self,
        place: heapless::String<24>,
        transport: SomeTransport<'static>,
        wiring: Wiring,
    ) {
        match transport.device_type() {
            DeviceType::Network => {
                let vector = apic::CARDS + self.cards.len() as u8;
                if vector < apic::INTEL {
                    self.cards.push(CardSeat::Virtio(VirtioSeat {
                        place,
                        transport,
                        vector,
                        wiring,
                    }));
                }
            }
            DeviceType::EntropySource if self.rng.is_none() => self.rng = Some(transport),
            DeviceType::Block | DeviceType::ScsiHost => self.add_drive(place, transport),
            _ => {}
        }
    }
}

fn pci_place(function: DeviceFunction) -> heapless::String<24> {
    let mut place = heapless::String::new();
    let _ = core::fmt::Write::write_fmt(&mut place, format_args!("pci {function}"));
    place
}

impl CardSeat {
    /// The card's Ethernet address.
    #[must_use]
    pub fn mac(&self) -> [u8; 6] {
        match self {
            Self::Virtio(seat) => seat.mac(),
            Self::Intel(seat) => e1000::mac(&seat.registers),
        }
    }

    /// Where it was found, for people.
    #[must_use]
    pub const fn place(&self) -> &heapless::String<24> {
        match self {
            Self::Virtio(seat) => &seat.place,
            Self::Intel(seat) => &seat.place,
        }
    }
}

impl IntelSeat {
    /// Sends the card's interrupts to the vector of such cards.
    ///
    /// Which pin of the I/O APIC a PCI line is wired to only ACPI's code tells. It is the one that the
    /// firmware noted or one of those above the ISA lines; a pin without a card stays silent.
    pub fn wire(&self) {
        const PCI_LINES: core::ops::Range<u32> = 16..24;
        let noted = u32::from(self.line);
        if noted < PCI_LINES.start {
            apic::route(noted, apic::INTEL);
        }
        PCI_LINES.for_each(|line| apic::route(line, apic::INTEL));
    }
}

impl e1000::Registers for Window {
    fn read(&self, register: usize) -> u32 {
        // SAFETY: registers of a card that was found, in device memory that stays mapped.
        unsafe { ((self.0 + register) as *const u32).read_volatile() }
    }

    fn write(&mut self, register: usize, value: u32) {
        // SAFETY: as for reading.
        unsafe { ((self.0 + register) as *mut u32).write_volatile(value) }
    }
}

impl VirtioSeat {
    /// The card's Ethernet address.
    #[must_use]
    pub fn mac(&self) -> [u8; 6] {
        core::array::from_fn(|index| self.transport.read_config_space(index).unwrap_or(0))
    }

    /// Sends the card's interrupts to its vector; after the reset, before the queues are enabled.
    fn wire(&self) {
        match &self.wiring {
            Wiring::Pci(extra) => {
                if extra.interrupt(self.vector).is_err() {
                    console!(
                        "sekisho: the card at {} has no MSI-X: give it vectors=2 or more",
                        self.place
                    );
                }
            }
            Wiring::Mmio(place) => apic::route(place.line, self.vector),
        }
    }

    fn bell(&self, queue: u16) -> Doorbell {
        const QUEUE_NOTIFY: usize = 0x50;
        let (address, width) = match &self.wiring {
            Wiring::Pci(extra) => (extra.doorbell(queue), DoorbellWidth::Bits16),
            Wiring::Mmio(place) => (place.address + QUEUE_NOTIFY, DoorbellWidth::Bits32),
        };
        let address = NonNull::new(address as *mut u8).expect("a device is never at address 0");
        // SAFETY: the register of a device that was found, in device memory that stays mapped.
        unsafe { Doorbell::new(address, width, queue) }
    }
}

/// A card's registers, as the driver wants them.
pub struct Registers(VirtioSeat);

impl Registers {
    /// The registers of a card that was found.
    #[must_use]
    pub fn new(seat: VirtioSeat) -> Self {
        Self(seat)
    }
}

impl Device for Registers {
    fn features(&mut self) -> u64 {
        self.0.transport.read_device_features()
    }

    fn set_features(&mut self, features: u64) {
        self.0.transport.write_driver_features(features);
    }

    fn status(&self) -> u8 {
        self.0.transport.get_status().bits() as u8
    }

    fn set_status(&mut self, status: u8) {
        self.0
            .transport
            .set_status(DeviceStatus::from_bits_retain(status.into()));
    }

    fn queue_max(&mut self, queue: u16) -> u16 {
        self.0
            .transport
            .max_queue_size(queue)
            .try_into()
            .unwrap_or(u16::MAX)
    }

    fn set_queue(&mut self, queue: u16, size: u16, descriptors: u64, driver: u64, device: u64) {
        // A reset forgets the vectors, and a queue takes its own when it is enabled.
        self.0.wire();
        self.0
            .transport
            .queue_set(queue, size.into(), descriptors, driver, device);
    }

    fn doorbell(&self, queue: u16) -> Doorbell {
        self.0.bell(queue)
    }

    fn config_generation(&self) -> u32 {
        self.0.transport.read_config_generation()
    }

    fn read_config_u16(&self, offset: usize) -> u16 {
        self.0.transport.read_config_space(offset).unwrap_or(0)
    }

    fn read_config_mac(&self) -> [u8; 6] {
        self.0.mac()
    }
}
