//! The buffers frames live in.
//!
//! One pool serves all cards: a frame received by one is sent by another from
//! the very same buffers. A buffer keeps its number for life. It is free, part
//! of one [`Packet`], or with a device, and never two of these.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cell::Cell;
use core::ptr::NonNull;

use crate::memory::{DmaRegion, PAGE_BYTES};
use crate::offload::{HEADER_BYTES, Offload};
use crate::packet::{Chain, Packet};

/// The end of a list of buffers.
const NONE: u16 = u16::MAX;

/// Bytes of a buffer where memory is plenty: a 64 KiB frame takes nine.
pub const LARGE_BUFFER_BYTES: usize = 8192;
/// Bytes of a buffer where memory is scarce: one frame of 1514 bytes fits.
pub const SMALL_BUFFER_BYTES: usize = 2048;
/// The largest buffer, in bytes: its fill level is kept in 16 bits.
const MAX_BUFFER_BYTES: usize = 32_768;

/// Why a pool cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolError {
    /// The buffer size is no power of two between 2 and 32 KiB.
    BufferSize,
    /// The memory holds no buffer, 65,535 or more, or does not start at a page.
    Memory,
}

/// A buffer's place in a list, and how much of it is in use.
#[derive(Clone, Copy)]
struct Entry {
    next: u16,
    /// Bytes from the start of the buffer.
    filled: u16,
}

/// Buffers of one size in memory that devices reach. Not for more than one thread.
pub struct Pool {
    region: DmaRegion,
    /// Bytes of a buffer, as a power of two.
    shift: u32,
    entries: Box<[Cell<Entry>]>,
    first_free: Cell<u16>,
    free: Cell<u16>,
    least_free: Cell<u16>,
}

