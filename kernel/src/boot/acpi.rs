//! What ACPI says of the power switch (ACPI 6.5 chapters 4 and 5).
//!
//! Only the fixed tables are read, and the one package of the DSDT that holds the
//! number of the state "off". Nothing here is interpreted as code.

use core::slice;

/// The longest table that is believed.
const LONGEST: usize = 1 << 20;

/// Where the power switch is, as ring 3 needs it.
#[derive(Clone, Copy, Debug)]
pub struct Acpi {
    /// PM1a event block: status, then enable 2 bytes further (section 4.8.3.1).
    pub event: Option<u16>,
    /// PM1a and PM1b control blocks (section 4.8.3.2).
    pub control: [Option<u16>; 2],
    /// Values of SLP_TYP for the state "off" (S5), for each control block.
    pub off: Option<[u8; 2]>,
    /// Port and value that switch ACPI on.
    pub enable: Option<(u16, u8)>,
    /// The reset register and its value (section 4.8.3.6).
    pub reset: Option<(Register, u8)>,
    /// The sleep control register of machines without PM1 blocks (section 4.8.3.7).
    pub sleep: Option<Register>,
}

/// A register as ACPI names it (section 5.2.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Register {
    /// In memory.
    Memory(usize),
    /// A port.
    Port(u16),
}

impl Acpi {
    /// The ports that ring 3 must be able to use.
    pub fn ports(&self) -> impl Iterator<Item = core::ops::RangeInclusive<u16>> {
        let range = |first: u16, len: u16| first..=first.saturating_add(len - 1);
        let register = |register: Option<Register>| match register {
            Some(Register::Port(port)) => Some(range(port, 1)),
            Some(Register::Memory(_)) | None => None,
        };
        let control = self.control.into_iter().flatten().map(move |c| range(c, 2));
        let rest = [
            self.event.map(|event| range(event, 4)),
            self.enable.map(|(port, _)| range(port, 1)),
            register(self.reset.map(|(reset, _)| reset)),
            register(self.sleep),
        ];
        rest.into_iter().flatten().chain(control)
    }
}

/// Finds the tables, from the loader's pointer or where a BIOS leaves it.
///
/// # Safety
/// Memory below 4 GiB is identity-mapped and readable, and nobody writes to the tables.
pub unsafe fn find(pointer: Option<usize>) -> Option<Acpi> {
    // SAFETY: the caller's promise; every table is checked for its length and sum before it is read.
    unsafe {
        let root = match pointer {
            Some(pointer) => pointer,
            None => scan()?,
        };
        let fadt = tables(root)?.find(|table| table.starts_with(b"FACP"))?;
        Some(read(fadt))
    }
}

/// BIOSes leave the root pointer on a 16-byte boundary of the first MiB (section 5.2.5.1).
unsafe fn scan() -> Option<usize> {
    const SIGNATURE: &[u8] = b"RSD PTR ";
    (0xe_0000..0x10_0000).step_by(16).find(|&at| {
        // SAFETY: the caller's promise.
        let bytes = unsafe { slice::from_raw_parts(at as *const u8, 20) };
        bytes.starts_with(SIGNATURE) && sum(bytes) == 0
    })
}

/// All tables that the root names.
unsafe fn tables(root: usize) -> Option<impl Iterator<Item = &'static [u8]>> {
    // SAFETY: the caller's promise.
    unsafe {
        let bytes = slice::from_raw_parts(root as *const u8, 36);
        let (list, step) = if bytes[15] >= 2 && long(bytes, 24) != 0 {
            (long(bytes, 24) as usize, 8)
        } else {
            (word(bytes, 16) as usize, 4)
        };
        let entries = table(list)?.get(36..)?.chunks_exact(step);
        Some(entries.filter_map(|entry| {
            let mut address = [0; 8];
            address[..entry.len()].copy_from_slice(entry);
            table(u64::from_le_bytes(address) as usize)
        }))
    }
}

/// A table, if its sum is right.
unsafe fn table(at: usize) -> Option<&'static [u8]> {
    if at == 0 || at >= (1 << 32) - LONGEST {
        return None;
    }
    // SAFETY: the caller's promise.
    let bytes = unsafe {
        let len = word(slice::from_raw_parts(at as *const u8, 8), 4) as usize;
        (36..=LONGEST)
            .contains(&len)
            .then(|| slice::from_raw_parts(at as *const u8, len))?
    };
    (sum(bytes) == 0).then_some(bytes)
}

/// Reads the fixed description (section 5.2.9).
unsafe fn read(fadt: &[u8]) -> Acpi {
    const RESET: u32 = 1 << 10;
    const HARDWARE_REDUCED: u32 = 1 << 20;
    let flags = word(fadt, 112);
    let port = |at: usize| u16::try_from(word(fadt, at)).ok().filter(|&port| port != 0);
    let is_reduced = flags & HARDWARE_REDUCED != 0;
    let full = |port: Option<u16>| port.filter(|_| !is_reduced);
    let dsdt = match long(fadt, 140) {
        0 => word(fadt, 40) as usize,
        at => at as usize,
    };
    Acpi {
        event: full(port(56)),
        control: [full(port(64)), full(port(68))],
        // SAFETY: the caller's promise.
        off: unsafe { table(dsdt) }.and_then(state_off),
        enable: full(port(48)).zip(fadt.get(52).copied().filter(|&value| value != 0)),
        reset: register(fadt, 116)
            .filter(|_| flags & RESET != 0)
            .zip(fadt.get(128).copied()),
        sleep: register(fadt, 244).filter(|_| is_reduced),
    }
}

fn register(fadt: &[u8], at: usize) -> Option<Register> {
    const MEMORY: u8 = 0;
    const PORT: u8 = 1;
    let address = long(fadt, at + 4);
    match *fadt.get(at)? {
        MEMORY if address != 0 && address < 1 << 32 => Some(Register::Memory(address as usize)),
        PORT if address != 0 => u16::try_from(address).ok().map(Register::Port),
        _ => None,
    }
}

/// The package `_S5_` (sections 7.4.2 and 20.2.5.4): the first two small numbers in it.
fn state_off(dsdt: &[u8]) -> Option<[u8; 2]> {
    const PACKAGE: u8 = 0x12;
    let name = dsdt.windows(4).position(|name| name == b"_S5_")?;
    let rest = dsdt.get(name + 4..)?;
    let (&PACKAGE, rest) = rest.split_first()? else {
        return None;
    };
    // The two top bits say how many bytes the length has beside this one; then comes the number of elements.
    let more = usize::from(*rest.first()? >> 6);
    let mut elements = rest.get(more + 2..)?;
    let mut number = || {
        const BYTE: u8 = 0x0a;
        let (&first, rest) = elements.split_first()?;
        elements = rest;
        if first != BYTE {
            return (first <= 1).then_some(first);
        }
        let (&value, rest) = elements.split_first()?;
        elements = rest;
        Some(value & 7)
    };
    let first = number()?;
    Some([first, number().unwrap_or(first)])
}

fn word(bytes: &[u8], at: usize) -> u32 {
    let bytes = bytes.get(at..).and_then(|rest| rest.first_chunk());
    bytes.map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

fn long(bytes: &[u8], at: usize) -> u64 {
    let bytes = bytes.get(at..).and_then(|rest| rest.first_chunk());
    bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

fn sum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}
