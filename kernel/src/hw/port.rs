//! I/O ports; ring 3 may use those that `boot` opened.

use core::arch::asm;

macro_rules! port {
    ($read:ident, $write:ident, $type:ty, $in:literal, $out:literal, $register:tt) => {
        /// Reads a port.
        #[must_use]
        pub fn $read(port: u16) -> $type {
            let value: $type;
            // SAFETY: a port that is not open faults instead; those that are open do not touch memory.
            unsafe { asm!($in, in("dx") port, out($register) value, options(nostack, nomem)) }
            value
        }

        /// Writes a port.
        pub fn $write(port: u16, value: $type) {
            // SAFETY: as for reading.
            unsafe { asm!($out, in("dx") port, in($register) value, options(nostack)) }
        }
    };
}

port!(read8, write8, u8, "in al, dx", "out dx, al", "al");
port!(read16, write16, u16, "in ax, dx", "out dx, ax", "ax");
port!(read32, write32, u32, "in eax, dx", "out dx, eax", "eax");

/// Reads a port as often as `into` has words, as one instruction: whoever runs this machine then gives many at a time.
pub fn read16s(port: u16, into: &mut [u16]) {
    // SAFETY: as for reading once; the words are written to where they belong.
    unsafe {
        asm!("rep insw", in("dx") port, inout("rdi") into.as_mut_ptr() => _, inout("rcx") into.len() => _,
            options(nostack, preserves_flags));
    }
}
