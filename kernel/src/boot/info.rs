//! What the loader says: memory, command line, modules, ACPI.
//!
//! PVH: the Xen project's `start_info.h`, versions 0 and 1. Multiboot2: its specification 2.0, section 3.6.

use core::slice;

/// How many memory regions are kept.
const REGIONS: usize = 32;

/// What the loader says, from either protocol.
#[derive(Clone, Copy, Debug)]
pub struct BootInfo {
    /// Who loaded us.
    pub protocol: Protocol,
    /// The command line, lossless bytes without the final NUL.
    pub command_line: &'static [u8],
    /// The first module: the configuration.
    pub module: Option<&'static [u8]>,
    /// ACPI's root pointer, if the loader handed one over.
    pub rsdp: Option<usize>,
    /// The screen, if the loader describes one.
    pub framebuffer: Option<Framebuffer>,
    information: (usize, usize),
    regions: [Region; REGIONS],
    region_count: usize,
}

/// The boot protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// QEMU `-kernel`, microvm, Cloud Hypervisor, Firecracker.
    Pvh,
    /// GRUB.
    Multiboot2,
}

/// A screen as Multiboot2 describes it (section 3.6.12).
#[derive(Clone, Copy, Debug)]
pub struct Framebuffer {
    /// Its first byte.
    pub address: u64,
    /// Bytes of a line.
    pub pitch: u32,
    /// Pixels, or characters, of a line.
    pub width: u32,
    /// Lines.
    pub height: u32,
    /// Bits of a pixel.
    pub bits: u8,
    kind: u8,
}

impl Framebuffer {
    /// Whether it is VGA's text mode.
    pub const fn is_text(&self) -> bool {
        const EGA_TEXT: u8 = 2;
        self.kind == EGA_TEXT
    }
}

/// A range of usable memory.
#[derive(Clone, Copy, Debug, Default)]
pub struct Region {
    /// First byte.
    pub start: u64,
    /// Behind the last byte.
    pub end: u64,
}

impl BootInfo {
    /// Usable memory as the loader counts it.
    pub fn regions(&self) -> &[Region] {
        &self.regions[..self.region_count]
    }

    /// The command line as text; what is not text counts as absent.
    pub fn words(&self) -> &'static str {
        core::str::from_utf8(self.command_line).unwrap_or("")
    }

    /// Bytes of usable memory.
    pub fn memory_bytes(&self) -> u64 {
        self.regions()
            .iter()
            .map(|region| region.end - region.start)
            .sum()
    }

    /// Bytes of memory to size tables by: all of it, to the whole MiB that was bought, or where it is in pieces (from some 2 GiB on,
    /// or under UEFI), as much as a machine has whose memory is the image and the largest piece.
    pub fn sizing_bytes(&self) -> u64 {
        /// What a loader leaves at the top of memory: the configuration and ACPI's tables.
        const ABOVE: u64 = 1 << 20;
        let piece = self.free_memory();
        self.memory_bytes()
            .next_multiple_of(1 << 20)
            .min(piece.end - piece.start + super::paging::image_end() + ABOVE)
    }

    /// The largest range of memory below 4 GiB that neither the image nor anything of the loader's lies in: whole pages.
    pub fn free_memory(&self) -> Region {
        const PAGE: u64 = 4096;
        let taken = self.taken();
        let mut largest = Region::default();
        for region in self.regions() {
            let mut start = region.start;
            // From one obstacle to the next; the last stretch ends with the region.
            loop {
                start = start.next_multiple_of(PAGE);
                let ahead = taken.iter().filter(|obstacle| obstacle.end > start);
                let next = ahead.min_by_key(|obstacle| obstacle.start);
                let wall = next.map_or(u64::MAX, |obstacle| obstacle.start);
                let end = region.end.min(wall).min(1 << 32) & !(PAGE - 1);
                if end.saturating_sub(start) > largest.end - largest.start {
                    largest = Region { start, end };
                }
                match next {
                    Some(obstacle) if obstacle.start < region.end => start = obstacle.end,
                    Some(_) | None => break,
                }
            }
        }
        largest
    }

    /// What lies in memory already: the image and all below it, and what the loader left.
    fn taken(&self) -> [Region; 4] {
        let region = |start: usize, len: usize| Region {
            start: start as u64,
            end: (start + len) as u64,
        };
        let (command_line, module) = (self.command_line, self.module.unwrap_or_default());
        [
            region(0, super::paging::image_end() as usize),
            region(self.information.0, self.information.1),
            region(command_line.as_ptr() as usize, command_line.len()),
            region(module.as_ptr() as usize, module.len()),
        ]
    }

    const fn empty(protocol: Protocol) -> Self {
        Self {
            protocol,
            command_line: b"",
            module: None,
            rsdp: None,
            framebuffer: None,
            information: (0, 0),
            regions: [Region { start: 0, end: 0 }; REGIONS],
            region_count: 0,
        }
    }

    fn add(&mut self, start: u64, len: u64, kind: u32) {
        const USABLE: u32 = 1;
        if kind == USABLE && len > 0 && self.region_count < REGIONS {
            self.regions[self.region_count] = Region {
                start,
                end: start.saturating_add(len),
            };
            self.region_count += 1;
        }
    }
}

