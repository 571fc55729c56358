//! The three areas of a split ring, shared with the device (virtio 1.2 section 2.7).
//!
//! The only place that touches them. What the device writes is read once into a
//! local value; descriptors and the available ring are only ever written.

use core::sync::atomic::{AtomicU16, AtomicU32, Ordering};

use crate::memory::DmaRegion;

/// The chain goes on in the descriptor named by `next`.
const DESCRIPTOR_NEXT: u16 = 1;
/// The device writes into the buffer.
const DESCRIPTOR_WRITE: u16 = 2;

/// Alignment of the areas: a cache line, in bytes. The standard asks for 16, 2 and 4.
const LINE_BYTES: usize = 64;

/// What the device does with a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// It fills it.
    Write,
    /// It sends it.
    Read,
}

/// A descriptor, as laid out in memory.
#[repr(C)]
struct Descriptor {
    address: u64,
    len: u32,
    flags: u16,
    next: u16,
}

/// Where the areas of a ring are.
pub(crate) struct Area {
    region: DmaRegion,
    mask: u16,
}

impl Area {
    /// Bytes the areas of `size` entries take.
    pub const fn bytes(size: u16) -> usize {
        used_offset(size) + line(6 + 8 * size as usize)
    }

    /// Takes over zeroed memory of at least [`Self::bytes`]; `size` is a power of two.
    pub fn new(mut region: DmaRegion, size: u16) -> Option<Self> {
        if !size.is_power_of_two() || region.len() < Self::bytes(size) {
            return None;
        }
        region.clear();
        Some(Self {
            region,
            mask: size - 1,
        })
    }

    /// Entries of the ring.
    pub const fn size(&self) -> u16 {
        self.mask + 1
    }

    /// Addresses of the descriptor table, the driver's and the device's area.
    pub fn addresses(&self) -> [u64; 3] {
        let base = self.region.base().addr().get();
        [0, available_offset(self.size()), used_offset(self.size())]
            .map(|offset| (base + offset) as u64)
    }

    /// Writes descriptor `id`; `next` continues the chain.
    #[inline]
    pub fn set_descriptor(&self, id: u16, piece: (u64, u32), access: Access, next: Option<u16>) {
        let direction = match access {
            Access::Write => DESCRIPTOR_WRITE,
            Access::Read => 0,
        };
        let descriptor = Descriptor {
            address: piece.0.to_le(),
            len: piece.1.to_le(),
            flags: (direction | next.map_or(0, |_| DESCRIPTOR_NEXT)).to_le(),
            next: next.unwrap_or(0).to_le(),
        };
        let index = usize::from(id & self.mask);
        // SAFETY: the table starts the region and has more than `index` entries; the device does
        // not read an entry before the available index passes it.
        unsafe {
            self.region
                .base()
                .cast::<Descriptor>()
                .add(index)
                .write_volatile(descriptor)
        }
    }

    /// Offers the chain that starts at descriptor `head` as available entry `index`.
    #[inline]
    pub fn set_available(&self, index: u16, head: u16) {
        self.available(2 + usize::from(index & self.mask))
            .store(head.to_le(), Ordering::Relaxed);
    }

    /// Publishes all entries before `index`.
    #[inline]
    pub fn set_available_index(&self, index: u16) {
        self.available(1).store(index.to_le(), Ordering::Release);
    }

    /// Sets the available ring's flags: 1 asks for no interrupts.
    pub fn set_available_flags(&self, flags: u16) {
        self.available(0).store(flags.to_le(), Ordering::Relaxed);
    }

    /// Asks for an interrupt when the used index passes `index` (EVENT_IDX).
    pub fn set_used_event(&self, index: u16) {
        self.available(2 + usize::from(self.size()))
            .store(index.to_le(), Ordering::Relaxed);
    }

    /// The used index: what the device has handed back.
    #[inline]
    pub fn used_index(&self) -> u16 {
        u16::from_le(self.used(1).load(Ordering::Acquire))
    }

    /// The used ring's flags: 1 asks for no kicks.
    #[inline]
    pub fn used_flags(&self) -> u16 {
        u16::from_le(self.used(0).load(Ordering::Relaxed))
    }

    /// The available index whose passing wants a kick (EVENT_IDX).
    #[inline]
    pub fn available_event(&self) -> u16 {
        u16::from_le(
            self.used(2 + 4 * usize::from(self.size()))
                .load(Ordering::Relaxed),
        )
    }

    /// Used entry `index`: descriptor number and bytes written.
    #[inline]
    pub fn used_entry(&self, index: u16) -> (u32, u32) {
        let offset = used_offset(self.size()) + 4 + 8 * usize::from(index & self.mask);
        // SAFETY: the masked index keeps both words inside the used ring, at a multiple of 4.
        let words = unsafe {
            let entry = self.region.base().add(offset).cast::<u32>();
            [
                AtomicU32::from_ptr(entry.as_ptr()),
                AtomicU32::from_ptr(entry.add(1).as_ptr()),
            ]
        };
        let [id, len] = words.map(|word| u32::from_le(word.load(Ordering::Relaxed)));
        (id, len)
    }

    /// The `at`th 16-bit word of the available ring; its last is `size + 2`.
    #[inline]
    fn available(&self, at: usize) -> &AtomicU16 {
        debug_assert!(at <= usize::from(self.size()) + 2);
        self.word(available_offset(self.size()) + 2 * at)
    }

    /// The `at`th 16-bit word of the used ring; its last is `4 * size + 2`.
    #[inline]
    fn used(&self, at: usize) -> &AtomicU16 {
        debug_assert!(at <= 4 * usize::from(self.size()) + 2);
        self.word(used_offset(self.size()) + 2 * at)
    }

    #[inline]
    fn word(&self, offset: usize) -> &AtomicU16 {
        debug_assert!(offset + 2 <= self.region.len());
        // SAFETY: both callers stay inside the ring they name, at an even offset, and all access
        // to these words is atomic.
        unsafe { AtomicU16::from_ptr(self.region.base().add(offset).cast::<u16>().as_ptr()) }
    }
}

/// Bytes before the available ring.
const fn available_offset(size: u16) -> usize {
    line(16 * size as usize)
}

/// Bytes before the used ring.
const fn used_offset(size: u16) -> usize {
    available_offset(size) + line(6 + 2 * size as usize)
}

const fn line(bytes: usize) -> usize {
    bytes.next_multiple_of(LINE_BYTES)
}
