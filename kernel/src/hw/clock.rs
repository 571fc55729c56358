//! Time: the processor's time-stamp counter, calibrated at boot; and the local APIC's timer, to wake up by.

use core::arch::x86_64::{__cpuid, _rdtsc};
use core::sync::atomic::{AtomicU64, Ordering};

use super::apic;
use super::port::{read8, read32, write8};

/// A measurement takes a quarter of a millisecond, and there are two: the interval timer's ticks are 0.3 % of that.
const SPANS_PER_SECOND: u32 = 4000;

/// A counter of the machine that counts up at a known rate, and begins anew behind `mask`.
struct Reference {
    read: fn() -> u32,
    hz: u32,
    mask: u32,
}

/// Channel 2 of the interval timer, which nobody else uses (Intel 8254).
const PIT: Reference = Reference {
    read: pit,
    hz: 1_193_182,
    mask: 0xffff,
};

/// ACPI's power-management timer (ACPI 6.5 section 4.8.3.3), where QEMU's chipsets have it.
const PM_TIMER: Reference = Reference {
    read: || read32(0x608),
    hz: 3_579_545,
    mask: 0xff_ffff,
};

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
struct Reading {
    value: u32,
    at: u64,
}

/// Reads a slow counter several times, and keeps the reading that took the least: whoever runs this machine may
/// stop it for milliseconds, also between a counter and its time-stamp. It is there once: code that runs at the start alone
/// is the quicker the less of it there is.
#[inline(never)]
fn sharply(read: fn() -> u32) -> Reading {
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
    } else if let Some(hz) = by_pit() {
        (Source::Pit, hz)
    } else {
        (Source::PmTimer, PM_TIMER.rate_of_tsc()?)
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

impl Reference {
    /// The time-stamp counter's rate: measured until two measurements in a row agree to one percent, as one alone may have
    /// been disturbed. `None` if this counter stands still.
    fn rate_of_tsc(&self) -> Option<u64> {
        const ATTEMPTS: u32 = 64;
        let mut last = self.measure()?;
        for _ in 0..ATTEMPTS {
            let next = self.measure()?;
            if next.abs_diff(last) <= last / 100 {
                return Some(last.midpoint(next));
            }
            last = next;
        }
        Some(last)
    }

    fn measure(&self) -> Option<u64> {
        let first = sharply(self.read);
        let passed = |value: u32| value.wrapping_sub(first.value) & self.mask;
        if !(0..1000).any(|_| passed((self.read)()) != 0) {
            return None;
        }
        while passed((self.read)()) < self.hz / SPANS_PER_SECOND {}
        let last = sharply(self.read);
        let ticks = passed(last.value);
        Some((last.at - first.at) * u64::from(self.hz) / u64::from(ticks.max(1)))
    }
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

fn by_pit() -> Option<u64> {
    // Its gate opened, the speaker off; it counts down from its highest value, and goes on behind 0.
    write8(0x61, read8(0x61) & !2 | 1);
    write8(0x43, 0xb0);
    write8(0x42, 0xff);
    write8(0x42, 0xff);
    PIT.rate_of_tsc()
}

fn pit() -> u32 {
    write8(0x43, 0x80);
    u32::from(!u16::from_le_bytes([read8(0x42), read8(0x42)]))
}
