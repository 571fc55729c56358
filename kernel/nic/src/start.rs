//! From a found device to a running card (virtio 1.2 section 3.1.1).
//!
//! [`Candidate::new`] for every device, [`negotiate`](crate::negotiate) over all
//! their offers, then [`Candidate::start`] for each.

use crate::area::Area;
use crate::card::Card;
use crate::device::{self, Device, Reset, status};
use crate::fault::{Queue, StartError};
use crate::features::{Accepted, Offer, feature};
use crate::memory::{DmaRegion, PAGE_BYTES};
use crate::pool::Pool;
use crate::ring::Ring;

/// Entries of a queue unless told otherwise.
pub const QUEUE_SIZE: u16 = 256;
/// The largest queue (virtio 1.2 section 2.7).
const MAX_QUEUE_SIZE: u16 = 32_768;

/// Where the configuration holds the MTU, in bytes (section 5.1.4).
const CONFIG_MTU: usize = 10;

/// A device that was reset and said what it offers.
#[derive(Debug)]
pub struct Candidate<D: Device> {
    device: D,
    features: u64,
    receive_size: u16,
    transmit_size: u16,
    mac: Option<[u8; 6]>,
    mtu: Option<u16>,
}

impl<D: Device> Candidate<D> {
    /// Resets the device and reads its offer. Queues get up to `queue_size` entries.
    ///
    /// # Errors
    ///
    /// See [`StartError`].
    pub fn new(mut device: D, queue_size: u16) -> Result<Self, StartError> {
        if device::reset(&mut device) == Reset::Stuck {
            return Err(StartError::NoReset);
        }
        device.set_status(status::ACKNOWLEDGE);
        device.set_status(status::ACKNOWLEDGE | status::DRIVER);
        let features = device.features();
        if features & feature::VERSION_1 == 0 {
            device.set_status(status::FAILED);
            return Err(StartError::Legacy);
        }
        let unstable = |_| StartError::ConfigUnstable;
        let mac = device::read_config(&device, D::read_config_mac).map_err(unstable)?;
        let mtu = device::read_config(&device, |device| device.read_config_u16(CONFIG_MTU))
            .map_err(unstable)?;
        Ok(Self {
            receive_size: usable_size(&mut device, Queue::Receive, queue_size)?,
            transmit_size: usable_size(&mut device, Queue::Transmit, queue_size)?,
            features,
            mac: (features & feature::MAC != 0).then_some(mac),
            mtu: (features & feature::MTU != 0).then_some(mtu),
            device,
        })
    }

    /// What it offers.
    #[must_use]
    pub const fn offer(&self) -> Offer {
        Offer {
            features: self.features,
            transmit_size: self.transmit_size,
        }
    }

    /// Its Ethernet address, when it has one.
    #[must_use]
    pub const fn mac(&self) -> Option<[u8; 6]> {
        self.mac
    }

    /// The largest IP packet of its network in bytes, when it knows.
    #[must_use]
    pub const fn mtu(&self) -> Option<u16> {
        self.mtu
    }

    /// Buffers it can hold at a time, on both rings.
    #[must_use]
    pub const fn buffers(&self) -> usize {
        self.receive_size as usize + self.transmit_size as usize
    }

    /// Bytes that its rings take, a multiple of [`PAGE_BYTES`].
    #[must_use]
    pub const fn ring_bytes(&self) -> usize {
        page(Area::bytes(self.receive_size)) + page(Area::bytes(self.transmit_size))
    }

    /// Starts it with the features settled on. Its receive ring is filled from `pool`.
    ///
    /// # Errors
    ///
    /// See [`StartError`].
    pub fn start(
        mut self,
        accepted: Accepted,
        pool: &'static Pool,
        rings: DmaRegion,
    ) -> Result<Card<D>, StartError> {
        let needed = self.ring_bytes();
        let [receive, transmit] = self.areas(rings).ok_or(StartError::RingMemory { needed })?;
        if self.device.accept(accepted.bits()).is_err() {
            self.device.set_status(status::FAILED);
            return Err(StartError::FeaturesRefused);
        }
        let notify = accepted.notify();
        let receive = Ring::new(receive, Queue::Receive, notify);
        let transmit = Ring::new(transmit, Queue::Transmit, notify);
        let receive_bell = set_queue(&mut self.device, Queue::Receive, &receive);
        let transmit_bell = set_queue(&mut self.device, Queue::Transmit, &transmit);
        let ready = status::ACKNOWLEDGE | status::DRIVER | status::FEATURES_OK | status::DRIVER_OK;
        self.device.set_status(ready);
        let mut card = Card::new(
            self.device,
            accepted,
            pool,
            (receive, receive_bell),
            (transmit, transmit_bell),
        );
        card.refill();
        card.publish();
        Ok(card)
    }

    /// Cuts the rings' areas out of `rings`.
    fn areas(&self, rings: DmaRegion) -> Option<[Area; 2]> {
        if !rings.base().addr().get().is_multiple_of(PAGE_BYTES) {
            return None;
        }
        let (receive, transmit) = rings.split(page(Area::bytes(self.receive_size))).ok()?;
        Some([
            Area::new(receive, self.receive_size)?,
            Area::new(transmit, self.transmit_size)?,
        ])
    }
}

/// The size for a queue of a device that may have up to `wanted` entries.
fn usable_size(device: &mut impl Device, queue: Queue, wanted: u16) -> Result<u16, StartError> {
    let size = device.queue_max(queue.number());
    let usable = size.min(wanted);
    if !(2..=MAX_QUEUE_SIZE).contains(&usable)
        || !size.is_power_of_two()
        || !usable.is_power_of_two()
    {
        return Err(StartError::QueueSize { queue, size });
    }
    Ok(usable)
}

fn set_queue(device: &mut impl Device, queue: Queue, ring: &Ring) -> crate::Doorbell {
    let [descriptors, driver, used] = ring.addresses();
    device.set_queue(queue.number(), ring.size(), descriptors, driver, used);
    device.doorbell(queue.number())
}

const fn page(bytes: usize) -> usize {
    bytes.next_multiple_of(PAGE_BYTES)
}
