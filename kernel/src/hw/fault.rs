//! The report of a fault or a panic, and the end after it.

use core::panic::PanicInfo;

use crate::boot;
use crate::console;

/// Where ring 0 sends a fault, on a stack of its own.
pub extern "C" fn report() -> ! {
    let r = boot::fault_registers();
    console!(
        "fault: vector={} error={:#x} rip={:#x} rsp={:#x} address={:#x}",
        r[15],
        r[16],
        r[17],
        r[20],
        r[21]
    );
    console!(
        "fault: rax={:#x} rbx={:#x} rcx={:#x} rdx={:#x} rsi={:#x} rdi={:#x}",
        r[0],
        r[1],
        r[2],
        r[3],
        r[4],
        r[5]
    );
    end()
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    console!("panic: {info}");
    end()
}

fn end() -> ! {
    super::port::write8(0xf4, 0x10);
    super::port::write8(0xcf9, 0x06);
    loop {
        boot::sleep();
    }
}
