//! Off and again, on every board and by every firmware: the power button, and restarts that come up again.

use std::time::Duration;

use sekisho_image::{Format, Image};
use sekisho_qemu::{Bus, Firmware, Kind, Network};
use sekisho_tests::firewall::{Boots, Firewall, Setup, example};
use sekisho_tests::images::{Images, uefi};
use sekisho_tests::rig::Rig;
use serde_json::json;

/// How long firmware, GRUB and kernel may take, on a slow machine.
const LIMIT: Duration = Duration::from_secs(120);
const DISK: Image = Image::Disk(Format::Qcow2);

/// Types `reboot`, and waits until the machine has come up again.
fn restart(firewall: &Firewall, setup: &Setup) {
    let vm = firewall.vm();
    // Other tests take a restart for an end, and QEMU is told so; not here.
    vm.qmp("set-action", &json!({ "reboot": "reset" }))
        .expect("QEMU's monitor");
    let first = vm.lines().len();
    vm.type_keys(b"reboot\r").expect("the console is open");
    vm.wait_from(first, |line| line == "sekisho: goodbye", LIMIT)
        .unwrap_or_else(|error| panic!("{setup:?}: {error}"));
    vm.wait_from(
        first,
        |line| line.starts_with("sekisho: ready after"),
        LIMIT,
    )
    .unwrap_or_else(|error| panic!("{setup:?}: {error}"));
}

/// Boots, restarts twice and presses the power button.
fn expect_restarts_and_switches_off(setup: &Setup) {
    let config = example("lab.toml");
    let networks = vec![Network::Hub(vec![]), Network::Hub(vec![])];
    let firewall = Firewall::boot(setup, Some(config.as_bytes()), networks).ready();
    for _ in 0..2 {
        restart(&firewall, setup);
    }
    let first = firewall.vm().lines().len();
    firewall.power_off().expect_conserved();
    let last = firewall.vm().lines_from(first);
    assert!(
        last.iter().any(|line| line == "sekisho: goodbye"),
        "{setup:?}: {last:?}"
    );
}

#[test]
fn a_kernel_restarts_and_has_a_power_button() {
    // Without ACPI there is no button, and the machine restarts where it would switch off.
    for kind in [Kind::Q35, Kind::Pc, Kind::MicrovmAcpi] {
        expect_restarts_and_switches_off(&Setup {
            kind,
            ..Setup::default()
        });
    }
}

#[test]
fn a_disk_restarts_and_has_a_power_button_by_bios_and_uefi() {
    let images = Images::make(&[DISK], &example("lab.toml"), "");
    let path = images.path(DISK);
    for (kind, firmware) in [
        (Kind::Pc, Firmware::Bios),
        (Kind::Q35, Firmware::Bios),
        (Kind::Q35, uefi()),
    ] {
        expect_restarts_and_switches_off(&Setup {
            kind,
            boots: Boots::Disk {
                path: path.clone(),
                bus: Bus::default(),
                firmware,
            },
            ..Setup::default()
        });
    }
}

/// Memory keeps over a restart what was in it, and with a fixed seed the same flow has the same place in the index.
#[test]
fn a_restart_begins_with_empty_tables() {
    let setup = Setup::default();
    let rig = Rig::ready(&setup, &example("lab.toml"));
    rig.settle_from_dmz();
    restart(&rig.firewall, &setup);
    rig.settle_from_dmz();
}
