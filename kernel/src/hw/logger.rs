//! The engineer's log: defmt frames on the second serial port, decoded by `sekisho logs`.
//!
//! A frame holds the number of its text and the values; the texts stay in the ELF.
//! What libraries log by the `log` crate comes along. Without a second port nothing is written.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering};

use super::clock;
use super::port::{read8, write8};

const COM2: u16 = 0x2f8;
const LINE_STATUS: u16 = COM2 + 5;
const SCRATCH: u16 = COM2 + 7;
/// Line status: a byte can be sent.
const EMPTY: u8 = 0x20;

static THERE: AtomicBool = AtomicBool::new(false);
static TAKEN: AtomicBool = AtomicBool::new(false);
static ENCODER: Encoder = Encoder(UnsafeCell::new(defmt::Encoder::new()));

struct Encoder(UnsafeCell<defmt::Encoder>);

// SAFETY: one processor, no interrupt handler logs, and `TAKEN` keeps a frame from beginning inside another.
unsafe impl Sync for Encoder {}

#[defmt::global_logger]
struct Logger;

defmt::timestamp!("{=u64:us}", clock::now_us());

// SAFETY: `acquire` refuses a second taker, and only the taker comes to the other calls.
unsafe impl defmt::Logger for Logger {
    fn acquire() {
        assert!(
            !TAKEN.swap(true, Ordering::Relaxed),
            "a log frame inside a log frame"
        );
        // SAFETY: taken just now.
        unsafe { (*ENCODER.0.get()).start_frame(write) }
    }

    unsafe fn flush() {}

    unsafe fn release() {
        // SAFETY: taken by the caller.
        unsafe { (*ENCODER.0.get()).end_frame(write) }
        TAKEN.store(false, Ordering::Relaxed);
    }

    unsafe fn write(bytes: &[u8]) {
        // SAFETY: taken by the caller.
        unsafe { (*ENCODER.0.get()).write(bytes, write) }
    }
}

/// Looks for the second port and takes over what libraries log.
pub fn init() {
    // A port that is not there reads as ones, also where another value was just written.
    write8(SCRATCH, 0xa5);
    THERE.store(read8(SCRATCH) == 0xa5, Ordering::Relaxed);
    if log::set_logger(&Libraries).is_ok() {
        log::set_max_level(log::LevelFilter::Info);
    }
}

fn write(bytes: &[u8]) {
    if !THERE.load(Ordering::Relaxed) {
        return;
    }
    for byte in bytes {
        for _ in 0..100_000 {
            if read8(LINE_STATUS) & EMPTY != 0 {
                break;
            }
        }
        write8(COM2, *byte);
    }
}

/// What libraries say by the `log` crate.
struct Libraries;

impl log::Log for Libraries {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let (from, text) = (record.target(), defmt::Display2Format(record.args()));
        match record.level() {
            log::Level::Error => defmt::error!("{=str}: {}", from, text),
            log::Level::Warn => defmt::warn!("{=str}: {}", from, text),
            log::Level::Info => defmt::info!("{=str}: {}", from, text),
            log::Level::Debug | log::Level::Trace => defmt::debug!("{=str}: {}", from, text),
        }
    }

    fn flush(&self) {}
}
