//! What the driver needs of a transport: PCI, MMIO, or a fake.

use core::ptr::NonNull;

/// Device status bits (virtio 1.2 section 2.1).
pub mod status {
    /// The guest has seen the device.
    pub const ACKNOWLEDGE: u8 = 1;
    /// The guest has a driver for it.
    pub const DRIVER: u8 = 2;
    /// The driver is ready.
    pub const DRIVER_OK: u8 = 4;
    /// The features are settled.
    pub const FEATURES_OK: u8 = 8;
    /// The device cannot go on without a reset.
    pub const NEEDS_RESET: u8 = 64;
    /// The driver has given up.
    pub const FAILED: u8 = 128;
}

/// The device turned the chosen features down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeaturesRefused;

/// A virtio network device behind some transport.
///
/// Nothing it returns is trusted.
pub trait Device {
    /// The features it offers.
    fn features(&mut self) -> u64;

    /// Writes the features the driver takes.
    fn set_features(&mut self, features: u64);

    /// Its status; see [`status`].
    fn status(&self) -> u8;

    /// Writes the status. 0 resets the device.
    fn set_status(&mut self, status: u8);

    /// The largest size of queue `queue`; 0 when there is none.
    fn queue_max(&mut self, queue: u16) -> u16;

    /// Sets queue `queue` up with `size` entries and enables it. Addresses are physical: the
    /// descriptor table, the driver's area (available ring), the device's area (used ring).
    fn set_queue(&mut self, queue: u16, size: u16, descriptors: u64, driver: u64, device: u64);

    /// Where kicks of queue `queue` go, after [`Self::set_queue`].
    fn doorbell(&self, queue: u16) -> Doorbell;

    /// Changes whenever the device configuration does.
    fn config_generation(&self) -> u32;

    /// Two bytes of the device configuration at `offset` bytes.
    fn read_config_u16(&self, offset: usize) -> u16;

    /// The first six bytes of the device configuration.
    fn read_config_mac(&self) -> [u8; 6];

    /// Settles on `features` (section 3.1.1 steps 4 to 6).
    ///
    /// # Errors
    ///
    /// When the device does not take them.
    fn accept(&mut self, features: u64) -> Result<(), FeaturesRefused> {
        self.set_features(features);
        let settled = status::ACKNOWLEDGE | status::DRIVER | status::FEATURES_OK;
        self.set_status(settled);
        match self.status() & status::FEATURES_OK {
            0 => Err(FeaturesRefused),
            _ => Ok(()),
        }
    }
}

/// How wide a doorbell is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DoorbellWidth {
    /// 16 bits, as over PCI.
    Bits16,
    /// 32 bits, as over MMIO.
    Bits32,
}

/// The register that kicks a queue, found once.
#[derive(Clone, Copy, Debug)]
pub struct Doorbell {
    address: NonNull<u8>,
    width: DoorbellWidth,
    queue: u16,
}

impl Doorbell {
    /// A doorbell at `address` for queue `queue`.
    ///
    /// # Safety
    ///
    /// The register must be mapped, aligned to its width, and stay so.
    #[must_use]
    pub const unsafe fn new(address: NonNull<u8>, width: DoorbellWidth, queue: u16) -> Self {
        Self {
            address,
            width,
            queue,
        }
    }

    /// Tells the device to look at the queue.
    #[inline]
    pub(crate) fn ring(&self) {
        // SAFETY: the register is mapped and aligned, as promised to `new`.
        unsafe {
            match self.width {
                DoorbellWidth::Bits16 => {
                    self.address
                        .cast::<u16>()
                        .write_volatile(self.queue.to_le());
                }
                DoorbellWidth::Bits32 => {
                    self.address
                        .cast::<u32>()
                        .write_volatile(u32::from(self.queue).to_le());
                }
            }
        }
    }
}

/// How often a device is asked whether it is out of reset.
const RESET_POLLS: u32 = 100_000;

/// Whether a device came out of reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Reset {
    Done,
    Stuck,
}

/// Resets the device, after which it touches no memory (section 2.4).
pub(crate) fn reset(device: &mut impl Device) -> Reset {
    device.set_status(0);
    for _ in 0..RESET_POLLS {
        if device.status() == 0 {
            return Reset::Done;
        }
        core::hint::spin_loop();
    }
    Reset::Stuck
}

/// How often a configuration that changes is read again.
const CONFIG_READS: u32 = 16;

/// The configuration did not hold still.
pub(crate) struct Unstable;

/// Reads from the configuration until it did not change meanwhile (section 2.5.3).
pub(crate) fn read_config<D: Device, T>(device: &D, read: impl Fn(&D) -> T) -> Result<T, Unstable> {
    for _ in 0..CONFIG_READS {
        let before = device.config_generation();
        let value = read(device);
        if device.config_generation() == before {
            return Ok(value);
        }
    }
    Err(Unstable)
}
