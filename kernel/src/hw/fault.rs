//! The report of a fault or a panic, and the end after it.
//!
//! It prints what happened, where, the registers, and all addresses on the stack
//! that lie in the program's text; `sekisho run` puts names to them. Nothing is
//! forwarded any more. Then the machine restarts, or, with `panic=exit` on the
//! command line, leaves QEMU with code 33 (`-device isa-debug-exit,iobase=0xf4,iosize=0x04`).

use core::arch::asm;
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicBool, Ordering};

use super::{clock, port, power, serial};
use crate::boot;
use crate::console;

/// How long a person has to read before the machine restarts, in microseconds.
const READING_US: u64 = 3_000_000;
/// How many addresses of the stack are printed.
const CALLERS: usize = 24;

static EXIT: AtomicBool = AtomicBool::new(false);

/// Reads from the command line what to do after a fault.
pub fn init(words: &str) {
    let exit = words
        .split_ascii_whitespace()
        .any(|word| word == "panic=exit");
    EXIT.store(exit, Ordering::Relaxed);
}

/// Where ring 0 sends a fault, on a stack of its own.
pub extern "C" fn report() -> ! {
    let fault = boot::fault();
    let name = match fault.vector {
        0 => "division",
        1 | 3 => "breakpoint",
        6 => "undefined instruction",
        8 => "double fault",
        13 => "general protection",
        14 if fault.error & 0x10 != 0 => "page fault, execution",
        14 if fault.error & 0x02 != 0 => "page fault, write",
        14 => "page fault, read",
        17 => "alignment",
        18 => "machine check",
        16 | 19 => "floating point",
        _ => "fault",
    };
    console!(
        "sekisho: fault: {name} at {:#x}, address {:#x} (vector {}, error {:#x})",
        fault.rip,
        fault.address,
        fault.vector,
        fault.error
    );
    for (names, values) in [
        (["rax", "rbx", "rcx", "rdx"], &fault.registers[0..4]),
        (["rsi", "rdi", "rbp", "r8 "], &fault.registers[4..8]),
        (["r9 ", "r10", "r11", "r12"], &fault.registers[8..12]),
    ] {
        console!(
            "sekisho: fault: {} {:#018x}  {} {:#018x}  {} {:#018x}  {} {:#018x}",
            names[0],
            values[0],
            names[1],
            values[1],
            names[2],
            values[2],
            names[3],
            values[3]
        );
    }
    let rest = &fault.registers[12..15];
    console!(
        "sekisho: fault: r13 {:#018x}  r14 {:#018x}  r15 {:#018x}  rsp {:#018x}  flags {:#x}",
        rest[0],
        rest[1],
        rest[2],
        fault.rsp,
        fault.flags
    );
    callers("fault", fault.rsp);
    end()
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let rsp: u64;
    // SAFETY: only reads the stack pointer.
    unsafe { asm!("mov {}, rsp", out(reg) rsp, options(nomem, nostack, preserves_flags)) }
    match info.location() {
        Some(at) => console!(
            "sekisho: panic: {} ({}:{})",
            info.message(),
            at.file(),
            at.line()
        ),
        None => console!("sekisho: panic: {}", info.message()),
    }
    callers("panic", rsp);
    end()
}

/// Prints what may be return addresses: a guess, but one that has them all.
fn callers(what: &str, rsp: u64) {
    let mut printed = 0;
    for address in boot::stack_words(rsp).filter(|word| boot::is_text(*word)) {
        console!("sekisho: {what}: caller {address:#x}");
        printed += 1;
        if printed == CALLERS {
            return;
        }
    }
}

fn end() -> ! {
    /// Left shift by one and add one: QEMU's exit code becomes 33.
    const CODE: u8 = 16;
    if EXIT.load(Ordering::Relaxed) {
        console!("sekisho: stopped, nothing is forwarded; leaving");
        serial::flush();
        port::write8(0xf4, CODE);
        clock::pause(READING_US);
    }
    console!("sekisho: stopped, nothing is forwarded; restarting in 3 seconds");
    clock::pause(READING_US);
    power::reboot()
}

/// Does on purpose what must be caught, if the command line says `fault=` and what; for tests.
pub fn provoke(words: &str) {
    let wanted = words
        .split_ascii_whitespace()
        .find_map(|word| word.strip_prefix("fault="));
    let text = provoke as *const () as usize;
    static DATA: [u8; 1] = [0xc3];
    // SAFETY: none of it is sound, which is the point: each must end in a report.
    unsafe {
        match wanted {
            None => {}
            Some("write-text") => (text as *mut u8).write_volatile(0),
            Some("write-constant") => ((&raw const DATA).cast_mut().cast::<u8>()).write_volatile(0),
            Some("execute-data") => {
                let code: extern "C" fn() = core::mem::transmute(&raw const DATA);
                code();
            }
            Some("read-ring0") => {
                let ring0 = boot::ring0_address() as *const u8;
                let _ = ring0.read_volatile();
            }
            Some("null") => {
                let _ =
                    core::hint::black_box(core::ptr::null::<u8>().wrapping_add(8)).read_volatile();
            }
            Some("stack-overflow") => {
                core::hint::black_box(deeper(1));
            }
            Some("privileged") => asm!("cli"),
            Some("port") => port::write8(0x70, 0),
            Some("panic") => panic!("on purpose"),
            Some("allocate") => drop(core::hint::black_box(alloc::boxed::Box::new([1_u8; 64]))),
            Some(other) => panic!("fault={other} is not known"),
        }
    }
}

#[inline(never)]
fn deeper(level: u64) -> u64 {
    let here = core::hint::black_box([level; 64]);
    if level == 0 {
        return 0;
    }
    deeper(level + 1) + here[(level % 64) as usize]
}
