//! Time: the processor's time-stamp counter, calibrated at boot; and the local APIC's timer, to wake up by.

use core::arch::x86_64::{__cpuid, _rdtsc};
use core::sync::atomic::{AtomicU64, Ordering};

use super::apic;
use super::port::{read8, read32, write8};

/// How long calibration measures, in PIT ticks (2 ms).
const SPAN: u32 = PIT_HZ / 500;
const PIT_HZ: u32 = 1_193_182;
const PM_TIMER_HZ: u64 = 3_579_545;
const PM_TIMER: u16 = 0x608;

static ZERO: AtomicU64 = AtomicU64::new(0);
/// Microseconds per counter tick, times 2^32.
static SCALE: AtomicU64 = AtomicU64::new(0);
/// Local APIC timer ticks per microsecond, times 2^16.
static APIC_RATE: AtomicU64 = AtomicU64::new(0);

/// Where the time comes from.
#[derive(Clone, Copy, Debug)]
pub enum Source {
    /// The hypervisor told the counter's rate.
    Hypervisor,
    /// Measured against the interval timer.
    Pit,
    /// Measured against ACPI's timer.
    PmTimer,
}

/// Measures the counters' rates; `None` if the machine has nothing to measure them by.
pub fn calibrate() -> Option<(Source, u64)> {
    apic::start_timer(u32::MAX);
    let begin = (tsc(), apic::timer());
    ZERO.store(begin.0, Ordering::Relaxed);
    let (source, hz) = if let Some(hz) = by_hypervisor() {
        let end = begin.0 + hz / 2000;
        while tsc() < end {}
        (Source::Hypervisor, hz)
    } else if let Some(hz) = by_pit() {
        (Source::Pit, hz)
    } else {
        (Source::PmTimer, by_pm_timer()?)
    };
    let (tsc_ticks, apic_ticks) = (
        tsc() - begin.0,
        u64::from(begin.1.wrapping_sub(apic::timer())),
    );
    apic::start_timer(0);
    SCALE.store(
        (u128::from(1_000_000_u64) << 32).div_ceil(u128::from(hz)) as u64,
        Ordering::Relaxed,
    );
    let us = now_us().max(1);
    let _ = tsc_ticks;
    APIC_RATE.store((apic_ticks << 16) / us, Ordering::Relaxed);
    Some((source, hz))
}

/// Microseconds since [`calibrate`] began.
#[must_use]
pub fn now_us() -> u64 {
    let ticks = tsc().wrapping_sub(ZERO.load(Ordering::Relaxed));
    ((u128::from(ticks) * u128::from(SCALE.load(Ordering::Relaxed))) >> 32) as u64
}

/// Lets so many microseconds pass, without sleep; none before [`calibrate`], when time stands still.
pub fn pause(us: u64) {
    let begin = now_us();
    while SCALE.load(Ordering::Relaxed) != 0 && now_us() - begin < us {
        core::hint::spin_loop();
    }
}

/// Asks for an interrupt in `us` microseconds; the last request counts.
pub fn wake_after(us: u64) {
    let ticks = us.saturating_mul(APIC_RATE.load(Ordering::Relaxed)) >> 16;
    apic::start_timer(ticks.clamp(1, u64::from(u32::MAX)) as u32);
}

/// The time-stamp counter.
#[must_use]
pub fn tsc() -> u64 {
    // SAFETY: every x86-64 processor has it, and CR4.TSD is clear.
    unsafe { _rdtsc() }
}

/// CPUID leaf 0x40000010: KVM, VMware and Xen give the rate in kHz.
fn by_hypervisor() -> Option<u64> {
    const PRESENT: u32 = 1 << 31;
    if __cpuid(1).ecx & PRESENT == 0 || __cpuid(0x4000_0000).eax < 0x4000_0010 {
        return None;
    }
    let khz = __cpuid(0x4000_0010).eax;
    (khz > 100_000).then(|| u64::from(khz) * 1000)
}

/// Channel 2 of the interval timer, which nobody else uses (Intel 8254).
fn by_pit() -> Option<u64> {
    write8(0x61, read8(0x61) & !2 | 1);
    write8(0x43, 0xb0);
    write8(0x42, 0xff);
    write8(0x42, 0xff);
    let (first, begin) = pit_reading();
    let alive = (0..1000).any(|_| pit_reading().0 != first);
    if !alive {
        return None;
    }
    loop {
        let (count, end) = pit_reading();
        let ticks = u32::from(first.wrapping_sub(count));
        if ticks >= SPAN {
            return Some((end - begin) * u64::from(PIT_HZ) / u64::from(ticks));
        }
    }
}

/// The counter, and the time-stamp in the middle of its reading.
fn pit_reading() -> (u16, u64) {
    let before = tsc();
    write8(0x43, 0x80);
    let after = tsc();
    let count = u16::from_le_bytes([read8(0x42), read8(0x42)]);
    (count, before + (after - before) / 2)
}

/// ACPI's power-management timer (ACPI 6.5 section 4.8.3.3), where QEMU's chipsets have it.
fn by_pm_timer() -> Option<u64> {
    const MASK: u32 = 0xff_ffff;
    let first = read32(PM_TIMER) & MASK;
    let begin = tsc();
    let alive = (0..1000).any(|_| read32(PM_TIMER) & MASK != first);
    if !alive {
        return None;
    }
    loop {
        let ticks = u64::from((read32(PM_TIMER) & MASK).wrapping_sub(first) & MASK);
        let end = tsc();
        if ticks >= PM_TIMER_HZ / 500 {
            return Some((end - begin) * PM_TIMER_HZ / ticks);
        }
    }
}
