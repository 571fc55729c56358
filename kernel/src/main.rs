//! The Sekisho unikernel: boot order, then the loop.
#![no_std]
#![no_main]
#![deny(unsafe_op_in_unsafe_fn)]

extern crate alloc;

#[forbid(unsafe_code)]
mod configuration;
#[forbid(unsafe_code)]
mod drives;
#[forbid(unsafe_code)]
mod firewall;
#[forbid(unsafe_code)]
mod journal;
#[forbid(unsafe_code)]
mod prompt;
#[forbid(unsafe_code)]
mod report;
#[forbid(unsafe_code)]
mod seating;

use prompt::{Command, Prompt};
use sekisho_kernel::hw::{apic, cards, clock, entropy, fault, heap, logger, power, screen, serial};
use sekisho_kernel::{boot, console};

/// How often somebody who waits looks at the console and the power button, in microseconds.
const LOOK_US: u64 = 250_000;

/// Ring 3 begins here. Each line needs what the lines before it brought.
#[unsafe(no_mangle)]
extern "C" fn kernel_main() -> ! {
    let info = boot::info();
    fault::init(info.words());
    apic::init();
    serial::init();
    screen::init(info);
    logger::init();
    let Some(clock) = clock::calibrate() else {
        stop("this machine has no timer to measure its clock by")
    };
    heap::init(info);
    power::init();
    report::greeting(info, clock);
    let mut devices = cards::find(info.words());
    screen::settle(devices.has_display);
    report::legacy(&devices.legacy);
    let config = match configuration::load(info, core::mem::take(&mut devices.drives)) {
        Ok(config) => config,
        Err(error) => stop(error),
    };
    let random = match entropy::stream(&mut devices, info.words()) {
        Ok(random) => random,
        Err(error) => stop(error),
    };
    let (net, seats) = match seating::seat(&config, devices, info.sizing_bytes() as usize) {
        Ok(seated) => seated,
        Err(error) => stop(error),
    };
    let firewall =
        firewall::Firewall::new(&config, net, &seats, random, info.sizing_bytes() as usize);
    heap::seal();
    report::addresses(&config);
    report::ready();
    fault::provoke(info.words());
    firewall.run()
}

/// Says why nothing is forwarded, and waits for somebody to mend it.
fn stop(why: impl core::fmt::Display) -> ! {
    if !screen::is_settled() {
        screen::settle(cards::has_display());
    }
    console!("{why}");
    console!("sekisho: stopped, nothing is forwarded");
    let mut prompt = Prompt::default();
    loop {
        match prompt.poll() {
            Some(Command::PowerOff) => leave(power::off),
            Some(Command::Reboot) => leave(power::reboot),
            Some(Command::Counters | Command::Status) => {
                console!("sekisho: nothing is forwarded");
            }
            None => {
                clock::wake_after(LOOK_US);
                boot::sleep();
                apic::take_timer();
            }
        }
    }
}

/// The last line, and the end.
fn leave(by: fn() -> !) -> ! {
    console!("sekisho: goodbye");
    by()
}
