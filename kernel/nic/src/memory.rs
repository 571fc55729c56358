//! Memory that a device reads and writes.

use core::ptr::NonNull;

/// A page: what the start of a [`DmaRegion`] is aligned to, in bytes.
pub const PAGE_BYTES: usize = 4096;

/// A piece of memory set aside for devices, for as long as the program runs.
///
/// Its physical address is its virtual address.
#[derive(Debug)]
pub struct DmaRegion {
    base: NonNull<u8>,
    len: usize,
}

impl DmaRegion {
    /// Takes over `len` bytes at `base`.
    ///
    /// # Safety
    ///
    /// The memory must be readable, writable, mapped at its physical address, aligned to
    /// [`PAGE_BYTES`], valid for the rest of the program, and nobody else may use it.
    #[must_use]
    pub const unsafe fn new(base: NonNull<u8>, len: usize) -> Self {
        Self { base, len }
    }

    /// Its length in bytes.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether it holds nothing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Splits it at `at` bytes, or gives it back whole when it is shorter.
    ///
    /// # Errors
    ///
    /// The region itself when `at` is past its end or no multiple of [`PAGE_BYTES`].
    pub fn split(self, at: usize) -> Result<(Self, Self), Self> {
        if at > self.len || !at.is_multiple_of(PAGE_BYTES) {
            return Err(self);
        }
        // SAFETY: `at` is within the region, whose two halves do not overlap, and `self` is consumed.
        let (front, back) = unsafe {
            (
                Self::new(self.base, at),
                Self::new(self.base.add(at), self.len - at),
            )
        };
        Ok((front, back))
    }

    /// Where it starts.
    pub(crate) const fn base(&self) -> NonNull<u8> {
        self.base
    }

    /// Writes zeros all over it.
    pub(crate) fn clear(&mut self) {
        // SAFETY: the region is ours alone and `len` bytes long.
        unsafe { self.base.write_bytes(0, self.len) }
    }
}
