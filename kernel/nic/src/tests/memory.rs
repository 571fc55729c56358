//! Memory for tests: aligned, at its physical address, and never freed.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicU16, Ordering};
use std::alloc::{Layout, alloc_zeroed};

use crate::{DmaRegion, PAGE_BYTES, Pool};

/// A region of `len` bytes.
pub fn region(len: usize) -> DmaRegion {
    let layout = Layout::from_size_align(len.max(1), PAGE_BYTES).expect("a length of a test");
    // SAFETY: the layout is not empty.
    let base = NonNull::new(unsafe { alloc_zeroed(layout) }).expect("memory for a test");
    // A device finds it by its number alone.
    base.as_ptr().expose_provenance();
    // SAFETY: fresh, aligned, and never freed.
    unsafe { DmaRegion::new(base, len) }
}

/// A pool of `count` buffers.
pub fn pool(count: usize, buffer_bytes: usize) -> &'static Pool {
    Pool::new(region(count * buffer_bytes), buffer_bytes).expect("a pool of sound sizes")
}

/// `N` bytes at a device address.
pub fn read<const N: usize>(address: u64) -> [u8; N] {
    let from = core::ptr::with_exposed_provenance::<[u8; N]>(address as usize);
    // SAFETY: tests hand out addresses inside of regions only; bytes have no alignment.
    unsafe { from.read_volatile() }
}

/// Puts `bytes` at a device address.
pub fn write(address: u64, bytes: &[u8]) {
    let to = core::ptr::with_exposed_provenance_mut::<u8>(address as usize);
    // SAFETY: as above.
    unsafe { to.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) }
}

/// `len` bytes at a device address.
pub fn read_vec(address: u64, len: usize) -> Vec<u8> {
    let from = core::ptr::with_exposed_provenance::<u8>(address as usize);
    let mut bytes = vec![0; len];
    // SAFETY: as above.
    unsafe { from.copy_to_nonoverlapping(bytes.as_mut_ptr(), len) }
    bytes
}

/// The 16-bit word at a device address, shared with the driver.
pub fn word(address: u64) -> u16 {
    u16::from_le(shared(address).load(Ordering::Acquire))
}

/// Sets the 16-bit word at a device address, shared with the driver.
pub fn set_word(address: u64, value: u16) {
    shared(address).store(value.to_le(), Ordering::Release);
}

fn shared(address: u64) -> &'static AtomicU16 {
    let word = core::ptr::with_exposed_provenance_mut::<u16>(address as usize);
    // SAFETY: as above; rings are aligned, and both sides access these words atomically.
    unsafe { AtomicU16::from_ptr(word) }
}
