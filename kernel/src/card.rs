//! A running network card of either kind.

use sekisho_nic::e1000::E1000;
use sekisho_nic::{
    Accepted, DeviceFault, Link, Offload, Packet, Refused, RxError, TxError, feature,
};

use crate::hw::cards::{Registers, Window};

/// A running network card.
#[expect(
    clippy::large_enum_variant,
    reason = "there are a few, for good, and each is used for every frame"
)]
pub enum Card {
    /// A virtio card.
    Virtio(sekisho_nic::Card<Registers>),
    /// One of Intel's.
    Intel(E1000<Window>),
}

/// Calls the same method of either card.
macro_rules! either {
    ($card:expr, $method:ident $arguments:tt) => {
        match $card {
            Self::Virtio(card) => card.$method $arguments,
            Self::Intel(card) => card.$method $arguments,
        }
    };
}

impl Card {
    /// The next frame that arrived.
    #[inline]
    pub fn receive(&mut self) -> Option<Result<Packet, RxError>> {
        either!(self, receive())
    }

    /// Puts a packet that came from another card on the ring, buffers and all, while there is more room than the
    /// box itself may need.
    ///
    /// # Errors
    /// Gives the packet back with the reason.
    #[inline]
    pub fn transmit(&mut self, packet: Packet) -> Result<(), Refused> {
        either!(self, transmit(packet))
    }

    /// The same for a packet of the box's own, which may have all the room.
    ///
    /// # Errors
    /// Gives the packet back with the reason.
    pub fn transmit_own(&mut self, packet: Packet) -> Result<(), Refused> {
        either!(self, transmit_own(packet))
    }

    /// Sends a copy of a frame of the box's own.
    ///
    /// # Errors
    /// Why it was not sent.
    pub fn transmit_copy(&mut self, frame: &[u8], offload: Offload) -> Result<(), TxError> {
        either!(self, transmit_copy(frame, offload))
    }

    /// How many frames were put on the ring.
    #[must_use]
    pub const fn sent(&self) -> u64 {
        match self {
            Self::Virtio(card) => card.counters().tx_frames,
            Self::Intel(card) => card.counters().tx_frames,
        }
    }

    /// Takes sent frames' buffers home.
    #[inline]
    pub fn reclaim(&mut self) {
        either!(self, reclaim());
    }

    /// Offers free buffers for reception.
    #[inline]
    pub fn refill(&mut self) {
        either!(self, refill());
    }

    /// Shows the rings' new entries to the device.
    #[inline]
    pub fn publish(&mut self) {
        either!(self, publish());
    }

    /// Tells a device that did nothing since the last call of its rings once more, in case it missed it.
    pub fn remind(&mut self) {
        match self {
            Self::Virtio(card) => card.remind(),
            // Its registers are no hint that can be missed.
            Self::Intel(_) => {}
        }
    }

    /// Asks for an interrupt at the next frame.
    pub fn arm(&mut self) {
        either!(self, arm());
    }

    /// Asks for no more interrupts.
    pub fn disarm(&mut self) {
        either!(self, disarm());
    }

    /// Whether there is something to do.
    #[must_use]
    pub fn has_work(&self) -> bool {
        either!(self, has_work())
    }

    /// Takes in frames for other cards as well. A virtio card whose control queue nobody uses does so from the start.
    pub fn take_all(&mut self) {
        match self {
            Self::Virtio(_) => {}
            Self::Intel(card) => card.take_all(),
        }
    }

    /// Whether a cable is plugged in.
    pub fn link(&mut self) -> Link {
        either!(self, link())
    }

    /// What its device did wrong, when it is down for that.
    #[must_use]
    pub const fn fault(&self) -> Option<DeviceFault> {
        either!(self, fault())
    }

    /// The virtio features settled on.
    #[must_use]
    pub const fn accepted(&self) -> Option<Accepted> {
        match self {
            Self::Virtio(card) => Some(card.accepted()),
            Self::Intel(_) => None,
        }
    }

    /// What it passes through, for people.
    #[must_use]
    pub fn offloads(&self) -> &'static str {
        let has = |wanted| self.accepted().is_some_and(|accepted| accepted.has(wanted));
        match (has(feature::GUEST_CSUM), has(feature::GUEST_TSO4)) {
            (_, true) => "checksums and segmentation passed through",
            (true, false) => "checksums passed through",
            (false, false) => "no offloads",
        }
    }
}
