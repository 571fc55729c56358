//! Time: the processor's time-stamp counter, calibrated at boot; and the local APIC's timer, to wake up by.

use core::arch::x86_64::{__cpuid, _rdtsc};
use core::sync::atomic::{AtomicU64, Ordering};

use super::apic;
use super::port::{read8, read32, write8};

/// How long one measurement takes, in PIT ticks (1 ms).
const SPAN: u32 = PIT_HZ / 1000;
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

/// A counter's value, and the time-stamp in the middle of its reading.
#[derive(Clone, Copy)]
struct Reading<T> {
    value: T,
    at: u64,
}

/// Reads a slow counter several times, and keeps the reading that took the least: whoever runs this machine may
/// stop it for milliseconds, also between a counter and its time-stamp.
fn sharply<T: Copy>(read: impl Fn() -> T) -> Reading<T> {
    const TRIES: u32 = 5;
    let once = || {
        let before = tsc();
        let value = read();
        let width = tsc() - before;
        let at = before + width / 2;
        (width, Reading { value, at })
    };
    let mut best = once();
    for _ in 1..TRIES {
        let next = once();
        if next.0 < best.0 {
            best = next;
        }
    }
    best.1
}

/// Measures the counters' rates; `None` if the machine has nothing to measure them by.
pub fn calibrate() -> Option<(Source, u64)> {
    apic::start_timer(u32::MAX);
    let begin = sharply(apic::timer);
    ZERO.store(begin.at, Ordering::Relaxed);
    let (source, hz) = if let Some(hz) = by_hypervisor() {
        let end = begin.at + hz / 2000;
        while tsc() < end {}
        (Source::Hypervisor, hz)
    } else if let Some(hz) = agreed(by_pit) {
        (Source::Pit, hz)
    } else {
        (Source::PmTimer, agreed(by_pm_timer)?)
    };
    let end = sharply(apic::timer);
    apic::start_timer(0);
    SCALE.store(
        (u128::from(1_000_000_u64) << 32).div_ceil(u128::from(hz)) as u64,
        Ordering::Relaxed,
    );
    let apic_ticks = u64::from(begin.value.wrapping_sub(end.value));
    let rate = u128::from(apic_ticks << 16) * u128::from(hz)
        / (u128::from(end.at - begin.at).max(1) * 1_000_000);
    APIC_RATE.store(rate as u64, Ordering::Relaxed);
    Some((source, hz))
}

/// Measures until two measurements in a row agree to one percent: one alone may have been disturbed.
fn agreed(measure: fn() -> Option<u64>) -> Option<u64> {
    const ATTEMPTS: u32 = 64;
    let mut last = measure()?;
    for _ in 0..ATTEMPTS {
        let next = measure()?;
        if next.abs_diff(last) <= last / 100 {
            return Some(last.midpoint(next));
        }
        last = next;
    }
    Some(last)
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

/// Waits for something, without sleep, so many microseconds at the most; whether it came.
pub fn within(us: u64, mut came: impl FnMut() -> bool) -> bool {
    let begin = now_us();
    loop {
        if came() {
            return true;
        }
        if now_us() - begin >= us {
            // It may have come while somebody else had the processor.
            return came();
        }
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
    let first = sharply(pit);
    let passed = |count: u16| u32::from(first.value.wrapping_sub(count));
    if !(0..1000).any(|_| passed(pit()) != 0) {
        return None;
    }
    while passed(pit()) < SPAN {}
    let last = sharply(pit);
    let ticks = passed(last.value);
    Some((last.at - first.at) * u64::from(PIT_HZ) / u64::from(ticks.max(1)))
}

/// The counter of channel 2.
fn pit() -> u16 {
    write8(0x43, 0x80);
    u16::from_le_bytes([read8(0x42), read8(0x42)])
}

/// ACPI's power-management timer (ACPI 6.5 section 4.8.3.3), where QEMU's chipsets have it.
fn by_pm_timer() -> Option<u64> {
    const MASK: u32 = 0xff_ffff;
    let read = || read32(PM_TIMER) & MASK;
    let first = sharply(read);
    let passed = |count: u32| u64::from(count.wrapping_sub(first.value) & MASK);
    if !(0..1000).any(|_| passed(read()) != 0) {
        return None;
    }
    while passed(read()) < PM_TIMER_HZ / 1000 {}
    let last = sharply(read);
    Some((last.at - first.at) * PM_TIMER_HZ / passed(last.value).max(1))
}
