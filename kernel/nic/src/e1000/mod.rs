//! Intel's 82540EM and 82545EM ("e1000"), which VMware, VirtualBox and QEMU all have.
//!
//! The same rules as for the virtio card: no copy of what goes through, one owner for each
//! buffer, and nothing that the device writes is believed unchecked. No offload is used: each
//! frame is one of the wire's.

mod registers;
mod ring;

use alloc::boxed::Box;

use crate::card::Link;
use crate::counters::Counters;
use crate::fault::{DeviceFault, FrameFault, RxError, StartError};
use crate::memory::{DmaRegion, PAGE_BYTES};
use crate::offload::{Checksum, Gso, HEADER_BYTES, Offload};
use crate::packet::{Chain, Packet};
use crate::pool::Pool;
use crate::transmit::{Refused, TxError, own_share};

pub use registers::Registers;
use registers::{
    CTRL, ICR, IMC, IMS, MTA, RAH0, RAL0, RCTL, RDBAH, RDBAL, RDH, RDLEN, RDT, STATUS, TCTL, TDBAH,
    TDBAL, TDH, TDLEN, TDT, TIPG, cause, control, receive, status, transmit,
};
use ring::{ENTRIES, Ring};

/// Bytes that the card writes into one buffer at most.
const BUFFER_BYTES: usize = 2048;
/// Bytes of the longest frame without FCS: this card takes no jumbo frames in.
const LONGEST: u16 = 1518;
/// Bytes of an Ethernet header.
const ETHERNET_BYTES: u16 = 14;
/// Entries that may be in use: a full ring would look like an empty one.
const USABLE: u16 = ENTRIES - 1;
/// The receive ring is refilled when so many entries are missing.
const REFILL: u16 = ENTRIES / 8;
/// How often a card is asked whether it is out of reset.
const RESET_POLLS: u32 = 100_000;

/// Bytes that a card's rings take.
pub const RING_BYTES: usize = 2 * PAGE_BYTES;
/// Buffers that a card can hold at a time, on both rings.
pub const BUFFERS: usize = 2 * USABLE as usize;

/// A running card.
pub struct E1000<R: Registers> {
    registers: R,
    pool: &'static Pool,
    fault: Option<DeviceFault>,
    counters: Counters,
    receive: Receive,
    transmit: Transmit,
}

/// The receive ring and its shadow.
struct Receive {
    ring: Ring,
    buffers: Box<[u16; ENTRIES as usize]>,
    /// The next entry that the card will be through with.
    next: u16,
    /// Where the next buffer is offered, and up to where the card knows.
    tail: u16,
    published: u16,
}

/// The transmit ring and its shadow.
struct Transmit {
    ring: Ring,
    /// By a frame's first entry: its buffers, and its last entry.
    frames: Box<[(Chain, u16); ENTRIES as usize]>,
    /// The first entry that the card still has.
    next: u16,
    tail: u16,
    published: u16,
}

const NO_CHAIN: Chain = Chain {
    first: 0,
    last: 0,
    parts: 0,
};

/// The entry behind one.
const fn after(entry: u16) -> u16 {
    (entry + 1) % ENTRIES
}

/// Entries from `from` up to, but without, `to`.
const fn distance(from: u16, to: u16) -> u16 {
    (to + ENTRIES - from) % ENTRIES
}

/// The card's Ethernet address; the firmware or the card's own memory put it there.
pub fn mac(registers: &impl Registers) -> [u8; 6] {
    let [a, b, c, d] = registers.read(RAL0).to_le_bytes();
    let [e, f, ..] = registers.read(RAH0).to_le_bytes();
    [a, b, c, d, e, f]
}

impl<R: Registers> E1000<R> {
    /// Resets the card and starts it. Its receive ring is filled from `pool`.
    ///
    /// # Errors
    ///
    /// [`StartError::NoReset`], [`StartError::RingMemory`].
    pub fn start(
        mut registers: R,
        pool: &'static Pool,
        rings: DmaRegion,
    ) -> Result<Self, StartError> {
        let memory = StartError::RingMemory { needed: RING_BYTES };
        if !reset(&mut registers) {
            return Err(StartError::NoReset);
        }
        let (first, second) = rings.split(PAGE_BYTES).map_err(|_| memory)?;
        let receive_ring = Ring::new(first).ok_or(memory)?;
        let transmit_ring = Ring::new(second).ok_or(memory)?;

        let up = registers.read(CTRL) | control::LINK_UP | control::AUTO_SPEED;
        registers.write(CTRL, up);
        for word in 0..128 {
            registers.write(MTA + 4 * word, 0);
        }
        set_ring(
            &mut registers,
            [RDBAL, RDBAH, RDLEN, RDH, RDT],
            &receive_ring,
        );
        set_ring(
            &mut registers,
            [TDBAL, TDBAH, TDLEN, TDH, TDT],
            &transmit_ring,
        );
        // The manual's values for copper (section 13.4.34).
        registers.write(TIPG, 10 | 8 << 10 | 6 << 20);
        registers.write(
            TCTL,
            transmit::ENABLE | transmit::PAD | transmit::COLLISIONS,
        );
        let mut card = Self {
            registers,
            pool,
            fault: None,
            counters: Counters::default(),
            receive: Receive {
                ring: receive_ring,
                buffers: Box::new([0; ENTRIES as usize]),
                next: 0,
                tail: 0,
                published: 0,
            },
            transmit: Transmit {
                ring: transmit_ring,
                frames: Box::new([(NO_CHAIN, 0); ENTRIES as usize]),
                next: 0,
                tail: 0,
                published: 0,
            },
        };
        card.fill();
        // The buffer size is 2048 bytes, and long frames are refused, by bits that are zero.
        let wanted = receive::ENABLE | receive::BROADCAST | receive::STRIP_FCS;
        card.registers.write(RCTL, wanted);
        card.publish();
        Ok(card)
    }