impl Pool {
    /// Cuts `region` into buffers of `buffer_bytes`.
    ///
    /// The pool lives as long as the program, as its packets refer to it.
    ///
    /// # Errors
    ///
    /// See [`PoolError`].
    pub fn new(region: DmaRegion, buffer_bytes: usize) -> Result<&'static Self, PoolError> {
        if !buffer_bytes.is_power_of_two()
            || !(SMALL_BUFFER_BYTES..=MAX_BUFFER_BYTES).contains(&buffer_bytes)
        {
            return Err(PoolError::BufferSize);
        }
        let aligned = region.base().addr().get().is_multiple_of(PAGE_BYTES);
        let count = match u16::try_from(region.len() / buffer_bytes) {
            Ok(count) if aligned && count != 0 && count != NONE => count,
            _ => return Err(PoolError::Memory),
        };
        Ok(Box::leak(Box::new(Self {
            region,
            shift: buffer_bytes.trailing_zeros(),
            entries: (1..=count)
                .map(|next| {
                    Cell::new(Entry {
                        next: if next == count { NONE } else { next },
                        filled: 0,
                    })
                })
                .collect::<Vec<_>>()
                .into_boxed_slice(),
            first_free: Cell::new(0),
            free: Cell::new(count),
            least_free: Cell::new(count),
        })))
    }

    /// Bytes of a buffer.
    #[must_use]
    pub const fn buffer_bytes(&self) -> usize {
        1 << self.shift
    }

    /// Buffers in all.
    #[must_use]
    pub fn buffers(&self) -> usize {
        self.entries.len()
    }

    /// Buffers nobody uses now.
    #[must_use]
    pub fn free(&self) -> usize {
        self.free.get().into()
    }

    /// The fewest free buffers there ever were.
    #[must_use]
    pub fn least_free(&self) -> usize {
        self.least_free.get().into()
    }

    /// A packet holding a copy of `frame`, which starts with its Ethernet header.
    ///
    /// `None` when the buffers do not suffice or the frame is empty or over
    /// [`crate::MAX_FRAME_BYTES`].
    #[must_use]
    pub fn packet(&'static self, frame: &[u8], offload: Offload) -> Option<Packet> {
        if frame.is_empty() || frame.len() > crate::MAX_FRAME_BYTES {
            return None;
        }
        let (head, mut rest) = frame.split_at(frame.len().min(self.buffer_bytes() - HEADER_BYTES));
        let mut packet = Packet::start(self, self.take()?, (HEADER_BYTES + head.len()) as u16);
        packet.head_mut().copy_from_slice(head);
        while !rest.is_empty() {
            let (part, later) = rest.split_at(rest.len().min(self.buffer_bytes()));
            let id = self.take()?;
            packet.append(id, part.len() as u16);
            self.part_mut(&mut packet, id).copy_from_slice(part);
            rest = later;
        }
        packet.set_offload(offload);
        Some(packet)
    }

    /// The filled bytes of a buffer of `packet`.
    fn part_mut<'p>(&self, _owner: &'p mut Packet, id: u16) -> &'p mut [u8] {
        // SAFETY: the buffer belongs to the packet, which is borrowed for as long as the slice lives.
        unsafe { self.bytes_mut(id, 0) }
    }

    /// Takes a free buffer.
    #[inline]
    pub(crate) fn take(&self) -> Option<u16> {
        let id = self.first_free.get();
        let entry = self.entries.get(usize::from(id))?;
        self.first_free.set(entry.get().next);
        entry.set(Entry {
            next: NONE,
            filled: 0,
        });
        let free = self.free.get() - 1;
        self.free.set(free);
        self.least_free.set(self.least_free.get().min(free));
        Some(id)
    }

    /// Gives back the `count` buffers linked from `first` to `last`.
    #[inline]
    pub(crate) fn give(&self, first: u16, last: u16, count: u16) {
        self.link(last, self.first_free.get());
        self.first_free.set(first);
        self.free.set(self.free.get() + count);
    }

    /// Puts `next` behind `id` in its list.
    #[inline]
    pub(crate) fn link(&self, id: u16, next: u16) {
        let entry = &self.entries[usize::from(id)];
        entry.set(Entry {
            next,
            ..entry.get()
        });
    }

    /// The buffer behind `id` in its list.
    #[inline]
    pub(crate) fn next(&self, id: u16) -> u16 {
        self.entries[usize::from(id)].get().next
    }

    /// The numbers of a chain's buffers in order.
    pub(crate) fn ids(&self, chain: Chain) -> impl Iterator<Item = u16> {
        let mut id = chain.first;
        (0..chain.parts).map(move |_| {
            let this = id;
            id = self.next(this);
            this
        })
    }

    /// Address and length in bytes of a chain's buffers, as far as in use, as a device needs them.
    pub(crate) fn pieces(&self, chain: Chain) -> impl Iterator<Item = (u64, u32)> {
        self.ids(chain).map(|id| {
            (
                self.pointer(id).addr().get() as u64,
                u32::from(self.filled(id)),
            )
        })
    }

    /// Bytes in use of buffer `id`, from its start.
    #[inline]
    pub(crate) fn filled(&self, id: u16) -> u16 {
        self.entries[usize::from(id)].get().filled
    }

    /// Says that the first `filled` bytes of buffer `id` are in use.
    #[inline]
    pub(crate) fn set_filled(&self, id: u16, filled: u16) {
        debug_assert!(usize::from(filled) <= self.buffer_bytes());
        let entry = &self.entries[usize::from(id)];
        entry.set(Entry {
            filled,
            ..entry.get()
        });
    }

    /// Where buffer `id` starts.
    #[inline]
    pub(crate) fn pointer(&self, id: u16) -> NonNull<u8> {
        debug_assert!(usize::from(id) < self.entries.len());
        // SAFETY: ids are below the count, and that many buffers fit into the region.
        unsafe { self.region.base().add(usize::from(id) << self.shift) }
    }

    /// The bytes of buffer `id` in use, but for the first `skip`.
    ///
    /// # Safety
    ///
    /// The buffer must be part of a packet that is borrowed for `'p`.
    #[inline]
    pub(crate) unsafe fn bytes<'p>(&self, id: u16, skip: usize) -> &'p [u8] {
        let filled = usize::from(self.filled(id));
        let skip = skip.min(filled);
        // SAFETY: `filled` never exceeds the buffer, and its packet is borrowed for as long.
        unsafe { core::slice::from_raw_parts(self.pointer(id).add(skip).as_ptr(), filled - skip) }
    }

    /// As [`Self::bytes`], to change them.
    ///
    /// # Safety
    ///
    /// The buffer must be part of a packet that is borrowed mutably for `'p`.
    #[inline]
    #[allow(clippy::mut_from_ref)]
    pub(crate) unsafe fn bytes_mut<'p>(&self, id: u16, skip: usize) -> &'p mut [u8] {
        let filled = usize::from(self.filled(id));
        let skip = skip.min(filled);
        // SAFETY: as above, and the packet is borrowed mutably.
        unsafe {
            core::slice::from_raw_parts_mut(self.pointer(id).add(skip).as_ptr(), filled - skip)
        }
    }
}
