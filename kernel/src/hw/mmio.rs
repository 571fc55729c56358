//! virtio devices without a bus: announced on the command line, or in microvm's documented window.

use alloc::vec::Vec;
use core::ptr::NonNull;

use virtio_drivers::transport::mmio::{MmioTransport, VirtIOHeader};

/// Where a device is, and its interrupt line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// First byte of its registers.
    pub address: usize,
    /// Bytes of its registers.
    pub len: usize,
    /// Interrupt line of an I/O APIC.
    pub line: u32,
}

/// What stands at a place.
pub enum Found {
    /// A modern device.
    Device(MmioTransport<'static>),
    /// A device that speaks only the old layout.
    Legacy,
    /// No device.
    Nothing,
}

/// The places that the command line names: `virtio_mmio.device=SIZE@ADDRESS:LINE`, as Linux reads it.
#[must_use]
pub fn announced(command_line: &str) -> Vec<Place> {
    let words = command_line.split_ascii_whitespace();
    words
        .filter_map(|word| place(word.strip_prefix("virtio_mmio.device=")?))
        .collect()
}

/// QEMU's microvm with ACPI says only in the DSDT where its devices are; the window is documented
/// (`hw/i386/microvm.c`): 24 places of 512 bytes from 0xfeb00000, lines 24 and on.
#[must_use]
pub fn window() -> Vec<Place> {
    (0..24)
        .map(|slot| Place {
            address: 0xfeb0_0000 + 512 * slot as usize,
            len: 512,
            line: 24 + slot,
        })
        .collect()
}

/// Looks at a place.
#[must_use]
pub fn look(place: Place) -> Found {
    const MAGIC: u32 = 0x7472_6976;
    // SAFETY: device memory that is mapped; reading an empty place gives all ones or zeros.
    let register = |at: usize| unsafe { ((place.address + at) as *const u32).read_volatile() };
    if register(0) != MAGIC || register(8) == 0 {
        return Found::Nothing;
    }
    if register(4) != 2 {
        return Found::Legacy;
    }
    let Some(header) = NonNull::new(place.address as *mut VirtIOHeader) else {
        return Found::Nothing;
    };
    // SAFETY: the registers of a device that is nobody else's, mapped for good.
    match unsafe { MmioTransport::new(header, place.len) } {
        Ok(transport) => Found::Device(transport),
        Err(_) => Found::Nothing,
    }
}

fn place(text: &str) -> Option<Place> {
    let (size, rest) = text.split_once('@')?;
    let mut fields = rest.split(':');
    let address = number(fields.next()?)?;
    let line = u32::try_from(number(fields.next()?)?).ok()?;
    let mapped = (1 << 20..1 << 32).contains(&address);
    mapped.then_some(Place {
        address,
        len: number(size)?.clamp(512, 65536),
        line,
    })
}

/// A number as Linux's `memparse` reads it: decimal or 0x…, with K or M behind.
fn number(text: &str) -> Option<usize> {
    let (digits, unit) = match text.as_bytes().last()? {
        b'k' | b'K' => (&text[..text.len() - 1], 1 << 10),
        b'm' | b'M' => (&text[..text.len() - 1], 1 << 20),
        _ => (text, 1),
    };
    let value = match digits.strip_prefix("0x") {
        Some(hex) => usize::from_str_radix(hex, 16),
        None => digits.parse(),
    };
    value.ok()?.checked_mul(unit)
}
