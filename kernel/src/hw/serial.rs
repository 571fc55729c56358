//! The console: the first serial port (a 16550), plain lines out and typed lines in; the screen shows them, too.

use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::port::{read8, write8};
use super::{apic, screen};

const COM1: u16 = 0x3f8;
const DATA: u16 = COM1;
const INTERRUPT_ENABLE: u16 = COM1 + 1;
const FIFO_CONTROL: u16 = COM1 + 2;
const MODEM_CONTROL: u16 = COM1 + 4;
const LINE_STATUS: u16 = COM1 + 5;
const SCRATCH: u16 = COM1 + 7;

/// Line status: a byte has come.
const RECEIVED: u8 = 0x01;
/// Line status: a byte can be sent, or a FIFO's worth.
const EMPTY: u8 = 0x20;
/// Line status: all bytes have been sent.
const IDLE: u8 = 0x40;
/// Interrupt identification, where FIFO control is written: both bits say that the FIFOs work (those of the older 16550 do not).
const FIFOS_WORK: u8 = 0xc0;
/// Bytes that a 16550A's transmit FIFO holds.
const FIFO_BYTES: u32 = 16;
/// How often the line status is read, for each byte that may be on its way, before a port that does not get on is left alone:
/// who reads the other end may be busy for long.
const PATIENCE: u32 = 100_000;

static THERE: AtomicBool = AtomicBool::new(false);
/// How many bytes an empty port takes.
static DEPTH: AtomicU32 = AtomicU32::new(1);
/// How many it still takes without a look at its status.
static ROOM: AtomicU32 = AtomicU32::new(0);

/// The first serial port.
pub struct Console;

/// Listens to what is typed: each byte wakes the processor.
pub fn init() {
    const LINE: u32 = 4;
    // A port that is not there reads as ones, also where one was just written.
    write8(SCRATCH, 0x5a);
    let there = read8(SCRATCH) == 0x5a;
    THERE.store(there, Ordering::Relaxed);
    if there {
        apic::route(LINE, apic::SERIAL);
        write8(FIFO_CONTROL, 0x07);
        if read8(FIFO_CONTROL) & FIFOS_WORK == FIFOS_WORK {
            DEPTH.store(FIFO_BYTES, Ordering::Relaxed);
        }
        // Data terminal ready, request to send, and the output that carries the interrupt.
        write8(MODEM_CONTROL, 0x0b);
        write8(INTERRUPT_ENABLE, 0x01);
    }
}

/// The next byte that was typed.
pub fn read() -> Option<u8> {
    let has_byte = THERE.load(Ordering::Relaxed) && read8(LINE_STATUS) & RECEIVED != 0;
    has_byte.then(|| read8(DATA))
}

impl fmt::Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        screen::write(text);
        for byte in text.bytes() {
            if byte == b'\n' {
                put(b'\r');
            }
            put(byte);
        }
        Ok(())
    }
}

/// Each look at the status is an exit to whoever runs this machine, so there is one for a FIFO's worth of bytes.
fn put(byte: u8) {
    let mut room = ROOM.load(Ordering::Relaxed);
    if room == 0 {
        wait_for(EMPTY);
        room = DEPTH.load(Ordering::Relaxed);
    }
    write8(DATA, byte);
    ROOM.store(room - 1, Ordering::Relaxed);
}

/// Waits until all that was printed is on its way: an emulator that ends takes along what is not.
pub fn flush() {
    wait_for(IDLE);
}

fn wait_for(status: u8) {
    for _ in 0..PATIENCE * DEPTH.load(Ordering::Relaxed) {
        if read8(LINE_STATUS) & status != 0 {
            break;
        }
    }
}

/// Prints one line on the console.
#[macro_export]
macro_rules! console {
    ($($arg:tt)*) => {{
        use core::fmt::Write as _;
        let _ = writeln!($crate::hw::serial::Console, $($arg)*);
    }};
}
