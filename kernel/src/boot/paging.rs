//! The page tables of the running machine: identity, and nothing both writable and executable.
//!
//! ```text
//! image     .boot ring 0 rx · .text ring 3 rx · .rodata ring 3 r · .data ring 3 rw · .ring0 ring 0 rw · stacks ring 3 rw
//! memory    ring 3 rw        devices below 4 GiB: ring 3 rw, uncached       page 0 and the guards: nothing
//! alias     ring 0 rw: the shared page, the local APIC (handlers may not touch ring-3 pages where SMAP is on)
//! ```

use core::ptr::addr_of;

const PRESENT: u64 = 1;
const WRITE: u64 = 1 << 1;
const USER: u64 = 1 << 2;
const UNCACHED: u64 = 1 << 4 | 1 << 3;
const LARGE: u64 = 1 << 7;
const NO_EXECUTE: u64 = 1 << 63;

const SMALL_PAGE: u64 = 4096;
const LARGE_PAGE: u64 = 2 << 20;
/// How much of the image's surroundings is mapped in small pages.
const FINE: usize = 8;

/// Where devices from 4 GiB on are mapped, 2 MiB a slot.
pub const WINDOW: u64 = 1 << 39;
/// Where the supervisor aliases begin: far above all memory and devices.
const ALIAS: u64 = 0xffff_ff80_0000_0000;
/// Supervisor alias of the page shared with ring 3.
pub const SHARED_ALIAS: u64 = ALIAS;
/// Supervisor alias of the local APIC.
pub const APIC_ALIAS: u64 = ALIAS + SMALL_PAGE;

#[repr(C, align(4096))]
struct Table([u64; 512]);

/// All tables; in supervisor pages, so that ring 3 cannot remap anything.
#[repr(C)]
pub struct Tables {
    root: Table,
    low: Table,
    directories: [Table; 4],
    fine: [Table; FINE],
    high: Table,
    high_directory: Table,
    high_fine: Table,
    window: Table,
    window_directory: Table,
}

unsafe extern "C" {
    static __image_start: u8;
    static __text_start: u8;
    static __rodata_start: u8;
    static __data_start: u8;
    static __ring0_start: u8;
    static __ring0_end: u8;
    static __fault_stack_bottom: u8;
    static __image_end: u8;
    static __stack_bottom: u8;
    static __stack_top: u8;
}

macro_rules! at {
    ($symbol:ident) => {
        // SAFETY: only the address of the linker's symbol is taken.
        addr_of!($symbol) as u64
    };
}

/// Where the program's text lies.
pub fn text() -> core::ops::Range<u64> {
    at!(__text_start)..at!(__rodata_start)
}

/// Where the program's stack lies.
pub fn stack() -> core::ops::Range<u64> {
    at!(__stack_bottom)..at!(__stack_top)
}

/// The address of a linker symbol that others need.
pub fn stack_top() -> u64 {
    at!(__stack_top)
}

/// Behind the last byte of the image, stacks included.
pub fn image_end() -> u64 {
    at!(__image_end)
}

/// Fills the tables; gives the root's address. `memory_end`: end of usable memory below 4 GiB.
pub fn build(tables: &mut Tables, memory_end: u64, shared: u64, apic: u64) -> u64 {
    let user = PRESENT | WRITE | USER;
    link(&mut tables.root, 0, &tables.low, user);
    for (index, directory) in tables.directories.iter_mut().enumerate() {
        for (entry, slot) in directory.0.iter_mut().enumerate() {
            let start = ((index * 512 + entry) as u64) * LARGE_PAGE;
            let cache = if start < memory_end.next_multiple_of(LARGE_PAGE) {
                0
            } else {
                UNCACHED
            };
            *slot = start | PRESENT | WRITE | USER | LARGE | NO_EXECUTE | cache;
        }
        tables.low.0[index] = directory as *const Table as u64 | user;
    }
    for (index, fine) in tables.fine.iter_mut().enumerate() {
        for (entry, slot) in fine.0.iter_mut().enumerate() {
            *slot = image_page(((index * 512 + entry) as u64) * SMALL_PAGE);
        }
        tables.directories[0].0[index] = fine as *const Table as u64 | user;
    }
    link(&mut tables.root, 1, &tables.window, user);
    link(&mut tables.window, 0, &tables.window_directory, user);
    let supervisor = PRESENT | WRITE;
    link(&mut tables.root, 511, &tables.high, supervisor);
    link(&mut tables.high, 0, &tables.high_directory, supervisor);
    link(&mut tables.high_directory, 0, &tables.high_fine, supervisor);
    tables.high_fine.0[0] = shared | supervisor | NO_EXECUTE;
    tables.high_fine.0[1] = apic | supervisor | NO_EXECUTE | UNCACHED;
    &raw const tables.root as u64
}

/// The directory that the map gate fills.
pub fn window_directory(tables: &Tables) -> u64 {
    &raw const tables.window_directory as u64
}

fn link(table: &mut Table, index: usize, next: &Table, flags: u64) {
    table.0[index] = next as *const Table as u64 | flags;
}

/// One page of the first MiBs: the image by its sections, all else data.
fn image_page(page: u64) -> u64 {
    let in_range = |from: u64, to: u64| (from..to).contains(&page);
    let data = page | PRESENT | WRITE | USER | NO_EXECUTE;
    if page == 0 || is_guard(page) {
        0
    } else if in_range(at!(__image_start), at!(__text_start)) {
        page | PRESENT
    } else if in_range(at!(__text_start), at!(__rodata_start)) {
        page | PRESENT | USER
    } else if in_range(at!(__rodata_start), at!(__data_start)) {
        page | PRESENT | USER | NO_EXECUTE
    } else if in_range(at!(__ring0_start), at!(__ring0_end)) {
        page | PRESENT | WRITE | NO_EXECUTE
    } else {
        data
    }
}

fn is_guard(page: u64) -> bool {
    page == at!(__fault_stack_bottom) - SMALL_PAGE || page == at!(__stack_bottom) - SMALL_PAGE
}
