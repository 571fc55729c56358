//! The memory functions that compiled code calls, and no others.
//!
//! Words are moved by `rep movsq` and `rep stosq`: byte-wise string
//! instructions are eight times slower under an emulator.
//!
//! Beside them [`clear`], for memory that is fresh.

use core::arch::asm;

#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, len: usize) -> *mut u8 {
    // SAFETY: the C contract: both ranges are valid and do not overlap.
    unsafe {
        asm!("rep movsq", "mov rcx, {rest}", "rep movsb", rest = in(reg) len % 8,
            inout("rcx") len / 8 => _, inout("rdi") to => _, inout("rsi") from => _,
            options(nostack, preserves_flags));
    }
    to
}

#[unsafe(no_mangle)]
unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, len: usize) -> *mut u8 {
    if (to as usize).wrapping_sub(from as usize) >= len {
        // SAFETY: `to` does not lie inside the source, so copying forwards reads each byte before it is overwritten.
        return unsafe { memcpy(to, from, len) };
    }
    // SAFETY: the C contract; backwards, since `to` lies inside the source.
    unsafe {
        asm!("std", "rep movsb", "cld",
            inout("rcx") len => _, inout("rdi") to.wrapping_add(len).wrapping_sub(1) => _,
            inout("rsi") from.wrapping_add(len).wrapping_sub(1) => _, options(nostack));
    }
    to
}

#[unsafe(no_mangle)]
unsafe extern "C" fn memset(to: *mut u8, value: i32, len: usize) -> *mut u8 {
    let word = u64::from(value as u8) * 0x0101_0101_0101_0101;
    // SAFETY: the C contract: the range is valid.
    unsafe {
        asm!("rep stosq", "mov rcx, {rest}", "rep stosb", rest = in(reg) len % 8,
            inout("rcx") len / 8 => _, inout("rdi") to => _, in("rax") word,
            options(nostack, preserves_flags));
    }
    to
}

#[unsafe(no_mangle)]
unsafe extern "C" fn memcmp(left: *const u8, right: *const u8, len: usize) -> i32 {
    let mut at = 0;
    // SAFETY: the C contract: both ranges are valid.
    unsafe {
        while at + 8 <= len {
            let (a, b) = (
                left.add(at).cast::<u64>().read_unaligned(),
                right.add(at).cast::<u64>().read_unaligned(),
            );
            if a != b {
                return if a.swap_bytes() < b.swap_bytes() {
                    -1
                } else {
                    1
                };
            }
            at += 8;
        }
        while at < len {
            let (a, b) = (left.add(at).read(), right.add(at).read());
            if a != b {
                return i32::from(a) - i32::from(b);
            }
            at += 1;
        }
    }
    0
}

#[unsafe(no_mangle)]
unsafe extern "C" fn bcmp(left: *const u8, right: *const u8, len: usize) -> i32 {
    // SAFETY: the C contract is that of `memcmp`.
    unsafe { memcmp(left, right, len) }
}

/// Zeroes fresh memory, and writes only where it is not zero yet.
///
/// Most of a machine's memory is zero when it starts. Reading a page that nobody has written costs its host less than
/// writing it, and takes no memory there before it is needed: an index for a million flows is 11 MiB.
///
/// # Safety
/// The range is valid, and nobody else uses it.
pub unsafe fn clear(at: *mut u8, len: usize) {
    const PAGE: usize = 4096;
    let mut done = 0;
    while done < len {
        let part = (len - done).min(PAGE);
        // SAFETY: the part lies inside the range.
        unsafe {
            let part_at = at.add(done);
            if part < PAGE || !is_clear(part_at, part) {
                memset(part_at, 0, part);
            }
        }
        done += part;
    }
}

/// Whether all bytes are zero: 64 at a time, and `len` is a multiple of that.
///
/// # Safety
/// The range is valid. It may hold what the language calls uninitialised: only assembly looks at it.
unsafe fn is_clear(at: *const u8, len: usize) -> bool {
    let mut seen = 0_u64;
    // SAFETY: reads `len / 64` times eight words of the range.
    unsafe {
        asm!(
            "2:",
            "or {seen}, [{at}]",
            "or {seen}, [{at} + 8]",
            "or {seen}, [{at} + 16]",
            "or {seen}, [{at} + 24]",
            "or {seen}, [{at} + 32]",
            "or {seen}, [{at} + 40]",
            "or {seen}, [{at} + 48]",
            "or {seen}, [{at} + 56]",
            "add {at}, 64",
            "dec {times}",
            "jnz 2b",
            seen = inout(reg) seen,
            at = inout(reg) at => _,
            times = inout(reg) len / 64 => _,
            options(nostack, readonly),
        );
    }
    seen == 0
}

/// Nothing unwinds here: `alloc` was compiled for programs that do, and names this symbol.
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Resume() -> ! {
    unreachable!("a panic ends the program")
}

/// As above.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}
