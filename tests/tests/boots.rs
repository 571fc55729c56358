//! Every image, booted by firmware from every bus, and sent traffic through; no root.
//!
//! The cases are chosen so that each format, bus, board, firmware, kind of card, size of memory and number of processors
//! comes up at least once, each with another neighbour: the whole product would take an hour.

use std::path::Path;
use std::process::Command;

use sekisho_image::{Format, Image};
use sekisho_qemu::{Bus, Firmware, Kind, Model};
use sekisho_tests::firewall::{Boots, Setup, example};
use sekisho_tests::frames::{Inner, flag};
use sekisho_tests::images::{Images, uefi};
use sekisho_tests::rig::{Rig, WAN, WAN_HOST};

/// On the images' command line.
const WORDS: &str = "seed=7 panic=exit";

/// A machine with what most have; a case changes what it is about.
fn machine(kind: Kind) -> Setup {
    Setup {
        kind,
        ..Setup::default()
    }
}

/// The least memory that a BIOS boots with.
fn small(kind: Kind) -> Setup {
    Setup {
        memory_mib: 16,
        ..machine(kind)
    }
}

fn with_cards(models: &[Model], setup: Setup) -> Setup {
    Setup {
        models: models.to_vec(),
        ..setup
    }
}

fn four_processors(setup: Setup) -> Setup {
    Setup {
        arguments: vec!["-smp", "4"],
        ..setup
    }
}

fn four_gib(setup: Setup) -> Setup {
    Setup {
        memory_mib: 4096,
        ..setup
    }
}

fn bios() -> Firmware {
    Firmware::Bios
}

macro_rules! cases {
    ($($name:ident: $image:expr, on $bus:ident, by $firmware:ident, $setup:expr;)*) => {
        $(#[test]
        fn $name() {
            let images = Images::make(&[$image], &example("lab.toml"), WORDS);
            boots_and_forwards(&images.path($image), Bus::$bus, $firmware(), $setup);
        })*
    };
}

const RAW: Image = Image::Disk(Format::Raw);
const QCOW2: Image = Image::Disk(Format::Qcow2);
const VMDK: Image = Image::Disk(Format::Vmdk);
const STREAM: Image = Image::Disk(Format::VmdkStream);
const VDI: Image = Image::Disk(Format::Vdi);
const VHDX: Image = Image::Disk(Format::Vhdx);
use Image::Iso;
use Kind::{Pc, Q35};
use Model::{E1000, E1000Em, Virtio, VirtioTransitional};

cases! {
    a_bios_boots_vmdk_from_ide: VMDK, on Ata, by bios, with_cards(&[E1000, E1000], small(Pc));
    a_bios_boots_vdi_from_ahci: VDI, on Ata, by bios, with_cards(&[E1000Em, E1000Em], small(Q35));
    a_bios_boots_qcow2_from_virtio: QCOW2, on Virtio, by bios, with_cards(&[VirtioTransitional], small(Pc));
    a_bios_boots_a_stream_from_virtio_scsi: STREAM, on VirtioScsi, by bios, four_processors(machine(Pc));
    a_bios_boots_vhdx_from_lsi_scsi: VHDX, on Lsi, by bios, with_cards(&[Virtio, E1000], machine(Pc));
    a_bios_boots_raw_from_nvme: RAW, on Nvme, by bios, four_processors(machine(Q35));
    a_bios_boots_raw_from_usb: RAW, on Usb, by bios, four_gib(with_cards(&[E1000, VirtioTransitional], machine(Q35)));
    a_bios_boots_a_cd_on_pc: Iso, on Cd, by bios, small(Pc);
    a_bios_boots_a_cd_on_q35: Iso, on Cd, by bios, machine(Q35);
    a_bios_boots_the_cds_image_from_usb: Iso, on Usb, by bios, machine(Pc);
    uefi_boots_qcow2_from_virtio: QCOW2, on Virtio, by uefi, machine(Q35);
    uefi_boots_vmdk_from_ahci: VMDK, on Ata, by uefi, four_gib(with_cards(&[E1000, E1000Em], machine(Q35)));
    uefi_boots_vhdx_from_virtio_scsi: VHDX, on VirtioScsi, by uefi, with_cards(&[VirtioTransitional], machine(Q35));
    uefi_boots_raw_from_nvme: RAW, on Nvme, by uefi, four_processors(machine(Q35));
    uefi_boots_a_cd: Iso, on Cd, by uefi, machine(Q35);
    uefi_boots_the_cds_image_from_usb: Iso, on Usb, by uefi, with_cards(&[E1000Em, Virtio], machine(Q35));
}

#[test]
fn the_bare_kernel_boots_without_firmware() {
    let images = Images::make(&[Image::Elf], &example("lab.toml"), "");
    for kind in [Kind::Microvm, Kind::MicrovmAcpi, Kind::Q35] {
        let setup = Setup {
            boots: Boots::Kernel(images.path(Image::Elf)),
            ..small(kind)
        };
        expect_forwards(&Rig::ready(&setup, &example("lab.toml")));
    }
}

#[test]
fn the_appliances_disk_boots_as_its_description_says() {
    let images = Images::make(&[Image::Ova], &example("lab.toml"), WORDS);
    let unpacked = Command::new("tar")
        .arg("-C")
        .arg(images.folder())
        .arg("-xf")
        .arg(images.path(Image::Ova))
        .status()
        .expect("tar is there");
    assert!(unpacked.success());
    let disk = images.folder().join("sekisho-disk1.vmdk");
    let setup = with_cards(&[E1000, E1000], machine(Pc));
    boots_and_forwards(&disk, Bus::Ata, bios(), setup);
}

#[track_caller]
fn boots_and_forwards(path: &Path, bus: Bus, firmware: Firmware, setup: Setup) {
    let setup = Setup {
        boots: Boots::Disk {
            path: path.to_owned(),
            bus,
            firmware,
        },
        ..setup
    };
    let mut rig = Rig::boot(&setup, None);
    rig.firewall = rig.firewall.ready();
    let console = rig.firewall.vm().lines().join("\n");
    for words in [
        "booted by Multiboot2",
        "bytes from the boot module: 2 zones",
        "fixed seed 7",
    ] {
        assert!(console.contains(words), "no \"{words}\" in:\n{console}");
    }
    expect_forwards(&rig);
}

/// What comes from the WAN gets through, what comes from the DMZ is masqueraded, and nothing is lost.
#[track_caller]
fn expect_forwards(rig: &Rig) {
    rig.settle_from_wan();
    let (wan, dmz) = (&rig.wan, &rig.dmz);
    dmz.send(&dmz.to(WAN_HOST).tcp((40_000, 443), flag::SYN, (1, 0), b""));
    let syn = wan.expect("a SYN", |frame| {
        matches!(
            frame.inner(),
            Some(&Inner::Tcp {
                destination: 443,
                flags: flag::SYN,
                ..
            })
        )
    });
    assert_eq!(syn.source(), Some(WAN), "masqueraded");
    let totals = rig.firewall.power_off();
    assert_eq!((totals.forwarded, totals.dropped), (2, 0), "{totals:?}");
    totals.expect_conserved();
}
