//! Off and again.

use super::port::{read8, write8, write16};
use crate::boot;
use crate::boot::info::BootInfo;

/// Reads where the machine's power switch is.
pub fn init(_: &BootInfo) {}

/// Restarts the machine.
pub fn reboot() -> ! {
    /// ACPI's usual reset register (PCI host bridge) and the keyboard controller.
    const RESET: u16 = 0xcf9;
    const KEYBOARD: u16 = 0x64;
    write8(RESET, 0x02);
    write8(RESET, 0x06);
    let _ = read8(KEYBOARD);
    write8(KEYBOARD, 0xfe);
    boot::reset()
}

/// Switches the machine off.
pub fn off() -> ! {
    write16(0x604, 0x2000);
    reboot()
}

/// Sleeps until somebody switches the machine off.
pub fn wait_for_off() -> ! {
    loop {
        boot::sleep();
    }
}
