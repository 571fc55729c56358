//! Descriptors shared with the card (sections 3.2.3 and 3.3.3).

use core::sync::atomic::{AtomicU64, Ordering};

use crate::memory::{DmaRegion, PAGE_BYTES};

/// Entries of a ring: a page of descriptors.
pub const ENTRIES: u16 = (PAGE_BYTES / 16) as u16;

/// The card is through with the descriptor.
pub const DONE: u8 = 1 << 0;
/// The descriptor is its frame's last.
pub const END: u8 = 1 << 1;

/// What a receive descriptor says when the card is through with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Bytes in the buffer.
    pub len: u16,
    /// Whether the frame ends here.
    pub is_end: bool,
    /// Damage of any kind.
    pub errors: u8,
}

/// One ring of legacy descriptors; each word is written and read as a whole.
pub struct Ring {
    region: DmaRegion,
}

impl Ring {
    /// Takes over a page.
    pub fn new(mut region: DmaRegion) -> Option<Self> {
        let aligned = region.base().addr().get().is_multiple_of(PAGE_BYTES);
        if !aligned || region.len() < PAGE_BYTES {
            return None;
        }
        region.clear();
        Some(Self { region })
    }

    /// Where it is.
    pub fn address(&self) -> u64 {
        self.region.base().addr().get() as u64
    }

    /// Offers a buffer to be written.
    pub fn offer(&self, entry: u16, buffer: u64) {
        self.word(entry, 1).store(0, Ordering::Relaxed);
        self.word(entry, 0).store(buffer.to_le(), Ordering::Release);
    }

    /// What was received into an entry's buffer, if the card is through with it.
    pub fn received(&self, entry: u16) -> Option<Received> {
        let word = u64::from_le(self.word(entry, 1).load(Ordering::Acquire));
        let [l, m, _, _, status, errors, _, _] = word.to_le_bytes();
        (status & DONE != 0).then_some(Received {
            len: u16::from_le_bytes([l, m]),
            is_end: status & END != 0,
            errors,
        })
    }

    /// Hands a piece of a frame over to be sent.
    pub fn send(&self, entry: u16, buffer: u64, len: u16, is_end: bool) {
        /// End of the frame; insert the FCS; report that it is sent.
        const END_OF_FRAME: u8 = 1 << 0;
        const INSERT_FCS: u8 = 1 << 1;
        const REPORT: u8 = 1 << 3;
        let command = INSERT_FCS | REPORT | if is_end { END_OF_FRAME } else { 0 };
        let [l, m] = len.to_le_bytes();
        let word = u64::from_le_bytes([l, m, 0, command, 0, 0, 0, 0]);
        self.word(entry, 0).store(buffer.to_le(), Ordering::Relaxed);
        self.word(entry, 1).store(word.to_le(), Ordering::Release);
    }

    /// Whether the card has sent an entry.
    pub fn is_sent(&self, entry: u16) -> bool {
        let word = u64::from_le(self.word(entry, 1).load(Ordering::Acquire));
        word.to_le_bytes()[4] & DONE != 0
    }

    fn word(&self, entry: u16, half: usize) -> &AtomicU64 {
        let offset = usize::from(entry % ENTRIES) * 16 + half * 8;
        // SAFETY: inside the page, at a multiple of 8; all access to these words is atomic.
        unsafe { AtomicU64::from_ptr(self.region.base().add(offset).cast::<u64>().as_ptr()) }
    }
}
