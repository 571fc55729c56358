//! A frame, and the buffers it lives in.

use core::fmt;

use crate::offload::{HEADER_BYTES, Offload};
use crate::pool::Pool;

/// A frame in one or more buffers of a [`Pool`], which it owns: dropped, they are free again.
///
/// The first buffer starts with room for the virtio-net header; the Ethernet
/// header follows.
pub struct Packet {
    pool: &'static Pool,
    first: u16,
    last: u16,
    parts: u16,
    total_len: u32,
    offload: Offload,
}

/// The buffers of a packet that a device holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chain {
    pub first: u16,
    pub last: u16,
    pub parts: u16,
}

impl Packet {
    /// Bytes from the Ethernet header on, in all buffers.
    #[must_use]
    pub const fn total_len(&self) -> usize {
        self.total_len as usize
    }

    /// Buffers it takes, and descriptors on a ring.
    #[must_use]
    pub const fn parts(&self) -> u16 {
        self.parts
    }

    /// What its sender left for the card to do.
    #[must_use]
    pub const fn offload(&self) -> Offload {
        self.offload
    }

    /// Changes what is left for the card to do.
    pub const fn set_offload(&mut self, offload: Offload) {
        self.offload = offload;
    }

    /// The bytes in the first buffer, from the Ethernet header on.
    #[must_use]
    #[inline]
    pub fn head(&self) -> &[u8] {
        // SAFETY: the buffer is this packet's, which is borrowed.
        unsafe { self.pool.bytes(self.first, HEADER_BYTES) }
    }

    /// As [`Self::head`], to change them.
    #[inline]
    pub fn head_mut(&mut self) -> &mut [u8] {
        // SAFETY: the buffer is this packet's, which is borrowed mutably.
        unsafe { self.pool.bytes_mut(self.first, HEADER_BYTES) }
    }

    /// Its bytes from the Ethernet header on, buffer by buffer.
    pub fn slices(&self) -> impl Iterator<Item = &[u8]> {
        self.ids().enumerate().map(|(place, id)| {
            // SAFETY: the buffer is this packet's, which is borrowed.
            unsafe {
                self.pool
                    .bytes(id, if place == 0 { HEADER_BYTES } else { 0 })
            }
        })
    }

    /// Copies bytes from `offset` on into `to`, and says how many there were.
    pub fn copy_to(&self, offset: usize, to: &mut [u8]) -> usize {
        let (mut skip, mut copied) = (offset, 0);
        for slice in self.slices() {
            let from = slice.get(skip..).unwrap_or_default();
            skip -= skip.min(slice.len());
            let len = from.len().min(to.len() - copied);
            to[copied..copied + len].copy_from_slice(&from[..len]);
            copied += len;
        }
        copied
    }

    /// Writes `bytes` at `offset`, as far as the packet reaches.
    pub(crate) fn write(&mut self, offset: usize, bytes: &[u8]) {
        let (mut start, mut place) = (0, 0);
        let mut id = self.first;
        while place < self.parts {
            // SAFETY: the buffer is this packet's, which is borrowed mutably.
            let part = unsafe {
                self.pool
                    .bytes_mut(id, if place == 0 { HEADER_BYTES } else { 0 })
            };
            for (at, byte) in (offset..).zip(bytes) {
                if let Some(cell) = at.checked_sub(start).and_then(|at| part.get_mut(at)) {
                    *cell = *byte;
                }
            }
            start += part.len();
            place += 1;
            id = self.pool.next(id);
        }
    }

    /// Cuts it to `len` bytes, at least 1, and frees the buffers behind. A longer one stays as it is.
    pub fn truncate(&mut self, len: usize) {
        let len = len.max(1);
        if len >= self.total_len() {
            return;
        }
        let (mut id, mut kept, mut before) = (self.first, 1, 0);
        loop {
            let room = if kept == 1 { HEADER_BYTES } else { 0 };
            let end = before + usize::from(self.pool.filled(id)) - room;
            if len <= end {
                self.pool.set_filled(id, (room + len - before) as u16);
                break;
            }
            before = end;
            kept += 1;
            id = self.pool.next(id);
        }
        if kept < self.parts {
            self.pool
                .give(self.pool.next(id), self.last, self.parts - kept);
        }
        self.last = id;
        self.parts = kept;
        self.total_len = len as u32;
    }

    /// A packet of one buffer, of which `filled` bytes are in use, header room included.
    #[inline]
    pub(crate) fn start(pool: &'static Pool, id: u16, filled: u16) -> Self {
        pool.set_filled(id, filled);
        let total_len = u32::from(filled).saturating_sub(HEADER_BYTES as u32);
        Self {
            pool,
            first: id,
            last: id,
            parts: 1,
            total_len,
            offload: Offload::NONE,
        }
    }

    /// Puts buffer `id` at its end, of which `filled` bytes are in use.
    pub(crate) fn append(&mut self, id: u16, filled: u16) {
        self.pool.set_filled(id, filled);
        self.pool.link(self.last, id);
        self.last = id;
        self.parts += 1;
        self.total_len += u32::from(filled);
    }

    /// The header room at the start of the first buffer, to write and to read.
    #[inline]
    pub(crate) fn header_mut(&mut self) -> &mut [u8; HEADER_BYTES] {
        // SAFETY: every buffer is larger than the header, starts at a multiple of its size, and
        // is this packet's, which is borrowed mutably.
        unsafe { self.pool.pointer(self.first).cast().as_mut() }
    }

    /// The numbers of its buffers in order.
    fn ids(&self) -> impl Iterator<Item = u16> {
        self.pool.ids(Chain {
            first: self.first,
            last: self.last,
            parts: self.parts,
        })
    }

    /// The pool its buffers come from.
    pub(crate) fn is_from(&self, pool: &Pool) -> bool {
        core::ptr::eq(self.pool, pool)
    }

    /// Leaves its buffers to a device; they come home by [`Pool::give`].
    #[inline]
    pub(crate) fn into_chain(self) -> Chain {
        let chain = Chain {
            first: self.first,
            last: self.last,
            parts: self.parts,
        };
        core::mem::forget(self);
        chain
    }
}

impl Drop for Packet {
    #[inline]
    fn drop(&mut self) {
        self.pool.give(self.first, self.last, self.parts);
    }
}

impl fmt::Debug for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packet")
            .field("total_len", &self.total_len)
            .field("parts", &self.parts)
            .field("offload", &self.offload)
            .finish_non_exhaustive()
    }
}