    /// Takes in frames for other cards as well.
    pub fn take_all(&mut self) {
        let mode = self.registers.read(RCTL) | receive::ALL_UNICAST;
        self.registers.write(RCTL, mode);
    }

    /// What it has done.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What its device did wrong, when it is down for that.
    #[must_use]
    pub const fn fault(&self) -> Option<DeviceFault> {
        self.fault
    }

    /// The next frame that arrived. `None` when there is none now, and always once the card is down.
    #[inline]
    pub fn receive(&mut self) -> Option<Result<Packet, RxError>> {
        let side = &mut self.receive;
        if self.fault.is_some() || side.next == side.published {
            return None;
        }
        let came = side.ring.received(side.next)?;
        let id = side.buffers[usize::from(side.next)];
        side.next = after(side.next);
        if usize::from(came.len) > BUFFER_BYTES - HEADER_BYTES {
            self.pool.give(id, id, 1);
            let fault = DeviceFault::LengthOverBuffer {
                len: came.len.into(),
                capacity: (BUFFER_BYTES - HEADER_BYTES) as u32,
            };
            self.fail(fault);
            return Some(Err(fault.into()));
        }
        let packet = Packet::start(self.pool, id, came.len + HEADER_BYTES as u16);
        let fault = if !came.is_end || came.len > LONGEST {
            Some(FrameFault::TooLong)
        } else if came.errors != 0 || came.len < ETHERNET_BYTES {
            Some(FrameFault::Runt)
        } else {
            None
        };
        if let Some(fault) = fault {
            self.counters.rx_dropped[fault as usize] += 1;
            return Some(Err(fault.into()));
        }
        self.counters.rx_frames += 1;
        self.counters.rx_bytes += u64::from(came.len);
        Some(Ok(packet))
    }

    /// Offers free buffers to the card, in batches.
    #[inline]
    pub fn refill(&mut self) {
        let with_card = distance(self.receive.next, self.receive.tail);
        if USABLE - with_card >= REFILL {
            self.fill();
        }
    }

    /// Puts a packet that came from another card on the ring, buffers and all. It is sent at the next
    /// [`Self::publish`]. Some room is left for [`Self::transmit_own`].
    ///
    /// # Errors
    ///
    /// Gives the packet back with the reason.
    #[inline]
    pub fn transmit(&mut self, packet: Packet) -> Result<(), Refused> {
        self.enqueue(packet, own_share(USABLE))
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
        if let Checksum::Partial { .. } = packet.offload().checksum {
            packet.complete_checksum();
        }
        self.counters.tx_frames += 1;
        self.counters.tx_bytes += packet.total_len() as u64;
        let chain = packet.into_chain();
        let side = &mut self.transmit;
        let first = side.tail;
        let mut left = chain.parts;
        for (place, (address, filled)) in self.pool.pieces(chain).enumerate() {
            let skip = if place == 0 { HEADER_BYTES } else { 0 };
            left -= 1;
            let len = filled as u16 - skip as u16;
            side.ring
                .send(side.tail, address + skip as u64, len, left == 0);
            side.frames[usize::from(first)] = (chain, side.tail);
            side.tail = after(side.tail);
        }
        Ok(())
    }

    /// Sends a copy of `frame`, which is the box's own and starts with its Ethernet header.
    ///
    /// # Errors
    ///
    /// Why it was not sent.
    pub fn transmit_copy(&mut self, frame: &[u8], offload: Offload) -> Result<(), TxError> {
        if self.fault.is_some() {
            return Err(TxError::Down);
        }
        let Some(packet) = self.pool.packet(frame, offload) else {
            self.counters.no_buffer += 1;
            return Err(TxError::NoBuffer);
        };
        self.transmit_own(packet).map_err(|refused| refused.error)
    }

    /// Takes sent frames' buffers home.
    pub fn reclaim(&mut self) {
        let side = &mut self.transmit;
        while self.fault.is_none() && side.next != side.published {
            let (chain, last) = side.frames[usize::from(side.next)];
            if !side.ring.is_sent(last) {
                return;
            }
            self.pool.give(chain.first, chain.last, chain.parts);
            side.next = after(last);
        }
    }

