//! The receiving half of a card.

use crate::area::Access;
use crate::card::Card;
use crate::device::Device;
use crate::fault::{DeviceFault, FrameFault, RxError};
use crate::features::{feature, max_parts};
use crate::offload::{HEADER_BYTES, Offload};
use crate::packet::{Chain, Packet};
use crate::ring::Used;

/// Bytes of an Ethernet header.
const ETHERNET_BYTES: usize = 14;

/// The receive ring is refilled when at least one in so many entries is missing.
const REFILL_SHARE: u16 = 8;

impl<D: Device> Card<D> {
    /// The next frame that arrived, with its buffers. `None` when there is none now, and always
    /// once the card is down.
    #[inline]
    pub fn receive(&mut self) -> Option<Result<Packet, RxError>> {
        if self.fault().is_some() {
            return None;
        }
        match self.take_frame() {
            Ok(packet) => {
                let packet = packet?;
                self.counters.rx_frames += 1;
                self.counters.rx_bytes += packet.total_len() as u64;
                Some(Ok(packet))
            }
            Err(error) => {
                self.note(error);
                Some(Err(error))
            }
        }
    }

    /// Counts a dropped frame, or takes the card down.
    #[cold]
    fn note(&mut self, error: RxError) {
        match error {
            RxError::Frame(fault) => self.counters.rx_dropped[fault as usize] += 1,
            RxError::Device(fault) => self.fail(fault),
        }
    }

    /// Offers free buffers to the device, in batches.
    #[inline]
    pub fn refill(&mut self) {
        if self.receive.free() >= (self.receive.size() / REFILL_SHARE).max(1) {
            self.fill();
        }
    }

    /// Offers free buffers until the ring is full or the pool is empty.
    pub(crate) fn fill(&mut self) {
        if self.fault().is_some() {
            return;
        }
        let len = self.pool.buffer_bytes() as u32;
        while self.receive.free() != 0 {
            let Some(id) = self.pool.take() else {
                self.counters.no_buffer += 1;
                return;
            };
            let piece = (self.pool.pointer(id).addr().get() as u64, len);
            let chain = Chain {
                first: id,
                last: id,
                parts: 1,
            };
            self.receive
                .push(chain, core::iter::once(piece), Access::Write);
        }
    }

    /// One frame off the ring.
    #[inline]
    fn take_frame(&mut self) -> Result<Option<Packet>, RxError> {
        let Some(used) = self.receive.pop()? else {
            return Ok(None);
        };
        let filled = self.checked_len(used)?;
        if usize::from(filled) < HEADER_BYTES {
            let fault = DeviceFault::LengthUnderHeader { len: used.len };
            return Err(self.lost(used, fault).into());
        }
        let mut packet = Packet::start(self.pool, used.chain.first, filled);
        let header = *packet.header_mut();
        if self.accepted.has(feature::MRG_RXBUF) {
            let buffers = u16::from_le_bytes([header[10], header[11]]);
            if buffers != 1 {
                self.take_parts(&mut packet, buffers)?;
            }
        }
        self.check_frame(&mut packet, &header)?;
        Ok(Some(packet))
    }

    /// The further buffers of a frame that lies in `buffers` of them.
    fn take_parts(&mut self, packet: &mut Packet, buffers: u16) -> Result<(), DeviceFault> {
        let Some(further) = buffers.checked_sub(1) else {
            return Err(DeviceFault::NoBuffers);
        };
        let came = self.receive.ready();
        if further > came && further > self.receive.look()? {
            return Err(DeviceFault::MissingBuffers {
                said: buffers,
                came: came.saturating_add(1),
            });
        }
        for _ in 0..further {
            let Some(used) = self.receive.pop()? else {
                return Err(DeviceFault::MissingBuffers {
                    said: buffers,
                    came: packet.parts(),
                });
            };
            let filled = self.checked_len(used)?;
            if filled == 0 {
                return Err(self.lost(used, DeviceFault::EmptyPart));
            }
            packet.append(used.chain.first, filled);
        }
        Ok(())
    }

    /// The bytes in a used buffer, which is freed when there are too many.
    #[inline]
    fn checked_len(&self, used: Used) -> Result<u16, DeviceFault> {
        let capacity = self.pool.buffer_bytes() as u32;
        match u16::try_from(used.len) {
            Ok(len) if used.len <= capacity => Ok(len),
            _ => Err(self.lost(
                used,
                DeviceFault::LengthOverBuffer {
                    len: used.len,
                    capacity,
                },
            )),
        }
    }

    /// Frees a used buffer that is part of no packet.
    #[cold]
    fn lost(&self, used: Used, fault: DeviceFault) -> DeviceFault {
        let Chain { first, last, parts } = used.chain;
        self.pool.give(first, last, parts);
        fault
    }

    /// Checks a packet's lengths and its header, and takes over what the header says.
    #[inline]
    fn check_frame(
        &self,
        packet: &mut Packet,
        header: &[u8; HEADER_BYTES],
    ) -> Result<(), FrameFault> {
        if packet.head().len() < ETHERNET_BYTES {
            return Err(FrameFault::Runt);
        }
        if packet.total_len() > crate::MAX_FRAME_BYTES
            || usize::from(packet.parts()) > max_parts(self.pool.buffer_bytes())
        {
            return Err(FrameFault::TooLong);
        }
        let offload = Offload::parse(header, packet.head().len(), self.accepted.allowed())?;
        packet.set_offload(offload);
        Ok(())
    }
}
