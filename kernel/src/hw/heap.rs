//! Memory: taken at boot, sealed before the first frame.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use sekisho_nic::DmaRegion;
use talc::TalcCell;

use super::memory;
use crate::boot::info::BootInfo;
use talc::source::Manual;

/// The allocator of boot time.
struct Heap {
    cell: TalcCell<Manual>,
    sealed: AtomicBool,
    taken: AtomicUsize,
}

// SAFETY: one processor, and interrupt handlers run no Rust code.
unsafe impl Sync for Heap {}

#[global_allocator]
static HEAP: Heap = Heap {
    cell: TalcCell::new(Manual),
    sealed: AtomicBool::new(false),
    taken: AtomicUsize::new(0),
};

// SAFETY: allocation is Talc's; a sealed heap refuses, which is allowed. Each of them is there once, however many
// callers there are: what runs at boot alone is quicker the less of it there is.
unsafe impl GlobalAlloc for Heap {
    #[inline(never)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        assert!(
            !self.sealed.load(Ordering::Relaxed),
            "memory is taken after the start: {layout:?}"
        );
        self.taken.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's contract is the same.
        unsafe { self.cell.alloc(layout) }
    }

    #[inline(never)]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's contract is the same.
        let at = unsafe { self.alloc(layout) };
        if !at.is_null() {
            // SAFETY: a fresh allocation of that length.
            unsafe { memory::clear(at, layout.size()) };
        }
        at
    }

    #[inline(never)]
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        self.taken.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's contract is the same.
        unsafe { self.cell.dealloc(at, layout) }
    }
}

/// Gives the machine's free memory to the heap. Called once.
pub fn init(info: &BootInfo) {
    let free = info.free_memory();
    // SAFETY: neither the image nor anything of the loader's lies there, and nobody else was given it.
    let claimed = unsafe {
        HEAP.cell
            .claim(free.start as *mut u8, (free.end - free.start) as usize)
    };
    assert!(claimed.is_some(), "the machine has no free memory");
}

/// From here on an allocation is a panic.
pub fn seal() {
    HEAP.sealed.store(true, Ordering::Relaxed);
}

/// Bytes taken now.
pub fn taken() -> usize {
    HEAP.taken.load(Ordering::Relaxed)
}

/// Zeroed memory on page boundaries, for devices to read and write.
#[must_use]
pub fn dma(len: usize) -> &'static mut [u8] {
    let at = pages(len);
    // SAFETY: a fresh allocation of that length; cleared first, since Talc does not.
    unsafe {
        memory::clear(at.as_ptr(), len);
        core::slice::from_raw_parts_mut(at.as_ptr(), len)
    }
}

/// Zeroed memory for the rings of the network cards' driver.
#[must_use]
pub fn rings(len: usize) -> DmaRegion {
    let memory = NonNull::from(dma(len.next_multiple_of(4096)));
    // SAFETY: fresh, page-aligned, identity-mapped memory that is never given back, and nobody else's.
    unsafe { DmaRegion::new(memory.cast(), memory.len()) }
}

/// Memory for frames, as it is: what a card has not written is never looked at, and zeroing it would cost
/// a tenth of the start.
#[must_use]
pub fn buffers(len: usize) -> DmaRegion {
    let len = len.next_multiple_of(4096);
    // SAFETY: as for the rings; the loader's memory map vouches for the memory, and Talc hands it out as it found it.
    unsafe { DmaRegion::new(pages(len), len) }
}

/// Takes back what [`dma`] gave.
///
/// # Safety
/// It came from there with this length, and neither a device nor anybody else uses it any more.
pub unsafe fn give_back(at: NonNull<u8>, len: usize) {
    // SAFETY: the caller's promise; the layout is the one that it was taken with.
    unsafe { HEAP.dealloc(at.as_ptr(), layout(len)) }
}

fn layout(len: usize) -> Layout {
    Layout::from_size_align(len.max(1), 4096).expect("a size that memory has")
}

/// Whole pages.
fn pages(len: usize) -> NonNull<u8> {
    // SAFETY: the layout has a size.
    let at = unsafe { HEAP.alloc(layout(len)) };
    NonNull::new(at).unwrap_or_else(|| {
        panic!(
            "not enough memory: {} KiB wanted for the cards' buffers",
            len / 1024
        )
    })
}
