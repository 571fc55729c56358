//! Descriptor tables: segments, the task state with its I/O bitmap, interrupts.

use core::mem::size_of;

/// Ring-0 code, ring-3 data, ring-3 code, task state.
#[repr(C, align(16))]
pub struct Segments([u64; 7]);

/// The task state: where ring 0's stack is, and which ports ring 3 may use (Intel SDM volume 3, section 8.7).
#[repr(C, packed(4))]
pub struct TaskState {
    reserved0: u32,
    rsp: [u64; 3],
    reserved1: u64,
    ist: [u64; 7],
    reserved2: u64,
    reserved3: u16,
    bitmap_offset: u16,
    bitmap: [u8; 8193],
}

/// The interrupt descriptor table.
#[repr(C, align(16))]
pub struct Gates([[u64; 2]; 256]);

#[repr(C, packed)]
struct Pointer {
    limit: u16,
    base: u64,
}

impl Segments {
    /// Fills the table: 0x08 ring-0 code, 0x18 ring-3 data, 0x20 ring-3 code, 0x28 task state.
    pub fn fill(&mut self, task: &TaskState) {
        let (base, limit) = (
            task as *const TaskState as u64,
            size_of::<TaskState>() as u64 - 1,
        );
        self.0 = [
            0,
            0x0020_9a00_0000_0000,
            0,
            0x0000_f200_0000_0000,
            0x0020_fa00_0000_0000,
            (limit & 0xffff)
                | (base & 0xff_ffff) << 16
                | 0x89 << 40
                | (limit >> 16 & 0xf) << 48
                | (base >> 24 & 0xff) << 56,
            base >> 32,
        ];
    }

    /// Makes the processor use the table.
    ///
    /// # Safety
    /// In ring 0; the table stays where it is for good.
    pub unsafe fn load(&self) {
        let pointer = Pointer {
            limit: size_of::<Self>() as u16 - 1,
            base: self as *const Self as u64,
        };
        // SAFETY: the caller's promise; 0x28 is the task state.
        unsafe {
            core::arch::asm!("lgdt [{}]", "ltr {:x}", in(reg) &raw const pointer, in(reg) 0x28_u16)
        }
    }
}

impl TaskState {
    /// Ring 0's stack, and no ports at all.
    pub fn fill(&mut self, stack: u64) {
        self.rsp[0] = stack;
        self.bitmap_offset = core::mem::offset_of!(Self, bitmap) as u16;
        self.bitmap = [0xff; 8193];
    }

    /// Opens ports to ring 3.
    pub fn open(&mut self, ports: core::ops::RangeInclusive<u16>) {
        for port in ports {
            self.bitmap[usize::from(port) / 8] &= !(1 << (port % 8));
        }
    }
}

impl Gates {
    /// Points a vector at a handler; `ring` is who may call it by `int`.
    pub fn set(&mut self, vector: u8, handler: u64, ring: u64) {
        let low = (handler & 0xffff)
            | 0x08 << 16
            | (0x8e | ring << 5) << 40
            | (handler >> 16 & 0xffff) << 48;
        self.0[usize::from(vector)] = [low, handler >> 32];
    }

    /// Makes the processor use the table.
    ///
    /// # Safety
    /// In ring 0; the table stays where it is for good.
    pub unsafe fn load(&self) {
        let pointer = Pointer {
            limit: size_of::<Self>() as u16 - 1,
            base: self as *const Self as u64,
        };
        // SAFETY: the caller's promise.
        unsafe { core::arch::asm!("lidt [{}]", in(reg) &raw const pointer) }
    }
}
