//! libvirt's schemas take every domain and network.

use std::fs;
use std::process::Command;
use std::time::Duration;

use sekisho_tests::program::Program;
use sekisho_vmconfig::libvirt::Libvirt;
use sekisho_vmconfig::{Accel, Card, File, Firmware};
use tempfile::TempDir;

use crate::machine_on;

/// Validates as `virt-xml-validate` does: by the schema of the outermost element.
fn validate(file: &File) -> Result<(), String> {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join(&file.name);
    fs::write(&path, &file.text).expect("the folder is ours");
    let finished = Program::start(Command::new("virt-xml-validate").arg(&path))
        .finish(Duration::from_secs(20));
    match finished.status.success() {
        true => Ok(()),
        false => Err(finished.text),
    }
}

#[test]
fn every_domain_and_network_is_valid() {
    for firmware in [Firmware::Bios, Firmware::Uefi] {
        for card in [Card::Virtio, Card::E1000] {
            for accel in [Accel::Kvm, Accel::Tcg] {
                let libvirt = Libvirt {
                    image: "/images/R&D's <disk>.qcow2".into(),
                    firmware,
                    card,
                    accel,
                };
                for networks in [["bridge:br0", "switch:dmz0"], ["network:a", "network:b"]] {
                    for file in libvirt.files(&machine_on(networks)).expect("files") {
                        validate(&file).unwrap_or_else(|error| panic!("{error}\n{}", file.text));
                    }
                }
            }
        }
    }
}

#[test]
fn an_invalid_domain_is_noticed() {
    let libvirt = Libvirt {
        image: "/images/sekisho.qcow2".into(),
        firmware: Firmware::Bios,
        card: Card::Virtio,
        accel: Accel::Kvm,
    };
    let mut files = libvirt
        .files(&machine_on(["bridge:br0", "switch:dmz0"]))
        .expect("files");
    for (file, (good, bad)) in files.iter_mut().zip([
        ("<vcpu>", "<vcpu wrong='1'>"),
        ("mode='bridge'", "mode='wrong'"),
    ]) {
        assert!(file.text.contains(good));
        file.text = file.text.replace(good, bad);
        validate(file).expect_err("a wrong attribute");
    }
}
