//! The sending half of a card.

use core::fmt;

use crate::area::Access;
use crate::card::Card;
use crate::device::Device;
use crate::features::feature;
use crate::offload::{Checksum, Ecn, Gso, Offload};
use crate::packet::Packet;

/// Why a packet was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TxError {
    /// The ring is full; later there is room again.
    Full,
    /// The card cannot cut this frame into segments, or it never fits the ring.
    Unsendable,
    /// The pool has no buffers for a copy, or the frame is empty or too long for one.
    NoBuffer,
    /// The card is down.
    Down,
}

/// A packet that was not sent, given back.
pub struct Refused {
    /// The packet, unchanged.
    pub packet: Packet,
    /// Why.
    pub error: TxError,
}

impl fmt::Debug for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refused")
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}

/// How many descriptors of a transmit ring forwarded packets leave to the box itself.
pub(crate) const fn own_share(size: u16) -> u16 {
    size / 16
}

impl<D: Device> Card<D> {
    /// Puts a packet that came from another card on the ring, buffers and all. It is sent at the next
    /// [`Self::publish`]. Some room is left for [`Self::transmit_own`]: however much is forwarded, the box
    /// itself can ask for neighbours and answer.
    ///
    /// # Errors
    ///
    /// Gives the packet back with the reason.
    #[inline]
    pub fn transmit(&mut self, packet: Packet) -> Result<(), Refused> {
        self.enqueue(packet, own_share(self.transmit.size()))
    }

    /// The same for a packet of the box's own, which may have all the room.
    ///
    /// # Errors
    ///
    /// Gives the packet back with the reason.
    pub fn transmit_own(&mut self, packet: Packet) -> Result<(), Refused> {
        self.enqueue(packet, 0)
    }

    #[inline]
    fn enqueue(&mut self, mut packet: Packet, reserve: u16) -> Result<(), Refused> {
        if let Err(error) = self.check(&packet, reserve) {
            return Err(Refused { packet, error });
        }
        match packet.offload().checksum {
            Checksum::None | Checksum::Valid => packet.header_mut().fill(0),
            Checksum::Partial { .. } => self.leave_checksum(&mut packet),
        }
        self.counters.tx_frames += 1;
        self.counters.tx_bytes += packet.total_len() as u64;
        let chain = packet.into_chain();
        self.transmit
            .push(chain, self.pool.pieces(chain), Access::Read);
        Ok(())
    }

    /// Hands a partial checksum to the card, or completes it when the card cannot.
    fn leave_checksum(&self, packet: &mut Packet) {
        if !self.accepted.has(feature::CSUM) {
            packet.complete_checksum();
        }
        let header = packet.offload().header(packet.head());
        *packet.header_mut() = header;
    }

    /// Sends a copy of `frame`, which is the box's own and starts with its Ethernet header.
    ///
    /// # Errors
    ///
    /// Why it was not sent.
    pub fn transmit_copy(&mut self, frame: &[u8], offload: Offload) -> Result<(), TxError> {
        if self.fault().is_some() {
            return Err(TxError::Down);
        }
        let Some(packet) = self.pool.packet(frame, offload) else {
            self.counters.no_buffer += 1;
            return Err(TxError::NoBuffer);
        };
        self.transmit_own(packet).map_err(|refused| refused.error)
    }

    /// Free descriptors of the transmit ring; a packet takes one for each buffer.
    #[must_use]
    pub const fn room(&self) -> u16 {
        self.transmit.free()
    }

    /// Whether the packet can go onto the ring now.
    #[inline]
    fn check(&mut self, packet: &Packet, reserve: u16) -> Result<(), TxError> {
        if self.fault().is_some() {
            return Err(TxError::Down);
        }
        if packet.parts() + reserve > self.transmit.free() {
            return Err(self.no_room(packet.parts() + reserve));
        }
        if !self.can_segment(packet.offload()) || !packet.is_from(self.pool) {
            self.counters.tx_unsendable += 1;
            return Err(TxError::Unsendable);
        }
        Ok(())
    }

    #[cold]
    fn no_room(&mut self, wanted: u16) -> TxError {
        if wanted > self.transmit.size() {
            self.counters.tx_unsendable += 1;
            return TxError::Unsendable;
        }
        self.counters.tx_full += 1;
        TxError::Full
    }

    /// Whether the device can cut such a frame, which needs a partial TCP checksum.
    fn can_segment(&self, offload: Offload) -> bool {
        let (kind, size, ecn) = match offload.gso {
            Gso::None => return true,
            Gso::Tcp4 { size, ecn } => (feature::HOST_TSO4, size, ecn),
            Gso::Tcp6 { size, ecn } => (feature::HOST_TSO6, size, ecn),
        };
        let ecn = match ecn {
            Ecn::Absent => 0,
            Ecn::Present => feature::HOST_ECN,
        };
        size != 0
            && matches!(offload.checksum, Checksum::Partial { .. })
            && self.accepted.has(kind | ecn)
    }
}
