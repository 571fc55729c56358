//! Memory that a device reads and writes by itself for a while.

use core::ptr::NonNull;

use super::heap;

/// Zeroed pages shared with a device.
///
/// They stay taken for ever unless [`give_back`](Self::give_back) is called: a device that was not seen to stop may still
/// write to them.
pub struct Shared {
    at: NonNull<u8>,
    len: usize,
}

impl Shared {
    /// Takes pages.
    #[must_use]
    pub fn new(len: usize) -> Self {
        Self {
            at: NonNull::from(heap::dma(len)).cast(),
            len,
        }
    }

    /// Where a device finds a byte of it: memory is identity-mapped, and the heap lies below 4 GiB.
    ///
    /// # Panics
    /// Behind the end.
    #[must_use]
    pub fn address(&self, at: usize) -> u32 {
        assert!(at < self.len, "inside of the pages");
        (self.at.as_ptr() as usize + at) as u32
    }

    /// Copies bytes in.
    ///
    /// # Panics
    /// Behind the end.
    pub fn write(&mut self, at: usize, bytes: &[u8]) {
        assert!(at + bytes.len() <= self.len, "inside of the pages");
        for (index, byte) in bytes.iter().enumerate() {
            // SAFETY: inside of the pages, as just checked; volatile, since a device looks on.
            unsafe { self.at.add(at + index).write_volatile(*byte) }
        }
    }

    /// Copies bytes out.
    ///
    /// # Panics
    /// Behind the end.
    pub fn read(&self, at: usize, into: &mut [u8]) {
        assert!(at + into.len() <= self.len, "inside of the pages");
        for (index, byte) in into.iter_mut().enumerate() {
            // SAFETY: inside of the pages, as just checked; volatile, since a device may write.
            *byte = unsafe { self.at.add(at + index).read_volatile() };
        }
    }

    /// Some of it as a buffer for a virtio queue, which only takes its address.
    ///
    /// # Panics
    /// Behind the end.
    #[must_use]
    pub fn buffer(&self, at: usize, len: usize) -> NonNull<[u8]> {
        assert!(at + len <= self.len, "inside of the pages");
        // SAFETY: inside of the pages, as just checked.
        NonNull::slice_from_raw_parts(unsafe { self.at.add(at) }, len)
    }

    /// Gives the pages back to the heap.
    ///
    /// # Safety
    /// The device has stopped, and will not start again with these pages.
    pub unsafe fn give_back(self) {
        // SAFETY: taken in `new` with this length; the caller's promise for the device.
        unsafe { heap::give_back(self.at, self.len) }
    }
}
