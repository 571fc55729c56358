//! Measures how long the disk takes from QEMU's start to the first forwarded packet.
//!
//! ```sh
//! cargo run -p sekisho-tests --example boot_time          # 5 times each
//! cargo run -p sekisho-tests --example boot_time -- 11
//! ```

use std::time::{Duration, Instant};

use sekisho_image::{Format, Image};
use sekisho_qemu::{Bus, Firmware, Kind};
use sekisho_tests::firewall::{Boots, Setup, example};
use sekisho_tests::images::{Images, uefi};
use sekisho_tests::rig::Rig;

const DISK: Image = Image::Disk(Format::Qcow2);

fn main() {
    let rounds: usize = match std::env::args().nth(1).map(|word| word.parse()) {
        None => 5,
        Some(Ok(rounds)) if rounds > 0 => rounds,
        Some(_) => panic!("how many times? a number from 1 on"),
    };
    let images = Images::make(&[DISK], &example("lab.toml"), "seed=7");
    let machines = [
        ("BIOS, pc", Kind::Pc, Firmware::Bios),
        ("BIOS, q35", Kind::Q35, Firmware::Bios),
        ("UEFI, q35", Kind::Q35, uefi()),
    ];
    println!(
        "{rounds} rounds; median, least, most; of the median, what the kernel itself says that it took"
    );
    for (name, kind, firmware) in machines {
        let setup = Setup {
            kind,
            boots: Boots::Disk {
                path: images.path(DISK),
                bus: Bus::Virtio,
                firmware,
            },
            ..Setup::default()
        };
        let mut times: Vec<(Duration, String)> = (0..rounds).map(|_| measure(&setup)).collect();
        times.sort();
        let ms = |index: usize| times[index].0.as_millis();
        let (median, kernel) = &times[rounds / 2];
        println!(
            "{name}: {} ms, {} ms, {} ms; {kernel}",
            median.as_millis(),
            ms(0),
            ms(rounds - 1)
        );
    }
}

/// Until a datagram from the WAN has arrived in the DMZ.
fn measure(setup: &Setup) -> (Duration, String) {
    let start = Instant::now();
    let mut rig = Rig::boot(setup, None);
    rig.firewall = rig.firewall.ready();
    rig.settle_from_wan();
    let time = start.elapsed();
    let lines = rig.firewall.vm().lines();
    let ready = lines.iter().find(|line| line.contains("ready after"));
    (time, ready.cloned().unwrap_or_default())
}
