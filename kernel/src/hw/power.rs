//! Off and again, and the button that asks for it.

use super::clock;
use super::port::{read8, read16, write8, write16};
use super::serial;
use crate::boot;
use crate::boot::acpi::{Acpi, Register};
use crate::console;

/// PM1 status and enable: the power button (ACPI 6.5 section 4.8.3.1).
const BUTTON: u16 = 1 << 8;
/// PM1 control: ACPI is on.
const ACPI_ON: u16 = 1;
/// QEMU's event device of machines without PM1 blocks; its sleep register lies 0x200 above (QEMU `hw/acpi/generic_event_device.c`).
const EVENTS: usize = 0xfea0_0000;
const EVENTS_SLEEP: usize = EVENTS + 0x200;
/// The power button among those events.
const EVENT_BUTTON: u32 = 1 << 1;
/// How long the machine may take to do what it was told.
const PATIENCE_US: u64 = 500_000;

/// Switches ACPI on, so that the button's press is kept for us.
pub fn init() {
    let Some(acpi) = boot::acpi() else { return };
    if let (Some(control), Some((port, value))) = (acpi.control[0], acpi.enable)
        && read16(control) & ACPI_ON == 0
    {
        write8(port, value);
        let begin = clock::now_us();
        while read16(control) & ACPI_ON == 0 && clock::now_us() - begin < PATIENCE_US {}
    }
    if let Some(event) = acpi.event {
        write16(event, BUTTON);
        write16(event + 2, read16(event + 2) | BUTTON);
    }
}

/// Whether somebody pressed the power button since the last call.
pub fn button_pressed() -> bool {
    let Some(acpi) = boot::acpi() else {
        return false;
    };
    if let Some(event) = acpi.event {
        let pressed = read16(event) & BUTTON != 0;
        if pressed {
            write16(event, BUTTON);
        }
        return pressed;
    }
    // SAFETY: the event device's register, which is there because its sleep register is; reading clears it.
    acpi.sleep == Some(Register::Memory(EVENTS_SLEEP))
        && unsafe { (EVENTS as *const u32).read_volatile() } & EVENT_BUTTON != 0
}

/// Restarts the machine, by the first way that works.
pub fn reboot() -> ! {
    /// The usual reset register (PCI host bridge) and the keyboard controller's command.
    const RESET: u16 = 0xcf9;
    const KEYBOARD: u16 = 0x64;
    serial::flush();
    if let Some((register, value)) = boot::acpi().and_then(|acpi| acpi.reset) {
        write(register, value);
        clock::pause(PATIENCE_US / 10);
    }
    write8(RESET, 0x02);
    write8(RESET, 0x06);
    let _ = read8(KEYBOARD);
    write8(KEYBOARD, 0xfe);
    clock::pause(PATIENCE_US / 10);
    boot::reset()
}

/// Switches the machine off; one that has no switch restarts, which is how such a machine ends.
pub fn off() -> ! {
    match boot::acpi() {
        Some(acpi) => switch_off(acpi),
        None => console!("sekisho: this machine has no power switch: it restarts instead"),
    }
    reboot()
}

fn switch_off(acpi: &Acpi) {
    const SLEEP: u16 = 1 << 13;
    const REDUCED_SLEEP: u8 = 1 << 5;
    serial::flush();
    let Some(off) = acpi.off else { return };
    for (control, kind) in acpi.control.into_iter().zip(off) {
        if let Some(control) = control {
            write16(control, read16(control) & 1 | u16::from(kind) << 10 | SLEEP);
        }
    }
    if let Some(register) = acpi.sleep {
        write(register, off[0] << 2 | REDUCED_SLEEP);
    }
    clock::pause(PATIENCE_US / 10);
}

fn write(register: Register, value: u8) {
    match register {
        Register::Port(port) => write8(port, value),
        // SAFETY: a device's register by ACPI's word; it lies outside of all memory of ours.
        Register::Memory(address) => unsafe { (address as *mut u8).write_volatile(value) },
    }
}
