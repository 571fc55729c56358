//! The wire: buffers from card to card, and nothing else.
//!
//! It shows what the machine and the driver cost without the engine. It is no
//! firewall, and no image contains it. What comes in by the first card leaves by
//! the second as it is, and the other way round: both sides are one segment.
#![no_std]
#![no_main]

extern crate alloc;

use sekisho_kernel::card::Card;
use sekisho_kernel::hw::{apic, cards, clock, heap};
use sekisho_kernel::net::{BURST, Net};
use sekisho_kernel::{boot, console};

/// Ring 3 begins here.
#[unsafe(no_mangle)]
extern "C" fn kernel_main() -> ! {
    let info = boot::info();
    apic::init();
    clock::calibrate().expect("a timer to measure the clock by");
    heap::init(info);
    let devices = cards::find(info.words());
    let memory = info.sizing_bytes() as usize;
    let mut net = match Net::bring_up(devices.cards, memory) {
        Ok(net) if net.cards.len() == 2 => net,
        Ok(_) => panic!("the wire has two ends: give it two cards"),
        Err(error) => panic!("{error}"),
    };
    // Its hosts speak to each other, not to its cards.
    net.cards.iter_mut().for_each(Card::take_all);
    heap::seal();
    console!("sekisho-wire: ready");
    run(&mut net)
}

fn run(net: &mut Net) -> ! {
    loop {
        let moved = carry(net, 0, 1) + carry(net, 1, 0);
        net.turn(|_| {});
        if net.is_tired(moved, clock::now_us()) {
            net.sleep(u64::MAX);
        }
    }
}

fn carry(net: &mut Net, from: usize, to: usize) -> usize {
    let mut moved = 0;
    while moved < BURST
        && let Some(received) = net.receive(from)
    {
        moved += 1;
        if let Ok(packet) = received {
            // A full ring drops the packet, whose buffers are free again.
            net.forward(Some(from), to, packet);
        }
    }
    moved
}
