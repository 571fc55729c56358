//! Interrupt controllers: the local APIC, the I/O APICs of machines without PCI, and the silenced 8259s.

use super::port::write8;
use crate::boot::{self, APIC};

/// Vector of the timer.
pub const TIMER: u8 = 32;
/// First vector of the cards.
pub const CARDS: u8 = 33;
/// Vector of all of Intel's cards.
pub const INTEL: u8 = 62;
/// Vector of the console.
pub const SERIAL: u8 = 63;
const SPURIOUS: u32 = 0xff;

const ID: usize = 0x20;
const SPURIOUS_VECTOR: usize = 0xf0;
const TIMER_ENTRY: usize = 0x320;
const TIMER_INITIAL: usize = 0x380;
const TIMER_CURRENT: usize = 0x390;
const TIMER_DIVIDE: usize = 0x3e0;

/// I/O APICs by their first interrupt (QEMU's microvm has two).
const IO_APICS: [(u32, usize); 2] = [(24, 0xfec1_0000), (0, 0xfec0_0000)];

/// Switches the local APIC on and the 8259s off.
pub fn init() {
    write8(0x21, 0xff);
    write8(0xa1, 0xff);
    write(SPURIOUS_VECTOR, 0x100 | SPURIOUS);
    write(TIMER_DIVIDE, 0b1011);
    write(TIMER_ENTRY, u32::from(TIMER));
}

/// Starts the timer; 0 stops it.
pub fn start_timer(ticks: u32) {
    write(TIMER_INITIAL, ticks);
}

/// What is left on the timer.
#[must_use]
pub fn timer() -> u32 {
    read(TIMER_CURRENT)
}

/// Takes and clears the timer's flag.
pub fn take_timer() -> bool {
    boot::take_pending(TIMER)
}

/// Address and data of a message-signalled interrupt (PCI 3.0 section 6.8.2, Intel SDM volume 3 section 11.11).
#[must_use]
pub fn message(vector: u8) -> (u64, u32) {
    (
        0xfee0_0000 | u64::from(read(ID) >> 24) << 12,
        u32::from(vector),
    )
}

/// Sends a line of an I/O APIC to a vector, edge-triggered.
pub fn route(line: u32, vector: u8) {
    let Some((first, base)) = IO_APICS.into_iter().find(|(first, _)| line >= *first) else {
        return;
    };
    let entry = 0x10 + 2 * (line - first);
    let write = |register: u32, value: u32| {
        // SAFETY: the controller's two registers, in device memory that is mapped and nobody else's.
        unsafe {
            (base as *mut u32).write_volatile(register);
            ((base + 0x10) as *mut u32).write_volatile(value);
        }
    };
    write(entry + 1, read(ID));
    write(entry, u32::from(vector));
}

fn read(register: usize) -> u32 {
    // SAFETY: the local APIC's registers, in device memory that is mapped and nobody else's.
    unsafe { ((APIC + register) as *const u32).read_volatile() }
}

fn write(register: usize, value: u32) {
    // SAFETY: as for reading.
    unsafe { ((APIC + register) as *mut u32).write_volatile(value) }
}