    /// Makes all new entries of both rings known to the card.
    #[inline]
    pub fn publish(&mut self) {
        if self.fault.is_some() {
            return;
        }
        if self.transmit.published != self.transmit.tail {
            self.transmit.published = self.transmit.tail;
            self.registers.write(TDT, self.transmit.tail.into());
            self.counters.kicks += 1;
        }
        if self.receive.published != self.receive.tail {
            self.receive.published = self.receive.tail;
            self.registers.write(RDT, self.receive.tail.into());
        }
    }

    /// Asks for an interrupt at the next frame, or when the link changes.
    ///
    /// What came before is forgotten here: look at [`Self::has_work`] afterwards.
    pub fn arm(&mut self) {
        if self.fault.is_none() {
            let _ = self.registers.read(ICR);
            let causes =
                cause::RECEIVED | cause::RECEIVE_LOW | cause::RECEIVE_OVERRUN | cause::LINK;
            self.registers.write(IMS, causes);
        }
    }

    /// Asks for no more interrupts, as the caller will look by itself.
    pub fn disarm(&mut self) {
        self.registers.write(IMC, u32::MAX);
        let _ = self.registers.read(ICR);
    }

    /// Whether there is something to [`Self::receive`], or to [`Self::reclaim`] for want of buffers.
    #[must_use]
    pub fn has_work(&self) -> bool {
        let side = &self.receive;
        let is_short = distance(side.next, side.tail) < USABLE;
        let sent = &self.transmit;
        let is_sent = || {
            sent.next != sent.published && sent.ring.is_sent(sent.frames[usize::from(sent.next)].1)
        };
        self.fault.is_none()
            && (side.next != side.published && side.ring.received(side.next).is_some()
                || is_short && is_sent())
    }

    /// The link's state.
    pub fn link(&mut self) -> Link {
        if self.fault.is_none() && self.registers.read(STATUS) & status::LINK_UP != 0 {
            Link::Up
        } else {
            Link::Down
        }
    }

    /// Offers free buffers until the ring is full or the pool is empty.
    fn fill(&mut self) {
        let side = &mut self.receive;
        while self.fault.is_none() && distance(side.next, side.tail) < USABLE {
            let Some(id) = self.pool.take() else {
                self.counters.no_buffer += 1;
                return;
            };
            let address = self.pool.pointer(id).addr().get() as u64 + HEADER_BYTES as u64;
            side.buffers[usize::from(side.tail)] = id;
            side.ring.offer(side.tail, address);
            side.tail = after(side.tail);
        }
    }

    /// Whether the packet can go onto the ring now.
    fn check(&mut self, packet: &Packet, reserve: u16) -> Result<(), TxError> {
        if self.fault.is_some() {
            return Err(TxError::Down);
        }
        let is_plain = packet.offload().gso == Gso::None;
        let wanted = packet.parts() + reserve;
        if !is_plain || wanted > USABLE || !packet.is_from(self.pool) {
            self.counters.tx_unsendable += 1;
            return Err(TxError::Unsendable);
        }
        if wanted > USABLE - distance(self.transmit.next, self.transmit.tail) {
            self.counters.tx_full += 1;
            return Err(TxError::Full);
        }
        Ok(())
    }

    /// Takes the card down: no frame of it is believed any more.
    #[cold]
    fn fail(&mut self, fault: DeviceFault) {
        self.fault = Some(fault);
        self.stop();
    }

    /// Resets the card, then frees what it had. One that does not come out of reset may go on
    /// writing, and keeps its buffers.
    fn stop(&mut self) {
        if !reset(&mut self.registers) {
            return;
        }
        while self.receive.next != self.receive.tail {
            let id = self.receive.buffers[usize::from(self.receive.next)];
            self.pool.give(id, id, 1);
            self.receive.next = after(self.receive.next);
        }
        while self.transmit.next != self.transmit.tail {
            let (chain, last) = self.transmit.frames[usize::from(self.transmit.next)];
            self.pool.give(chain.first, chain.last, chain.parts);
            self.transmit.next = after(last);
        }
    }
}

impl<R: Registers> Drop for E1000<R> {
    fn drop(&mut self) {
        if self.fault.is_none() {
            self.stop();
        }
    }
}

/// Resets a card, after which it touches no memory; says whether it came back.
fn reset(registers: &mut impl Registers) -> bool {
    registers.write(IMC, u32::MAX);
    registers.write(RCTL, 0);
    registers.write(TCTL, 0);
    let before = registers.read(CTRL);
    registers.write(CTRL, before | control::RESET);
    let back = (0..RESET_POLLS).any(|_| registers.read(CTRL) & control::RESET == 0);
    registers.write(IMC, u32::MAX);
    back
}

fn set_ring(registers: &mut impl Registers, names: [usize; 5], ring: &Ring) {
    let address = ring.address();
    let values = [
        address as u32,
        (address >> 32) as u32,
        PAGE_BYTES as u32,
        0,
        0,
    ];
    for (name, value) in names.into_iter().zip(values) {
        registers.write(name, value);
    }
}