/// Reads PVH's `hvm_start_info`.
///
/// # Safety
/// `info` is what a PVH loader left in EBX, and memory is identity-mapped.
pub unsafe fn from_pvh(info: usize) -> BootInfo {
    // SAFETY: the caller's promise; all addresses below come from the loader, which placed what they name.
    unsafe {
        let word = |at: usize| ((info + at) as *const u32).read_unaligned();
        let long = |at: usize| ((info + at) as *const u64).read_unaligned();
        let mut boot = BootInfo::empty(Protocol::Pvh);
        let (version, modules) = (word(4), word(12));
        if modules > 0 {
            let list = long(16) as usize;
            let (start, len) = (
                (list as *const u64).read(),
                (list as *const u64).add(1).read(),
            );
            boot.module = Some(bytes(start as usize, len as usize));
        }
        boot.command_line = c_string(long(24) as usize);
        boot.rsdp = Some(long(32) as usize).filter(|&rsdp| rsdp != 0);
        if version >= 1 {
            let map = long(40) as usize;
            for index in 0..word(48) as usize {
                let entry = map + 24 * index;
                let field = |at: usize| ((entry + at) as *const u64).read_unaligned();
                boot.add(field(0), field(8), field(16) as u32);
            }
        }
        boot
    }
}

/// Reads Multiboot2's information.
///
/// # Safety
/// `info` is what a Multiboot2 loader left in EBX, and memory is identity-mapped.
pub unsafe fn from_multiboot2(info: usize) -> BootInfo {
    const COMMAND_LINE: u32 = 1;
    const MODULE: u32 = 3;
    const MEMORY_MAP: u32 = 6;
    const FRAMEBUFFER: u32 = 8;
    const ACPI_OLD: u32 = 14;
    const ACPI_NEW: u32 = 15;
    // SAFETY: the caller's promise; the tags follow each other up to the total size.
    unsafe {
        let word = |at: usize| (at as *const u32).read_unaligned();
        let long = |at: usize| (at as *const u64).read_unaligned();
        let mut boot = BootInfo::empty(Protocol::Multiboot2);
        boot.information = (info, word(info) as usize);
        let end = info + word(info) as usize;
        let mut module = None;
        let mut tag = info + 8;
        while tag + 8 <= end {
            let (kind, size) = (word(tag), word(tag + 4) as usize);
            match kind {
                COMMAND_LINE => boot.command_line = c_string(tag + 8),
                MODULE if module.is_none() => {
                    let (start, stop) = (word(tag + 8) as usize, word(tag + 12) as usize);
                    module = Some((start, stop.saturating_sub(start)));
                }
                MEMORY_MAP => {
                    let step = (word(tag + 8) as usize).max(24);
                    let mut entry = tag + 16;
                    while entry + 24 <= tag + size {
                        boot.add(long(entry), long(entry + 8), word(entry + 16));
                        entry += step;
                    }
                }
                FRAMEBUFFER if size >= 30 => {
                    boot.framebuffer = Some(Framebuffer {
                        address: long(tag + 8),
                        pitch: word(tag + 16),
                        width: word(tag + 20),
                        height: word(tag + 24),
                        bits: (word(tag + 28) & 0xff) as u8,
                        kind: (word(tag + 28) >> 8 & 0xff) as u8,
                    });
                }
                ACPI_OLD | ACPI_NEW => boot.rsdp = Some(tag + 8),
                _ => {}
            }
            tag += size.max(8).next_multiple_of(8);
        }
        boot.module = module.map(|(start, len)| {
            let start = if start < PAGE {
                lift(start, len, boot.free_memory())
            } else {
                start
            };
            bytes(start, len)
        });
        boot
    }
}

/// Bytes of a page. Nothing can be read from the first one later: a null pointer is a fault.
const PAGE: usize = 4096;

/// Copies what GRUB put into the first page, which UEFI counts as free, to where it can be read.
///
/// # Safety
/// The loader placed `len` bytes at `start`, and nobody uses `free`.
unsafe fn lift(start: usize, len: usize, free: Region) -> usize {
    if len as u64 > free.end - free.start {
        return PAGE;
    }
    // SAFETY: the caller's promise; an address of 0 is one like any other to the processor.
    unsafe {
        core::arch::asm!("rep movsb", inout("rcx") len => _, inout("rsi") start => _,
            inout("rdi") free.start => _, options(nostack, preserves_flags));
    }
    free.start as usize
}

unsafe fn bytes(start: usize, len: usize) -> &'static [u8] {
    if start == 0 {
        return &[];
    }
    // SAFETY: the loader placed `len` bytes there, and nothing else is put over them.
    unsafe { slice::from_raw_parts(start as *const u8, len) }
}

unsafe fn c_string(start: usize) -> &'static [u8] {
    const LONGEST: usize = 4096;
    if start == 0 {
        return &[];
    }
    // SAFETY: the loader placed a string with a final NUL there.
    let len = unsafe {
        (0..LONGEST)
            .find(|&at| *((start + at) as *const u8) == 0)
            .unwrap_or(LONGEST)
    };
    // SAFETY: as above.
    unsafe { bytes(start, len) }
}
