//! The console: the first serial port, plain lines.

use core::fmt;

use super::port::{read8, write8};

const COM1: u16 = 0x3f8;

/// The first serial port.
pub struct Console;

impl fmt::Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            if byte == b'\n' {
                put(b'\r');
            }
            put(byte);
        }
        Ok(())
    }
}

fn put(byte: u8) {
    const LINE_STATUS: u16 = 5;
    const EMPTY: u8 = 0x20;
    for _ in 0..100_000 {
        if read8(COM1 + LINE_STATUS) & EMPTY != 0 {
            break;
        }
    }
    write8(COM1, byte);
}

/// Prints one line on the console.
#[macro_export]
macro_rules! console {
    ($($arg:tt)*) => {{
        use core::fmt::Write as _;
        let _ = writeln!($crate::hw::serial::Console, $($arg)*);
    }};
}
